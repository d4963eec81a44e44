"""Says where each host's history goes when an inventory says it.

The job that it continues and that job's repository.
"""

from __future__ import annotations

import pwd
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from backupspec.catalogue import diagnose
from backupspec.diagnostic import Diagnostic
from backupspec.fleet import FilesJob, Fleet, Host, Repository, Target
from backupspec_migrate.plan import Goal


@dataclass(frozen=True, slots=True)
class Wish:
    """What the user said beside the inventory, None where nothing.

    `repository` chooses among several repositories of a job, `job` among several jobs; `template` (with {host}) is the
    place instead of the inventory's.
    """

    repository: str | None = None
    job: str | None = None
    template: str | None = None


def goals_of(fleet: Fleet, wish: Wish, is_here: Callable[[Repository], bool]) -> dict[str, Goal | Diagnostic]:
    """Give the goal of each host, under its name and its former ones, or what stands in the way of one.

    Without a wish the only repository counts, or the only one that lies on this machine. `is_here` tells whether a
    server's repository does.
    """
    goals: dict[str, Goal | Diagnostic] = {}
    for host in fleet.hosts:
        goals |= dict.fromkeys((host.name, *host.formerly), _goal(host, wish, is_here))
    return goals


def lies_here(repository: Repository) -> bool:
    """Tell whether a server's repository lies on this machine.

    It is there, or its account is and owns the folder that it is to be made in.
    """
    path = Path(repository.path)
    try:
        if (path / "config").is_file() and (path / "data").is_dir():
            return True
        return repository.account is not None and path.parent.stat().st_uid == pwd.getpwnam(repository.account).pw_uid
    except (OSError, KeyError):
        return False


def _goal(host: Host, wish: Wish, is_here: Callable[[Repository], bool]) -> Goal | Diagnostic:
    job = _job(host, wish.job)
    if isinstance(job, Diagnostic):
        return job
    if wish.template is None:
        target = _target(job, wish.repository, is_here)
        if isinstance(target, Diagnostic):
            return target
        location = _location(target.repository, is_here)
        unencrypted = target.repository.encryption == "none"
    else:
        location = wish.template.replace("{host}", host.name)
        fitting = [target for target in job.targets if wish.repository in {None, target.repository.name}]
        if not fitting:
            return _which(job)
        unencrypted = all(target.repository.encryption == "none" for target in fitting)
    return Goal(
        location,
        job.name,
        job.compression,
        unencrypted=unencrypted,
        numeric_ids=job.numeric_ids,
        host=host.name,
    )


def _job(host: Host, name: str | None) -> FilesJob | Diagnostic:
    if name is not None:
        named = [job for job in host.jobs if job.name == name]
        if named:
            return named[0]
        there = ", ".join(job.name for job in host.jobs) or "none"
        message = f"{host.name} has no files job {name!r}"
        return diagnose("BS619", message, host.span, hint=f"there are: {there}", where=host.where)
    marked = [job for job in host.jobs if job.history] or list(host.jobs)
    if len(marked) == 1:
        return marked[0]
    hint = "mark the job whose series the old snapshots continue with `history: true`, or say --job" if marked else ""
    message = f"{host.name} has {len(marked)} files jobs: which one do the old snapshots belong to?"
    if not marked:
        message = f"{host.name} has no files job that its history could continue"
    return diagnose("BS619", message, host.span, hint=hint, where=host.where)


def _target(job: FilesJob, repository: str | None, is_here: Callable[[Repository], bool]) -> Target | Diagnostic:
    fitting = [target for target in job.targets if repository in {None, target.repository.name}]
    if len(fitting) > 1:
        fitting = [target for target in fitting if not target.repository.local and is_here(target.repository)]
    return fitting[0] if len(fitting) == 1 else _which(job)


def _which(job: FilesJob) -> Diagnostic:
    names = ", ".join(target.repository.name for target in job.targets)
    message = f"{job.where} goes to {names}: which one takes the old snapshots?"
    return diagnose("BS619", message, job.span, hint="--to NAME", where=job.where)


def _location(repository: Repository, is_here: Callable[[Repository], bool]) -> str:
    """Give the path of a repository on this machine, or the ssh:// URL of one elsewhere."""
    remote = repository.remote
    if remote is None or is_here(repository):
        return repository.path
    account = repository.account or remote.user
    user = f"{account}@" if account else ""
    return f"ssh://{user}{remote.address}:{remote.port}{repository.path}"
