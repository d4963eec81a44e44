"""What happens when the power fails: nothing remains but what the file system had written to its disk."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

import pytest

from tests.migrate.mounted import Mounted, btrfs
from tests.migrate.site import Site
from tests.migrate.test_faults import (
    are_gone,
    assert_complete,
    assert_nothing_is_left,
    await_that,
    children,
    history,
    planned,
    started,
)
from tests.migrate.test_import import name_of

pytestmark = [pytest.mark.root, pytest.mark.borg, pytest.mark.btrfs, pytest.mark.slow]

ON_THE_DISK = ("repos", "base", "migration")
"""Folders of the site: the repositories, what Borg keeps for itself, and the plan with what lies beside it."""
LAZY = {"ext4": "commit=300,noauto_da_alloc", "btrfs": "commit=300"}
"""How to mount: then a file system writes by itself next to nothing of what nobody asked it to write."""


class PoweredSite(Site):
    """A site of which `borg`, too, runs where the disk is mounted."""

    def borg(self, program: Path, *arguments: str, cwd: Path | str = "/") -> str:
        command = [*self.among, "env", f"--chdir={cwd}", str(program), *arguments]
        done = subprocess.run(command, env=self.environment(), capture_output=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout.decode("utf-8", "surrogateescape")


@dataclass(frozen=True)
class Powered:
    """A site whose folders `ON_THE_DISK` lie on a file system in an image, which a cut of the power takes back.

    The image lies on a btrfs, which copies it in no time: the copy has what the inner file system had written.
    """

    mount: Mounted
    outer: Path
    kind: str
    folder: Path

    @cached_property
    def site(self) -> PoweredSite:
        return PoweredSite(self.folder, among=self.mount.among, commits_each=True)

    def shell(self, script: str) -> str:
        """Run a script among the mounts, in the folder of the images."""
        command = [*self.mount.among, "sh", "-euc", f'cd "$0"; {script}', str(self.outer)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def seen(self, path: Path) -> Path:
        return self.mount.seen(path)

    def plug_in(self) -> None:
        self.shell(f"mount -o loop,{LAZY[self.kind]} image disk")
        for name in ON_THE_DISK:
            self.shell(f"mkdir -p disk/{name}; mount --bind disk/{name} {self.folder}/{name}")

    def unplug(self) -> None:
        self.shell("".join(f"umount {self.folder}/{name}; " for name in ON_THE_DISK) + "umount disk")

    def cut(self, process: subprocess.Popen[str] | None = None) -> str:
        """Take the power away from a process, if one is given, and from the disk; give it back to the disk.

        Give the rest of what the process said before.
        """
        tree = [] if process is None else stopped(process.pid)
        lost = self.seen(self.outer / "disk/lost")
        lost.write_text("nobody asked to write this to the disk")
        self.shell("cp --reflink=always image copy")
        for one in tree:
            with suppress(ProcessLookupError):
                os.kill(one, signal.SIGKILL)
        said = "" if process is None else process.communicate(timeout=60)[0]
        await_that(lambda: are_gone(tree), "a process lives on", 5)
        # This writes to the old image all that was in memory, and then nobody has it.
        self.unplug()
        self.shell("mv copy image")
        self.plug_in()
        assert not lost.exists(), "what was in memory is gone"
        return said


def stopped(pid: int) -> list[int]:
    """Stop a process and all below it; give their numbers once none of them runs."""
    tree: list[int] = []
    while fresh := [one for one in (pid, *children(pid)) if one not in tree]:
        for one in fresh:
            with suppress(ProcessLookupError):
                os.kill(one, signal.SIGSTOP)
        for one in fresh:
            await_that(partial(stands, one), "it does not stop")
        tree += fresh
    return tree


def stands(pid: int) -> bool:
    """Tell whether a process does nothing any more: it is stopped, or gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] in {"T", "Z"}
    except (FileNotFoundError, ProcessLookupError):
        return True


@contextmanager
def powered(place: Path, kind: str) -> Iterator[Powered]:
    """Give a site on a disk of its own; no loop device is left."""
    below, outer = place / "below", place / "outer"
    outer.mkdir()
    for name in ON_THE_DISK:
        (place / "site" / name).mkdir(parents=True)
    with btrfs(below, 3072, outer) as mount:
        one = Powered(mount, outer, kind, place / "site")
        one.shell(f"mkdir disk; truncate --size=1G image; mkfs.{kind} -q image")
        one.plug_in()
        yield one
        one.unplug()


def done_in(said: str) -> set[str]:
    """Give the archives that a run says are there."""
    events = [json.loads(line) for line in said.splitlines() if line.startswith('{"type": "progress"')]
    return {one["archive"] for one in events if one["what"] in {"done", "present"}}


@pytest.mark.parametrize("kind", ["ext4", "btrfs"])
def test_what_was_said_to_be_done_is_there_after_a_power_failure(place: Path, borg14: Path, kind: str) -> None:
    with powered(place, kind) as disk:
        site = disk.site
        times = history(site, nights=8)
        names = [name_of(when) for when in times]
        planned(site, "--encryption", "repokey-blake2")
        disk.shell("sync --file-system disk")

        with started(site, "run", "--log-json") as process:
            await_that(disk.seen(site.repo() / "config").exists, "no repository is made")
            disk.cut(process)  # while the repository is made

        cuts = []
        for delay in (0, 0.05, 0.3):
            with started(site, "run", "--log-json") as process:
                assert process.stdout is not None
                said = ""
                for line in process.stdout:
                    said += line
                    if '"done"' in line:
                        break
                time.sleep(delay)
                said += disk.cut(process)
            there = site.archives(borg14)
            assert "Traceback" not in said, said
            assert done_in(said) <= set(there), "what was said to be there is there"
            assert there == names[: len(there)]
            cuts.append(len(there))
        assert 0 < cuts[0] < len(names), "not before the first archive, and not after the last"

        done = site.run("run")
        assert done.returncode == 0, done.stderr
        disk.cut()
        assert site.archives(borg14) == names
        done = site.run("run")
        assert done.returncode == 0, done.stderr
        assert_nothing_is_left(site, seen=disk.seen)
        assert_complete(site, borg14, times)
        disk.cut()
        done = site.run("report")
        assert done.returncode == 0, done.stdout
        assert_nothing_is_left(site, seen=disk.seen)
