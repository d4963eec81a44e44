"""Every row of the table of failures: what goes wrong on a hypervisor, and what becomes of backup and guest."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import json
import re
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import pytest

from demo.lab.command import Outcome
from tests.libvirt.hypervisor import HOST, IMAGES, MIB, SCRATCH, Hypervisor, hypervisor, image, until
from tests.libvirt.writer import boot_sector

pytestmark = [pytest.mark.root, pytest.mark.borg, pytest.mark.libvirt]

DISKS = {"vda": "qcow2", "vdb": "raw"}
NUMBERS = itertools.count(1)
# In front of the real program: of what it reads from a guest the first half, and the rest when /run/go is there. With
# /run/short the first half is all, and it ends well.
HALFWAY = """\
#!/bin/sh
case "$*" in *' -') ;; *) exec /usr/bin/nbdcopy "$@" ;; esac
if [ -e /run/short ]; then
    /usr/bin/nbdcopy "$@" | head -c 8388608
    exit 0
fi
[ -e /run/halfway ] || exec /usr/bin/nbdcopy "$@"
failed=/tmp/failed.$$
{ /usr/bin/nbdcopy "$@" || : >"$failed"; } | {
    head -c 8388608
    : >/tmp/waits
    while [ ! -e /run/go ]; do sleep 0.1; done
    cat
}
[ ! -e "$failed" ]
"""
# In front of the real program: with /run/cut, a list breaks off before the definitions; a call whose words match a line
# of /run/fails fails; with /run/slow, virsh comes back late from an abort, so that whoever called it is gone by then.
FAILS = """\
#!/bin/sh
if [ -e /run/cut ] && [ "$1" = list ]; then
    /usr/bin/borg "$@" | grep _vda
    exit 2
fi
if [ -e /run/fails ] && printf '%s\\n' "$*" | grep -q -f /run/fails; then exit 2; fi
case "$*" in
    *domjobabort*)
        if [ -e /run/slow ]; then
            /usr/bin/virsh "$@" || exit
            sleep 3
            exit 0
        fi
        ;;
