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
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn


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
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed}/{task.total}"),
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
    return f"{head}  {event.entries:,} entries, {event.inodes:,} files read, {event.bytes / 1e6:,.1f} MB"


class _Live:
    """One bar per repository."""

    def __init__(self, bar: Progress, console: Console) -> None:
        self._bar, self._console = bar, console
        self._task = bar.add_task("", total=None, detail="")
        self._repository = ""
        self._started = time.monotonic()

    def __call__(self, event: Event) -> None:
        if event.repository != self._repository:
            self._repository = event.repository
            self._bar.reset(self._task, total=event.total)
        if event.what == "start":
            self._started = time.monotonic()
        if event.what in _ENDS:
            self._console.print(_sentence(event), markup=False, highlight=False)
        rate = event.entries / max(time.monotonic() - self._started, 0.001)
        detail = f"{event.entries:,} entries, {rate:,.0f}/s, {event.bytes / 1e6:,.1f} MB read"
        completed = event.number - (event.what in {"start", "advance"})
        self._bar.update(self._task, description=event.archive, completed=completed, total=event.total, detail=detail)
        self._bar.refresh()
