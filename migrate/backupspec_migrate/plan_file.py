"""Where a plan file lies, and what lies beside it."""

from __future__ import annotations

import errno
import os
import time
from dataclasses import dataclass
from glob import escape
from pathlib import Path

from backupspec_migrate.plain_file import refuse_others

_OLD = 3600  # seconds; nobody writes so long


@dataclass(frozen=True, slots=True)
class Beside:
    """The files beside a plan: its record, its report, and the lists of archive ids, all named after it."""

    plan: Path

    @property
    def stem(self) -> str:
        """Give the name that they share."""
        return self.plan.name.removesuffix(".yaml").removesuffix(".yml")

    @property
    def record(self) -> Path:
        """What run and verify found."""
        return self.plan.with_name(f"{self.stem}.record.json")

    @property
    def accepted(self) -> Path:
        """The folder of archive ids, one file for each series."""
        return self.plan.with_name(f"{self.stem}.accepted")

    def report(self, suffix: str) -> Path:
        """Give the place of the sign-off page."""
        return self.plan.with_name(f"{self.stem}.report.{suffix}")


def write_whole(path: Path, text: str) -> None:
    """Write a file so that it is there as a whole or as it was; its folder is made. OSError if that cannot be.

    Once this returns, the file is there after a power failure, too.

    No link that somebody else laid there is followed, and no other account may change the file.
    """
    refuse_others(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    _remove_unfinished(path)
    new = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        fd = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
        with os.fdopen(fd, "w", encoding="utf-8", errors="surrogateescape") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
        _sync_names(path.parent)
    finally:
        new.unlink(missing_ok=True)


def _sync_names(folder: Path) -> None:
    """Wait until the disk has the names in a folder."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    except OSError as error:
        if error.errno != errno.EINVAL:  # some file systems have no such thing
            raise
    finally:
        os.close(fd)


def _remove_unfinished(path: Path) -> None:
    """Remove what a process that was killed had half written."""
    for one in path.parent.glob(f".{escape(path.name)}.*"):
        writer = one.name.rpartition(".")[2]
        # After a power failure another process may have the number.
        if writer.isdecimal() and (not Path(f"/proc/{writer}").exists() or _is_old(one)):
            one.unlink(missing_ok=True)


def _is_old(path: Path) -> bool:
    try:
        return time.time() - path.stat().st_mtime > _OLD
    except FileNotFoundError:
        return True
