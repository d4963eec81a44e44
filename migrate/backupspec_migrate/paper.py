"""Retention on paper: what the job that continues a migrated series will keep of it."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from backupspec.retention import Decision, keep
from backupspec_migrate.plan_document import PlanDocument, PlannedSeries


def decisions(series: PlannedSeries, times: list[int], now: int) -> tuple[Decision, ...] | None:
    """Say of each archive (seconds since 1970) what the first prune at `now` does to it; None: no policy is known."""
    if series.retention is None or series.timezone is None:
        return None
    moments = [datetime.fromtimestamp(time, UTC) for time in times]
    return keep(series.retention, moments, datetime.fromtimestamp(now, UTC), ZoneInfo(series.timezone))


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
