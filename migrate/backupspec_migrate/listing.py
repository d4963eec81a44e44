"""Lists what a snapshot holds before any of it is read: names and inodes, folder by folder, and hard links in it."""

from __future__ import annotations

import os
import stat
from array import array
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

    `shared`: by device, the inodes that have several names in this snapshot. `entries`: what the archive will have, and
    sockets, which it will not. `lost`: what could not be listed, its path on the host and why.
    """

    folders: list[Folder] = field(default_factory=list)
    shared: dict[int, frozenset[int]] = field(default_factory=dict)
    entries: int = 0
    lost: list[tuple[str, str]] = field(default_factory=list)


def list_snapshot(view: View, slot: str, roots: tuple[Root, ...], *, trusted: bool) -> Listing:
    """List all roots of a snapshot.

    `trusted`: a folder's listing gives the inode numbers that stat gives. rsnapshot links files across snapshots, so
    that a link count says nothing about one of them: names are counted.
    """
    listing = Listing()
    inodes: dict[int, array[int]] = {}
    for root in roots:
        lister = _Lister(view, root, listing, inodes, trusted=trusted)
        try:
            with view.parent(f"{slot}/{root.location}".rstrip("/")) as (parent, name):
                lister.start(name, parent)
        except OSError as error:
            lister.lost(root.original, error)
    listing.shared = {device: _doubles(numbers) for device, numbers in inodes.items()}
    return listing


def left_out(root: Root, path: str) -> bool:
    """Tell whether a path on the host, or a folder above it, belongs to another series."""
    return any(path == one or path.startswith(f"{one}/") for one in root.without)


@dataclass(frozen=True, slots=True)
class _Lister:
    """Lists one root into a listing; `inodes` are those of all roots, by device."""

    view: View
    root: Root
    listing: Listing
    inodes: dict[int, array[int]]
    trusted: bool

    def start(self, name: str, parent: int) -> None:
        state = os.stat(name, dir_fd=parent, follow_symlinks=False)
        path = self.root.original
        if left_out(self.root, path):
            return
        if stat.S_ISDIR(state.st_mode):
            self.folder(name, parent, path, own=self.root.own)
            return
        above = os.fstat(parent)
        inode = state.st_ino
        if state.st_dev != above.st_dev:
            self.elsewhere(state)
            inode = 0
        self.listing.entries += 1
        names, inodes = os.fsencode(name), _packed([inode])
        self.add(Folder(self.root, path, _identity(above), own=False, names=names, inodes=inodes, alone=True))

    def folder(self, name: str, parent: int, path: str, *, own: bool) -> None:
        fd = self.view.folder(name, parent)
        try:
            state = os.fstat(fd)
            with os.scandir(fd) as entries:
                if self.trusted:
                    listed = [(entry.name, entry.inode(), entry.is_dir(follow_symlinks=False)) for entry in entries]
                else:
                    looked = [(entry.name, entry.stat(follow_symlinks=False)) for entry in entries]
                    listed = [
                        (below, it.st_ino if it.st_dev == state.st_dev else 0, stat.S_ISDIR(it.st_mode))
                        for below, it in looked
                    ]
                    for _, it in looked:
                        if it.st_dev != state.st_dev and not stat.S_ISDIR(it.st_mode):
                            self.elsewhere(it)
                    del looked
            listed.sort()
            prefix = f"{path}/" if path else ""
            if self.root.without:
                listed = [one for one in listed if not left_out(self.root, prefix + one[0])]
            inodes = [inode for _, inode, is_folder in listed if not is_folder]
            names = os.fsencode("\0".join([below for below, _, is_folder in listed if not is_folder]))
            self.listing.entries += own + len(inodes)
            self.add(Folder(self.root, path, _identity(state), own, names, _packed(inodes)))
            folders = [below for below, _, is_folder in listed if is_folder]
            del listed, inodes, names
            for below in folders:
                try:
                    self.folder(below, fd, prefix + below, own=True)
                except OSError as error:
                    self.lost(prefix + below, error)
        finally:
            os.close(fd)

    def add(self, folder: Folder) -> None:
        self.listing.folders.append(folder)
        self.inodes.setdefault(folder.identity[0], array("Q")).frombytes(folder.inodes)

    def elsewhere(self, state: os.stat_result) -> None:
        self.inodes.setdefault(state.st_dev, array("Q")).append(state.st_ino)

    def lost(self, path: str, error: OSError) -> None:
        self.listing.lost.append((path, os.strerror(error.errno or 0)))


def _identity(state: os.stat_result) -> tuple[int, int, int]:
    return state.st_dev, state.st_ino, state.st_ctime_ns


def _packed(inodes: list[int]) -> bytes:
    return array("Q", inodes).tobytes()


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
        once.discard(0)  # what lies elsewhere
        for inode in part:
            if inode in once:
                once.discard(inode)
            elif inode:
                doubles.add(inode)
    return frozenset(doubles)
