"""The record beside a plan: what `run` and `verify` found of each archive, for a resumed verify and for the report.

It proves nothing by itself: the report asks the repositories whether the archives are there with the same ids. And it
counts only if nobody but root and this account can have written it.
"""

from __future__ import annotations

import json
import os
import stat
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from backupspec.catalogue import diagnose
from backupspec.diagnostic import Diagnostics, Span
from backupspec_migrate.messages import Compared, Message, Written
from backupspec_migrate.plan_file import write_whole

FORMAT = 1
MOST_PATHS = 100
"""Paths of one kind of loss that are kept by name."""


@dataclass(frozen=True, slots=True)
class Lost:
    """What an archive does not hold as it is, of one kind: how many, and the first paths."""

    kind: str
    count: int
    paths: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Found:
    """What is known of one archive. `id` is Borg's, in hex; times are in seconds since 1970.

    `entries` are all items; `inodes` and `bytes` were read from the source for this archive. `share` of the file
    contents was compared (1.0: all) with `differences`; None before any verify. `mark` tells what it was compared with:
    a plan that was edited since may ask for something else.
    """

    repository: str
    archive: str
    id: str
    entries: int = 0
    inodes: int = 0
    bytes: int = 0
    lost: tuple[Lost, ...] = ()
    imported_at: int | None = None
    verified_at: int | None = None
    share: float | None = None
    differences: int | None = None
    first: tuple[str, ...] = ()
    mark: str = ""

    def is_whole(self, mark: str | None) -> bool:
        """Tell whether every byte of what `mark` stands for was compared and found equal."""
        return self.share == 1.0 and self.differences == 0 and self.mark == mark


class Record:
    """The record of one plan in the file beside it; each change is written at once and as a whole."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._found: dict[tuple[str, str], Found] = {}
        self.doubt = ""
        try:
            self._found = _read(file)
        except _ForeignError as error:
            self.doubt = str(error)
        self._unwritten: OSError | None = None

    def get(self, repository: str, archive: str) -> Found | None:
        """Give what is known of an archive."""
        return self._found.get((repository, archive))

    def all(self) -> tuple[Found, ...]:
        """Give all that is known."""
        return tuple(self._found.values())

    def note(self, message: Message) -> None:
        """Note what a process says of an archive; what was known of another archive of that name is forgotten.

        A file that cannot be written stops nothing: `problem` tells.
        """
        known = self.get(message.repository, message.archive)
        if known is None or known.id != message.id:
            known = Found(message.repository, message.archive, message.id)
        match message:
            case Written():
                found = replace(_counted(known, message), imported_at=int(time.time()))
            case Compared():
                found = self._compared(known, message)
            case _:
                found = known
        if found != self.get(message.repository, message.archive):
            self._write(found)

    @staticmethod
    def _compared(known: Found, message: Compared) -> Found:
        # A sample that finds nothing takes nothing from what a whole comparison of the same archive found.
        if known.is_whole(message.mark) and message.share < 1 and not message.count:
            return known
        return replace(
            _counted(known, message),
            verified_at=int(time.time()),
            share=message.share,
            differences=message.count,
            first=message.differences,
            mark=message.mark,
        )

    def _write(self, found: Found) -> None:
        self._found[found.repository, found.archive] = found
        text = json.dumps({"version": FORMAT, "archives": [asdict(one) for one in self._found.values()]}, indent=1)
        try:
            write_whole(self._file, text + "\n")
            self._unwritten = None
        except OSError as error:
            self._unwritten = error

    @property
    def problem(self) -> Diagnostics:
        """Say that what is known is not all in the file, if so."""
        if self._unwritten is None:
            return ()
        place = Span(str(self._file), 1, 1, 1, 1)
        message = f"{self._file} cannot be written: {self._unwritten.strerror}"
        hint = "nothing in the repositories depends on it; start the same command again when it can"
        return (diagnose("BS696", message, place, hint=hint),)


def _counted(known: Found, message: Written | Compared) -> Found:
    # An inode that several archives share is compared once: what the import read of it says more.
    inodes, size = (message.inodes, message.bytes) if known.imported_at is None else (known.inodes, known.bytes)
    lost = tuple(Lost(kind, len(paths), paths[:MOST_PATHS]) for kind, paths in message.lost)
    return replace(known, entries=message.entries, inodes=inodes, bytes=size, lost=lost)


class _ForeignError(Exception):
    """A record that somebody else may have written."""


def _text(file: Path) -> str:
    fd = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    with os.fdopen(fd, encoding="utf-8") as stream:
        state = os.fstat(fd)
        if not stat.S_ISREG(state.st_mode) or state.st_uid not in {0, os.geteuid()} or state.st_mode & 0o022:
            message = f"others can have written {file}: what it says of a verification counts for nothing, verify again"
            raise _ForeignError(message)
        return stream.read()


def _read(file: Path) -> dict[tuple[str, str], Found]:
    try:
        data = json.loads(_text(file))
        if data["version"] != FORMAT:
            return {}
        listed = [
            Found(
                **{
                    **one,
                    "lost": tuple(Lost(each["kind"], each["count"], tuple(each["paths"])) for each in one["lost"]),
                    "first": tuple(one["first"]),
                }
            )
            for one in data["archives"]
        ]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        # It saves work and proves nothing: one that cannot be read is made anew.
        return {}
    return {(one.repository, one.archive): one for one in listed}
