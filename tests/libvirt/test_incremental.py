"""Backups of changed blocks alone, with a real libvirt and QEMU: chains, what breaks them, and what comes back."""

from __future__ import annotations

import contextlib
import itertools
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from demo.lab import unit
from demo.lab.command import Outcome
from tests.libvirt.hypervisor import HOST, IMAGES, MIB, SCRATCH, Hypervisor, hypervisor, image, until

pytestmark = [pytest.mark.root, pytest.mark.borg, pytest.mark.libvirt]

SIZE = 16 * MIB
KIB64 = 2**16  # what a bit of QEMU's bitmaps stands for
NUMBERS = itertools.count(1)
# In front of the real programs: a call whose words match a line of /run/fails does not come to be; with /run/dies, the
# job is killed as soon as libvirt has begun a backup.
FRONT = """\
#!/bin/sh
if [ -e /run/fails ] && printf '%s\\n' "$*" | grep -q -f /run/fails; then exit 2; fi
if [ -e /run/dies ] && case "$*" in *backup-begin*) ;; *) false ;; esac; then
    /usr/bin/{0} "$@"
    rm /run/dies
    pkill -KILL -f jobs/vm[0-9]*_local/create
fi
exec /usr/bin/{0} "$@"
"""


@dataclass(slots=True)
class Guest:
    """A virtual machine, what its disks hold, and the job of its name."""

    kvm: Hypervisor
    name: str
    disks: tuple[str, ...]
    holds: dict[str, bytearray] = field(default_factory=dict)

    def job(self, *, check: bool = True) -> Outcome:
        return self.kvm.job(self.name, check=check)

    def virsh(self, *words: str, check: bool = True) -> Outcome:
        return self.kvm.virsh(words[0], "--domain", self.name, *words[1:], check=check)

    def write(self, where: int, pattern: int, length: int = KIB64, disk: str = "vda") -> None:
        """Write to a disk as the guest would."""
        self.kvm.write(self.name, self.disks.index(disk), where, pattern, length)
        self.holds[disk][where : where + length] = bytes([pattern]) * length

    def now(self) -> dict[str, bytes]:
        """Give what its disks hold."""
        return {disk: bytes(found) for disk, found in self.holds.items()}

    def told(self, **settings: object) -> None:
        """Compile the job with other settings."""
        job = {"disks": list(self.disks), "scratch_free": "1MB", "method": "incremental", "quiesce": "off"}
        told = {**job, "retention": {"forever": True}, **settings}
        self.kvm.written({self.name: {key: value for key, value in told.items() if value is not None}}, {})
        edit = "s/--lock-wait 600/--lock-wait 20/; s|/usr/bin/borg |/usr/local/bin/borg |"
        self.kvm.machine.sh(f"sed -i '{edit}' /usr/local/lib/backupspec/jobs/*/*")

    def backups(self) -> dict[str, list[str]]:
        """Give what each of its backups calls its disks, by time, the oldest first. Nothing is unfinished."""
        start = f"{HOST}_{self.name}_"
        names = [name.removeprefix(start) for name in self.kvm.archives() if name.startswith(start)]
        assert [name for name in names if "partial" in name] == []
        times = sorted(name for name in names if not name.startswith("v"))
        return {
            time: sorted(name.removesuffix(f"_{time}") for name in names if name.endswith(f"_{time}")) for time in times
        }

    def manifest(self) -> Mapping[str, Any]:
        return dict(json.loads(self.kvm.stored(self.kvm.newest(self.name), "manifest.json")))

    def checkpoints(self) -> list[str]:
        return self.virsh("checkpoint-list", "--name").stdout.split()

    def checkpoint(self, time: str) -> str:
        """Give the name of the checkpoint of a backup."""
        return f"backupspec_{self.name}_local_{time.replace(':', '')}"

    def restored(self, *words: str) -> dict[str, bytes]:
        """Restore it beside itself, and give what its disks hold there."""
        copy = f"{self.name}-copy"
        self.kvm.restore(self.name, *words, "--as", copy)
        found = {disk: self.kvm.raw(f"{IMAGES}/{copy}-{disk}.img", "qcow2") for disk in self.disks}
        self.kvm.virsh("undefine", "--domain", copy)
        self.kvm.machine.sh(f"rm {IMAGES}/{copy}-*; ! ls {IMAGES} | grep restoring")
        return found


