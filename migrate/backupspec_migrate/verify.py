"""Compares archives with the source, item by item and byte by byte, and trusts nothing that the import remembers.

Only the plan is common to both: which archive stands for which snapshot, and which path for which folder.
"""

from __future__ import annotations

import os
import random
import shlex
import stat
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from hashlib import blake2b

from borg.archive import Archive
from borg.helpers import IntegrityError
from borg.repository import Repository

from backupspec.catalogue import diagnose
from backupspec.diagnostic import Diagnostic, Span
from backupspec_migrate.compare import attributes_differ, extended_differ, same_bytes, special_differ
from backupspec_migrate.identity import read_comment
from backupspec_migrate.messages import Compared
from backupspec_migrate.plan import Import, Target
from backupspec_migrate.progress import Event
from backupspec_migrate.raw_items import BrokenItemsError, raw_items, unpacked
from backupspec_migrate.repository import BorgObject, Session
from backupspec_migrate.rsync_leftover import is_left_by_the_run, nobody_decided
from backupspec_migrate.scan import Root
from backupspec_migrate.source_walk import Source, version, walk_source
from backupspec_migrate.view import View
from backupspec_migrate.worker import Send

_MANY = 50  # differences named in one archive
_SHOW_EVERY = 256  # entries, and
_REPORT_EVERY = 0.1  # seconds
_DRAW = random.SystemRandom()

Equal = dict[bytes, tuple[str, bytes]]
"""Items that were found equal: by a digest of the packed item, its path and the version of what it was compared with.

The same packed item beside the same inode in the same state is the same comparison: it need not be made twice.
"""


@dataclass(slots=True)
class _Counts:
    entries: int = 0
    inodes: int = 0
    bytes: int = 0
    expected: int = 0


def verify_target(target: Target, session: Session, view: View, send: Send, *, share: float = 1.0) -> None:
    """Compare each archive of one repository with its snapshot; what differs is sent as a diagnostic.

    Every snapshot is walked and every item read. An item that the archive before had too, byte for byte, is compared
    again only if what lies at its path is another inode or was changed since. With a `share` below 1 the bytes of so
    many of the distinct files are compared, drawn anew in each run; items are compared all the same.
    """
    equal: Equal = {}
    series: tuple[str, str] | None = None
    for number, one in enumerate(target.imports, start=1):
        event = Event("start", target.repository, one.archive, number, len(target.imports), snapshot=one.slot)
        if one.archive not in session.manifest.archives:
            message = f"{one.archive} is not in {target.repository} ({one.slot}/{one.identity.dest})"
            hint = "`backupspec migrate run` with this plan imports what is missing"
            send(diagnose("BS650", message, _place(one), hint=hint, where=one.archive))
            send(replace(event, what="failed"))
            continue
        if one.gone:
            message = f"{one.archive} was never verified as a whole, and its snapshot is not in the tree any more"
            hint = "nothing is left to compare it with: look into it with borg, then take it out of the plan"
            send(diagnose("BS693", message, _place(one), hint=hint, where=one.archive))
            send(replace(event, what="failed"))
            continue
        send(event)
        if series != (one.host, one.identity.dest):
            equal, series = {}, (one.host, one.identity.dest)
        check = _Check(one, session, view, equal, partial(_report, send, event), share)
        found = _with_way_out(check.run(), one, target)
        equal = check.equal
        for difference in found:
            send(difference)
        send(check.compared_as(target.repository))
        _report(send, replace(event, what="differs" if found else "done"), check.counts)


def gone(one: Import) -> Diagnostic:
    """Say that the snapshot of an archive to be is not in the tree any more."""
    message = f"the snapshot of {one.archive} is not in the tree any more"
    hint = "it was not imported before rsnapshot removed it: take its line out of the plan"
    return diagnose("BS693", message, _place(one), hint=hint, where=one.archive)


def _report(send: Send, event: Event, counts: _Counts) -> None:
    what = "advance" if event.what == "start" else event.what
    event = replace(event, what=what, expected=counts.expected, entries=counts.entries)
    send(replace(event, inodes=counts.inodes, bytes=counts.bytes))


def _with_way_out(found: list[Diagnostic], one: Import, target: Target) -> list[Diagnostic]:
    """Add to the first difference what to do about this archive."""
    if not found or any(difference.code not in {"BS651", "BS652"} for difference in found):
        return found
    archive = f"{target.repository}::{one.archive}"
    remove = shlex.join(["borg", "delete", archive])
    hint = (
        f"if the source is right: `{remove}` as the repository's owner, then import again; keep the old tree until then"
    )
    if found[0].code == "BS652":
        hint = (
            f"`{shlex.join(['borg', 'check', '--verify-data', archive])}` tells whether the repository is whole; {hint}"
        )
    return [replace(found[0], hint=hint), *found[1:]]


