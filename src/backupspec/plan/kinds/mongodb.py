"""MongoDB: mongodump of each database, or of all together with the operations that came meanwhile."""

from __future__ import annotations

from dataclasses import dataclass

from backupspec.database import MongoDB
from backupspec.fleet import DatabaseJob
from backupspec.plan.kinds.recipe import MIB, Client, Names, Recipe, Room, Script, client, names, note, rights, title
from backupspec.words import Comment, ShellWord

HERE = "127.0.0.1"
PORT = 27017
OWN = ("config", "local")
"""What every server has for itself. `admin`, which holds users and roles, is dumped."""


@dataclass(frozen=True, slots=True)
class View:
    """The view of the templates of MongoDB. `oplog`: all databases are one dump."""

    title: Comment
    notice: Comment
    client: Client
    container: ShellWord | None
    socket: bool
    names: Names
    oplog: bool


def recipe(job: DatabaseJob, kind: MongoDB) -> Recipe:
    """Give the recipe. In a container the tools have one input, which is taken: there is no load."""
    endpoint = kind.endpoint
    container = endpoint.container

    def view(text: str) -> View:
        return View(
            title=title(job, text),
            notice=note(job),
            client=client(endpoint, HERE, PORT),
            container=None if container is None else ShellWord(container.name),
            socket=endpoint.socket is not None and endpoint.address is None,
            names=names(kind.choice, OWN),
            oplog=kind.oplog,
        )

    scripts = [
        Script("names", "databases/mongodb/names", view("Name the databases of a MongoDB server")),
        Script("dump", "databases/mongodb/dump", view("Dump databases of a MongoDB server")),
    ]
    if container is None:
        scripts.append(Script("load", "databases/mongodb/load", view("Make databases of a MongoDB server from a dump")))
    if job.drill is not None:
        scripts.append(Script("scratch", "databases/mongodb/scratch", view("Load dumps into a scratch MongoDB server")))
    local = endpoint.socket is not None or container is not None
    tools = (("mongodump", "mongodb-database-tools"), ("mongosh", "mongodb-mongosh"))
    groups, writer = rights(container)
    return Recipe(
        scripts=tuple(scripts),
        special=(".all",),
        aside="the database backupspec-restore",
        sockets=() if endpoint.socket is None else (endpoint.socket,),
        addresses=() if local and endpoint.address is None else (endpoint.address or HERE,),
        groups=groups,
        credentials=() if endpoint.credential is None else (endpoint.credential,),
        writer=writer,
        peeks=True,
        renames=not kind.oplog,
        room=Room(2, 256 * MIB),
        restores=(),
        jit=True,
        tools=() if container is not None else tools,
    )
