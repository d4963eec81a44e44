"""Says which folder of a snapshot belongs to which host, and where its content was on that host."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Literal

from backupspec.catalogue import diagnose
from backupspec.diagnostic import Diagnostic, Diagnostics, Span
from backupspec_migrate.configuration import BackupPoint, BackupScript, Configuration
from backupspec_migrate.given_times import GivenTimes
from backupspec_migrate.ladder import Ladder
from backupspec_migrate.logfile import Run
from backupspec_migrate.naming import Naming

NAME = re.compile(r"(?!.*\.\.)[a-z0-9]([a-z0-9.-]*[a-z0-9])?")
"""What a host or a job may be called: the grammar of the inventory, so that the archives fit a job's series."""


@dataclass(frozen=True, slots=True)
class Part:
    """One stretch of a snapshot.

    `location` (relative to the snapshot) holds what was at `original` (without the first slash) on the host.

    `settle`: rsync got a source without a slash at its end, so that it may lie at `location/basename` or, if it was a
    file, at `location` itself; only the tree can tell.

    `source` and `dest` are the line's own words. `kept_time`: each run makes the folder `dest` anew, so that two
    snapshots have one time only if one is a copy.
    """

    location: str
    original: str
    numeric_ids: bool
    settle: Literal["no", "remote", "local"]
    span: Span
    source: str = ""
    dest: str = ""
    kept_time: bool = False


