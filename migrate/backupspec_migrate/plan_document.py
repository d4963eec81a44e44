"""What a plan file says: which snapshot becomes which archive, and what is left out and why. Pure data.

`draft` makes it from a tree, people edit it, `settle` brings it together with the tree as it stands then.
"""

from __future__ import annotations

from dataclasses import dataclass

from backupspec.diagnostic import Span
from backupspec.fleet import Retention
from backupspec_migrate.scan import Root, TimeFrom


@dataclass(frozen=True, slots=True)
class PlannedSource:
    """The tree. `layout` and what follows it find the snapshots again; None where it does not apply."""

    layout: str
    root: str
    configuration: str | None = None
    pattern: str | None = None
    timezone: str | None = None
    host: str | None = None
    times: str | None = None


@dataclass(frozen=True, slots=True)
class PlannedSnapshot:
    """One snapshot as it stood when the plan was made. `time` is in seconds since 1970.

    With a `doubt` it is imported only if `accept` says why; so are only the series in the folders `doubt_about`, if
    there are any.
    """

    folder: str
    time: int
    time_from: TimeFrom
    doubt: str | None
    accept: str | None
    span: Span
    doubt_about: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A name in the tree, or a snapshot of a series, that is not imported.

    Without a reason nobody has decided about it yet; a file holds such a name in a comment only.
    """

    name: str
    because: str
    span: Span


@dataclass(frozen=True, slots=True)
class PlannedArchive:
    """One snapshot of a series, and what it holds of it."""

    snapshot: str
    content: tuple[Root, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class PlannedSeries:
    """What one host's job gets. `folder` is relative to a snapshot, empty for the snapshot itself.

    `make` says how a repository that is not there is made; None: not at all. `unencrypted`: it is meant to be so.
    `retention` and `timezone` are those of the job that continues the series.
    """

    host: str
    job: str
    folder: str
    repository: str
    make: str | None
    unencrypted: bool
    compression: str
    passphrase_file: str | None
    retention: Retention | None
    timezone: str | None
    archives: tuple[PlannedArchive, ...]
    skip: tuple[LeftOut, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class PlanDocument:
    """The whole plan file. `file` is its name, for findings."""

    file: str
    source: PlannedSource
    snapshots: tuple[PlannedSnapshot, ...]
    left_out: tuple[LeftOut, ...]
    series: tuple[PlannedSeries, ...]
