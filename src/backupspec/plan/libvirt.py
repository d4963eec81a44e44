"""How scripts reach libvirt about one domain, and the style sheets that read and rewrite its definition."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from backupspec.fleet import Target, VirtualMachineJob
from backupspec.plan.places import RUN, SCRIPTS
from backupspec.words import ShellWord

DISK_LIST = f"{SCRIPTS}/virtual-machines/disks.xsl"
EDIT = f"{SCRIPTS}/virtual-machines/edit.xsl"

_LONGEST = 60
"""Letters of a folder's name, so that the path of a socket in it stays below the 108 bytes of unix(7)."""


@dataclass(frozen=True, slots=True)
class Libvirt:
    """What every script that talks to libvirt about one domain needs."""

    domain: ShellWord
    run: ShellWord
    lock: ShellWord


def libvirt_of(job: VirtualMachineJob, target: Target) -> Libvirt:
    """Give that of a job and one of its repositories; locks are named after the domain, whatever it is called."""
    lock = hashlib.sha256(job.domain.encode()).hexdigest()
    return Libvirt(ShellWord(job.domain), ShellWord(run_folder(job, target)), ShellWord(f"{RUN}/lock/{lock}"))


def run_folder(job: VirtualMachineJob, target: Target) -> str:
    """Give the folder of sockets and notes of one run."""
    name = f"{job.name}_{target.repository.name}"
    short = name if len(name) <= _LONGEST else hashlib.sha256(name.encode()).hexdigest()[:32]
    return f"{RUN}/{short}"
