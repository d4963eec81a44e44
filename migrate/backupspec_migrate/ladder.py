"""Finds rsnapshot's snapshots, `NAME.NUMBER`, and what an rsnapshot that was stopped in the middle made of them."""

from __future__ import annotations

import re
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise

from backupspec.catalogue import diagnose
from backupspec.diagnostic import Diagnostic, Span
from backupspec_migrate.anomalies import OLDEST, first_of_each, impossible_times, moved_times, same_times
from backupspec_migrate.naming import Kind, Sight
from backupspec_migrate.snapshot import Doubt, Snapshot, age
from backupspec_migrate.view import View

_NO_SNAPSHOTS = (
    (r"\.sync", "rsnapshot's staging area (sync_first), not yet a snapshot"),
    (r"_delete\.[0-9]+|.*\.delete", "a snapshot that rsnapshot was removing"),
    (r"tmp", "the working folder of backup scripts"),
    (r"lost\+found", "the file system's own folder"),
)


_STRANGE, _NO_RUNG = "not a name that rsnapshot gives", "no `retain"


@dataclass(frozen=True, slots=True)
class Ladder:
    """rsnapshot's `retain` lines as (name, count), the lowest rung first; empty when rsnapshot.conf is lost."""

    retains: tuple[tuple[str, int], ...] = ()
    sync_first: bool = False
    link_dest: bool = False

    @property
    def kind(self) -> Kind:
        """The layout's name."""
        return "rsnapshot"

    @property
    def filling(self) -> frozenset[str]:
        """The commands of rsnapshot that fill a snapshot."""
        # With a staging area and without link_dest, rotation copies it and can be stopped in the middle.
        staging = {"sync"} if self.sync_first else set()
        rotation = set() if self.sync_first and self.link_dest else {name for name, _ in self.retains[:1]}
        return frozenset(staging | rotation)

    @property
    def lowest(self) -> str | None:
        """The rung that is filled; the others only take over from the one below."""
        return self.retains[0][0] if self.retains else None

    def look(self, view: View, root: str) -> Sight:
        """Find the interval folders; nothing below them is listed."""
        snapshots, skipped = [], []
        for entry in view.names(""):
            state = view.stat(entry.name)
            if state is None:
                continue
            why = self._not_a_snapshot(entry.name, state.st_mode)
            if why is not None:
                skipped.append((entry.name, why))
                continue
            retain, _, number = entry.name.rpartition(".")
            identity = (state.st_dev, state.st_ino, state.st_mtime_ns)
            when = state.st_mtime_ns // 10**9
            snapshots.append(Snapshot(entry.name, when, identity, (retain, int(number)), "folder"))
        found = (*self._holes(snapshots, root), *self._beyond(snapshots, root))
        strangers = frozenset(name for name, why in skipped if why == _STRANGE or why.startswith(_NO_RUNG))
        return Sight(tuple(sorted(snapshots, key=age)), tuple(skipped), strangers=strangers, found=found)

    def doubts(self, snapshots: tuple[Snapshot, ...], *, interrupted: bool, now: int) -> tuple[Doubt, ...]:
        """Say which snapshots an interrupted rsnapshot left incomplete, or have times that cannot be theirs."""
        return first_of_each(
            (
                *impossible_times(snapshots, now),
                *moved_times(snapshots),
                *self._neighbours(snapshots),
                *_unmarked(snapshots),
                *(self._left_behind(snapshots) if interrupted else ()),
                *self._between_rungs(snapshots),
                *same_times(snapshots),
            )
        )

    def regular(self, snapshots: tuple[Snapshot, ...]) -> Mapping[str, tuple[Snapshot, ...]]:
        """Give the lowest rung: the others only take over, at longer and longer distances."""
        rungs = self._rungs(snapshots)
        name = self.lowest or next(iter(rungs), None)
        return {} if name is None else {name: tuple(rungs.get(name, ()))}

    def _not_a_snapshot(self, name: str, mode: int) -> str | None:
        """Say why a name in the snapshot root is no snapshot; None when it is one."""
        if not stat.S_ISDIR(mode):
            return "a symbolic link" if stat.S_ISLNK(mode) else "not a folder"
        for pattern, why in _NO_SNAPSHOTS:
            if re.fullmatch(pattern, name, re.DOTALL):
                return why
        if not re.fullmatch(r"\w+\.[0-9]+", name):
            return _STRANGE
        retain = name.rpartition(".")[0]
        names = [known for known, _ in self.retains]
        return f"{_NO_RUNG} {retain}` in rsnapshot.conf" if names and retain not in names else None

    def _rungs(self, snapshots: tuple[Snapshot, ...] | list[Snapshot]) -> dict[str, list[Snapshot]]:
        """Give the snapshots of each rung by number, the lowest rung first.

        Without rsnapshot.conf the rung with the newest snapshot is taken for the lowest.
        """
        rungs: dict[str, list[Snapshot]] = {}
        for one in sorted(snapshots, key=_number):
            if one.rung is not None:
                rungs.setdefault(one.rung[0], []).append(one)
        if self.retains:
            return {name: rungs[name] for name, _ in self.retains if name in rungs}
        return dict(sorted(rungs.items(), key=lambda rung: -max(one.time for one in rung[1])))

    def _rotating(self, snapshots: tuple[Snapshot, ...]) -> list[list[Snapshot]]:
        """Give the rungs without what stands beyond their count, which rsnapshot never moves again."""
        counts = dict(self.retains)
        return [
            [one for one in rung if name not in counts or _number(one) < counts[name]]
            for name, rung in self._rungs(snapshots).items()
        ]

    def _neighbours(self, snapshots: tuple[Snapshot, ...]) -> Iterator[Doubt]:
        counts = dict(self.retains)
        for name, rung in self._rungs(snapshots).items():
            for newer, older in pairwise(rung):
                if _number(older) != _number(newer) + 1:
                    continue
                if newer.time == older.time:
                    yield self._twice(newer, older)
                elif older.time > newer.time:
                    last = older is rung[-1] and _number(older) > 1 and _number(older) + 1 >= counts.get(name, 0)
                    yield self._too_new(newer, older, last=last)

    def _twice(self, newer: Snapshot, older: Snapshot) -> Doubt:
        if self.sync_first and not self.link_dest:
            why = f"it has the time of {older.slot}: the staging area was rotated twice without a whole sync in between"
            return Doubt(newer.slot, "repeated", why)
        why = f"it has the time of {older.slot}: rsnapshot was interrupted while it filled it"
        return Doubt(newer.slot, "interrupted", why)

    def _too_new(self, newer: Snapshot, older: Snapshot, *, last: bool) -> Doubt:
        if older.time_from == "given":
            return Doubt(older.slot, "out-of-order", f"the time given for it is later than that of {newer.slot}")
        if last:
            why = f"it is newer than {newer.slot}, though the oldest: rsnapshot was interrupted while it removed it"
            return Doubt(older.slot, "half-removed", why)
        if self.link_dest:
            why = f"it is newer than {newer.slot}: something changed in it after it was complete"
            return Doubt(older.slot, "out-of-order", why)
        why = f"it is newer than {newer.slot}: rsnapshot was interrupted while it copied it (`cp -al`)"
        return Doubt(older.slot, "half-copied", why)

    def _left_behind(self, snapshots: tuple[Snapshot, ...]) -> Iterator[Doubt]:
        """Give what a run that died may have been at: the removal of the last, the copy of the first, or filling it."""
        rungs = self._rungs(snapshots)
        name = self.lowest or next(iter(rungs), None)
        if name is None or name not in rungs:
            return
        newest = rungs[name][0]
        if _number(newest) == 0:
            why = "rsnapshot left its lockfile behind: it may have been interrupted while it filled it"
            yield Doubt(newest.slot, "lockfile", why)
        for retain, count in self.retains:
            rung = rungs.get(retain, [])
            last = next((one for one in rung if _number(one) == count - 1), None)
            # Removal comes first: a hole, or a first and a second in disorder, say that it was over.
            order = [one.time for one in rung]
            if last is not None and count > 1 and len(rung) >= count and order == sorted(set(order), reverse=True):
                why = "rsnapshot left its lockfile behind: it may have been interrupted while it removed it"
                yield Doubt(last.slot, "lockfile", why)

    def _between_rungs(self, snapshots: tuple[Snapshot, ...]) -> Iterator[Doubt]:
        for lower, higher in pairwise(rung for rung in self._rotating(snapshots) if rung):
            oldest = min((one for one in lower if one.time >= OLDEST), key=age, default=lower[-1])
            for one in higher:
                if one.time > oldest.time:
                    why = f"it is newer than {oldest.slot}, which stands before it on the ladder"
                    yield Doubt(one.slot, "out-of-order", why)

    def _holes(self, snapshots: list[Snapshot], root: str) -> Iterator[Diagnostic]:
        counts = dict(self.retains)
        for name, rung in self._rungs(snapshots).items():
            numbers = {_number(one) for one in rung if name not in counts or _number(one) < counts[name]}
            absent = sorted(set(range(max(numbers, default=0))) - numbers)
            # The rung above takes from this one's end, and a run with nothing to take leaves its first place empty.
            if absent == [0] and name != self.lowest:
                continue
            if absent:
                slots = ", ".join(f"{name}.{number}" for number in absent)
                more = f"{slots} {'is' if len(absent) == 1 else 'are'} not there, though older ones are"
                message = f"{more}: a rotation stopped halfway, or somebody removed it; the others are whole"
                yield diagnose("BS662", message, Span(f"{root}/{name}.{absent[0]}", 1, 1, 1, 1), where=name)

    def _beyond(self, snapshots: list[Snapshot], root: str) -> Iterator[Diagnostic]:
        counts = dict(self.retains)
        for name, rung in self._rungs(snapshots).items():
            beyond = [one.slot for one in rung if name in counts and _number(one) >= counts[name]]
            if beyond:
                message = (
                    f"{', '.join(beyond)}: beyond `retain {name} {counts[name]}`, rsnapshot never touches it again"
                )
                yield diagnose("BS663", message, Span(f"{root}/{beyond[0]}", 1, 1, 1, 1), where=name)


def _number(snapshot: Snapshot) -> int:
    return snapshot.rung[1] if snapshot.rung else 0


def _unmarked(snapshots: tuple[Snapshot, ...]) -> Iterator[Doubt]:
    """Give the folders without rsnapshot's mark: it sets whole seconds, and nothing else that changes a folder does.

    It does so too when it moves a folder, so that only what was never moved can be known by this.

    Where none has it the tree was copied without its times.
    """
    without = [one for one in snapshots if one.time_from == "folder" and one.identity[2] % 10**9]
    if len(without) == len(snapshots) > 1:
        why = (
            "no snapshot has a time in whole seconds, as rsnapshot sets it: the tree was copied without its times; "
            "give the true ones with --times FILE"
        )
        yield from (Doubt(one.slot, "moved", why) for one in without)
        return
    why = (
        "its time is not in whole seconds, as rsnapshot sets it when a snapshot is complete: it was interrupted, or "
        "something in it was added or removed later"
    )
    yield from (Doubt(one.slot, "interrupted", why) for one in without)
