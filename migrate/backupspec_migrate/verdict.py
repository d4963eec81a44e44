"""Says whether the old tree may go: pure, from where the migration stands."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from backupspec_migrate.figures import counted, listed, shown
from backupspec_migrate.standing import (
    LOSSES,
    ArchiveLine,
    Condition,
    SeriesLine,
    SkippedLine,
    Standing,
    condition,
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether the old tree may be retired, why (what stands in the way, or what speaks for it), and what to know first.

    All sentences are fit to be shown.
    """

    safe: bool
    because: tuple[str, ...]
    remarks: tuple[str, ...]


def verdict(standing: Standing) -> Verdict:
    """Say yes only if each planned archive is there, is the one that was verified whole, and was found equal.

    Also nothing in the tree may be unplanned or undecided, and nothing may have kept the report from looking.
    """
    against = tuple(_against(standing))
    return Verdict(not against, against or _in_favour(standing), tuple(_remarks(standing)))


def _in_favour(standing: Standing) -> tuple[str, ...]:
    number = sum(len(series.archives) for series in standing.series)
    hosts = len({series.host for series in standing.series if series.archives})
    all_of = f"all {counted(number, 'archive')}" if number > 1 else "the one archive"
    verb = "are" if number > 1 else "is"
    return (
        f"{all_of} of {counted(hosts, 'host')} {verb} in the repositories, and every item and every byte was compared",
        "no difference was found; since then it was only asked whether the repositories still list these archives",
        "every snapshot in the tree is in the plan"
        + (" or left out there, see below" if any(map(_is_history, standing.left_out)) else ""),
    )


def _is_history(line: SkippedLine) -> bool:
    return line.host is not None or line.time is not None


def _against(standing: Standing) -> Iterator[str]:
    yield from map(shown, standing.problems)
    if not any(series.archives for series in standing.series):
        yield "the plan has no archive: nothing of the old tree would be left"
    for series in standing.series:
        yield from _against_series(series)
    if standing.unplanned:
        number = counted(len(standing.unplanned), "snapshot")
        yield f"the tree has {number} that the plan neither imports nor skips: {_folders(standing.unplanned)}"
    if standing.undecided:
        number = counted(len(standing.undecided), "snapshot")
        yield f"nobody has decided about {number} that may be incomplete: {_folders(standing.undecided)}"


def _against_series(series: SeriesLine) -> Iterator[str]:
    total = len(series.archives)
    where = f"{shown(series.host)}, {shown(series.job)}"
    said: dict[Condition, tuple[str, str]] = {
        "missing": ("is not in the repository", "are not in the repository"),
        "differs": ("differs from its snapshot", "differ from their snapshots"),
        "changed": ("is not the archive that was verified", "are not the archives that were verified"),
        "no": ("was not verified", "were not verified"),
        "sample": ("was verified by a sample only", "were verified by a sample only"),
    }
    for state, (one, several) in said.items():
        lines = [line for line in series.archives if condition(line) == state]
        if lines:
            number = f"{len(lines):,} of {counted(total, 'archive')}"
            verb = one if len(lines) == 1 else several
            yield f"{where}: {number} {verb}: {listed([_with_difference(line) for line in lines])}"


def _with_difference(line: ArchiveLine) -> str:
    if condition(line) != "differs" or not line.differences:
        return line.archive
    return f"{line.archive} ({listed(list(line.differences), 1)})"


def _folders(lines: tuple[SkippedLine, ...]) -> str:
    return listed([f"{line.folder} ({line.because})" if line.because else line.folder for line in lines])


def _remarks(standing: Standing) -> Iterator[str]:
    skipped = tuple(line for series in standing.series for line in series.skipped)
    if skipped:
        of: dict[tuple[str, str], list[str]] = {}
        for line in skipped:
            of.setdefault((line.folder, line.because), []).append(line.host or "")
        said = [f"{folder} of {', '.join(names)} ({because})" for (folder, because), names in of.items()]
        yield f"{counted(len(of), 'snapshot')} skipped as the plan says: {listed(said)}"
    for series in standing.series:
        if not series.archives:
            yield f"{shown(series.host)}, {shown(series.job)}: no snapshot was planned"
    if history := tuple(filter(_is_history, standing.left_out)):
        yield f"left out by the plan, and lost with the tree: {_folders(history)}"
    if others := tuple(line for line in standing.left_out if not _is_history(line)):
        number = len(others)
        be = "is" if number == 1 else "are"
        names = _folders(others)
        yield f"{counted(number, 'name')} in the tree {be} left out and will be lost with it: {names}"
    for kind, sentence in LOSSES.items():
        number, hosts = _lost(standing, kind)
        if number:
            yield f"{sentence}: {number:,} in all archives together, on {listed(hosts)}"
    yield from _after_prune(standing)


def _lost(standing: Standing, kind: str) -> tuple[int, list[str]]:
    number, hosts = 0, dict[str, None]()
    for series in standing.series:
        found = sum(loss.count for line in series.archives for loss in line.losses if loss.kind == kind)
        number += found
        if found:
            hosts[series.host] = None
    return number, list(hosts)


def remaining(series: SeriesLine) -> int | None:
    """Count the archives that the first prune leaves; None if no retention is known for one of them."""
    if any(line.kept is None for line in series.archives):
        return None
    return sum(bool(line.kept) for line in series.archives)


def _after_prune(standing: Standing) -> Iterator[str]:
    planned = [series for series in standing.series if series.archives]
    known = [(series, left) for series in planned if (left := remaining(series)) is not None]
    if known:
        total, stay = sum(len(series.archives) for series, _ in known), sum(left for _, left in known)
        prune = "prune" if len(known) == 1 else "prunes"
        if stay == total:
            said = f"all {counted(total, 'archive')} remain" if total > 1 else "the one archive remains"
            yield f"after the first {prune} {said}"
        else:
            verb = "remains" if stay == 1 else "remain"
            yield f"after the first {prune} {stay:,} of {counted(total, 'archive')} {verb}"
    for series, number in known:
        if not number:
            yield f"{shown(series.host)}, {shown(series.job)}: the first prune leaves no archive of the old tree"
    unknown = len(planned) - len(known)
    if unknown:
        yield f"no retention is known for {unknown} of {len(planned)} series: what a prune leaves is not said"
