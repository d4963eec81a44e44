"""Looks at a source as every command does: finds its layout, opens it and scans it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from backupspec.diagnostic import Diagnostic, Diagnostics, has_errors
from backupspec_migrate.find_layout import SourceWish, find_layout
from backupspec_migrate.lock import holder
from backupspec_migrate.scan import Scan, scan
from backupspec_migrate.view import open_view


@dataclass(frozen=True)
class Seen:
    """What a look gave."""

    scan: Scan
    found: Diagnostics

    @property
    def times(self) -> Mapping[str, int]:
        return {one.slot: one.time for one in self.scan.snapshots}

    @property
    def doubts(self) -> Mapping[str, str]:
        return {one.slot: one.kind for one in self.scan.doubts}

    @property
    def why(self) -> Mapping[str, str]:
        return {one.slot: one.why for one in self.scan.doubts}

    @property
    def skipped(self) -> Mapping[str, str]:
        return dict(self.scan.skipped)

    def said(self, code: str) -> list[str]:
        return [one.message for one in self.found if one.code == code]


def look(source: Path, wish: SourceWish | None = None) -> Seen:
    """Find, open and scan, and expect that it can be read."""
    layout, found = find_layout(source, wish or SourceWish())
    assert layout is not None, found
    there = holder(Path(layout.lockfile)) if layout.lockfile else None
    with open_view(layout.root) as view:
        seen, more = scan(layout, view, interrupted=there is not None and there.interrupted_rsnapshot)
    return Seen(seen, (*found, *more))


def refused(source: Path, wish: SourceWish | None = None) -> Diagnostic:
    """Expect that there is no layout, for one reason."""
    layout, found = find_layout(source, wish or SourceWish())
    assert layout is None
    assert has_errors(found)
    (one,) = found
    return one
