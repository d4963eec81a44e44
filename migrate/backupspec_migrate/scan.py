"""Looks at a tree: snapshots with their times, what each holds of each host, and what is doubtful or no snapshot."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace

from backupspec.catalogue import diagnose
from backupspec.diagnostic import Diagnostic, Diagnostics
from backupspec.suggest import did_you_mean
from backupspec_migrate.anomalies import first_of_each, gaps
from backupspec_migrate.given_times import with_times
from backupspec_migrate.images import Image, Root, images_of, place_of
from backupspec_migrate.layout import Layout
from backupspec_migrate.logfile import replayed
from backupspec_migrate.rolled_back import rolled_back
from backupspec_migrate.runs import by_the_log
from backupspec_migrate.snapshot import Doubt, DoubtKind, Gap, Snapshot, TimeFrom, age
from backupspec_migrate.view import View

__all__ = [
    "Doubt",
    "DoubtKind",
    "Folders",
    "Gap",
    "Image",
    "Root",
    "Scan",
    "Snapshot",
    "TimeFrom",
    "folders_now",
    "folders_of",
    "scan",
]


@dataclass(frozen=True, slots=True)
class Scan:
    """All that was found. `snapshots` are in the order of their times, the oldest first.

    `skipped` are (name, reason). `confirmed` are the slots of which the logfile says that their run came to its end at
    that time. A slot has one doubt at most. `strangers` are skipped folders that may be somebody's copies all the same.
    """

    root: str
    snapshots: tuple[Snapshot, ...]
    images: tuple[Image, ...]
    doubts: tuple[Doubt, ...]
    skipped: tuple[tuple[str, str], ...]
    gaps: tuple[Gap, ...] = ()
    confirmed: frozenset[str] = frozenset()
    strangers: frozenset[str] = frozenset()


def scan(layout: Layout, view: View, *, interrupted: bool) -> tuple[Scan, Diagnostics]:
    """Look at the tree; only folders above the hosts' own content are listed.

    `interrupted`: rsnapshot left a lockfile behind.
    """
    sight = layout.naming.look(view, layout.root)
    found: list[Diagnostic] = [
        diagnose("BS611", f"{name} is no snapshot: {why}", place_of(layout, name), where=name)
        for name, why in sight.skipped
    ]
    found += sight.found
    snapshots = sight.snapshots
    if layout.given is not None:
        snapshots, said = with_times(snapshots, layout.given)
        found += said
    images: list[Image] = []
    for snapshot in snapshots:
        made, said_of_images = images_of(layout, snapshot, sight.hosts.get(snapshot.slot), view)
        images += made
        found += said_of_images
    found += _paths_of_nobody(layout, images)
    found += _missing_between(layout, layout.naming.regular(snapshots), images)
    now = int(time.time())
    by_names = layout.naming.doubts(snapshots, interrupted=interrupted, now=now)
    if any(doubt.kind == "moved" for doubt in by_names) and (timed := _by_the_log(layout, snapshots)) is not None:
        snapshots = timed
        by_names = layout.naming.doubts(snapshots, interrupted=interrupted, now=now)
    settled = by_the_log(layout, snapshots, (*sight.doubts, *by_names))
    doubts = first_of_each((*settled.doubts, *rolled_back(layout, snapshots, view)))
    found += settled.found
    scanned = Scan(
        layout.root,
        snapshots,
        tuple(images),
        doubts,
        sight.skipped,
        gaps(layout.naming.regular(snapshots)),
        settled.confirmed,
        sight.strangers,
    )
    return scanned, _once(found)


def _paths_of_nobody(layout: Layout, images: list[Image]) -> list[Diagnostic]:
    """Find paths that the user typed for a host that is not there, or for one whose `backup` lines say it."""
    hosts = {image.host for image in images}
    used = {image.host for image in images for root in image.roots if root.original == layout.paths.get(image.host)}
    found = []
    for host in sorted(layout.typed_paths - used):
        why = "its `backup` lines say where its files were" if host in hosts else "no snapshot is of such a host"
        hint = "" if host in hosts else did_you_mean(host, hosts)
        found.append(diagnose("BS675", f"--path-of {host}: {why}", layout.place, hint=hint))
    return found


def _missing_between(
    layout: Layout, regular: Mapping[str, tuple[Snapshot, ...]], images: list[Image]
) -> list[Diagnostic]:
    """Find hosts that a snapshot lacks while its neighbours have them.

    A run that died before it came to them looks like this once later ones have rotated it; so does a line that was
    taken out for a night.
    """
    held: dict[str, set[str]] = {}
    for image in images:
        held.setdefault(image.slot, set()).add(image.folder)
    found = []
    for group in regular.values():
        slots = [one.slot for one in sorted(group, key=age)]
        if any(one.rung is None for one in group):
            continue
        for before, slot, after in zip(slots, slots[1:], slots[2:], strict=False):
            missing = sorted(held.get(before, set()) & held.get(after, set()) - held.get(slot, set()))
            if missing:
                message = f"{slot} has no {', '.join(missing)}, which {before} before it and {after} after it have"
                hint = "if rsnapshot was interrupted that night, leave the snapshot out"
                found.append(diagnose("BS665", message, place_of(layout, slot), hint=hint))
    return found


def _by_the_log(layout: Layout, snapshots: tuple[Snapshot, ...]) -> tuple[Snapshot, ...] | None:
    """Give a moved tree the times that the logfile has for it; None unless it has one for each snapshot."""
    times = replayed(layout.runs)
    if not all(one.slot in times for one in snapshots):
        return None
    return tuple(sorted((replace(one, time=times[one.slot], time_from="logfile") for one in snapshots), key=age))


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
    return folders_of(layout.naming.look(view, layout.root).snapshots)
