"""Finds what cannot be true about the times of snapshots, and the nights that are missing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise
from statistics import median_low

from backupspec_migrate.snapshot import Doubt, Gap, Snapshot

OLDEST = 631_152_000  # 1990-01-01T00:00:00Z
_MOVED_WITHIN = 900
_MOVED_FROM = 3
_GAP = 1.5


def impossible_times(snapshots: Iterable[Snapshot], now: int) -> Iterator[Doubt]:
    """Give the snapshots whose time is one at which no backup can have been made."""
    for one in snapshots:
        if one.time > now:
            yield Doubt(one.slot, "future", "its time is in the future")
        elif one.time < OLDEST:
            yield Doubt(one.slot, "clock", "its time is before 1990: the clock was not set, or the time was lost")


def moved_times(snapshots: tuple[Snapshot, ...]) -> Iterator[Doubt]:
    """Give all snapshots when their times are so close together that they can only be those of a copy."""
    times = [one.time for one in snapshots]
    if (
        len(times) < _MOVED_FROM
        or max(times) - min(times) > _MOVED_WITHIN
        or {one.time_from for one in snapshots} != {"folder"}
    ):
        return
    minutes = (max(times) - min(times)) // 60 + 1
    why = (
        f"all {len(times)} snapshots have times within {minutes} minute{'' if minutes == 1 else 's'}, as after a copy "
        "that did not keep them: give the true ones with --times FILE"
    )
    for one in snapshots:
        yield Doubt(one.slot, "moved", why)


def same_times(snapshots: Iterable[Snapshot]) -> Iterator[Doubt]:
    """Give the snapshots that have the time of an older one."""
    times: dict[int, str] = {}
    for one in snapshots:
        other = times.setdefault(one.time, one.slot)
        if other != one.slot:
            yield Doubt(one.slot, "same-time", f"it has the time of {other}")


def first_of_each(doubts: Iterable[Doubt]) -> tuple[Doubt, ...]:
    """Keep one doubt for each snapshot: the first that is about all of it, else the first."""
    kept: dict[str, Doubt] = {}
    for doubt in doubts:
        known = kept.get(doubt.slot)
        if known is None or (known.folders and not doubt.folders):
            kept[doubt.slot] = doubt
    return tuple(kept[slot] for slot in sorted(kept))


def gaps(regular: Mapping[str, tuple[Snapshot, ...]]) -> tuple[Gap, ...]:
    """Find where more than one and a half of the usual distance lies between two snapshots of one group.

    The usual distance is the median; a group needs three snapshots to have one.
    """
    found = []
    for name, group in regular.items():
        times = sorted(one.time for one in group)
        distances = [later - earlier for earlier, later in pairwise(times)]
        usual = median_low(distances) if len(distances) > 1 else 0
        found += [
            Gap(name, earlier, later, max(1, round((later - earlier) / usual) - 1))
            for earlier, later in pairwise(times)
            if usual and later - earlier > _GAP * usual
        ]
    return tuple(found)
