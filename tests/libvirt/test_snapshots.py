"""Snapshots of virtual machines in their own images, and the way back, with a real libvirt and QEMU."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest

from demo.lab import unit
from demo.lab.command import Outcome
from demo.lab.site import SCRIPTS
from tests.libvirt.hypervisor import MIB, Hypervisor, hypervisor, image, until

pytestmark = [pytest.mark.root, pytest.mark.borg, pytest.mark.libvirt]

MARK = re.compile(r"backupspec_\d{4}-\d\d-\d\dT\d\d\.\d\d\.\d\dZ")
# In front of the real program: it does not come back from taking a snapshot.
SLEEPY = """\
#!/bin/sh
case "$*" in *snapshot-create-as*) ;; *) exec /usr/bin/virsh "$@" ;; esac
/usr/bin/virsh "$@"
: >/tmp/taken
sleep 600
"""
NAMES = tuple(f"vm{number}" for number in range(1, 16))
FREE = iter(NAMES)
SCHEDULE = {"window": "01:00-05:00", "timezone": "Europe/Berlin"}
SPECIAL: Mapping[str, Mapping[str, object]] = {
    "forever": {"retention": {"forever": True}},
    "full": {"keep_free": "900TB"},
}


@dataclass(frozen=True, slots=True)
class Guest:
    """A virtual machine with two disks, its backup, and its snapshots."""

    kvm: Hypervisor
    name: str

    def virsh(self, *words: str, check: bool = True) -> Outcome:
        return self.kvm.virsh(words[0], "--domain", self.name, *words[1:], check=check)

    def snapshot(self, *, check: bool = True) -> Outcome:
        """Run the job to its end."""
        return unit.run(self.kvm.machine, f"backupspec-{self.name}-back_snapshots", check=check)

    def names(self) -> list[str]:
        """Give the names of all snapshots that libvirt knows."""
        return sorted(self.virsh("snapshot-list", "--name").stdout.split())

    def rollback(self, *words: str, check: bool = True) -> Outcome:
        """Run `backupspec-run rollback`."""
        return self.kvm.machine.run(["backupspec-run", "rollback", f"{self.name}-back", *words], check=check)

    def disk(self, number: int = 0) -> bytes:
        """Give the first megabyte of a disk, as the guest reads it."""
        return self.kvm.raw(image(self.name, ("vda", "vdb")[number]), "qcow2")[:MIB]


def called(time: str) -> str:
    """Give the name of our snapshot of a time."""
    return f"backupspec_{time.replace(':', '.')}"


def time_of(name: str) -> str:
    """Give the time of a snapshot of ours."""
    return name.removeprefix("backupspec_").replace(".", ":")


def jobs(name: str, **settings: object) -> dict[str, object]:
    """Give a backup of a virtual machine, and its snapshots with these settings."""
    snapshots = {"domain": name, "method": "snapshot", "keep_free": "1MB", "retention": {"last": 3}, **settings}
    return {name: {"disks": ["vda", "vdb"], "scratch_free": "1MB"}, f"{name}-back": snapshots}


@pytest.fixture(scope="module")
def kvm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hypervisor]:
    """One hypervisor for all tests of this file, with the jobs of all their virtual machines."""
    with hypervisor(tmp_path_factory.mktemp("kvm")) as found:
        told = {name: SPECIAL.get(name, {}) for name in (*NAMES, *SPECIAL)}
        found.written(
            {key: job for name, own in told.items() for key, job in jobs(name, **own).items()}, {}, schedule=SCHEDULE
        )
        yield found


@pytest.fixture
def guest(kvm: Hypervisor, request: pytest.FixtureRequest) -> Iterator[Guest]:
    """Give a virtual machine that stands before its first instruction: one of its own, or the special one."""
    made = Guest(kvm, getattr(request, "param", None) or next(FREE))
    kvm.define(made.name, {"vda": "qcow2", "vdb": "qcow2"})
    kvm.start(made.name)
    kvm.write(made.name, 0, 0, 0x11)
    kvm.write(made.name, 1, 0, 0x12)
    yield made
    made.virsh("destroy", check=False)
    for name in made.names():
        made.virsh("snapshot-delete", "--snapshotname", name, check=False)
    made.virsh("undefine", check=False)


def test_a_guest_goes_back_and_forth_again(guest: Guest) -> None:
    """All disks and the memory, at one instant; the way back is itself kept and can be gone back on."""
    assert "is taken" in guest.snapshot().output
    guest.kvm.write(guest.name, 0, 0, 0x21)
    guest.kvm.write(guest.name, 1, 0, 0x22)
    (first,) = guest.names()
    assert MARK.fullmatch(first)
    assert guest.rollback().stdout == f"{time_of(first)} paused\n"
    refused = guest.rollback("--latest", check=False)
    assert (refused.code, "say --running" in refused.output) == (1, True)
    assert guest.names() == [first]
    ran = guest.rollback("--latest", "--running")
    assert f"is as of {time_of(first)}, and is paused" in ran.output
    _, second = guest.names()
    assert f"what was there before is the snapshot {time_of(second)}" in ran.output
    assert guest.kvm.state(guest.name) == "paused"
    guest.virsh("destroy")
    assert (guest.disk(0)[:1], guest.disk(1)[:1]) == (b"\x11", b"\x12")
    guest.rollback("--at", time_of(second), "--discard")
    assert guest.names() == [first, second]
    guest.virsh("destroy")
    assert (guest.disk(0)[:1], guest.disk(1)[:1]) == (b"\x21", b"\x22")


def test_the_latest_is_one_that_the_job_took(guest: Guest) -> None:
    """What a way back kept is passed over, however often one goes back; it is named when libvirt cannot go back."""
    guest.virsh("destroy")
    guest.snapshot()
    (first,) = guest.names()
    time = time_of(first)
    for _ in range(2):
        assert f"is as of {time}" in guest.rollback("--latest").output
    _, second, third = guest.names()
    kept = [f"{time_of(name)} shutoff, kept by a way back" for name in (second, third)]
    assert guest.rollback().stdout.splitlines() == [f"{time} shutoff", *kept]
    guest.kvm.machine.run(["qemu-img", "snapshot", "-d", first, image(guest.name, "vda")])
    ran = guest.rollback("--latest", check=False)
    newest = time_of(guest.names()[-1])
    assert f"do this again with --at {time}, or go back with --at {newest} to what was there before" in ran.output


def test_a_day_is_meant_to_its_end_in_the_zone_of_the_job(guest: Guest) -> None:
    # In Berlin: the evening of the 22nd, and the last second of the day after.
    times = ("2026-03-22T22:59:59Z", "2026-03-23T22:59:59Z", "2026-03-23T23:00:00Z")
    guest.virsh("destroy")
    for time in times:
        guest.virsh("snapshot-create-as", "--name", called(time))
    for at, taken in {"2026-03-22": times[0], "2026-03-23": times[1], "2026-03-24 00:00:00": times[2]}.items():
        assert f"is as of {taken}" in guest.rollback("--at", at, "--discard").output


def test_the_word_for_a_backup_names_the_one_for_snapshots(guest: Guest) -> None:
    ran = guest.kvm.machine.run(["backupspec-run", "restore-vm", f"{guest.name}-back", "--latest"], check=False)
    assert (ran.code, f"backupspec-run rollback {guest.name}-back" in ran.output) == (2, True)


def test_one_that_is_off_is_off_again(guest: Guest) -> None:
    guest.virsh("destroy")
    guest.snapshot()
    guest.kvm.machine.run(["qemu-io", "-f", "qcow2", "-c", "write -P 0x33 0 1M", image(guest.name, "vda")])
    ran = guest.rollback("--latest")
    assert "and is shut off" in ran.output
    assert guest.disk()[:1] == b"\x11"
    assert len(guest.names()) == 2


def test_a_disk_that_is_only_read_needs_no_snapshot(guest: Guest) -> None:
    guest.kvm.machine.run(["truncate", "-s", "1M", "/srv/vm/read"])
    words = ("--source", "/srv/vm/read", "--target", "vdc", "--targetbus", "virtio", "--mode", "readonly")
    guest.virsh("attach-disk", *words)
    guest.snapshot()
    assert len(guest.names()) == 1


def test_a_run_that_was_killed_does_no_harm(guest: Guest) -> None:
    """What QEMU wrote and libvirt never came to know of is removed by the next run; what libvirt knows stays."""
    guest.snapshot()
    (known,) = guest.names()
    guest.virsh("destroy")
    lost = "2020-01-01T00:00:00Z"
    machine = guest.kvm.machine
    state = f"/var/lib/backupspec/snapshot/{guest.name}-back"
    machine.run(["qemu-img", "snapshot", "-c", called(lost), image(guest.name, "vdb")])
    for name in (lost, time_of(known)):
        machine.sh(f"echo '{name}' >{state}; chown backupspec: {state}")
        guest.snapshot()
        assert known in guest.names()
        assert machine.run(["test", "-e", state], check=False).code == 1
    inside = machine.run(["qemu-img", "snapshot", "-l", image(guest.name, "vdb")]).stdout
    assert (called(lost) in inside, known in inside) == (False, True)
    assert "domainsnapshot" in guest.kvm.validated()


def test_a_run_that_is_killed_while_libvirt_works_is_made_up_for(guest: Guest) -> None:
    machine = guest.kvm.machine
    machine.sh("rm -f /tmp/taken")
    machine.write("/usr/local/bin/virsh", SLEEPY, mode=0o755)
    try:
        with ThreadPoolExecutor(1) as pool:
            future = pool.submit(guest.snapshot, check=False)
            until(lambda: machine.run(["test", "-e", "/tmp/taken"], check=False).code == 0, "no snapshot is taken")
            machine.run(["pkill", "-KILL", "-f", "jobs/vm[0-9]*-back_snapshots/create"], check=False)
            machine.run(["pkill", "-KILL", "-f", "sleep 600"], check=False)
            assert future.result(timeout=120).code != 0
    finally:
        machine.sh("rm -f /usr/local/bin/virsh")
    assert len(guest.names()) == 1
    guest.snapshot()
    assert len(guest.names()) == 2


def test_a_restore_and_a_way_back_keep_each_other_off(guest: Guest) -> None:
    """Whoever holds the lock goes on; the other one says why it did nothing."""
    guest.snapshot()
    before = guest.names()
    machine = guest.kvm.machine
    lock = machine.sh(f"printf %s {guest.name} | sha256sum | cut -c 1-64").stdout.strip()
    for kind, why in (("guard", "a restore of"), ("job", "a backup or a snapshot of")):
        held = f"flock -n /run/backupspec-vm/lock/{lock}.{kind}"
        ran = machine.sh(f"{held} backupspec-run rollback {guest.name}-back --latest --running 2>&1 || :")
        assert why in ran.stdout
    machine.sh("rm -f /run/held /run/go")
    hold = "sh -c ': >/run/held; while [ ! -e /run/go ]; do sleep 0.1; done'"
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(machine.sh, f"flock -n /run/backupspec-vm/lock/{lock}.guard {hold}")
        try:
            until(lambda: machine.run(["test", "-e", "/run/held"], check=False).code == 0, "nobody holds the lock")
            refused = guest.snapshot(check=False)
        finally:
            machine.sh(": >/run/go")
        future.result(timeout=120)
    assert (refused.code != 0, "a restore of" in refused.output) == (True, True)
    assert guest.names() == before


def test_the_definition_of_then_comes_back_and_that_of_now_is_kept(guest: Guest) -> None:
    guest.snapshot()
    guest.virsh("destroy")
    guest.virsh("setmaxmem", "--size", "65536", "--config")
    ran = guest.rollback("--latest")
    found = re.search(r"that of before is (/\S+)", ran.output)
    assert found is not None
    assert "65536" in guest.kvm.machine.read(found[1])
    assert "65536" not in guest.virsh("dumpxml", "--inactive").stdout


def test_images_that_were_replaced_have_no_way_back(guest: Guest) -> None:
    """As after a restore: going back fails and says so, the disk stays, and thinning out forgets what is not there."""
    guest.virsh("destroy")
    guest.snapshot()
    (lost,) = guest.names()
    for target in ("vda", "vdb"):
        path = image(guest.name, target)
        guest.kvm.machine.run(["qemu-img", "create", "-q", "-f", "qcow2", path, str(16 * MIB)])
        guest.kvm.machine.run(["qemu-io", "-f", "qcow2", "-c", "write -P 0x55 0 1M", path])
    ran = guest.rollback("--latest", "--discard", check=False)
    assert (ran.code, "libvirt could not put" in ran.output) == (1, True)
    assert guest.disk()[:1] == b"\x55"
    for _ in range(3):
        guest.snapshot()
    assert (lost in guest.names(), len(guest.names())) == (False, 3)


def test_one_that_was_put_to_sleep_is_left_alone(guest: Guest) -> None:
    guest.snapshot()
    guest.virsh("managedsave")
    refused = guest.rollback("--latest", check=False)
    assert (refused.code, "was put to sleep" in refused.output) == (1, True)
    guest.virsh("managedsave-remove")
    guest.rollback("--latest")


def test_nothing_is_there_and_nothing_is_guessed(guest: Guest) -> None:
    said = guest.rollback()
    assert (said.stdout, "there is no snapshot" in said.stderr) == ("", True)
    for words, why in (
        (("--latest",), "no snapshot from that time"),
        (("--at", "never"), "is no time"),
        (("x",), "unknown"),
    ):
        refused = guest.rollback(*words, check=False)
        assert (refused.code, why in refused.output) == (1, True)


def test_only_our_own_are_thinned_out(guest: Guest) -> None:
    """By the retention; a backup of the same machine works beside them, and what admins made stays."""
    foreign = ["before-upgrade", "backupspec_2026", "backupspec_2020-01-01T00.00.00Z-mine"]
    for name in foreign:
        guest.virsh("snapshot-create-as", "--name", name)
    for _ in range(5):
        guest.snapshot()
    ours = [name for name in guest.names() if MARK.fullmatch(name)]
    assert len(ours) == 3
    assert sorted(foreign) == [name for name in guest.names() if name not in ours]
    guest.kvm.job(guest.name)
    assert guest.kvm.stored(guest.kvm.newest(f"{guest.name}_vda"), "vda.raw")[:MIB] == bytes([0x11]) * MIB


def test_what_cannot_be_gone_back_to_is_not_taken(guest: Guest) -> None:
    """A raw disk, checkpoints, another job of libvirt: each is said, and nothing is deleted."""
    guest.snapshot()
    before = guest.names()

    def refused(why: str) -> None:
        ran = guest.snapshot(check=False)
        assert (ran.code != 0, why in ran.output) == (True, True), ran.output
        assert guest.names() == before

    machine = guest.kvm.machine
    machine.write("/root/checkpoint.xml", "<domaincheckpoint><name>c</name></domaincheckpoint>")
    guest.virsh("snapshot-delete", "--snapshotname", before[0], "--metadata")
    guest.virsh("checkpoint-create", "--xmlfile", "/root/checkpoint.xml")
    before = []
    refused("has checkpoints of incremental backups")
    guest.virsh("checkpoint-delete", "--checkpointname", "c")
    machine.write(
        "/root/foreign.xml",
        "<domainbackup mode='pull'><server transport='unix' socket='/root/foreign.sock'/><disks>"
        "<disk name='vda' backup='yes' type='file'><scratch file='/root/foreign.vda'/></disk>"
        "<disk name='vdb' backup='no'/></disks></domainbackup>",
    )
    guest.virsh("backup-begin", "--backupxml", "/root/foreign.xml")
    refused("something else works on")
    guest.virsh("domjobabort")
    machine.run(["truncate", "-s", "1M", "/srv/vm/raw"])
    guest.virsh("attach-disk", "--source", "/srv/vm/raw", "--target", "vdc", "--targetbus", "virtio")
    refused("vdc of")
    guest.virsh("detach-disk", "--target", "vdc")


@pytest.mark.parametrize("guest", ["forever"], indirect=True)
def test_what_is_kept_for_ever_is_not_thinned_out(guest: Guest) -> None:
    for _ in range(2):
        guest.snapshot()
    assert len(guest.names()) == 2
    assert guest.kvm.machine.run(["test", "-e", f"{SCRIPTS}/jobs/forever-back_snapshots/thin"], check=False).code == 1


@pytest.mark.parametrize("guest", ["full"], indirect=True)
def test_a_disk_that_is_nearly_full_gets_no_snapshot(guest: Guest) -> None:
    ran = guest.snapshot(check=False)
    assert (ran.code != 0, "bytes are free beside" in ran.output) == (True, True)
    assert guest.names() == []
