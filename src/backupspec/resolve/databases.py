"""The databases jobs of a host."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Literal, TypeVar, cast

from backupspec.bind_database import DURATIONS
from backupspec.catalogue import diagnose
from backupspec.database import (
    Choice,
    Command,
    Container,
    CouchDB,
    Drill,
    Endpoint,
    Kind,
    MongoDB,
    MySQL,
    OpenLDAP,
    PostgreSQL,
    Redis,
    SQLite,
)
from backupspec.diagnostic import Related, Span
from backupspec.fleet import DatabaseJob, Hook, Origin
from backupspec.inventory import Layer, Settings, Written, WrittenDatabase, WrittenDrill, WrittenHost
from backupspec.nodes import duration
from backupspec.resolve.jobs import WIDE, gather, targets_of, two_of_a_name
from backupspec.resolve.layers import merge, value
from backupspec.resolve.tables import Tables
from backupspec.schedule import Schedule, Window

T = TypeVar("T")
JOBS = "backupspec"
"""The account of the jobs, and the usual user of a server."""
Own = list[tuple[str, WrittenDatabase, Span]]

WEEKLY = Schedule(timezone="UTC", window=Window(60, 300), days=("Sun",))
"""When a drill runs that says no schedule."""

FILES_ONLY = frozenset(
    {"one_file_system", "snapshot", "snapshot_space", "honour_markers", "numeric_ids", "exclude", "except", "history"}
)
"""Settings that say nothing to databases jobs."""

DATA: Mapping[str, tuple[str, ...]] = {
    "postgresql": ("/var/lib/postgresql",),
    "mariadb": ("/var/lib/mysql",),
    "mysql": ("/var/lib/mysql",),
    "redis": ("/var/lib/redis",),
    "valkey": ("/var/lib/valkey",),
    "openldap": ("/var/lib/ldap",),
    "mongodb": ("/var/lib/mongodb",),
    "couchdb": ("/var/lib/couchdb",),
}
"""Where Debian's packages keep the live data of each kind."""

SQLITE_SIDES = ("", "-wal", "-shm", "-journal")
"""What SQLite keeps beside a database, by what is appended to its name (sqlite.org/tempfiles.html)."""


def databases_of(
    tables: Tables, written: WrittenHost, layers: list[Layer], taken: Mapping[str, tuple[str, Span]]
) -> tuple[DatabaseJob, ...]:
    """Give all databases jobs of a host, by name; `taken` are the names of its other jobs, with what each is."""
    host = written.machine.name.value
    known = gather(tables, host, "databases", ((layer.name, layer.databases) for layer in layers))
    wide = [(layer.name, layer.settings) for layer in layers]
    two_of_a_name(tables, host, ("databases", "databases job"), known, taken)
    return tuple(_job(tables, written, name, wide, own) for name, own in known.items())


def _job(tables: Tables, written: WrittenHost, name: str, wide: list[tuple[str, Settings]], own: Own) -> DatabaseJob:
    host = written.machine.name.value
    where = f"hosts.{host}.databases.{name}"
    span = own[-1][2]
    layers = [*wide, *((layer, job.settings) for layer, job, _ in own)]
    merged = merge(tables, layers, where)
    kind = _kind(tables, own, where)
    said = {key: (option, layer) for layer, job, _ in own for key, option in job.options if job.kind.value == kind}
    options = _Options({key: option.value for key, (option, _) in said.items()})
    origins = [item for item in merged.origins() if item[0] not in WIDE | FILES_ONLY]
    drill = _drill(tables, said.get("drill"), where)
    job = DatabaseJob(
        name=name,
        host=host,
        series=(host, *(item.value for item in written.formerly)),
        kind=KINDS[kind](options, kind) if kind in KINDS else Command((), (), None),
        data=_data(options, kind),
        compression=str(value(merged, "compression")),
        priority=cast(Literal["low", "normal", "idle"], value(merged, "priority")),
        before=cast(tuple[Hook, ...], merged.values("before")),
        after=cast(tuple[Hook, ...], merged.values("after")),
        description=str(value(merged, "description")),
        time_limit=options.get("time_limit", 12 * 3600),
        keep_vanished=options.get("keep_vanished", 26 * 7 * 86400),
        most_series=options.get("most_series", 50),
        stage=options.get("stage", None),
        drill=drill,
        targets=targets_of(tables, written, (name, span), layers, where),
        origins=(),
        span=span,
    )
    layer, first, _ = own[0]
    origins.append(("kind", kind, Origin(layer, first.kind.span)))
    for key, (option, layer) in said.items():
        shown = _text(key, option.value) if drill is None or key != "drill" else str(drill)
        origins.append((key, shown, Origin(layer, option.span)))
    usual = {**options.usual, "data": job.data, "user": _usual_user(job.kind)}
    origins += [
        (key, _text(key, taken), Origin("built-in default", None))
        for key, taken in usual.items()
        if key not in said and taken not in {None, ()}
    ]
    return replace(job, origins=tuple(sorted(origins, key=lambda item: (item[0], item[1]))))


