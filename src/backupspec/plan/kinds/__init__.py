"""How each kind of database is dumped and restored: one module for each, all giving a `Recipe`."""

from __future__ import annotations

from backupspec.database import Choice, Command, CouchDB, MongoDB, MySQL, OpenLDAP, PostgreSQL, Redis, SQLite
from backupspec.fleet import DatabaseJob
from backupspec.plan.kinds import command, couchdb, mysql, openldap, postgresql, redis, sqlite
from backupspec.plan.kinds.recipe import Recipe, Script, Word

__all__ = ["Recipe", "Script", "Word", "describe", "recipe"]


def recipe(job: DatabaseJob) -> Recipe:
    """Give the recipe of a job's kind."""
    match job.kind:
        case PostgreSQL():
            return postgresql.recipe(job, job.kind)
        case MySQL():
            return mysql.recipe(job, job.kind)
        case Redis():
            return redis.recipe(job, job.kind)
        case SQLite():
            return sqlite.recipe(job, job.kind)
        case OpenLDAP():
            return openldap.recipe(job, job.kind)
        case Command():
            return command.recipe(job, job.kind)
        case CouchDB():
            return couchdb.recipe(job, job.kind)
        case _:
            raise NotImplementedError(type(job.kind).__name__)


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
