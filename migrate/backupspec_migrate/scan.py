"""Reads what is in an rsnapshot tree.

Snapshots with their times, what each holds of each host, and what is doubtful or no snapshot.
"""

from __future__ import annotations

import re
import stat
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Literal

from backupspec.catalogue import diagnose
from backupspec.diagnostic import Diagnostic, Diagnostics, Span
from backupspec_migrate.layout import Layout, Part, Series
from backupspec_migrate.view import View

TimeFrom = Literal["folder", "name", "logfile", "given"]
"""What gave a snapshot its time."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One complete state of the hosts: `slot` is the path of its folder below the root.

    `time` is in seconds since 1970, and `time_from` says what gave it. rsnapshot's own mark is the folder's mtime,
    which it sets when a backup is complete and which rotation keeps. `rung` is the place on rsnapshot's ladder.
    """

    slot: str
    time: int
    identity: tuple[int, int, int]  # device, inode, mtime in nanoseconds: does it still stand where it stood?
    rung: tuple[str, int] | None
    time_from: TimeFrom


@dataclass(frozen=True, slots=True)
class Root:
    """A folder or file of one snapshot and its path in the archive.

    `location` is relative to the snapshot, `original` has no first slash. `own`: it is itself a thing of the host;
    False for a host's folder, which rsnapshot made. `without`: paths on the host (no first slash) that another series
    of the same host has, to be left out here.
    """

    location: str
    original: str
    numeric_ids: bool
    own: bool = True
    without: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Image:
    """What one snapshot holds of one series. `job` is None for the job that the user names."""

    slot: str
    host: str
    job: str | None
    folder: str
    roots: tuple[Root, ...]


@dataclass(frozen=True, slots=True)
class Doubt:
    """A snapshot that may be incomplete or has no time of its own, and why."""

    slot: str
    why: str


@dataclass(frozen=True, slots=True)
class Scan:
    """All that was found. `snapshots` are in the order of their times, the oldest first.

    `skipped` are (name, reason).
    """

    root: str
    snapshots: tuple[Snapshot, ...]
    images: tuple[Image, ...]
    doubts: tuple[Doubt, ...]
    skipped: tuple[tuple[str, str], ...]


def scan(layout: Layout, view: View, *, interrupted: bool) -> tuple[Scan, Diagnostics]:
    """Look at the tree; only folders above the hosts' own content are listed.

    `interrupted`: rsnapshot left a lockfile behind.
    """
    snapshots, skipped = _snapshots(layout, view)
    doubts = _doubts(layout, snapshots, interrupted=interrupted)
    found: list[Diagnostic] = [
        diagnose("BS611", f"{name} is no snapshot: {why}", _place(layout, name), where=name) for name, why in skipped
    ]
    images: list[Image] = []
    for snapshot in snapshots:
        made, said = _images(layout, snapshot, view)
        images += made
        found += said
    return Scan(layout.root, snapshots, tuple(images), doubts, skipped), _once(found)


def _once(found: list[Diagnostic]) -> Diagnostics:
    """Say what is the same in many snapshots once, with their number."""
    first: dict[tuple[str, str], Diagnostic] = {}
    more: Counter[tuple[str, str]] = Counter()
    for one in found:
        key = (one.code, one.where or one.message)
        if first.setdefault(key, one) is not one:
            more[key] += 1
    return tuple(
        replace(one, message=f"{one.message} (the same in {more[key]} more)") if more[key] else one
        for key, one in first.items()
    )


Folders = frozenset[tuple[str, tuple[int, int, int]]]
"""Which snapshot folder stands under which name: (slot, identity)."""


def folders_of(snapshots: tuple[Snapshot, ...]) -> Folders:
    """Give the names and identities of snapshots."""
    return frozenset((snapshot.slot, snapshot.identity) for snapshot in snapshots)


def folders_now(layout: Layout, view: View) -> Folders:
    """Look again which snapshots stand where, to notice a rotation behind our back."""
    return folders_of(_snapshots(layout, view)[0])


def _place(layout: Layout, name: str) -> Span:
    return Span(f"{layout.root}/{name}", 1, 1, 1, 1)


def _snapshots(layout: Layout, view: View) -> tuple[tuple[Snapshot, ...], tuple[tuple[str, str], ...]]:
    snapshots, skipped = [], []
    for entry in view.names(""):
        state = view.stat(entry.name)
        if state is None:
            continue
        why = _not_a_snapshot(entry.name, state.st_mode, layout.retains)
        if why is not None:
            skipped.append((entry.name, why))
            continue
        retain, _, number = entry.name.rpartition(".")
        identity = (state.st_dev, state.st_ino, state.st_mtime_ns)
        when = state.st_mtime_ns // 10**9
        snapshots.append(Snapshot(entry.name, when, identity, (retain, int(number)), "folder"))
    return tuple(sorted(snapshots, key=_age)), tuple(skipped)


