"""The account that dumps, as the reference shows it: for the usual ways to each kind of server."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from backupspec.database import Choice, Command, Container, CouchDB, Endpoint, Kind, MongoDB, MySQL, PostgreSQL, Redis
from backupspec.plan.kinds.account import steps

HOST, ADDRESS, SERVER = "db01", "192.0.2.22", "192.0.2.30"
"""The host that dumps, its address, and that of a server elsewhere."""
_ALL = Choice(None, ())


_HERE = Endpoint(socket=None, address=None, port=None, user=None, credential=None, container=None)
_USER = replace(_HERE, user="dumper", credential="db-password")
_FAR = replace(_USER, address=SERVER)
_INSIDE = replace(_USER, container=Container("docker", "box"))
_ON_THIS_HOST = "A server on this host, over its socket"
_OVER_THE_NETWORK = f"A server on {SERVER}; this host is {ADDRESS}"
_IN_A_CONTAINER = "A server in a container, with `user` and `credential` (without them none has to be made)"

_CASES: dict[str, tuple[tuple[str, Kind], ...]] = {
    "postgresql": tuple(
        (said, PostgreSQL(reached, _ALL, "without-passwords", 600))
        for said, reached in ((_ON_THIS_HOST, _HERE), (_OVER_THE_NETWORK, _FAR), (_IN_A_CONTAINER, _INSIDE))
    ),
    "mysql": (
        (f"MariaDB. {_ON_THIS_HOST}", MySQL("mariadb", _HERE, _ALL, accounts=True, lock_wait=600)),
        (f"MySQL. {_ON_THIS_HOST}", MySQL("mysql", _HERE, _ALL, accounts=True, lock_wait=600)),
        (f"MariaDB. {_OVER_THE_NETWORK}", MySQL("mariadb", _FAR, _ALL, accounts=True, lock_wait=600)),
        (f"MariaDB. {_IN_A_CONTAINER}", MySQL("mariadb", _INSIDE, _ALL, accounts=True, lock_wait=600)),
    ),
    "redis": (
        (
            "A socket of the group redis (`unixsocketperm 770`), and `credential`",
            Redis("redis", replace(_HERE, socket="/run/redis/redis-server.sock", credential="cache")),
        ),
        ("Over TCP on this host, with `credential`", Redis("redis", replace(_HERE, credential="cache"))),
    ),
    "mongodb": (("With `credential`", MongoDB(replace(_HERE, credential="mongo"), _ALL, oplog=False)),),
    "couchdb": (("An administrator", CouchDB(replace(_HERE, credential="couch"), _ALL)),),
    "command_dump": (("With `account: tickets`", Command(("dump",), (), "tickets")),),
}


def accounts(name: str) -> Iterator[str]:
    """Give the lines of a page about the account of one kind, by the name of its definition in the schema."""
    for said, kind in _CASES.get(name, ()):
        yield from ["", f"{said}:"]
        for step in steps(kind, HOST, ADDRESS):
            where = f", in `{step.program}`" if step.program else f", into the file `{step.file}`" if step.file else ""
            yield from ["", f"On {step.machine}, as root{where}:", "", "```text", *step.lines, "```"]
