"""What a hypervisor gets for the virtual machines whose disks are backed up: scripts, XML, the hook of libvirt."""

from __future__ import annotations

import dataclasses
import hashlib
from dataclasses import dataclass

from backupspec.fleet import Host, Target, VirtualMachineJob
from backupspec.plan import borg
from backupspec.plan.places import CONFIG, DRILLS, RESTORE, RUN, SCRIPTS, STATE, notice, planned, script
from backupspec.plan.types import PlannedFile
from backupspec.plan.units import prunes, unit_name
from backupspec.virtual_machine import BootDrill
from backupspec.words import (
    AppArmorFolder,
    ArchiveGlob,
    ArchiveStart,
    BorgUrl,
    Comment,
    ShellWord,
    XmlAttribute,
    XmlComment,
)

HOOK = "/etc/libvirt/hooks/qemu.d/backupspec"
APPARMOR = "/etc/apparmor.d/abstractions/libvirt-qemu.d/backupspec"
DISK_LIST = f"{SCRIPTS}/virtual-machines/disks.xsl"
EDIT = f"{SCRIPTS}/virtual-machines/edit.xsl"

TOOLS = {
    "nbdcopy": "libnbd-bin",
    "openssl": "openssl",
    "qemu-nbd": "qemu-utils",
    "virsh": "libvirt-clients",
    "xsltproc": "xsltproc",
}
"""Programs that a hypervisor must have, each with Debian's package."""

_LONGEST = 60
"""Letters of a folder's name, so that the path of a socket in it stays below the 108 bytes of unix(7)."""


@dataclass(frozen=True, slots=True)
class Libvirt:
    """What every script that talks to libvirt about one domain needs."""

    domain: ShellWord
    run: ShellWord
    lock: ShellWord


@dataclass(frozen=True, slots=True)
class Known:
    """A disk, and where the inventory's copy of the definition says that it lies."""

    name: ShellWord
    source: ShellWord


@dataclass(frozen=True, slots=True)
class Create:
    """The view of create.sh.j2."""

    title: Comment
    notice: Comment
    libvirt: Libvirt
    store: ShellWord
    disks: ShellWord
    named: ShellWord
    known: tuple[Known, ...]
    mounts: tuple[ShellWord, ...]
    repository_lock: ShellWord
    disk_list: ShellWord
    backup: ShellWord
    own_scratch: ShellWord
    scratch_free: int
    quiesce: bool
    required: bool
    unit: ShellWord
    stamp: ShellWord


@dataclass(frozen=True, slots=True)
class Store:
    """The view of store.sh.j2."""

    title: Comment
    notice: Comment
    environment: borg.Environment
    start: ArchiveStart
    disks: ShellWord
    group: ShellWord
    compression: ShellWord
    upload_limit: int | None
    chunker: ShellWord


@dataclass(frozen=True, slots=True)
class Around:
    """The view of prepare.sh.j2 and end.sh.j2: what root does before and after a job."""

    title: Comment
    notice: Comment
    libvirt: Libvirt
    run: ShellWord
    scratch: ShellWord
    own_scratch: ShellWord


@dataclass(frozen=True, slots=True)
class Series:
    """The names of the archives that one host name has given."""

    glob: ArchiveGlob
    start: ArchiveStart


@dataclass(frozen=True, slots=True)
class Prune:
    """The view of prune.sh.j2."""

    title: Comment
    notice: Comment
    environment: borg.Environment
    series: tuple[Series, ...]
    within: ShellWord | None
    keeps: tuple[borg.Keep, ...]


@dataclass(frozen=True, slots=True)
class Restore:
    """The view of restore.sh.j2."""

    title: Comment
    notice: Comment
    environment: borg.Environment
    serve: ShellWord | None
    served: BorgUrl | None
    libvirt: Libvirt
    globs: tuple[ArchiveGlob, ...]
    disk_list: ShellWord
    edit: ShellWord


@dataclass(frozen=True, slots=True)
class Drill:
    """The view of drill.sh.j2, drill-prepare.sh.j2 and drill-end.sh.j2. `copy`: the name of what is booted."""

    title: Comment
    notice: Comment
    libvirt: Libvirt
    run: ShellWord
    scratch: ShellWord
    folder: ShellWord
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


