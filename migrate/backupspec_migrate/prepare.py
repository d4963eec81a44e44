"""Reads the configuration and the tree under rsnapshot's lock, and plans: the common beginning of every command."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from backupspec.catalogue import diagnose
from backupspec.diagnostic import Diagnostic, Diagnostics, Span, has_errors
from backupspec.pipeline import load_fleet
from backupspec_migrate.goals import Wish, goals_of, lies_here
from backupspec_migrate.layout import Layout, layout_of, layout_of_root
from backupspec_migrate.lock import complaint, hold, holder
from backupspec_migrate.plan import Choices, Plan, make_plan
from backupspec_migrate.rsnapshot_conf import read_configuration
from backupspec_migrate.scan import Folders, folders_of, scan
from backupspec_migrate.view import View, open_view

STOPPING = frozenset({"BS601", "BS602", "BS603", "BS604", "BS610", "BS614", "BS617", "BS618", "BS620", "BS661"})
"""Errors that concern everything; others concern one host or snapshot, and the rest is imported all the same."""


class StoppedError(Exception):
    """Nothing can be done; `found` says why."""

    def __init__(self, found: Diagnostics) -> None:
        super().__init__(len(found))
        self.found = found


@dataclass(frozen=True, slots=True)
class Request:
    """What the user asked for.

    `renames` maps folders in a snapshot to host names; `to` names a repository of the inventory.
    """

    source: Path
    inventory: Path | None
    to: str | None
    renames: dict[str, str]
    choices: Choices


@dataclass(frozen=True, slots=True)
class Prepared:
    """A plan, the tree that it is about, its snapshots as they stood then, and what was found on the way."""

    layout: Layout
    view: View
    plan: Plan
    folders: Folders
    found: Diagnostics


@contextmanager
def prepared(request: Request, *, lock: bool) -> Iterator[Prepared]:
    """Give the plan and an open view; StoppedError when there is nothing to go on with.

    With `lock` rsnapshot's lockfile is held from before the tree is looked at to the end of the block.
    """
    layout, found = _layout(request)
    lockfile = None if layout.lockfile is None else Path(layout.lockfile)
    there = None if lockfile is None else holder(lockfile)
    if lockfile is not None and there is not None:
        said = complaint(lockfile, there, stop_on_stale=layout.stop_on_stale_lockfile, place=layout.place)
        found = (*found, said)
        if lock and has_errors((said,)):
            raise StoppedError(found)
    choices, found = _choices(request, found)
    with ExitStack() as stack:
        try:
            stack.enter_context(hold(lockfile if lock else None))
        except OSError as error:
            message = f"{lockfile} cannot be taken: {error.strerror}"
            raise StoppedError((*found, diagnose("BS620", message, layout.place))) from error
        try:
            view = stack.enter_context(open_view(layout.root))
            scanned, said_of_tree = scan(layout, view, interrupted=there is not None and there.interrupted_rsnapshot)
        except OSError as error:
            place = Span(layout.root, 1, 1, 1, 1)
            message = f"{layout.root} cannot be read: {error.strerror}"
            raise StoppedError((*found, diagnose("BS610", message, place))) from error
        plan, said_of_plan = make_plan(scanned, choices)
        decided = tuple(one for one in said_of_tree if not (one.code == "BS616" and one.where in choices.skip))
        everything = (*found, *decided, *said_of_plan)
        if any(one.code in STOPPING and has_errors((one,)) for one in everything):
            raise StoppedError(everything)
        yield Prepared(layout, view, plan, folders_of(scanned.snapshots), everything)


def _layout(request: Request) -> tuple[Layout, tuple[Diagnostic, ...]]:
    if sys.getfilesystemencoding().lower() != "utf-8":
        place = Span("LC_ALL", 1, 1, 1, 1)
        message = f"file names are {sys.getfilesystemencoding()} here"
        raise StoppedError((diagnose("BS661", message, place, hint="set LC_ALL=C.UTF-8"),))
    if request.source.is_dir():
        return layout_of_root(os.path.realpath(request.source)), ()
    configuration, found = read_configuration(request.source)
    if configuration is None:
        raise StoppedError(found)
    layout, said = layout_of(configuration, request.renames)
    return layout, (*found, *said)


def _choices(request: Request, found: Diagnostics) -> tuple[Choices, Diagnostics]:
    if request.inventory is None:
        return request.choices, found
    folder = request.inventory if request.inventory.is_dir() else request.inventory.parent
    fleet, said = load_fleet(request.inventory)
    if fleet is None:
        raise StoppedError((*found, *(_placed(one, folder) for one in said)))
    wish = Wish(request.to, request.choices.job, request.choices.template)
    goals = {
        host: _placed(goal, folder) if isinstance(goal, Diagnostic) else goal
        for host, goal in goals_of(fleet, wish, lies_here).items()
    }
    return replace(request.choices, goals=goals), found


def _placed(found: Diagnostic, folder: Path) -> Diagnostic:
    """Name the inventory's files as the user would: the compiler names them relative to the inventory's folder."""
    return replace(found, span=replace(found.span, file=str(folder / found.span.file)))
