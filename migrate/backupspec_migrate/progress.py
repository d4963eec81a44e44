"""Shows how far a migration is: a live line on a terminal, plain lines elsewhere, or one JSON object per line."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Literal, Protocol

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn


@dataclass(frozen=True, slots=True)
class Event:
    """One step. `entries` and `inodes`, `bytes` (read from the source) count within `archive`.

    `number` of `total` archives of one repository.
    """

    what: Literal["start", "advance", "done", "present", "failed", "differs"]
    repository: str
    archive: str
    number: int
    total: int
    entries: int = 0
    inodes: int = 0
    bytes: int = 0


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


def _columns() -> tuple[TextColumn | BarColumn | TimeRemainingColumn, ...]:
    return (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.fields[detail]}"),
        TimeRemainingColumn(),
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
    """One bar for each repository that is worked on.

    An archive counts as through in the measure of the one before it, which most often has about as many entries; so the
    time left is known from the second archive on.
    """

    def __init__(self, bar: Progress, console: Console) -> None:
        self._bar, self._console = bar, console
        self._bars: dict[str, _Bar] = {}

    def __call__(self, event: Event) -> None:
        mine = self._bars.get(event.repository)
        if mine is None:
            mine = _Bar(self._bar.add_task("", total=event.total, detail=""))
            self._bars[event.repository] = mine
        if event.what == "start":
            mine.started = time.monotonic()
        if event.what in _ENDS:
            self._console.print(_sentence(event), markup=False, highlight=False)
        self._bar.update(
            mine.task,
            description=event.archive,
            completed=event.number - 1 + mine.part(event),
            total=event.total,
            detail=mine.detail(event),
        )
        if event.what in _ENDS and event.number == event.total:
            self._bar.remove_task(mine.task)
            del self._bars[event.repository]
        self._bar.refresh()


@dataclass(slots=True)
class _Bar:
    task: TaskID
    started: float = 0.0
    before: int = 0

    def part(self, event: Event) -> float:
        """Say how much of the archive at hand is through, from 0 to 1."""
        if event.what in _ENDS:
            self.before = event.entries or self.before
            return 1.0
        return min(event.entries / self.before, _NEARLY) if self.before else 0.0

    def detail(self, event: Event) -> str:
        rate = event.entries / max(time.monotonic() - self.started, 0.001)
        share = f"[{event.number}/{event.total}]"
        return f"{share} {event.entries:,} entries, {rate:,.0f}/s, {event.bytes / 1e6:,.1f} MB read"