esac
exec /usr/bin/{} "$@"
"""


@pytest.fixture(scope="module")
def kvm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hypervisor]:
    """One hypervisor for all tests of this file."""
    with hypervisor(tmp_path_factory.mktemp("kvm")) as found:
        found.machine.write("/usr/local/bin/nbdcopy", HALFWAY, mode=0o755)
        for program in ("borg", "virsh"):
            found.machine.write(f"/usr/local/bin/{program}", FAILS.format(program), mode=0o755)
        yield found


@dataclass(frozen=True, slots=True)
class Guest:
    """A virtual machine, and the job of its name."""

    kvm: Hypervisor
    name: str

    def job(self, *, check: bool = True) -> Outcome:
        return self.kvm.job(self.name, check=check)

    def virsh(self, *words: str, check: bool = True) -> Outcome:
        return self.kvm.virsh(words[0], "--domain", self.name, *words[1:], check=check)

    def told(self, **settings: object) -> None:
        """Compile the job with other settings."""
        text = self.virsh("dumpxml", "--inactive").stdout
        job = {"xml": f"domains/{self.name}.xml", "scratch_free": "1MB", "retention": {"forever": True}, **settings}
        self.kvm.written({self.name: job}, {self.name: text})
        # borg looks at a lock that a killed one left after a tenth of the time that it would wait, which is a minute.
        edit = "s/--lock-wait 600/--lock-wait 20/; s|/usr/bin/borg |/usr/local/bin/borg |"
        self.kvm.machine.sh(f"sed -i '{edit}' /usr/local/lib/backupspec/jobs/*/*")

    def archives(self) -> tuple[str, ...]:
        """Give the names of its archives, without host and time."""
        return tuple(name for name in self.kvm.series() if name.split("_")[0] == self.name)

    def manifest(self) -> dict[str, object]:
        return dict(json.loads(self.kvm.stored(self.kvm.newest(self.name), "manifest.json")))

    @contextlib.contextmanager
    def halfway(self) -> Iterator[Future[Outcome]]:
        """Give the job as it has read half of a disk; it goes on when the block ends."""
        machine = self.kvm.machine
        machine.sh("rm -f /tmp/waits /run/go; : >/run/halfway")
        with ThreadPoolExecutor(1) as pool:
            future = pool.submit(self.job, check=False)
            try:
                until(lambda: there(self.kvm, "/tmp/waits") or future.done(), "no disk is read")
                assert not future.done(), future.result().output
                yield future
            finally:
                machine.sh(": >/run/go; rm -f /run/halfway")


def there(kvm: Hypervisor, path: str) -> bool:
    return kvm.machine.run(["test", "-e", path], check=False).code == 0


@contextlib.contextmanager
def failing(kvm: Hypervisor, *patterns: str) -> Iterator[None]:
    """Let every call of borg or virsh fail whose words match."""
    kvm.machine.write("/run/fails", "".join(f"{pattern}\n" for pattern in patterns), mode=0o644)
    try:
        yield
    finally:
        kvm.machine.sh("rm -f /run/fails")


def note_of(guest: Guest, what: str) -> str:
    """Give the file beside the lock of a virtual machine that says what was begun on it."""
    return f"/run/backupspec-vm/lock/{hashlib.sha256(guest.name.encode()).hexdigest()}.{what}"


def stamp(guest: Guest) -> bool:
    return there(guest.kvm, f"/var/lib/backupspec/done/{guest.name}_local")


def nothing_is_left(guest: Guest) -> bool:
    """Tell whether no job of libvirt, no scratch file and no socket is left."""
    left = guest.kvm.machine.sh(f"ls -A {SCRATCH}; ls /run/backupspec-vm | grep -v -e lock -e queue || :").stdout
    return left == "" and "None" in guest.virsh("domjobinfo", check=False).stdout


def written(guest: Guest) -> int:
    """Give how many bytes the guest has written to its first disk."""
    found = re.search(r"wr_bytes (\d+)", guest.virsh("domblkstat", "vda").stdout)
    assert found is not None
    return int(found[1])


@pytest.fixture
def guest(kvm: Hypervisor) -> Iterator[Guest]:
    """Give a virtual machine with two disks that stands before its first instruction, and its job."""
    made = Guest(kvm, f"vm{next(NUMBERS)}")
    kvm.define(made.name, DISKS)
    made.told()
    kvm.start(made.name)
    kvm.write(made.name, 0, 0, 0x11)
    kvm.write(made.name, 1, 0, 0x22, 16 * MIB)
    yield made
    made.virsh("destroy", check=False)
    made.virsh("undefine", check=False)


ALL = ("", "_vda", "_vdb")


def names(guest: Guest, times: int = 1) -> tuple[str, ...]:
    return tuple(sorted(f"{guest.name}{part}" for part in ALL * times))


def test_a_job_that_is_killed_takes_its_backup_off(guest: Guest) -> None:
    """As soon as its unit ends; what was stored by then is swept by the next run."""
    with guest.halfway() as future:
        guest.kvm.machine.run(["pkill", "-KILL", "-f", "jobs/vm[0-9]*_local/(create|store)|bin/borg"], check=False)
        guest.kvm.machine.run(["pkill", "-KILL", "nbdcopy"], check=False)
        assert future.result(timeout=120).code != 0
    assert nothing_is_left(guest)
    assert guest.job().code == 0
    assert guest.archives() == names(guest)


def test_after_a_crash_the_next_run_clears_up(guest: Guest) -> None:
    """Nothing ran at the end, so libvirt's job, scratch files and unfinished archives are there; nothing else goes."""
    guest.job()
    whole = set(guest.kvm.archives())
    end = f"/usr/local/lib/backupspec/jobs/{guest.name}_local/end"
    script = guest.kvm.machine.read(end)
    guest.kvm.machine.write(end, "#!/bin/sh\n", mode=0o755)
    with guest.halfway() as future:
        guest.kvm.machine.run(["pkill", "-KILL", "-f", "jobs/vm[0-9]*_local/(create|store)|bin/borg"], check=False)
        guest.kvm.machine.run(["pkill", "-KILL", "nbdcopy"], check=False)
        assert future.result(timeout=120).code != 0
    guest.kvm.machine.write(end, script, mode=0o755)
    assert "Unbounded" in guest.virsh("domjobinfo").stdout
    unfinished = f"srv06_{guest.name}_vda_2020-01-01T00:00:00Z"
    for name in (f"srv06_{guest.name}_2020-01-01T00:00:00Z.partial", unfinished, "other_vda_2020-01-01T00:00:00Z"):
        guest.kvm.empty_archive(name)
    ran = guest.job()
    assert "an earlier run was cut off" in ran.output
    left = set(guest.kvm.archives())
    assert whole < left
    assert "other_vda_2020-01-01T00:00:00Z" in left
    assert unfinished not in left
    assert [name for name in left if "partial" in name] == []
    assert guest.archives() == names(guest, 2)
    assert nothing_is_left(guest)


