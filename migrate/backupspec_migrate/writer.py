"""Writes snapshots into an open repository.

Each inode is read, cut and stored once, later snapshots only refer to it.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial

from borg.archive import Archive, cached_hash
from borg.chunker import get_chunker
from borg.helpers import msgpack, safe_ns

from backupspec.catalogue import diagnose
from backupspec.diagnostic import Diagnostic, Span
from backupspec_migrate.identity import comment
from backupspec_migrate.item import make_item, pack_around_path
from backupspec_migrate.memo import Known, Memo
from backupspec_migrate.plan import CHUNKER, Import
from backupspec_migrate.repository import BorgObject, Session
from backupspec_migrate.scan import Root
from backupspec_migrate.view import View

_ONE_CHUNK = 1 << CHUNKER[1]  # a file shorter than the chunker's minimum is one chunk
_MANY = 100  # problems named in one snapshot
_REPORT_EVERY = 0.1  # seconds


class IncompleteError(Exception):
    """A snapshot that could not be read as a whole; `found` names what is missing. No archive was made."""

    def __init__(self, found: tuple[Diagnostic, ...]) -> None:
        super().__init__(f"{len(found)} problems")
        self.found = found


class StorageError(Exception):
    """The repository could not take what was written: nothing to do with the file at hand, and the end of the run."""


@dataclass(slots=True)
class Tally:
    """What one snapshot took.

    Entries written, inodes and bytes read from the source, and what Borg cannot hold (paths).
    """

    entries: int = 0
    inodes_read: int = 0
    bytes_read: int = 0
    sockets: list[str] = field(default_factory=list)
    clamped: list[str] = field(default_factory=list)


class Writer:
    """Writes the imports of one series, the oldest first; the memo goes from one to the next."""

    def __init__(self, session: Session, view: View, *, trusted: bool) -> None:
        chunker = get_chunker(*CHUNKER, seed=session.key.chunk_seed, sparse=False)
        self._tools = _Tools(session, view, Memo(), msgpack.Packer(), chunker, trusted)

    def write(self, one: Import, still_there: Callable[[], bool], report: Callable[[Tally], None]) -> Tally:
        """Write one archive and commit it.

        IncompleteError when anything could not be read, or the tree changed meanwhile.

        `still_there` is asked before the archive gets its name; `report` is told how far it is.
        """
        self._tools.memo.next_snapshot()
        session = self._tools.session
        if not session.cache.txn_active:
            session.cache.begin_txn()
        archive = Archive(
            session.repository,
            session.key,
            session.manifest,
            one.archive,
            cache=session.cache,
            create=True,
            noatime=True,
            noctime=True,
            chunker_params=CHUNKER,
        )
        work = _Snapshot(one, archive, self._tools, report)
        work.run()
        if not still_there():
            message = "snapshots were rotated, added or removed while it was read"
            work.problems.append(
                diagnose("BS623", message, Span(f"{one.identity.source}/{one.slot}", 1, 1, 1, 1), where=one.archive)
            )
        if work.problems:
            raise IncompleteError(tuple(work.problems))
        when = datetime.fromtimestamp(one.identity.time, UTC).replace(tzinfo=None)
        # An archive of the past: nothing in it tells of the machine and the minute of the migration.
        about = {
            "hostname": one.host,
            "time_end": when.strftime("%Y-%m-%dT%H:%M:%S.%f"),
            "cmdline": ["backupspec", "migrate"],
            "cwd": "/",
        }
        archive.save(comment=comment(one.identity, one.slot), timestamp=when, additional_metadata=about)
        return work.tally


@dataclass(frozen=True, slots=True)
class _Tools:
    """What all walks of one series share."""

    session: Session
    view: View
    memo: Memo
    packer: BorgObject
    chunker: BorgObject
    trusted: bool


class _Snapshot:
    """The walk of one snapshot."""

    def __init__(self, one: Import, archive: BorgObject, tools: _Tools, report: Callable[[Tally], None]) -> None:
        self.one, self.archive, self.report = one, archive, report
        self.session, self.view, self.memo, self.trusted = tools.session, tools.view, tools.memo, tools.trusted
        self.packer, self.chunker = tools.packer, tools.chunker
        self.tally, self.problems = Tally(), []  # type: tuple[Tally, list[Diagnostic]]
        self.shared: dict[int, set[int]] = {}
        self.masters: dict[tuple[int, int], str] = {}
        self.numeric = False
        self.reported = time.monotonic()

    def run(self) -> None:
        """Count links within the snapshot, then write all roots."""
        seen: dict[int, set[int]] = {}
        for root in self.one.roots:
            self._at(root, partial(self._count, root.original, seen))
        for root in () if self.problems else self.one.roots:
            self.numeric = root.numeric_ids
            self._at(root, partial(self._any, root.original, own=root.own))

    def _at(self, root: Root, visit: Callable[[str, int], None]) -> None:
        try:
            with self.view.parent(self._inside(root.location)) as (parent, name):
                visit(name, parent)
        except OSError as error:
            self._problem(root.original, error)

    def _inside(self, location: str) -> str:
        return f"{self.one.slot}/{location}".rstrip("/")

    def _problem(self, path: str, error: OSError | str) -> None:
        if len(self.problems) < _MANY:
            why = error if isinstance(error, str) else os.strerror(error.errno or 0)
            place = Span(f"{self.one.identity.source}/{self.one.slot}", 1, 1, 1, 1)
            message = f"/{path} of {self.one.host} cannot be read: {why}"
            self.problems.append(
                diagnose("BS640", message, place, hint=f"{self.one.archive} was not made", where=self.one.archive)
            )

    # --- first pass: which inodes have several names within this snapshot ---------------------------------------------

    def _count(self, path: str, seen: dict[int, set[int]], name: str, parent: int) -> None:
        """Walk below one name.

        rsnapshot links files across snapshots, so that a link count says nothing about one of them.
        """
        try:
            state = os.stat(name, dir_fd=parent, follow_symlinks=False)
            if not stat.S_ISDIR(state.st_mode):
                self._count_one(state, seen)
                return
            fd = self.view.folder(name, parent)
        except OSError as error:
            self._problem(path, error)
            return
        try:
            device = os.fstat(fd).st_dev
            here, shared = seen.setdefault(device, set()), self.shared.setdefault(device, set())
            with os.scandir(fd) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        self._count(f"{path}/{entry.name}".lstrip("/"), seen, entry.name, fd)
                    elif not self.trusted:
                        self._count_one(entry.stat(follow_symlinks=False), seen)
                    elif (number := entry.inode()) in here:
                        shared.add(number)
                    else:
                        here.add(number)
        except OSError as error:
            self._problem(path, error)
        finally:
            os.close(fd)

    def _count_one(self, state: os.stat_result, seen: dict[int, set[int]]) -> None:
        here = seen.setdefault(state.st_dev, set())
        if state.st_ino in here:
            self.shared.setdefault(state.st_dev, set()).add(state.st_ino)
        here.add(state.st_ino)

    # --- second pass: write ------------------------------------------------------------------------------------------

    def _any(self, path: str, name: str, parent: int, *, own: bool = True) -> None:
        try:
            state = os.stat(name, dir_fd=parent, follow_symlinks=False)
            if stat.S_ISDIR(state.st_mode):
                self._folder(name, parent, path, own=own)
            else:
                self._entry(name, parent, path, state)
        except OSError as error:
            self._problem(path, error)

    def _folder(self, name: str, parent: int, path: str, *, own: bool = True) -> None:
        fd = self.view.folder(name, parent)
        try:
            state = os.fstat(fd)
            if own:
                self._add(self._made(path or ".", state, fd).as_dict())
            known, now = self.memo.on(state.st_dev)
            shared = self.shared.get(state.st_dev, set())
            with os.scandir(fd) as listing:
                entries = sorted(listing, key=_name)
            prefix = f"{path}/" if path else ""
            for entry in entries:
                below = prefix + entry.name
                if entry.is_dir(follow_symlinks=False):
                    try:
                        self._folder(entry.name, fd, below)
                    except OSError as error:
                        self._problem(below, error)
                    continue
                number = entry.inode()
                inode = known.get(number) if self.trusted else None
                if inode is not None and not inode.master and number not in shared:
                    now[number] = inode
                    self._again(inode, below)
                else:
                    self._any(below, entry.name, fd)
        finally:
            os.close(fd)

    def _again(self, inode: Known, path: str) -> None:
        """Write a known inode under `path` and refer to its chunks once more."""
        size = csize = 0
        incref = self.session.cache.chunks.incref
        for chunk in inode.chunks:
            _, plain, packed = incref(chunk)
            size += plain
            csize += packed
        stats = self.archive.stats
        stats.update(size, csize, unique=False)
        stats.nfiles += 1
        self._write(inode.head + self.packer.pack(os.fsencode(path)) + inode.tail)

    def _entry(self, name: str, parent: int, path: str, state: os.stat_result) -> None:
        if stat.S_ISSOCK(state.st_mode):
            self.tally.sockets.append(path)
            return
        place = f"/proc/self/fd/{parent}/{name}"
        if stat.S_ISLNK(state.st_mode):
            item = self._made(path, state, place)
            item.source = os.readlink(name, dir_fd=parent)
            self._add(item.as_dict())
            return
        key = (state.st_dev, state.st_ino)
        linked = state.st_ino in self.shared.get(state.st_dev, ())
        if linked and key in self.masters:
            item = self._made(path, state, place)
            if not stat.S_ISREG(state.st_mode):
                item.rdev = state.st_rdev
            item.source = self.masters[key]
            self._add(item.as_dict())
            return
        if linked:
            self.masters[key] = path
        if stat.S_ISREG(state.st_mode):
            self._file(name, parent, path, state, linked=linked)
            return
        item = self._made(path, state, place)
        if not stat.S_ISFIFO(state.st_mode):
            item.rdev = state.st_rdev
        item.hardlink_master = linked
        self._add(item.as_dict())

    def _file(self, name: str, parent: int, path: str, state: os.stat_result, *, linked: bool) -> None:
        known, now = self.memo.on(state.st_dev)
        earlier = known.get(state.st_ino)
        if earlier is not None and earlier.master == linked:
            now[state.st_ino] = earlier
            self._again(earlier, path)
            return
        fd = self.view.file(name, parent)
        try:
            opened = os.fstat(fd)
            if (opened.st_dev, opened.st_ino) != (state.st_dev, state.st_ino):
                self._problem(path, "it was replaced while it was read")
                return
            item = self._made(path, opened, fd)
            item.hardlink_master = linked
            if earlier is None:
                item.chunks = self._content(fd, opened.st_size)
                self.tally.inodes_read += 1
                self.tally.bytes_read += opened.st_size
            else:
                item.chunks = [self.session.cache.chunk_incref(chunk, self.archive.stats) for chunk in earlier.chunks]
            after = os.fstat(fd)
        finally:
            os.close(fd)
        item.get_size(memorize=True)
        if item.size != opened.st_size or (after.st_mtime_ns, after.st_ctime_ns) != (
            opened.st_mtime_ns,
            opened.st_ctime_ns,
        ):
            self._problem(path, "it changed while it was read")
            return
        self.archive.stats.nfiles += 1
        head, packed_path, tail = pack_around_path(self.packer, item.as_dict())
        now[state.st_ino] = Known(head, tail, tuple(chunk.id for chunk in item.chunks), linked)
        self._write(head + packed_path + tail)

    def _content(self, fd: int, size: int) -> list[BorgObject]:
        """Store a file's bytes and give its chunk list.

        Only reading may fail the file; a failing repository ends the run.
        """
        chunks: list[BorgObject] = []
        if size < _ONE_CHUNK:
            data = _read_all(fd, size)
            if data:
                chunks.append(self._store(self.session.key.id_hash(data), data))
            return chunks
        for chunk in self.chunker.chunkify(None, fd):
            chunk_id, data = cached_hash(chunk, self.session.key.id_hash)
            chunks.append(self._store(chunk_id, data))
            self._maybe_report()
        return chunks

    def _store(self, chunk_id: bytes, data: BorgObject) -> BorgObject:
        try:
            entry = self.session.cache.add_chunk(chunk_id, data, self.archive.stats, wait=False)
            self.session.repository.async_response(wait=False)
        except OSError as error:
            raise StorageError(os.strerror(error.errno or 0)) from error
        return entry

    def _made(self, path: str, state: os.stat_result, place: int | str) -> BorgObject:
        if safe_ns(state.st_mtime_ns) != state.st_mtime_ns:
            self.tally.clamped.append(path)
        return make_item(path, state, place, numeric=self.numeric)

    def _add(self, fields: dict[str, BorgObject]) -> None:
        self._write(self.packer.pack(fields))

    def _write(self, packed: bytes) -> None:
        items = self.archive.items_buffer
        items.buffer.write(packed)
        if items.is_full():
            try:
                items.flush()
            except OSError as error:
                raise StorageError(os.strerror(error.errno or 0)) from error
        self.tally.entries += 1
        if self.tally.entries % 256 == 0:
            self._maybe_report()

    def _maybe_report(self) -> None:
        now = time.monotonic()
        if now - self.reported >= _REPORT_EVERY:
            self.reported = now
            self.report(self.tally)


def _name(entry: os.DirEntry[str]) -> str:
    return entry.name


def _read_all(fd: int, size: int) -> bytes:
    """Read to the end of the file, which is expected after `size` bytes."""
    pieces = []
    while piece := os.read(fd, max(size + 1, 1)):
        pieces.append(piece)
    return b"".join(pieces)
