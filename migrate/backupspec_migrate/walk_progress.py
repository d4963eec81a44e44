"""Shows how far the walk of a scan is: a live line on a terminal, elsewhere one line for each series."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from backupspec_migrate.figures import counted, shown
from backupspec_migrate.survey import Report, Step


@contextmanager
def show_walk() -> Iterator[Report]:
    """Give what shows steps as they come; a terminal is left as it was."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield _PlainLines().show
        return
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), TextColumn("{task.fields[detail]}"))
    # Refreshed by hand: a step comes ten times a second at most, and no thread is left for what comes after.
    with Progress(*columns, console=console, auto_refresh=False, transient=True) as bar:
        task = bar.add_task("", total=None, detail="")

        def live(step: Step) -> None:
            detail = f"snapshot {step.number} of {step.total}, {step.entries:,} entries"
            done = step.number if step.ended else step.number - 1
            bar.update(task, description=shown(step.host), completed=done, total=step.total, detail=detail)
            bar.refresh()

        yield live


class _PlainLines:
    """One line for each series when it is through."""

    def __init__(self) -> None:
        self._before = 0

    def show(self, step: Step) -> None:
        if step.ended:
            own, self._before = step.entries - self._before, step.entries
            sys.stderr.write(f"{shown(step.host)}: {counted(step.total, 'snapshot')}, {own:,} entries\n")
