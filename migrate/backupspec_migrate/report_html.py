"""Standing -> one HTML page that needs nothing else: no script, no font, no picture from elsewhere."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from backupspec.render import fill
from backupspec.words import HtmlAttribute, HtmlText, HtmlTokens, SvgNumber, SvgPath
from backupspec_migrate.figures import counted, day, local, shown, size, utc
from backupspec_migrate.report_json import as_json
from backupspec_migrate.standing import (
    CONDITIONS,
    LOSSES,
    ArchiveLine,
    Condition,
    Loss,
    SeriesLine,
    SkippedLine,
    Standing,
    condition,
)
from backupspec_migrate.timeline import (
    LANES,
    SHAPES,
    Axis,
    Kind,
    axis_of,
    draw,
    outline,
)
from backupspec_migrate.verdict import remaining, verdict

TEMPLATE = "migrate/report.html.j2"
_MOST_PATHS = 200
_MOST_DIFFERENCES = 200
_ALWAYS: frozenset[Kind] = frozenset({"found", "whole", "kept", "goes"})
_SHORT_ID = 8
_NONE = "\N{EN DASH}"


@dataclass(frozen=True, slots=True)
class Shape:
    """One mark of a drawing, or of the legend; `tone` is its class."""

    tone: HtmlTokens
    outline: SvgPath
    title: HtmlText


@dataclass(frozen=True, slots=True)
class Line:
    """A line straight down."""

    x: SvgNumber
    top: SvgNumber
    bottom: SvgNumber


@dataclass(frozen=True, slots=True)
class TickText:
    """A line of the axis with its two words."""

    x: SvgNumber
    age: HtmlText
    day: HtmlText


@dataclass(frozen=True, slots=True)
class Lane:
    """A row of a drawing, and how many marks it has."""

    y: SvgNumber
    name: HtmlText
    count: HtmlText


@dataclass(frozen=True, slots=True)
class Picture:
    """The drawing of one series."""

    title: HtmlText
    desc: HtmlText
    lanes: tuple[Lane, ...]
    ticks: tuple[TickText, ...]
    threads: tuple[Line, ...]
    marks: tuple[Shape, ...]


@dataclass(frozen=True, slots=True)
class Row:
    """One archive in the ledger."""

    archive: HtmlText
    archive_class: HtmlTokens
    folder: HtmlText
    folder_class: HtmlTokens
    time: HtmlAttribute
    id: HtmlText
    id_title: HtmlAttribute
    entries: HtmlText
    inodes: HtmlText
    bytes: HtmlText
    tone: HtmlTokens
    mark: SvgPath
    condition: HtmlText
    verified_at: HtmlText
    losses: HtmlText
    kept: HtmlText


@dataclass(frozen=True, slots=True)
class Pair:
    """Two or three cells: a name, what is said of it, and when or how often."""

    name: HtmlText
    said: HtmlText
    more: HtmlText


@dataclass(frozen=True, slots=True)
class LossTable:
    """What Borg could not hold, of one kind, by path; `more` says how many are not listed, if any."""

    sentence: HtmlText
    rows: tuple[Pair, ...]
    more: HtmlText | None


@dataclass(frozen=True, slots=True)
class Part:
    """Everything about one series."""

    host: HtmlText
    job: HtmlText
    repository: HtmlText
    retention: HtmlText | None
    tone: HtmlTokens
    mark: SvgPath
    summary: HtmlText
    picture: Picture | None
    rows: tuple[Row, ...]
    differences: tuple[Pair, ...]
    skipped: tuple[Pair, ...]
    losses: tuple[LossTable, ...]


@dataclass(frozen=True, slots=True)
class Page:
    """The whole page; what is not a word of HTML here is only asked about.

    `digest`: SHA-256 of the JSON report of the same standing, so that a signature on paper covers each name in full.
    """

    title: HtmlText
    safe: bool
    because: tuple[HtmlText, ...]
    remarks: tuple[HtmlText, ...]
    source: HtmlText
    layout: HtmlText
    made: HtmlText
    made_utc: HtmlTokens
    zone: HtmlText
    version: HtmlText
    digest: HtmlText
    totals: HtmlText
    legend: tuple[Shape, ...]
    parts: tuple[Part, ...]
    waiting: tuple[Pair, ...]
    left_out: tuple[Pair, ...]


def as_html(standing: Standing) -> str:
    """Give the page; whatever the tree's names hold, it is well formed and shows them as they are."""
    return fill(TEMPLATE, page(standing))


