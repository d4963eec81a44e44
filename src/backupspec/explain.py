"""Which line of the inventory gave each value."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from dataclasses import dataclass

from backupspec.document import Mapping, plain
from backupspec.fleet import DatabaseJob, FilesJob, Fleet, Host, Job, MachineSnapshots, Origin, VirtualMachineJob
from backupspec.inventory import Settings
from backupspec.language import INVENTORY
from backupspec.plan.times import snapshot_times, times
from backupspec.suggest import did_you_mean

_WRITTEN = ("repositories", "servers")
_NOT_SET = "not set"
_WIDE = frozenset({"quiet", "roaming", "on_ac_only", "stay_awake", "jump", "scratch"})
_OWN = frozenset({"site", "address", "os", "borg", "profiles", "ssh_key", "formerly"})
_TARGET = frozenset({"schedule", "retention", "upload_limit"})
_NAMES = {"except_": "except", "before": "hooks.before", "after": "hooks.after"}
_JOB = tuple(
    _NAMES.get(field.name, field.name)
    for field in dataclasses.fields(Settings)
    if field.name != "remove" and field.name not in _WIDE | _TARGET
)


@dataclass(frozen=True, slots=True)
class Setting:
    """One value: its path (`web01.files.www.to.central.retention`), and where it comes from (None: it is not set).

    `others` are the ways to ask for several of its kind: without `to.REPOSITORY` for all repositories of a job, without
    `files.JOB` for all jobs of a host.
    """

    path: str
    others: tuple[str, ...]
    value: str
    origin: Origin | None = None

    def found_by(self, wanted: str) -> bool:
        """Tell whether a path leads here."""
        return any(_at(path, wanted) for path in (self.path, *self.others))


def explain(fleet: Fleet, asked: str, root: Mapping | None = None) -> tuple[Setting, ...]:
    """Give the settings at or below a path that starts with a name, in the order of the inventory language.

    The name is that of a host, or of what `root` declares as a repository or server. Nothing is found for an unknown
    name or setting; a setting that nobody set is found if it is named. A path as findings name it (`hosts.web01.…`) is
    understood as well.
    """
    kinds = ("hosts", *_WRITTEN)
    wanted = next((asked.removeprefix(f"{kind}.") for kind in kinds if asked.startswith(f"{kind}.")), asked)
    every = [setting for host in fleet.hosts for setting in settings(host)]
    every += [setting for kind in _WRITTEN for setting in _written(fleet, root, kind)]
    found = tuple(each for each in every if each.found_by(wanted))
    return found or tuple(Setting(path, (), _NOT_SET) for path in _unset(fleet) if path == wanted)


def suggestion(fleet: Fleet, asked: str) -> str:
    """Give the nearest name below the longest part of a path that is known, or what there is below it."""
    known = {host.name for host in fleet.hosts} | {name for name, _ in fleet.repositories}
    known |= {server.name for server in fleet.servers}
    known |= {
        path for host in fleet.hosts for each in settings(host) for path in (*each.others, *_above(each.path, host))
    }
    known |= set(_unset(fleet))
    above = max((path for path in known if asked.startswith(f"{path}.")), key=len, default="")
    prefix = f"{above}." if above else ""
    below = {path for path in known if path.startswith(prefix) and path != above}
    nearest = {path for path in below if not any(_at(path, other) and path != other for other in below)}
    hint = did_you_mean(asked.removeprefix(prefix), (path.removeprefix(prefix) for path in nearest))
    return hint.replace("`", f"`{prefix}", 1) or f"known: {', '.join(sorted(nearest))}"


def overview(fleet: Fleet) -> Iterator[str]:
    """Give a line for each kind of thing that has a name to ask for."""
    kinds = {
        "hosts": [host.name for host in fleet.hosts],
        "servers": [server.name for server in fleet.servers],
        "repositories": [name for name, _ in fleet.repositories],
    }
    for kind, names in kinds.items():
        if names:
            yield f"{kind}: {', '.join(names)}"


def _at(path: str, wanted: str) -> bool:
    return path == wanted or path.startswith(f"{wanted}.")


def _above(path: str, host: Host) -> Iterator[str]:
    """Give the paths of the host's jobs that lie above a setting of it."""
    for job in (*host.jobs, *_guests(host), *host.machine_snapshots):
        if _at(path, _path(job)):
            yield _path(job)
            yield _path(job).rpartition(f".{job.name}")[0]


def _path(job: Job | MachineSnapshots) -> str:
    return job.where.removeprefix("hosts.")


def _guests(host: Host) -> Iterator[VirtualMachineJob]:
    """Give the virtual machines that back themselves up, and so are no jobs of the host."""
    return (job for job in host.virtual_machines if job.method == "guest")