@dataclass(frozen=True, slots=True)
class Series:
    """What becomes one series of archives.

    `folder` is relative to a snapshot; `job` is None for the job that the user names.
    """

    host: str
    job: str | None
    folder: str
    parts: tuple[Part, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Layout:
    """A tree's shape. Without `series` each folder of a snapshot is a host, or the snapshot is one host's.

    `configuration` is the file that says all this, if there is one. `renames` (folder to host name) and `paths` (host
    to path, without the first slash) are the user's words, which a plan keeps; `typed_paths` are the hosts of those
    that were typed for this command. `runs` is what the logfile knows; `given` replaces all times.
    """

    root: str
    naming: Naming
    series: tuple[Series, ...]
    lockfile: str | None
    stop_on_stale_lockfile: bool
    place: Span
    configuration: str | None = None
    logfile: str | None = None
    renames: Mapping[str, str] = field(default_factory=dict)
    paths: Mapping[str, str] = field(default_factory=dict)
    typed_paths: frozenset[str] = frozenset()
    runs: tuple[Run, ...] = ()
    given: GivenTimes | None = None


def layout_of_root(root: str, naming: Naming | None = None) -> Layout:
    """Give the layout of a tree that no configuration describes: `naming` says what its snapshots are called.

    Without it the tree is rsnapshot's, whose configuration is lost. Each folder in a snapshot is a host's `/` then, as
    rsnapshot's default has it.
    """
    return Layout(root, naming or Ladder(), (), None, stop_on_stale_lockfile=False, place=Span(root, 1, 1, 1, 1))


def layout_of(configuration: Configuration, renames: Mapping[str, str]) -> tuple[Layout, Diagnostics]:
    """Find the hosts in the `backup` lines. `renames` gives folders (relative to a snapshot) another host name.

    Two machines are never put into one host: where the lines leave it open, a host's folder is as deep as it takes to
    keep the machines that rsync read from apart.
    """
    found: list[Diagnostic] = []
    folders = _folders(configuration.points)
    grouped: dict[str, list[Part]] = {}
    for point, folder in zip(configuration.points, folders, strict=True):
        part, said = _part(point, link_dest=configuration.link_dest)
        found += said + _warnings(point)
        grouped.setdefault(folder, []).append(part)
    names = _names(sorted(grouped), renames)
    series = [
        Series(names[folder], None, folder, tuple(parts), parts[0].span) for folder, parts in sorted(grouped.items())
    ]
    series += [_script_series(script, names, renames) for script in configuration.scripts]
    place = Span(configuration.file, 1, 1, 1, 1)
    if configuration.lockfile is None:
        hint = "set `lockfile` in rsnapshot.conf, or make sure that no rsnapshot starts meanwhile"
        found.append(
            diagnose(
                "BS622", "no lockfile is configured: rsnapshot could rotate while the tree is read", place, hint=hint
            )
        )
    found += _left_out(configuration.points)
    layout = Layout(
        configuration.root,
        Ladder(
            tuple((retain.name, retain.count) for retain in configuration.retains),
            configuration.sync_first,
            configuration.link_dest,
        ),
        tuple(series),
        configuration.lockfile,
        configuration.stop_on_stale_lockfile,
        place,
        configuration.file,
        configuration.logfile,
        renames,
    )
    return layout, tuple(found)


def _components(path: str) -> tuple[str, ...]:
    return tuple(word for word in path.split("/") if word not in {"", "."})


def _machine(source: str) -> str:
    """Give the machine that rsync read from; the empty text for this one."""
    for pattern in (r"rsync://(?:[^@/]*@)?([^:/]+)", r"(?!/)(?:[^@/]*@)?([^:/]+)::?"):
        if (match := re.match(pattern, source)) and not source.startswith("lvm://"):
            return match[1]
    return ""


def _source_path(source: str) -> str:
    for pattern in (r"rsync://[^/]+/(.*)", r"lvm://[^/]+/[^/]+(.*)", r"(?!/)[^/]*?::(.*)", r"(?!/)[^/]*?:(.*)"):
        if match := re.match(pattern, source):
            return match[1]
    return source


def _folders(points: tuple[BackupPoint, ...]) -> list[str]:
    """Give each point's host folder."""
    folders = [_folder(point) for point in points]
    while True:
        machines: dict[str, set[str]] = {}
        for point, folder in zip(points, folders, strict=True):
            machines.setdefault(folder, set()).add(_machine(point.source))
        deeper = [
            _deeper(point, folder) if len(machines[folder]) > 1 else folder
            for point, folder in zip(points, folders, strict=True)
        ]
        if deeper == folders:
            return folders
        folders = deeper


def _folder(point: BackupPoint) -> str:
    dest, path, machine = _components(point.dest), _components(_source_path(point.source)), _machine(point.source)
    for length in range(len(dest), 0, -1):
        if machine and dest[length - 1] in {machine, machine.split(".")[0]}:
            return "/".join(dest[:length])
    if point.transfer.relative or not path:
        return "/".join(dest)
    common = 0
    while common < min(len(dest), len(path)) and dest[-1 - common] == path[-1 - common]:
        common += 1
    return "/".join(dest[: len(dest) - common]) if common else "/".join(dest[:1])


def _deeper(point: BackupPoint, folder: str) -> str:
    dest = _components(point.dest)
    return "/".join(dest[: len(_components(folder)) + 1])


def _part(point: BackupPoint, *, link_dest: bool) -> tuple[Part, list[Diagnostic]]:
    path = _source_path(point.source)
    unknown = (
        point.source.startswith(("rsync://", "lvm://")) or "::" in point.source.split("/")[0] or path.startswith("~")
    )
    dest = "/".join(_components(point.dest))
    found = []
    if unknown:
        carried = path.lstrip("/~")
        message = f"where {point.source} was on its machine cannot be known; the archives carry the path {carried!r}"
        hint = "say before the run where it was: `path` under `content` in the plan"
        found.append(diagnose("BS607", message, point.span, hint=hint))
        path = path.removeprefix("~")
    if point.transfer.relative:
        kept, cut, below = path.partition("/./")
        original = "/".join(_components(path))
        inside = "/".join(_components(below if cut else kept))
        location = "/".join(filter(None, (dest, inside)))
        # Of a whole file system rsync also sets the time of the folder that it copies into.
        mine = link_dest and bool(inside)
        made = Part(location, original, point.transfer.numeric_ids, "no", point.span, point.source, dest, mine)
        return made, found
    settle: Literal["no", "remote", "local"] = "no"
    if path and not path.endswith("/"):
        settle = "remote" if _machine(point.source) else "local"
    original = "/".join(_components(path))
    return Part(dest, original, point.transfer.numeric_ids, settle, point.span, point.source, dest), found


def _names(folders: list[str], renames: Mapping[str, str]) -> dict[str, str]:
    """Name each folder's host by its last component; folders that share it keep all components."""
    last = {folder: PurePosixPath(folder).name or "localhost" for folder in folders}
    counts = Counter(last.values())
    return {
        folder: renames.get(folder, name if counts[name] == 1 else "-".join(_components(folder)))
        for folder, name in last.items()
    }


def _script_series(script: BackupScript, names: dict[str, str], renames: Mapping[str, str]) -> Series:
    """Give a script's output a series of its own.

    It is no file of the host, and the regular job of that name will not have it.
    """
    dest = _components(script.dest)
    owner = next(
        (
            folder
            for folder in sorted(names, key=len, reverse=True)
            if dest[: len(_components(folder))] == _components(folder)
        ),
        None,
    )
    folder = "/".join(dest[:1]) if owner is None else owner
    host = names[owner] if owner is not None else renames.get(folder, dest[0])
    below = dest[len(_components(folder)) :] or dest
    job = re.sub(r"[^a-z0-9]+", "-", below[-1].lower()).strip("-") or "script"
    location = "/".join(dest)
    part = Part(location, "/".join(below), True, "no", script.span, script.command, location)  # noqa: FBT003 - the field's name is at hand
    return Series(host, f"script-{job}", location, (part,), script.span)


def _warnings(point: BackupPoint) -> list[Diagnostic]:
    found = []
    if point.transfer.inplace:
        message = "--inplace changes files that older snapshots share: their content may have been overwritten long ago"
        found.append(diagnose("BS605", message, point.span))
    if point.transfer.fake_super:
        message = "--fake-super keeps owners and modes in extended attributes: they are imported as such, not as owners"
        found.append(diagnose("BS605", message, point.span))
    return found


def _left_out(points: tuple[BackupPoint, ...]) -> list[Diagnostic]:
    """Say once, for all lines alike, what rsync did not copy."""
    lines: dict[tuple[str, ...], list[Span]] = {}
    for point in points:
        lost = (
            ("hard links (-H)", point.transfer.hard_links),
            ("ACLs (-A)", point.transfer.acls),
            ("extended attributes (-X)", point.transfer.xattrs),
        )
        missing = tuple(what for what, kept in lost if not kept)
        if missing:
            lines.setdefault(missing, []).append(point.span)
    found = []
    for missing, spans in lines.items():
        where = ", ".join(f"{span.file}:{span.line}" for span in spans)
        also = f" (backup lines {where})" if len(spans) > 1 else ""
        message = f"rsync was not told to keep {', '.join(missing)}: the tree does not have them{also}"
        hint = "nothing can bring them back; the first regular backup of the host will have them"
        found.append(diagnose("BS606", message, spans[0], hint=hint))
    return found
