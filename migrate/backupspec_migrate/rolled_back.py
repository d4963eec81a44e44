"""Finds hosts of which rsnapshot put the former snapshot in the place of a failed backup (its rollback)."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from backupspec_migrate.layout import Layout
from backupspec_migrate.snapshot import Doubt, Snapshot
from backupspec_migrate.view import View


def rolled_back(layout: Layout, snapshots: tuple[Snapshot, ...], view: View) -> Iterator[Doubt]:
    """Give the snapshots that repeat the one before for some hosts.

    With `link_dest` each run makes the folder of a `backup` line anew, and only a rollback copies its time too.
    """
    for before, after in pairwise(snapshots):
        folders = tuple(
            dict.fromkeys(
                series.folder
                for series in layout.series
                for part in series.parts
                if part.kept_time and _same_time(f"{before.slot}/{part.dest}", f"{after.slot}/{part.dest}", view)
            )
        )
        if folders:
            why = (
                f"{', '.join(folders)} {'is' if len(folders) == 1 else 'are'} that of {before.slot}: rsync failed, and "
                "rsnapshot rolled back"
            )
            yield Doubt(after.slot, "rolled-back", why, folders)


def _same_time(one: str, other: str, view: View) -> bool:
    first, second = view.stat(one), view.stat(other)
    return first is not None and second is not None and first.st_mtime_ns == second.st_mtime_ns