def test_whatever_fails_while_it_is_read_fails_the_job(guest: Guest) -> None:
    """A definition that libvirt does not give, and a disk that is cut short, also where nobody calls that an error."""
    with failing(guest.kvm, "dumpxml.*--inactive"):
        ran = guest.job(check=False)
    assert (ran.code != 0, "does not say how" in ran.output) == (True, True)
    assert guest.archives() == ()
    guest.kvm.machine.sh(": >/run/short")
    ran = guest.job(check=False)
    guest.kvm.machine.sh("rm /run/short")
    assert (ran.code != 0, "vda was not read to its end" in ran.output) == (True, True), ran.output
    assert guest.archives() == ()
    assert nothing_is_left(guest)


def test_a_backup_counts_when_the_last_of_its_archives_has_its_name(guest: Guest) -> None:
    """The disks get theirs first. A repository that does not take all of that has no backup, for a restore either."""
    with failing(guest.kvm, "^rename .*_vdb"):
        ran = guest.job(check=False)
    assert (ran.code != 0, "it does not count" in ran.output) == (True, True)
    assert "stored as of" not in ran.output
    assert "switched off" not in ran.output
    assert not stamp(guest)
    assert nothing_is_left(guest)
    start = f"{HOST}_{guest.name}"
    left = {name.removeprefix(start) for name in guest.kvm.archives() if name.startswith(f"{start}_")}
    (now,) = {name.rpartition("_")[2].removesuffix(".partial") for name in left}
    assert left == {f"_vda_{now}", f"_vdb_{now}.partial"}
    assert guest.kvm.restore(guest.name).stdout == ""
    ran = guest.kvm.restore(guest.name, "--latest", "--as", "copy", check=False)
    assert (ran.code != 0, "there is no backup" in ran.output) == (True, True)
    guest.job()
    assert guest.archives() == names(guest)
    assert stamp(guest)
    # Nor is it the newest one.
    for name in (f"{start}_vda_2099-01-01T00:00:00Z", f"{start}_2099-01-01T00:00:00Z.partial"):
        guest.kvm.empty_archive(name)
    (found,) = guest.kvm.restore(guest.name).stdout.split()
    assert {f"{start}{part}_{found}" for part in ALL} <= set(guest.kvm.archives())


def test_all_disks_are_of_the_instant_when_it_began(guest: Guest) -> None:
    """What the guest writes afterwards is not stored, neither on a disk that is being read nor on one that waits."""
    with guest.halfway() as future:
        guest.kvm.write(guest.name, 0, 0, 0x99, 16 * MIB)
        guest.kvm.write(guest.name, 1, 0, 0x99, 16 * MIB)
        guest.kvm.machine.sh(": >/run/go")
        ran = future.result(timeout=120)
    assert ran.code == 0, ran.output
    had = {"vda": bytes([0x11]) * MIB + bytes(15 * MIB), "vdb": bytes([0x22]) * 16 * MIB}
    for disk, wanted in had.items():
        assert guest.kvm.stored(guest.kvm.newest(f"{guest.name}_{disk}"), f"{disk}.raw") == wanted


