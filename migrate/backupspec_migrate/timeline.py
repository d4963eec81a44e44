"""Draws one series over time: where each mark stands and what it looks like, in the units of the template's drawing.

Three lanes, from top to bottom: found in the tree, in the repository, kept by the new retention. The axis runs from the
oldest snapshot on the left to the newest on the right. The older, the narrower a day: snapshots are kept on a ladder of
days, weeks, months and years, and on an even axis of years the days would be one blot.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from backupspec_migrate.figures import day, local, shown
from backupspec_migrate.standing import CONDITIONS, Condition, SeriesLine, SkippedLine, Standing, condition

LEFT, RIGHT = 104.0, 898.0
LANES = (20.0, 50.0, 80.0)
_DAY = 86_400
_SHORTEST = 7 * _DAY
# Between a root and a logarithm: chosen so that the neighbours of a ladder of seven days, four weeks, twelve months and
# some years stand about equally far apart, and none of them on top of the other.
_POWER, _SOFTENED = 0.2, 2 * _DAY
_TICKS = (
    (1, "1 day"),
    (7, "1 week"),
    (30, "1 month"),
    (91, "3 months"),
    (365, "1 year"),
    (730, "2 years"),
    (1826, "5 years"),
    (3652, "10 years"),
    (7305, "20 years"),
)
_APART = 74.0

Kind = Literal["found", "skipped", "unplanned", "kept", "goes"] | Condition
SHAPES: tuple[tuple[Kind, str, str], ...] = (
    ("found", "ink", "a snapshot in the tree"),
    ("skipped", "quiet", "skipped, as the plan says"),
    ("unplanned", "bad", "not in the plan, or undecided"),
    ("whole", "good", CONDITIONS["whole"]),
    ("sample", "warn", "verified by a sample only"),
    ("no", "warn", CONDITIONS["no"]),
    ("changed", "warn", "not the archive that was verified"),
    ("differs", "bad", "differs from its snapshot"),
    ("missing", "bad", "not in the repository"),
    ("kept", "keep", "stays after the first prune"),
    ("goes", "quiet", "goes at the first prune"),
)
"""Each kind of mark with its tone and what it means; shapes differ wherever tones do."""
_TONES = {kind: tone for kind, tone, _ in SHAPES}


@dataclass(frozen=True, slots=True)
class Mark:
    """One sign; `title` is what it says when pointed at."""

    kind: Kind
    x: float
    y: float
    title: str = ""

    @property
    def tone(self) -> str:
        """Give the name of its colour."""
        return _TONES[self.kind]


@dataclass(frozen=True, slots=True)
class Tick:
    """One line of the axis, with the age before the newest snapshot and the day."""

    x: float
    age: str
    day: str


def _stretch(age: int) -> float:
    return float((age + _SOFTENED) ** _POWER - _SOFTENED**_POWER)


@dataclass(frozen=True, slots=True)
class Axis:
    """The stretch of time that all drawings of a report share, in seconds."""

    oldest: int
    newest: int

    def place(self, time: int) -> float:
        """Give the x of a time."""
        span = max(self.newest - self.oldest, _SHORTEST)
        age = min(max(self.newest - time, 0), span)
        return max(LEFT, RIGHT - (RIGHT - LEFT) * _stretch(age) / _stretch(span))

    def ticks(self, zone: str) -> tuple[Tick, ...]:
        """Give the newest, the oldest, and what has room between them."""
        ticks = [Tick(RIGHT, "newest", day(self.newest, zone))]
        oldest = self.place(self.oldest)
        for days, age in _TICKS:
            time = self.newest - days * _DAY
            x = self.place(time)
            if time >= self.oldest and ticks[-1].x - x >= _APART and x - oldest >= _APART:
                ticks.append(Tick(x, age, day(time, zone)))
        if ticks[-1].x - oldest >= _APART:
            ticks.append(Tick(oldest, "oldest", day(self.oldest, zone)))
        return tuple(reversed(ticks))


@dataclass(frozen=True, slots=True)
class Drawing:
    """One series; `threads` are (x, from, to) and lead from lane to lane, `counts` stand at the end of each lane."""

    marks: tuple[Mark, ...]
    threads: tuple[tuple[float, float, float], ...]
    counts: tuple[int | None, int | None, int | None]


def axis_of(standing: Standing) -> Axis | None:
    """Give the axis on which all snapshots of the report lie; None if there is none."""
    times = [line.time for series in standing.series for line in series.archives]
    times += [line.time for line in _others(standing) if line.time is not None]
    return Axis(min(times), max(times)) if times else None


def _others(standing: Standing) -> Iterable[SkippedLine]:
    yield from (line for series in standing.series for line in series.skipped)
    yield from (*standing.unplanned, *standing.undecided)


def draw(series: SeriesLine, waiting: tuple[SkippedLine, ...], axis: Axis, zone: str) -> Drawing:
    """Draw one series; `waiting` are the unplanned and undecided snapshots in which its host may be."""
    marks, threads = list[Mark](), list[tuple[float, float, float]]()
    for line in series.archives:
        x, state = axis.place(line.time), condition(line)
        when = f"{shown(line.folder)}, {local(line.time, zone)}"
        deepest = LANES[1]
        marks += [Mark("found", x, LANES[0], when), Mark(state, x, LANES[1], f"{when}: {CONDITIONS[state]}")]
        if line.kept is not None and line.id is not None:
            deepest = LANES[2]
            reasons = ", ".join(line.kept)
            said = f"stays: {reasons}" if reasons else "goes at the first prune"
            marks.append(Mark("kept" if reasons else "goes", x, LANES[2], f"{when}: {said}"))
        threads.append((x, LANES[0], deepest))
    marks += _without_archive("skipped", series.skipped, axis, zone)
    marks += _without_archive("unplanned", waiting, axis, zone)
    # What is wrong is drawn last, on top of all else, and what goes lies below what stays.
    marks.sort(key=lambda mark: (mark.tone == "bad", mark.tone == "warn", mark.tone != "quiet", mark.x))
    # A snapshot that waits for a decision may be planned already.
    times = {line.time for line in series.archives} | {line.time for line in (*series.skipped, *waiting)}
    found = len(times - {None})
    there = sum(line.id is not None for line in series.archives)
    known = all(line.kept is not None for line in series.archives)
    kept = sum(mark.kind == "kept" for mark in marks) if known and series.archives else None
    return Drawing(tuple(marks), tuple(threads), (found, there, kept))


def _without_archive(kind: Kind, lines: tuple[SkippedLine, ...], axis: Axis, zone: str) -> Iterator[Mark]:
    for line in lines:
        if line.time is not None:
            said = f"{shown(line.folder)}, {local(line.time, zone)}: {shown(line.because)}"
            yield Mark(kind, axis.place(line.time), LANES[0], said)


def outline(kind: Kind, x: float, y: float) -> str:
    """Give the path of a mark around its middle; to be filled by the even-odd rule, so that inner shapes are holes."""
    return "".join(shape(x, y) for shape in _OUTLINES[kind])


def _box(x: float, y: float, wide: float, high: float) -> str:
    return f"M{x - wide:.1f} {y - high:.1f}h{2 * wide:.1f}v{2 * high:.1f}h{-2 * wide:.1f}z"


def _disc(x: float, y: float, radius: float) -> str:
    arc = f"a{radius} {radius} 0 1 0"
    return f"M{x - radius:.1f} {y:.1f}{arc} {2 * radius:.1f} 0{arc} {-2 * radius:.1f} 0z"


def _upper_half(x: float, y: float, radius: float) -> str:
    return f"M{x - radius:.1f} {y:.1f}a{radius} {radius} 0 0 1 {2 * radius:.1f} 0z"


def _diamond(x: float, y: float, radius: float) -> str:
    return f"M{x:.1f} {y - radius:.1f}l{radius} {radius}l{-radius} {radius}l{-radius} {-radius}z"


def _triangle(x: float, y: float, radius: float) -> str:
    side = radius * math.sqrt(3)
    return f"M{x:.1f} {y - radius:.1f}l{side / 2:.1f} {1.5 * radius:.1f}h{-side:.1f}z"


def _cross(x: float, y: float, reach: float) -> str:
    arm, rest = 1.5, reach - 1.5
    return (
        f"M{x - reach:.1f} {y - rest:.1f}l{arm} {-arm}l{rest} {rest}l{rest} {-rest}l{arm} {arm}l{-rest} {rest}"
        f"l{rest} {rest}l{-arm} {arm}l{-rest} {-rest}l{-rest} {rest}l{-arm} {-arm}l{rest} {-rest}z"
    )


Outline = Callable[[float, float], str]


def _sized(shape: Callable[..., str], *sizes: float) -> Outline:
    return lambda x, y: shape(x, y, *sizes)


_RING = (_sized(_disc, 4.2), _sized(_disc, 2.7))
_HOLLOW_DIAMOND = (_sized(_diamond, 5.8), _sized(_diamond, 3.4))
_OUTLINES: Mapping[Kind, tuple[Outline, ...]] = {
    "found": (_sized(_box, 1.0, 7.0),),
    "skipped": _RING,
    "unplanned": _HOLLOW_DIAMOND,
    "whole": (_sized(_disc, 4.2),),
    "sample": (_sized(_disc, 4.2), _sized(_upper_half, 2.8)),
    "no": _RING,
    "changed": _HOLLOW_DIAMOND,
    "differs": (_sized(_cross, 5.2),),
    "missing": (_sized(_triangle, 6.4), _sized(_triangle, 2.6)),
    "kept": (_sized(_box, 3.8, 3.8),),
    "goes": (_sized(_box, 3.2, 3.2), _sized(_box, 2.3, 2.3)),
}
