"""The account that dumps: what an admin makes on the server of each kind, once, with the names that the job uses."""

from __future__ import annotations

import ipaddress
import json
import shlex
from dataclasses import dataclass

from backupspec.database import Command, CouchDB, Endpoint, Kind, MongoDB, MySQL, PostgreSQL, Redis
from backupspec.words import MySqlAccount, SqlName

JOBS = "backupspec"
"""The account of the jobs, and of the server's user that dumps."""
ANYWHERE = "%"


@dataclass(frozen=True, slots=True)
class Step:
    """Lines to be typed: into a `program`, or written into a `file`, or, without either, into a shell of root.

    `machine` is a host, or the address of a server that is none.
    """

    machine: str
    lines: tuple[str, ...]
    program: str = ""
    file: str = ""


def steps(kind: Kind, host: str, address: str | None) -> tuple[Step, ...]:
    """Give what has to be done on the server before the first dump; nothing, where no account has to be made.

    `address` is where the host comes from when it goes over the network (None, or a name: it is not known). SECRET
    stands for the password.
    """
    match kind:
        case PostgreSQL(endpoint=endpoint):
            made = _postgresql(endpoint, host, address)
        case MySQL(endpoint=endpoint):
            made = _mysql(kind, endpoint, host, address)
        case Redis(endpoint=endpoint):
            made = _redis(kind, endpoint, host)
        case MongoDB(endpoint=endpoint) if endpoint.credential is not None:
            made = _mongodb(endpoint, host)
        case CouchDB(endpoint=endpoint) if endpoint.credential is not None:
            line = f"{endpoint.user or JOBS} = SECRET"
            file = "/opt/couchdb/etc/local.d/backupspec.ini"
            made = (Step(endpoint.address or host, ("[admins]", line), file=file),)
        case Command(account=str() as account) if account != JOBS:
            line = f"useradd --system --user-group --shell /usr/sbin/nologin {shlex.quote(account)}"
            made = (Step(host, (line,)),)
        case _:
            made = ()
    return made


def _postgresql(endpoint: Endpoint, host: str, address: str | None) -> tuple[Step, ...]:
    if endpoint.container is not None and endpoint.user is None and endpoint.credential is None:
        return ()  # inside, the server's own account dumps
    user = SqlName(endpoint.user or JOBS)
    program = ["psql"] if endpoint.container is not None else ["runuser", "-u", "postgres", "--", "psql"]
    if endpoint.port is not None:
        program += ["-p", str(endpoint.port)]
    if endpoint.socket is not None:
        program += ["-h", endpoint.socket]
    lines = [f"CREATE ROLE {user} LOGIN BYPASSRLS;", f"GRANT pg_read_all_data TO {user};"]
    if endpoint.credential is not None:
        line = f"host all {user} {_range(endpoint.address, address)}" if endpoint.address else f"local all {user}"
        lines += [
            f"ALTER ROLE {user} PASSWORD 'SECRET';",
            "-- a line for pg_hba.conf, above those for all users; SELECT pg_reload_conf() makes it count:",
            f"-- {line} scram-sha-256",
        ]
    lines += [
        "-- for each database that not everybody may connect to:",
        f"-- GRANT CONNECT ON DATABASE name TO {user};",
        "-- only where there are large objects, which it opens for writing too:",
        f"-- ALTER ROLE {user} SET lo_compat_privileges = on;",
    ]
    if endpoint.address is not None or endpoint.container is not None:
        lines += [
            "-- only to restore as this user:",
            f"-- ALTER ROLE {user} CREATEDB;",
            "-- for each role that owns something in the database:",
            f"-- GRANT name TO {user};",
        ]
    return (_typed(endpoint, host, program, tuple(lines), inside="postgres"),)


