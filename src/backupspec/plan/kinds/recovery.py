"""How the databases of a job come back on a machine that has nothing yet: what has to be there, and in which order."""

from __future__ import annotations

from dataclasses import dataclass

from backupspec.database import Choice, Command, Endpoint, MongoDB, MySQL, OpenLDAP, PostgreSQL, Redis, SQLite
from backupspec.fleet import DatabaseJob

DATABASE = "DATABASE"
"""Stands for each database that the job has, where nobody knows their names beforehand."""


@dataclass(frozen=True, slots=True)
class Recovery:
    """`before` and `after` are sentences. `entries`: what is restored, in this order, each with its further words."""

    before: str
    entries: tuple[tuple[str, ...], ...]
    after: str = ""


def recovery(job: DatabaseJob) -> Recovery:
    """Give it for a job's kind."""
    kind = job.kind
    match kind:
        case PostgreSQL(endpoint=endpoint):
            packages = "the packages postgresql and postgresql-client, the server in the old version or a newer one"
            users = () if kind.accounts == "none" else ((".users",),)
            made = Recovery(
                f"{_server(endpoint, packages)} It runs, with its own settings (postgresql.conf and pg_hba.conf, "
                "out of a files job), and without databases.",
                (*users, *_each(kind.choice)),
                ("Roles come first, since they own the rest. " if users else "")
                + "A database that the new server has by itself, such as postgres, takes --replace.",
            )
        case MySQL(endpoint=endpoint):
            mariadb = kind.product == "mariadb"
            packages = "the package mariadb-server" if mariadb else "MySQL's server and client"
            users = ((".users",),) if kind.accounts else ()
            made = Recovery(
                f"{_server(endpoint, packages + ', in the old version or a newer one')} It runs, with its own settings "
                "(/etc/mysql, out of a files job), and without databases.",
                (*users, *_each(kind.choice)),
                "Users come first; their rights count as soon as the databases are there." if users else "",
            )
        case Redis(endpoint=endpoint):
            server = f"{kind.product}-server"
            made = Recovery(
                f"{_server(endpoint, f'the package {server}, with its configuration out of a files job')} "
                f"It is stopped (systemctl stop {server}).",
                ((".all", "--replace"),),
                f"Then start it (systemctl start {server}).",
            )
        case OpenLDAP():
            made = Recovery(
                f"Install the package slapd and stop it (systemctl stop slapd). {kind.configuration} is there and "
                f"belongs to {kind.account}; certificates that the configuration names come out of a files job.",
                ((".configuration", "--replace"), *((*entry, "--replace") for entry in _each(kind.choice))),
                "The configuration comes first, since it says where each directory lies. Then start slapd.",
            )
        case SQLite():
            made = Recovery(
                "The account and the folder of each file are there again, and the program that uses it is stopped.",
                tuple((file,) for file in kind.files),
                "Then start the program.",
            )
        case MongoDB(endpoint=endpoint):
            entries = ((".all",),) if kind.oplog else _each(kind.choice)
            made = Recovery(f"{_server(endpoint, 'MongoDB with its tools')} It runs, without databases.", entries)
        case Command():
            made = Recovery("What the command needs is there again.", ((".all",),))
        case _:
            packages = "CouchDB, with its administrators"
            made = Recovery(f"{_server(kind.endpoint, packages)} It runs, without databases.", _each(kind.choice))
    return made


def _server(endpoint: Endpoint, packages: str) -> str:
    """Say where the server is, and that it has to be there again."""
    if endpoint.container is not None:
        return f"The server is in the container {endpoint.container.name}: make it anew."
    if endpoint.address is not None:
        return f"The server is {endpoint.address}: if it was not lost, there is nothing to restore here."
    return f"Install {packages}."


def _each(choice: Choice) -> tuple[tuple[str, ...], ...]:
    """Give each database by the name that a restore takes: what begins with a sign of its own gets one more."""
    names = choice.names or (DATABASE,)
    return tuple((f"={name}" if name.startswith((".", "=")) else name,) for name in names)
