"""Virtual machines: every disk is covered once, with room to work, at a time when the guest rests."""

from __future__ import annotations

from collections.abc import Iterator

from backupspec.analyse.databases import EVERYBODYS
from backupspec.analyse.folders import is_kept_as_it_is
from backupspec.analyse.hours import overlap
from backupspec.analyse.patterns import below
from backupspec.analyse.places import job_place, target_place
from backupspec.catalogue import diagnose
from backupspec.diagnostic import Diagnostic, Related
from backupspec.fleet import Fleet, Host, MachineSnapshots, VirtualMachineJob

_PREFIX = "vm:"


def every_disk_is_covered(fleet: Fleet) -> Iterator[Diagnostic]:
    """Each disk of a definition is backed up, or left out for a reason, and not both."""
    for _, job in _read(fleet):
        left_out = {disk for disk, _ in job.without}
        for disk in job.known:
            if disk.target not in job.disks and disk.target not in left_out:
                span, where = job_place(job, "disks")
                yield diagnose(
                    "BS450",
                    f"the disk `{disk.target}` of `{job.name}` is in no backup, and nothing says why",
                    span,
                    where=where,
                    hint=f"add it to `disks`, or write `without: {{{disk.target}: WHY}}`",
                )
        for target in sorted(left_out.intersection(job.disks)):
            span, where = job_place(job, "without")
            related = (Related("`disks` is here", job_place(job, "disks")[0]),)
            yield diagnose(
                "BS451",
                f"the disk `{target}` of `{job.name}` is backed up and left out",
                span,
                where=where,
                hint="delete it in one of the two places",
                related=related,
            )


def every_machine_has_a_disk_to_read(fleet: Fleet) -> Iterator[Diagnostic]:
    """Each virtual machine that is read has a disk to read."""
    for _, job in _read(fleet):
        if not job.disks:
            span, where = job_place(job, "without" if job.without else "xml")
            yield diagnose(
                "BS461",
                f"no disk of `{job.name}` is backed up: "
                + ("`without` names them all" if job.without else "its definition has none"),
                span,
                where=where,
                hint="if none is needed, delete the entry and write "
                f'`not_backed_up: [{{what: "{_PREFIX}{job.domain}", because: WHY}}]`',
            )


def a_guest_runs_in_one_machine(fleet: Fleet) -> Iterator[Diagnostic]:
    """No host runs in a virtual machine of its own, or in two."""
    first: dict[str, VirtualMachineJob] = {}
    for job in (job for host in fleet.hosts for job in host.virtual_machines if job.guest is not None):
        span, where = job_place(job, "guest")
        if job.guest == job.host:
            yield diagnose(
                "BS462",
                f"{job.host} cannot run in `{job.name}`, which it runs itself",
                span,
                where=where,
                hint="name the host of this inventory that is inside of the virtual machine",
            )
            continue
        other = first.setdefault(str(job.guest), job)
        # One that moves between hypervisors has an entry on each, with the same name to libvirt.
        if other.domain != job.domain:
            yield diagnose(
                "BS462",
                f"{job.guest} cannot run in `{other.name}` and in `{job.name}`",
                span,
                where=where,
                hint="name in each entry the host that is inside of it; one without such a host cannot be left to it",
                related=(Related("the other one is here", job_place(other, "guest")[0]),),
            )


def guests_back_themselves_up(fleet: Fleet) -> Iterator[Diagnostic]:
    """No virtual machine is left to a guest without jobs; where both are backed up, that is said."""
    for host in fleet.hosts:
        for job in host.virtual_machines:
            guest = None if job.guest is None else fleet.host(job.guest)
            own = guest is not None and bool(guest.jobs)
            span, where = job_place(job, "guest" if guest is not None else "method")
            if job.method == "guest" and not own:
                missing = "no host is named that" if guest is None else f"{job.guest} has no job that"
                yield diagnose(
                    "BS458",
                    f"`{job.name}` is left to its guest, and {missing} backs it up",
                    span,
                    where=where,
                    hint="write `guest: HOST` with a host of this inventory that has jobs, or let `method` be `pull`",
                )
            elif job.method != "guest" and own:
                yield diagnose(
                    "BS456",
                    f"the disks of `{job.name}` are backed up, and {job.guest}, which runs in it, backs itself up too",
                    span,
                    where=where,
                    hint="nothing to do if that is meant; else leave one of them out (`method: guest`)",
                )


