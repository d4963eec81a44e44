"""Snapshots of file systems: the script that takes and removes them, and what a job's unit needs for it.

borg reads a job's paths below one folder that stays the same from run to run, so that its files cache finds every file
again; the archive holds them under their own paths.
"""

from __future__ import annotations

from dataclasses import dataclass

from backupspec.fleet import FilesJob, Host, Job, Repository, Target
from backupspec.own_folders import OWN_SECRETS, SNAPSHOTS
from backupspec.plan.commands import Command
from backupspec.plan.places import SCRIPTS, lock_of, notice, script
from backupspec.plan.types import PlannedFile
from backupspec.words import BorgPattern, Comment, ExecProgram, ExecWord, ShellWord

RESERVED = ".backupspec-snapshots"
"""The folder at the top of a btrfs in which our snapshots lie."""

_SIGN = "8b1f6a7e-4c0d-4f5e-9a53-2d7c61e0b94a"
"""In every mark on a btrfs: a file that holds it is there by no chance."""


@dataclass(frozen=True, slots=True)
class _Kind:
    """What a kind's file systems are called, the programs that it needs, their package, the devices that they open."""

    name: str
    programs: tuple[str, ...]
    package: str
    devices: tuple[str, ...]


_KINDS = {
    "btrfs": _Kind("btrfs", ("btrfs",), "btrfs-progs", ("block-* rw",)),
    "lvm": _Kind("ext4 or xfs", ("lvs", "lvcreate", "lvremove"), "lvm2", ("block-* rw", "/dev/mapper/control rw")),
    "zfs": _Kind("zfs", ("zfs", "mount.zfs"), "zfsutils-linux", ("/dev/zfs rw",)),
}


@dataclass(frozen=True, slots=True)
class SnapshotView:
    """The view of snapshot.sh.j2; `left_out` are folders of which nothing is backed up."""

    title: Comment
    notice: Comment
    base: ShellWord
    view: ShellWord
    mark: ShellWord
    sign: ShellWord
    reserved: ShellWord
    volume: ShellWord
    space: ShellWord | None
    btrfs: bool
    lvm: bool
    kind: ShellWord
    programs: tuple[ShellWord, ...]
    one_file_system: bool
    left_out: tuple[ShellWord, ...]
    mounts: tuple[ShellWord, ...]
    paths: tuple[ShellWord, ...]


def view_of(job: FilesJob, repository: Repository) -> str | None:
    """Give the folder below which borg finds what the snapshots have, or None for a job that reads what is there."""
    return None if job.snapshot is None else f"{_base(job, repository)}/files"


def devices(job: FilesJob) -> tuple[str, ...]:
    """Give what the commands of the snapshot open, as DeviceAllow= names it."""
    return () if job.snapshot is None else _KINDS[job.snapshot.kind].devices


def waits(job: Job, target: Target) -> tuple[Command, ...]:
    """Give the first command of all: it ends when no other job of the host has the repository."""
    if not isinstance(job, FilesJob) or job.snapshot is None:
        return ()
    words = ("--shared", lock_of(target.repository), "/bin/true")
    return (Command(ExecProgram("/usr/bin/flock"), tuple(ExecWord(word) for word in words)),)


def tools(host: Host) -> dict[str, str]:
    """Give the programs that the snapshots of a host need, each with its package in Debian."""
    kinds = [_KINDS[job.snapshot.kind] for job in host.files if job.snapshot is not None]
    return {program: kind.package for kind in kinds for program in kind.programs}


def take(job: Job, target: Target) -> tuple[Command, ...]:
    """Give the last command before borg."""
    return _command(job, target, "take")


def drop(job: Job, target: Target) -> tuple[Command, ...]:
    """Give the command right after borg, which also runs when all is over, whatever became of the job."""
    return _command(job, target, "drop")


def of_job(host: Host, job: FilesJob, target: Target) -> tuple[PlannedFile, ...]:
    """Plan the script of a job that reads a snapshot."""
    if job.snapshot is None:
        return ()
    kind, repository = _KINDS[job.snapshot.kind], target.repository
    name = _name(job, repository)
    mark = f"{host.name}_{name}"
    space = job.snapshot.space
    view = SnapshotView(
        title=Comment(
            f"Take a snapshot of what {job.name} of {host.name} backs up to {repository.name}, and remove it."
        ),
        notice=notice(job.where),
        base=ShellWord(_base(job, repository)),
        view=ShellWord(str(view_of(job, repository))),
        mark=ShellWord(mark),
        sign=ShellWord(f"backupspec {mark} {_SIGN}"),
        reserved=ShellWord(RESERVED),
        # LVM reserves names with _mlog and the like in them.
        volume=ShellWord(
            f"backupspec+{job.name}+{repository.name}+" if job.snapshot.kind == "lvm" else f"backupspec-{name}"
        ),
        space=None if space is None else ShellWord(f"{space}b"),
        btrfs=job.snapshot.kind == "btrfs",
        lvm=job.snapshot.kind == "lvm",
        kind=ShellWord(kind.name),
        programs=tuple(ShellWord(program) for program in kind.programs),
        one_file_system=job.one_file_system,
        left_out=tuple(ShellWord(path) for path in _left_out(job)),
        mounts=tuple(ShellWord(path) for path in job.mounted),
        paths=tuple(ShellWord(path) for path in sorted({*job.paths, *job.optional_paths})),
    )
    return (script(host, f"{SCRIPTS}/jobs/{name}/snapshot", "snapshot/snapshot", view, job.where),)


def patterns(host: Host) -> tuple[BorgPattern, ...]:
    """Give what all files jobs of a host leave out because one of them has snapshots: these, while they are there."""
    kinds = {job.snapshot.kind for job in host.files if job.snapshot is not None}
    found = (BorgPattern("!", "pp", SNAPSHOTS),) if kinds else ()
    return (*found, BorgPattern("!", "sh", f"**/{RESERVED}")) if "btrfs" in kinds else found


def _left_out(job: FilesJob) -> tuple[str, ...]:
    """Give the folders that are left out as a whole; what a pattern matches is known to borg alone."""
    literal = (
        ()
        if job.except_
        else tuple(path for path in job.exclude if path.startswith("/") and not set(path) & set("*?[]\\"))
    )
    return tuple(sorted({*OWN_SECRETS, SNAPSHOTS, *job.inner, *job.live, *literal}))


def _command(job: Job, target: Target, word: str) -> tuple[Command, ...]:
    if not isinstance(job, FilesJob) or job.snapshot is None:
        return ()
    program = f"{SCRIPTS}/jobs/{_name(job, target.repository)}/snapshot"
    return (Command(ExecProgram(program), (ExecWord(word),), root=True),)


def _base(job: FilesJob, repository: Repository) -> str:
    return f"{SNAPSHOTS}/{_name(job, repository)}"


def _name(job: FilesJob, repository: Repository) -> str:
    return f"{job.name}_{repository.name}"