def test_the_end_of_one_unit_leaves_the_backup_of_another(guest: Guest) -> None:
    """With two repositories a run may begin as soon as the other lets go of its lock, before what comes after it."""
    mine = f"{guest.name}_local"
    other = f"{guest.name}_other"
    with guest.halfway() as future:
        guest.kvm.machine.sh(
            f"sed 's/{mine}/{other}/g' /usr/local/lib/backupspec/jobs/{mine}/end >/root/end; "
            f"cp -a /run/backupspec-vm/{mine} /run/backupspec-vm/{other}; sh /root/end"
        )
        assert "Unbounded" in guest.virsh("domjobinfo").stdout
        guest.kvm.machine.sh(": >/run/go")
        ran = future.result(timeout=120)
    assert ran.code == 0, ran.output
    assert guest.archives() == names(guest)
    assert nothing_is_left(guest)


def test_the_end_of_one_unit_waits_for_another_or_is_relieved_by_it(guest: Guest) -> None:
    """A guest that one unit left frozen is thawed under the lock, or by whoever has that and has said so."""
    run = f"/run/backupspec-vm/{guest.name}_local"
    lock, note = (note_of(guest, what) for what in ("job", "frozen"))
    end = f"/usr/local/lib/backupspec/jobs/{guest.name}_local/end"
    uuid = guest.virsh("domuuid").stdout.strip()
    guest.virsh("destroy")
    left = f"mkdir -p {run} {note.rpartition('/')[0]}; echo {uuid} >{run}/uuid; echo {run} >{note}"
    hold = f"exec 8>>{lock}; flock 8; (while [ ! -e /run/let ]; do sleep 0.1; done) & exec 8>&-; sh {end} & end=$!"
    for relief, done in ((": >/run/let", False), (f"echo other >{note}", True)):
        guest.kvm.machine.sh(f"{left}; {hold}; sleep 0.3; [ -d {run} ]; {relief}; wait $end; : >/run/let; wait")
        assert there(guest.kvm, note) == done
        guest.kvm.machine.sh("rm -f /run/let")
    guest.kvm.machine.sh(f"rm -f {note}")


def test_a_foreign_job_is_left_alone(guest: Guest) -> None:
    """At once, without the half minute that libvirt waits for the end of such a job."""
    xml = (
        "<domainbackup mode='pull'><server transport='unix' socket='/root/foreign.sock'/><disks>"
        "<disk name='vda' backup='yes' type='file'><scratch file='/root/foreign.vda'/></disk>"
        "<disk name='vdb' backup='no'/></disks></domainbackup>"
    )
    guest.kvm.machine.write("/root/foreign.xml", xml)
    guest.virsh("backup-begin", "--backupxml", "/root/foreign.xml")
    before = guest.virsh("backup-dumpxml").stdout
    began = time.monotonic()
    ran = guest.job(check=False)
    assert time.monotonic() - began < 20
    assert ran.code != 0
    assert "something else works on" in ran.output
    assert "Timed out" not in ran.output
    assert guest.virsh("backup-dumpxml").stdout == before
    assert guest.archives() == ()
    guest.virsh("domjobabort")


@pytest.mark.parametrize(
    ("free", "why"),
    [("4MB", "the scratch space is nearly full"), ("0.001kB", "the guest stands still because it cannot write")],
)
def test_a_guest_runs_on_when_the_scratch_space_is_full(guest: Guest, free: str, why: str) -> None:
    """The job gives up, whether it sees it coming or the guest stands still already; there is no archive."""
    machine = guest.kvm.machine
    guest.virsh("destroy")
    machine.write("/root/boot", boot_sector())
    machine.run(["qemu-img", "dd", "-f", "raw", "-O", "qcow2", "if=/root/boot", f"of={image(guest.name, 'vda')}"])
    machine.run(["qemu-img", "resize", "-q", image(guest.name, "vda"), "16M"])
    machine.run(["qemu-io", "-f", "qcow2", "-c", "write -P 0x44 1M 15M", image(guest.name, "vda")])
    guest.told(scratch_free=free)
    guest.kvm.start(guest.name)
    machine.run(["mount", "-t", "tmpfs", "-o", "size=8M", "tmpfs", SCRATCH])
    machine.sh(": >/run/slow")
    try:
        with guest.halfway() as future:
            guest.virsh("resume")
            until(lambda: "None" in guest.virsh("domjobinfo").stdout, "the backup job stays")
            machine.sh(": >/run/go")
            ran = future.result(timeout=120)
        assert ran.code != 0
        assert f"{why}, so this backup is given up" in ran.output
        assert free != "0.001kB" or "the guest stood still for want of space, and runs again" in ran.output
        until(lambda: guest.kvm.state(guest.name) == "running", "the guest does not run")
        before = written(guest)
        until(lambda: written(guest) > before, "the guest does not write")
        assert [name for name in guest.archives() if not name.endswith("partial")] == []
    finally:
        machine.sh("rm -f /run/slow")
        guest.virsh("destroy")
        machine.run(["umount", SCRATCH])


