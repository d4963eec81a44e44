"""Lists what a snapshot holds before any of it is read: names and inodes, folder by folder, and hard links in it."""

from __future__ import annotations

import os
import stat
from array import array
from collections.abc import Callable
from dataclasses import dataclass, field

from backupspec_migrate.scan import Root
from backupspec_migrate.view import View

_PART = 1 << 16  # inodes that are looked through for doubles at a time


@dataclass(frozen=True, slots=True)
class Folder:
    """One folder of a snapshot with all in it that is no folder, sorted by name.

    `path` is that in the archive ("" is the top), `inodes` holds 64 bits each: 0 for what lies on another device than
    the folder. `names` have a zero byte between them. `identity` is its device, inode and last change in nanoseconds.

    `alone`: not a folder but a root that is a single thing; it is called `path` in the archive, and its name is that of
    the root's location.
    """

    root: Root
    path: str
    identity: tuple[int, int, int]
    own: bool
    names: bytes
    inodes: bytes
    alone: bool = False

    def location(self, slot: str) -> str:
        """Give the folder's place below the snapshot root."""
        base = self.root.location
        if self.alone:
            return f"{slot}/{base}".rpartition("/")[0]
        below = self.path[len(self.root.original) :].strip("/")
        return "/".join(filter(None, (slot, base, below)))

    def called(self) -> list[bytes]:
        """Give the names in it, in their order."""
        return self.names.split(b"\0") if self.names else []

    def path_of(self, name: bytes) -> bytes:
        """Give an entry's path in the archive."""
        if self.alone:
            return os.fsencode(self.path)
        return os.fsencode(f"{self.path}/") + name if self.path else name


@dataclass(slots=True)
class Listing:
    """All folders in the order in which they are written, each before those in it.

    `shared`: by device, the inodes that have several names in this snapshot.
    """

    folders: list[Folder] = field(default_factory=list)
    shared: dict[int, frozenset[int]] = field(default_factory=dict)


def list_snapshot(
    view: View,
    slot: str,
    roots: tuple[Root, ...],
    *,
    trusted: bool,
    problem: Callable[[str, OSError], None],
) -> Listing:
    """List all roots of a snapshot; what cannot be listed is told to `problem` with its path on the host.

    rsnapshot links files across snapshots, so that a link count says nothing about one of them: names are counted.
    `trusted`: a folder's listing gives the inode numbers that stat gives.
    """
    work = _Lister(view, problem, trusted=trusted)
    for root in roots:
        work.root = root
        try:
            with view.parent(f"{slot}/{root.location}".rstrip("/")) as (parent, name):
                work.start(name, parent)
        except OSError as error:
            problem(root.original, error)
    return Listing(work.folders, {device: _doubles(inodes) for device, inodes in work.inodes.items()})


def left_out(root: Root, path: str) -> bool:
    """Tell whether a path on the host, or a folder above it, belongs to another series."""
    return any(path == one or path.startswith(f"{one}/") for one in root.without)


class _Lister:
    def __init__(self, view: View, problem: Callable[[str, OSError], None], *, trusted: bool) -> None:
        self.view, self.problem, self.trusted = view, problem, trusted
        self.folders: list[Folder] = []
        self.inodes: dict[int, array[int]] = {}
        self.root = Root("", "", numeric_ids=False)

    def start(self, name: str, parent: int) -> None:
        state = os.stat(name, dir_fd=parent, follow_symlinks=False)
        path = self.root.original
        if left_out(self.root, path):
            return
        if stat.S_ISDIR(state.st_mode):
            self.folder(name, parent, path, own=self.root.own)
            return
        above = os.fstat(parent)
        self.inodes.setdefault(state.st_dev, array("Q")).append(state.st_ino)
        inode = state.st_ino if state.st_dev == above.st_dev else 0
        identity = (above.st_dev, above.st_ino, above.st_ctime_ns)
        inodes = array("Q", (inode,)).tobytes()
        self.folders.append(Folder(self.root, path, identity, False, os.fsencode(name), inodes, alone=True))  # noqa: FBT003 - it stands between others

    def folder(self, name: str, parent: int, path: str, *, own: bool) -> None:
        fd = self.view.folder(name, parent)
        try:
            state = os.fstat(fd)
            with os.scandir(fd) as entries:
                listed = [
                    (entry.name, entry.inode(), entry.is_dir(follow_symlinks=False))
                    if self.trusted
                    else (entry.name, *self.look(entry, state.st_dev))
                    for entry in entries
                ]
            listed.sort()
            prefix = f"{path}/" if path else ""
            if self.root.without:
                listed = [one for one in listed if not left_out(self.root, prefix + one[0])]
            inodes = array("Q", [inode for _, inode, is_folder in listed if not is_folder])
            if self.trusted:
                self.inodes.setdefault(state.st_dev, array("Q")).extend(inodes)
            names = os.fsencode("\0".join([name for name, _, is_folder in listed if not is_folder]))
            identity = (state.st_dev, state.st_ino, state.st_ctime_ns)
            self.folders.append(Folder(self.root, path, identity, own, names, inodes.tobytes()))
            below = [name for name, _, is_folder in listed if is_folder]
            del listed, inodes, names
            for one in below:
                try:
                    self.folder(one, fd, prefix + one, own=True)
                except OSError as error:
                    self.problem(prefix + one, error)
        finally:
            os.close(fd)

    def look(self, entry: os.DirEntry[str], device: int) -> tuple[int, bool]:
        state = entry.stat(follow_symlinks=False)
        if stat.S_ISDIR(state.st_mode):
            return 0, True
        self.inodes.setdefault(state.st_dev, array("Q")).append(state.st_ino)
        return state.st_ino if state.st_dev == device else 0, False


def _doubles(inodes: array[int]) -> frozenset[int]:
    """Give the numbers that occur more than once; a part at a time, because a set takes ten times the memory."""
    count = len(inodes) // _PART + 1
    if count == 1:
        parts = [inodes]
    else:
        parts = [array("Q") for _ in range(count)]
        for inode in inodes:
            parts[inode % count].append(inode)
    doubles: set[int] = set()
    for part in parts:
        once = set(part)
        if len(once) == len(part):
            continue
        for inode in part:
            if inode in once:
                once.discard(inode)
            else:
                doubles.add(inode)
    return frozenset(doubles)
