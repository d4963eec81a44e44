from __future__ import annotations

import pytest

from backupspec.domain import Disk, Domain, read_domain

FRAME = "<domain type='kvm'><name>{name}</name><devices>{disks}</devices></domain>"


def disk(target: str, *, device: str = "disk", source: str = "file='/a b'") -> str:
    return f"<disk type='file' device='{device}'><source {source}/><target dev='{target}'/></disk>"


def test_disks_are_found_in_their_order_with_where_they_lie() -> None:
    disks = disk("vdb") + disk("vda", source="dev='/dev/vg/x'") + disk("sda", device="lun", source="name='pool/x'")
    found = read_domain(FRAME.format(name="a &amp; b", disks=disks))
    disks_found = (Disk("vdb", "/a b"), Disk("vda", "/dev/vg/x"), Disk("sda", "pool/x", device="lun"))
    assert found == Domain("a & b", disks_found)


def test_what_holds_media_is_no_disk() -> None:
    found = read_domain(FRAME.format(name="a", disks=disk("sda", device="cdrom") + disk("fda", device="floppy")))
    assert found == Domain("a", ())


def test_a_disk_without_a_device_attribute_is_one() -> None:
    assert read_domain(FRAME.format(name="a", disks="<disk><target dev='hda'/></disk>")) == Domain(
        "a", (Disk("hda", ""),)
    )


def test_what_holds_a_snapshot_is_known() -> None:
    """Formats, what is only read, and where firmware keeps its variables."""
    some = "<disk><driver type='qcow2'/><target dev='vda'/></disk><disk><readonly/><target dev='vdb'/></disk>"
    found = read_domain(FRAME.format(name="a", disks=some))
    assert found == Domain("a", (Disk("vda", "", format="qcow2"), Disk("vdb", "", read_only=True)))
    loader = "<loader type='pflash'>/x</loader>"
    for system, raw in (
        ("<os><type>hvm</type></os>", False),
        ("<os firmware='efi'/>", True),
        (f"<os>{loader}<nvram>/y</nvram></os>", True),
        (f"<os>{loader}<nvram format='qcow2'>/y</nvram></os>", False),
        ("<os><loader type='rom'>/x</loader></os>", False),
    ):
        assert read_domain(f"<domain><name>a</name>{system}<devices/></domain>") == Domain("a", (), raw_firmware=raw)


@pytest.mark.parametrize(
    ("kind", "source", "said"),
    [
        ("file", "file='/a b'", "/a b"),
        ("block", "dev='/dev/vg/x'", "/dev/vg/x"),
        ("network", "protocol='rbd' name='pool/x'", "rbd:pool/x"),
        ("volume", "pool='default' volume='x.qcow2'", "volume x.qcow2 of the pool default"),
        ("nvme", "type='pci' managed='yes' namespace='1'", "nvme"),
        ("file", "", "file"),
    ],
)
def test_where_a_disk_lies_is_said_for_people(kind: str, source: str, said: str) -> None:
    text = f"<disk type='{kind}'><driver type='raw'/><source {source}/><target dev='vda'/></disk>"
    found = read_domain(FRAME.format(name="a", disks=text))
    assert isinstance(found, Domain)
    assert [(each.place, each.format) for each in found.disks] == [(said, "raw")]


@pytest.mark.parametrize(
    ("channel", "agent"),
    [
        ("<target type='virtio' name='org.qemu.guest_agent.0' state='connected'/>", "connected"),
        ("<target type='virtio' name='org.qemu.guest_agent.0' state='disconnected'/>", "silent"),
        ("<target type='virtio' name='org.qemu.guest_agent.0'/>", "silent"),
        ("<target type='virtio' name='com.redhat.spice.0' state='connected'/>", "none"),
    ],
)
def test_a_guest_agent_is_known_by_its_channel(channel: str, agent: str) -> None:
    found = read_domain(FRAME.format(name="a", disks=f"<channel type='unix'>{channel}</channel>"))
    assert isinstance(found, Domain)
    assert found.agent == agent


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "it is not XML"),
        ("<domain>", "it is not XML"),
        ("<network><name>a</name></network>", "it defines a `network`"),
        ("<domain/>", "no name"),
        ("<!DOCTYPE domain><domain><name>a</name></domain>", "document type"),
        ("<!-- --><!ENTITY x 'y'><domain/>", "document type"),
        (FRAME.format(name="a", disks=disk("../x")), "the target `../x`"),
        (FRAME.format(name="a", disks=disk("")), "the target ``"),
        (FRAME.format(name="a", disks=disk("vda") + disk("vda")), "two disks with the target `vda`"),
    ],
)
def test_what_is_no_definition_is_refused_in_words(text: str, said: str) -> None:
    found = read_domain(text)
    assert isinstance(found, str)
    assert said in found
