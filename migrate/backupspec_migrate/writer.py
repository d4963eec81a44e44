"""Writes snapshots into an open repository.

Each inode is read, cut and stored once, later snapshots only refer to it.
"""

from __future__ import annotations

import os
import time
from array import array
from collections.abc import Callable, Iterator
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
from backupspec_migrate.listing import Folder, Listing, gather, list_snapshot
from backupspec_migrate.look import CHUNK, FILE, ITEM, PROBLEM, Looker
from backupspec_migrate.memo import LOOK, Block, Choice, Choices, Contents, Growing, choose
from backupspec_migrate.plan import CHUNKER, Import
from backupspec_migrate.read_ahead import Ahead, Result, give_back_memory
from backupspec_migrate.repository import AGAIN, BorgObject, Session
from backupspec_migrate.rsync_leftover import is_left_by_the_run, is_rsync_leftover, nobody_decided
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
    """Writes the imports of one series, the oldest first; what is known of one goes to the next."""

    def __init__(self, session: Session, view: View, *, trusted: bool) -> None:
        self._session, self._view, self._trusted = session, view, trusted
        # Both processes have the same key and compressor; what the reader compressed passes through this one as it is.
        chunker = get_chunker(*CHUNKER, seed=session.key.chunk_seed, sparse=False)
        if not isinstance(session.key.compressor, _Passing):
            session.key.compressor = _Passing(session.key.compressor)
        self._looker = Looker(view, chunker, session.key.id_hash, session.key.compressor.compress)
        self._memo: dict[str, Block] = {}
        self._ahead: tuple[Import, Ahead] | None = None

    def write(
        self,
        one: Import,
        still_there: Callable[[], bool],
        report: Callable[[Tally], None],
        coming: Import | None = None,
    ) -> Tally:
        """Write one archive, which is there once the session is committed.

        IncompleteError when anything could not be read, or the tree changed meanwhile: what was written of it goes only
        with all else that is not committed.

        `still_there` is asked before the archive gets its name; `report` is told how far it is. `coming`: what will be
        written next, so that it can be listed meanwhile. A folder that changes after it was listed is noticed.
        """
        try:
            return self._write(one, still_there, report, coming)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """End the process that reads ahead, if there is one."""
        if self._ahead is not None:
            self._ahead[1].close()
        self._ahead = None

    def _listing(self, one: Import, problem: Callable[[str, str], None]) -> Listing:
        listed = list_snapshot(self._view, one.slot, one.roots, trusted=self._trusted)
        if self._ahead is not None and self._ahead[0] == one:
            listed = self._ahead[1].results
        listing = gather(listed, one.roots, problem)
        self.close()
        return listing

    def _read(self, one: Import, listing: Listing, choices: Choices, coming: Import | None) -> Iterator[Any]:
        """Look at what is new in `one`, then list what comes, in another process."""
        session = self._session

        def both() -> Iterator[Result]:
            # What is given back here is not copied whenever the other process writes to it.
            session.cache.chunks = session.repository.index = None
            self._memo.clear()
            give_back_memory()
            yield from self._looker.look(one.slot, listing, choices)
            if coming is not None:
                yield from list_snapshot(self._view, coming.slot, coming.roots, trusted=self._trusted)

        give_back_memory()
        self._ahead = (coming or one, Ahead(both))
        return self._ahead[1].results

    def _write(
        self,
        one: Import,
        still_there: Callable[[], bool],
        report: Callable[[Tally], None],
        coming: Import | None,
    ) -> Tally:
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
        work = _Snapshot(one, archive, session, report)
        listing = self._listing(one, work.problem)
        work.doubt_leftovers(listing, self._view)
        if not work.problems:
            work.tally.expected = listing.entries
            choices = choose(listing, self._memo)
            work.results = self._read(one, listing, choices, coming)
            self._memo = work.run(listing, choices, self._memo)
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
        if coming is None:
            self.close()
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

    def __init__(self, one: Import, archive: BorgObject, session: Session, report: Callable[[Tally], None]) -> None:
        self.one, self.archive, self.session, self.report = one, archive, session, report
        self.tally, self.problems = Tally(), []  # type: tuple[Tally, list[Diagnostic]]
        self.results: Iterator[Any] = iter(())
        self.reported = time.monotonic()

    def run(self, listing: Listing, choices: Choices, memo: dict[str, Block]) -> dict[str, Block]:
        """Write all items; give what is known now.

        Blocks of `memo` are taken out of it as they are passed, so that only one snapshot is in memory.
        """
        kept: dict[str, Block] = {}
        listing.folders.reverse()
        choices.by_folder.reverse()
        while listing.folders:
            folder, choice = listing.folders.pop(), choices.by_folder.pop()
            block = self._folder(folder, choice, memo.pop(folder.path, None))
            if block is not None:
                kept[folder.path] = block
        return kept

    def problem(self, path: str, why: str) -> None:
        """Note what keeps the snapshot from becoming an archive."""
        if len(self.problems) < _MANY:
            place = Span(f"{self.one.identity.source}/{self.one.slot}", 1, 1, 1, 1)
            message = f"/{path} of {self.one.host} cannot be read: {why}"
            self.problems.append(
                diagnose("BS640", message, place, hint=f"{self.one.archive} was not made", where=self.one.archive)
            )

    def doubt_leftovers(self, listing: Listing, view: View) -> None:
        """Note the files that rsync left behind when it was killed: nothing above them may tell that it was."""
        one = self.one
        if one.accepted:
            return
        found = [
            os.fsdecode(folder.path_of(os.fsencode(name)))
            for folder in listing.folders
            if not folder.alone and (folder.names.startswith(b".") or b"\0." in folder.names)
            for name in map(os.fsdecode, folder.called())
            if is_rsync_leftover(name)
            and is_left_by_the_run(
                view,
                f"{folder.location(one.slot)}/{name}",
                None if one.before is None else f"{folder.location(one.before)}/{name}",
            )
        ]
        if found:
            self.problems.append(nobody_decided(one, found))

    def _folder(self, folder: Folder, choice: Choice, known: Block | None) -> Block | None:
        """Write a folder's item and those of its entries; give the block that they make."""
        result = next(self.results)
        if result[0] == PROBLEM:
            self.problem(folder.path, result[1])
            return None
        if result[0] == ITEM:
            _, packed, clamped, _ = result
            if clamped:
                self.tally.clamped.append(folder.path)
            self.tally.entries += 1
            self._write(packed)
        if choice is not None:
            block, contents = self._new_block(folder, choice, known)
        elif known is not None:
            block, contents = known, known.contents()
            self._refer(contents.ids)
        else:
            raise ValueError(folder)
        self.tally.entries += block.entries
        self.archive.stats.nfiles += block.files
        if block.clamped:
            names = folder.called()
            self.tally.clamped += [os.fsdecode(folder.path_of(names[number])) for number in sorted(block.clamped)]
        self._write(contents.items)
        self._maybe_report()
        return block

    def _new_block(self, folder: Folder, choice: array[int], known: Block | None) -> tuple[Block, Contents]:
        made = Growing(folder, known)
        names = folder.called()
        at = 0
        for start, stop in zip(choice[::2], choice[1::2], strict=True):
            if start != LOOK:
                self._refer(made.again(start, stop))
                at += stop - start
                continue
            for name in names[at : at + stop]:
                self._new_entry(made, os.fsdecode(folder.path_of(name)))
            at += stop
        return made.whole()

    def _new_entry(self, made: Growing, path: str) -> None:
        """Take what the reader has to say of one entry, and store its chunks."""
        chunks = []
        while (result := next(self.results))[0] == CHUNK:
            _, chunk_id, size, packed = result
            chunks.append(self._store(chunk_id, _Compressed(size, packed)))
            self._maybe_report()
        if result[0] == FILE:
            _, head, tail, size, clamped, link = result
            self.tally.inodes_read += 1
            self.tally.bytes_read += size
            ids = b"".join([chunk.id for chunk in chunks])
            whole = head + pack_chunks(chunks) + tail
            made.add(whole, ids, link, clamped=clamped)
        elif result[0] == ITEM:
            _, packed, clamped, link = result
            made.add(packed, None, link, clamped=clamped)
        elif result[0] == PROBLEM:
            self.problem(path, result[1])
            made.nothing()
        else:
            self.tally.sockets.append(path)
            made.nothing()

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
