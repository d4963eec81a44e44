"""Backups of changed blocks alone, with a real libvirt and QEMU: chains, what breaks them, and what comes back."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import pytest

from demo.lab.command import Outcome
from tests.libvirt.hypervisor import HOST, IMAGES, MIB, SCRATCH, Hypervisor, hypervisor

pytestmark = [pytest.mark.root, pytest.mark.borg, pytest.mark.libvirt]

DISKS = {"vda": "qcow2", "vdb": "qcow2"}
SIZE = 16 * MIB
KIB64 = 2**16  # what a bit of QEMU's bitmaps stands for
NUMBERS = itertools.count(1)


@dataclass(slots=True)
class Guest:
    """A virtual machine, what its disks hold, and the job of its name."""

    kvm: Hypervisor
    name: str
    holds: dict[str, bytearray] = field(default_factory=lambda: {disk: bytearray(SIZE) for disk in DISKS})

    def job(self, *, check: bool = True) -> Outcome:
        return self.kvm.job(self.name, check=check)

    def virsh(self, *words: str, check: bool = True) -> Outcome:
        return self.kvm.virsh(words[0], "--domain", self.name, *words[1:], check=check)

    def write(self, disk: str, where: int, pattern: int, length: int = KIB64) -> None:
        self.kvm.write(self.name, list(DISKS).index(disk), where, pattern, length)
        self.holds[disk][where : where + length] = bytes([pattern]) * length

    def told(self, **settings: object) -> None:
        """Compile the job with other settings."""
        job = {"disks": list(DISKS), "scratch_free": "1MB", "method": "incremental", "retention": {"forever": True}}
        self.kvm.written({self.name: {**job, **settings}}, {})

    def times(self) -> list[str]:
        """Give the times of all its backups, the oldest first."""
        names = (name.removeprefix(f"{HOST}_{self.name}_") for name in self.kvm.archives() if "partial" not in name)
        return sorted(name for name in names if name.startswith("2") and "_" not in name)

    def disks(self, time: str) -> list[str]:
        """Give what a backup calls its disks."""
        start, end = f"{HOST}_{self.name}_v", f"_{time}"
        return sorted(
            "v" + name.removeprefix(start).removesuffix(end)
            for name in self.kvm.archives()
            if name.startswith(start) and name.endswith(end)
        )

    def manifest(self) -> Mapping[str, object]:
        return dict(json.loads(self.kvm.stored(self.kvm.newest(self.name), "manifest.json")))

    def checkpoints(self) -> list[str]:
        return self.virsh("checkpoint-list", "--name").stdout.split()

    def restored(self, *words: str) -> dict[str, bytes]:
        """Restore it beside itself, and give what its disks hold there."""
        copy = f"{self.name}-copy"
        self.kvm.restore(self.name, *words, "--as", copy)
        found = {disk: self.kvm.raw(f"{IMAGES}/{copy}-{disk}.img", "qcow2") for disk in DISKS}
        self.kvm.virsh("undefine", "--domain", copy)
        self.kvm.machine.sh(f"rm {IMAGES}/{copy}-*; ! ls {IMAGES} | grep restoring")
        return found


@pytest.fixture(scope="module", params=["1.2", "1.4"])
def kvm(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hypervisor]:
    """One hypervisor for all tests of this file, for each generation of borg."""
    with hypervisor(tmp_path_factory.mktemp("kvm"), borg=request.param) as found:
        yield found


@pytest.fixture
def guest(kvm: Hypervisor) -> Iterator[Guest]:
    """Give a virtual machine that stands before its first instruction, and its job."""
    made = Guest(kvm, f"vm{next(NUMBERS)}")
    kvm.define(made.name, DISKS)
    made.told()
    kvm.start(made.name)
    made.write("vda", 0, 0x11, MIB)
    made.write("vdb", 3 * MIB, 0x12, MIB)
    yield made
    made.virsh("destroy", check=False)
    made.virsh("undefine", "--checkpoints-metadata", check=False)


def full(ran: Outcome, why: str) -> bool:
    """Tell whether a run read all, and said why."""
    return "all of each disk is read: " in ran.output and why in ran.output


def test_every_time_of_a_chain_comes_back(guest: Guest) -> None:
    """A full backup, then two of what changed; each restore is what the guest had, and reads what changed alone."""
    had = []
    assert full(guest.job(), "the repository has no backup yet")
    had.append({disk: bytes(found) for disk, found in guest.holds.items()})
    guest.write("vda", 5 * MIB, 0x21)
    guest.write("vda", 0, 0x22)
    ran = guest.job()
    first, second = guest.times()
    assert f"what changed since {first}" in ran.output
    assert guest.disks(second) == [f"vda-since-{first}", f"vdb-since-{first}"]
    manifest = guest.manifest()
    assert (manifest["method"], manifest["since"]) == ("incremental", first)
    stored = {each["disk"]: each["stored"] for each in manifest["disks"]}  # type: ignore[attr-defined]
    # The image has tables of its own, five clusters at most; the disk that did not change has nothing else.
    assert stored["vda"] <= (2 + 5) * KIB64
    assert stored["vdb"] <= 5 * KIB64
    had.append({disk: bytes(found) for disk, found in guest.holds.items()})
    guest.write("vdb", 3 * MIB, 0, MIB)
    guest.write("vda", 5 * MIB, 0x31)
    guest.job()
    had.append({disk: bytes(found) for disk, found in guest.holds.items()})
    third = guest.times()[-1]
    assert guest.checkpoints() == [f"backupspec_{guest.name}_local_{third.replace(':', '')}"]
    assert guest.kvm.machine.sh(f"ls -A {SCRATCH}").stdout == ""
    for time, wanted in zip(guest.times(), had, strict=True):
        assert guest.restored("--at", time) == wanted
