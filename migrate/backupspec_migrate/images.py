"""Finds what each snapshot holds of each host."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from backupspec.catalogue import diagnose
from backupspec.diagnostic import Diagnostic, Span
from backupspec_migrate.figures import typed
from backupspec_migrate.layout import Layout, Part, Series
from backupspec_migrate.snapshot import Snapshot
from backupspec_migrate.view import View


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


def place_of(layout: Layout, name: str) -> Span:
    """Give the place of something in the tree, for findings."""
    return Span(f"{layout.root}/{name}", 1, 1, 1, 1)


def images_of(layout: Layout, snapshot: Snapshot, host: str | None, view: View) -> tuple[list[Image], list[Diagnostic]]:
    """Give what a snapshot holds of each host.

    `host`: the folder name of the one host that all of it belongs to. Else `layout.series` say where hosts lie, and
    without them each folder is one.
    """
    if host is not None:
        image, found = _image_of_one(layout, snapshot, host)
        return [image], found
    if not layout.series:
        return _each_folder(snapshot, view, layout)
    return _by_series(layout, snapshot, view)


def _image_of_one(layout: Layout, snapshot: Snapshot, folder: str) -> tuple[Image, list[Diagnostic]]:
    host = layout.renames.get(folder, folder)
    path = layout.paths.get(host)
    found = []
    if path is None:
        message = f"where the content of {folder}'s snapshots was on the host cannot be known; it is taken for its /"
        hint = f"if it was a folder, say which: --path-of {host}=/FOLDER"
        found.append(diagnose("BS607", message, place_of(layout, snapshot.slot), hint=hint, where=host))
    root = Root("", path or "", numeric_ids=True, own=bool(path))
    return Image(snapshot.slot, host, None, folder, (root,)), found


def _by_series(layout: Layout, snapshot: Snapshot, view: View) -> tuple[list[Image], list[Diagnostic]]:
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
            hint = f"--rename {path}=NAME gives it another name; if nobody needs it, take its series out of the plan"
            found.append(diagnose("BS615", message, place_of(layout, f"{snapshot.slot}/{path}"), hint=hint, where=path))
            host = layout.renames.get(path, PurePosixPath(path).name)
            root = _whole(path, host, layout)
            extra_series = Series(host, None, path, (), layout.place)
            images.append((extra_series, [root]))
        else:
            message = f"{path} in {snapshot.slot} belongs to no host and is imported nowhere"
            hint = f"`--skip {typed(path)}` once you know that it is not needed"
            found.append(diagnose("BS616", message, place_of(layout, f"{snapshot.slot}/{path}"), hint=hint, where=path))
    found += _overlaps(images, layout, snapshot)
    made = []
    for series, roots in images:
        more = extra.get(series.folder, []) if series.job is None else []
        merged, said = _merged((*roots, *more), layout, snapshot)
        found += said
        if merged:
            made.append(Image(snapshot.slot, series.host, series.job, series.folder, merged))
    return made, found


def _whole(location: str, host: str, layout: Layout) -> Root:
    """Take a folder for all that a host has, or for the path that the user says."""
    path = layout.paths.get(host, "")
    return Root(location, path, numeric_ids=True, own=bool(path))


def _each_folder(snapshot: Snapshot, view: View, layout: Layout) -> tuple[list[Image], list[Diagnostic]]:
    images, found = [], []
    for entry in view.names(snapshot.slot):
        if view.is_folder(f"{snapshot.slot}/{entry.name}"):
            host = layout.renames.get(entry.name, entry.name)
            images.append(Image(snapshot.slot, host, None, entry.name, (_whole(entry.name, host, layout),)))
        else:
            message = f"{entry.name} in {snapshot.slot} belongs to no host and is imported nowhere"
            hint = f"give rsnapshot.conf instead of the folder, or `--skip {typed(entry.name)}`"
            place = place_of(layout, f"{snapshot.slot}/{entry.name}")
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
        outer = next((one for one in kept if inside(root.original, one.original)), None)
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
                    "BS614",
                    message,
                    place_of(layout, f"{snapshot.slot}/{root.location}"),
                    hint=hint,
                    where=root.location,
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
            if not inside(inner, location):
                continue
            below = inner[len(location) :].strip("/")
            if inner_number != number or "/".join(filter(None, (original, below))) != inner_original:
                message = f"{inner} in {snapshot.slot} lies inside {location}, which another `backup` line fills"
                found.append(diagnose("BS614", message, place_of(layout, f"{snapshot.slot}/{inner}"), where=inner))
    return found


def inside(path: str, outer: str) -> bool:
    """Tell whether a path (no first slash) is `outer` or lies below it; all lies in the empty path."""
    return not outer or path == outer or path.startswith(f"{outer}/")
