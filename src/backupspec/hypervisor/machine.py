"""A hypervisor as libvirt tells of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from backupspec.domain import Agent, Domain


@dataclass(frozen=True, slots=True)
class Machine:
    """One virtual machine.

    `definition` is what `virsh dumpxml --inactive` writes, without secrets; `defined` is what that says, `running` how
    the machine runs now (None: it does not). `trouble`: why one of them is not understood; no disks are known then.
    `sizes` are bytes by target, of the disks whose size libvirt could tell. One that is not `persistent` is known to
    libvirt only while it runs.
    """

    definition: str
    defined: Domain
    running: Domain | None
    persistent: bool
    sizes: Mapping[str, int]
    trouble: str = ""

    @property
    def name(self) -> str:
        """Give libvirt's own name."""
        return self.defined.name

    @property
    def now(self) -> Domain:
        """Give what a backup would find."""
        return self.running or self.defined

    @property
    def agent(self) -> Agent:
        """Tell whether there is a guest agent; of a machine that is off only whether it has a channel for one."""
        return self.now.agent


@dataclass(frozen=True, slots=True)
class Hypervisor:
    """What answers at a URI: its host name, and its machines by name."""

    uri: str
    hostname: str
    machines: tuple[Machine, ...]

    def machine(self, name: str) -> Machine | None:
        """Give the machine that libvirt knows under this name."""
        return next((machine for machine in self.machines if machine.name == name), None)
