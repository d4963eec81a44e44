"""What libvirt's hook does for every operation, called as libvirt calls it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import pytest

from demo.lab.command import Outcome
from tests.libvirt.hypervisor import Hypervisor, hypervisor

pytestmark = [pytest.mark.root, pytest.mark.borg, pytest.mark.libvirt]

HOOK = "/etc/libvirt/hooks/qemu.d/backupspec"
# libvirt.org/hooks.html, and the calls that libvirt makes for QEMU.
OPERATIONS = (
    ("prepare", "begin", "-"),
    ("start", "begin", "-"),
    ("started", "begin", "-"),
    ("stopped", "end", "-"),
    ("release", "end", "-"),
    ("release", "end", "shutdown"),
    ("reconnect", "begin", "-"),
    ("restore", "begin", "-"),
    ("migrate", "begin", "-"),
    ("attach", "begin", "-"),
)
NAMES = ("web02", "a b", 'it\'s "q"', "a&b", "../../etc/passwd", "-rf", "$(touch /tmp/x)", "*", "é\u2028")


@pytest.fixture(scope="module")
def kvm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hypervisor]:
    """One hypervisor; a recorder stands where systemctl would be."""
    with hypervisor(tmp_path_factory.mktemp("kvm")) as found:
        found.machine.sh("mkdir -p /run/backupspec-vm/lock /run/backupspec-vm/queue")
        record = '#!/bin/sh\nprintf "%s\\n" "$*" >>/run/started\necho noise\n'
        found.machine.write("/usr/bin/systemctl", record, mode=0o755)
        yield found


def call(kvm: Hypervisor, name: str, operation: tuple[str, str, str], held: str = "") -> Outcome:
    """Call the hook, while somebody holds the disks of the virtual machine `held`."""
    argv = [HOOK, name, *operation]
    if held:
        guard = f"/run/backupspec-vm/lock/{hashlib.sha256(held.encode()).hexdigest()}.guard"
        kvm.machine.write(guard, "a restore is under way\n")
        argv = ["flock", guard, *argv]
    return kvm.machine.run(argv, check=False, data=b"<domain/>")


@pytest.mark.parametrize("operation", OPERATIONS, ids="-".join)
def test_it_is_silent_and_succeeds_whatever_happens(kvm: Hypervisor, operation: tuple[str, str, str]) -> None:
    for name in NAMES:
        said = call(kvm, name, operation)
        assert (said.code, said.output) == (0, ""), name
        said = call(kvm, name, operation, held="another")
        assert (said.code, said.output) == (0, ""), name
    kvm.machine.sh("rm -rf /run/backupspec-vm/lock/*")


@pytest.mark.parametrize("operation", OPERATIONS, ids="-".join)
def test_only_a_start_is_refused_while_the_disks_are_held(kvm: Hypervisor, operation: tuple[str, str, str]) -> None:
    for name in NAMES:
        said = call(kvm, name, operation, held=name)
        starts = operation[0] in {"prepare", "start"}
        assert (said.code, said.stdout) == (1 if starts else 0, ""), name
        assert said.stderr == ("backupspec: a restore is under way\n" if starts else "")
        # A lock that nobody holds any more is none.
        assert call(kvm, name, operation).code == 0
    kvm.machine.sh("rm -rf /run/backupspec-vm/lock/*")


@pytest.mark.parametrize("operation", OPERATIONS, ids="-".join)
def test_whoever_goes_back_to_a_snapshot_may_start_it(kvm: Hypervisor, operation: tuple[str, str, str]) -> None:
    """The lock that says so counts while it is held."""
    for name in NAMES:
        starts = f"/run/backupspec-vm/lock/{hashlib.sha256(name.encode()).hexdigest()}.starts"
        kvm.machine.write(starts, "")
        refused = operation[0] in {"prepare", "start"}
        assert call(kvm, name, operation, held=name).code == (1 if refused else 0)
        guard = starts.replace(".starts", ".guard")
        said = kvm.machine.run(["flock", starts, "flock", guard, HOOK, name, *operation], check=False)
        assert (said.code, said.output) == (0, ""), name
    kvm.machine.sh("rm -rf /run/backupspec-vm/lock/*")


@pytest.mark.parametrize("operation", OPERATIONS, ids="-".join)
def test_what_waits_is_started_when_the_guest_is_off(kvm: Hypervisor, operation: tuple[str, str, str]) -> None:
    """Once, without waiting; nothing but units of ours is ever started."""
    kvm.machine.sh("rm -f /run/started")
    queue = f"/run/backupspec-vm/queue/{hashlib.sha256(b'a b').hexdigest()}"
    kvm.machine.write(queue, "backupspec-ab_local.service\n--now sshd.service\nbackupspec-ab_far.service\n")
    for _ in range(2):
        said = call(kvm, "a b", operation)
        assert (said.code, said.output) == (0, "")
    started = kvm.machine.sh("cat /run/started 2>/dev/null || :").stdout
    lines = "".join(f"start --no-block -- backupspec-ab_{name}.service\n" for name in ("local", "far"))
    assert started == (lines if operation[0] == "release" else "")
    kvm.machine.sh(f"rm -f {queue}")


def test_what_is_being_written_to_the_queue_is_started_as_well(kvm: Hypervisor) -> None:
    """The hook waits for whoever writes a line there in this instant, though not for one that never ends."""
    queue = "/run/backupspec-vm/queue"
    file = f"{queue}/{hashlib.sha256(b'a b').hexdigest()}"
    wanted = "start --no-block -- backupspec-ab_local.service\nstart --no-block -- backupspec-ab_far.service\n"
    for seconds, expected in ((0.5, wanted), (4, wanted.partition("\n")[0] + "\n")):
        kvm.machine.write(file, "backupspec-ab_local.service\n")
        kvm.machine.sh(
            f"rm -f /run/started; exec 6<{queue}; flock 6; "
            f"(sleep {seconds}; echo backupspec-ab_far.service >>{file}) & exec 6<&-; "
            f"{HOOK} 'a b' release end - </dev/null; cat /run/started >/run/seen; wait"
        )
        assert kvm.machine.read("/run/seen") == expected
    kvm.machine.sh(f"rm -f {file}")


def test_libvirt_shows_the_reason_of_a_refusal(kvm: Hypervisor) -> None:
    """A real start, refused by the hook as libvirt runs it, and allowed as soon as nobody holds the disks."""
    name = 'it\'s "a" & b'
    kvm.define(name, {"vda": "raw"})
    kvm.machine.sh("kill -HUP $(cat /run/libvirtd.pid)")
    guard = f"/run/backupspec-vm/lock/{hashlib.sha256(name.encode()).hexdigest()}.guard"
    kvm.machine.write(guard, "a restore is under way\n")
    refused = kvm.machine.run(["flock", guard, "virsh", "start", "--paused", "--domain", name], check=False)
    assert refused.code != 0
    assert "a restore is under way" in refused.output
    kvm.start(name)
    kvm.virsh("destroy", "--domain", name)