def test_a_guest_that_may_be_frozen_is_not_forgotten(guest: Guest) -> None:
    """An agent, or a libvirt, that does not answer is no thawed guest: the job fails, and the next one asks again."""
    folder = f"/usr/local/lib/backupspec/jobs/{guest.name}_local"
    note = note_of(guest, "frozen")
    guest.kvm.machine.sh(f"sed -i 's/thaw 600*/thaw 0/' {folder}/create {folder}/end")
    guest.kvm.machine.sh(f"mkdir -p {note.removesuffix(note.rpartition('/')[2])}; : >{note}")
    ran = guest.job(check=False)
    assert (ran.code != 0, "may still be frozen" in ran.output, stamp(guest)) == (True, True, False)
    assert guest.archives() == names(guest)
    assert there(guest.kvm, note)
    run = f"/run/backupspec-vm/{guest.name}_local"
    uuid = guest.virsh("domuuid").stdout.strip()
    with failing(guest.kvm, "domstate", "qemu-agent-command"):
        guest.kvm.machine.sh(f"mkdir {run}; echo {uuid} >{run}/uuid")
        assert guest.kvm.machine.run([f"{folder}/end"], check=False).code != 0
    assert there(guest.kvm, note)
    guest.virsh("destroy")
    guest.job()
    assert stamp(guest)
    assert not there(guest.kvm, note)


def test_there_must_be_scratch_space_to_begin_with(guest: Guest) -> None:
    guest.told(scratch_free="900TB")
    ran = guest.job(check=False)
    assert (ran.code != 0, "bytes of scratch space are free" in ran.output) == (True, True)
    assert nothing_is_left(guest)


def test_without_an_agent_the_inventory_decides(guest: Guest) -> None:
    """Preferred: an archive that says what it is. Required: none. Off: nobody asks."""
    assert "as after a power cut" in guest.job().output
    assert guest.manifest()["consistency"] == "crash-consistent"
    guest.told(quiesce="required")
    ran = guest.job(check=False)
    assert (ran.code != 0, "which the inventory requires" in ran.output) == (True, True)
    assert guest.archives() == names(guest)
    guest.told(quiesce="off")
    assert "agent" not in guest.job().output
    assert nothing_is_left(guest)


def test_a_guest_that_is_switched_off_meanwhile_is_read_from_its_images(guest: Guest) -> None:
    """The stream breaks, nothing of it is kept, and the images are read instead."""
    with guest.halfway() as future:
        guest.virsh("destroy")
        guest.kvm.machine.sh(": >/run/go")
        ran = future.result(timeout=120)
    assert ran.code == 0, ran.output
    assert "was switched off meanwhile" in ran.output
    assert guest.archives() == names(guest)
    assert guest.manifest()["consistency"] == "shut off"
    assert guest.kvm.stored(guest.kvm.newest(f"{guest.name}_vdb"), "vdb.raw") == bytes([0x22]) * 16 * MIB