def _age(snapshot: Snapshot) -> tuple[int, int, str]:
    """Sort the oldest first; of two with one time, that with the higher number was rotated earlier."""
    retain, number = snapshot.rung or ("", 0)
    return snapshot.time, -number, retain or snapshot.slot


_NO_SNAPSHOTS = (
    (r"\.sync", "rsnapshot's staging area (sync_first), not yet a snapshot"),
    (r"_delete\.[0-9]+|.*\.delete", "a snapshot that rsnapshot was removing"),
    (r"tmp", "the working folder of backup scripts"),
    (r"lost\+found", "the file system's own folder"),
    (r"(?!\w+\.[0-9]+$).*", "not a name that rsnapshot gives"),
)


def _not_a_snapshot(name: str, mode: int, retains: tuple[str, ...]) -> str | None:
    """Say why a name in the snapshot root is no snapshot; None when it is one."""
    if not stat.S_ISDIR(mode):
        return "a symbolic link" if stat.S_ISLNK(mode) else "not a folder"
    for pattern, why in _NO_SNAPSHOTS:
        if re.fullmatch(pattern, name, re.DOTALL):
            return why
    retain = name.rpartition(".")[0]
    return f"no `retain {retain}` in rsnapshot.conf" if retains and retain not in retains else None


def _doubts(layout: Layout, snapshots: tuple[Snapshot, ...], *, interrupted: bool) -> tuple[Doubt, ...]:
    doubts: dict[str, str] = {}
    now = time.time()
    by_rung = {snapshot.rung: snapshot for snapshot in snapshots}
    lowest = layout.retains[0] if layout.retains else None
    for snapshot in snapshots:
        older = by_rung.get((snapshot.rung[0], snapshot.rung[1] + 1)) if snapshot.rung else None
        if snapshot.time > now:
            doubts[snapshot.slot] = "its time is in the future"
        if older is None:
            continue
        if older.time == snapshot.time:
            doubts[snapshot.slot] = f"it has the time of {older.slot}: rsnapshot was interrupted while it filled it"
        elif older.time > snapshot.time:
            doubts[older.slot] = (
                f"it is newer than {snapshot.slot}: rsnapshot was interrupted while it copied or removed it"
            )
    newest = by_rung.get((lowest, 0)) if lowest else None
    if interrupted and newest is not None:
        doubts.setdefault(
            newest.slot, "rsnapshot left its lockfile behind: it may have been interrupted while it filled it"
        )
    times: dict[int, str] = {}
    for snapshot in snapshots:
        other = times.setdefault(snapshot.time, snapshot.slot)
        if other != snapshot.slot:
            doubts.setdefault(snapshot.slot, f"it has the time of {other}")
    return tuple(Doubt(slot, why) for slot, why in sorted(doubts.items()))


def _images(layout: Layout, snapshot: Snapshot, view: View) -> tuple[list[Image], list[Diagnostic]]:
    if not layout.retains:
        return _images_without_configuration(snapshot, view, layout)
    found: list[Diagnostic] = []
    images = [
        (series, [root for part in series.parts if (root := _settled(part, snapshot, view)) is not None])
        for series in layout.series
    ]
    known = {root.location for _, roots in images for root in roots}
    extra: dict[str, list[Root]] = {}
    for path, is_folder in _uncovered(snapshot, known, {series.folder for series in layout.series}, view):
        owner = _owner(path, layout.series)
        if owner is not None:
            extra.setdefault(owner.folder, []).append(_as_found(path, owner))
        elif is_folder:
            message = f"{path} in {snapshot.slot} has no `backup` line; it is imported as a host of its own"
            found.append(diagnose("BS615", message, _place(layout, f"{snapshot.slot}/{path}"), where=path))
            root = Root(path, "", numeric_ids=True, own=False)
            extra_series = Series(PurePosixPath(path).name, None, path, (), layout.place)
            images.append((extra_series, [root]))
        else:
            message = f"{path} in {snapshot.slot} belongs to no host and is imported nowhere"
            hint = f"`--skip {path}` once you know that it is not needed"
            found.append(diagnose("BS616", message, _place(layout, f"{snapshot.slot}/{path}"), hint=hint, where=path))
    found += _overlaps(images, layout, snapshot)
    made = []
    for series, roots in images:
        more = extra.get(series.folder, []) if series.job is None else []
        merged, said = _merged((*roots, *more), layout, snapshot)
        found += said
        if merged:
            made.append(Image(snapshot.slot, series.host, series.job, series.folder, merged))
    return made, found


