"""Says where each host's history goes when an inventory says it.

The job that it continues and that job's repository.
"""

from __future__ import annotations

from collections.abc import Callable

from backupspec.catalogue import diagnose
from backupspec.diagnostic import Diagnostic
from backupspec.fleet import FilesJob, Fleet, Host, Repository, Target
from backupspec_migrate.plan import Goal


def goals_of(fleet: Fleet, repository: str | None, is_here: Callable[[str], bool]) -> dict[str, Goal | Diagnostic]:
    """Give the goal of each host, under its name and its former ones, or what stands in the way of one.

    `repository` chooses among several repositories of a job; without it the only one counts, or the only one that lies
    on this machine. `is_here` tells whether a path does.
    """
    goals: dict[str, Goal | Diagnostic] = {}
    for host in fleet.hosts:
        goals |= dict.fromkeys((host.name, *host.formerly), _goal(host, repository, is_here))
    return goals


def _goal(host: Host, repository: str | None, is_here: Callable[[str], bool]) -> Goal | Diagnostic:
    job = _job(host)
    if isinstance(job, Diagnostic):
        return job
    target = _target(job, repository, is_here)
    if isinstance(target, Diagnostic):
        return target
    unencrypted = target.repository.encryption == "none"
    return Goal(
        _location(target.repository, is_here),
        job.name,
        job.compression,
        unencrypted=unencrypted,
        numeric_ids=job.numeric_ids,
    )


def _job(host: Host) -> FilesJob | Diagnostic:
    marked = [job for job in host.jobs if job.history] or list(host.jobs)
    if len(marked) == 1:
        return marked[0]
    hint = "mark the job whose series the old snapshots continue with `history: true`" if marked else ""
    return diagnose("BS619", f"{host.name} has {len(marked)} files jobs", host.span, hint=hint, where=host.where)


def _target(job: FilesJob, repository: str | None, is_here: Callable[[str], bool]) -> Target | Diagnostic:
    fitting = [target for target in job.targets if repository in {None, target.repository.name}]
    if len(fitting) > 1:
        fitting = [target for target in fitting if not target.repository.local and is_here(target.repository.path)]
    if len(fitting) == 1:
        return fitting[0]
    names = ", ".join(target.repository.name for target in job.targets)
    message = f"{job.where} goes to {names}: which one takes the old snapshots?"
    return diagnose("BS619", message, job.span, hint="--to NAME", where=job.where)


def _location(repository: Repository, is_here: Callable[[str], bool]) -> str:
    """Give the path of a repository on this machine, or the ssh:// URL of one elsewhere."""
    remote = repository.remote
    if remote is None or is_here(repository.path):
        return repository.path
    account = repository.account or remote.user
    user = f"{account}@" if account else ""
    return f"ssh://{user}{remote.address}:{remote.port}{repository.path}"
