"""Walks a snapshot for a comparison: every path that an archive must have, and what it is known by."""

from __future__ import annotations

import os
import stat
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from struct import pack

from backupspec_migrate.messages import LossKind
from backupspec_migrate.rsync_leftover import is_rsync_leftover
from backupspec_migrate.scan import Root
from backupspec_migrate.view import View

LATEST = 2_147_310_847 * 10**9  # nanoseconds: the last second that Borg 1 can hold, in January 2038


@dataclass(slots=True)
class Source:
    """What one snapshot has for one archive.

    `versions`: of each path the `version()` of what lies there. `links`: the paths of everything that has several names
    in this snapshot and that Borg holds as such. `lost`: what Borg cannot hold as it is. `leftovers`: files that are
    called like those that a killed rsync leaves.
    """

    versions: dict[str, bytes] = field(default_factory=dict)
    links: list[frozenset[str]] = field(default_factory=list)
    lost: dict[LossKind, list[str]] = field(
        default_factory=lambda: {"socket": [], "clamped time": [], "split symlink": []}
    )
    leftovers: list[str] = field(default_factory=list)


def version(state: os.stat_result) -> bytes:
    """Tell an inode and its state from all others: whatever changes in it or its bytes moves the time of change."""
    return pack("=QQq", state.st_dev, state.st_ino, state.st_ctime_ns)


def walk_source(view: View, slot: str, roots: tuple[Root, ...], unreadable: Callable[[str, OSError], None]) -> Source:
    """Look at everything in a snapshot that belongs to one archive; nothing but `stat` is taken for true.

    What cannot be looked at is told to `unreadable` with its path.
    """
    walk = _Walk(view, unreadable)
    for root in roots:
        location = "/".join(filter(None, (slot, root.location)))
        walk.without = frozenset(root.without)
        try:
            with view.parent(location) as (parent, name):
                state = os.stat(name, dir_fd=parent, follow_symlinks=False)
                walk.thing(root.original, name, parent, state, own=root.own)
        except OSError as error:
            unreadable(root.original, error)
    walk.settle_links()
    return walk.source


class _Walk:
    def __init__(self, view: View, unreadable: Callable[[str, OSError], None]) -> None:
        self.view, self.unreadable = view, unreadable
        self.source = Source()
        self.without: frozenset[str] = frozenset()
        self.symlinks: set[str] = set()  # with several names in the tree: few, unlike files
        self.folders: set[str] = set()

    def thing(self, path: str, name: str, parent: int, state: os.stat_result, *, own: bool) -> None:
        if path in self.without:
            return
        if stat.S_ISSOCK(state.st_mode):
            self.source.lost["socket"].append(path)
            return
        is_folder = stat.S_ISDIR(state.st_mode)
        if own or not is_folder:
            self.source.versions[path] = version(state)
            if not 0 <= state.st_mtime_ns <= LATEST:
                self.source.lost["clamped time"].append(path)
            if is_folder:
                self.folders.add(path)
            elif state.st_nlink > 1 and stat.S_ISLNK(state.st_mode):
                self.symlinks.add(path)
        if is_folder:
            try:
                self.below(path, name, parent)
            except OSError as error:
                self.unreadable(path, error)

    def below(self, path: str, name: str, parent: int) -> None:
        fd = self.view.folder(name, parent)
        try:
            with os.scandir(fd) as listed:
                entries = sorted(listed, key=_name)
            prefix = f"{path}/" if path else ""
            for entry in entries:
                try:
                    state = entry.stat(follow_symlinks=False)
                except OSError as error:
                    self.unreadable(prefix + entry.name, error)
                    continue
                self.thing(prefix + entry.name, entry.name, fd, state, own=True)
                if entry.name[0] == "." and is_rsync_leftover(entry.name) and prefix + entry.name not in self.without:
                    self.source.leftovers.append(prefix + entry.name)
        finally:
            os.close(fd)

    def settle_links(self) -> None:
        """Find what has several names: link counts do not tell, because snapshots share files with one another."""
        versions = self.source.versions
        shared = {one for one, count in Counter(versions.values()).items() if count > 1}
        if not shared:
            return
        names: dict[bytes, list[str]] = {}
        for path, one in versions.items():
            if one in shared:
                names.setdefault(one, []).append(path)
        for paths in names.values():
            if paths[0] in self.symlinks:
                self.source.lost["split symlink"] += paths[1:]
            elif paths[0] not in self.folders:  # one that is mounted in two places has no second link
                self.source.links.append(frozenset(paths))


def _name(entry: os.DirEntry[str]) -> str:
    return entry.name