@pytest.fixture(scope="module")
def kvm(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hypervisor]:
    """One hypervisor for all tests of this file that do not ask for a generation of borg, and one for those that do."""
    with hypervisor(tmp_path_factory.mktemp("kvm"), borg=getattr(request, "param", "1.4")) as found:
        for program in ("borg", "virsh"):
            found.machine.write(f"/usr/local/bin/{program}", FRONT.format(program), mode=0o755)
        yield found


@contextlib.contextmanager
def machine(kvm: Hypervisor, *disks: str) -> Iterator[Guest]:
    """Give a virtual machine that stands before its first instruction, and its job."""
    made = Guest(kvm, f"vm{next(NUMBERS)}", disks, {disk: bytearray(SIZE) for disk in disks})
    kvm.define(made.name, dict.fromkeys(disks, "qcow2"))
    made.told()
    kvm.start(made.name)
    made.write(0, 0x11, MIB)
    yield made
    made.virsh("destroy", check=False)
    made.virsh("undefine", "--checkpoints-metadata", check=False)


@pytest.fixture
def guest(kvm: Hypervisor) -> Iterator[Guest]:
    """Give one with one disk, and a full backup of it."""
    with machine(kvm, "vda") as made:
        made.job()
        made.write(2 * MIB, 0x12)
        yield made


@contextlib.contextmanager
def failing(guest: Guest, pattern: str) -> Iterator[None]:
    """Let every call of borg or virsh fail whose words match."""
    guest.kvm.machine.write("/run/fails", f"{pattern}\n", mode=0o644)
    try:
        yield
    finally:
        guest.kvm.machine.sh("rm -f /run/fails")


def is_full(guest: Guest, why: str) -> str:
    """Hold that the job reads all, says why, and that the next one can go on from it; give its time."""
    ran = guest.job()
    assert ("all of each disk is read: " in ran.output, why in ran.output) == (True, True), ran.output
    newest, parts = list(guest.backups().items())[-1]
    assert parts == list(guest.disks)
    assert guest.checkpoints() == [guest.checkpoint(newest)]
    return newest


def goes_on(guest: Guest, since: str, *, told: str = "") -> str:
    """Hold that the job stores what changed since that backup, and leaves one checkpoint; give its time."""
    ran = guest.job()
    assert (f"what changed since {since}" in ran.output, told in ran.output) == (True, True), ran.output
    newest, parts = list(guest.backups().items())[-1]
    assert parts == [f"{disk}-since-{since}" for disk in guest.disks]
    assert guest.checkpoints() == [guest.checkpoint(newest)]
    return newest


def test_every_time_of_a_chain_comes_back(kvm: Hypervisor) -> None:
    """A full backup, then two of what changed; each restore is what the guest had, and reads what changed alone.

    A disk that no job names, and so no file of libvirt's does, gets nothing written beside it.
    """
    with machine(kvm, "vda", "vdb") as guest:
        changes = f"/etc/backupspec/virtual-machines/{guest.name}_local.changes.xml"
        kvm.machine.run(["virt-xml-validate", changes, "domainbackup"])
        guest.write(3 * MIB, 0x12, MIB, "vdb")
        first = is_full(guest, "the repository has no backup yet")
        had = [guest.now()]
        guest.write(5 * MIB, 0x21)
        guest.write(0, 0x22)
        more = f"{IMAGES}/more"
        kvm.machine.run(["qemu-img", "create", "-q", "-f", "qcow2", more, str(MIB)])
        words = ["--source", more, "--subdriver", "qcow2", "--target", "vdc", "--targetbus", "virtio"]
        guest.virsh("attach-disk", *words)
        images = kvm.machine.sh(f"ls -A {IMAGES}").stdout
        second = goes_on(guest, first, told=f"vdc of {guest.name} is in no backup")
        assert kvm.machine.sh(f"ls -A {IMAGES}").stdout == images
        had.append(guest.now())
        manifest = guest.manifest()
        assert (manifest["method"], manifest["since"]) == ("incremental", first)
        stored = {each["disk"]: each["stored"] for each in manifest["disks"]}
        # The image has tables of its own, five clusters at most; the disk that did not change has nothing else.
        assert stored["vda"] <= (2 + 5) * KIB64
        assert stored["vdb"] <= 5 * KIB64
        guest.write(3 * MIB, 0, MIB, "vdb")
        # What was noted is kept while it is off.
        guest.virsh("destroy")
        kvm.start(guest.name)
        guest.write(5 * MIB, 0x31)
        third = goes_on(guest, second)
        had.append(guest.now())
        assert kvm.machine.sh(f"ls -A {SCRATCH}").stdout == ""
        for time, wanted in zip((first, second, third), had, strict=True):
            assert guest.restored("--at", time) == wanted
        assert kvm.validated() >= {"domain", "domainbackup", "domaincheckpoint"}


