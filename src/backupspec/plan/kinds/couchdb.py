"""CouchDB: each database read over HTTP as a replication reads it, in plain JSON."""

from __future__ import annotations

from dataclasses import dataclass

from backupspec.database import CouchDB
from backupspec.fleet import DatabaseJob
from backupspec.plan.kinds.recipe import Names, Recipe, Script, names, note, title
from backupspec.words import Comment, ShellWord

HERE = "127.0.0.1"
PORT = 5984
USER = "backupspec"
OWN = ("_global_changes",)
"""The server's own note of what happened. Users and replications are databases too, and dumped."""


@dataclass(frozen=True, slots=True)
class View:
    """The view of the templates of CouchDB; `server` is its URL."""

    title: Comment
    notice: Comment
    server: ShellWord
    user: ShellWord
    credential: ShellWord | None
    names: Names


def recipe(job: DatabaseJob, kind: CouchDB) -> Recipe:
    """Give the recipe."""
    endpoint = kind.endpoint
    address = endpoint.address or HERE
    host = f"[{address}]" if ":" in address else address

    def view(text: str) -> View:
        return View(
            title=title(job, text),
            notice=note(job),
            server=ShellWord(f"http://{host}:{endpoint.port or PORT}"),
            user=ShellWord(endpoint.user or USER),
            credential=None if endpoint.credential is None else ShellWord(endpoint.credential),
            names=names(kind.choice, OWN),
        )

    scripts = [
        Script("names", "databases/couchdb/names", view("Name the databases of a CouchDB server")),
        Script("dump", "databases/couchdb/dump", view("Dump one database of a CouchDB server")),
        Script("load", "databases/couchdb/load", view("Make a database of a CouchDB server from a dump")),
    ]
    if job.drill is not None:
        scripts.append(Script("scratch", "databases/couchdb/scratch", view("Read dumps of CouchDB to their ends")))
    return Recipe(
        scripts=tuple(scripts),
        aside="the database backupspec-restore",
        addresses=(address,),
        credentials=() if endpoint.credential is None else (endpoint.credential,),
        peeks=True,
        restores=(),
        tools=(("curl", "curl"), ("jq", "jq")),
    )
