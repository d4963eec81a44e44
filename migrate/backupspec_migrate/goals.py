"""Says where each host's history goes when an inventory says it.

The job that it continues and that job's repository; or each job, when the history is split among them by path.
"""

from __future__ import annotations

import pwd
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from backupspec.catalogue import diagnose
from backupspec.diagnostic import Diagnostic
from backupspec.fleet import FilesJob, Fleet, Host, Repository, Target
from backupspec_migrate.draft import Goal
from backupspec_migrate.split import Share


@dataclass(frozen=True, slots=True)
class Wish:
    """What the user said beside the inventory, None where nothing.

    `repository` chooses among several repositories of a job, `job` among several jobs; `template` (with {host}) is the
    place instead of the inventory's. `split`: a history is divided among all jobs of its host.
    """

    repository: str | None = None
    job: str | None = None
    template: str | None = None
    split: bool = False


def goals_of(
    fleet: Fleet, wish: Wish, is_here: Callable[[Repository], bool]
) -> dict[str, tuple[Goal, ...] | Diagnostic]:
    """Give the goals of each host, under its name and its former ones, or what stands in the way of one.

    Without a wish the only repository counts, or the only one that lies on this machine. `is_here` tells whether a
    server's repository does.
    """
    goals: dict[str, tuple[Goal, ...] | Diagnostic] = {}
    for host in fleet.hosts:
        goals |= dict.fromkeys((host.name, *host.formerly), _goals(host, wish, is_here))
    return goals


def shares_of(fleet: Fleet) -> dict[str, tuple[Share, ...]]:
    """Give the paths that each job of each host has, for hosts with several; the marked job takes the rest."""
    shares: dict[str, tuple[Share, ...]] = {}
    for host in fleet.hosts:
        paths = {job.name: _paths(job) for job in host.files}
        if len(paths) > 1:
            made = tuple(
                Share(
                    job.name,
                    paths[job.name],
                    tuple(path for name in paths if name != job.name for path in paths[name]),
                    rest=job.history,
                )
                for job in host.files
            )
            shares |= dict.fromkeys((host.name, *host.formerly), made)
    return shares


def _paths(job: FilesJob) -> tuple[str, ...]:
    return tuple(path.strip("/") for path in (*job.paths, *job.optional_paths))


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


def _goals(host: Host, wish: Wish, is_here: Callable[[Repository], bool]) -> tuple[Goal, ...] | Diagnostic:
    if wish.split and host.files:
        jobs = [goal for job in host.files for goal in [_goal(host, job, wish, is_here)]]
        refused = next((goal for goal in jobs if isinstance(goal, Diagnostic)), None)
        return refused or tuple(goal for goal in jobs if isinstance(goal, Goal))
    job = _job(host, wish.job)
    if isinstance(job, Diagnostic):
        return job
    goal = _goal(host, job, wish, is_here)
    return goal if isinstance(goal, Diagnostic) else (goal,)


def _goal(host: Host, job: FilesJob, wish: Wish, is_here: Callable[[Repository], bool]) -> Goal | Diagnostic:
    if wish.template is None:
        target = _target(job, wish.repository, is_here)
        if isinstance(target, Diagnostic):
            return target
        location, fitting = _location(target.repository, is_here), [target]
    else:
        location = wish.template.replace("{host}", host.name)
        fitting = [target for target in job.targets if wish.repository in {None, target.repository.name}]
        if not fitting:
            return _which(job)
    # Of several repositories that the template may mean, only what they agree on is known.
    retentions = {target.retention for target in fitting}
    zones = {target.schedule.timezone for target in fitting}
    return Goal(
        location,
        job.name,
        job.compression,
        unencrypted=all(target.repository.encryption == "none" for target in fitting),
        numeric_ids=job.numeric_ids,
        host=host.name,
        retention=retentions.pop() if len(retentions) == 1 else None,
        timezone=zones.pop() if len(zones) == 1 else None,
    )


def _job(host: Host, name: str | None) -> FilesJob | Diagnostic:
    if name is not None:
        named = [job for job in host.files if job.name == name]
        if named:
            return named[0]
        there = ", ".join(job.name for job in host.files) or "none"
        message = f"{host.name} has no files job {name!r}"
        return diagnose("BS619", message, host.span, hint=f"there are: {there}", where=host.where)
    marked = [job for job in host.files if job.history] or list(host.files)
    if len(marked) == 1:
        return marked[0]
    hint = "mark the job whose series the old snapshots continue with `history: true`, say --job, or --split by path"
    message = f"{host.name} has {len(marked)} files jobs: which one do the old snapshots belong to?"
    if not marked:
        hint = ""
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