def test_whoever_waits_for_a_guest_to_be_off_waits_beside_others(guest: Guest) -> None:
    """Each unit stands in the queue once, whatever its turn; a guest in between is one that libvirt cannot tell."""
    queue = f"/run/backupspec-vm/queue/{hashlib.sha256(guest.name.encode()).hexdigest()}"
    guest.kvm.machine.write(queue, "backupspec-other_local.service\n")
    for _ in range(2):
        with failing(guest.kvm, "domstate"):
            assert "this job runs again when it is off" in guest.job(check=False).output
    waits = f"backupspec-other_local.service\nbackupspec-{guest.name}_local.service\n"
    assert guest.kvm.machine.read(queue) == waits
    guest.kvm.machine.sh(f"rm -f {queue}")


def test_a_definition_that_libvirt_does_not_take_changes_nothing(guest: Guest) -> None:
    """Neither the images of the machine that was to be replaced, nor what libvirt knows of it."""
    guest.job()
    guest.virsh("destroy")
    before = guest.kvm.raw(image(guest.name, "vda"), "qcow2"), guest.virsh("dumpxml").stdout
    with failing(guest.kvm, "define .*/new.xml"):
        ran = guest.kvm.restore(guest.name, "--latest", "--replace", check=False)
    assert (ran.code != 0, "nothing was changed" in ran.output) == (True, True)
    guest.kvm.machine.run(["qemu-io", "-f", "qcow2", "-c", "read -P 0x11 0 1M", image(guest.name, "vda")])
    assert (guest.kvm.raw(image(guest.name, "vda"), "qcow2"), guest.virsh("dumpxml").stdout) == before
    assert guest.kvm.machine.sh(f"ls {IMAGES} | grep restoring || :").stdout == ""


def test_an_overlay_that_was_left_behind_is_told_and_backed_up(guest: Guest) -> None:
    """What the guest sees is stored, wherever it lies."""
    overlay = f"{IMAGES}/overlay of {guest.name}"
    words = ["--disk-only", "--no-metadata", "--diskspec", f"vda,file={overlay}", "--diskspec", "vdb,snapshot=no"]
    guest.virsh("snapshot-create-as", *words)
    guest.kvm.write(guest.name, 0, 2 * MIB, 0x33)
    ran = guest.job()
    assert f"vda lies in {overlay} now" in ran.output
    wanted = bytes([0x11]) * MIB + bytes(MIB) + bytes([0x33]) * MIB + bytes(13 * MIB)
    running = guest.kvm.newest(f"{guest.name}_vda")
    assert guest.kvm.stored(running, "vda.raw") == wanted
    guest.virsh("destroy")
    guest.job()
    assert guest.manifest()["consistency"] == "shut off"
    assert guest.kvm.newest(f"{guest.name}_vda") != running
    assert guest.kvm.stored(guest.kvm.newest(f"{guest.name}_vda"), "vda.raw") == wanted


def test_a_disk_that_nobody_named_is_told_and_one_that_is_missing_is_a_failure(guest: Guest) -> None:
    guest.kvm.machine.run(["truncate", "-s", "1M", f"{IMAGES}/more"])
    guest.virsh("attach-disk", "--source", f"{IMAGES}/more", "--target", "vdc", "--targetbus", "virtio")
    assert f"vdc of {guest.name} is in no backup" in guest.job().output
    assert guest.archives() == names(guest)
    guest.virsh("detach-disk", "--target", "vdb", "--config")
    guest.virsh("destroy")
    guest.kvm.start(guest.name)
    ran = guest.job(check=False)
    assert (ran.code != 0, f"{guest.name} has no disk vdb" in ran.output) == (True, True)
    assert guest.archives() == names(guest)


def test_what_comes_back_otherwise_is_told(guest: Guest) -> None:
    """A disk that the next start would not take has no place in the definition; UEFI variables are not stored."""
    guest.virsh("detach-disk", "--target", "vdb", "--config")
    ran = guest.job()
    assert f"vdb was attached to {guest.name} while it runs" in ran.output
    assert "UEFI" not in ran.output
    firmware = "<loader readonly='yes' type='pflash'>/srv/code</loader><nvram>/srv/variables</nvram></os>"
    guest.kvm.machine.write("/root/efi.xml", guest.virsh("dumpxml", "--inactive").stdout.replace("</os>", firmware))
    guest.kvm.virsh("define", "/root/efi.xml")
    assert guest.job().output.count("warning: ") == 1
    assert guest.archives() == names(guest, 2)