@dataclass(frozen=True, slots=True)
class Scratch:
    """A disk, and the file that holds what is overwritten on it meanwhile."""

    name: XmlAttribute
    scratch: XmlAttribute


@dataclass(frozen=True, slots=True)
class Backup:
    """The view of backup.xml.j2, libvirt's domainbackup: every disk is named, as one to back up or not."""

    notice: XmlComment
    socket: XmlAttribute
    disks: tuple[Scratch, ...]
    without: tuple[XmlAttribute, ...]


@dataclass(frozen=True, slots=True)
class Plain:
    """The view of an XML file whose text is the same everywhere."""

    notice: XmlComment


@dataclass(frozen=True, slots=True)
class Hook:
    """The view of hook.sh.j2."""

    title: Comment
    notice: Comment


@dataclass(frozen=True, slots=True)
class Profile:
    """The view of qemu.apparmor.j2."""

    notice: Comment
    folders: tuple[AppArmorFolder, ...]


def of_host(host: Host) -> tuple[PlannedFile, ...]:
    """Plan what a hypervisor has once for all its virtual machines."""
    jobs = read(host)
    if not jobs:
        return ()
    folders = (RUN, *sorted({str(job.scratch) for job in jobs}))
    profile = Profile(notice(host.where), tuple(AppArmorFolder(folder) for folder in folders))
    hook = Hook(Comment("Called by libvirt."), notice(host.where))
    sheet = Plain(_notice(host.where))
    return (
        script(host, HOOK, "virtual-machines/hook", hook, host.where),
        *(
            planned(host.name, path, f"virtual-machines/{name}.xml.j2", sheet, host.where, host.span)
            for name, path in (("disks", DISK_LIST), ("edit", EDIT))
        ),
        planned(host.name, APPARMOR, "virtual-machines/qemu.apparmor.j2", profile, host.where, host.span),
    )


def of_target(host: Host, job: VirtualMachineJob, target: Target) -> tuple[PlannedFile, ...]:
    """Plan what a job runs against one repository."""
    repository = target.repository
    name = f"{job.name}_{repository.name}"
    folder = f"{SCRIPTS}/jobs/{name}"
    environment = borg.environment(host, repository, target.schedule.timezone, ())
    what = f"{job.name} of {host.name}"
    backup = f"{CONFIG}/virtual-machines/{name}.xml"
    disks = ShellWord(" ".join(job.disks))
    create = Create(
        title=Comment(f"Back up the disks of {what} to {repository.name}."),
        notice=notice(job.where),
        libvirt=_libvirt(job, target),
        store=ShellWord(f"{folder}/store"),
        disks=disks,
        named=ShellWord(" ".join((*job.disks, *(disk for disk, _ in job.without)))),
        known=tuple(
            Known(ShellWord(disk.target), ShellWord(disk.source)) for disk in job.known if disk.target in job.disks
        ),
        mounts=() if repository.present_sometimes else tuple(ShellWord(path) for path in repository.mounted),
        repository_lock=environment.lock,
        disk_list=ShellWord(DISK_LIST),
        backup=ShellWord(backup),
        own_scratch=ShellWord(_scratch(job, target)),
        scratch_free=job.scratch_free,
        quiesce=job.quiesce != "off",
        required=job.quiesce == "required",
        unit=ShellWord(f"{unit_name(job, repository)}.service"),
        stamp=ShellWord(f"{STATE}/done/{name}"),
    )
    store = Store(
        title=Comment(f"Put the disks of {what} into {repository.name}."),
        notice=notice(job.where),
        environment=environment,
        start=ArchiveStart(host.name, job.name),
        disks=disks,
        group=ShellWord(f"{_run(job, target)}/work"),
        compression=ShellWord(job.compression),
        upload_limit=borg.upload_limit(target),
        chunker=ShellWord(f"fixed,{job.chunk_size}"),
    )
    around = Around(
        title=Comment(f"What root does around the backup of {what} to {repository.name}."),
        notice=notice(job.where),
        libvirt=_libvirt(job, target),
        run=ShellWord(_run(job, target)),
        scratch=ShellWord(str(job.scratch)),
        own_scratch=ShellWord(_scratch(job, target)),
    )
    plain = Backup(
        notice=_notice(job.where),
        socket=XmlAttribute(f"{_run(job, target)}/nbd/sock"),
        disks=tuple(Scratch(XmlAttribute(disk), XmlAttribute(f"{_scratch(job, target)}/{disk}")) for disk in job.disks),
        without=tuple(XmlAttribute(disk) for disk, _ in job.without),
    )
    files = [
        script(host, f"{folder}/create", "virtual-machines/create", create, job.where),
        script(host, f"{folder}/store", "virtual-machines/store", store, job.where),
        script(host, f"{folder}/prepare", "virtual-machines/prepare", around, job.where),
        script(host, f"{folder}/end", "virtual-machines/end", around, job.where),
        planned(host.name, backup, "virtual-machines/backup.xml.j2", plain, job.where, job.span),
    ]
    restore = Restore(
        title=Comment(f"Bring {what} back from {repository.name}."),
        notice=notice(job.where),
        environment=dataclasses.replace(environment, base=ShellWord(RESTORE)),
        serve=borg.serve(repository),
        served=borg.served(repository),
        libvirt=_libvirt(job, target),
        globs=tuple(ArchiveGlob(series, job.name) for series in job.series),
        disk_list=ShellWord(DISK_LIST),
        edit=ShellWord(EDIT),
    )
    files.append(script(host, f"{folder}/restore", "virtual-machines/restore", restore, job.where))
    if job.drill is not None:
        files += _drill(host, job, target, job.drill)
    files += borg.due_of_job(host, job, target)
    if prunes(target):
        prune = Prune(
            title=Comment(f"Thin out the archives of the disks of {what} in {repository.name}: {target.retention}."),
            notice=notice(job.where),
            environment=environment,
            series=tuple(
                Series(ArchiveGlob(series, job.name), ArchiveStart(series, job.name)) for series in job.series
            ),
            within=None if target.retention.within is None else ShellWord(target.retention.within),
            keeps=borg.keeps(target),
        )
        files.append(script(host, f"{folder}/prune", "virtual-machines/prune", prune, job.where))
    return tuple(files)


