"""Drafts a plan for an open tree: an inventory says the goals, and what was found becomes archives and skips."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from backupspec.diagnostic import Diagnostic, Diagnostics
from backupspec.pipeline import load_fleet
from backupspec_migrate.coverage import uncovered
from backupspec_migrate.draft import Choices, draft
from backupspec_migrate.goals import Wish, goals_of, lies_here, shares_of
from backupspec_migrate.outside import borg_in_the_tree, repositories_in_the_tree
from backupspec_migrate.plan_document import PlannedSource
from backupspec_migrate.prepare import Prepared, StoppedError, Tree, stop
from backupspec_migrate.read_back import read_back
from backupspec_migrate.settle import settle
from backupspec_migrate.split import split


@dataclass(frozen=True, slots=True)
class Request:
    """What the user asked for beside the tree.

    `inventory` says jobs and repositories; `to` names one of its repositories; `split` divides a history by path.
    """

    inventory: Path | None
    to: str | None
    choices: Choices
    split: bool = False


def drafted(tree: Tree, file: str, source: PlannedSource, request: Request) -> tuple[Prepared, Diagnostics]:
    """Draft a plan for an open tree; StoppedError when nothing at all can be planned.

    The findings are those of the tree, too.
    """
    goals, shares, choices = {}, {}, request.choices
    if request.inventory is not None:
        folder = request.inventory if request.inventory.is_dir() else request.inventory.parent
        fleet, said = load_fleet(request.inventory)
        if fleet is None:
            raise StoppedError((*tree.found, *(_placed(one, folder) for one in said)))
        wish = Wish(request.to, choices.job, choices.template, request.split)
        goals = {
            host: _placed(goal, folder) if isinstance(goal, Diagnostic) else goal
            for host, goal in goals_of(fleet, wish, lies_here).items()
        }
        shares = shares_of(fleet) if request.split else {}
        choices = replace(choices, goals=goals)
    decided = tuple(one for one in tree.found if not (one.code == "BS616" and one.where in choices.skip))
    scanned, said_of_split = split(tree.scanned, shares, tree.view)
    document, said_of_draft = draft(file, source, scanned, choices)
    settled, said_of_plan = settle(document, scanned)
    into = (*repositories_in_the_tree(document), *borg_in_the_tree(source.root))
    everything = (*decided, *said_of_split, *said_of_draft, *said_of_plan, *into)
    stop(everything)
    if unreadable := read_back(document, choices):
        raise StoppedError((*everything, *unreadable))
    # A path that lies in no job's is in the tree all the same: who reports on this very draft must see it, too.
    partly = uncovered(document, tree.scanned, dict(settled.now_at), tree.view)
    settled = replace(settled, unplanned=(*settled.unplanned, *partly))
    return Prepared(replace(tree, scanned=scanned), document, settled), everything


def _placed(found: Diagnostic, folder: Path) -> Diagnostic:
    """Name the inventory's files as the user would: the compiler names them relative to the inventory's folder."""
    return replace(found, span=replace(found.span, file=str(folder / found.span.file)))
