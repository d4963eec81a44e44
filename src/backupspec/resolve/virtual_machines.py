"""The virtual machines of a hypervisor: whose disks are backed up, and which they are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, cast

from backupspec.diagnostic import Span
from backupspec.domain import Disk, Domain
from backupspec.fleet import Hook, MachineSnapshots, VirtualMachineJob
from backupspec.inventory import Layer, Settings, Written, WrittenBoot, WrittenHost
from backupspec.nodes import duration
from backupspec.resolve.databases import FILES_ONLY, drill_schedule
from backupspec.resolve.domains import Own, Said, domain_of, said_number, said_origins, said_text
from backupspec.resolve.jobs import WIDE, gather, targets_of, two_of_a_name
from backupspec.resolve.layers import merge, value
from backupspec.resolve.machine_snapshots import SNAPSHOT, snapshots_of
from backupspec.resolve.methods import check_method
from backupspec.resolve.tables import Tables
from backupspec.virtual_machine import BootDrill

CHUNK_SIZE = 2**20
TIME_LIMIT = 600
"""Seconds that a copy may take to boot."""
SCRATCH_FREE = 10**9
"""Bytes of scratch space that a job wants to find free where the inventory does not say."""

FULL_EVERY = 4 * 7 * 24 * 3600
"""Seconds after which a full backup is followed by another one."""

_DEFAULTS = {"method": "pull", "quiesce": "preferred", "chunk_size": CHUNK_SIZE, "scratch_free": SCRATCH_FREE}


def virtual_machines_of(
    tables: Tables, written: WrittenHost, layers: list[Layer], taken: Mapping[str, tuple[str, Span]]
) -> tuple[tuple[VirtualMachineJob, ...], tuple[MachineSnapshots, ...]]:
    """Give all virtual machines of a host that are backed up, and all that get snapshots, by name.

    `taken` are the names of its other jobs, with what each is.
    """
    host = written.machine.name.value
    known = gather(tables, host, "virtual_machines", ((layer.name, layer.virtual_machines) for layer in layers))
    two_of_a_name(tables, host, ("virtual_machines", "virtual machine"), known, taken)
    wide = [(layer.name, layer.settings) for layer in layers]
    jobs, snapshots = [], []
    entries: dict[str, Said] = {
        name: {key: (option, layer) for layer, job, _ in own for key, option in job.options}
        for name, own in known.items()
    }
    definitions = {
        name: domain_of(tables, said, name, f"hosts.{host}.virtual_machines.{name}") for name, said in entries.items()
    }
    machines = {each.name: each for each in definitions.values() if each is not None}
    for name, own in known.items():
        said = entries[name]
        check_method(tables, own, said, f"hosts.{host}.virtual_machines.{name}")
        if said_text(said, "method", "pull") == SNAPSHOT:
            # The entry that backs the machine up has its definition, which need not be named twice.
            machine = definitions[name] or machines.get(said_text(said, "domain", name))
            snapshots.append(snapshots_of(tables, host, name, wide, own, said, machine))
        else:
            jobs.append(_job(tables, written, name, wide, own, said, definitions[name]))
    return tuple(jobs), tuple(snapshots)


def _job(  # noqa: PLR0913 - what is known of one entry
    tables: Tables,
    written: WrittenHost,
    name: str,
    wide: list[tuple[str, Settings]],
    own: Own,
    said: Said,
    known: Domain | None,
) -> VirtualMachineJob:
    host = written.machine.name.value
    where = f"hosts.{host}.virtual_machines.{name}"
    span = own[-1][2]
    layers = [*wide, *((layer, job.settings) for layer, job, _ in own)]
    merged = merge(tables, layers, where)
    method = cast(Literal["pull", "incremental", "guest"], said_text(said, "method", "pull"))
    without = cast(tuple[tuple[Written[str], str], ...], said["without"][0].value if "without" in said else ())
    disks = _disks(tables, said, known, where, left_out={target.value for target, _ in without})
    if method != "guest" and disks is None:
        tables.report(
            "BS225",
            f"which disks `{name}` has is not known",
            span,
            where,
            "add `xml: FILE`, what `virsh dumpxml --inactive` writes, or name them: `disks: [vda]`",
        )
    origins = [item for item in merged.origins() if item[0] not in (WIDE - {"scratch"}) | FILES_ONLY]
    guest = _guest(tables, said, where)
    drill = _drill(tables, said, where)
    if method == "guest":
        origins = list(said_origins(said, {}))
    else:
        defaults: dict[str, object] = {**_DEFAULTS}
        told = {} if drill is None else {"drill": _told(drill)}
        if method == "incremental":
            defaults["full_every"] = FULL_EVERY
            told["full_every"] = duration(said_number(said, "full_every", FULL_EVERY))
        origins += said_origins(said, defaults, told)
    scratch = merged.scalar("scratch")
    return VirtualMachineJob(
        name=name,
        host=host,
        series=(host, *(item.value for item in written.formerly)),
        domain=said_text(said, "domain", name),
        known=() if known is None else known.disks,
        disks=disks or (),
        without=tuple(sorted((target.value, because) for target, because in without)),
        method=method,
        full_every=said_number(said, "full_every", FULL_EVERY),
        quiesce=cast(Literal["required", "preferred", "off"], said_text(said, "quiesce", "preferred")),
        chunk_size=said_number(said, "chunk_size", CHUNK_SIZE),
        scratch=None if scratch is None else str(scratch.value),
        scratch_free=said_number(said, "scratch_free", SCRATCH_FREE),
        guest=guest,
        drill=drill,
        compression=str(value(merged, "compression")),
        priority=cast(Literal["low", "normal", "idle"], value(merged, "priority")),
        before=cast(tuple[Hook, ...], merged.values("before")),
        after=cast(tuple[Hook, ...], merged.values("after")),
        description=str(value(merged, "description")),
        targets=() if method == "guest" else targets_of(tables, written, (name, span), layers, where),
        origins=tuple(sorted(origins, key=lambda item: (item[0], item[1]))),
        span=span,
    )


def _disks(
    tables: Tables, said: Said, known: Domain | None, where: str, *, left_out: set[str]
) -> tuple[str, ...] | None:
    """Give the disks to back up, or None where nothing says which there are."""
    named = cast(tuple[Written[str], ...] | str, said["disks"][0].value if "disks" in said else "all")
    there = None if known is None else {disk.target for disk in known.disks}
    without = cast(tuple[tuple[Written[str], str], ...], said["without"][0].value if "without" in said else ())
    for target in (*(() if isinstance(named, str) else named), *(target for target, _ in without)):
        if there is not None and target.value not in there:
            tables.missing("disk", target, there, where)
    if not isinstance(named, str):
        return tuple(sorted(target.value for target in named))
    if known is None:
        # A file that cannot be used was reported; what it would have said is not missing as well.
        return () if "xml" in said else None
    return tuple(sorted(_left(known.disks, left_out)))


def _left(disks: tuple[Disk, ...], left_out: set[str]) -> set[str]:
    return {disk.target for disk in disks} - left_out


def _guest(tables: Tables, said: Said, where: str) -> str | None:
    if "guest" not in said:
        return None
    written = cast(Written[str], said["guest"][0])
    hosts = {host.machine.name.value: host for host in tables.inventory.hosts}
    return None if tables.lookup(written, hosts, "host", f"{where}.guest") is None else written.value


def _drill(tables: Tables, said: Said, where: str) -> BootDrill | None:
    if "drill" not in said:
        return None
    written = cast(WrittenBoot, said["drill"][0].value)
    limit = TIME_LIMIT if written.time_limit is None else written.time_limit
    return BootDrill(drill_schedule(tables, written.schedule, where), written.agent, written.console, limit)


def _told(drill: BootDrill) -> str:
    """Say when a drill is and what it does."""
    found = f"{drill.schedule}: compares the disks, checks their file systems"
    if drill.boots:
        waits = ["its guest agent answers"] if drill.agent else []
        waits += [] if drill.console is None else [f'its console shows "{drill.console}"']
        found += f", boots a copy until {' and '.join(waits)}, for {duration(drill.time_limit)} at most"
    return found