def _drill(host: Host, job: VirtualMachineJob, target: Target, drill: BootDrill) -> tuple[PlannedFile, ...]:
    repository = target.repository
    name = f"{job.name}_{repository.name}"
    where = f"{SCRIPTS}/jobs/{name}"
    folder = f"{str(job.scratch).rstrip('/')}/backupspec-drill-{name}"
    libvirt = _libvirt(job, target)
    run = f"{_run(job, target)}.drill"
    what = f"Prove that {job.name} of {host.name} can be restored from {repository.name}"
    view = Drill(
        title=Comment(f"{what}."),
        notice=notice(job.where),
        libvirt=dataclasses.replace(libvirt, run=ShellWord(run)),
        run=ShellWord(run),
        scratch=ShellWord(str(job.scratch)),
        folder=ShellWord(folder),
        copy=ShellWord(f"backupspec-drill-{name}"),
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


def read(host: Host) -> tuple[VirtualMachineJob, ...]:
    """Give the virtual machines of a host whose disks are read."""
    return tuple(job for job in host.virtual_machines if job.targets)


def describe(job: VirtualMachineJob) -> str:
    """Say in short what a job backs up."""
    said = f"virtual machine {job.domain}"
    if job.method == "guest":
        return f"{said}, by its own jobs as {job.guest}"
    return f"{said}: {', '.join(job.disks) or 'nothing'}"


def _libvirt(job: VirtualMachineJob, target: Target) -> Libvirt:
    lock = hashlib.sha256(job.domain.encode()).hexdigest()
    return Libvirt(ShellWord(job.domain), ShellWord(_run(job, target)), ShellWord(f"{RUN}/lock/{lock}"))


def _run(job: VirtualMachineJob, target: Target) -> str:
    name = f"{job.name}_{target.repository.name}"
    short = name if len(name) <= _LONGEST else hashlib.sha256(name.encode()).hexdigest()[:32]
    return f"{RUN}/{short}"


def _scratch(job: VirtualMachineJob, target: Target) -> str:
    return f"{str(job.scratch).rstrip('/')}/backupspec-{job.name}_{target.repository.name}"


def _notice(origin: str) -> XmlComment:
    return XmlComment(notice(origin).text)
