"""The jobs of a host: which there are, and what each does."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Literal, TypeVar, cast

from backupspec.catalogue import diagnose
from backupspec.diagnostic import Related, Span
from backupspec.fleet import FilesJob, Hook, Snapshot, Target
from backupspec.inventory import Layer, Settings, Written, WrittenHost, WrittenTarget
from backupspec.resolve.layers import BUILT_IN, Merged, merge, value
from backupspec.resolve.repositories import repository_of
from backupspec.resolve.tables import Tables
from backupspec.suggest import did_you_mean

T = TypeVar("T")

WIDE = frozenset({"quiet", "roaming", "on_ac_only", "stay_awake", "jump", "scratch"})
"""Settings of the whole host, which no files or databases job has."""

_WORDS = {"files": "job", "databases": "databases", "virtual_machines": "virtual machine"}
"""What a layer that is a job of a section calls itself."""


def gather(
    tables: Tables, host: str, section: str, layers: Iterable[tuple[str, Iterable[tuple[Written[str], T | None]]]]
) -> dict[str, list[tuple[str, T, Span]]]:
    """Give what the layers say of each job of a section, by name: the layer's name, its settings, their place.

    `off` drops what earlier layers said; one that drops nothing is reported.
    """
    known: dict[str, list[tuple[str, T, Span]]] = {}
    for layer, jobs in layers:
        for name, settings in jobs:
            if settings is not None:
                said = f"{layer}, {_WORDS[section]} {name.value}"
                known.setdefault(name.value, []).append((said, settings, name.span))
            elif known.pop(name.value, None) is None:
                tables.report(
                    "BS204",
                    f"`{name.value}: off` turns off a job that no earlier layer has",
                    name.span,
                    f"hosts.{host}.{section}.{name.value}",
                    did_you_mean(name.value, known) or "delete this line",
                )
    return {name: known[name] for name in sorted(known)}


def two_of_a_name(
    tables: Tables,
    host: str,
    section: tuple[str, str],
    known: Mapping[str, list[tuple[str, T, Span]]],
    taken: Mapping[str, tuple[str, Span]],
) -> None:
    """Report jobs of a section (its key, and what its jobs are called) whose name another job of the host has."""
    key, called = section
    for name in sorted(known.keys() & taken.keys()):
        what, other = taken[name]
        hint = "a unit and a series are named after each: give one of them another name"
        message = f"{host} has a {what} and a {called} `{name}`"
        related = (Related(f"the {what} is here", other),)
        where = f"hosts.{host}.{key}.{name}"
        tables.tell(diagnose("BS222", message, known[name][-1][2], where=where, hint=hint, related=related))


def files_of(tables: Tables, written: WrittenHost, layers: list[Layer]) -> tuple[FilesJob, ...]:
    """Give all files jobs of a host, by name; deeper jobs keep their paths to themselves."""
    known = gather(tables, written.machine.name.value, "files", ((layer.name, layer.files) for layer in layers))
    wide = [(layer.name, layer.settings) for layer in layers]
    jobs = [_job(tables, written, name, wide, own) for name, own in known.items()]
    return tuple(_nested(job, jobs) for job in jobs)


def _job(
    tables: Tables,
    written: WrittenHost,
    name: str,
    wide: list[tuple[str, Settings]],
    own: list[tuple[str, Settings, Span]],
) -> FilesJob:
    host = written.machine.name.value
    where = f"hosts.{host}.files.{name}"
    span = own[-1][2]
    layers = [*wide, *((layer, settings) for layer, settings, _ in own)]
    merged = merge(tables, layers, where)
    spans = [
        (str(value.value), value.span)
        for field in ("paths", "optional_paths", "mounted", "exclude", "except_")
        for value, _ in merged.lists.get(field, ())
    ]
    return FilesJob(
        name=name,
        host=host,
        series=(host, *(item.value for item in written.formerly)),
        paths=merged.texts("paths"),
        optional_paths=merged.texts("optional_paths"),
        mounted=merged.texts("mounted"),
        exclude=merged.texts("exclude"),
        except_=merged.texts("except_"),
        inner=(),
        live=(),
        compression=str(value(merged, "compression")),
        one_file_system=bool(value(merged, "one_file_system")),
        snapshot=_snapshot(merged),
        honour_markers=bool(value(merged, "honour_markers")),
        numeric_ids=bool(value(merged, "numeric_ids")),
        priority=cast(Literal["low", "normal", "idle"], value(merged, "priority")),
        before=cast(tuple[Hook, ...], merged.values("before")),
        after=cast(tuple[Hook, ...], merged.values("after")),
        history=bool(value(merged, "history")),
        description=str(value(merged, "description")),
        targets=targets_of(tables, written, (name, span), layers, where),
        origins=tuple(item for item in merged.origins() if item[0] not in WIDE),
        path_spans=tuple(sorted(spans)),
        span=span,
    )


def _snapshot(merged: Merged) -> Snapshot | None:
    kind, space = value(merged, "snapshot"), merged.scalar("snapshot_space")
    if kind == "none":
        return None
    return Snapshot(cast(Literal["btrfs", "lvm", "zfs"], kind), None if space is None else cast(int, space.value))


def targets_of(
    tables: Tables, written: WrittenHost, job: tuple[str, Span], layers: list[tuple[str, Settings]], where: str
) -> tuple[Target, ...]:
    """Give a job's ways into repositories, by the repository's name; a job that has none is reported."""
    to = merge(tables, layers, where).scalar("to")
    targets = () if to is None else cast(tuple[WrittenTarget, ...], to.value)
    if not targets:
        tables.report(
            "BS210",
            f"the job `{job[0]}` of {written.machine.name.value} has nowhere to go",
            job[1],
            where,
            "say `to: [REPOSITORY]` in the job, the host, a profile or `defaults`",
        )
    found = []
    for target in sorted(targets, key=lambda item: item.repository.value):
        name = target.repository.value
        repository = tables.lookup(target.repository, tables.repositories, "repository", f"{where}.to")
        if repository is None:
            continue
        merged = merge(tables, [*layers, (f"to {name}", target.settings)], where)
        schedule = named(tables, merged, "schedule", tables.schedules, where)
        retention = named(tables, merged, "retention", tables.retentions, where)
        limit = merged.scalar("upload_limit")
        origins = tuple(item for item in merged.origins() if item[0] in {"schedule", "retention", "upload_limit"})
        found.append(
            Target(
                repository=repository_of(tables, repository, written),
                schedule=schedule,
                retention=retention,
                upload_limit=None if limit is None else cast(int, limit.value),
                origins=origins,
                span=target.repository.span,
            )
        )
    return tuple(found)


def named(tables: Tables, merged: Merged, field: str, table: Mapping[str, T], where: str) -> T:
    """Give what a setting says: the thing itself, or one looked up by its name.

    The built-in default where nothing is said.
    """
    said = value(merged, field)
    written = merged.scalar(field)
    if written is None or not isinstance(said, str):
        return cast(T, said)
    found = tables.lookup(Written(said, written.span), table, field, f"{where}.{field}")
    return cast(T, BUILT_IN[field]) if found is None else found


def without_live(job: FilesJob, live: Iterable[str]) -> FilesJob:
    """Leave out what databases jobs of the same host dump."""
    own = (*job.paths, *job.optional_paths)
    found = {path for path in live if any(path == outer or _below(path, outer) for outer in own)}
    return dataclasses.replace(job, live=tuple(sorted(found)))


def _nested(job: FilesJob, jobs: list[FilesJob]) -> FilesJob:
    """Leave the paths of deeper jobs of the same host to them."""
    own = (*job.paths, *job.optional_paths)
    others = {path for other in jobs if other.name != job.name for path in (*other.paths, *other.optional_paths)}
    inner = sorted(path for path in others - set(own) if any(_below(path, outer) for outer in own))
    return dataclasses.replace(job, inner=tuple(inner))


def _below(path: str, folder: str) -> bool:
    return path != folder and path.startswith(folder.rstrip("/") + "/")
