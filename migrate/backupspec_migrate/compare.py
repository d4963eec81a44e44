"""Compares one item of an archive with what lies in the source: attributes, links and bytes."""

from __future__ import annotations

import errno
import grp
import os
import pwd
import stat
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import cache

from backupspec_migrate.posix_acl import from_attribute, from_borg
from backupspec_migrate.repository import BorgObject
from backupspec_migrate.source_walk import LATEST

_ACLS = {"acl_access": "system.posix_acl_access", "acl_default": "system.posix_acl_default"}


def attributes_differ(item: BorgObject, state: os.stat_result, *, numeric: bool) -> Iterator[str]:
    """Say which of type, mode, owner and time are not those of the source."""
    if item.mode != state.st_mode:
        yield f"type and mode {stat.filemode(item.mode)}, source {stat.filemode(state.st_mode)}"
    if (item.uid, item.gid) != (state.st_uid, state.st_gid):
        yield f"owner {item.uid}:{item.gid}, source {state.st_uid}:{state.st_gid}"
        return
    names = (None, None) if numeric else (_user(state.st_uid), _group(state.st_gid))
    if (item.user, item.group) != names:
        yield f"owner's name {item.user}:{item.group}, here {names[0]}:{names[1]}"
    if item.mtime != min(max(state.st_mtime_ns, 0), LATEST):
        yield f"time {_moment(item.mtime)}, source {_moment(state.st_mtime_ns)}"


def extended_differ(item: BorgObject, state: os.stat_result, name: str, parent: int) -> Iterator[str]:
    """Say which extended attributes and access control lists are not those of the source."""
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


def special_differ(item: BorgObject, state: os.stat_result, name: str, parent: int) -> Iterator[str]:
    """Say whether a symbolic link's target, a device's number or a file's size is not that of the source.

    What is of another type has none of these, and differs already.
    """
    kind = stat.S_IFMT(state.st_mode)
    if kind != stat.S_IFMT(item.mode):
        return
    if kind == stat.S_IFLNK and item.get("source") != os.readlink(name, dir_fd=parent):
        yield "link target"
    if kind in {stat.S_IFBLK, stat.S_IFCHR} and item.get("rdev") != state.st_rdev:
        yield "device number"
    if kind == stat.S_IFREG and item.get("source") is None:
        chunks = item.get("chunks", [])
        if item.get("size") != state.st_size or sum(chunk.size for chunk in chunks) != state.st_size:
            yield f"size {item.get('size')}, source {state.st_size}"


def same_bytes(pieces: Iterator[bytes], fd: int, progress: Callable[[int], None]) -> bool:
    """Tell whether an open file holds exactly these pieces; `progress` is told the length of each."""
    for data in pieces:
        progress(len(data))
        if _read(fd, len(data)) != data:
            return False
    return not os.read(fd, 1)


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
    except OSError as error:
        if error.errno == errno.ENOTSUP:
            return {}
        raise
    found = {}
    for name in names:
        try:
            found[name] = os.getxattr(path, name, follow_symlinks=False)
        except OSError as error:
            # Listed and not to be had: as btrfs does it with what only root may read.
            if error.errno != errno.ENODATA:
                raise
    return found


def _read(fd: int, size: int) -> bytes:
    data = os.read(fd, size)
    while 0 < len(data) < size and (more := os.read(fd, size - len(data))):
        data += more
    return data
