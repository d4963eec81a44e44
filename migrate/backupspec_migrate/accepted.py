"""The archive ids that a trusted machine may take into its ledger: migrated archives are backdated by nature."""

from __future__ import annotations

from collections.abc import Mapping

from backupspec_migrate.identity import archive_name
from backupspec_migrate.plan_document import PlanDocument, PlannedSeries
from backupspec_migrate.record import Record


def ids_of(series: PlannedSeries, document: PlanDocument, record: Record, marks: Mapping[tuple[str, str], str]) -> str:
    """Give `ID NAME` lines for the archives of one series that were verified whole, the oldest first.

    `marks` tell what each archive is to hold, by (repository, name).
    """
    times = {one.folder: one.time for one in document.snapshots}
    names = [archive_name(series.host, series.job, times[one.snapshot]) for one in series.archives]
    lines = [
        f"# Migrated archives of {series.host} {series.job}, each verified whole against its snapshot: ID NAME",
        f"# Repository: {series.repository}",
    ]
    for name in sorted(names):
        known = record.get(series.repository, name)
        if known is not None and known.is_whole(marks.get((series.repository, name))):
            lines.append(f"{known.id} {name}")
    return "\n".join(lines) + "\n"
