"""Looks at what is new in a folder: attributes and bytes, cut, named and compressed, ready to be stored."""

from __future__ import annotations

import os
import stat
from array import array
from collections.abc import Callable, Generator, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Self, TypeAlias

from borg.archive import cached_hash
from borg.helpers import safe_ns

from backupspec_migrate.item import make_item, pack, pack_around_chunks
from backupspec_migrate.known import LOOK, Choice, Known, Learning, Link, Masters
from backupspec_migrate.listing import Folder
from backupspec_migrate.plan import CHUNKER
from backupspec_migrate.repository import BorgObject
from backupspec_migrate.results import CHUNK, FILE, FOLDER, ITEM, PROBLEM, SOCKET, Result
from backupspec_migrate.view import View

_ONE_CHUNK = 1 << CHUNKER[1]  # a file shorter than the chunker's minimum is one chunk
_REPLACED, _CHANGED = "it was replaced while it was read", "it changed while it was read"

_Looked: TypeAlias = Generator[Result, None, Link | None]
"""Results, and what an entry turned out to be; None: nothing that has an item."""


@dataclass(frozen=True, slots=True)
class Looker:
    """How to look: `chunker`, `id_hash` and `compress` are those of the repository."""

    view: View
    chunker: BorgObject
    id_hash: Callable[[BorgObject], bytes]
    compress: Callable[[BorgObject], bytes]

    def look(
        self, folder: Folder, choice: Choice, known: Known | None, within: Within
    ) -> Generator[Result, None, Known | None]:
        """Give a folder and what the choice wants looked at; then what is known of it: None if it could not be read."""
        try:
            fd = within.steps.open(folder.location(within.slot))
            state = os.fstat(fd)
            if (state.st_dev, state.st_ino, state.st_ctime_ns) != folder.identity:
                yield PROBLEM, folder.path, _CHANGED
                return None
            packed = clamped = None
            if folder.own:
                path = os.fsencode(folder.path or ".")
                packed = pack(make_item(path, state, fd, numeric=folder.root.numeric_ids))
                clamped = _clamped(state, os.fsencode(folder.path))
        except OSError as error:
            yield PROBLEM, folder.path, _why(error)
            return None
        yield FOLDER, folder.path, packed, clamped, None if choice is None else choice.tobytes()
        if choice is None:
            return known
        learning = Learning(folder, known)
        inodes = array("Q", folder.inodes)
        names = folder.called()
        at = 0
        for start, stop in zip(choice[::2], choice[1::2], strict=True):
            if start != LOOK:
                learning.again(start, stop)
                at += stop - start
                continue
            for number in range(at, at + stop):
                try:
                    link = yield from self._entry(fd, names[number], folder, inodes[number], within.links)
                except OSError as error:
                    yield _problem(folder.path_of(names[number]), _why(error))
                    link = None
                learning.looked(number, link)
            at += stop
        return learning.known()

    def _entry(self, parent: int, name: bytes, folder: Folder, inode: int, links: Links) -> _Looked:
        called = os.fsdecode(name)
        state = os.stat(called, dir_fd=parent, follow_symlinks=False)
        path = folder.path_of(name)
        if inode not in {0, state.st_ino} or stat.S_ISDIR(state.st_mode):
            yield _problem(path, _REPLACED)
            return None
        if stat.S_ISSOCK(state.st_mode):
            yield SOCKET, os.fsdecode(path)
            return None
        link: Link = "single" if stat.S_ISLNK(state.st_mode) else links.of(state, path)
        if stat.S_ISREG(state.st_mode) and link != "further":
            return (yield from self._file(parent, name, folder, state, link))
        item = make_item(path, state, f"/proc/self/fd/{parent}/{called}", numeric=folder.root.numeric_ids)
        if stat.S_ISLNK(state.st_mode):
            item["source"] = os.fsencode(os.readlink(called, dir_fd=parent))
        else:
            if stat.S_ISBLK(state.st_mode) or stat.S_ISCHR(state.st_mode):
                item["rdev"] = state.st_rdev
            if link == "further":
                item["source"] = links.masters[state.st_dev, state.st_ino]
            else:
                item["hardlink_master"] = link == "first"
        yield ITEM, pack(item), _clamped(state, path)
        return link

    def _file(self, parent: int, name: bytes, folder: Folder, state: os.stat_result, link: Link) -> _Looked:
        path = folder.path_of(name)
        fd = self.view.file(os.fsdecode(name), parent)
        try:
            opened = os.fstat(fd)
            if (opened.st_dev, opened.st_ino) != (state.st_dev, state.st_ino):
                yield _problem(path, _REPLACED)
                return None
            item = make_item(path, opened, fd, numeric=folder.root.numeric_ids)
            size = 0
            for chunk_id, data in self._content(fd, opened.st_size):
                size += len(data)
                yield CHUNK, chunk_id, len(data), self.compress(data)
            after = os.fstat(fd)
        finally:
            os.close(fd)
        if size != opened.st_size or _version(after) != _version(opened):
            yield _problem(path, _CHANGED)
            return None
        item["size"] = size
        item["hardlink_master"] = link == "first"
        head, tail = pack_around_chunks(item)
        yield FILE, head, tail, size, _clamped(opened, path)
        return link

    def _content(self, fd: int, size: int) -> Iterator[tuple[bytes, BorgObject]]:
        if size < _ONE_CHUNK:
            data = _read_all(fd, size)
            if data:
                yield self.id_hash(data), data
            return
        for chunk in self.chunker.chunkify(None, fd):
            yield cached_hash(chunk, self.id_hash)