def page(standing: Standing) -> Page:
    """Give what the template prints."""
    judged = verdict(standing)
    axis = axis_of(standing)
    parts = tuple(_part(series, standing, axis) for series in standing.series)
    waiting = (*standing.unplanned, *standing.undecided)
    return Page(
        title=_text(f"Migration report: {standing.source}"),
        safe=judged.safe,
        because=tuple(map(_text, judged.because)),
        remarks=tuple(map(_text, judged.remarks)),
        source=_text(standing.source),
        layout=_text(standing.layout),
        made=_text(local(standing.made_at, standing.zone)),
        made_utc=HtmlTokens(utc(standing.made_at).replace("@", "unix:")),
        zone=_text(standing.zone),
        version=_text(standing.version),
        digest=_text(hashlib.sha256(as_json(standing).encode()).hexdigest()),
        totals=_text(_totals(standing)),
        legend=tuple(_legend(standing)),
        parts=parts,
        waiting=_pairs(waiting, standing.zone),
        left_out=_pairs(standing.left_out, standing.zone),
    )


def _text(text: str) -> HtmlText:
    return HtmlText(shown(text))


def _totals(standing: Standing) -> str:
    archives = [line for series in standing.series for line in series.archives]
    whole = sum(condition(line) == "whole" for line in archives)
    hosts = counted(len({series.host for series in standing.series}), "host")
    return f"{hosts}, {counted(len(archives), 'archive')} planned, {whole:,} verified whole"


def _legend(standing: Standing) -> Iterator[Shape]:
    there: set[Kind] = {condition(line) for series in standing.series for line in series.archives}
    if any(series.skipped for series in standing.series):
        there.add("skipped")
    if standing.unplanned or standing.undecided:
        there.add("unplanned")
    for kind, tone, meaning in SHAPES:
        if kind in _ALWAYS | there:
            yield Shape(HtmlTokens(tone), SvgPath(outline(kind, 8, 8)), _text(meaning))


def _part(series: SeriesLine, standing: Standing, axis: Axis | None) -> Part:
    zone = standing.zone
    waiting = tuple(line for line in (*standing.unplanned, *standing.undecided) if line.host in {None, series.host})
    whole = bool(series.archives) and all(condition(line) == "whole" for line in series.archives)
    whole = whole and not waiting
    kind: Kind = "whole" if whole else "differs" if series.archives or waiting else "skipped"
    tone = {"whole": "good", "differs": "bad"}.get(kind, "quiet")
    drawable = axis is not None and (series.archives or series.skipped or waiting)
    return Part(
        host=_text(series.host),
        job=_text(series.job),
        repository=_text(series.repository),
        retention=_text(series.retention) if series.retention else None,
        tone=HtmlTokens(tone),
        mark=SvgPath(outline(kind, 8, 8)),
        summary=_text(_summary(series) + (f"; {len(waiting):,} not in the plan, or undecided" if waiting else "")),
        picture=_picture(series, waiting, axis, zone) if axis is not None and drawable else None,
        rows=tuple(_row(line, zone) for line in sorted(series.archives, key=lambda line: line.time)),
        differences=tuple(_differences(series)),
        skipped=_pairs(series.skipped, zone),
        losses=tuple(_losses(series)),
    )


def _summary(series: SeriesLine) -> str:
    total = len(series.archives)
    if not total:
        return "no archive was planned"
    states = Counter(condition(line) for line in series.archives)
    if states["whole"] == total:
        said = f"{'all ' if total > 1 else ''}{counted(total, 'archive')} verified whole"
    else:
        order: tuple[Condition, ...] = ("whole", "sample", "no", "changed", "differs", "missing")
        said_of = {**CONDITIONS, "differs": "different"}
        counts = ", ".join(f"{states[state]:,} {said_of[state]}" for state in order if states[state])
        said = f"{counted(total, 'archive')}: {counts}"
    left = remaining(series)
    if left is None:
        return said
    return f"{said}; {left:,} of {total:,} remain after the first prune"


