"""What libvirt's definition of a virtual machine says of its disks (libvirt.org/formatdomain.html)."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from typing import Literal

_DISKS = frozenset({"disk", "lun"})
"""Devices that hold data of the guest; `cdrom` and `floppy` hold media."""
_SOURCES = ("file", "dev", "dir", "volume", "name")
_TARGET = re.compile(r"(?:fd|hd|sd|vd|xvd|ubd)[a-z]{1,4}")
"""What libvirt calls disks (virDiskNameParse in its source), partitions left aside."""
_AGENT = "org.qemu.guest_agent.0"
Agent = Literal["none", "silent", "connected"]
"""A guest agent: there is no channel for it; there is one, and nobody in the guest has opened it; somebody has."""


@dataclass(frozen=True, slots=True)
class Disk:
    """One disk: its target, such as vda, and where its data lies on the host (empty: nowhere that has a path).

    `kind`, `device` and `format` are libvirt's words; `within` is the pool of a volume, the protocol of a network disk.
    """

    target: str
    source: str
    kind: str = "file"
    device: str = "disk"
    format: str = "raw"
    within: str = ""
    read_only: bool = False

    @property
    def place(self) -> str:
        """Say for people where its data lies."""
        match self.kind:
            case "network":
                return f"{self.within}:{self.source}"
            case "volume":
                return f"volume {self.source} of the pool {self.within}"
            case "file" | "block" | "dir" if self.source:
                return self.source
            case _:
                return f"{self.kind} {self.source}".rstrip()


@dataclass(frozen=True, slots=True)
class Domain:
    """A virtual machine as libvirt knows it; disks in the order of the definition.

    Whether an agent is connected stands in the definition of one that runs only. `raw_firmware`: its firmware keeps
    variables in an image that is not qcow2.
    """

    name: str
    disks: tuple[Disk, ...]
    uuid: str = ""
    agent: Agent = "none"
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
    disks: list[Disk] = []
    for each in root.iterfind("./devices/disk"):
        target = each.find("target")
        source = each.find("source")
        dev = "" if target is None else target.get("dev", "")
        if each.get("device", "disk") not in _DISKS:
            continue
        twice = any(disk.target == dev for disk in disks)
        if twice or not _TARGET.fullmatch(dev):
            return f"it has {'two disks' if twice else 'a disk'} with the target `{dev}`"
        disks.append(_disk(each, dev, source))
    return Domain(
        name, tuple(disks), root.findtext("uuid") or "", _agent(root), raw_firmware=_keeps_raw_variables(root)
    )


def _disk(element: ET.Element, target: str, source: ET.Element | None) -> Disk:
    said: dict[str, str] = {} if source is None else source.attrib
    driver = element.find("driver")
    return Disk(
        target,
        next((said[key] for key in _SOURCES if said.get(key)), ""),
        kind=element.get("type", "file"),
        device=element.get("device", "disk"),
        format="raw" if driver is None else driver.get("type", "raw"),
        within=said.get("pool") or said.get("protocol") or "",
        read_only=element.find("readonly") is not None,
    )


def _agent(root: ET.Element) -> Agent:
    for target in root.iterfind("./devices/channel/target"):
        if target.get("name") == _AGENT:
            return "connected" if target.get("state") == "connected" else "silent"
    return "none"


def _keeps_raw_variables(root: ET.Element) -> bool:
    return _keeps_variables(root) and _format_of_variables(root) != "qcow2"


def _keeps_variables(root: ET.Element) -> bool:
    system = root.find("os")
    loader = root.find("./os/loader")
    return system is not None and (
        system.get("firmware") == "efi" or (loader is not None and loader.get("type") == "pflash")
    )


def _format_of_variables(root: ET.Element) -> str:
    variables = root.find("./os/nvram")
    return "raw" if variables is None else variables.get("format", "raw")
