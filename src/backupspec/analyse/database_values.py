"""Values of databases jobs that are valid and most likely not what is meant."""

from __future__ import annotations

import itertools
import posixpath
import re
from collections.abc import Iterator

from backupspec.analyse.databases import dumps
from backupspec.analyse.places import job_place
from backupspec.catalogue import diagnose
from backupspec.database import Choice, Endpoint, MySQL, OpenLDAP, PostgreSQL, Redis, SQLite
from backupspec.diagnostic import Diagnostic, Related
from backupspec.fleet import DatabaseJob, Fleet

_JOBS = "backupspec"
_OWN_SOCKET = re.compile(r".*/\.s\.PGSQL\.[0-9]+")


def values_are_meant(fleet: Fleet) -> Iterator[Diagnostic]:
    """No value looks like what another key, another form or a pattern would be."""
    for host in fleet.hosts:
        for job in host.databases:
            for key, message, hint in _values(job):
                span, where = job_place(job, key)
                yield diagnose("BS446", message, span, where=where, hint=hint)


def _values(job: DatabaseJob) -> Iterator[tuple[str, str, str]]:
    """Give (key, message, hint) for each."""
    kind = job.kind
    socket = getattr(getattr(kind, "endpoint", None), "socket", None)
    choice = getattr(kind, "choice", None)
    if isinstance(choice, Choice) and choice.names is not None:
        if "all" in choice.names:
            yield (
                "databases",
                "this list names a database that is called `all`",
                "write `databases: all` for all databases",
            )
        if choice.exclude:
            hint = "take names out of the list, or write `databases: all`"
            yield "exclude", "`exclude` has no effect beside a list of names", hint
    match kind:
        case PostgreSQL() if socket is not None and _OWN_SOCKET.fullmatch(socket):
            hint = f"write `socket: {posixpath.dirname(socket)}`, and the number as `port` if it is not 5432"
            yield "socket", f"`{socket}` is a socket, and PostgreSQL's tools want its folder", hint
        case MySQL() | Redis() if socket is not None and "sock" not in posixpath.basename(socket):
            server = "mysqld" if isinstance(kind, MySQL) else f"{kind.product}-server"
            hint = f"write the socket itself, such as `socket: {socket.rstrip('/')}/{server}.sock`"
            yield "socket", f"`{socket}` looks like a folder, and the tools want the socket in it", hint
        case SQLite():
            for file in kind.files:
                if set("*?[") & set(file):
                    hint = "name each file; a new one is a new line in the inventory"
                    yield "files", f"`{file}` is the name of one file: patterns are not known here", hint
        case OpenLDAP() if kind.configuration.endswith(".conf"):
            hint = "leave it out for /etc/ldap/slapd.d, or convert the configuration (slaptest -f FILE -F FOLDER)"
            yield "configuration", f"`{kind.configuration}` is the old form; what is wanted is the folder slapd.d", hint
        case _:
            pass


def users_are_known(fleet: Fleet) -> Iterator[Diagnostic]:
    """No user of a local server has another name than the jobs' account, unless there is a password."""
    for host in fleet.hosts:
        for job in host.databases:
            kind = job.kind
            endpoint = kind.endpoint if isinstance(kind, PostgreSQL | MySQL) else None
            if endpoint is None or endpoint.container is not None or endpoint.address is not None:
                continue
            if endpoint.credential is None and endpoint.user not in {None, _JOBS}:
                span, where = job_place(job, "user")
                yield diagnose(
                    "BS447",
                    f"the server does not know `{endpoint.user}` when the account `{_JOBS}` comes without a password",
                    span,
                    where=where,
                    hint="leave `user` out, or add `credential: NAME`",
                )


def databases_have_one_job(fleet: Fleet) -> Iterator[Diagnostic]:
    """No database is dumped by two jobs of a host."""
    for host in fleet.hosts:
        for first, second in itertools.combinations(host.databases, 2):
            shared = _shared(first, second)
            if shared:
                yield diagnose(
                    "BS448",
                    f"`{first.name}` and `{second.name}` of {host.name} both dump {shared} of the same server",
                    second.span,
                    where=second.where,
                    hint="let one job do it, with several entries under `to` if need be",
                    related=(Related("the other job is here", first.span),),
                )


def _shared(first: DatabaseJob, second: DatabaseJob) -> str:
    """Say what both dump, or nothing."""
    one, two = first.kind, second.kind
    if isinstance(one, SQLite) and isinstance(two, SQLite):
        return ", ".join(sorted(set(one.files) & set(two.files)))
    if _server(first) is None or _server(first) != _server(second):
        return ""
    choices = [getattr(kind, "choice", Choice(None, ())) for kind in (one, two)]
    named = [name for choice in choices for name in choice.names or ()]
    if not named or all(choice.names is None for choice in choices):
        return "all databases"
    return ", ".join(sorted({name for name in named if all(dumps(choice, name) for choice in choices)}))


def _server(job: DatabaseJob) -> object:
    """Give what tells one server from another."""
    kind = job.kind
    if isinstance(kind, OpenLDAP):
        return kind.configuration
    endpoint = getattr(kind, "endpoint", None)
    if not isinstance(endpoint, Endpoint):
        return None
    return type(kind), endpoint.socket, endpoint.address, endpoint.port, endpoint.container
