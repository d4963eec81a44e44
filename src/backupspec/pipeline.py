"""The driver: runs the stages in their order and stops at a boundary where one of them found an error."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from backupspec.accept import accepted, unused
from backupspec.analyse import analyse
from backupspec.analyse.systemd import ask_systemd, calendars, refused_calendars
from backupspec.bind import bind
from backupspec.check import check
from backupspec.diagnostic import Diagnostics, Span, has_errors
from backupspec.document import Document
from backupspec.fleet import Fleet
from backupspec.inventory import Inventory
from backupspec.plan import plan
from backupspec.read import read
from backupspec.render import render
from backupspec.resolve import resolve
from backupspec.source import Sources
from backupspec.tree import Tree


@dataclass(frozen=True, slots=True)
class Compiled:
    """How far a compile came: what a stage made is None from the first stage on that found an error.

    `diagnostics` are without what the inventory accepts. `folder` is that of the root file, `sources` are all texts
    read, for whoever shows places.
    """

    folder: Path
    sources: Sources
    diagnostics: Diagnostics
    document: Document | None = None
    inventory: Inventory | None = None
    fleet: Fleet | None = None
    tree: Tree | None = None

    @property
    def paths(self) -> tuple[Path, ...]:
        """Give every file that was read."""
        return tuple(self.folder / source.name for source in self.sources)

    @property
    def hosts_place(self) -> Span:
        """Give the place where the root file lists its hosts, or else its beginning."""
        entry = self.document.root.entry("hosts") if self.document else None
        if entry is not None:
            return entry.key_span
        return Span(self.sources[0].name if self.sources else str(self.folder), 1, 1, 1, 1)

    def accepted(self, found: Diagnostics) -> Diagnostics:
        """Give the findings without those that the inventory accepts; no date is judged."""
        return accepted(found, self.inventory.accepts if self.inventory else ())


def load_fleet(path: Path) -> tuple[Fleet | None, Diagnostics]:
    """Read an inventory up to the resolved fleet, for programs that need no output; None with at least one error."""
    run = _loaded(path)
    return run.fleet, _kept(run, None)


def compile_inventory(path: Path, today: str | None = None) -> Compiled:
    """Run all stages but diff and write. `today` is an ISO date by which `until` of acceptances is judged."""
    run = _loaded(path)
    if run.fleet is None:
        return _with(run, _kept(run, today))
    refused = ask_systemd(calendars(run.fleet))
    found = [*run.diagnostics, *analyse(run.fleet), *refused_calendars(run.fleet, refused)]
    if has_errors(tuple(found)):
        return _with(run, _kept(_with(run, tuple(found)), today))
    planned, more = plan(run.fleet)
    found.extend(more)
    tree = None
    if not has_errors(more):
        tree, more = render(planned)
        found.extend(more)
    complete = _with(run, tuple(found))
    accepts = run.inventory.accepts if run.inventory else ()
    last = _ordered(run, (*_kept(complete, today), *unused(found, accepts)))
    return _with(run, last, None if has_errors(last) else tree)


def _loaded(path: Path) -> Compiled:
    reading, found = read(path)
    run = Compiled(reading.folder, reading.sources, found, reading.document)
    if reading.document is None:
        return run
    found = (*found, *check(reading.document))
    if has_errors(found):
        return _with(run, found)
    inventory, more = bind(reading.document)
    found = (*found, *more)
    run = Compiled(run.folder, run.sources, found, reading.document, inventory)
    if has_errors(found):
        return run
    fleet, more = resolve(inventory)
    found = (*found, *more)
    return Compiled(run.folder, run.sources, found, reading.document, inventory, None if has_errors(found) else fleet)


def _with(run: Compiled, found: Diagnostics, tree: Tree | None = None) -> Compiled:
    return Compiled(run.folder, run.sources, found, run.document, run.inventory, run.fleet, tree)


def _kept(run: Compiled, today: str | None) -> Diagnostics:
    return _ordered(run, accepted(run.diagnostics, run.inventory.accepts if run.inventory else (), today))


def _ordered(run: Compiled, found: Diagnostics) -> Diagnostics:
    """Give findings of all stages by place: files in the order in which they were read, then line and column."""
    order = {source.name: number for number, source in enumerate(run.sources)}
    return tuple(sorted(found, key=lambda each: (order.get(each.span.file, len(order)), each.span)))