def guests_are_named(fleet: Fleet) -> Iterator[Diagnostic]:
    """Whether a host runs in the virtual machine that has its name is said, since the other rules go by it."""
    named = {job.guest for host in fleet.hosts for job in host.virtual_machines}
    for host, job in _read(fleet):
        other = fleet.host(job.domain)
        if job.guest is None and other is not None and other is not host and other.jobs and other.name not in named:
            yield diagnose(
                "BS465",
                f"there is a host {other.name}, and nothing says whether it runs in the virtual machine `{job.domain}`",
                job.span,
                where=job.where,
                hint=f"write `guest: {other.name}`, or accept this where the two have only the name in common",
                related=(Related("the host is here", other.span),),
            )


def a_machine_is_read_once(fleet: Fleet) -> Iterator[Diagnostic]:
    """No two jobs of a hypervisor back up the same virtual machine, and no two take snapshots of it."""
    for jobs in (jobs for host in fleet.hosts for jobs in (host.virtual_machines, host.machine_snapshots)):
        first: dict[str, VirtualMachineJob | MachineSnapshots] = {}
        for job in jobs:
            other = first.setdefault(job.domain, job)
            if other is not job:
                yield diagnose(
                    "BS454",
                    f"`{other.name}` and `{job.name}` are both the virtual machine `{job.domain}`",
                    job.span,
                    where=job.where,
                    hint="keep one of them"
                    + ("; it can have several repositories under `to`" if isinstance(job, VirtualMachineJob) else ""),
                    related=(Related("the other one is here", other.span),),
                )


def what_is_left_out_is_not_backed_up(fleet: Fleet) -> Iterator[Diagnostic]:
    """Nothing that has a job is said not to be backed up."""
    for host in fleet.hosts:
        jobs = {f"{_PREFIX}{job.domain}": job for job in host.virtual_machines}
        for left_out in host.not_backed_up:
            job = jobs.get(left_out.what)
            if job is not None:
                yield diagnose(
                    "BS457",
                    f"`{left_out.what}` is said not to be backed up, and has a job",
                    left_out.span,
                    where=f"{host.where}.not_backed_up",
                    hint="delete it here, or delete the job",
                    related=(Related("the job is here", job.span),),
                )


def snapshots_have_qcow2(fleet: Fleet) -> Iterator[Diagnostic]:
    """Every disk that a snapshot must hold can hold it."""
    for job in (job for host in fleet.hosts for job in host.machine_snapshots):
        unfit = [
            (f"the disk `{disk.target}`", disk.format)
            for disk in job.known
            if not disk.read_only and disk.format != "qcow2"
        ]
        unfit += [("the firmware's memory", "raw")] if job.firmware else []
        for what, kind in unfit:
            span, where = job_place(job, "method")
            yield diagnose(
                "BS459",
                f"`{job.name}` cannot have snapshots: {what} of `{job.domain}` is {kind}",
                span,
                where=where,
                hint="a snapshot is of all that the virtual machine writes to, which must be qcow2",
            )


def changes_are_noted_in_qcow2(fleet: Fleet) -> Iterator[Diagnostic]:
    """Every disk whose changed blocks are to be read alone can have them noted."""
    for job in (job for _, job in _read(fleet) if job.method == "incremental"):
        for disk in job.known:
            if disk.target in job.disks and disk.format != "qcow2":
                span, where = job_place(job, "method")
                yield diagnose(
                    "BS463",
                    f"what changes on `{job.name}` cannot be known: the disk `{disk.target}` of `{job.domain}` is "
                    f"{disk.format}",
                    span,
                    where=where,
                    hint="all disks that are backed up must be qcow2; else let `method` be `pull`",
                )


