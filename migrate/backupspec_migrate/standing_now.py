"""Says where a migration stands now: the plan, the tree, the record and the repositories brought together. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib.metadata import version
from typing import Literal, cast

from backupspec.diagnostic import has_errors
from backupspec_migrate.figures import counted, listed
from backupspec_migrate.identity import archive_name, time_of
from backupspec_migrate.messages import LossKind
from backupspec_migrate.paper import decisions
from backupspec_migrate.plan_document import PlannedArchive, PlannedSeries
from backupspec_migrate.prepare import Prepared
from backupspec_migrate.record import Found, Record
from backupspec_migrate.standing import ArchiveLine, Loss, SeriesLine, SkippedLine, Standing


def standing_of(
    prepared: Prepared, record: Record, there: Mapping[tuple[str, str], str], problems: tuple[str, ...], now: int
) -> Standing:
    """Give the standing. `there` holds the ids of all archives of these series, by (repository, name)."""
    document, settled = prepared.document, prepared.settled
    times = {one.folder: one.time for one in document.snapshots}
    now_at = dict(settled.now_at)
    hosts = {one.folder: one.host for one in prepared.tree.scanned.images}
    marks = settled.plan.marks
    now_doubtful = {one.slot: one.why for one in prepared.tree.scanned.doubts}
    doubts = {
        one.folder: now_doubtful.get(now_at.get(one.folder, ""), one.doubt or "doubtful") for one in document.snapshots
    }

    def line(series: PlannedSeries, archive: PlannedArchive, kept: tuple[str, ...] | None) -> ArchiveLine:
        name = archive_name(series.host, series.job, times[archive.snapshot])
        identity = there.get((series.repository, name))
        folder = now_at.get(archive.snapshot, archive.snapshot)
        known = record.get(series.repository, name)
        mark = marks.get((series.repository, name))
        return _line(name, folder, times[archive.snapshot], identity, known, kept, mark)

    def series_line(series: PlannedSeries) -> SeriesLine:
        ours = [times[one.snapshot] for one in series.archives]
        named = [time_of(name, series.host, series.job) for place, name in there if place == series.repository]
        regular = tuple(time for time in named if time is not None and time not in ours)
        decided = decisions(series, ours, now, regular)
        kept = (
            [None] * len(series.archives) if decided is None else [(str(one),) if one.kept else () for one in decided]
        )
        archives = tuple(line(series, one, why) for one, why in zip(series.archives, kept, strict=True))
        skipped = tuple(SkippedLine(one.name, times[one.name], series.host, one.because) for one in series.skip)
        retention = "" if series.retention is None else str(series.retention)
        return SeriesLine(series.host, series.job, series.repository, retention, archives, skipped)

    return Standing(
        made_at=now,
        source=document.source.configuration or document.source.root,
        layout=document.source.layout,
        zone=next((one.timezone for one in document.series if one.timezone), document.source.timezone or "UTC"),
        version=f"backupspec {version('backupspec')}",
        series=tuple(map(series_line, document.series)),
        left_out=tuple(
            SkippedLine(one.name, times.get(one.name), hosts.get(one.name), one.because)
            for one in document.left_out
            if one.because
        ),
        unplanned=tuple(
            SkippedLine(one.folder, one.time, one.host, "it is not in the plan") for one in settled.unplanned
        ),
        undecided=tuple(SkippedLine(folder, times[folder], None, doubts[folder]) for folder in settled.undecided),
        problems=(*problems, *filter(None, (record.doubt,)), *_not_spoken_of(prepared)),
    )


def _not_spoken_of(prepared: Prepared) -> Iterator[str]:
    """Say what is wrong with the tree, or lies in it, without a word about it in the plan."""
    left_out = {one.name for one in prepared.document.left_out if one.because}
    for one in prepared.tree.found:
        decided = one.code == "BS616" and one.where in left_out
        if has_errors((one,)) and not decided:
            way_out = "; name it under `left_out` of the plan, with a reason, if nobody needs it"
            yield one.message + (way_out if one.code == "BS616" else "")
    names = [f"{name} ({why})" for name, why in prepared.tree.scanned.skipped if name not in left_out]
    if names:
        verb = "stands" if len(names) == 1 else "stand"
        number = counted(len(names), "name")
        yield f"{number} in the tree {verb} neither in the plan nor in its `left_out`: {listed(names)}"


def _line(  # noqa: PLR0913 - the fields of a line
    name: str,
    folder: str,
    time: int,
    identity: str | None,
    known: Found | None,
    kept: tuple[str, ...] | None,
    mark: str | None,
) -> ArchiveLine:
    if known is None:
        return ArchiveLine(name, folder, time, identity, kept=kept)
    verified: Literal["whole", "sample", "differs", "no"] = "no"
    # What was found when a plan asked for something else says nothing about this one.
    if known.share is not None and known.mark == mark:
        verified = "differs" if known.differences else ("whole" if known.is_whole(mark) else "sample")
    losses = tuple(Loss(cast("LossKind", one.kind), one.count, one.paths) for one in known.lost)
    return ArchiveLine(
        name,
        folder,
        time,
        identity,
        known.entries or None,
        known.inodes,
        known.bytes,
        losses,
        verified,
        None if verified == "no" else known.verified_at,
        () if verified == "no" else known.first,
        changed_since=identity != known.id,
        kept=kept,
    )
