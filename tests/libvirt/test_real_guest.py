"""A guest with a kernel and QEMU's guest agent: its file systems are held still, and a copy of it is booted."""

from __future__ import annotations

import dataclasses
import json
import re
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from backupspec.hypervisor.compare import compare
from backupspec.hypervisor.read import read_hypervisor
from backupspec.pipeline import load_fleet
from demo.lab import unit
from demo.lab.command import Outcome
from tests.libvirt import linux_guest
from tests.libvirt.hypervisor import IMAGES, MIB, SCRATCH, Hypervisor, domain_xml, hypervisor, image, until

pytestmark = [pytest.mark.root, pytest.mark.borg, pytest.mark.libvirt, pytest.mark.slow]

NAME = "real"
BOOT = "/srv/boot"
STALLS = """\
#!/bin/sh
case "$*" in
    *backup-begin*)
        if [ -e /run/stall ]; then
            : >/run/stalled
            sleep 600
        fi
        ;;
esac
exec /usr/bin/virsh "$@"
"""


@pytest.fixture(scope="module")
def kvm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hypervisor]:
    """One hypervisor for all tests of this file, on which the guest runs."""
    with hypervisor(tmp_path_factory.mktemp("kvm")) as found:
        made = linux_guest.guest()
        found.machine.copy_in(made, BOOT)
        with tempfile.TemporaryDirectory() as folder:
            disk = linux_guest.disk(24 * MIB, "I am back", Path(folder))
            found.machine.write(image(NAME, "vda"), disk.read_bytes())
        text = linux_guest.boots(domain_xml(NAME, {"vda": "raw"}, linux_guest.DEVICES), Path(BOOT))
        found.machine.write("/root/real.xml", text)
        found.machine.run(["virt-xml-validate", "/root/real.xml", "domain"])
        found.virsh("define", "/root/real.xml")
        found.machine.write("/usr/local/bin/virsh", STALLS, mode=0o755)
        told(found)
        start(found)
        yield found


def told(kvm: Hypervisor, **settings: object) -> None:
    text = kvm.virsh("dumpxml", "--inactive", NAME).stdout
    job = {"xml": f"domains/{NAME}.xml", "scratch_free": "1MB", "retention": {"forever": True}, "quiesce": "required"}
    kvm.written({NAME: {**job, **settings}}, {NAME: text})


def start(kvm: Hypervisor) -> None:
    kvm.virsh("start", NAME)
    until(lambda: agent(kvm, "guest-ping", check=False).code == 0, "the guest agent does not answer", 250)


def agent(kvm: Hypervisor, command: str, *, check: bool = True, **arguments: object) -> Outcome:
    words = json.dumps({"execute": command, **({"arguments": arguments} if arguments else {})})
    return kvm.virsh("qemu-agent-command", NAME, "--timeout", "5", words, check=check)


def frozen(kvm: Hypervisor) -> str:
    return str(json.loads(agent(kvm, "guest-fsfreeze-status").stdout)["return"])


def drill(kvm: Hypervisor) -> dict[str, str]:
    """Run the drill; give what stands in the file of its result."""
    ran = unit.run(kvm.machine, f"backupspec-drill-{NAME}_local", check=False, seconds=900)
    lines = kvm.machine.read(f"/var/lib/backupspec/drill/{NAME}_local").splitlines()
    found = dict(line.split("=", 1) for line in lines)
    assert (ran.code == 0) == (found["result"] == "passed"), ran.output
    print(ran.output)
    assert kvm.machine.sh(f"ls {SCRATCH}; virsh -q list --all --name | grep drill || :").stdout.strip() == ""
    return found


def test_file_systems_are_held_still_for_the_instant_of_the_backup(kvm: Hypervisor) -> None:
    ran = kvm.job(NAME)
    held = re.search(r"held still for (\d+) ms, and some for up to (\d+) ms", ran.output)
    assert held is not None, ran.output
    print(f"from freeze to thaw: {held[1]} ms, with the freeze itself {held[2]} ms")
    assert json.loads(kvm.stored(kvm.newest(NAME), "manifest.json"))["consistency"] == "quiesced"
    assert frozen(kvm) == "thawed"


def test_an_agent_that_is_connected_is_discovered_and_one_that_is_not_is_missed(kvm: Hypervisor) -> None:
    """Through the read-only socket: what a running machine's definition says of its channel."""
    uri = f"qemu+unix:///system?socket=/proc/{kvm.machine.pid}/root/run/libvirt/libvirt-sock-ro"
    found = read_hypervisor(uri)
    (real,) = (machine for machine in found.machines if machine.name == NAME)
    assert real.agent == "connected"
    agentless = dataclasses.replace(real, running=dataclasses.replace(real.now, agent="silent"))
    fleet, _ = load_fleet(kvm.site.inventory)
    assert fleet is not None
    (host,) = fleet.hosts
    assert compare(host, found, {}) == ()
    (only,) = compare(host, dataclasses.replace(found, machines=(agentless,)), {})
    assert only.code == "BS708"


