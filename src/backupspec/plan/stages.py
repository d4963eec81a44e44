"""Dumps that go through a file: what a unit does for them before and after, and where they lie.

`staged` is the one place that knows whether a job's dumps touch a disk at all.
"""

from __future__ import annotations

from backupspec.fleet import DatabaseJob, Job, Target
from backupspec.plan.commands import Command
from backupspec.plan.kinds import recipe
from backupspec.plan.places import SCRIPTS, STAGE
from backupspec.words import ExecProgram, ExecWord, UnitListPath


def staged(job: DatabaseJob, target: Target) -> str | None:
    """Give the folder that the dumps go through, or None for dumps that go straight to borg."""
    if recipe(job).writer is not None:
        return f"{STAGE}/{job.name}_{target.repository.name}"
    return job.stage


def before(job: Job, target: Target) -> tuple[Command, ...]:
    """Dump as another account than the job's, into a folder that the job can read and the account cannot."""
    if not isinstance(job, DatabaseJob) or recipe(job).writer is None:
        return ()
    folder = ExecWord(str(staged(job, target)))
    script = ExecProgram(f"{SCRIPTS}/databases/{job.name}/stage")
    return (
        Command(ExecProgram("/bin/mkdir"), (ExecWord("-p"), folder), root=True),
        Command(script, (folder,), root=True),
    )


def after(job: Job, target: Target) -> tuple[Command, ...]:
    """Take these dumps away again, whatever became of the job."""
    if not isinstance(job, DatabaseJob) or recipe(job).writer is None:
        return ()
    return (Command(ExecProgram("/bin/rm"), (ExecWord("-rf"), ExecWord(str(staged(job, target)))), root=True),)


def writable(job: Job) -> tuple[UnitListPath, ...]:
    """Open the folder that keeps dumps, if the job has one."""
    if not isinstance(job, DatabaseJob) or job.stage is None:
        return ()
    return (UnitListPath(job.stage),)