def _mysql(kind: MySQL, endpoint: Endpoint, host: str, address: str | None) -> tuple[Step, ...]:
    if endpoint.container is not None and endpoint.user is None and endpoint.credential is None:
        return ()  # inside, root dumps
    mariadb = kind.product == "mariadb"
    comes = "localhost" if endpoint.address is None else _client(endpoint.address, address)
    user = MySqlAccount(endpoint.user or JOBS, comes)
    if endpoint.credential is not None:
        lines = [f"CREATE USER {user} IDENTIFIED BY 'SECRET';"]
    elif mariadb:
        lines = [f"CREATE USER {user} IDENTIFIED VIA unix_socket;"]
    else:
        lines = ["-- once for a server:", "INSTALL PLUGIN auth_socket SONAME 'auth_socket.so';"]
        lines += [f"CREATE USER {user} IDENTIFIED WITH auth_socket;"]
    lines.append(f"GRANT SELECT, SHOW VIEW, TRIGGER, EVENT ON *.* TO {user};")
    if not mariadb:
        lines += [
            "-- only for the position in the binary log:",
            f"-- GRANT REPLICATION CLIENT ON *.* TO {user};",
            f"-- GRANT FLUSH_TABLES ON *.* TO {user};",
        ]
    if endpoint.address is not None or endpoint.container is not None:
        lines += ["-- only to restore as this user:", f"-- GRANT ALL PRIVILEGES ON *.* TO {user};"]
    program = ["mariadb" if mariadb else "mysql"]
    if endpoint.socket is not None:
        program.append(f"--socket={endpoint.socket}")
    return (_typed(endpoint, host, program, tuple(lines), inside="root"),)


def _redis(kind: Redis, endpoint: Endpoint, host: str) -> tuple[Step, ...]:
    made: list[Step] = []
    if endpoint.socket is not None and endpoint.container is None and endpoint.address is None:
        # The account is there once `apply` has run.
        line = f"usermod --append --groups {kind.product} {JOBS}   # unless the socket is of another group"
        made.append(Step(host, (line,)))
    if endpoint.credential is not None and endpoint.user != "default":
        program = [f"{kind.product}-cli"]
        if endpoint.socket is not None:
            program += ["-s", endpoint.socket]
        if endpoint.port is not None:
            program += ["-p", str(endpoint.port)]
        user = endpoint.user or JOBS
        named = user if user.replace("-", "").replace("_", "").isalnum() else json.dumps(user, ensure_ascii=False)
        lines = (
            f'ACL SETUSER {named} on ">SECRET" resetkeys resetchannels -@all +sync +replconf',
            "ACL SAVE",
            "CONFIG REWRITE",
        )
        made.append(_typed(endpoint, host, program, lines, inside=kind.product))
    return tuple(made)


def _mongodb(endpoint: Endpoint, host: str) -> tuple[Step, ...]:
    user = json.dumps(endpoint.user or JOBS, ensure_ascii=False)
    lines = [
        f"db.createUser({{user: {user}, pwd: passwordPrompt(), roles: ['backup']}})",
        "// only to restore as this user:",
        f"// db.grantRolesToUser({user}, ['restore', 'dbAdminAnyDatabase'])",
    ]
    program = ["mongosh", "admin", *(() if endpoint.port is None else ("--port", str(endpoint.port)))]
    return (_typed(endpoint, host, program, tuple(lines), inside="root"),)


def _typed(endpoint: Endpoint, host: str, program: list[str], lines: tuple[str, ...], *, inside: str) -> Step:
    """Give lines for a program on the server's own machine, or in its container."""
    container = endpoint.container
    if container is not None:
        program = [container.engine, "exec", "-it", "--user", inside, container.name, *program]
    return Step(endpoint.address or host, lines, shlex.join(program))


def _client(server: str, address: str | None) -> str:
    """Give from where the server sees the host: from the address that it calls, where the server is on it."""
    if server == "localhost" or _is_loopback(server):
        return server
    return address if address is not None and _is_address(address) else ANYWHERE


def _range(server: str, address: str | None) -> str:
    """Give the same for pg_hba.conf."""
    if server == "localhost":
        return "samehost"
    came = server if _is_loopback(server) else address
    return "all" if came is None or not _is_address(came) else str(ipaddress.ip_network(came))


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _is_loopback(text: str) -> bool:
    return _is_address(text) and ipaddress.ip_address(text).is_loopback
