"""How each kind of database is dumped and restored: one module for each, all giving a `Recipe`."""

from __future__ import annotations

from backupspec.database import Choice, Command, CouchDB, MongoDB, MySQL, OpenLDAP, PostgreSQL, Redis, SQLite
from backupspec.fleet import DatabaseJob
from backupspec.plan.kinds import command, couchdb, mongodb, mysql, openldap, postgresql, redis, sqlite
from backupspec.plan.kinds.recipe import ENCODING, Encoding, Recipe, Room, Script, Word

__all__ = ["ENCODING", "Encoding", "Recipe", "Room", "Script", "Word", "describe", "recipe"]


def recipe(job: DatabaseJob) -> Recipe:
    """Give the recipe of a job's kind."""
    kind = job.kind
    match kind:
        case PostgreSQL():
            made = postgresql.recipe(job, kind)
        case MySQL():
            made = mysql.recipe(job, kind)
        case SQLite():
            made = sqlite.recipe(job, kind)
        case Redis():
            made = redis.recipe(job, kind)
        case OpenLDAP():
            made = openldap.recipe(job, kind)
        case MongoDB():
            made = mongodb.recipe(job, kind)
        case CouchDB():
            made = couchdb.recipe(job, kind)
        case _:
            made = command.recipe(job, kind)
    return made


def describe(job: DatabaseJob) -> str:
    """Say in a few words what a job dumps."""
    kind = job.kind
    match kind:
        case SQLite(files=files):
            return f"SQLite: {', '.join(files)}"
        case Redis(product=product):
            return product.capitalize()
        case Command(dump=dump):
            return f"what {dump[0] if dump else 'nothing'} writes"
        case MySQL(product=product, choice=choice):
            return f"{'MariaDB' if product == 'mariadb' else 'MySQL'}: {_chosen(choice)}"
        case _:
            return f"{type(kind).__name__}: {_chosen(kind.choice)}"


def _chosen(choice: Choice) -> str:
    if choice.names is not None:
        return ", ".join(choice.names)
    return "all databases" + (f" but {', '.join(choice.exclude)}" if choice.exclude else "")
