"""Says how the tree of a command is laid out: from what the user says, or from what a plan says."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from backupspec.catalogue import diagnose
from backupspec.diagnostic import Diagnostics, Span
from backupspec_migrate.find_layout import SourceWish, find_layout
from backupspec_migrate.layout import Layout
from backupspec_migrate.plan_document import PlanDocument, PlannedSource
from backupspec_migrate.prepare import StoppedError


def layout_at(source: Path, wish: SourceWish) -> tuple[Layout, Diagnostics]:
    """Say how the tree that `source` leads to is laid out; StoppedError where nobody can tell."""
    try:
        layout, found = find_layout(source, wish)
    except OSError as error:
        message = f"{error.filename or source} cannot be read: {error.strerror}"
        hint = "is its disk mounted? Only root may read every file of every host"
        raise StoppedError((diagnose("BS610", message, Span(str(source), 1, 1, 1, 1), hint=hint),)) from error
    if layout is None:
        raise StoppedError(found)
    return layout, found


def layout_of_plan(document: PlanDocument) -> tuple[Layout, Diagnostics]:
    """Say how the tree of a plan is laid out now; StoppedError if nobody can tell any more."""
    source = document.source
    named = Path(source.configuration or source.root)
    if not named.exists():
        code, what, hint = "BS610", "the tree of the plan", "is its disk mounted?"
        if source.configuration is not None:
            code, what, hint = "BS604", "the configuration of the plan", "put it back, or plan again"
        place = Span(document.file, 1, 1, 1, 1)
        raise StoppedError((diagnose(code, f"{named}, {what}, is not there", place, hint=hint),))
    renames = {series.folder: series.host for series in document.series if series.folder}
    times = None if source.times is None else Path(source.times)
    wish = SourceWish(renames, source.pattern, source.timezone, source.host, times)
    layout, found = layout_at(named, wish)
    return replace(layout, paths=_paths(document)), found


def _paths(document: PlanDocument) -> dict[str, str]:
    """Give the path on its host of each folder that is taken whole, where it is not the host's root."""
    return {
        series.host: root.original
        for series in document.series
        for archive in series.archives
        for root in archive.content
        if root.location in {"", series.folder} and root.original
    }


def planned_source(source: Path, wish: SourceWish, layout: Layout) -> PlannedSource:
    """Give what a plan says of the tree that `source` led to, so that `layout_of_plan` finds it again."""
    configuration = None if source.is_dir() else str(source.absolute())
    times = None if wish.times_file is None else os.path.abspath(wish.times_file)  # noqa: PTH100 - symbolic links stay as they are
    return PlannedSource(layout.naming.kind, layout.root, configuration, wish.pattern, wish.timezone, wish.name, times)
