"""What a databases job dumps: the kinds of servers, how each is reached, and how a restore is proved.

One class for each kind; what it holds is what its scripts need, and nothing is missing. Which tools dump a kind, and as
whom, is decided in `plan.kinds`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from backupspec.schedule import Schedule


@dataclass(frozen=True, slots=True)
class Container:
    """A container in which the server runs, and so the tools that dump it."""

    engine: Literal["docker", "podman"]
    name: str


@dataclass(frozen=True, slots=True)
class Endpoint:
    """How a server is reached: over a socket on the host, or over TCP at `address`; None leaves it to the kind.

    `credential` names the systemd credential that holds the password, alone in its first line. None: the server knows
    the account (peer authentication).
    """

    socket: str | None
    address: str | None
    port: int | None
    user: str | None
    credential: str | None
    container: Container | None


@dataclass(frozen=True, slots=True)
class Choice:
    """Which databases of a server are dumped.

    `names`: these; None: all that there are when the job runs, but for those that one of `exclude` (shell patterns)
    matches.
    """

    names: tuple[str, ...] | None
    exclude: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PostgreSQL:
    """A PostgreSQL server. `accounts` tells what of its roles and table spaces is dumped with the databases."""

    endpoint: Endpoint
    choice: Choice
    accounts: Literal["without-passwords", "with-passwords", "none"]
    lock_wait: int  # seconds


@dataclass(frozen=True, slots=True)
class MySQL:
    """A server of the MySQL family. `accounts`: its users and rights are dumped with the databases."""

    product: Literal["mariadb", "mysql"]
    endpoint: Endpoint
    choice: Choice
    accounts: bool
    lock_wait: int  # seconds


@dataclass(frozen=True, slots=True)
class SQLite:
    """Files that SQLite writes, each dumped as the account that owns it."""

    files: tuple[str, ...]
    lock_wait: int  # seconds


@dataclass(frozen=True, slots=True)
class Redis:
    """A server that speaks Redis' protocol, dumped as one RDB file."""

    product: Literal["redis", "valkey"]
    endpoint: Endpoint


@dataclass(frozen=True, slots=True)
class OpenLDAP:
    """Directories of a slapd on this host, and its configuration; names are suffixes."""

    choice: Choice
    account: str
    configuration: str  # the folder of slapd.d


@dataclass(frozen=True, slots=True)
class MongoDB:
    """A MongoDB server. `oplog`: one dump of all databases at one point in time, which a replica set can give."""

    endpoint: Endpoint
    choice: Choice
    oplog: bool


@dataclass(frozen=True, slots=True)
class CouchDB:
    """A CouchDB server, read over HTTP."""

    endpoint: Endpoint
    choice: Choice


@dataclass(frozen=True, slots=True)
class Command:
    """Anything else: `dump` writes one dump to its standard output, `load` reads one from its standard input.

    `account` runs both; None: the account of the jobs.
    """

    dump: tuple[str, ...]
    load: tuple[str, ...]
    account: str | None


Kind: TypeAlias = PostgreSQL | MySQL | SQLite | Redis | OpenLDAP | MongoDB | CouchDB | Command


@dataclass(frozen=True, slots=True)
class Assertion:
    """A query whose answer must be true (`t`, `true`, or a number other than 0) in the restored database."""

    database: str
    query: str


@dataclass(frozen=True, slots=True)
class Drill:
    """A restore into a scratch server, done to prove that it works.

    `oldest`: the age in seconds from which a newest dump is too old; None: that follows from the schedule of the dumps.
    """

    schedule: Schedule
    assertions: tuple[Assertion, ...]
    oldest: int | None = None

    def __str__(self) -> str:
        """Give when it runs and how much it asks, for people."""
        count = len(self.assertions)
        asks = "no assertion" if not count else f"{count} assertion{'s' * (count > 1)}"
        return f"{self.schedule}, {asks}"
