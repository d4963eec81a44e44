"""What libvirt's definition of a virtual machine says of its disks (libvirt.org/formatdomain.html)."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from dataclasses import dataclass

_DISKS = frozenset({"disk", "lun"})
"""Devices that hold data of the guest; `cdrom` and `floppy` hold media."""
_SOURCES = ("file", "dev", "dir", "volume", "name")
_TARGET = re.compile(r"(?:fd|hd|sd|vd|xvd|ubd)[a-z]{1,4}")
"""What libvirt calls disks (virDiskNameParse in its source), partitions left aside."""


@dataclass(frozen=True, slots=True)
class Disk:
    """One disk: its target, such as vda, and where its data lies on the host (empty: nowhere that has a path).

    `format` is that of the image, such as qcow2.
    """

    target: str
    source: str
    format: str = "raw"
    read_only: bool = False


@dataclass(frozen=True, slots=True)
class Domain:
    """A virtual machine as libvirt knows it; disks in the order of the definition.

    `raw_firmware`: its firmware keeps variables in an image that is not qcow2.
    """

    name: str
    disks: tuple[Disk, ...]
    raw_firmware: bool = False


def read_domain(text: str) -> Domain | str:
    """Give the domain that a text of `virsh dumpxml` defines, or say in a few words why it is none."""
    if "<!" in text.replace("<!--", "").replace("<![CDATA[", ""):
        return "it has a document type, which no definition of libvirt has"
    try:
        root = ET.fromstring(text)  # noqa: S314 - see above
    except (ET.ParseError, ValueError) as error:
        return f"it is not XML: {error}"
    if root.tag != "domain":
        return f"it defines a `{root.tag}`, not a `domain`"
    name = root.findtext("name")
    if not name:
        return "the domain has no name"
    disks = []
    for each in root.iterfind("./devices/disk"):
        target = each.find("target")
        source = each.find("source")
        dev = "" if target is None else target.get("dev", "")
        if each.get("device", "disk") not in _DISKS:
            continue
        if not _TARGET.fullmatch(dev):
            return f"it has a disk with the target `{dev}`"
        found = () if source is None else (source.get(key) for key in _SOURCES)
        driver = each.find("driver")
        kind = "raw" if driver is None else driver.get("type", "raw")
        disks.append(Disk(dev, next((path for path in found if path), ""), kind, each.find("readonly") is not None))
    return Domain(name, tuple(disks), _keeps_variables(root) and _format_of_variables(root) != "qcow2")


def _keeps_variables(root: ET.Element) -> bool:
    system = root.find("os")
    loader = root.find("./os/loader")
    return system is not None and (
        system.get("firmware") == "efi" or (loader is not None and loader.get("type") == "pflash")
    )


def _format_of_variables(root: ET.Element) -> str:
    variables = root.find("./os/nvram")
    return "raw" if variables is None else variables.get("format", "raw")
