"""Removes what a killed Borg was about to put in place. Borg itself never does."""

from __future__ import annotations

import time
from pathlib import Path

from borg.platform import get_process_id, process_alive

_WRITTEN = "*-????????.tmp"  # Borg's names for a file that is being written,
_LOCKS = "lock.exclusive.????????.tmp"  # and for a lock that is being taken
_OLD = 3600  # seconds


def is_leftover(path: Path) -> bool:
    """Tell by its name whether Borg was writing this file."""
    return path.match(_WRITTEN)


def sweep(*folders: Path) -> None:
    """Remove half-written files, and locks that dead processes of this machine were taking.

    The folders must be locked by the caller: only then nobody is writing there. Others may be waiting for the lock.
    """
    for folder in folders:
        for path in folder.glob(_WRITTEN):
            path.unlink(missing_ok=True)
        for path in folder.glob(_LOCKS):
            _remove_lock(path)


def sweep_own(folder: Path) -> None:
    """Remove locks that this process was taking: Borg does, but for one whose taking is interrupted twice."""
    for path in folder.glob(_LOCKS):
        _remove_lock(path, own=True)


def _remove_lock(folder: Path, *, own: bool = False) -> None:
    try:
        names = list(folder.iterdir())
        if any(_may_live(one.name) and not (own and _is_own(one.name)) for one in names):
            return
        if not names and time.time() - folder.stat().st_mtime < _OLD:
            return
        for one in names:
            one.unlink()
        folder.rmdir()
    except FileNotFoundError:
        pass  # whoever made it took it away


def _is_own(name: str) -> bool:
    return name.rpartition("-")[0] == "{}.{}".format(*get_process_id()[:2])


def _may_live(name: str) -> bool:
    """Tell whether the process may live that a lock is named for: HOST.PID-THREAD."""
    who, _, thread = name.rpartition("-")
    host, _, pid = who.rpartition(".")
    try:
        return bool(process_alive(host, int(pid), int(thread, 16)))
    except ValueError:
        return True
