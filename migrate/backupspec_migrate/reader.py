"""Reads the snapshots of one series, the oldest first: each inode is read once, and what was known before only named.

It runs in a process of its own, ahead of the writer, and tells it what it found (`results`).
"""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator
from dataclasses import dataclass

from backupspec_migrate.known import Known, choose
from backupspec_migrate.listing import Listing, list_snapshot
from backupspec_migrate.look import Links, Looker, Steps, Within
from backupspec_migrate.plan import Import
from backupspec_migrate.read_ahead import give_back_memory
from backupspec_migrate.results import END, LEFT, LOST, SNAPSHOT, Result
from backupspec_migrate.rsync_leftover import is_left_by_the_run, is_rsync_leftover
from backupspec_migrate.view import View


@dataclass(frozen=True, slots=True)
class Reader:
    """How to read. `trusted`: a folder's listing gives the inode numbers that stat gives."""

    view: View
    looker: Looker
    trusted: bool

    def read(self, series: tuple[Import, ...]) -> Iterator[Result]:
        """Give the results of each import; nothing after the first that cannot be listed as a whole."""
        known: dict[str, Known] = {}
        for one in series:
            listing = list_snapshot(self.view, one.slot, one.roots, trusted=self.trusted)
            left = [] if one.accepted else self._left(one, listing)
            for path, why in listing.lost:
                yield LOST, path, why
            for path in left:
                yield LEFT, path
            yield SNAPSHOT, listing.entries
            if left or listing.lost:
                return
            known = yield from self._folders(one, listing, known)
            yield (END,)
            del listing
            give_back_memory()

    def _folders(
        self, one: Import, listing: Listing, before: dict[str, Known]
    ) -> Generator[Result, None, dict[str, Known]]:
        """Give the results of all folders; take each out of `before` as it is passed, so that only one is in memory."""
        now: dict[str, Known] = {}
        links = Links(listing.shared, {})
        listing.folders.reverse()
        with Steps(self.view) as steps:
            within = Within(one.slot, links, steps)
            while listing.folders:
                folder = listing.folders.pop()
                known = before.pop(folder.path, None)
                choice = choose(folder, known, listing.shared.get(folder.identity[0], frozenset()), links.masters)
                learned = yield from self.looker.look(folder, choice, known, within)
                if learned is not None:
                    now[folder.path] = learned
        return now

    def _left(self, one: Import, listing: Listing) -> list[str]:
        """Give the files that rsync left behind when it was killed: nothing above them may tell that it was."""
        return [
            os.fsdecode(folder.path_of(os.fsencode(name)))
            for folder in listing.folders
            if not folder.alone and (folder.names.startswith(b".") or b"\0." in folder.names)
            for name in map(os.fsdecode, folder.called())
            if is_rsync_leftover(name)
            and is_left_by_the_run(
                self.view,
                f"{folder.location(one.slot)}/{name}",
                None if one.before is None else f"{folder.location(one.before)}/{name}",
            )
        ]