class _Options:
    """The options of a job as the schema lets them be; what is not said has a default, and `usual` knows which."""

    def __init__(self, said: Mapping[str, object]) -> None:
        self.said = said
        self.usual: dict[str, object] = {}

    def get(self, key: str, default: T) -> T:
        """Give an option; the schema has judged its type."""
        self.usual[key] = default
        return cast(T, self.said.get(key, default))

    def endpoint(self) -> Endpoint:
        """Give how the server is reached."""
        none: str | None = None
        return Endpoint(
            socket=self.get("socket", none),
            address=self.get("address", none),
            port=self.get("port", cast(int | None, None)),
            user=self.get("user", none),
            credential=self.get("credential", none),
            container=self.get("container", cast(Container | None, None)),
        )

    def choice(self) -> Choice:
        """Give which databases are dumped."""
        names = self.get("databases", cast(tuple[str, ...] | str, "all"))
        return Choice(names if isinstance(names, tuple) else None, tuple(sorted(self.get("exclude", ()))))


def _postgresql(options: _Options, _: str) -> Kind:
    accounts: Literal["without-passwords", "with-passwords", "none"] = "without-passwords"
    return PostgreSQL(
        options.endpoint(), options.choice(), options.get("accounts", accounts), options.get("lock_wait", 600)
    )


def _mysql(options: _Options, kind: str) -> Kind:
    product = cast(Literal["mariadb", "mysql"], kind)
    return MySQL(
        product, options.endpoint(), options.choice(), options.get("accounts", True), options.get("lock_wait", 600)
    )


def _sqlite(options: _Options, _: str) -> Kind:
    return SQLite(tuple(sorted(options.get("files", cast(tuple[str, ...], ())))), options.get("lock_wait", 600))


def _redis(options: _Options, kind: str) -> Kind:
    return Redis(cast(Literal["redis", "valkey"], kind), options.endpoint())


def _openldap(options: _Options, _: str) -> Kind:
    return OpenLDAP(
        options.choice(), options.get("account", "openldap"), options.get("configuration", "/etc/ldap/slapd.d")
    )


def _mongodb(options: _Options, _: str) -> Kind:
    return MongoDB(options.endpoint(), options.choice(), options.get("oplog", False))


def _couchdb(options: _Options, _: str) -> Kind:
    return CouchDB(options.endpoint(), options.choice())


def _command(options: _Options, _: str) -> Kind:
    argv: tuple[str, ...] = ()
    return Command(options.get("dump", argv), options.get("load", argv), options.get("account", cast(str | None, None)))


KINDS: Mapping[str, Callable[[_Options, str], Kind]] = {
    "postgresql": _postgresql,
    "mariadb": _mysql,
    "mysql": _mysql,
    "sqlite": _sqlite,
    "redis": _redis,
    "valkey": _redis,
    "openldap": _openldap,
    "mongodb": _mongodb,
    "couchdb": _couchdb,
    "command": _command,
}


def _kind(tables: Tables, own: Own, where: str) -> str:
    """Give the kind that all layers agree on: a job cannot become another one in a later layer."""
    first = own[0][1].kind
    for _, job, _ in own[1:]:
        if job.kind.value != first.value:
            hint = "say the same kind, or turn the earlier job `off` and give this one another name"
            message = f"this job is `{job.kind.value}` here and `{first.value}` in an earlier layer"
            related = (Related("the earlier layer", first.span),)
            tables.tell(diagnose("BS223", message, job.kind.span, where=where, hint=hint, related=related))
    return first.value


def _data(options: _Options, kind: str) -> tuple[str, ...]:
    """Give where the live data lies on this host; a server elsewhere, or in a container, has none known."""
    said = options.get("data", cast(tuple[str, ...] | None, None))
    if said is not None:
        return tuple(sorted(said))
    if kind == "sqlite":
        files = options.get("files", cast(tuple[str, ...], ()))
        return tuple(sorted(f"{file}{side}" for file in files for side in SQLITE_SIDES))
    elsewhere = {"address", "container"} & options.said.keys()
    return () if elsewhere else DATA.get(kind, ())


def _drill(tables: Tables, said: tuple[Written[object], str] | None, where: str) -> Drill | None:
    if said is None:
        return None
    written = cast(WrittenDrill, said[0].value)
    return Drill(drill_schedule(tables, written.schedule, where), written.assertions, written.oldest)


def drill_schedule(tables: Tables, written: Written[str | Schedule] | None, where: str) -> Schedule:
    """Give when a drill runs: what is written, or what its name stands for, or once a week."""
    if written is None:
        return WEEKLY
    if isinstance(written.value, Schedule):
        return written.value
    name = Written(str(written.value), written.span)
    return tables.lookup(name, tables.schedules, "schedule", f"{where}.drill.schedule") or WEEKLY


def _usual_user(kind: Kind) -> str | None:
    """Give as whom a job comes that says no `user`; None: as somebody in a container, or as nobody."""
    endpoint = getattr(kind, "endpoint", None)
    if not isinstance(endpoint, Endpoint) or endpoint.container is not None:
        return None
    return None if isinstance(kind, Redis) and endpoint.credential is None else JOBS


def _text(key: str, option: object) -> str:
    match option:
        case bool():
            return "true" if option else "false"
        case int() if key in DURATIONS:
            return duration(option)
        case tuple():
            return ", ".join(str(item) for item in option)
        case Container():
            return f"{option.engine} {option.name}"
        case _:
            return str(option)