def _images_without_configuration(
    snapshot: Snapshot, view: View, layout: Layout
) -> tuple[list[Image], list[Diagnostic]]:
    images, found = [], []
    for entry in view.names(snapshot.slot):
        if view.is_folder(f"{snapshot.slot}/{entry.name}"):
            root = Root(entry.name, "", numeric_ids=True, own=False)
            images.append(Image(snapshot.slot, entry.name, None, entry.name, (root,)))
        else:
            message = f"{entry.name} in {snapshot.slot} belongs to no host and is imported nowhere"
            hint = f"give rsnapshot.conf instead of the folder, or `--skip {entry.name}`"
            place = _place(layout, f"{snapshot.slot}/{entry.name}")
            found.append(diagnose("BS616", message, place, hint=hint, where=entry.name))
    return images, found


def _settled(part: Part, snapshot: Snapshot, view: View) -> Root | None:
    """Find where a part lies in this snapshot; None when it is not there."""
    prefix = f"{snapshot.slot}/{part.location}".rstrip("/")
    if part.settle != "no":
        name = PurePosixPath(part.original).name
        inner = view.stat(f"{prefix}/{name}")
        # rsnapshot itself adds the slash to a local folder, so that only a file can lie further in.
        fits = inner is not None and (part.settle == "remote" or not Path(f"/{part.original}").is_dir())
        if inner is not None and fits and not (part.settle == "local" and stat.S_ISDIR(inner.st_mode)):
            return Root("/".join(filter(None, (part.location, name))), part.original, part.numeric_ids)
    if view.stat(prefix) is None:
        return None
    return Root(part.location, part.original, part.numeric_ids, own=bool(part.location))


def _uncovered(snapshot: Snapshot, known: set[str], folders: set[str], view: View) -> Iterator[tuple[str, bool]]:
    """Give the topmost entries (path, is a folder) of a snapshot that no part covers."""
    above = {
        "/".join(words[:length])
        for path in known | folders
        for words in [path.split("/")]
        for length in range(len(words))
    }
    above |= folders - known
    pending = [] if "" in known else [""]
    while pending:
        folder = pending.pop()
        for entry in view.names(f"{snapshot.slot}/{folder}".rstrip("/")):
            path = f"{folder}/{entry.name}".lstrip("/")
            is_folder = view.is_folder(f"{snapshot.slot}/{path}")
            if path in known:
                continue
            if path in above and is_folder:
                pending.append(path)
            else:
                yield path, is_folder


def _owner(path: str, series: tuple[Series, ...]) -> Series | None:
    owners = [
        one
        for one in series
        if one.job is None and (path == one.folder or not one.folder or path.startswith(f"{one.folder}/"))
    ]
    return max(owners, key=lambda one: len(one.folder), default=None)


def _as_found(path: str, owner: Series) -> Root:
    """Take what no `backup` line covers any more for what it was under rsnapshot's `--relative`.

    The path below the host's folder.
    """
    numeric = all(part.numeric_ids for part in owner.parts)
    return Root(path, path[len(owner.folder) :].lstrip("/"), numeric)


def _merged(roots: tuple[Root, ...], layout: Layout, snapshot: Snapshot) -> tuple[tuple[Root, ...], list[Diagnostic]]:
    """Drop roots that lie inside another one; two places that claim one path of the host are an error."""
    kept: list[Root] = []
    found: list[Diagnostic] = []
    for root in sorted(
        dict.fromkeys(roots), key=lambda one: (one.original.split("/") if one.original else [], one.location)
    ):
        outer = next((one for one in kept if _inside(root.original, one.original)), None)
        if outer is None:
            kept.append(root)
            continue
        below = root.original[len(outer.original) :].strip("/")
        if "/".join(filter(None, (outer.location, below))) != root.location:
            message = (
                f"{outer.location} and {root.location} in {snapshot.slot} both claim to be /{root.original} of one host"
            )
            hint = (
                "they are two machines under one name, or one copy is old: give them names of their own with --rename"
            )
            found.append(
                diagnose(
                    "BS614", message, _place(layout, f"{snapshot.slot}/{root.location}"), hint=hint, where=root.location
                )
            )
    return tuple(kept), found


def _overlaps(images: list[tuple[Series, list[Root]]], layout: Layout, snapshot: Snapshot) -> list[Diagnostic]:
    """Find folders that two series claim, or that one series claims as two different paths."""
    found = []
    claims = sorted(
        ((root.location, root.original, number) for number, (_, roots) in enumerate(images) for root in roots)
    )
    for index, (location, original, number) in enumerate(claims):
        for inner, inner_original, inner_number in claims[index + 1 :]:
            if not _inside(inner, location):
                continue
            below = inner[len(location) :].strip("/")
            if inner_number != number or "/".join(filter(None, (original, below))) != inner_original:
                message = f"{inner} in {snapshot.slot} lies inside {location}, which another `backup` line fills"
                found.append(diagnose("BS614", message, _place(layout, f"{snapshot.slot}/{inner}"), where=inner))
    return found


def _inside(path: str, outer: str) -> bool:
    return not outer or path == outer or path.startswith(f"{outer}/")
