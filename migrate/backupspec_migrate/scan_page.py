"""Shows what a scan found as people want to read it: on a terminal of 80 columns, a wider one, or in a pipe."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TextIO
from zoneinfo import ZoneInfo

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from backupspec.diagnostic import Diagnostics, Severity
from backupspec_migrate.estimate import Estimate, Range
from backupspec_migrate.figures import counted, shown, size, utc
from backupspec_migrate.scan import Gap, Scan, Snapshot, TimeFrom
from backupspec_migrate.survey import Counts, Example, SeriesSurvey, Survey, What

_PIPE_WIDTH, _WIDEST = 100, 10_000
_MOST_GAPS, _MOST_NAMED = 10, 5
_COLOURS = {Severity.ERROR: "bold red", Severity.WARNING: "bold yellow", Severity.NOTE: "bold cyan"}
_SAID_ELSEWHERE = frozenset({"BS611", "BS676", "BS677"})  # no snapshots; unreadable; leftovers: beside their host
_FROM: dict[TimeFrom, str] = {
    "folder": "the folder's own time, which is set when a snapshot is complete and kept by rotation",
    "name": "the folder's name",
    "logfile": "the logfile",
    "given": "the times that you gave",
}
_SAID: dict[What, tuple[str, str]] = {
    "socket": ("sockets", "Borg stores none"),
    "clamped": ("times that Borg cannot hold (before 1970, after January 2038)", "the nearest is stored"),
    "not_utf8": ("names that are not UTF-8", "stored as they are, though `borg list` shows `?`"),
    "leftover": ("files that rsync was still receiving", "more may be missing there"),
    "unreadable": ("unreadable", "a run would fail at it"),
}


@dataclass(frozen=True, slots=True)
class ScanAbout:
    """What the page says of its source, in sentences; None where there is nothing to say.

    `plan_words` are what follows `backupspec migrate plan` for the same source: the source itself, --pattern …
    """

    source: str
    layout: str
    lockfile: str | None
    logfile: str | None
    zone: str
    plan_words: tuple[str, ...]


def print_page(page: RenderableType, file: TextIO) -> None:
    """Print to a terminal in its width; elsewhere without colours, and so wide that no name is broken."""
    console = Console(file=file, highlight=False, emoji=False, markup=False)
    if console.is_terminal:
        console.print(page)
        return
    wide = max(console.measure(page, options=console.options.update(width=_WIDEST)).maximum, _PIPE_WIDTH)
    console = Console(file=file, highlight=False, emoji=False, markup=False, width=wide)
    with console.capture() as caught:
        console.print(page)
    # Rich fills lines up with spaces, which are only in the way in a file.
    file.write("".join(f"{line.rstrip()}\n" for line in caught.get().removesuffix("\n").split("\n")))


def as_tables(
    scanned: Scan, surveyed: Survey, guess: Estimate | None, about: ScanAbout, found: Diagnostics = ()
) -> Group:
    """Give the page: what the source is, a table for each series, what to look at, what is left out, what it takes."""
    parts: list[RenderableType] = [_header(scanned, about), Text()]
    snapshots = {snapshot.slot: snapshot for snapshot in scanned.snapshots}
    for series in surveyed.series:
        parts += [_title(series), *_series(series, scanned, snapshots, about), Text()]
    parts += [
        *_doubts(scanned),
        *_gaps(scanned, surveyed),
        *_found(found),
        *_skipped(scanned),
        *_total(surveyed, snapshots),
    ]
    if guess is not None:
        parts += _estimate(guess, surveyed)
    return Group(*parts, Text.assemble(("Next  ", "bold"), shown(next_command(about)), overflow="fold"))


def next_command(about: ScanAbout) -> str:
    """Give the command that writes the plan for the same source."""
    return shlex.join(["backupspec", "migrate", "plan", *about.plan_words, "-o", "plan.yaml"])


def _header(scanned: Scan, about: ScanAbout) -> Table:
    used = Counter(snapshot.time_from for snapshot in scanned.snapshots)
    times = [
        f"{_FROM[kind]}" + (f" ({counted(count, 'snapshot')})" if len(used) > 1 else "")
        for kind, count in used.most_common()
    ]
    zones = "in UTC" if about.zone == "UTC" else f"in UTC and as in {about.zone}"
    rows = [
        ("Source", f"{about.source} ({about.layout})"),
        ("Tree", scanned.root),
        ("Lock", about.lockfile),
        ("Logfile", about.logfile),
        (
            "",
            f"it confirms {len(scanned.confirmed)} of {counted(len(scanned.snapshots), 'snapshot')}"
            if about.logfile
            else None,
        ),
        ("Times", f"{zones}; from {', or '.join(times)}" if times else None),
    ]
    return _facts([(name, said) for name, said in rows if said])


def _facts(rows: list[tuple[str, str]]) -> Table:
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(style="bold", no_wrap=True)
    grid.add_column(overflow="fold")
    for name, said in rows:
        grid.add_row(name, Text(shown(said)))
    return grid


def _called(series: SeriesSurvey) -> str:
    return series.host if series.job is None else f"{series.host} ({series.job})"


def _title(series: SeriesSurvey) -> Text:
    below = f"  {shown(series.folder)}/" if series.folder not in {"", series.host} else ""
    return Text.assemble((shown(_called(series)), "bold"), (below, "dim"), overflow="fold")


def _columns(*columns: tuple[str, bool]) -> Table:
    """Make a table of (heading, is a number); only the first column may be folded."""
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, header_style="dim")
    for place, (heading, number) in enumerate(columns):
        table.add_column(heading, justify="right" if number else "left", overflow="fold", no_wrap=place > 0)
    return table


def _series(
    series: SeriesSurvey, scanned: Scan, snapshots: dict[str, Snapshot], about: ScanAbout
) -> Iterator[RenderableType]:
    doubted = {one.slot for one in scanned.doubts if not one.folders or series.folder in one.folders}
    mixed = len({snapshot.time_from for snapshot in snapshots.values()}) > 1
    local = about.zone != "UTC"
    table = _columns(
        ("  Folder", False),
        ("Time (UTC)", False),
        *((("Local", False),) if local else ()),
        *((("From", False),) if mixed else ()),
        ("Entries", True),
        ("New files", True),
        ("New bytes", True),
    )
    for image in series.images:
        snapshot = snapshots[image.slot]
        mark = Text("! ", style="bold red") if image.slot in doubted else Text("  ")
        table.add_row(
            mark.append(shown(image.slot), style="not bold default"),
            utc(snapshot.time),
            *((_weekday(snapshot.time, about.zone),) if local else ()),
            *((snapshot.time_from,) if mixed else ()),
            f"{image.counts.entries:,}",
            f"{image.counts.files:,}",
            size(image.counts.bytes),
        )
    yield table
    yield from (Padding(Text(line, overflow="fold"), (0, 0, 0, 2)) for line in _remarks(series, scanned, snapshots))


def _weekday(time: int, zone: str) -> str:
    try:
        return f"{datetime.fromtimestamp(time, ZoneInfo(zone)):%a %H:%M}"
    except (OverflowError, ValueError, OSError):
        return "-"


def _gap(gap: Gap) -> str:
    between = f"between {utc(gap.after)} and {utc(gap.before)}"
    return f"no snapshot {between}: {duration(gap.before - gap.after)}, about {gap.missing} missing"


def _remarks(series: SeriesSurvey, scanned: Scan, snapshots: dict[str, Snapshot]) -> Iterator[str]:
    """Say what is missing in a series, and what is odd in it."""
    yield from (_gap(gap) for gap in scanned.gaps if gap.of == series.host)
    times = [snapshots[image.slot].time for image in series.images]
    has = {image.slot for image in series.images}
    lacking = [
        slot for slot, one in snapshots.items() if slot not in has and times and min(times) < one.time < max(times)
    ]
    if lacking:
        yield f"not in {', '.join(map(shown, lacking))}"
    examples = [example for image in series.images for example in image.examples]
    for what, (said, note) in _SAID.items():
        numbers = [number for image in series.images if (number := _count(image.counts, what))]
        if numbers:
            many = f"{sum(numbers):,} in {counted(len(numbers), 'snapshot')}"
            yield f"{said}: {many}; {note}: {_named(examples, what)}"


def _count(counts: Counts, what: What) -> int:
    match what:
        case "socket":
            return counts.sockets
        case "clamped":
            return counts.clamped
        case "not_utf8":
            return counts.not_utf8
        case "leftover":
            return counts.leftovers
        case "unreadable":
            return counts.unreadable


def _named(examples: list[Example], what: What) -> str:
    texts = dict.fromkeys(
        f"/{shown(one.path)}" + (f" ({one.why})" if one.why else "") for one in examples if one.what == what
    )
    listed = list(texts)
    return ", ".join(listed[:_MOST_NAMED]) + (" …" if len(listed) > _MOST_NAMED else "")


def _doubts(scanned: Scan) -> Iterator[RenderableType]:
    if not scanned.doubts:
        return
    yield Text("Look at these", style="bold")
    for doubt in scanned.doubts:
        yield Text.assemble(("! ", "bold red"), f"{shown(doubt.slot)}: {shown(doubt.why)}", overflow="fold")
    way = "In the plan: give such a snapshot `accept:` with your reason once you have looked, or leave it out."
    yield Padding(Text(way), (0, 0, 1, 2))


def _gaps(scanned: Scan, surveyed: Survey) -> Iterator[RenderableType]:
    """Give the gaps that are those of no host alone."""
    hosts = {series.host for series in surveyed.series}
    common = [gap for gap in scanned.gaps if gap.of not in hosts]
    if not common:
        return
    yield Text("Gaps", style="bold")
    for gap in common[:_MOST_GAPS]:
        yield Padding(Text(f"{shown(gap.of)}: {_gap(gap)}", overflow="fold"), (0, 0, 0, 2))
    if len(common) > _MOST_GAPS:
        yield Padding(Text(f"and {counted(len(common) - _MOST_GAPS, 'gap')} more"), (0, 0, 0, 2))
    yield Text()


def _found(found: Diagnostics) -> Iterator[RenderableType]:
    listed = [one for one in found if one.code not in _SAID_ELSEWHERE]
    if not listed:
        return
    yield Text("Found on the way", style="bold")
    for one in listed:
        head = (f"{one.severity.label}[{one.code}]", _COLOURS[one.severity])
        yield Padding(Text.assemble(head, f": {shown(one.message)}", overflow="fold"), (0, 0, 0, 2))
        if one.hint:
            yield Padding(Text(f"hint: {shown(one.hint)}", overflow="fold"), (0, 0, 0, 4))
    yield Text()


def _skipped(scanned: Scan) -> Iterator[RenderableType]:
    if not scanned.skipped:
        return
    yield Text("No snapshots, left out", style="bold")
    yield Padding(_facts([(shown(name), why) for name, why in scanned.skipped]), (0, 0, 1, 2))


def _total(surveyed: Survey, snapshots: dict[str, Snapshot]) -> Iterator[RenderableType]:
    if not surveyed.series:
        yield Text("Nothing was found that could be imported.\n", style="bold")
        return
    table = _columns(
        ("Total", False),
        ("Snapshots", True),
        ("Oldest", False),
        ("Newest", False),
        ("Entries", True),
        ("Files", True),
        ("Bytes", True),
    )
    for series in surveyed.series:
        days = [utc(snapshots[image.slot].time).partition("T")[0] for image in series.images]
        table.add_row(
            Text(shown(_called(series))), str(len(series.images)), min(days), max(days), *_sums(series.counts)
        )
    if len(surveyed.series) > 1:
        table.add_row("all", str(sum(len(one.images) for one in surveyed.series)), "", "", *_sums(surveyed.total))
    yield table
    once = sum(one.counts.files for one in surveyed.series) - surveyed.total.files
    if once:
        yield Padding(Text(f"{once:,} files are shared between series and count once in `all`."), (0, 0, 0, 2))
    yield Text()


def _sums(counts: Counts) -> tuple[str, str, str]:
    return f"{counts.entries:,}", f"{counts.files:,}", size(counts.bytes)


def _estimate(guess: Estimate, surveyed: Survey) -> Iterator[RenderableType]:
    yield Text("Estimate", style="bold")
    if guess.sampled is None:
        basis = "half to all of it after compression, since too few files could be read to tell"
    else:
        percent = _between(guess.sampled.ratio, lambda part: f"{part:.0%}")
        basis = f"{percent} of it after {guess.sampled.compression}, from {guess.sampled.files} files read here"
    counts = surveyed.total
    rows = [
        ("Run", f"{_between(guess.run, _roughly)} on one core ({counts.entries:,} entries, {counts.files:,} files)"),
        ("Verify", "about the same again"),
        ("Repositories", f"{_between(guess.repository, _size)} together"),
        ("", f"content {_between(guess.content, _size)}: {basis}"),
        ("", f"names, times and owners {_between(guess.lists, _size)}"),
        ("", "less where files of equal content are stored once"),
    ]
    yield Padding(_facts(rows), (0, 0, 1, 2))


def _between(of: Range, written: Callable[[float], str]) -> str:
    low, high = written(of.low), written(of.high)
    return low if low == high else f"{low} to {high}"


def _size(number: float) -> str:
    """Give a size with the two digits that an estimate has."""
    figure, _, unit = size(round(float(f"{number:.2g}"))).partition(" ")
    return f"{float(figure):g} {unit}"


def _roughly(seconds: float) -> str:
    """Give a time as exactly as an estimate is."""
    unit = 3600 if seconds >= 8 * 3600 else 60 if seconds >= 240 else 1  # noqa: PLR2004 - about ten of the smaller unit
    return duration(max(round(seconds / unit), 1) * unit)


def duration(seconds: float) -> str:
    """Give a stretch of time in its two largest units: `3 days`, `1 day 6 h`, `2 h 10 min`, `40 s`."""
    whole = round(seconds)
    for unit, smaller, name, lesser in ((86_400, 3_600, "day", "h"), (3_600, 60, "h", "min"), (60, 1, "min", "s")):
        if whole >= unit:
            many, rest = divmod(round(whole / smaller), unit // smaller)
            first = f"{many} {name}" + ("s" if name == "day" and many > 1 else "")
            return first + (f" {rest} {lesser}" if rest else "")
    return f"{whole} s"
