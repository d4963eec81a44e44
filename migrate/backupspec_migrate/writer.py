"""Writes snapshots into an open repository.

Each inode is read, cut and stored once, later snapshots only refer to it.
"""

from __future__ import annotations

import os
import time
from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from struct import iter_unpack
from typing import Any

from borg.archive import Archive
from borg.chunker import get_chunker

from backupspec.catalogue import diagnose
from backupspec.diagnostic import Diagnostic, Span
from backupspec_migrate.identity import comment
from backupspec_migrate.item import pack_chunks
from backupspec_migrate.known import LOOK
from backupspec_migrate.look import Looker
from backupspec_migrate.memo import Block, Contents, Growing
from backupspec_migrate.plan import CHUNKER, Import
from backupspec_migrate.read_ahead import Ahead, give_back_memory
from backupspec_migrate.reader import Reader
from backupspec_migrate.repository import AGAIN, BorgObject, Session
from backupspec_migrate.results import CHUNK, END, FILE, FOLDER, ITEM, LEFT, LOST, PROBLEM, SNAPSHOT, SOCKET, Result
from backupspec_migrate.rsync_leftover import nobody_decided
from backupspec_migrate.view import View

_MANY = 100  # problems named in one snapshot
_REPORT_EVERY = 0.1  # seconds
_CHUNK_ID = "32s"
_SLICE = 1 << 20  # bytes of packed items that are handed to Borg at a time


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

    Entries written of those expected, inodes and bytes read from the source, and what Borg cannot hold (paths).
    """

    expected: int = 0
    entries: int = 0
    inodes_read: int = 0
    bytes_read: int = 0
    sockets: list[str] = field(default_factory=list)
    clamped: list[str] = field(default_factory=list)


class Writer:
    """Writes the imports of one `series`, the oldest first; what is known of one goes to the next."""

    def __init__(self, session: Session, view: View, series: Sequence[Import], *, trusted: bool) -> None:
        self._session, self._waiting = session, list(reversed(series))
        # Both processes have the same key and compressor; what the reader compressed passes through this one as it is.
        chunker = get_chunker(*CHUNKER, seed=session.key.chunk_seed, sparse=False)
        if not isinstance(session.key.compressor, _Passing):
            session.key.compressor = _Passing(session.key.compressor)
        looker = Looker(view, chunker, session.key.id_hash, session.key.compressor.compress)
        self._reader = Reader(view, looker, trusted)
        self._memo: dict[str, Block] = {}
        self._ahead: Ahead | None = None

    @property
    def waiting(self) -> bool:
        """Tell whether there is more to write."""
        return bool(self._waiting)

    def write(self, still_there: Callable[[], bool], report: Callable[[Tally], None]) -> Tally:
        """Write the next archive, which is there once the session is committed.

        IncompleteError when anything could not be read, or the tree changed meanwhile: what was written of it goes only
        with all else that is not committed.

        `still_there` is asked before the archive gets its name; `report` is told how far it is. What comes next is read
        meanwhile. A folder that changes after it was listed is noticed.
        """
        try:
            tally = self._write(self._waiting.pop(), still_there, report)
        except BaseException:
            self.close()
            raise
        if not self._waiting:
            self.close()
        return tally

    def close(self) -> None:
        """End the process that reads, if there is one."""
        if self._ahead is not None:
            self._ahead.close()
        self._ahead = None

    def _results(self, one: Import) -> Iterator[Any]:
        """Give what the other process tells of `one` and what comes after it."""
        if self._ahead is None:
            session = self._session

            def read() -> Iterator[Result]:
                # What is given back here is not copied whenever the other process writes to it.
                session.cache.chunks = session.repository.index = None
                give_back_memory()
                return self._reader.read((one, *reversed(self._waiting)))

            self._ahead = Ahead(read, urgent=(END,))
        return self._ahead.results

    def _write(self, one: Import, still_there: Callable[[], bool], report: Callable[[Tally], None]) -> Tally:
        session = self._session
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
        give_back_memory()
        work = _Snapshot(one, archive, session, self._results(one), report)
        if work.begin():
            self._memo = work.run(self._memo)
        if not still_there():
            message = "snapshots were rotated, added or removed while it was read"
            place = Span(f"{one.identity.source}/{one.slot}", 1, 1, 1, 1)
            work.problems.append(diagnose("BS623", message, place, hint=AGAIN, where=one.archive))
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
        with session.uncommitted():
            archive.save(comment=comment(one.identity, one.slot), timestamp=when, additional_metadata=about)
        return work.tally


class _Passing:
    """Compresses as the repository wants it, and lets pass what the reader compressed."""

    def __init__(self, real: BorgObject) -> None:
        self.real = real

    def compress(self, data: BorgObject) -> bytes:
        return data.packed if isinstance(data, _Compressed) else self.real.compress(data)

    def __getattr__(self, name: str) -> BorgObject:
        return getattr(self.real, name)


class _Compressed:
    """A chunk that is compressed already; its length is that of the plain bytes."""

    __slots__ = ("packed", "size")

    def __init__(self, size: int, packed: bytes) -> None:
        self.size, self.packed = size, packed

    def __len__(self) -> int:
        return self.size


class _Snapshot:
    """The work on one snapshot."""

    def __init__(
        self,
        one: Import,
        archive: BorgObject,
        session: Session,
        results: Iterator[Any],
        report: Callable[[Tally], None],
    ) -> None:
        self.one, self.archive, self.session, self.results, self.report = one, archive, session, results, report
        self.tally, self.problems = Tally(), []  # type: tuple[Tally, list[Diagnostic]]
        self.reported = time.monotonic()

    def begin(self) -> bool:
        """Take what the reader says of the snapshot as such, and tell whether it goes on with what is in it."""
        left = []
        while (result := next(self.results))[0] != SNAPSHOT:
            if result[0] == LOST:
                self.problem(*result[1:])
            elif result[0] == LEFT:
                left.append(result[1])
        self.tally.expected = result[1]
        if left:
            self.problems.append(nobody_decided(self.one, left))
        return not self.problems

    def run(self, memo: dict[str, Block]) -> dict[str, Block]:
        """Write all items; give what is known now.

        Blocks of `memo` are taken out of it as they are passed, so that only one snapshot is in memory.
        """
        kept: dict[str, Block] = {}
        while (result := next(self.results))[0] != END:
            if result[0] != FOLDER:
                self.problem(*result[1:])
                continue
            _, path, packed, clamped, choice = result
            if packed is not None:
                self.tally.entries += 1
                self._write(packed)
            if clamped is not None:
                self.tally.clamped.append(clamped)
            kept[path] = self._entries(memo.pop(path, None), choice)
        return kept

    def problem(self, path: str, why: str) -> None:
        """Note what keeps the snapshot from becoming an archive."""
        if len(self.problems) < _MANY:
            place = Span(f"{self.one.identity.source}/{self.one.slot}", 1, 1, 1, 1)
            message = f"/{path} of {self.one.host} cannot be read: {why}"
            self.problems.append(
                diagnose("BS640", message, place, hint=f"{self.one.archive} was not made", where=self.one.archive)
            )

    def _entries(self, known: Block | None, choice: bytes | None) -> Block:
        """Write the items of what is in a folder; give the block that they make."""
        if choice is not None:
            block, contents = self._new_block(known, array("i", choice))
        elif known is not None:
            block, contents = known, known.contents()
            self._refer(contents.ids)
        else:
            raise ValueError(choice)
        self.tally.entries += block.entries
        self.archive.stats.nfiles += block.files
        self.tally.clamped += [block.clamped[number] for number in sorted(block.clamped)]
        self._write(contents.items)
        self._maybe_report()
        return block

    def _new_block(self, known: Block | None, choice: array[int]) -> tuple[Block, Contents]:
        made = Growing(known)
        for start, stop in zip(choice[::2], choice[1::2], strict=True):
            if start == LOOK:
                for _ in range(stop):
                    self._new_entry(made)
            else:
                self._refer(made.again(start, stop))
        return made.whole()

    def _new_entry(self, made: Growing) -> None:
        """Take what the reader has to say of one entry, and store its chunks."""
        chunks = []
        while (result := next(self.results))[0] == CHUNK:
            _, chunk_id, size, packed = result
            chunks.append(self._store(chunk_id, _Compressed(size, packed)))
            self._maybe_report()
        if result[0] == FILE:
            _, head, tail, size, clamped = result
            self.tally.inodes_read += 1
            self.tally.bytes_read += size
            ids = b"".join([chunk.id for chunk in chunks])
            made.add(head + pack_chunks(chunks) + tail, ids, clamped)
        elif result[0] == ITEM:
            made.add(result[1], None, result[2])
        elif result[0] == PROBLEM:
            self.problem(*result[1:])
            made.nothing()
        elif result[0] == SOCKET:
            self.tally.sockets.append(result[1])
            made.nothing()
        else:
            raise ValueError(result[0])

    def _refer(self, ids: bytes) -> None:
        """Refer to chunks that an earlier archive of this series has, once more."""
        incref = self.session.cache.chunks.incref
        plain = packed = 0
        for (chunk_id,) in iter_unpack(_CHUNK_ID, ids):
            _, size, csize = incref(chunk_id)
            plain += size
            packed += csize
        self.archive.stats.update(plain, packed, unique=False)

    def _store(self, chunk_id: bytes, data: _Compressed) -> BorgObject:
        try:
            entry = self.session.cache.add_chunk(chunk_id, data, self.archive.stats, wait=False)
            self.session.repository.async_response(wait=False)
        except OSError as error:
            raise StorageError(os.strerror(error.errno or 0)) from error
        return entry

    def _write(self, packed: bytes) -> None:
        items = self.archive.items_buffer
        for at in range(0, len(packed), _SLICE):
            items.buffer.write(packed[at : at + _SLICE])
            if items.is_full():
                try:
                    items.flush()
                except OSError as error:
                    raise StorageError(os.strerror(error.errno or 0)) from error

    def _maybe_report(self) -> None:
        now = time.monotonic()
        if now - self.reported >= _REPORT_EVERY:
            self.reported = now
            self.report(self.tally)
