"""PostgreSQL: pg_dump of each database, pg_dumpall for what belongs to none."""

from __future__ import annotations

from dataclasses import dataclass

from backupspec.database import PostgreSQL
from backupspec.fleet import DatabaseJob
from backupspec.plan.kinds.recipe import (
    MIB,
    Client,
    Names,
    Question,
    Recipe,
    Room,
    Script,
    client,
    names,
    note,
    questions,
    rights,
    title,
)
from backupspec.words import Comment, ShellWord

SOCKET = "/run/postgresql"
PORT = 5432
OWN = ("template1",)
"""What every server has for itself, beside template0, which lets nobody in."""


@dataclass(frozen=True, slots=True)
class View:
    """The view of the templates of PostgreSQL."""

    title: Comment
    notice: Comment
    client: Client
    container: ShellWord | None
    names: Names
    accounts: bool
    passwords: bool
    lock_wait: int  # milliseconds


@dataclass(frozen=True, slots=True)
class Scratch:
    """The view of scratch.sh.j2."""

    title: Comment
    notice: Comment
    accounts: bool
    questions: tuple[Question, ...]


def recipe(job: DatabaseJob, kind: PostgreSQL) -> Recipe:
    """Give the recipe."""
    endpoint = kind.endpoint

    def view(text: str) -> View:
        return View(
            title=title(job, text),
            notice=note(job),
            client=client(endpoint, SOCKET, PORT, inside="postgres"),
            container=None if endpoint.container is None else ShellWord(endpoint.container.name),
            names=names(kind.choice, OWN),
            accounts=kind.accounts != "none",
            passwords=kind.accounts == "with-passwords",
            lock_wait=kind.lock_wait * 1000,
        )

    scripts = [
        Script("names", "databases/postgresql/names", view("Name the databases of a PostgreSQL server")),
        Script("dump", "databases/postgresql/dump", view("Dump one database of a PostgreSQL server")),
        Script("load", "databases/postgresql/load", view("Make a database of a PostgreSQL server from a dump")),
    ]
    if job.drill is not None:
        drill = Scratch(
            title=title(job, "Restore dumps into a scratch PostgreSQL server"),
            notice=note(job),
            accounts=kind.accounts != "none",
            questions=questions(job),
        )
        scripts.append(Script("scratch", "databases/postgresql/scratch", drill))
    local = endpoint.address is None and endpoint.container is None
    groups, writer = rights(endpoint.container)
    return Recipe(
        scripts=tuple(scripts),
        special=(".users",),
        aside="the database backupspec-aside or backupspec-new",
        sockets=(endpoint.socket or SOCKET,) if local else (),
        addresses=() if endpoint.address is None else (endpoint.address,),
        groups=groups,
        credentials=() if endpoint.credential is None else (endpoint.credential,),
        peeks=True,
        places=True,
        tools=() if endpoint.container is not None else (("pg_dump", "postgresql-client"),),
        writer=writer,
        room=Room(3, 256 * MIB),
        restores=None if endpoint.container is not None else (),
    )