def test_where_changes_are_not_known_all_is_read(guest: Guest) -> None:
    """Nobody's checkpoint, a crash of QEMU, another size, an image that was put back, and a guest that was off."""
    guest.virsh("checkpoint-delete", "--checkpointname", guest.checkpoints()[0])
    is_full(guest, "there is no checkpoint of")
    guest.kvm.machine.sh(f"kill -KILL $(cat /run/libvirt/qemu/{guest.name}.pid)")
    until(lambda: guest.kvm.state(guest.name) == "shut off", "it runs on")
    # QEMU had not written all of it.
    guest.holds["vda"] = bytearray(guest.kvm.raw(image(guest.name, "vda"), "qcow2"))
    guest.kvm.start(guest.name)
    guest.write(9 * MIB, 0x41)
    is_full(guest, "libvirt does not tell what changed since")
    guest.virsh("blockresize", "--path", "vda", "--size", "17M")
    guest.holds["vda"] += bytes(MIB)
    is_full(guest, "not as large")
    guest.virsh("destroy")
    guest.kvm.restore(guest.name, "--latest", "--replace")
    guest.kvm.start(guest.name)
    guest.write(10 * MIB, 0x42)
    is_full(guest, "libvirt does not tell what changed since")
    guest.virsh("destroy")
    guest.job()
    assert (guest.manifest()["method"], "since" in guest.manifest()) == ("offline", False)
    guest.kvm.start(guest.name)
    is_full(guest, "there is no checkpoint of")
    assert guest.restored("--latest") == guest.now()
    guest.told(full_every="1s")
    is_full(guest, "the last full backup is of")


def test_what_dies_on_the_way_makes_nothing_wrong(guest: Guest) -> None:
    """In libvirt's job, before the repository has all, and before old checkpoints are gone; with too little room."""
    (first,) = guest.backups()
    guest.kvm.machine.sh(": >/run/dies")
    assert guest.job(check=False).code != 0
    assert guest.kvm.machine.sh(f"ls -A {SCRATCH}").stdout == ""
    assert len(guest.checkpoints()) == 2
    second = goes_on(guest, first)
    guest.write(3 * MIB, 0x51)
    with failing(guest, "^rename"):
        assert guest.job(check=False).code != 0
    third = goes_on(guest, second)
    guest.write(4 * MIB, 0x52)
    with failing(guest, "checkpoint-delete"):
        assert "cannot be deleted" in guest.job().output
    fourth = list(guest.backups())[-1]
    assert guest.checkpoints() == [guest.checkpoint(third), guest.checkpoint(fourth)]
    goes_on(guest, fourth)
    assert guest.restored("--latest") == guest.now()
    # What changed has no room: the guest is not disturbed, and all is read, which needs none.
    guest.write(0, 0x53, 12 * MIB)
    guest.kvm.machine.run(["mount", "-t", "tmpfs", "-o", "size=8M", "tmpfs", SCRATCH])
    try:
        is_full(guest, "was not stored")
    finally:
        guest.kvm.machine.run(["umount", SCRATCH])


