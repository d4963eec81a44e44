"""Reads and replaces files that somebody named, and nothing else under their name: no device, no pipe."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

LARGEST = 2**24
"""Bytes of a configuration, of which nobody writes so many."""


def read_plain(path: Path, most: int = LARGEST) -> bytes:
    """Give what a file holds; OSError where it is none, or has more than `most` bytes."""
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(fd, "rb") as file:
        _refuse_others(os.fstat(fd))
        data = file.read(most + 1)
    if len(data) > most:
        raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))
    return data


def refuse_others(path: Path) -> None:
    """Raise OSError where something stands that is no file: as root, a device would be replaced by one."""
    try:
        state = path.lstat()
    except FileNotFoundError:
        return
    if not stat.S_ISLNK(state.st_mode):
        _refuse_others(state)


def _refuse_others(state: os.stat_result) -> None:
    if stat.S_ISDIR(state.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    if not stat.S_ISREG(state.st_mode):
        raise OSError(errno.EINVAL, "it is a device or a pipe, no file")
