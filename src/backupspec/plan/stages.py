"""What a unit does before and after a job, and for dumps that go through files where these lie.

`staged` is the one place that knows whether a job's dumps touch a disk at all. Each unit has a folder of its own for
the dumps of one run, which is gone afterwards. The folder that keeps the newest ones (`stage`) has a folder for each
job; what is whole gets there by a link, so that jobs into several repositories do not wait for each other there.
"""

from __future__ import annotations

from collections.abc import Iterator

from backupspec.fleet import DatabaseJob, Host, Job, Target, VirtualMachineJob
from backupspec.plan import drills
from backupspec.plan.commands import Command
from backupspec.plan.kinds import recipe
from backupspec.plan.places import RUN, SCRIPTS, STAGE
from backupspec.words import ExecProgram, ExecWord, UnitListPath


def staged(job: DatabaseJob, target: Target) -> str | None:
    """Give the folder that the dumps of one run go through, or None for dumps that go straight to borg.

    No dump is called so: their names have no `_`.
    """
    name = target.repository.name
    if job.stage is not None:
        return f"{job.kept}/now_{name}"
    return None if recipe(job).writer is None else f"{STAGE}/{job.name}_{name}"


def before(job: Job, target: Target) -> tuple[Command, ...]:
    """Make the folder, and dump into it what another account than the job's has to dump.

    The folder belongs to whoever writes there: root, for other accounts, of whom the job can read but not write.
    """
    if isinstance(job, VirtualMachineJob):
        return (_around(job, target, "prepare"),)
    if not isinstance(job, DatabaseJob):
        return ()
    folder, writer = job.kept, recipe(job).writer
    found = []
    if folder is not None:
        owner, mode = ("backupspec", "0700") if writer is None else ("root", "2750")
        words = ("-d", "-o", owner, "-g", "backupspec", "-m", mode, folder)
        found.append(_as_root("/usr/bin/install", words))
    if writer is not None:
        found.append(_as_root(f"{SCRIPTS}/databases/{job.name}/stage", _folders(job, target)))
    return tuple(found)


def after(job: Job, target: Target) -> tuple[Command, ...]:
    """Take the dumps of this run away again, whatever became of the job."""
    if isinstance(job, VirtualMachineJob):
        return (_around(job, target, "end"),)
    if not isinstance(job, DatabaseJob) or staged(job, target) is None:
        return ()
    return (_remove(_folders(job, target), root=recipe(job).writer is not None),)


def passing_folders(host: Host) -> tuple[str, ...]:
    """Give, sorted, every folder on a disk that is there for the time of a run alone."""
    found = {drills.folder(job, target.repository) for job, target in _targets(host) if job.drill is not None}
    for job, target in _targets(host):
        if staged(job, target) is not None:
            found |= {path for path in _folders(job, target) if not path.startswith("/run/")}
    return tuple(sorted(found))


def writable(job: Job) -> tuple[UnitListPath, ...]:
    """Open the folder that keeps dumps, if the job itself writes them; of a virtual machine, sockets and scratch space.

    It may be missing at the start, also for the command that makes it.
    """
    if isinstance(job, VirtualMachineJob):
        return (UnitListPath(RUN, optional=True), UnitListPath(str(job.scratch), optional=True))
    if not isinstance(job, DatabaseJob) or job.stage is None or recipe(job).writer is not None:
        return ()
    return (UnitListPath(str(job.kept), optional=True),)


def mounted(job: Job) -> tuple[UnitListPath, ...]:
    """Give what must be mounted before the unit starts: dumps must not fill the disk below."""
    return (UnitListPath(str(job.kept)),) if isinstance(job, DatabaseJob) and job.stage is not None else ()


def _folders(job: DatabaseJob, target: Target) -> tuple[str, ...]:
    """Give the folder of one run and, where one is needed, the one in which whoever dumps may write meanwhile.

    That is a disk's for the owners of files, and for root one in memory. The unit's own folder in memory belongs to the
    account of the jobs, who could lead root astray in it.
    """
    folder, name = str(staged(job, target)), f"{job.name}_{target.repository.name}"
    match recipe(job).writer:
        case "owner":
            return (folder, f"{STAGE}/work_{name}")
        case "root":
            return (folder, f"/run/backupspec-root_{name}")
        case _:
            return (folder,)


def _targets(host: Host) -> Iterator[tuple[DatabaseJob, Target]]:
    return ((job, target) for job in host.databases for target in job.targets)


def _around(job: VirtualMachineJob, target: Target, word: str) -> Command:
    return _as_root(f"{SCRIPTS}/jobs/{job.name}_{target.repository.name}/{word}", ())


def _remove(folders: tuple[str, ...], *, root: bool) -> Command:
    words = tuple(ExecWord(word) for word in ("-rf", "--", *folders))
    return Command(ExecProgram("/bin/rm"), words, root=root)


def _as_root(program: str, words: tuple[str, ...]) -> Command:
    return Command(ExecProgram(program), tuple(ExecWord(word) for word in words), root=True)
