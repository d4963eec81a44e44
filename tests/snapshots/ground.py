"""A host with a file system of a kind that has snapshots, and files jobs that read them, everything on it compiled."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from demo.lab import borgs, unit
from demo.lab.command import Outcome
from demo.lab.machine import Machine
from demo.lab.room import Room
from demo.lab.site import SCRIPTS, Site, repository_script

HOST = "web01"
REPOSITORY = "/backup/borg"
VIEWS = "/run/backupspec/snapshots"
_FORMAT = "{type} {mode} {uid}:{gid} {size} {mtime} {path} {sha256}{NL}"


@dataclass(frozen=True, slots=True)
class Ground:
    """The machine `web01` with a file system on `device`, its inventory, and what timers would do on it."""

    machine: Machine
    site: Site
    device: str

    def sh(self, script: str) -> str:
        """Run a shell script on the machine and give what it prints."""
        return self.machine.sh(script).stdout

    def job(self, job: str, *, check: bool = True) -> Outcome:
        """Run a job's unit to its end."""
        return unit.run(self.machine, f"backupspec-{job}_local", check=check)

    def snapshot(self, job: str, word: str, *, check: bool = True) -> Outcome:
        """Run a job's script around its snapshot."""
        return self.machine.run([f"{SCRIPTS}/jobs/{job}_local/snapshot", word], check=check)

    def archives(self, job: str) -> tuple[str, ...]:
        """Give the names of a job's archives, oldest first."""
        names = repository_script(self.machine, "local", "borg", "list", "--short", "::").stdout.split()
        return tuple(name for name in names if name.startswith(f"{HOST}_{job}_"))

    def items(self, job: str) -> list[str]:
        """Give what the newest archive of a job holds, as lines, sorted."""
        words = ["borg", "list", "--format", _FORMAT, f"::{self.archives(job)[-1]}"]
        return sorted(repository_script(self.machine, "local", *words).stdout.splitlines())

    def content(self, job: str, path: str) -> str:
        """Give the text of a file in the newest archive of a job, nothing if it is not there."""
        words = ["borg", "extract", "--stdout", f"::{self.archives(job)[-1]}", path]
        return repository_script(self.machine, "local", *words, check=False).stdout

    def compiled(self, jobs: Mapping[str, Any]) -> None:
        """Compile the host with other jobs and apply them."""
        write_inventory(self.site.inventory, jobs)
        self.site.compile()
        self.site.apply(self.machine)

    def mounted(self) -> list[str]:
        """Give what is mounted for a job."""
        return [line for line in self.machine.read("/proc/self/mountinfo").splitlines() if VIEWS in line]


def write_inventory(folder: Path, jobs: Mapping[str, Any], **host: object) -> None:
    """Write an inventory of one host with one local repository."""
    document = {
        "version": 1,
        "fleet": "snapshots",
        "repositories": {"local": {"path": REPOSITORY, "encryption": "none"}},
        "hosts": {HOST: {"to": ["local"], "retention": {"forever": True}, "files": dict(jobs), **host}},
    }
    folder.mkdir(exist_ok=True)
    (folder / "inventory.yaml").write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")


@contextlib.contextmanager
def loop(image: Path, size: int) -> Iterator[str]:
    """Give a block device of `size` bytes; it is gone afterwards, with all that was mounted of it in a room."""
    with image.open("wb") as file:
        file.truncate(size)
    argv = ["losetup", "--find", "--show", str(image)]
    device = subprocess.run(argv, check=True, capture_output=True, text=True).stdout.strip()
    try:
        yield device
    finally:
        subprocess.run(["losetup", "--detach", device], check=True)


@contextlib.contextmanager
def ground(folder: Path, jobs: Mapping[str, Any], *, borg: str) -> Iterator[Ground]:
    """Give the host with everything applied, an empty repository and a btrfs without anything mounted."""
    write_inventory(folder / "inventory", jobs)
    site = Site(folder / "inventory", folder / "compiled")
    site.compile()
    with loop(folder / "image", 256 << 20) as device, Room() as room:
        subprocess.run(["mkfs.btrfs", "--quiet", device], check=True)
        machine = room.machine(HOST, ["192.0.2.40"], fresh=["/srv", "/backup"])
        borgs.give(machine, borg)
        site.apply(machine)
        machine.sh(f"install -d -o backupspec -g backupspec -m 0700 {REPOSITORY}")
        repository_script(machine, "local", "init")
        yield Ground(machine, site, device)
