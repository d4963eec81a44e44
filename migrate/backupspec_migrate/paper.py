"""Retention on paper: what the job that continues a migrated series will keep of it."""

from __future__ import annotations

from datetime import UTC, datetime

from backupspec.retention import Decision, keep
from backupspec.schedule import zone
from backupspec_migrate.plan_document import PlanDocument, PlannedSeries


def decisions(
    series: PlannedSeries, times: list[int], now: int, regular: tuple[int, ...] = ()
) -> tuple[Decision, ...] | None:
    """Say of each archive (seconds since 1970) what the first prune does to it; None: no policy is known.

    A job prunes after its own backup: those that it made already have the times `regular`, and without any the first
    one is taken to be made at `now`.
    """
    where = None if series.timezone is None else zone(series.timezone)
    if series.retention is None or where is None:
        return None
    moments = [datetime.fromtimestamp(time, UTC) for time in (*times, *(regular or (now,)))]
    return keep(series.retention, moments, datetime.fromtimestamp(now, UTC), where)[: len(times)]


def remains(document: PlanDocument, now: int) -> dict[tuple[str, str], str]:
    """Give a sentence for each series (host, job) whose policy is known: what stays after the first prune."""
    times = {one.folder: one.time for one in document.snapshots}
    said = {}
    for series in document.series:
        decided = decisions(series, [times[one.snapshot] for one in series.archives], now)
        if decided is not None and decided:
            kept = sum(one.kept for one in decided)
            said[series.host, series.job] = (
                f"after the first prune {kept} of {len(decided)} remain (retention: {series.retention})"
            )
    return said