def no_snapshots_beside_checkpoints(fleet: Fleet) -> Iterator[Diagnostic]:
    """No machine has snapshots that could not be gone back to, because there are checkpoints."""
    for host in fleet.hosts:
        chains = {job.domain: job for job in host.virtual_machines if job.method == "incremental"}
        for snapshots in host.machine_snapshots:
            job = chains.get(snapshots.domain)
            if job is not None:
                yield diagnose(
                    "BS464",
                    f"`{snapshots.name}` cannot have snapshots: `{job.name}` keeps checkpoints of `{job.domain}`",
                    snapshots.span,
                    where=snapshots.where,
                    hint=f"delete this entry, or let `method` of `{job.name}` be `pull`",
                    related=(Related("the method is here", job_place(job, "method")[0]),),
                )


def snapshots_are_no_backup(fleet: Fleet) -> Iterator[Diagnostic]:
    """Whatever has snapshots is backed up besides, or said not to be."""
    for host in fleet.hosts:
        said = {job.domain for job in host.virtual_machines}
        said |= {item.what.removeprefix(_PREFIX) for item in host.not_backed_up}
        for job in host.machine_snapshots:
            if job.domain not in said:
                yield diagnose(
                    "BS460",
                    f"`{job.domain}` of {host.name} has snapshots, and no backup",
                    job.span,
                    where=job.where,
                    hint=f"add an entry with `domain: {job.domain}`, or say under `not_backed_up` why none is needed",
                )


def scratch_space_is_declared(fleet: Fleet) -> Iterator[Diagnostic]:
    """Each virtual machine that is read has scratch space, in a folder that can be used for it."""
    for host, job in _read(fleet):
        if job.scratch is None:
            yield diagnose(
                "BS452",
                f"`{job.name}` of {host.name} has no scratch space",
                job.span,
                where=job.where,
                hint="say `scratch: FOLDER` in the host, for all its virtual machines",
            )
            continue
        server = fleet.server(host.name)
        stores = [(each.path, f"the repository `{each.name}`") for each in host.repositories if each.local]
        stores += [] if server is None else [(server.storage, f"the storage of {server.name}")]
        store = next((what for folder, what in stores if below(job.scratch, folder)), None)
        if any(below(job.scratch, folder) for folder in EVERYBODYS):
            why = "everybody may write there, and lead root astray"
        elif store is not None:
            why = f"it lies in {store}"
        elif is_kept_as_it_is(job.scratch):
            why = "it is a folder of the system, or of backupspec itself"
        else:
            continue
        span, where = job_place(job, "scratch")
        yield diagnose(
            "BS453",
            f"`{job.scratch}` cannot be scratch space: {why}",
            span,
            where=where,
            hint="give it a folder of its own, such as /srv/scratch",
        )


def disks_are_read_while_the_guest_rests(fleet: Fleet) -> Iterator[Diagnostic]:
    """No disk is read in hours in which the guest runs its own jobs."""
    for _, job in _read(fleet):
        guest = None if job.guest is None else fleet.host(job.guest)
        for target in job.targets:
            found = next(
                (
                    (inner, way)
                    for inner in (() if guest is None else guest.jobs)
                    for way in inner.targets
                    if overlap(target.schedule, way.schedule)
                ),
                None,
            )
            if found is not None:
                inner, way = found
                all_day = way.schedule.every is not None and way.schedule.window is None
                yield diagnose(
                    "BS455",
                    f"the disks of `{job.name}` are read in the hours in which {job.guest} runs `{inner.name}`",
                    target_place(job, target, "schedule")[0],
                    where=job.where,
                    hint=f"give `{inner.name}` a `window` beside its `every`, and the virtual machine another one"
                    if all_day
                    else "give the virtual machine a `schedule` of its own",
                    related=(Related(f"when `{inner.name}` runs", target_place(inner, way, "schedule")[0]),),
                )
                break


def _read(fleet: Fleet) -> Iterator[tuple[Host, VirtualMachineJob]]:
    return ((host, job) for host in fleet.hosts for job in host.virtual_machines if job.method != "guest")