def _place(one: Import) -> Span:
    return Span(f"{one.identity.source}/{one.slot}", 1, 1, 1, 1)


class _Check:
    """One archive beside its snapshot."""

    def __init__(  # noqa: PLR0913 - what all of it needs
        self,
        one: Import,
        session: Session,
        view: View,
        before: Equal,
        report: Callable[[_Counts], None],
        share: float,
    ) -> None:
        self.one, self.session, self.view, self.report, self.share = one, session, view, report, share
        self.before, self.equal = before, {}  # type: tuple[Equal, Equal]
        self.counts, self.found, self.left_out = _Counts(), [], 0  # type: tuple[_Counts, list[Diagnostic], int]
        self.id, self.reported = "", time.monotonic()
        self.source = Source()
        self.unreadable: set[str] = set()
        self.opened: tuple[str, int] | None = None
        self.links: dict[str, set[str]] = {}

    def run(self) -> list[Diagnostic]:
        """Compare both ways: each item with its file, then what is left of the files with nothing."""
        self.source = walk_source(self.view, self.one.slot, self.one.roots, self._unreadable)
        self.counts.expected = len(self.source.versions)
        self._leftovers()
        try:
            archive = Archive(self.session.repository, self.session.key, self.session.manifest, self.one.archive)
            self.id = archive.id.hex()
            self._about(archive)
            for raw in raw_items(archive):
                self._raw(raw, archive)
        except (IntegrityError, Repository.ObjectNotFound) as error:
            self._differs("BS652", f"{self.one.archive} cannot be read as a whole: {error.get_message()}")
            return self.found
        except BrokenItemsError as error:
            self._differs("BS652", f"{self.one.archive} cannot be read as a whole: {error}")
            return self.found
        finally:
            self.close()
        for path in self.source.versions:
            self._differs("BS651", f"/{path} is in the source and not in {self.one.archive}")
        self._hard_links()
        if self.left_out:
            self.found.append(
                diagnose("BS651", f"{self.left_out} more differences in {self.one.archive}", _place(self.one))
            )
        return self.found

    def compared_as(self, repository: str) -> Compared:
        """Say how the comparison ended."""
        lost = tuple((kind, tuple(paths)) for kind, paths in self.source.lost.items() if paths)
        counts = (self.counts.entries, self.counts.inodes, self.counts.bytes)
        first = tuple(one.message for one in self.found)
        number = len(self.found) + max(self.left_out - 1, 0)
        return Compared(repository, self.one.archive, self.id, *counts, self.one.mark, self.share, number, first, lost)

    def _differs(self, code: str, message: str) -> None:
        if len(self.found) < _MANY:
            self.found.append(diagnose(code, message, _place(self.one), where=self.one.archive))
        else:
            self.left_out += 1

    def _unreadable(self, path: str, error: OSError) -> None:
        self._differs("BS651", f"/{path} cannot be read: {error.strerror}")

    def _leftovers(self) -> None:
        """Find what a killed rsync left, if nobody has decided about this snapshot."""
        one, left = self.one, []
        for path in () if one.accepted else self.source.leftovers:
            root = self._root_of(path)
            if root is not None:
                below = "/".join(filter(None, (root.location, path[len(root.original) :].strip("/"))))
                before = None if one.before is None else f"{one.before}/{below}"
                if is_left_by_the_run(self.view, f"{one.slot}/{below}", before):
                    left.append(path)
        if left:
            self.found.append(nobody_decided(one, left))

    def _about(self, archive: BorgObject) -> None:
        if read_comment(archive.comment) != self.one.identity:
            source = f"{self.one.identity.source}/{self.one.slot}"
            self._differs("BS651", f"{self.one.archive} does not come from {source}: {archive.comment!r}")
        if int(archive.ts.timestamp()) != self.one.identity.time:
            self._differs("BS651", f"{self.one.archive} has the time {archive.ts:%Y-%m-%dT%H:%M:%SZ}")

    def _raw(self, raw: bytes, archive: BorgObject) -> None:
        """Compare an item, unless the very same comparison was made for the archive before."""
        self.counts.entries += 1
        if self.counts.entries % _SHOW_EVERY == 0:
            self._maybe_report()
        digest = blake2b(raw, digest_size=16).digest()
        known = self.before.pop(digest, None)
        if known is not None and self.source.versions.get(known[0]) == known[1]:
            del self.source.versions[known[0]]
            self.equal[digest] = known
            return
        item = unpacked(raw)
        path = "" if item.path == "." else item.path
        found_before = len(self.found) + self.left_out
        there = self._item(path, item, archive)
        # Names of one thing are compared as a group, each time anew.
        alone = item.get("source") is None or stat.S_ISLNK(item.mode)
        if there is not None and alone and len(self.found) + self.left_out == found_before:
            self.equal[digest] = (path, there)

    def _item(self, path: str, item: BorgObject, archive: BorgObject) -> bytes | None:
        """Compare an item with what lies at its path; give the version of that, or None when there is nothing."""
        root = self._root_of(path)
        walked = self.source.versions.pop(path, None)
        if root is None:
            self._differs("BS651", f"/{path} is in {self.one.archive} and was never in the source")
            return None
        below = path[len(root.original) :].strip("/")
        folder, _, name = "/".join(filter(None, (self.one.slot, root.location, below))).rpartition("/")
        try:
            parent = self._open(folder)
            state = os.stat(name, dir_fd=parent, follow_symlinks=False)
            if walked is None:
                self._differs("BS651", f"/{path} is in {self.one.archive} twice, or does not belong there")
                return None
            if version(state) != walked:
                self._differs("BS651", f"/{path} changed while it was compared")
                return None
            differences = [
                *attributes_differ(item, state, numeric=root.numeric_ids),
                *extended_differ(item, state, name, parent),
                *special_differ(item, state, name, parent),
            ]
            for what in differences:
                self._differs("BS651", f"/{path} in {self.one.archive} differs: {what}")
            if item.get("source") is not None and not stat.S_ISLNK(state.st_mode):
                self.links.setdefault(item.source, {item.source}).add(item.path)
            elif (
                stat.S_ISREG(state.st_mode)
                and stat.S_ISREG(item.mode)
                and not any(what.startswith("size") for what in differences)
            ):
                self._content(path, item, name, parent, archive)
        except (FileNotFoundError, NotADirectoryError):
            self._differs("BS651", f"/{path} is in {self.one.archive} and not in the source")
            return None
        except OSError as error:
            self._differs("BS651", f"/{path} cannot be read: {error.strerror}")
            return None
        return walked

    def _open(self, folder: str) -> int:
        """Open a folder of the source, once for all items in a row that lie in it; no symbolic link is followed."""
        if self.opened is None or self.opened[0] != folder:
            self.close()
            with self.view.parent("/".join(filter(None, (folder, ".")))) as (fd, _):
                self.opened = (folder, os.dup(fd))
        return self.opened[1]

    def close(self) -> None:
        """Close the folder that is open."""
        if self.opened is not None:
            os.close(self.opened[1])
        self.opened = None

    def _root_of(self, path: str) -> Root | None:
        fitting = [
            root
            for root in self.one.roots
            if not root.original or path == root.original or path.startswith(f"{root.original}/")
        ]
        return max(fitting, key=lambda root: len(root.original), default=None)

    def _content(self, path: str, item: BorgObject, name: str, parent: int, archive: BorgObject) -> None:
        if self.share < 1 and _DRAW.random() >= self.share:
            return
        fd = self.view.file(name, parent)
        try:
            self.counts.inodes += 1
            if not same_bytes(self._given_back(path, item, archive), fd, self._progress):
                self._differs("BS652", f"/{path} in {self.one.archive} differs: content")
        except _LostChunkError:
            pass  # said already
        finally:
            os.close(fd)

    def _given_back(self, path: str, item: BorgObject, archive: BorgObject) -> Iterator[bytes]:
        """Give a file's bytes as the repository has them; what it cannot give is said with the file's name."""
        try:
            yield from archive.pipeline.fetch_many([chunk.id for chunk in item.get("chunks", ())])
        except (IntegrityError, Repository.ObjectNotFound) as error:
            message = f"/{path} in {self.one.archive} cannot be given back: {error.get_message()}"
            self._differs("BS652", message)
            raise _LostChunkError from error

    def _progress(self, length: int) -> None:
        self.counts.bytes += length
        self._maybe_report()

    def _maybe_report(self) -> None:
        now = time.monotonic()
        if now - self.reported >= _REPORT_EVERY:
            self.reported = now
            self.report(self.counts)

    def _hard_links(self) -> None:
        expected = set(self.source.links)
        stored = {frozenset(names) for names in self.links.values()}
        for names in sorted(map(sorted, expected ^ stored)):
            self._differs(
                "BS651",
                f"hard links of /{names[0]} in {self.one.archive} differ from the source: {', '.join(names[1:])}",
            )


class _LostChunkError(Exception):
    """A chunk could not be given back."""