def test_a_checkpoint_stays_as_long_as_its_method(guest: Guest) -> None:
    """Those of others stay for good; with a foreign job, or a disk that notes nothing, nothing is made of it."""
    guest.kvm.machine.write("/root/other.xml", "<domaincheckpoint><name>backupspec_other</name></domaincheckpoint>")
    guest.virsh("checkpoint-create", "--xmlfile", "/root/other.xml")
    assert len(guest.checkpoints()) == 2
    guest.told(method="pull")
    assert "all of each disk" not in guest.job().output
    assert guest.checkpoints() == ["backupspec_other"]
    assert guest.manifest()["method"] == "pull"
    guest.virsh("checkpoint-delete", "--checkpointname", "backupspec_other")
    # One of ours is known by its files too, since it has no socket when it writes what changed.
    folder = f"{SCRATCH}/backupspec-{guest.name}_local"
    text = (
        "<domainbackup mode='pull'><server transport='unix' socket='/root/some.sock'/><disks>"
        f"<disk name='vda' backup='yes' type='file'><scratch file='{folder}/vda'/></disk></disks></domainbackup>"
    )
    guest.kvm.machine.write("/root/ours.xml", text)
    guest.kvm.machine.sh(f"mkdir {folder}")
    guest.virsh("backup-begin", "--backupxml", "/root/ours.xml")
    assert "an earlier run was cut off" in guest.job().output


def test_a_disk_that_is_raw_is_read_each_time(kvm: Hypervisor) -> None:
    with machine(kvm, "vda") as guest:
        guest.virsh("destroy")
        path = image(guest.name, "vda")
        kvm.machine.run(["qemu-img", "convert", "-O", "raw", path, f"{path}.raw"])
        kvm.machine.run(["mv", f"{path}.raw", path])
        text = guest.virsh("dumpxml", "--inactive").stdout.replace("type='qcow2'", "type='raw'")
        kvm.machine.write("/root/raw.xml", text)
        kvm.virsh("define", "/root/raw.xml")
        kvm.start(guest.name)
        ran = guest.job()
        assert "in qcow2 alone, which these disks are not: vda" in ran.output
        assert (guest.checkpoints(), guest.manifest()["method"]) == ([], "pull")


@pytest.mark.parametrize("kvm", ["1.2", "1.4"], indirect=True)
def test_what_a_backup_is_put_together_from_stays(guest: Guest) -> None:
    """Thinning out keeps whole chains; a restore or a drill that lacks a part says so and changes nothing."""
    guest.virsh("checkpoint-delete", "--checkpointname", guest.checkpoints()[0])
    chain = [is_full(guest, "there is no checkpoint of")]
    guest.write(MIB, 0x61)
    chain.append(goes_on(guest, chain[-1]))
    had = guest.now()
    guest.told(retention={"last": 1}, drill={})
    guest.job()
    *others, newest = guest.backups()
    assert others == chain
    assert guest.restored("--at", chain[-1]) == had
    drill = unit.run(guest.kvm.machine, f"backupspec-drill-{guest.name}_local")
    assert "drill passed: 1 disks as stored" in drill.output
    # Also when nothing goes on from it any more.
    guest.told(retention={"last": 2}, method="pull")
    guest.job()
    assert list(guest.backups())[:-1] == [*chain, newest]
    # Without one in the middle of it, or with another one in its place, nothing comes back.
    middle = f"{HOST}_{guest.name}_vda-since-{chain[0]}_{chain[1]}"
    guest.kvm.replace_archive(middle, "vda.qcow2", b"QFI" * 1000)
    ran = guest.kvm.restore(guest.name, "--at", newest, "--as", "copy", check=False)
    assert (ran.code != 0, "could not be restored as it was stored" in ran.output) == (True, True)
    guest.kvm.delete_archive(middle)
    ran = guest.kvm.restore(guest.name, "--at", newest, "--as", "copy", check=False)
    assert (ran.code != 0, "is not all in the repository" in ran.output) == (True, True)
    assert f"has no backup of {chain[1]} of the disk vda\n" in ran.output
    assert "copy" not in guest.kvm.machine.sh(f"ls {IMAGES}; virsh list --all").stdout
