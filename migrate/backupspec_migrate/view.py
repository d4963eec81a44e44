"""A read-only window onto the source.

Through it nothing can be written, and reading leaves no trace in access times.
"""

from __future__ import annotations

import ctypes
import errno
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

_OPEN_TREE, _MOUNT_SETATTR = 428, 442  # the same numbers on every architecture
_OPEN_TREE_CLONE, _AT_RECURSIVE, _AT_EMPTY_PATH, _AT_FDCWD = 1, 0x8000, 0x1000, -100
_ATTR_RDONLY, _ATTR_NOATIME, _ATTR_MASK_ATIME = 0x1, 0x10, 0x70

_TOP = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


class _MountAttr(ctypes.Structure):
    _fields_ = (
        ("attr_set", ctypes.c_uint64),
        ("attr_clr", ctypes.c_uint64),
        ("propagation", ctypes.c_uint64),
        ("userns_fd", ctypes.c_uint64),
    )


@dataclass(frozen=True, slots=True)
class View:
    """An open folder and how to read below it.

    `sealed`: the kernel itself keeps it read-only and its access times still.
    """

    fd: int
    sealed: bool

    @property
    def _noatime(self) -> int:
        # Without a sealed mount O_NOATIME is asked for and its refusal is an error: a changed access time is a
        # changed source.
        return 0 if self.sealed else os.O_NOATIME

    def folder(self, name: str, parent: int) -> int:
        """Open a folder; a symbolic link is refused with OSError."""
        return os.open(name, _FOLDER | self._noatime, dir_fd=parent)

    def file(self, name: str, parent: int) -> int:
        """Open a regular file; a symbolic link is refused with OSError."""
        return os.open(name, _FILE | self._noatime, dir_fd=parent)

    @contextmanager
    def parent(self, path: str) -> Iterator[tuple[int, str]]:
        """Open the folder that holds `path` (relative to the view) and give it with the last name.

        No symbolic link is followed.
        """
        *above, name = path.split("/")
        fd = os.dup(self.fd)
        try:
            for step in above:
                below = self.folder(step, fd)
                os.close(fd)
                fd = below
            yield fd, name
        finally:
            os.close(fd)

    def stat(self, path: str) -> os.stat_result | None:
        """Give what lies at `path`, or None; no symbolic link is followed on the way."""
        if not path:
            return os.fstat(self.fd)
        try:
            with self.parent(path) as (fd, name):
                return os.stat(name, dir_fd=fd, follow_symlinks=False)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            if error.errno == errno.ELOOP:
                return None
            raise

    def names(self, path: str) -> list[os.DirEntry[str]]:
        """List a folder (relative to the view), sorted by name."""
        # Also the top is opened anew: processes that share a descriptor share how far a listing has come.
        with self.parent(path or ".") as (parent, name):
            fd = self.folder(name, parent)
            try:
                with os.scandir(fd) as entries:
                    return sorted(entries, key=_name)
            finally:
                os.close(fd)

    def is_folder(self, path: str) -> bool:
        """Tell whether there is a folder at `path`."""
        state = self.stat(path)
        return state is not None and stat.S_ISDIR(state.st_mode)


def _name(entry: os.DirEntry[str]) -> str:
    return entry.name


@contextmanager
def open_view(root: str) -> Iterator[View]:
    """Open `root` for reading only.

    As a private, read-only, noatime copy of its mount where the kernel and our rights allow that.

    Elsewhere (not root, a container) each open asks for O_NOATIME, and only symbolic links may get a new access time.
    """
    mount = _sealed_mount(root)
    try:
        # open_tree gives a path descriptor, and reading needs a real one; the first stays open, it keeps nested
        # mounts in place.
        start = os.open(root, _TOP | os.O_NOATIME) if mount is None else os.open(".", _TOP, dir_fd=mount)
        try:
            yield View(start, mount is not None)
        finally:
            os.close(start)
    finally:
        if mount is not None:
            os.close(mount)


def _sealed_mount(root: str) -> int | None:
    libc = ctypes.CDLL(None, use_errno=True)
    flags = ctypes.c_uint(_OPEN_TREE_CLONE | os.O_CLOEXEC | _AT_RECURSIVE)
    mount = int(libc.syscall(ctypes.c_long(_OPEN_TREE), ctypes.c_int(_AT_FDCWD), os.fsencode(root), flags))
    if mount < 0:
        return None
    wanted = _MountAttr(_ATTR_RDONLY | _ATTR_NOATIME, _ATTR_MASK_ATIME, 0, 0)
    size = ctypes.c_size_t(ctypes.sizeof(wanted))
    whole = ctypes.c_uint(_AT_EMPTY_PATH | _AT_RECURSIVE)
    if libc.syscall(ctypes.c_long(_MOUNT_SETATTR), ctypes.c_int(mount), b"", whole, ctypes.byref(wanted), size) < 0:
        os.close(mount)
        return None
    return mount


_STABLE_LISTINGS = frozenset({"ext2", "ext3", "ext4", "xfs", "btrfs", "f2fs", "jfs", "tmpfs", "zfs"})


def listings_tell_inodes(root: str) -> bool:
    """Tell whether a folder's listing gives the inode numbers that stat gives, so that a known file needs no stat.

    Not so on layered and network file systems, nor where something is mounted on top of a file or folder below `root`.
    """
    real = os.path.realpath(root)
    best, kind = "", ""
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as lines:  # noqa: PTH123 - a stream of the kernel, not a file's text
        for line in lines:
            left, _, right = line.partition(" - ")
            point = re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), left.split()[4])
            if point.startswith(real.rstrip("/") + "/"):
                return False
            if (point in {"/", real} or real.startswith(point + "/")) and len(point) >= len(best):
                best, kind = point, right.split()[0]
    return kind in _STABLE_LISTINGS
