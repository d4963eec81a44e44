"""What the page that explains what was compiled says of virtual machines."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from backupspec.fleet import Fleet, Host
from backupspec.plan import machine_snapshots, virtual_machines
from backupspec.plan.places import DRILLS
from backupspec.words import MarkdownCode, MarkdownCommand, MarkdownText


@dataclass(frozen=True, slots=True)
class RestoreLines:
    """One virtual machine that is read: what brings it back, and what proves that."""

    name: MarkdownText
    what: MarkdownText
    shown: MarkdownCommand
    newest: MarkdownCommand
    copy: MarkdownCommand
    drill: MarkdownCommand | None


@dataclass(frozen=True, slots=True)
class RollbackLines:
    """One virtual machine with snapshots: what takes one, and what goes back to it."""

    name: MarkdownText
    what: MarkdownText
    taken: MarkdownCommand
    shown: MarkdownCommand
    newest: MarkdownCommand


@dataclass(frozen=True, slots=True)
class MachinesPart:
    """The virtual machines of one hypervisor, and what must be there before they come back."""

    host: MarkdownText
    packages: MarkdownCode
    scratch: tuple[MarkdownCode, ...]
    images: tuple[MarkdownCode, ...]
    left_out: tuple[MarkdownCode, ...]
    restores: tuple[RestoreLines, ...]
    rollbacks: tuple[RollbackLines, ...]
    guests: tuple[MarkdownCode, ...]


@dataclass(frozen=True, slots=True)
class AsideLine:
    """Something that no job reads, and why."""

    host: MarkdownCode
    what: MarkdownText
    how: MarkdownText


@dataclass(frozen=True, slots=True)
class Machines:
    """All hypervisors, and what differs for each.

    `chains`: jobs that store changed blocks alone. `results`: the folder that drills write to.
    """

    hosts: tuple[MachinesPart, ...]
    chains: tuple[MarkdownCode, ...]
    restores: bool
    rollbacks: bool
    drills: bool
    results: MarkdownCode


def machines_of(fleet: Fleet) -> Machines:
    """Give the part of each host whose virtual machines come back by a command of ours."""
    hosts = tuple(_part(host) for host in fleet.hosts if virtual_machines.read(host) or host.machine_snapshots)
    return Machines(
        hosts,
        chains=tuple(
            MarkdownCode(job.name)
            for host in fleet.hosts
            for job in host.virtual_machines
            if job.method == "incremental"
        ),
        restores=any(part.restores for part in hosts),
        rollbacks=any(part.rollbacks for part in hosts),
        drills=any(lines.drill is not None for part in hosts for lines in part.restores),
        results=MarkdownCode(DRILLS),
    )


def aside(fleet: Fleet) -> tuple[AsideLine, ...]:
    """Give all that is known of virtual machines and not read by a job, with the reason."""
    return tuple(line for host in fleet.hosts for line in _aside(host))


def _aside(host: Host) -> Iterator[AsideLine]:
    name = MarkdownCode(host.name)
    for job in host.virtual_machines:
        if job.method == "guest":
            yield AsideLine(
                name, MarkdownText(f"virtual machine {job.domain}"), MarkdownText(f"backs itself up, as {job.guest}")
            )
        for disk, because in job.without:
            what = MarkdownText(f"disk {disk} of virtual machine {job.domain}")
            yield AsideLine(name, what, MarkdownText(f"not backed up: {because}"))
    for left_out in host.not_backed_up:
        what = MarkdownText(f"virtual machine {left_out.what.removeprefix('vm:')}")
        yield AsideLine(name, what, MarkdownText(f"not backed up: {left_out.because}"))


def _part(host: Host) -> MachinesPart:
    jobs = virtual_machines.read(host)
    tools = virtual_machines.tools(host) | (machine_snapshots.TOOLS if host.machine_snapshots else {})
    sources = {disk.source for job in jobs for disk in job.known if disk.kind == "file" and disk.target in job.disks}
    return MachinesPart(
        host=MarkdownText(host.name),
        packages=MarkdownCode(" ".join(sorted({"libvirt-daemon-system", "qemu-system", *tools.values()}))),
        scratch=tuple(MarkdownCode(folder) for folder in sorted({str(job.scratch) for job in jobs})),
        images=tuple(
            MarkdownCode(folder) for folder in sorted({source.rpartition("/")[0] for source in sources} - {""})
        ),
        left_out=tuple(MarkdownCode(f"{job.name} {disk}") for job in jobs for disk, _ in job.without),
        restores=tuple(
            RestoreLines(
                name=MarkdownText(job.name),
                what=MarkdownText(virtual_machines.describe(job)),
                shown=MarkdownCommand.of("backupspec-run", "restore-vm", job.name),
                newest=MarkdownCommand.of("backupspec-run", "restore-vm", job.name, "--latest"),
                copy=MarkdownCommand.of(
                    "backupspec-run", "restore-vm", job.name, "--at", "2 days ago", "--as", f"{job.name}-copy"
                ),
                drill=None if job.drill is None else MarkdownCommand.of("backupspec-run", "drill", job.name),
            )
            for job in jobs
        ),
        rollbacks=tuple(
            RollbackLines(
                name=MarkdownText(job.name),
                what=MarkdownText(job.domain),
                taken=MarkdownCommand.of("backupspec-run", "create", job.name),
                shown=MarkdownCommand.of("backupspec-run", "rollback", job.name),
                newest=MarkdownCommand.of("backupspec-run", "rollback", job.name, "--latest"),
            )
            for job in host.machine_snapshots
        ),
        guests=tuple(
            MarkdownCode(job.guest) for job in host.virtual_machines if job.method == "guest" and job.guest is not None
        ),
    )
