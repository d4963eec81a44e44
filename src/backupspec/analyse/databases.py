"""Databases: what is dumped is not copied as files too, and drills ask for what is dumped."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator

from backupspec.analyse.folders import is_kept_as_it_is
from backupspec.analyse.patterns import below
from backupspec.analyse.places import job_place
from backupspec.catalogue import diagnose
from backupspec.database import Choice, MongoDB, SQLite
from backupspec.diagnostic import Diagnostic, Related, Span
from backupspec.fleet import DatabaseJob, FilesJob, Fleet
from backupspec.resolve.databases import DATA

EVERYBODYS = ("/tmp", "/var/tmp", "/dev/shm")  # noqa: S108 - refused, not used


def live_data_is_dumped(fleet: Fleet) -> Iterator[Diagnostic]:
    """No files job copies what a database server writes to."""
    known = sorted({path for paths in DATA.values() for path in paths})
    for host in fleet.hosts:
        dumped = {path: job for job in host.databases for path in job.own}
        for job in host.files:
            for path in (*job.paths, *job.optional_paths):
                span, where = _path_place(job, path)
                owner = next((each for live, each in dumped.items() if below(path, live)), None)
                live = next((live for live in known if below(path, live)), None)
                if owner is not None:
                    yield diagnose(
                        "BS442",
                        f"nothing of `{path}` would be backed up: `{owner.name}` dumps it, and files jobs leave it out",
                        span,
                        where=where,
                        hint="take the path away, or say under `data` of the databases job what is really its own",
                        related=(Related("the databases job is here", owner.span),),
                    )
                elif live is not None:
                    kind = next(kind for kind, paths in DATA.items() if live in paths)
                    yield diagnose(
                        "BS440",
                        f"`{path}` holds the files of a database server, and a copy of them while they are written is "
                        "worth nothing",
                        span,
                        where=where,
                        hint=f"add a databases job, such as `databases: {{NAME: {{kind: {kind}}}}}`",
                    )


def what_is_left_out_is_said(fleet: Fleet) -> Iterator[Diagnostic]:
    """Tell what files jobs leave to dumps."""
    for host in fleet.hosts:
        for job in host.files:
            for path in job.live:
                owner = next(each for each in host.databases if path in each.own)
                what = "where" if path == owner.kept else "which"
                doing = "keeps its newest dumps" if path == owner.kept else "dumps"
                yield diagnose(
                    "BS441",
                    f"`{job.name}` of {host.name} leaves out {path}, {what} `{owner.name}` {doing}",
                    owner.span,
                    where=owner.where,
                    hint="nothing to do; `data` of the databases job says what is left out (`backupspec explain PATH "
                    f"{host.name}.databases.{owner.name}.data`)",
                )


def drills_ask_what_is_dumped(fleet: Fleet) -> Iterator[Diagnostic]:
    """Each assertion of a drill names a database that its job dumps."""
    for host in fleet.hosts:
        for job in host.databases:
            own = Choice(job.kind.files, ()) if isinstance(job.kind, SQLite) else None
            choice = getattr(job.kind, "choice", own)
            for assertion in () if job.drill is None else job.drill.assertions:
                if isinstance(choice, Choice) and not dumps(choice, assertion.database):
                    span, where = job_place(job, "drill")
                    yield diagnose(
                        "BS443",
                        f"the drill of `{job.name}` asks the database `{assertion.database}`, which is not dumped",
                        span,
                        where=where,
                        hint="name a database that the job dumps",
                    )


def servers_are_reached_in_one_way(fleet: Fleet) -> Iterator[Diagnostic]:
    """No server is reached in two ways at once, and an oplog leaves no choice."""
    for host in fleet.hosts:
        for job in host.databases:
            endpoint = getattr(job.kind, "endpoint", None)
            ways = [way for way in ("socket", "address", "container") if getattr(endpoint, way, None) is not None]
            if len(ways) > 1:
                yield _contradiction(job, ways[1], f"`{ways[0]}` and `{ways[1]}` are two ways to one server")
            if isinstance(job.kind, MongoDB) and job.kind.oplog and (job.kind.choice.names or job.kind.choice.exclude):
                yield _contradiction(job, "oplog", "with `oplog` all databases are dumped together")


def stages_have_a_place(fleet: Fleet) -> Iterator[Diagnostic]:
    """No dumps are kept where everybody may write, in a repository, or in a folder of the system or of backupspec."""
    for host in fleet.hosts:
        server = next((server for server in fleet.servers if server.name == host.name), None)
        stores = [
            (repository.path, f"the repository `{repository.name}`")
            for repository in host.repositories
            if repository.local
        ]
        stores += [] if server is None else [(server.storage, f"the storage of {server.name}")]
        for job in host.databases:
            for path in () if job.stage is None else (job.stage,):
                store = next((what for folder, what in stores if below(str(job.kept), folder)), None)
                if any(below(path, folder) for folder in EVERYBODYS):
                    why = "everybody may write there, and lead root astray"
                elif store is not None:
                    why = f"it lies in {store}"
                elif is_kept_as_it_is(path):
                    why = "it is a folder of the system, or of backupspec itself"
                else:
                    continue
                span, where = job_place(job, "stage")
                yield diagnose(
                    "BS445",
                    f"`{job.name}` cannot keep dumps in `{path}`: {why}",
                    span,
                    where=where,
                    hint="give dumps a folder of their own, such as /srv/dumps",
                )


def _contradiction(job: DatabaseJob, setting: str, message: str) -> Diagnostic:
    span, where = job_place(job, setting)
    return diagnose("BS444", message, span, where=where, hint="leave one of them out")


def dumps(choice: Choice, name: str) -> bool:
    """Tell whether a database of this name is dumped."""
    if choice.names is not None:
        return name in choice.names
    # Only * and ? are special in a pattern.
    return not any(fnmatch.fnmatchcase(name, pattern.replace("[", "[[]")) for pattern in choice.exclude)


def _path_place(job: FilesJob, path: str) -> tuple[Span, str]:
    return job_place(job, "paths" if path in job.paths else "optional_paths", path)
