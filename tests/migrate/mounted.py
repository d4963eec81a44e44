"""Mounts a file system for some commands only: nobody else sees it, and it goes with the process that holds it."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path


class MountError(Exception):
    """It could not be mounted; the message is what `mount` said."""


@dataclass(frozen=True)
class Mounted:
    """What the process `holder` has mounted."""

    holder: int

    @property
    def among(self) -> tuple[str, ...]:
        """Give what to put before a command that is to see it."""
        # With the root folder of the holder, too: in a chroot that is not the one of the mounts.
        return "nsenter", f"--target={self.holder}", "--mount", "--root", "--wd", "--"

    def seen(self, path: Path) -> Path:
        """Give the way from here to a path there."""
        return Path(f"/proc/{self.holder}/root{path}")


@contextmanager
def mounted(*words: str | Path) -> Iterator[Mounted]:
    """Mount as `mount` is told by `words`.

    Mount and loop device are gone when the block ends, and also when whoever entered it is killed.
    """
    holding = ["sh", "-c", 'mount "$@" 2>&1 && echo mounted && exec cat', "sh", *words]
    with subprocess.Popen(
        ["unshare", "--mount", "--propagation=private", *holding],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,  # a ^C at the terminal is for those who use the mount
    ) as holder:
        assert holder.stdout is not None
        if (said := holder.stdout.readline().strip()) != "mounted":
            raise MountError(said)
        yield Mounted(holder.pid)
