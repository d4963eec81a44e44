"""Settles doubts about snapshots by what rsnapshot's logfile says of the runs that made them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from backupspec.catalogue import diagnose
from backupspec.diagnostic import Diagnostic, Diagnostics, Span
from backupspec_migrate.layout import Layout
from backupspec_migrate.logfile import Run
from backupspec_migrate.snapshot import Doubt, Snapshot

_LONGEST_GUESS = 86_400
_SECOND = 1


@dataclass(frozen=True, slots=True)
class Settled:
    """The doubts that remain and those that the logfile raises, what else it says, and the slots that it confirms."""

    doubts: tuple[Doubt, ...]
    confirmed: frozenset[str]
    found: Diagnostics


def by_the_log(layout: Layout, snapshots: tuple[Snapshot, ...], doubts: tuple[Doubt, ...]) -> Settled:
    """Compare snapshots with the runs of the logfile: one run made one snapshot, and the oldest with its time is it.

    A run that came to its end frees its snapshot from the doubt that a lockfile raised, one that did not raises it;
    what failed in a run is doubtful for its hosts.
    """
    fills = [run for run in layout.runs if run.level in layout.naming.filling]
    made: dict[int, Snapshot] = {}
    for snapshot in snapshots:
        number = _run_of(snapshot, fills) if snapshot.time_from in {"folder", "logfile"} else None
        if number is not None:
            made.setdefault(number, snapshot)
    raised: list[Doubt] = []
    found: list[Diagnostic] = []
    confirmed = set()
    for index, snapshot in made.items():
        run = fills[index]
        if run.outcome == "unfinished" and run.touched is None:
            why = f"the logfile has no end of the run that began at {_utc(run.started)}: it was interrupted"
            raised.append(Doubt(snapshot.slot, "interrupted", why))
            continue
        confirmed.add(snapshot.slot)
        raised += _failures(layout, snapshot, run)
        found += _shortfalls(layout, snapshot, run)
    last = layout.runs[-1] if layout.runs else None
    filled = {one.slot for one in snapshots if one.rung is not None and one.rung[1] == 0}
    remain = [doubt for doubt in doubts if not _freed(doubt, confirmed, filled, last)]
    if last is not None and last.outcome == "unfinished" and last.removing in {one.slot for one in snapshots}:
        why = f"the logfile ends while rsnapshot was removing it, in a run that began at {_utc(last.started)}"
        raised.append(Doubt(last.removing or "", "half-removed", why))
    return Settled((*raised, *remain), frozenset(confirmed), tuple(found))


def _run_of(snapshot: Snapshot, runs: list[Run]) -> int | None:
    for index in range(len(runs) - 1, -1, -1):
        run = runs[index]
        if run.touched is not None:
            if abs(run.touched - snapshot.time) <= _SECOND:
                return index
            continue
        following = runs[index + 1].started if index + 1 < len(runs) else run.started + _LONGEST_GUESS
        limit = following - 2 * _SECOND if run.limit is None else run.limit
        if run.started - _SECOND <= snapshot.time <= limit + _SECOND:
            return index
    return None


def _freed(doubt: Doubt, confirmed: set[str], filled: set[str], last: Run | None) -> bool:
    """Tell whether the logfile answers a doubt; `filled` are the slots that a run fills, and does not remove."""
    died = last is not None and last.outcome == "unfinished"
    if doubt.kind == "lockfile" and died and doubt.slot not in filled:
        return last is not None and last.removing != doubt.slot
    return doubt.kind in {"lockfile", "moved"} and doubt.slot in confirmed


def _failures(layout: Layout, snapshot: Snapshot, run: Run) -> list[Doubt]:
    rolled = {dest.strip("/") for dest in run.rolled_back}
    doubts = []
    for series in layout.series:
        for part in series.parts:
            how = next((how for source, how in run.failed if source == part.source), None)
            if how is not None:
                back = part.dest in rolled
                after = "rsnapshot rolled back to the snapshot before" if back else "some of it may be older"
                why = f"{series.folder or series.host}: {part.source} failed ({how}, says the logfile); {after}"
                doubts.append(Doubt(snapshot.slot, "rolled-back" if back else "failed", why, (series.folder,)))
                break
    if len(doubts) < 2:  # noqa: PLR2004 - one needs no joining
        return doubts
    kind = doubts[0].kind if len({doubt.kind for doubt in doubts}) == 1 else "failed"
    folders = tuple(folder for doubt in doubts for folder in doubt.folders)
    return [Doubt(snapshot.slot, kind, "; ".join(doubt.why for doubt in doubts), folders)]


def _shortfalls(layout: Layout, snapshot: Snapshot, run: Run) -> list[Diagnostic]:
    """Give what a run did not get that nobody can point at any more."""
    known = {part.source for series in layout.series for part in series.parts}
    place = Span(f"{layout.root}/{snapshot.slot}", 1, 1, 1, 1)
    said = [f"{source}: some files could not be read or vanished" for source in run.partial]
    said += [f"{source} {how}, and is no `backup` line any more" for source, how in run.failed if source not in known]
    return [
        diagnose("BS665", f"{snapshot.slot}: the logfile says of its run: {text}", place, where=text.split(" ")[0])
        for text in said
    ]


def _utc(moment: int) -> str:
    return f"{datetime.fromtimestamp(moment, UTC):%Y-%m-%dT%H:%M:%SZ}"
