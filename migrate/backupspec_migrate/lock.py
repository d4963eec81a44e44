"""Holds rsnapshot's own lockfile, so that no rotation moves the tree while it is read."""

from __future__ import annotations

import errno
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from backupspec.catalogue import diagnose
from backupspec.diagnostic import Diagnostic, Span
from backupspec_migrate.plain_file import read_plain

_MARK = "backupspec migrate"
_LEFT = "in the place of one left by "
_DIGITS = 18  # of a process's number at most
ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Signals that end a command: ^C, a service manager, a terminal that was closed."""


@dataclass(frozen=True, slots=True)
class Holder:
    """Who wrote a lockfile.

    `pid` (None: unreadable), whether that process lives, and whether it was a migration of ours. `left`: what stands in
    the file that an interrupted rsnapshot left behind, this one or the one that ours took the place of.
    """

    pid: int | None
    alive: bool
    ours: bool
    left: str | None = None

    @property
    def interrupted_rsnapshot(self) -> bool:
        """Tell that rsnapshot itself died and left the file behind, or one that a migration of ours replaced."""
        return not self.alive and self.left is not None


def holder(lockfile: Path) -> Holder | None:
    """Say who holds the lock.

    None when nobody does. rsnapshot reads the first line only, the second is our own mark. OSError where it is no file
    that can be read.
    """
    try:
        lines = read_plain(lockfile).decode("utf-8", "replace").split("\n")
    except FileNotFoundError:
        return None
    first, ours = lines[0], lines[1:2] == [_MARK]
    pid = int(first) if first.isascii() and first.isdigit() and len(first) <= _DIGITS else None
    alive = pid is not None and Path(f"/proc/{pid}").exists()
    left = first if not ours else next((one.removeprefix(_LEFT) for one in lines[2:] if one.startswith(_LEFT)), None)
    return Holder(pid, alive, ours, left)


def complaint(lockfile: Path, found: Holder, *, stop_on_stale: bool, place: Span) -> Diagnostic:
    """Say what a lockfile that is already there means.

    An error while its process lives, else a warning (as strict as rsnapshot is set).
    """
    if found.alive:
        message = f"rsnapshot is running, or another migration: {lockfile} is held by process {found.pid}"
        return diagnose("BS620", message, place, hint="wait until it is through, or stop it")
    if stop_on_stale and found.interrupted_rsnapshot:
        hint = "stop_on_stale_lockfile is set: look at what happened, then remove the file"
        return diagnose("BS620", f"{lockfile} was left behind by a process that died", place, hint=hint)
    if found.interrupted_rsnapshot:
        message = f"{lockfile} was left behind by an rsnapshot that was interrupted; a migration leaves it so"
    else:
        message = f"{lockfile} was left behind by an interrupted migration; it is replaced"
    return diagnose("BS621", message, place)


def interrupt(_signal: int, _frame: FrameType | None) -> None:
    """Take a signal for ^C: clean up and leave."""
    raise KeyboardInterrupt


@contextmanager
def hold(lockfile: Path | None) -> Iterator[None]:
    """Hold the lock while the block runs, and let it go on SIGTERM and SIGHUP too (unless ignored, as by nohup).

    A file left behind by a dead process is replaced; a living one is FileExistsError. What rsnapshot left is put back
    afterwards: it is what tells that its last run came to no end, and the next look at the tree must see it, too.
    """
    ignored = [number for number in ENDING if signal.getsignal(number) is signal.SIG_IGN]
    before = {number: signal.signal(number, interrupt) for number in ENDING if number not in ignored}
    try:
        if lockfile is None:
            yield
            return
        found = holder(lockfile)
        if found is not None and not found.alive:
            lockfile.unlink(missing_ok=True)
        left = None if found is None else found.left
        try:
            _take(lockfile, left)
            yield
        finally:
            if (now := holder(lockfile)) is not None and now.pid == os.getpid():
                lockfile.unlink()
                if left is not None:
                    _make(lockfile, f"{left}\n")
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _take(lockfile: Path, left: str | None) -> None:
    after = "" if left is None else f"{_LEFT}{left}\n"
    _make(lockfile, f"{os.getpid()}\n{_MARK}\n{after}")


def _make(lockfile: Path, content: str) -> None:
    """Make the file with its content in one step: an empty one would pass for rsnapshot's."""
    text = content.encode("utf-8", "replace")
    try:
        fd = os.open(lockfile.parent, os.O_WRONLY | os.O_TMPFILE | os.O_CLOEXEC, 0o644)
    except OSError as error:
        if error.errno not in {errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL}:
            raise
        # A file system without files that have no name yet.
        fd = os.open(lockfile, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        with os.fdopen(fd, "wb") as file:
            file.write(text)
        return
    with os.fdopen(fd, "wb") as file:
        file.write(text)
        file.flush()
        # The link below /proc is followed only by the system call that takes a folder; with a full path it is not used.
        os.link(f"/proc/self/fd/{fd}", lockfile, src_dir_fd=fd, follow_symlinks=True)
