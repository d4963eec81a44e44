"""The disks of a virtual machine that runs, through libvirt's backup job into borg, and back."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest

from tests.libvirt.hypervisor import IMAGES, MIB, Hypervisor, hypervisor, image

pytestmark = [pytest.mark.root, pytest.mark.borg, pytest.mark.libvirt]


@pytest.fixture(scope="module", params=["1.2", "1.4"])
def kvm(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hypervisor]:
    """One hypervisor for all tests of this file, for each generation of borg, and a backup of web02 on it."""
    with hypervisor(tmp_path_factory.mktemp("kvm"), borg=request.param) as found:
        text = found.define("web02", {"vda": "qcow2", "vdb": "raw"})
        found.start("web02")
        found.write("web02", 0, 0, 0x11)
        found.write("web02", 1, 4 * MIB, 0x22)
        found.written({"web02": {"xml": "domains/web02.xml"}}, {"web02": text})
        found.job("web02")
        yield found


VDA = bytes([0x11]) * MIB + bytes(15 * MIB)
VDB = bytes(4 * MIB) + bytes([0x22]) * MIB + bytes(11 * MIB)


def test_what_a_running_guest_sees_is_stored(kvm: Hypervisor) -> None:
    """All disks, of any format, with definition and manifest beside them; nothing is left on the host."""
    assert kvm.series() == ("web02", "web02_vda", "web02_vdb")
    assert len({name.rpartition("_")[2] for name in kvm.archives()}) == 1
    assert kvm.stored(kvm.newest("web02_vda"), "vda.raw") == VDA
    manifest = json.loads(kvm.stored(kvm.newest("web02"), "manifest.json"))
    assert manifest["consistency"] == "crash-consistent"
    assert [(each["disk"], each["size"]) for each in manifest["disks"]] == [("vda", 16 * MIB), ("vdb", 16 * MIB)]
    assert b"<name>web02</name>" in kvm.stored(kvm.newest("web02"), "domain.xml")
    assert kvm.virsh("domjobinfo", "web02").stdout.split()[:3] == ["Job", "type:", "None"]
    assert kvm.machine.sh("ls -A /srv/scratch; ls /run/backupspec-vm").stdout.split() == ["lock", "queue"]
    assert "domainbackup" in kvm.validated()


def test_a_copy_comes_back_beside_the_original(kvm: Hypervisor) -> None:
    """Same bytes, no block that is zero, an identity of its own, and the original untouched."""
    (when,) = kvm.restore("web02").stdout.split()
    ran = kvm.restore("web02", "--at", when, "--as", "web02 <copy>")
    assert "vda is whole" in ran.output
    assert "domain" in kvm.validated()
    text = kvm.virsh("dumpxml", "--domain", "web02 <copy>").stdout
    kvm.machine.write("/root/copy.xml", text)
    kvm.machine.run(["virt-xml-validate", "/root/copy.xml", "domain"])
    assert re.findall("<uuid>(.*)</uuid>", text) != re.findall(
        "<uuid>(.*)</uuid>", kvm.virsh("dumpxml", "web02").stdout
    )
    for target, kind, wanted in (("vda", "qcow2", VDA), ("vdb", "raw", VDB)):
        path = f"{IMAGES}/web02__copy_-{target}.img"
        assert path in text
        assert kvm.raw(path, kind) == wanted
        assert int(kvm.machine.run(["du", "--block-size=1", path]).stdout.split()[0]) < 2 * MIB
    assert kvm.state("web02") == "paused"
    kvm.start("web02 <copy>")
    kvm.virsh("destroy", "web02 <copy>")
    kvm.virsh("undefine", "web02 <copy>")


def test_a_restore_replaces_only_what_it_is_told_to(kvm: Hypervisor) -> None:
    """What exists is refused, what runs too; then each disk takes the place of the old one at once."""
    refused = kvm.restore("web02", "--latest", check=False)
    assert (refused.code, "choose another name" in refused.output) == (1, True)
    refused = kvm.restore("web02", "--latest", "--replace", check=False)
    assert (refused.code, "is not shut off" in refused.output) == (1, True)
    kvm.virsh("destroy", "web02")
    identity = kvm.virsh("domuuid", "web02").stdout
    kvm.machine.run(["qemu-io", "-f", "qcow2", "-c", "write -P 0x33 0 2M", image("web02", "vda")])
    kvm.restore("web02", "--latest", "--replace", "--disk", "vda")
    assert kvm.raw(image("web02", "vda"), "qcow2") == VDA
    kvm.machine.run(["qemu-io", "-f", "raw", "-c", "write -P 0x33 0 2M", image("web02", "vdb")])
    kvm.restore("web02", "--latest", "--replace")
    assert kvm.raw(image("web02", "vdb"), "raw") == VDB
    assert kvm.virsh("domuuid", "web02").stdout == identity
    kvm.start("web02")
    assert kvm.machine.sh(f"ls {IMAGES}").stdout.count(".restoring") == 0


def test_a_disk_on_the_network_is_read_while_its_guest_runs(kvm: Hypervisor) -> None:
    """It has no image here: off, the machine cannot be read, which is said; what comes back is a file."""
    machine = kvm.machine
    machine.run(["qemu-img", "create", "-q", "-f", "raw", "/srv/far", "16M"])
    serve = "qemu-nbd --fork --persistent --shared=4 --format=raw --bind=127.0.0.1 --export-name=far /srv/far"
    machine.sh(f"{serve} >/dev/null 2>&1 </dev/null")  # it would keep what it inherits
    disk = (
        "<disk type='network' device='disk'><driver name='qemu' type='raw'/>"
        "<source protocol='nbd' name='far'><host name='127.0.0.1' port='10809'/></source>"
        "<target dev='vdb' bus='virtio'/></disk>"
    )
    text = kvm.define("far01", {"vda": "qcow2"}, extra=disk)
    kvm.written({"far01": {"xml": "domains/far01.xml"}}, {"far01": text})
    kvm.start("far01")
    kvm.write("far01", 1, 4 * MIB, 0x22)
    kvm.job("far01")
    assert kvm.stored(kvm.newest("far01_vdb"), "vdb.raw") == VDB
    kvm.virsh("destroy", "far01")
    ran = kvm.job("far01", check=False)
    assert (ran.code != 0, "vdb of far01 has no image on this host" in ran.output) == (True, True)
    kvm.restore("far01", "--latest", "--as", "near", "--into", IMAGES)
    assert kvm.raw(f"{IMAGES}/near-vdb.img", "qcow2") == VDB
    assert "type='network'" not in kvm.virsh("dumpxml", "near").stdout
    machine.run(["pkill", "-x", "qemu-nbd"])
