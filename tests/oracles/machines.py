"""What the tests of this folder ask a compiled tree and the fleet behind it."""

from __future__ import annotations

import functools
import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from backupspec.fleet import FilesJob, Fleet, Host, Target
from backupspec.pipeline import load_fleet
from demo.lab.machine import Machine
from tests.golden.trees import INVENTORIES

UNITS = "etc/systemd/system"
SCRIPTS = "usr/local/lib/backupspec"
RECORDER = (
    '#!/bin/sh\nfor word in "$0" "$@"; do printf "%s\\0" "$word"; done >>/run/recorded\nprintf "\\n" >>/run/recorded\n'
)
"""A program that only writes down with which words it was called."""


@functools.cache
def fleet(name: str) -> Fleet:
    """Give the fleet of an inventory."""
    found, diagnostics = load_fleet(INVENTORIES[name])
    assert found is not None, diagnostics
    return found


def images(tree: Path) -> list[Path]:
    """Give the image of each machine of a compiled tree; its parent's name is the machine's."""
    return sorted(tree.glob("hosts/*/root"))


def units(image: Path, suffix: str) -> list[Path]:
    """Give the unit files of an image that end with `suffix`."""
    return sorted((image / UNITS).glob(f"*{suffix}"))


@dataclass(frozen=True, slots=True)
class Run:
    """One job of one host and one of its repositories."""

    host: Host
    job: FilesJob
    target: Target

    @property
    def name(self) -> str:
        """Give what its files are called."""
        return f"{self.job.name}_{self.target.repository.name}"


def runs(of: Fleet) -> Iterator[Run]:
    """Give every job of a fleet for every repository."""
    return (Run(host, job, target) for host in of.hosts for job in host.files for target in job.targets)


def literal(address: str | None) -> bool:
    """Tell whether an address is one, and not a name."""
    try:
        ipaddress.ip_address(address or "")
    except ValueError:
        return False
    return True


def record(machine: Machine, program: str) -> None:
    """Put a program that writes down its words into the place of another."""
    machine.write(program, RECORDER, mode=0o755)
    machine.write("/run/recorded", "")
    machine.run(["chmod", "666", "/run/recorded"])


def recorded(machine: Machine) -> list[list[str]]:
    """Give the words of every call since the last question."""
    calls = [call.split("\0") for call in machine.read("/run/recorded").split("\0\n") if call]
    machine.sh(": >/run/recorded")
    return calls