def _unset(fleet: Fleet) -> Iterator[str]:
    """Give each path that a setting of a host, job or target could have."""
    for host in fleet.hosts:
        yield from (f"{host.name}.{name}" for name in (*sorted(_WIDE | _OWN), *_JOB, *sorted(_TARGET)))
        for job in host.jobs:
            path = _path(job)
            yield from (f"{path}.{name}" for name in (*_keys(job), *sorted(_TARGET)))
            for target in job.targets:
                yield from (f"{path}.to.{target.repository.name}.{name}" for name in sorted(_TARGET))


def _keys(job: Job) -> tuple[str, ...]:
    """Give each key that a job of its kind may have, but those that go with a repository."""
    if isinstance(job, FilesJob):
        return _JOB
    if isinstance(job, DatabaseJob):
        kind = next(value for name, value, _ in job.origins if name == "kind")
        own = INVENTORY.kinds[kind]["properties"]
    else:
        own = INVENTORY.schema["$defs"]["virtual_machine"]["properties"]
    return (*(key for key in own if key not in _TARGET), "hooks.before", "hooks.after")


def _written(fleet: Fleet, root: Mapping | None, kind: str) -> Iterator[Setting]:
    """Give each key that the inventory has of a server or repository, and who writes to the latter."""
    declared = root.get(kind) if root else None
    for entry in declared if isinstance(declared, Mapping) else ():
        for each in entry.value if isinstance(entry.value, Mapping) else ():
            path = f"{entry.key}.{each.key}"
            yield Setting(path, (), _said(plain(each.value)), Origin(f"{kind}.{entry.key}", each.key_span))
        for host in fleet.hosts if kind == "repositories" else ():
            for job in host.jobs:
                for target in job.targets:
                    if target.repository.name == entry.key:
                        path = f"{entry.key}.written-to-by"
                        yield Setting(path, (), _path(job), Origin("job", target.span))


def settings(host: Host) -> Iterator[Setting]:
    """Give every setting of a host, of its jobs and of their ways into repositories.

    What a job says for all its repositories is given once for each of them, with what a named policy stands for.
    """
    yield from _settings(host.name, (host.name,), host.origins)
    for job in host.jobs:
        path = _path(job)
        below = {name for target in job.targets for name, _, _ in target.origins}
        said = tuple(each for each in job.origins if each[0] not in below)
        yield from _settings(path, (path, host.name), (*said, *_found(job)))
        for target in job.targets:
            to = f"to.{target.repository.name}"
            meant = {"retention": str(target.retention), "schedule": str(target.schedule)}
            when = ", ".join(times(host, job, target)) or "never"
            computed = ("times", when, Origin("computed from the schedule", None))
            named = tuple(
                (name, _with(value, meant.get(name, value)), origin) for name, value, origin in target.origins
            )
            yield from _settings(f"{path}.{to}", (path, host.name, f"{host.name}.{to}"), (*named, computed))
    for guest in _guests(host):
        yield from _settings(_path(guest), (_path(guest), host.name), guest.origins)
    for snapshots in host.machine_snapshots:
        path = _path(snapshots)
        stands_for = {"retention": str(snapshots.retention), "schedule": str(snapshots.schedule)}
        when = ", ".join(snapshot_times(host, snapshots)) or "never"
        said = tuple(
            (name, _with(value, stands_for.get(name, value)), origin) for name, value, origin in snapshots.origins
        )
        timed = ("times", when, Origin("computed from the schedule", None))
        yield from _settings(path, (path, host.name), (*said, timed))


def _found(job: Job) -> Iterator[tuple[str, str, Origin]]:
    """Give what a job has from elsewhere than the inventory: the disks that a definition names."""
    if isinstance(job, VirtualMachineJob) and all(name != "disks" for name, _, _ in job.origins):
        yield "disks", ", ".join(job.disks) or "none", Origin("found in the definition", None)


def text(setting: Setting, folder: str) -> str:
    """Give `PATH = VALUE` and, indented below, the layer with file and line; `folder` is put before the file's name."""
    if setting.origin is None:
        return f"{setting.path}: {setting.value}"
    place = setting.origin.span
    where = "" if place is None else f", {folder}{place.file}:{place.line}"
    return f"{setting.path} = {setting.value}\n    {setting.origin.layer}{where}"


def _said(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _settings(path: str, others: tuple[str, ...], origins: tuple[tuple[str, str, Origin], ...]) -> Iterator[Setting]:
    for name, value, origin in origins:
        yield Setting(f"{path}.{name}", tuple(f"{other}.{name}" for other in others), value, origin)


def _with(name: str, meant: str) -> str:
    return name if name == meant else f"{name} ({meant})"
