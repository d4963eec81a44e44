"""Where a plan file lies, and what lies beside it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from glob import escape
from pathlib import Path

from backupspec_migrate.plain_file import refuse_others


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
    finally:
        new.unlink(missing_ok=True)


def _remove_unfinished(path: Path) -> None:
    """Remove what a process that was killed had half written."""
    for one in path.parent.glob(f".{escape(path.name)}.*"):
        writer = one.name.rpartition(".")[2]
        if writer.isdecimal() and not Path(f"/proc/{writer}").exists():
            one.unlink(missing_ok=True)
