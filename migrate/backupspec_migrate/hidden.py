"""Finds what only root sees in a source: `trusted.*` attributes, which an account neither stores nor misses."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import suppress

from backupspec_migrate.listing import left_out
from backupspec_migrate.plan import Import
from backupspec_migrate.scan import Root
from backupspec_migrate.seen_inodes import SeenInodes
from backupspec_migrate.view import View

_HIDDEN = "trusted."
_ACLS = frozenset({"trusted.SGI_ACL_FILE", "trusted.SGI_ACL_DEFAULT"})  # XFS shows each ACL to root a second time


class Hidden:
    """Looks into the snapshots of one tree, as root; each inode is asked once, however many snapshots share it.

    `trusted`: a folder's listing gives the inode numbers that stat gives. `walks`: how many snapshots there will be.
    """

    def __init__(self, view: View, walks: int, *, trusted: bool) -> None:
        self._view, self._walks, self._trusted = view, walks, trusted
        self._walk = 0
        self._seen: dict[int, SeenInodes] = {}
        self._with: set[tuple[int, int]] = set()

    def paths(self, one: Import) -> tuple[str, ...]:
        """Give the paths in an archive whose things have such attributes.

        What cannot be looked at is passed over: whoever compares the archive names it.
        """
        self._walk += 1
        return tuple(sorted(path for root in one.roots for path in self._below(one.slot, root)))

    def _below(self, slot: str, root: Root) -> Iterator[str]:
        """Walk without recursion: this process has the usual limits, and a tree may be deep."""
        pending = [("/".join(filter(None, (slot, root.location))), root.original, root.own)]
        with suppress(OSError), self._view.parent(pending[0][0]) as (parent, name):
            state = os.stat(name, dir_fd=parent, follow_symlinks=False)
            if not stat.S_ISDIR(state.st_mode) and self._has(parent, name, state.st_dev, state.st_ino):
                yield root.original
        while pending:
            place, path, own = pending.pop()
            if left_out(root, path):
                continue
            with suppress(OSError), self._view.parent(f"{place}/.") as (fd, itself):
                state = os.fstat(fd)
                if own and self._has(fd, itself, state.st_dev, state.st_ino):
                    yield path
                with os.scandir(fd) as entries:
                    for entry in entries:
                        below = f"{path}/{entry.name}" if path else entry.name
                        if entry.is_dir(follow_symlinks=False):
                            pending.append((f"{place}/{entry.name}", below, True))
                        elif not left_out(root, below) and self._entry_has(fd, entry, state.st_dev):
                            yield below

    def _entry_has(self, parent: int, entry: os.DirEntry[str], device: int) -> bool:
        if self._trusted:
            return self._has(parent, entry.name, device, entry.inode())
        state = entry.stat(follow_symlinks=False)
        return self._has(parent, entry.name, state.st_dev, state.st_ino)

    def _has(self, parent: int, name: str, device: int, inode: int) -> bool:
        seen = self._seen.get(device)
        if seen is None:
            seen = self._seen[device] = SeenInodes(self._walks)
        if not seen.meet(inode, self._walk) and _has_hidden(f"/proc/self/fd/{parent}/{name}"):
            self._with.add((device, inode))
        return (device, inode) in self._with


def _has_hidden(place: str) -> bool:
    try:
        names = os.listxattr(place, follow_symlinks=False)
    except OSError:
        return False
    return any(name.startswith(_HIDDEN) and name not in _ACLS for name in names)
