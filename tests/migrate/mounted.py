"""Mounts a file system for some commands only: nobody else sees it, and it goes with the process that holds it."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest


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


@contextmanager
def btrfs(image: Path, megabytes: int, where: Path) -> Iterator[Mounted]:
    """Make a btrfs in a file and mount it; skips where none can be, and leaves no loop device."""
    with image.open("wb") as file:
        file.truncate(megabytes << 20)
    subprocess.run(["mkfs.btrfs", "--quiet", image], check=True)
    try:
        with mounted("-o", "loop", image, where) as mount:
            yield mount
    except MountError as error:
        pytest.skip(f"no btrfs can be mounted here: {error}")  # in CI that is a failure, like each skip
    end = time.monotonic() + 20
    while loops := subprocess.run(["losetup", "--associated", image], capture_output=True, check=True).stdout:
        assert time.monotonic() < end, loops
        time.sleep(0.02)
