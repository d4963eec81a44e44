"""What an rsnapshot.conf says in the end: the values that reading one gives."""

from __future__ import annotations

from dataclasses import dataclass

from backupspec.diagnostic import Span
from backupspec_migrate.rsync_args import Transfer


@dataclass(frozen=True, slots=True)
class Retain:
    """One rung of the ladder, such as `daily 7`."""

    name: str
    count: int
    span: Span


@dataclass(frozen=True, slots=True)
class BackupPoint:
    """One `backup` line. `dest` is relative to a snapshot, as rsnapshot normalises it.

    `transfer` is what rsync is told in the end.
    """

    source: str
    dest: str
    transfer: Transfer
    span: Span


@dataclass(frozen=True, slots=True)
class BackupScript:
    """One `backup_script` line: its output lies under `dest` and has no path on any host."""

    command: str
    dest: str
    span: Span


@dataclass(frozen=True, slots=True)
class Hook:
    """One `backup_exec` line."""

    command: str
    required: bool
    span: Span


@dataclass(frozen=True, slots=True)
class Configuration:
    """What an rsnapshot.conf and its includes say in the end.

    `retains` is the ladder, lowest rung first; paths are as rsnapshot uses them.
    """

    file: str
    root: str
    retains: tuple[Retain, ...]
    points: tuple[BackupPoint, ...]
    scripts: tuple[BackupScript, ...]
    hooks: tuple[Hook, ...]
    lockfile: str | None
    stop_on_stale_lockfile: bool
    logfile: str | None
    link_dest: bool
    sync_first: bool
