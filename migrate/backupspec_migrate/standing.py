"""Where a migration stands: what was planned, what is in the repositories, and what was found when it was verified.

Times are seconds since 1970. Names and paths are as the kernel gives them, with surrogates for bytes that are no UTF-8.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from backupspec_migrate.messages import LossKind

LOSSES: Mapping[LossKind, str] = {
    "socket": "Borg stores no sockets",
    "clamped time": "Borg holds times from 1970 to January 2038; others became the nearest of these",
    "split symlink": "Borg stores each of several hard links to one symbolic link as a link of its own",
    "trusted attribute": "trusted.* attributes, which only root sees, are not stored in the repository of an account",
}
"""What an archive does not hold as it is, as a sentence for each kind."""

Condition = Literal["whole", "sample", "no", "changed", "differs", "missing"]
CONDITIONS: Mapping[Condition, str] = {
    "whole": "verified whole",
    "sample": "sample only",
    "no": "not verified",
    "changed": "changed since",
    "differs": "differs",
    "missing": "missing",
}
"""How an archive stands, in a word or two for a table; only the first is good enough."""


@dataclass(frozen=True, slots=True)
class Loss:
    """What one archive does not hold as it is in the tree; `paths` are the first hundred of `count`."""

    kind: LossKind
    count: int
    paths: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ArchiveLine:
    """One planned archive.

    `folder` is the snapshot's, where it lies now or lay when the plan was made. `id` is that of the archive in the
    repository now, None if there is none. `entries` are all names in it; `inodes` and `bytes` were read for it, since
    no earlier archive of the series has them. All three are None where unknown.

    `changed_since`: the archive is not the one that was verified. `kept` holds the reasons of the new retention
    (`daily #3`); empty: it goes at the first prune; None: no retention is known.
    """

    archive: str
    folder: str
    time: int
    id: str | None
    entries: int | None = None
    inodes: int | None = None
    bytes: int | None = None
    losses: tuple[Loss, ...] = ()
    verified: Literal["whole", "sample", "differs", "no"] = "no"
    verified_at: int | None = None
    differences: tuple[str, ...] = ()
    changed_since: bool = False
    kept: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class SkippedLine:
    """A folder of the tree that gets no archive, and the reason; `time` and `host` are None where it has none."""

    folder: str
    time: int | None
    host: str | None
    because: str


@dataclass(frozen=True, slots=True)
class SeriesLine:
    """What was planned for one job of one host; `retention` is the new policy in words, empty if none is known."""

    host: str
    job: str
    repository: str
    retention: str
    archives: tuple[ArchiveLine, ...]
    skipped: tuple[SkippedLine, ...] = ()


@dataclass(frozen=True, slots=True)
class Standing:
    """The whole migration at one moment.

    `left_out`: names in the tree that are no snapshots. `unplanned`: snapshots that the plan neither imports nor skips.
    `undecided`: doubtful ones that nobody accepted or skipped. `problems`: what kept the report from looking.
    """

    made_at: int
    source: str
    layout: str
    zone: str
    version: str
    series: tuple[SeriesLine, ...]
    left_out: tuple[SkippedLine, ...] = ()
    unplanned: tuple[SkippedLine, ...] = ()
    undecided: tuple[SkippedLine, ...] = ()
    problems: tuple[str, ...] = ()


def condition(line: ArchiveLine) -> Condition:
    """Tell how an archive stands; what speaks against it comes first."""
    if line.id is None:
        return "missing"
    if line.changed_since and line.verified != "no":
        return "changed"
    if line.verified == "differs" or line.differences:
        return "differs"
    return line.verified