def _picture(series: SeriesLine, waiting: tuple[SkippedLine, ...], axis: Axis, zone: str) -> Picture:
    drawing = draw(series, waiting, axis, zone)
    names = ("in the tree", "in Borg", "kept")
    found, there, kept = drawing.counts
    times = [line.time for line in series.archives]
    times += [line.time for line in (*series.skipped, *waiting) if line.time is not None]
    span = f"from {day(min(times), zone)} to {day(max(times), zone)}" if times else "of unknown times"
    stay = "no retention is known" if kept is None else f"{kept} stay after the first prune"
    return Picture(
        title=_text(f"Timeline of {series.host}, {series.job}"),
        desc=_text(
            f"{counted(found or 0, 'snapshot')} in the tree, {span}; {there} in the repository; {stay}."
            " The table of this series lists each."
        ),
        lanes=tuple(
            Lane(SvgNumber(y), _text(name), _text("?" if count is None else f"{count:,}"))
            for y, name, count in zip(LANES, names, drawing.counts, strict=True)
        ),
        ticks=tuple(TickText(SvgNumber(tick.x), _text(tick.age), _text(tick.day)) for tick in axis.ticks(zone)),
        threads=tuple(Line(SvgNumber(x), SvgNumber(top), SvgNumber(bottom)) for x, top, bottom in drawing.threads),
        marks=tuple(
            Shape(HtmlTokens(mark.tone), SvgPath(outline(mark.kind, mark.x, mark.y)), _text(mark.title))
            for mark in drawing.marks
        ),
    )


def _row(line: ArchiveLine, zone: str) -> Row:
    state = condition(line)
    lost = sum(loss.count for loss in line.losses)
    tone = next(tone for kind, tone, _ in SHAPES if kind == state)
    return Row(
        archive=_text(line.archive),
        archive_class=_breaking(line.archive, 48),
        folder=_text(line.folder),
        folder_class=_breaking(line.folder, 24),
        time=HtmlAttribute(local(line.time, zone)),
        id=_text(line.id[:_SHORT_ID] if line.id else _NONE),
        id_title=HtmlAttribute(shown(line.id or "not in the repository")),
        entries=_number(line.entries),
        inodes=_number(line.inodes),
        bytes=_text(_NONE if line.bytes is None else size(line.bytes)),
        tone=HtmlTokens(tone),
        mark=SvgPath(outline(state, 8, 8)),
        condition=_text(CONDITIONS[state]),
        verified_at=_text("" if line.verified_at is None else day(line.verified_at, zone)),
        losses=_number(lost or None),
        kept=HtmlText(_kept(line)),
    )


def _breaking(text: str, longest: int) -> HtmlTokens:
    """Let only long names break: a column of short ones is read from top to bottom."""
    return HtmlTokens("still" if len(text) <= longest else "long")


def _kept(line: ArchiveLine) -> str:
    if line.kept is None:
        return "not known"
    return ", ".join(shown(reason).replace(" #", "\N{NO-BREAK SPACE}#") for reason in line.kept) or "goes"


def _number(number: int | None) -> HtmlText:
    return _text(_NONE if number is None else f"{number:,}")


def _pairs(lines: Iterable[SkippedLine], zone: str) -> tuple[Pair, ...]:
    return tuple(
        Pair(_text(line.folder), _text(line.because), _text(_NONE if line.time is None else local(line.time, zone)))
        for line in lines
    )


def _differences(series: SeriesLine) -> Iterator[Pair]:
    said = [(line.archive, text) for line in series.archives for text in line.differences]
    for archive, text in said[:_MOST_DIFFERENCES]:
        yield Pair(_text(archive), _text(text), _text(""))
    if len(said) > _MOST_DIFFERENCES:
        yield Pair(_text("…"), _text(f"{len(said) - _MOST_DIFFERENCES:,} more, in the JSON report"), _text(""))


def _losses(series: SeriesLine) -> Iterator[LossTable]:
    for kind, sentence in LOSSES.items():
        found = [loss for line in series.archives for loss in line.losses if loss.kind == kind]
        if found:
            yield _loss_table(sentence, found, len(series.archives))


def _loss_table(sentence: str, found: list[Loss], total: int) -> LossTable:
    often = Counter(path for loss in found for path in loss.paths)
    rows = [
        Pair(_text(path), _text(f"{number:,} of {total:,}"), _text(""))
        for path, number in sorted(often.items())[:_MOST_PATHS]
    ]
    unlisted = sum(loss.count - len(loss.paths) for loss in found) + sum(
        number for _, number in sorted(often.items())[_MOST_PATHS:]
    )
    count = sum(loss.count for loss in found)
    return LossTable(
        _text(f"{sentence}: {count:,} in {counted(len(found), 'archive')}"),
        tuple(rows),
        _text(f"{unlisted:,} more are not listed here") if unlisted else None,
    )
