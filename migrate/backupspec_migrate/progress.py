"""Shows how far a migration is: a live line on a terminal, plain lines elsewhere, or one JSON object per line."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Literal, Protocol

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from backupspec_migrate.figures import shown


@dataclass(frozen=True, slots=True)
class Event:
    """One step. `entries` and `inodes`, `bytes` (read from the source) count within `archive`.

    `number` of `total` archives of one repository; `snapshot` is the folder that it is made of. `expected`: how many
    entries there are in all, 0 as long as nobody knows. An archive is done when it is committed, and the next ones may
    have started by then.
    """

    what: Literal["start", "advance", "done", "present", "failed", "differs"]
    repository: str
    archive: str
    number: int
    total: int
    entries: int = 0
    inodes: int = 0
    bytes: int = 0
    snapshot: str = ""
    expected: int = 0


_NEARLY = 0.99
_ENDS = frozenset({"done", "present", "failed", "differs"})


class Sink(Protocol):
    """Takes events as they come."""

    def __call__(self, event: Event) -> None:
        """Show one event."""


@contextmanager
def show_progress(*, log_json: bool) -> Iterator[Sink]:
    """Give what shows events: on standard error for people, on standard output as JSON."""
    console = Console(stderr=True)
    if log_json:
        yield _json_lines
    elif console.is_terminal:
        # Refreshed by hand: a thread of its own would make it unsafe to start the processes that do the work.
        with Progress(*_columns(), console=console, auto_refresh=False, transient=True) as bar:
            yield _Live(bar, console)
    else:
        yield _plain_line


def _columns() -> tuple[TextColumn | BarColumn, ...]:
    # Eighty columns are enough for all of it.
    return (
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=10),
        TextColumn("{task.fields[detail]}", markup=False),
    )


def _json_lines(event: Event) -> None:
    sys.stdout.write(json.dumps({"type": "progress", **asdict(event)}) + "\n")
    sys.stdout.flush()


def _plain_line(event: Event) -> None:
    if event.what in _ENDS:
        sys.stderr.write(_sentence(event) + "\n")


def _sentence(event: Event) -> str:
    head = f"[{event.number}/{event.total}] {event.archive}"
    if event.what == "present":
        return f"{head}  already there"
    if event.what == "failed":
        return f"{head}  NOT there"
    if event.what == "differs":
        return f"{head}  DIFFERS"
    entries = f"{event.entries:,} {'entry' if event.entries == 1 else 'entries'}"
    files = f"{event.inodes:,} {'file' if event.inodes == 1 else 'files'}"
    return f"{head}  {entries}, {files} read, {event.bytes / 1e6:,.1f} MB"


class _Live:
    """One bar for each repository that is worked on."""

    def __init__(self, bar: Progress, console: Console) -> None:
        self._bar, self._console = bar, console
        self._bars: dict[str, _Bar] = {}

    def __call__(self, event: Event) -> None:
        mine = self._bars.get(event.repository)
        if mine is None:
            mine = _Bar(self._bar.add_task("", total=event.total, detail=""))
            self._bars[event.repository] = mine
        if event.what == "start":
            mine.begin(time.monotonic())
        if event.what in _ENDS:
            self._console.print(_sentence(event), markup=False, highlight=False)
        if event.what in _ENDS and event.number < mine.number:
            return  # the bar is at a later one already
        mine.number = event.number
        part, detail = mine.take(event, time.monotonic())
        self._bar.update(
            mine.task,
            description=f"{event.archive.partition('_')[0]} {shown(event.snapshot)} {event.number}/{event.total}",
            completed=event.number - 1 + part,
            total=event.total,
            detail=detail,
        )
        if event.what in _ENDS and event.number == event.total:
            self._bar.remove_task(mine.task)
            del self._bars[event.repository]
        self._bar.refresh()


@dataclass(slots=True)
class _Bar:
    """What is known of the work on one repository. `before`: how long its last archive took, in seconds.

    A later archive most often takes as long as the one before it. The first of a series takes longer than any other,
    so what it foretells is the most that the rest can take.
    """

    task: TaskID
    number: int = 0
    started: float | None = None
    before: float | None = None
    through: int = 0

    def begin(self, now: float) -> None:
        """Take note that an archive starts; one that is not known to be done by now has taken until now."""
        self._ended(now)
        self.started = now

    def take(self, event: Event, now: float) -> tuple[float, str]:
        """Say how much of the archive at hand is through, from 0 to 1, and how fast it goes."""
        took = 0.001 if self.started is None else max(now - self.started, 0.001)
        if event.what in _ENDS:
            if event.what in {"done", "differs"}:
                self._ended(now)
            self.started = None
            part = 1.0
        else:
            part = min(event.entries / event.expected, _NEARLY) if event.expected else 0.0
        rest = took / part - took if part else None
        if rest is None and self.before is not None:
            rest = max(self.before - took, 0.0)
        left = "-:--:-- left"
        if rest is not None:
            later = (event.total - event.number) * (took + rest if self.before is None else self.before)
            most = "≤ " if self.through < 2 and later else ""  # noqa: PLR2004 - the first one says too much of the others
            left = f"{most}{timedelta(seconds=round(rest + later))} left"
        return part, f"{event.entries / took:,.0f} files/s, {event.bytes / 1e6:,.1f} MB, {left}"

    def _ended(self, now: float) -> None:
        if self.started is not None:
            self.before, self.through = max(now - self.started, 0.001), self.through + 1