def test_a_guest_that_is_off_cannot_start_while_its_images_are_read(guest: Guest) -> None:
    """And whoever tries is told why; afterwards it can. QEMU has an account of its own, as on every Debian."""
    guest.virsh("destroy")
    guest.kvm.machine.sh("chown nobody /var/lib/libvirt/qemu")
    with guest.halfway() as future:
        refused = guest.virsh("start", check=False)
        assert refused.code != 0
        assert "a backup reads the disks of this virtual machine" in refused.output
        # Whoever asks no hook meets the lock of the images.
        opened = guest.kvm.machine.run(["qemu-io", "-f", "qcow2", "-c", "quit", image(guest.name, "vda")], check=False)
        assert (opened.code != 0, 'Failed to get "write" lock' in opened.output) == (True, True)
        guest.kvm.machine.sh("chown root /var/lib/libvirt/qemu; : >/run/go")
        ran = future.result(timeout=120)
    assert ran.code == 0, ran.output
    assert guest.manifest()["method"] == "offline"
    assert guest.kvm.stored(guest.kvm.newest(f"{guest.name}_vda"), "vda.raw") == bytes([0x11]) * MIB + bytes(15 * MIB)
    guest.kvm.start(guest.name)
    assert nothing_is_left(guest)


def test_a_guest_that_sleeps_is_not_called_shut_off(guest: Guest) -> None:
    """Its file systems are mounted: the manifest says that it is as after a power cut, or there is no archive."""
    guest.virsh("managedsave")
    assert "as after a power cut" in guest.job().output
    assert (guest.manifest()["method"], guest.manifest()["consistency"]) == ("offline", "crash-consistent")
    guest.told(quiesce="required")
    assert "the inventory requires them held still" in guest.job(check=False).output
    guest.virsh("managedsave-remove")
    guest.job()
    assert guest.manifest()["consistency"] == "shut off"


def test_an_image_that_libvirt_encrypts_is_not_read_past_it(guest: Guest) -> None:
    """A running guest is stored as it sees its disks; the image of one that is off holds something else."""
    guest.virsh("destroy")
    secret = "<secret type='passphrase' uuid='0a81f5b2-8403-7b23-c8d6-21ccc2f80d6f'/>"
    text = guest.virsh("dumpxml", "--inactive").stdout
    changed = re.sub(
        r"(<source file='[^']* vdb.img')/>", rf"\1><encryption format='luks'>{secret}</encryption></source>", text
    )
    guest.kvm.machine.write("/root/encrypted.xml", changed)
    guest.kvm.virsh("define", "/root/encrypted.xml")
    ran = guest.job(check=False)
    assert (ran.code != 0, "the image of vdb is encrypted" in ran.output) == (True, True)
    assert guest.archives() == ()


def test_a_restore_keeps_a_guest_from_starting(guest: Guest) -> None:
    guest.job()
    guest.virsh("destroy")
    machine = guest.kvm.machine
    machine.sh("rm -f /run/go /tmp/waits")
    slow = '#!/bin/sh\n: >/tmp/waits\nwhile [ ! -e /run/go ]; do sleep 0.1; done\nexec /usr/bin/nbdcopy "$@"\n'
    machine.write("/usr/local/bin/nbdcopy", slow, mode=0o755)
    with ThreadPoolExecutor(1) as pool:
        try:
            future = pool.submit(guest.kvm.restore, guest.name, "--latest", "--replace")
            until(lambda: there(guest.kvm, "/tmp/waits") or future.done(), "nothing is restored")
            refused = guest.virsh("start", check=False)
            backup = guest.job(check=False)
        finally:
            machine.sh(": >/run/go")
    machine.write("/usr/local/bin/nbdcopy", HALFWAY, mode=0o755)
    assert refused.code != 0
    assert "a restore writes the disks of this virtual machine" in refused.output
    assert (backup.code != 0, "a restore of" in backup.output) == (True, True)
    assert future.result().code == 0
    guest.kvm.start(guest.name)


