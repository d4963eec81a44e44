"""Opens a tree under rsnapshot's lock and looks at it: the common beginning of every command."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from backupspec.catalogue import diagnose
from backupspec.diagnostic import Diagnostics, Span, has_errors
from backupspec_migrate.coverage import uncovered
from backupspec_migrate.identity import utc
from backupspec_migrate.layout import Layout
from backupspec_migrate.lock import Holder, complaint, hold, holder
from backupspec_migrate.outside import borg_in_the_tree, is_in_the_tree, lies_in, repositories_in_the_tree
from backupspec_migrate.plan_document import PlanDocument
from backupspec_migrate.scan import Folders, Scan, folders_of, scan
from backupspec_migrate.settle import Settled, settle
from backupspec_migrate.view import View, open_view

STOPPING = frozenset(
    {
        *("BS601", "BS602", "BS603", "BS604", "BS610", "BS614", "BS617", "BS618", "BS620", "BS635", "BS661"),
        *("BS691", "BS694"),
    }
)
"""Errors that concern everything; others concern one host or snapshot, and the rest is imported all the same."""


_NAMED = 3  # of what is forgotten


class StoppedError(Exception):
    """Nothing can be done; `found` says why."""

    def __init__(self, found: Diagnostics) -> None:
        super().__init__(len(found))
        self.found = found


@dataclass(frozen=True, slots=True)
class Tree:
    """An open tree as it stands now, and what was found on the way. `lock` says who held rsnapshot's lock before."""

    layout: Layout
    view: View
    scanned: Scan
    folders: Folders
    lock: Holder | None
    found: Diagnostics


@dataclass(frozen=True, slots=True)
class Prepared:
    """A plan and the open tree that it is about."""

    tree: Tree
    document: PlanDocument
    settled: Settled

    @property
    def outside_of_the_tree(self) -> Prepared:
        """Give it without the repositories in the tree: even who only looks at one writes a lock into it."""
        work, root = self.settled.plan, self.document.source.root
        targets = tuple(one for one in work.targets if not is_in_the_tree(one.repository, root))
        return replace(self, settled=replace(self.settled, plan=replace(work, targets=targets)))


@contextmanager
def opened(layout: Layout, found: Diagnostics, *, lock: bool) -> Iterator[Tree]:
    """Give the tree, open and scanned; StoppedError when it cannot be read or somebody works on it.

    With `lock` rsnapshot's lockfile is held from before the tree is looked at to the end of the block; one that lies in
    the tree itself is not, since nothing is written there.
    """
    lockfile = None if layout.lockfile is None else Path(layout.lockfile)
    try:
        there = None if lockfile is None else holder(lockfile)
    except OSError as error:
        message = f"{lockfile} is no lockfile that can be read: {error.strerror}"
        raise StoppedError((*found, diagnose("BS620", message, layout.place))) from error
    if lockfile is not None and there is not None:
        said = complaint(lockfile, there, stop_on_stale=layout.stop_on_stale_lockfile, place=layout.place)
        found = (*found, said)
        if lock and has_errors((said,)):
            raise StoppedError(found)
    inside = lock and lockfile is not None and lies_in(lockfile, layout.root)
    if inside:
        message = f"{lockfile} lies in the tree, so it is not taken: rsnapshot could rotate while the tree is read"
        hint = "make sure that no rsnapshot starts meanwhile, or set another `lockfile` in rsnapshot.conf"
        found = (*found, diagnose("BS622", message, layout.place, hint=hint))
    with ExitStack() as stack:
        try:
            stack.enter_context(hold(lockfile if lock and not inside else None))
        except OSError as error:
            message = f"{lockfile} cannot be taken: {error.strerror}"
            raise StoppedError((*found, diagnose("BS620", message, layout.place))) from error
        try:
            view = stack.enter_context(open_view(layout.root))
            scanned, said_of_tree = scan(layout, view, interrupted=there is not None and there.interrupted_rsnapshot)
        except OSError as error:
            place = Span(layout.root, 1, 1, 1, 1)
            message = f"{layout.root} cannot be read: {error.strerror}"
            hint = "is its disk mounted?" if isinstance(error, FileNotFoundError) else ""
            raise StoppedError((*found, diagnose("BS610", message, place, hint=hint))) from error
        everything = (*found, *said_of_tree)
        if lock:
            stop(everything)
        yield Tree(layout, view, scanned, folders_of(scanned.snapshots), there, everything)


def resumed(
    tree: Tree, document: PlanDocument, hosts: frozenset[str] | None, *, only_look: bool = False
) -> tuple[Prepared, Diagnostics]:
    """Bring a plan that was read together with the tree; StoppedError when nothing of it can be done.

    With `hosts` only their series are worked on; what the plan does not speak of is said of all. A repository in the
    tree stops everything but a look, for which it is one more thing that is wrong with the tree.
    """
    if document.source.root != tree.layout.root:
        message = f"the plan is about {document.source.root}, and its configuration says {tree.layout.root} now"
        raise StoppedError((diagnose("BS694", message, Span(document.file, 1, 1, 1, 1), hint="plan again"),))
    if document.source.layout != tree.layout.naming.kind:
        message = (
            f"the plan is about a tree of the layout {document.source.layout}, and this is {tree.layout.naming.kind}"
        )
        raise StoppedError((diagnose("BS694", message, Span(document.file, 1, 1, 1, 1), hint="plan again"),))
    repositories = repositories_in_the_tree(document)
    if into := (*(() if only_look else repositories), *borg_in_the_tree(tree.layout.root)):
        raise StoppedError(into)
    tree = replace(tree, found=(*tree.found, *repositories))
    whole, found = settle(document, tree.scanned)
    partly = uncovered(document, tree.scanned, dict(whole.now_at), tree.view)
    settled = whole
    if hosts is not None:
        document = replace(document, series=tuple(one for one in document.series if one.host in hosts))
        settled, found = settle(document, tree.scanned)
    stop(found)
    settled = replace(settled, unplanned=(*whole.unplanned, *partly))
    return Prepared(tree, document, settled), (*found, *_forgotten(settled, document))


def _forgotten(settled: Settled, document: PlanDocument) -> Diagnostics:
    """Say once what the plan does not speak of: snapshots that are newer, lines that somebody took away."""
    if not settled.unplanned:
        return ()
    first = [f"{one.folder} ({utc(one.time)})" for one in settled.unplanned[:_NAMED]]
    more = f" and {len(settled.unplanned) - _NAMED} more" if len(settled.unplanned) > _NAMED else ""
    message = f"the plan neither imports nor skips {', '.join(first)}{more}"
    hint = "plan again for what is new, or say in `skip` why it stays out: until then the old tree may not be retired"
    return (diagnose("BS697", message, Span(document.file, 1, 1, 1, 1), hint=hint),)


def stop(found: Diagnostics) -> None:
    """Raise StoppedError where one of them concerns everything."""
    if any(one.code in STOPPING and has_errors((one,)) for one in found):
        raise StoppedError(found)
