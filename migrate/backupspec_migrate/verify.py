"""Compares archives with the source, item by item and byte by byte, and trusts nothing that the import remembers.

Only the plan is common to both: which archive stands for which snapshot, and which path for which folder.
"""

from __future__ import annotations

import grp
import os
import pwd
import random
import shlex
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache, partial

from borg.archive import Archive
from borg.helpers import IntegrityError
from borg.repository import Repository

from backupspec.catalogue import diagnose
from backupspec.diagnostic import Diagnostic, Span
from backupspec_migrate.identity import read_comment
from backupspec_migrate.messages import Compared, LossKind
from backupspec_migrate.plan import Import, Target
from backupspec_migrate.posix_acl import from_attribute, from_borg
from backupspec_migrate.progress import Event
from backupspec_migrate.repository import BorgObject, Session
from backupspec_migrate.scan import Root
from backupspec_migrate.view import View
from backupspec_migrate.worker import Send

_MANY = 50  # differences named in one archive
_LATEST = 2_147_310_847 * 10**9  # nanoseconds: the last second that Borg 1 can hold, in January 2038
_SHOW_EVERY = 2000  # entries
_DRAW = random.SystemRandom()
_ACLS = {"acl_access": "system.posix_acl_access", "acl_default": "system.posix_acl_default"}


@dataclass(slots=True)
class _Counts:
    entries: int = 0
    inodes: int = 0
    bytes: int = 0


def verify_target(target: Target, session: Session, view: View, send: Send, *, share: float = 1.0) -> None:
    """Compare each archive of one repository with its snapshot; what differs is sent as a diagnostic.

    The bytes of an inode are compared once for each list of chunks that stands for it: other archives with the same
    inode and the same chunks give back the same bytes. With a `share` below 1 the bytes of so many of the inodes are
    compared, drawn anew in each run; items are compared all the same.
    """
    compared: dict[tuple[int, int, tuple[bytes, ...]], bool] = {}
    for number, one in enumerate(target.imports, start=1):
        event = Event("start", target.repository, one.archive, number, len(target.imports))
        if one.archive not in session.manifest.archives:
            message = f"{one.archive} is not in {target.repository} ({one.slot}/{one.identity.dest})"
            send(diagnose("BS650", message, _place(one), where=one.archive))
            send(replace(event, what="failed"))
            continue
        if one.gone:
            send(gone(one))
            send(replace(event, what="failed"))
            continue
        send(event)
        check = _Check(one, session, view, compared, partial(_report, send, event))
        check.share = share
        found = _with_way_out(check.run(), one, target)
        for difference in found:
            send(difference)
        send(check.compared_as(target.repository, share))
        _report(send, replace(event, what="differs" if found else "done"), check.counts)


def gone(one: Import) -> Diagnostic:
    """Say that the snapshot of an archive to be is not in the tree any more."""
    message = f"the snapshot of {one.archive} is not in the tree any more"
    hint = "if rsnapshot rotated it away after it was imported, all is well; else it is lost"
    return diagnose("BS693", message, _place(one), hint=hint, where=one.archive)


def _report(send: Send, event: Event, counts: _Counts) -> None:
    what = "advance" if event.what == "start" else event.what
    send(replace(event, what=what, entries=counts.entries, inodes=counts.inodes, bytes=counts.bytes))


def _with_way_out(found: list[Diagnostic], one: Import, target: Target) -> list[Diagnostic]:
    """Add to the first difference what to do about this archive."""
    if not found or any(difference.code != "BS651" for difference in found):
        return found
    remove = shlex.join(["borg", "delete", f"{target.repository}::{one.archive}"])
    hint = (
        f"if the source is right: `{remove}` as the repository's owner, then import again; keep the old tree until then"
    )
    return [replace(found[0], hint=hint), *found[1:]]


def _place(one: Import) -> Span:
    return Span(f"{one.identity.source}/{one.slot}", 1, 1, 1, 1)


