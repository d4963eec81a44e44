"""The drill of a virtual machine: a restore into the scratch space that is looked at, and perhaps booted."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from backupspec.fleet import Host, Target, VirtualMachineJob
from backupspec.plan import borg
from backupspec.plan.libvirt import DISK_LIST, EDIT, Libvirt, libvirt_of, run_folder
from backupspec.plan.places import DRILLS, SCRIPTS, notice, script
from backupspec.plan.types import PlannedFile
from backupspec.virtual_machine import DRILL_COPY, BootDrill
from backupspec.words import ArchiveGlob, ArchiveStart, Comment, ShellWord


@dataclass(frozen=True, slots=True)
class Drill:
    """The view of drill.sh.j2, drill-prepare.sh.j2 and drill-end.sh.j2. `copy`: the name of what is booted."""

    title: Comment
    notice: Comment
    libvirt: Libvirt
    run: ShellWord
    scratch: ShellWord
    folder: ShellWord
    disks: ShellWord
    copy: ShellWord
    prove: ShellWord
    disk_list: ShellWord
    edit: ShellWord
    boots: bool
    agent: bool
    console: ShellWord | None
    time_limit: int


@dataclass(frozen=True, slots=True)
class Prove:
    """The view of prove.sh.j2."""

    title: Comment
    notice: Comment
    environment: borg.Environment
    start: ArchiveStart
    glob: ArchiveGlob
    folder: ShellWord
    result: ShellWord


def of_target(host: Host, job: VirtualMachineJob, target: Target, drill: BootDrill) -> tuple[PlannedFile, ...]:
    """Plan the scripts of a drill for one repository."""
    repository = target.repository
    name = f"{job.name}_{repository.name}"
    where = f"{SCRIPTS}/jobs/{name}"
    folder = f"{str(job.scratch).rstrip('/')}/backupspec-drill-{name}"
    libvirt = libvirt_of(job, target)
    run = f"{run_folder(job, target)}.drill"
    what = f"Prove that {job.name} of {host.name} can be restored from {repository.name}"
    view = Drill(
        title=Comment(f"{what}."),
        notice=notice(job.where),
        libvirt=dataclasses.replace(libvirt, run=ShellWord(run)),
        run=ShellWord(run),
        scratch=ShellWord(str(job.scratch)),
        folder=ShellWord(folder),
        disks=ShellWord(" ".join(job.disks)),
        copy=ShellWord(f"{DRILL_COPY}{name}"),
        prove=ShellWord(f"{where}/prove"),
        disk_list=ShellWord(DISK_LIST),
        edit=ShellWord(EDIT),
        boots=drill.boots,
        agent=drill.agent,
        console=None if drill.console is None else ShellWord(drill.console),
        time_limit=drill.time_limit,
    )
    prove = Prove(
        title=Comment(f"{what}: restore its disks and look at them."),
        notice=notice(job.where),
        environment=borg.environment(host, repository, target.schedule.timezone, ()),
        start=ArchiveStart(host.name, job.name),
        glob=ArchiveGlob(host.name, job.name),
        folder=ShellWord(folder),
        result=ShellWord(f"{DRILLS}/{name}"),
    )
    words = ("drill", "drill-prepare", "drill-end")
    return (
        *(script(host, f"{where}/{word}", f"virtual-machines/{word}", view, job.where) for word in words),
        script(host, f"{where}/prove", "virtual-machines/prove", prove, job.where),
    )
