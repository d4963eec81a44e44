"""Finds snapshots that are called after their time: plain dated copies, rsync with hard links, rsync-time-backup."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, tzinfo

from backupspec.catalogue import diagnose
from backupspec.diagnostic import Diagnostic, Span
from backupspec_migrate.anomalies import first_of_each, impossible_times, same_times
from backupspec_migrate.local_time import after_skipped, readings
from backupspec_migrate.naming import Kind, Sight
from backupspec_migrate.pattern import Pattern, local_time, read_pattern
from backupspec_migrate.snapshot import Doubt, Snapshot, age
from backupspec_migrate.view import View

MARKER, IN_PROGRESS = "backup.marker", "backup.inprogress"
TIME_BACKUP = "%Y-%m-%d-%H%M%S"

_NO_SNAPSHOTS = (
    (r".*\.(?:partial|part|in[-_]?progress|incomplete|unfinished|tmp)", "marked as incomplete by its name"),
    (r"(?:current|latest|last)", "a name for the newest one"),
    (r"lost\+found", "the file system's own folder"),
    (r"\..*", "its name begins with a dot"),
)
_AGAIN = 3600


_NO_FIT = "it does not fit"


@dataclass(slots=True)
class _Found:
    """What the walk over the pattern's components collects."""

    snapshots: list[Snapshot] = field(default_factory=list)
    skipped: list[tuple[str, str]] = field(default_factory=list)
    strangers: set[str] = field(default_factory=set)
    hosts: dict[str, str] = field(default_factory=dict)
    said: list[Diagnostic] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Dated:
    """Folders that a pattern describes. `name` is the host of a pattern without {host}.

    `zone`: where the clock stood that the names were taken from; None when they say it themselves.
    """

    pattern: Pattern
    zone: tzinfo | None
    name: str = ""

    @property
    def kind(self) -> Kind:
        """The layout's name."""
        return "dated"

    @property
    def filling(self) -> frozenset[str]:
        """The commands of rsnapshot that fill a snapshot: none."""
        return frozenset()

    def look(self, view: View, root: str) -> Sight:
        """Find the folders that fit the pattern; all else on the way is skipped by name."""
        found = _Found()
        self._walk(view, root, "", found)
        return Sight(
            tuple(sorted(found.snapshots, key=age)),
            tuple(found.skipped),
            found.hosts,
            frozenset(found.strangers),
            found=tuple(found.said),
        )

    def doubts(self, snapshots: tuple[Snapshot, ...], *, interrupted: bool, now: int) -> tuple[Doubt, ...]:
        """Say which snapshots have times that cannot be theirs, or that another one of the same host has."""
        del interrupted
        groups = self.regular(snapshots).values()
        return first_of_each(
            (*impossible_times(snapshots, now), *(one for group in groups for one in same_times(group)))
        )

    def regular(self, snapshots: tuple[Snapshot, ...]) -> Mapping[str, tuple[Snapshot, ...]]:
        """Give each host's snapshots."""
        by_host: dict[str, list[Snapshot]] = {}
        for one in snapshots:
            by_host.setdefault(self.host_of(one.slot), []).append(one)
        return {host: tuple(group) for host, group in sorted(by_host.items())}

    def host_of(self, slot: str) -> str:
        """Give the host that a path is about."""
        fields = self._fields(slot) or {}
        return fields.get("host", self.name)

    def _fields(self, slot: str) -> dict[str, str] | None:
        fields: dict[str, str] = {}
        for step, name in zip(self.pattern.steps, slot.split("/"), strict=False):
            match = step.fullmatch(name)
            if match is None or any(fields.get(key, value) != value for key, value in match.groupdict().items()):
                return None
            fields |= match.groupdict()
        return fields

    def _walk(self, view: View, root: str, folder: str, found: _Found) -> None:
        """Look into one folder above the snapshots."""
        depth = folder.count("/") + 1 if folder else 0
        for entry in view.names(folder):
            path = f"{folder}/{entry.name}".lstrip("/")
            state = view.stat(path)
            if state is None:
                continue
            fields = self._fields(path)
            why = self._not_this(entry.name, depth, fits=fields is not None, mode=state.st_mode)
            if why is not None or fields is None:
                found.skipped.append((path, why or ""))
                if (why or "").startswith(_NO_FIT):
                    found.strangers.add(path)
            elif depth + 1 < len(self.pattern.steps):
                before = len(found.snapshots)
                self._walk(view, root, path, found)
                if len(found.snapshots) == before:
                    found.skipped.append((path, "nothing in it fits the pattern"))
                    found.strangers.add(path)
            else:
                self._take(path, fields, state, root, found)

    def _not_this(self, name: str, depth: int, *, fits: bool, mode: int) -> str | None:
        """Say why a name is neither a snapshot nor on the way to one; None when it is."""
        if stat.S_ISLNK(mode):
            return "a symbolic link"
        component = self.pattern.text.split("/")[depth]
        # {host} fits nearly everything; a date does not.
        if not fits or "{host}" in component:
            for pattern, why in _NO_SNAPSHOTS:
                if re.fullmatch(pattern, name, re.DOTALL | re.IGNORECASE):
                    return why
        if not stat.S_ISDIR(mode):
            return "not a folder"
        return None if fits else f"{_NO_FIT} {component!r}"

    def _take(self, path: str, fields: dict[str, str], state: os.stat_result, root: str, found: _Found) -> None:
        meant = local_time(fields)
        if meant is None:
            found.skipped.append((path, "there is no such day"))
            found.strangers.add(path)
            return
        if isinstance(meant, int):
            when = meant
        else:
            shown, zone = meant
            when, said = self._moment(shown, zone or self.zone, state.st_mtime_ns, Span(f"{root}/{path}", 1, 1, 1, 1))
            found.said += said
        identity = (state.st_dev, state.st_ino, state.st_mtime_ns)
        found.snapshots.append(Snapshot(path, when, identity, None, "name"))
        found.hosts[path] = fields.get("host", self.name)

    def _moment(self, shown: datetime, zone: tzinfo | None, mtime_ns: int, place: Span) -> tuple[int, list[Diagnostic]]:
        meant = readings(shown, zone)
        if len(meant) == 1:
            return meant[0], []
        # A pattern without the hour means the day, and that has one first moment in any case.
        if "H" not in self.pattern.codes:
            return (meant[0] if meant else after_skipped(shown, zone)), []
        if not meant:
            when = after_skipped(shown, zone)
            message = f"{shown:%Y-%m-%d %H:%M:%S} was on no clock in {zone}: it is taken for {_utc(when)}"
            return when, [diagnose("BS670", message, place, hint="is the time zone right? If not: --timezone ZONE")]
        first, second = meant
        mtime = mtime_ns // 10**9
        if first <= mtime < second:
            return first, []
        if second <= mtime < second + _AGAIN:
            when, because = second, "the folder's own time says so"
        else:
            when, because = first, "the first of the two"
        message = (
            f"{shown:%Y-%m-%d %H:%M:%S} was twice on the clocks in {zone}: it is taken for {_utc(when)}, {because}"
        )
        return when, [diagnose("BS669", message, place, hint="if you know better, give its time with --times FILE")]