@dataclass(frozen=True, slots=True)
class Links:
    """Which things have several names within the snapshot."""

    shared: dict[int, frozenset[int]]
    masters: Masters

    def of(self, state: os.stat_result, path: bytes) -> Link:
        """Tell what a name is of the thing that has it."""
        if state.st_ino not in self.shared.get(state.st_dev, ()):
            return "single"
        return "first" if self.masters.setdefault((state.st_dev, state.st_ino), path) == path else "further"


@dataclass(frozen=True, slots=True)
class Within:
    """The snapshot whose folders are looked at, one after the other."""

    slot: str
    links: Links
    steps: Steps


class Steps:
    """Opens one folder after the other without following a link, and keeps those open that lead to it."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._names: list[str] = []
        self._fds: list[int] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._back(0)

    def open(self, place: str) -> int:
        """Give a descriptor of the folder at `place`, which is good until the next one is opened."""
        names = place.split("/")
        common = 0
        for old, new in zip(self._names, names, strict=False):
            if old != new:
                break
            common += 1
        self._back(common)
        for name in names[common:]:
            self._fds.append(self._view.folder(name, self._fds[-1] if self._fds else self._view.fd))
            self._names.append(name)
        return self._fds[-1]

    def _back(self, depth: int) -> None:
        while len(self._fds) > depth:
            self._names.pop()
            with suppress(OSError):
                os.close(self._fds.pop())


def _problem(path: bytes, why: str) -> Result:
    return PROBLEM, os.fsdecode(path), why


def _clamped(state: os.stat_result, path: bytes) -> str | None:
    return None if safe_ns(state.st_mtime_ns) == state.st_mtime_ns else os.fsdecode(path)


def _version(state: os.stat_result) -> tuple[int, int, int]:
    return state.st_size, state.st_mtime_ns, state.st_ctime_ns


def _why(error: OSError) -> str:
    return os.strerror(error.errno or 0)


def _read_all(fd: int, size: int) -> bytes:
    """Read to the end of the file, which is expected after `size` bytes."""
    data = os.read(fd, size + 1)
    if len(data) == size:
        return data  # asked for more and got less: the end
    pieces = [data]
    while piece := os.read(fd, _ONE_CHUNK):
        pieces.append(piece)
    return b"".join(pieces)