def test_a_stored_disk_that_was_changed_does_not_get_its_name(guest: Guest) -> None:
    """The checksum is compared before; nothing of the failed restore is left."""
    guest.job()
    newest = guest.kvm.newest(f"{guest.name}_vda")
    guest.kvm.replace_archive(newest, "vda.raw", b"x" * 16 * MIB)
    ran = guest.kvm.restore(guest.name, "--latest", "--as", f"{guest.name}-copy", check=False)
    assert (ran.code != 0, "could not be restored as it was stored" in ran.output) == (True, True)
    assert f"{guest.name}-copy" not in guest.kvm.machine.sh(f"ls {IMAGES}; virsh list --all").stdout


@pytest.mark.parametrize(
    "name",
    ["two  words", "it's", 'a "quote"', "a & b <c>", "..x", "-dash", "--all", "$(id) `id`", "%s %i", "1", "*", "Größe"],
)
def test_no_name_leads_elsewhere(kvm: Hypervisor, name: str) -> None:
    """Backed up while it runs, or from its images, and restored under another one."""
    text = kvm.define(name, {"vda": "raw"}, size=MIB)
    job = f"odd{next(NUMBERS)}"
    settings = {"xml": "domains/odd.xml", "scratch_free": "1kB", "retention": {"forever": True}}
    kvm.written({job: {"domain": name, **settings}}, {"odd": text})
    runs = len(name) % 2 == 0
    if runs:
        kvm.virsh("start", "--paused", "--domain", name)
    kvm.job(job)
    kvm.restore(job, "--latest", "--as", f"{name} 2")
    assert kvm.state(f"{name} 2") == "shut off"
    if runs:
        kvm.virsh("destroy", "--domain", name)
    for each in (name, f"{name} 2"):
        kvm.virsh("undefine", "--domain", each)


def test_words_of_another_language_are_understood(guest: Guest) -> None:
    """The state of a guest is asked for in libvirt's own words, whatever language the host speaks."""
    guest.kvm.speak_german()
    german = guest.kvm.machine.run(["virsh", "domstate", guest.name], env={"LC_ALL": "de_DE.UTF-8"}).stdout
    assert german.strip() == "angehalten"
    path = f"/usr/local/lib/backupspec/jobs/{guest.name}_local/create"
    script = guest.kvm.machine.read(path)
    guest.kvm.machine.write(path, script.replace("set -eu\n", "set -eu\nexport LC_ALL=de_DE.UTF-8 LANGUAGE=de\n", 1))
    guest.kvm.machine.run(["chmod", "755", path])
    assert guest.job().code == 0
    assert guest.archives() == names(guest)


def test_a_list_that_breaks_off_deletes_nothing(guest: Guest) -> None:
    """Neither before a backup nor when archives are thinned out; and the list is in no file that another job writes."""
    guest.job()
    shared = "/var/lib/backupspec/tmp/swept"
    guest.kvm.machine.write(shared, "of another job", owner="backupspec")
    # What a run leaves that did not come to its end.
    guest.kvm.machine.write(f"/var/lib/backupspec/begun/{guest.name}_local", "", owner="backupspec")
    guest.kvm.machine.sh(": >/run/cut")
    ran = guest.job(check=False)
    guest.kvm.machine.sh("rm -f /run/cut")
    assert ran.code != 0
    assert guest.archives() == names(guest)
    guest.job()
    assert guest.archives() == names(guest, 2)
    assert guest.kvm.machine.read(shared) == "of another job"
    assert not there(guest.kvm, f"/var/lib/backupspec/begun/{guest.name}_local")


def test_thinning_out_leaves_whole_backups_only(guest: Guest) -> None:
    """Definition and disks go together, also when an earlier run was cut off between the two."""
    for _ in range(3):
        guest.job()
    guest.told(retention={"last": 2})
    guest.job()
    times = {re.sub(".*_", "", name) for name in guest.kvm.archives() if name.startswith(f"srv06_{guest.name}_")}
    assert guest.archives() == names(guest, 2)
    assert len(times) == 2
    guest.kvm.delete_archive(guest.kvm.newest(guest.name))
    guest.job()
    assert guest.archives() == names(guest, 2)