@dataclass(frozen=True, slots=True)
class TimeBackup:
    """Destinations of rsync-time-backup: the root itself, or folders below it."""

    dated: Dated

    @property
    def kind(self) -> Kind:
        """The layout's name."""
        return "rsync-time-backup"

    @property
    def filling(self) -> frozenset[str]:
        """The commands of rsnapshot that fill a snapshot: none."""
        return frozenset()

    def look(self, view: View, root: str) -> Sight:
        """Find the snapshots of all destinations; the newest of one that is in progress is doubtful."""
        sight = self.dated.look(view, root)
        kept: list[Snapshot] = []
        skipped = [(path, _TIME_BACKUP_FILES.get(path.rsplit("/", maxsplit=1)[-1], why)) for path, why in sight.skipped]
        doubts = []
        for destination in sorted({one.slot.rpartition("/")[0] for one in sight.snapshots}):
            inside = [one for one in sight.snapshots if one.slot.rpartition("/")[0] == destination]
            if view.stat(f"{destination}/{MARKER}".lstrip("/")) is None:
                skipped.append((destination, f"it has no {MARKER}"))
                continue
            kept += inside
            if view.stat(f"{destination}/{IN_PROGRESS}".lstrip("/")) is not None:
                newest = max(inside, key=lambda one: one.slot)
                why = f"{IN_PROGRESS} is there: rsync-time-backup was interrupted while it filled it, or is at it now"
                doubts.append(Doubt(newest.slot, "interrupted", why))
        return replace(
            sight, snapshots=tuple(sorted(kept, key=age)), skipped=tuple(sorted(skipped)), doubts=tuple(doubts)
        )

    def doubts(self, snapshots: tuple[Snapshot, ...], *, interrupted: bool, now: int) -> tuple[Doubt, ...]:
        """Say which snapshots have times that cannot be theirs."""
        return self.dated.doubts(snapshots, interrupted=interrupted, now=now)

    def regular(self, snapshots: tuple[Snapshot, ...]) -> Mapping[str, tuple[Snapshot, ...]]:
        """Give each destination's snapshots."""
        return self.dated.regular(snapshots)


_TIME_BACKUP_FILES = {MARKER: "rsync-time-backup's own mark", IN_PROGRESS: "rsync-time-backup's own mark"}


def time_backup(zone: tzinfo, name: str, *, several: bool) -> TimeBackup:
    """Give the layout of one destination, or of a folder with `several` of them, each called after its host."""
    pattern = read_pattern(f"{{host}}/{TIME_BACKUP}" if several else TIME_BACKUP)
    assert not isinstance(pattern, str), pattern  # noqa: S101 - our own pattern
    return TimeBackup(Dated(pattern, zone, name))


def _utc(moment: int) -> str:
    return f"{datetime.fromtimestamp(moment, UTC):%Y-%m-%dT%H:%M:%SZ}"
