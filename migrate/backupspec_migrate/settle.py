"""Settles a plan: brings what people decided together with the tree as it stands now. Pure, no look at any disk."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import cast

from backupspec.catalogue import diagnose
from backupspec.diagnostic import Diagnostic, Diagnostics, Related, Span
from backupspec_migrate.figures import typed
from backupspec_migrate.identity import Identity, archive_name, utc
from backupspec_migrate.plan import Import, Make, Plan, Target
from backupspec_migrate.plan_document import PlanDocument, PlannedSeries, PlannedSnapshot
from backupspec_migrate.scan import Scan, Snapshot


@dataclass(frozen=True, slots=True)
class Unplanned:
    """What stands in the tree and is neither imported nor left out with a reason."""

    host: str
    folder: str
    time: int


@dataclass(frozen=True, slots=True)
class Settled:
    """The work, and what it leaves open.

    `now_at` gives the folder in which a planned one lies now. `undecided` are doubtful planned folders without a
    decision.
    """

    plan: Plan
    now_at: tuple[tuple[str, str], ...]
    undecided: tuple[str, ...]
    unplanned: tuple[Unplanned, ...]


def settle(document: PlanDocument, scanned: Scan) -> tuple[Settled, Diagnostics]:
    """Give the work that a plan asks for in the tree as scanned now.

    A snapshot is known again by its time: rsnapshot renames folders when it rotates. What is undecided is a finding;
    the rest goes on. What is gone may have been imported before, which only its repository can tell.
    """
    return _Settling(document, scanned).run()


class _Settling:
    def __init__(self, document: PlanDocument, scanned: Scan) -> None:
        self.document, self.scanned = document, scanned
        self.found: list[Diagnostic] = []
        self.planned = {one.folder: one for one in document.snapshots}
        self.now: dict[str, Snapshot] = {}
        self.undecided: dict[str, tuple[str, ...]] = {}

    def run(self) -> tuple[Settled, Diagnostics]:
        used = {archive.snapshot for series in self.document.series for archive in series.archives}
        self._find_again(used)
        self._new_doubts(used)
        targets: dict[tuple[str, str, bool, str | None, str | None], list[Import]] = {}
        for series in self.document.series:
            key = (series.repository, series.compression, series.unencrypted, series.passphrase_file, series.make)
            targets.setdefault(key, []).extend(self._imports(series))
        plan = Plan(
            self.document.source.root,
            tuple(
                Target(repository, compression, unencrypted, tuple(imports), secret, cast("Make | None", make))
                for (repository, compression, unencrypted, secret, make), imports in sorted(
                    targets.items(), key=lambda pair: tuple(map(str, pair[0]))
                )
                if imports
            ),
        )
        self._collisions()
        self._one_way_into_each_repository()
        now_at = tuple((folder, snapshot.slot) for folder, snapshot in self.now.items())
        unplanned = self._unplanned()
        return Settled(plan, now_at, tuple(self.undecided), unplanned), tuple(self.found)

    def _find_again(self, used: set[str]) -> None:
        """Say where the planned snapshots lie now.

        Several with one time (the copy that an interrupted rsnapshot leaves, and its original) are told apart by their
        order, which rotation keeps; if there are not as many as before, nobody can tell.
        """
        for time in dict.fromkeys(one.time for one in self.document.snapshots):
            planned = [one for one in self.document.snapshots if one.time == time]
            there = [one for one in self.scanned.snapshots if one.time == time]
            rotating = [one for one in there if one.rung is not None]
            if len(rotating) == len(planned):
                self.now.update(zip((one.folder for one in planned), rotating, strict=True))
            elif rotating:
                self._cannot_tell(planned, used)
            else:
                self.now.update((one.slot, one) for one in there if one.slot in {each.folder for each in planned})

    def _cannot_tell(self, planned: list[PlannedSnapshot], used: set[str]) -> None:
        for one in planned:
            if one.folder in used:
                message = (
                    f"which folder {one.folder} is now cannot be told: several have, or had, the time {utc(one.time)}"
                )
                hint = "plan again"
                self.found.append(diagnose("BS693", message, one.span, hint=hint, where=one.folder))

    def _new_doubts(self, used: set[str]) -> None:
        """Refuse doubtful snapshots that nobody decided about, also those that became doubtful after the plan."""
        doubts = {doubt.slot: doubt for doubt in self.scanned.doubts}
        for folder in sorted(used):
            one = self.planned[folder]
            slot = self.now[folder].slot if folder in self.now else ""
            why, about = one.doubt, one.doubt_about
            if slot in doubts:
                why, about = doubts[slot].why, doubts[slot].folders
            if why is None or one.accept is not None or not slot or not self._uses(folder, about):
                continue
            self.undecided[folder] = about
            hint = "look at it, then add `accept: WHY` to it in the plan, or move it from `archives` to `skip` there"
            if one.span.line == 1:
                hint += f"; or say --accept {typed(slot)} or --skip {typed(slot)}"
            self.found.append(diagnose("BS612", f"{slot} is doubtful: {why}", one.span, hint=hint, where=slot))

    def _uses(self, folder: str, about: tuple[str, ...]) -> bool:
        return any(
            archive.snapshot == folder
            for series in self.document.series
            if not about or series.folder in about
            for archive in series.archives
        )

    def _is_undecided(self, folder: str, series: PlannedSeries) -> bool:
        about = self.undecided.get(folder)
        return about is not None and (not about or series.folder in about)

    def _imports(self, series: PlannedSeries) -> list[Import]:
        made = []
        slots = [one.slot for one in self.scanned.snapshots]
        before = dict(pairwise(reversed(slots)))
        for archive in series.archives:
            if self._is_undecided(archive.snapshot, series):
                continue
            planned = self.planned[archive.snapshot]
            time = planned.time
            identity = Identity(self.document.source.root, series.folder, time)
            name = archive_name(series.host, series.job, time)
            now = self.now.get(archive.snapshot)
            slot = archive.snapshot if now is None else now.slot
            made.append(
                Import(
                    name,
                    series.host,
                    identity,
                    slot,
                    archive.content,
                    gone=now is None,
                    before=before.get(slot),
                    accepted=planned.accept is not None,
                )
            )
        return sorted(made, key=lambda one: one.identity.time)

    def _collisions(self) -> None:
        taken: dict[tuple[str, str], tuple[Span, str]] = {}
        for series in self.document.series:
            for archive in series.archives:
                if self._is_undecided(archive.snapshot, series):
                    continue
                one = self.planned[archive.snapshot]
                name = archive_name(series.host, series.job, one.time)
                place = f"{archive.snapshot}/{series.folder}".rstrip("/")
                mine = (archive.span, place)
                span, other = earlier = taken.setdefault((series.repository, name), mine)
                if earlier is not mine:
                    message = f"{other} and {place} would both be {name}"
                    hint = "skip one of the snapshots, or give the hosts different names with --rename"
                    related = () if span.line == 1 else (Related("the other one is here", span),)
                    self.found.append(diagnose("BS614", message, archive.span, hint=hint, where=name, related=related))

    def _one_way_into_each_repository(self) -> None:
        first: dict[str, PlannedSeries] = {}
        for series in self.document.series:
            other = first.setdefault(series.repository, series)
            for what in ("make", "unencrypted", "passphrase_file"):
                if getattr(other, what) != getattr(series, what):
                    message = f"two series say different things about {series.repository}: `{what}`"
                    related = (Related("the other one is here", other.span),)
                    hint = "a repository is opened once: let both say the same"
                    self.found.append(diagnose("BS691", message, series.span, hint=hint, related=related))

    def _unplanned(self) -> tuple[Unplanned, ...]:
        """Find what the tree has of hosts beside the plan.

        Under `left_out` whole hosts are decided, and snapshots that stand in the plan, so that they have a time: a
        folder's name alone means another snapshot after each rotation.
        """
        at = {snapshot.slot: folder for folder, snapshot in self.now.items()}
        decided = {
            (name, series.folder)
            for series in self.document.series
            for name in (
                *(archive.snapshot for archive in series.archives),
                *(one.name for one in series.skip),
            )
        }
        left_out = {one.name for one in self.document.left_out if one.because}
        times = {one.slot: one.time for one in self.scanned.snapshots}
        found = []
        for image in self.scanned.images:
            folder = at.get(image.slot, "")
            if (folder, image.folder) in decided or left_out & {folder, image.folder}:
                continue
            found.append(Unplanned(image.host, f"{image.slot}/{image.folder}".rstrip("/"), times[image.slot]))
        return tuple(sorted(found, key=lambda one: (one.host, one.time)))