class _Check:
    """One archive beside its snapshot."""

    def __init__(
        self,
        one: Import,
        session: Session,
        view: View,
        compared: dict[tuple[int, int, tuple[bytes, ...]], bool],
        report: Callable[[_Counts], None],
    ) -> None:
        self.one, self.session, self.view, self.compared, self.report = one, session, view, compared, report
        self.counts, self.found, self.left_out = _Counts(), [], 0  # type: tuple[_Counts, list[Diagnostic], int]
        self.share, self.id = 1.0, ""
        self.lost: dict[LossKind, list[str]] = {"socket": [], "clamped time": [], "split symlink": []}
        self.symlinks: set[tuple[int, int]] = set()
        self.seen: set[str] = set()
        self.without: frozenset[str] = frozenset()
        self.opened: tuple[str, int] | None = None
        self.names_of: dict[tuple[int, int], set[str]] = {}
        self.links: dict[str, set[str]] = {}

    def run(self) -> list[Diagnostic]:
        """Compare both ways: each item with its file, then each file with the list of items."""
        try:
            archive = Archive(self.session.repository, self.session.key, self.session.manifest, self.one.archive)
            self.id = archive.id.hex()
            self._about(archive)
            for item in archive.iter_items():
                self._item(item, archive)
        except (IntegrityError, Repository.ObjectNotFound) as error:
            self._differs("BS652", f"{self.one.archive} cannot be read as a whole: {error.get_message()}")
            return self.found
        finally:
            self.close()
        for root in self.one.roots:
            for path, is_link in self._source(root):
                if path not in self.seen:
                    self._differs("BS651", f"/{path} is in the source and not in {self.one.archive}")
                elif is_link is not None:
                    self.names_of.setdefault(is_link, set()).add(path)
        self._hard_links()
        if self.left_out:
            self.found.append(
                diagnose("BS651", f"{self.left_out} more differences in {self.one.archive}", _place(self.one))
            )
        return self.found

    def compared_as(self, repository: str, share: float) -> Compared:
        """Say how the comparison ended."""
        lost = tuple((kind, tuple(paths)) for kind, paths in self.lost.items() if paths)
        counts = (self.counts.entries, self.counts.inodes, self.counts.bytes)
        first = tuple(one.message for one in self.found)
        number = len(self.found) + max(self.left_out - 1, 0)
        return Compared(repository, self.one.archive, self.id, *counts, share, number, first, lost)

    def _differs(self, code: str, message: str) -> None:
        if len(self.found) < _MANY:
            self.found.append(diagnose(code, message, _place(self.one), where=self.one.archive))
        else:
            self.left_out += 1

    def _about(self, archive: BorgObject) -> None:
        if read_comment(archive.comment) != self.one.identity:
            source = f"{self.one.identity.source}/{self.one.slot}"
            self._differs("BS651", f"{self.one.archive} does not come from {source}: {archive.comment!r}")
        if int(archive.ts.timestamp()) != self.one.identity.time:
            self._differs("BS651", f"{self.one.archive} has the time {archive.ts:%Y-%m-%dT%H:%M:%SZ}")

    # --- from the archive to the source ------------------------------------------------------------------------------

    def _item(self, item: BorgObject, archive: BorgObject) -> None:
        path = "" if item.path == "." else item.path
        self.counts.entries += 1
        if self.counts.entries % _SHOW_EVERY == 0:
            self.report(self.counts)
        if path in self.seen:
            self._differs("BS651", f"/{path} is in {self.one.archive} twice")
            return
        self.seen.add(path)
        root = self._root_of(path)
        if root is None:
            self._differs("BS651", f"/{path} is in {self.one.archive} and was never in the source")
            return
        below = path[len(root.original) :].strip("/")
        location = "/".join(filter(None, (self.one.slot, root.location, below)))
        folder, _, name = location.rpartition("/")
        try:
            parent = self._open(folder)
            state = os.stat(name, dir_fd=parent, follow_symlinks=False)
            differences = [
                *self._attributes(item, state, root),
                *self._extended(item, state, name, parent),
                *self._rest(item, state, name, parent, archive),
            ]
        except (FileNotFoundError, NotADirectoryError):
            self._differs("BS651", f"/{path} is in {self.one.archive} and not in the source")
            return
        except OSError as error:
            self._differs("BS651", f"/{path} cannot be read: {error.strerror}")
            return
        for what in differences:
            self._differs("BS652" if what == "content" else "BS651", f"/{path} in {self.one.archive} differs: {what}")

    def _open(self, folder: str) -> int:
        """Open a folder of the source, once for all items in a row that lie in it; no symbolic link is followed."""
        if self.opened is None or self.opened[0] != folder:
            self.close()
            with self.view.parent(f"{folder}/.") as (fd, _):
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

    def _attributes(self, item: BorgObject, state: os.stat_result, root: Root) -> Iterator[str]:
        if item.mode != state.st_mode:
            yield f"type and mode {stat.filemode(item.mode)}, source {stat.filemode(state.st_mode)}"
        if (item.uid, item.gid) != (state.st_uid, state.st_gid):
            yield f"owner {item.uid}:{item.gid}, source {state.st_uid}:{state.st_gid}"
            return
        names = (None, None) if root.numeric_ids else (_user(state.st_uid), _group(state.st_gid))
        if (item.user, item.group) != names:
            yield f"owner's name {item.user}:{item.group}, here {names[0]}:{names[1]}"
        if item.mtime != min(max(state.st_mtime_ns, 0), _LATEST):
            yield f"time {_moment(item.mtime)}, source {_moment(state.st_mtime_ns)}"

    def _extended(self, item: BorgObject, state: os.stat_result, name: str, parent: int) -> Iterator[str]:
        there = _attributes_of(f"/proc/self/fd/{parent}/{name}")
        stored = {os.fsdecode(key): value or b"" for key, value in item.get("xattrs", {}).items()}
        if stored != {key: value for key, value in there.items() if key not in _ACLS.values()}:
            yield f"extended attributes {sorted(stored)}, source {sorted(there)}"
        if stat.S_ISLNK(state.st_mode):
            return
        for field, attribute in _ACLS.items():
            expected = from_attribute(there[attribute]) if attribute in there else None
            text = item.get(field)
            if (None if text is None else from_borg(text)) != expected:
                yield f"{field}"

    def _rest(
        self, item: BorgObject, state: os.stat_result, name: str, parent: int, archive: BorgObject
    ) -> Iterator[str]:
        kind = stat.S_IFMT(state.st_mode)
        if kind == stat.S_IFLNK:
            if item.get("source") != os.readlink(name, dir_fd=parent):
                yield "link target"
            return
        if kind in {stat.S_IFBLK, stat.S_IFCHR} and item.get("rdev") != state.st_rdev:
            yield "device number"
        if kind == stat.S_IFDIR:
            return
        master = item.get("source")
        if master is not None:
            self.links.setdefault(master, {master}).add(item.path)
            return
        if kind != stat.S_IFREG:
            return
        chunks = item.get("chunks", [])
        if item.get("size") != state.st_size or sum(chunk.size for chunk in chunks) != state.st_size:
            yield f"size {item.get('size')}, source {state.st_size}"
            return
        identity = (state.st_dev, state.st_ino, tuple(chunk.id for chunk in chunks))
        if identity not in self.compared:
            drawn = self.share >= 1 or _DRAW.random() < self.share
            self.compared[identity] = not drawn or self._same_bytes(chunks, name, parent, archive)
        if not self.compared[identity]:
            yield "content"

    def _same_bytes(self, chunks: list[BorgObject], name: str, parent: int, archive: BorgObject) -> bool:
        fd = self.view.file(name, parent)
        try:
            self.counts.inodes += 1
            for data in archive.pipeline.fetch_many([chunk.id for chunk in chunks]):
                self.counts.bytes += len(data)
                if _read(fd, len(data)) != data:
                    return False
                self.report(self.counts)
            return not os.read(fd, 1)
        finally:
            os.close(fd)

    # --- from the source to the archive ------------------------------------------------------------------------------

    def _source(self, root: Root) -> Iterator[tuple[str, tuple[int, int] | None]]:
        """Walk one root; give each path that must be in the archive.

        (Device, inode) comes with it where the thing can have several names.
        """
        location = "/".join(filter(None, (self.one.slot, root.location)))
        self.without = frozenset(root.without)
        with self.view.parent(location) as (parent, name):
            yield from self._below(name, parent, root.original, own=root.own)

    def _below(self, name: str, parent: int, path: str, *, own: bool) -> Iterator[tuple[str, tuple[int, int] | None]]:
        state = os.stat(name, dir_fd=parent, follow_symlinks=False)
        if path in self.without:
            return
        if stat.S_ISSOCK(state.st_mode):
            self.lost["socket"].append(path)
            return
        if state.st_mtime_ns != min(max(state.st_mtime_ns, 0), _LATEST):
            self.lost["clamped time"].append(path)
        if stat.S_ISLNK(state.st_mode) and state.st_nlink > 1:
            inode = (state.st_dev, state.st_ino)
            if inode in self.symlinks:
                self.lost["split symlink"].append(path)
            self.symlinks.add(inode)
        if not stat.S_ISDIR(state.st_mode):
            yield path, None if stat.S_ISLNK(state.st_mode) else (state.st_dev, state.st_ino)
            return
        if own:
            yield path, None
        fd = self.view.folder(name, parent)
        try:
            for entry in sorted(os.listdir(fd)):  # noqa: PTH208 - a descriptor has no path
                yield from self._below(entry, fd, f"{path}/{entry}".lstrip("/"), own=True)
        finally:
            os.close(fd)

    def _hard_links(self) -> None:
        expected = {frozenset(names) for names in self.names_of.values() if len(names) > 1}
        stored = {frozenset(names) for names in self.links.values()}
        for names in sorted(map(sorted, expected ^ stored)):
            self._differs(
                "BS651",
                f"hard links of /{names[0]} in {self.one.archive} differ from the source: {', '.join(names[1:])}",
            )


def _moment(nanoseconds: int) -> str:
    """Write a time as UTC: 2024-01-31T02:00:00.25Z, with as many digits as it takes."""
    seconds, fraction = divmod(nanoseconds, 10**9)
    text = f"{datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds):%Y-%m-%dT%H:%M:%S}"
    return text + (f".{fraction:09}".rstrip("0") if fraction else "") + "Z"


@cache
def _user(number: int) -> str | None:
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return None


@cache
def _group(number: int) -> str | None:
    try:
        return grp.getgrgid(number).gr_name
    except KeyError:
        return None


def _attributes_of(path: str) -> dict[str, bytes]:
    try:
        names = os.listxattr(path, follow_symlinks=False)
    except OSError:
        return {}
    return {name: os.getxattr(path, name, follow_symlinks=False) for name in names}


def _read(fd: int, size: int) -> bytes:
    data = os.read(fd, size)
    while 0 < len(data) < size and (more := os.read(fd, size - len(data))):
        data += more
    return data
