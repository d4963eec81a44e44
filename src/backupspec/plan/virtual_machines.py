"""What a hypervisor gets for the virtual machines whose disks are backed up: scripts, XML, the hook of libvirt."""

from __future__ import annotations

import dataclasses
import html
from dataclasses import dataclass

from backupspec.fleet import Host, Target, VirtualMachineJob
from backupspec.plan import boot_drills, borg
from backupspec.plan.libvirt import DISK_LIST, EDIT, Libvirt, libvirt_of, run_folder
from backupspec.plan.places import CONFIG, RESTORE, RUN, SCRIPTS, STATE, notice, planned, script
from backupspec.plan.types import PlannedFile
from backupspec.plan.units import prunes, unit_name
from backupspec.words import (
    AppArmorFolder,
    ArchiveGlob,
    ArchiveStart,
    BorgUrl,
    Comment,
    ShellWord,
    XmlAttribute,
    XmlComment,
    XmlText,
)

HOOK = "/etc/libvirt/hooks/qemu.d/backupspec"
APPARMOR = "/etc/apparmor.d/abstractions/libvirt-qemu.d/backupspec"
_TOOLS = {
    "nbdcopy": "libnbd-bin",
    "openssl": "openssl",
    "perl": "perl-base",
    "qemu-nbd": "qemu-utils",
    "virsh": "libvirt-clients",
    "xsltproc": "xsltproc",
}
# A small Debian 13 comes without the first.
_DRILL_TOOLS = {"e2fsck": "e2fsprogs", "partx": "util-linux"}


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
    files: ShellWord
    mark: ShellWord
    incremental: bool
    full_every: int
    checkpoint: ShellWord
    changes: ShellWord
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
    begun: ShellWord
    group: ShellWord
    compression: ShellWord
    upload_limit: int | None
    chunker: ShellWord
    incremental: bool
    pruned: bool


@dataclass(frozen=True, slots=True)
class Around:
    """The view of prepare.sh.j2 and end.sh.j2: what root does before and after a job."""

    title: Comment
    notice: Comment
    libvirt: Libvirt
    run: ShellWord
    scratch: ShellWord
    own_scratch: ShellWord
    files: ShellWord


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
class Changes:
    """The view of changes.xml.j2: where libvirt writes what changed since the checkpoint `since`."""

    notice: XmlComment
    since: XmlAttribute
    disks: tuple[Scratch, ...]
    without: tuple[XmlAttribute, ...]


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The view of checkpoint.xml.j2: what libvirt notes from then on, for disks that are named."""

    notice: XmlComment
    name: XmlText
    disks: tuple[XmlAttribute, ...]


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
    checkpoint = f"{CONFIG}/virtual-machines/{name}.checkpoint.xml"
    changes = f"{CONFIG}/virtual-machines/{name}.changes.xml"
    mark = f"backupspec_{name}_"
    incremental = job.method == "incremental"
    # As libvirt writes paths: with single quotes around them.
    own_files = ShellWord(html.escape(f"{_folder(job)}/backupspec-{job.name}_").replace("&#x27;", "&apos;"))
    disks = ShellWord(" ".join(job.disks))
    create = Create(
        title=Comment(f"Back up the disks of {what} to {repository.name}."),
        notice=notice(job.where),
        libvirt=libvirt_of(job, target),
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
        files=own_files,
        mark=ShellWord(mark),
        incremental=incremental,
        full_every=job.full_every,
        checkpoint=ShellWord(checkpoint),
        changes=ShellWord(changes),
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
        begun=ShellWord(f"{STATE}/begun/{name}"),
        group=ShellWord(f"{run_folder(job, target)}/work"),
        compression=ShellWord(job.compression),
        upload_limit=borg.upload_limit(target),
        chunker=ShellWord(f"fixed,{job.chunk_size}"),
        incremental=incremental,
        pruned=prunes(target),
    )
    around = Around(
        title=Comment(f"What root does around the backup of {what} to {repository.name}."),
        notice=notice(job.where),
        libvirt=libvirt_of(job, target),
        run=ShellWord(run_folder(job, target)),
        scratch=ShellWord(str(job.scratch)),
        own_scratch=ShellWord(_scratch(job, target)),
        files=own_files,
    )
    plain = Backup(
        notice=_notice(job.where),
        socket=XmlAttribute(f"{run_folder(job, target)}/nbd/sock"),
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
    if incremental:
        view = Changes(
            notice=_notice(job.where),
            since=XmlAttribute(f"{mark}TIME"),
            disks=tuple(
                Scratch(XmlAttribute(disk), XmlAttribute(f"{_scratch(job, target)}/{disk}.qcow2")) for disk in job.disks
            ),
            without=plain.without,
        )
        noted = Checkpoint(plain.notice, XmlText(f"{mark}TIME"), tuple(disk.name for disk in view.disks))
        files += (
            planned(host.name, changes, "virtual-machines/changes.xml.j2", view, job.where, job.span),
            planned(host.name, checkpoint, "virtual-machines/checkpoint.xml.j2", noted, job.where, job.span),
        )
    restore = Restore(
        title=Comment(f"Bring {what} back from {repository.name}."),
        notice=notice(job.where),
        environment=dataclasses.replace(environment, base=ShellWord(RESTORE)),
        serve=borg.serve(repository),
        served=borg.served(repository),
        libvirt=libvirt_of(job, target),
        globs=tuple(ArchiveGlob(series, job.name) for series in job.series),
        disk_list=ShellWord(DISK_LIST),
        edit=ShellWord(EDIT),
    )
    files.append(script(host, f"{folder}/restore", "virtual-machines/restore", restore, job.where))
    if job.drill is not None:
        files += boot_drills.of_target(host, job, target, job.drill)
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


def read(host: Host) -> tuple[VirtualMachineJob, ...]:
    """Give the virtual machines of a host whose disks are read."""
    return tuple(job for job in host.virtual_machines if job.targets)


def tools(host: Host) -> dict[str, str]:
    """Give the programs that these jobs need on the hypervisor, each with Debian's package."""
    jobs = read(host)
    return (_TOOLS if jobs else {}) | (_DRILL_TOOLS if any(job.drill for job in jobs) else {})


def describe(job: VirtualMachineJob) -> str:
    """Say in short what a job backs up."""
    said = f"virtual machine {job.domain}"
    if job.method == "guest":
        return f"{said}, by its own jobs as {job.guest}"
    changes = ", changed blocks only" if job.method == "incremental" else ""
    return f"{said}: {', '.join(job.disks) or 'nothing'}{changes}"


def _folder(job: VirtualMachineJob) -> str:
    return str(job.scratch).rstrip("/")


def _scratch(job: VirtualMachineJob, target: Target) -> str:
    return f"{_folder(job)}/backupspec-{job.name}_{target.repository.name}"


def _notice(origin: str) -> XmlComment:
    return XmlComment(notice(origin).text)
