"""A snapshot of a tree, and what can be doubtful about one: the nouns of the scan."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

TimeFrom = Literal["folder", "name", "logfile", "given"]
"""What gave a snapshot its time."""

DoubtKind = Literal[
    "interrupted",
    "lockfile",
    "half-copied",
    "half-removed",
    "out-of-order",
    "same-time",
    "repeated",
    "failed",
    "rolled-back",
    "future",
    "clock",
    "moved",
]
"""What may be wrong with a snapshot.

`interrupted`: rsnapshot was filling it. `lockfile`: it may have been, or removing it. `half-copied`: a killed `cp -al`.
`half-removed`: a killed `rm`. `out-of-order`: newer than one that stands before it on the ladder. `same-time`: another
one has its time. `repeated`: the staging area was rotated twice. `failed`, `rolled-back`: some hosts were not backed up
that time. `future`, `clock`: it cannot have been made then. `moved`: all times are those of a copy of the tree.
"""


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
class Doubt:
    """A snapshot that may be incomplete or has no time of its own, and why.

    `folders`: only what these series' folders hold is doubtful; without any, the whole snapshot is.
    """

    slot: str
    kind: DoubtKind
    why: str
    folders: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Gap:
    """A stretch of time without snapshots where there should be about `missing` of them.

    `of` is a rung of the ladder, or a host; `after` and `before` are the times of the snapshots around it.
    """

    of: str
    after: int
    before: int
    missing: int


def age(snapshot: Snapshot) -> tuple[int, int, str]:
    """Sort the oldest first; of two with one time, that with the higher number was rotated earlier."""
    retain, number = snapshot.rung or ("", 0)
    return snapshot.time, -number, retain or snapshot.slot
