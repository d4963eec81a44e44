"""MariaDB and MySQL: each database and the accounts, by the server's own dump tool."""

from __future__ import annotations

from dataclasses import dataclass

from backupspec.database import MySQL
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
from backupspec.words import Comment, ShellWord, SqlTexts

SOCKET = "/run/mysqld/mysqld.sock"
PORT = 3306
OWN = ("information_schema", "mysql", "performance_schema", "sys")
"""What every server has for itself. Of mysql, users and rights are dumped by themselves."""
INTERNAL = ("mysql.infoschema", "mysql.session", "mysql.sys")
"""Accounts that MySQL makes for itself, and nobody logs in as."""


@dataclass(frozen=True, slots=True)
class View:
    """The view of the templates of MariaDB and MySQL.

    `sql` and `dumper` are the client's tools. `as_root`: the server is asked by root, who may restore, not by the
    account that dumps.
    """

    title: Comment
    notice: Comment
    mariadb: bool
    sql: ShellWord
    dumper: ShellWord
    client: Client
    credential: ShellWord | None
    container: ShellWord | None
    as_root: bool
    names: Names
    accounts: bool
    internal: ShellWord
    lock_wait: int  # seconds


@dataclass(frozen=True, slots=True)
class Scratch:
    """The view of scratch.sh.j2."""

    title: Comment
    notice: Comment
    mariadb: bool
    sql: ShellWord
    dumper: ShellWord
    server: ShellWord
    questions: tuple[Question, ...]


def recipe(job: DatabaseJob, kind: MySQL) -> Recipe:
    """Give the recipe."""
    endpoint = kind.endpoint
    mariadb = kind.product == "mariadb"
    product = "MariaDB" if mariadb else "MySQL"
    sql, dumper, server = ("mariadb", "mariadb-dump", "mariadbd") if mariadb else ("mysql", "mysqldump", "mysqld")
    local = endpoint.address is None and endpoint.container is None

    def view(text: str, *, as_root: bool = False) -> View:
        reached = client(endpoint, SOCKET, PORT)
        return View(
            title=title(job, text),
            notice=note(job),
            mariadb=mariadb,
            sql=ShellWord(sql),
            dumper=ShellWord(dumper),
            client=reached,
            credential=None if as_root else reached.credential,
            container=None if endpoint.container is None else ShellWord(endpoint.container.name),
            as_root=as_root,
            names=names(kind.choice, OWN),
            accounts=kind.accounts,
            internal=ShellWord(str(SqlTexts(INTERNAL))),
            lock_wait=kind.lock_wait,
        )

    make = f"Make a database of a {product} server from a dump"
    scripts = [
        Script("names", "databases/mysql/names", view(f"Name the databases of a {product} server")),
        Script("dump", "databases/mysql/dump", view(f"Dump one database of a {product} server")),
        Script("load", "databases/mysql/load", view(make, as_root=local)),
    ]
    if job.drill is not None:
        drill = Scratch(
            title=title(job, f"Restore dumps into a scratch {product} server"),
            notice=note(job),
            mariadb=mariadb,
            sql=ShellWord(sql),
            dumper=ShellWord(dumper),
            server=ShellWord(server),
            questions=questions(job),
        )
        scripts.append(Script("scratch", "databases/mysql/scratch", drill))
    tools = ((dumper, "mariadb-client" if mariadb else "mysql-client"),)
    groups, writer = rights(endpoint.container)
    return Recipe(
        scripts=tuple(scripts),
        special=(".users",),
        aside="the database backupspec-aside or backupspec-new",
        sockets=(endpoint.socket or SOCKET,) if local else (),
        addresses=() if endpoint.address is None else (endpoint.address,),
        groups=groups,
        credentials=() if endpoint.credential is None else (endpoint.credential,),
        tools=tools if endpoint.container is None else (),
        writer=writer,
        room=Room(3, 256 * MIB),
        restores=None if endpoint.container is not None else (),
    )