def test_a_job_that_is_killed_leaves_no_guest_frozen(kvm: Hypervisor) -> None:
    """Killed between freeze and thaw: what runs at its end thaws."""
    before = kvm.archives()
    kvm.machine.sh("rm -f /run/stalled; : >/run/stall")
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(kvm.job, NAME, check=False)
        until(lambda: kvm.machine.run(["test", "-e", "/run/stalled"], check=False).code == 0, "no backup begins")
        assert frozen(kvm) == "frozen"
        kvm.machine.run(["pkill", "-KILL", "-f", f"jobs/{NAME}_local/create|sleep 600|backup-begin"], check=False)
        assert future.result().code != 0
    kvm.machine.sh("rm -f /run/stall")
    assert frozen(kvm) == "thawed"
    assert kvm.archives() == before


def hang(kvm: Hypervisor) -> None:
    """Let the next freeze take longer than the job waits for it, which is shorter here than half a minute."""
    create = f"/usr/local/lib/backupspec/jobs/{NAME}_local/create"
    shorter = "s/agent 30 guest-fsfreeze-freeze/agent 3 guest-fsfreeze-freeze/"
    kvm.machine.sh(f"sed -i '{shorter}' {create}; grep -q 'agent 3 ' {create}")
    agent(kvm, "guest-exec", path="/bin/busybox", arg=["sh", "-c", "echo 8 >/hang"])


def froze_late(kvm: Hypervisor) -> bool:
    """Tell whether the freeze that hung came to be, and the guest is not frozen any more."""
    return frozen(kvm) == "thawed" and agent(kvm, "guest-file-open", check=False, path="/hang").code != 0


def test_an_agent_that_hangs_leaves_no_guest_frozen(kvm: Hypervisor) -> None:
    """It answers, then hangs, and freezes when nobody waits for it any more; it is asked until it has thawed.

    Also where the job is killed meanwhile, so that only what runs at its end is there to ask. Whether there is a
    backup without it is for the inventory to say.
    """
    before = kvm.archives()
    hang(kvm)
    ran = kvm.job(NAME, check=False)
    assert (ran.code != 0, "did not freeze the file systems" in ran.output) == (True, True)
    assert froze_late(kvm)
    hang(kvm)
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(kvm.job, NAME, check=False)
        asks = ["pgrep", "-f", "[v]irsh.*guest-fsfreeze-thaw"]
        until(lambda: kvm.machine.run(asks, check=False).code == 0, "nobody asks for a thaw")
        kvm.machine.run(["pkill", "-KILL", "-f", f"jobs/{NAME}_local/create|[v]irsh.*guest-fsfreeze"], check=False)
        assert future.result().code != 0
    assert froze_late(kvm)
    assert kvm.archives() == before
    told(kvm, quiesce="preferred")
    hang(kvm)
    assert "as after a power cut" in kvm.job(NAME).output
    assert json.loads(kvm.stored(kvm.newest(NAME), "manifest.json"))["consistency"] == "crash-consistent"
    assert froze_late(kvm)


def test_a_drill_brings_a_copy_up(kvm: Hypervisor) -> None:
    """The newest backup, as stored, its file system checked, and its agent and console heard; the original runs on."""
    told(kvm, drill={"agent": True, "console": "I am back login:", "time_limit": "20m"})
    # The last one was read while the guest wrote, so its journal has work in it.
    assert json.loads(kvm.stored(kvm.newest(NAME), "manifest.json"))["consistency"] == "crash-consistent"
    found = drill(kvm)
    assert found["result"] == "passed", found
    assert found["message"] == "1 disks as stored, 1 file systems checked; a copy booted"
    assert found["oldest"] == kvm.newest(NAME).rpartition("_")[2]
    assert kvm.state(NAME) == "running"


def test_a_drill_fails_when_the_copy_does_not_come_up(kvm: Hypervisor) -> None:
    told(kvm, drill={"console": "what it never says", "time_limit": "3s"})
    found = drill(kvm)
    assert found["result"] == "failed"
    assert "did not show in time" in found["message"]


def test_a_drill_sees_a_file_system_that_is_damaged(kvm: Hypervisor) -> None:
    """And a disk that does not come back as it was stored."""
    told(kvm, quiesce="off", drill={})
    kvm.virsh("destroy", NAME)
    path = image(NAME, "vda")
    kvm.machine.run(["cp", path, f"{IMAGES}/sound"])
    # The block and inode bitmaps of the first group, in blocks of 1 KiB.
    kvm.machine.sh(f"dd if=/dev/urandom of='{path}' bs=1024 seek=$((1024 + 3)) count=300 conv=notrunc status=none")
    kvm.job(NAME)
    found = drill(kvm)
    assert found["result"] == "failed"
    assert "is damaged" in found["message"] or "broken journal" in found["message"]
    kvm.replace_archive(kvm.newest(f"{NAME}_vda"), "vda.raw", b"x" * 24 * MIB)
    assert "does not come back as it was stored" in drill(kvm)["message"]
