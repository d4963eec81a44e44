"""The scripts around borg: for each job and repository create and prune, for each repository the rest."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from backupspec.fleet import FilesJob, Host, Job, Repository, Target
from backupspec.plan import snapshots
from backupspec.plan.hardening import first_hop
from backupspec.plan.patterns import Patterns, patterns_of
from backupspec.plan.places import CONFIG, RESTORE, SCRIPTS, STATE, lock_of, notice, planned, script
from backupspec.plan.times import age, check_age, travels
from backupspec.plan.types import PlannedFile
from backupspec.plan.units import prunes
from backupspec.words import ArchiveGlob, ArchiveName, BorgUrl, Comment, ShellWord


@dataclass(frozen=True, slots=True)
class Reach:
    """What a travelling machine tries to reach first."""

    address: ShellWord
    port: int


@dataclass(frozen=True, slots=True)
class Environment:
    """What every script around borg needs."""

    borg: ShellWord
    host_id: ShellWord
    base: ShellWord
    lock_wait: int
    timezone: ShellWord
    location: BorgUrl
    credential: ShellWord | None
    readable: bool
    remote: bool
    jumps: bool
    remote_borg: ShellWord | None
    modern_codes: bool
    lock: ShellWord
    mounts: tuple[ShellWord, ...]


@dataclass(frozen=True, slots=True)
class Simple:
    """The view of a script that needs no more than its environment: compact, list, borg."""

    title: Comment
    notice: Comment
    environment: Environment


@dataclass(frozen=True, slots=True)
class Check:
    """The view of check.sh.j2."""

    title: Comment
    notice: Comment
    environment: Environment
    stamp: ShellWord


@dataclass(frozen=True, slots=True)
class Create:
    """The view of create.sh.j2."""

    title: Comment
    notice: Comment
    environment: Environment

    job: ShellWord
    paths: tuple[ShellWord, ...]
    optional_paths: tuple[ShellWord, ...]
    view: ShellWord | None
    log: ShellWord
    compression: ShellWord
    one_file_system: bool
    honour_markers: bool
    numeric_ids: bool
    upload_limit: int | None
    patterns: ShellWord
    archive: ArchiveName
    stamp: ShellWord


@dataclass(frozen=True, slots=True)
class Due:
    """The view of due.sh.j2; with `minutes`, something is due when its stamp is older."""

    title: Comment
    notice: Comment
    stamp: ShellWord
    minutes: int | None
    present_at: ShellWord | None
    mounts: tuple[ShellWord, ...]
    reach: Reach | None


@dataclass(frozen=True, slots=True)
class Keep:
    """One option of borg prune."""

    option: ShellWord
    number: int


@dataclass(frozen=True, slots=True)
class Prune:
    """The view of prune.sh.j2."""

    title: Comment
    notice: Comment
    environment: Environment
    globs: tuple[ArchiveGlob, ...]
    within: ShellWord | None
    keeps: tuple[Keep, ...]
    checkpoints: ShellWord


@dataclass(frozen=True, slots=True)
class Init:
    """The view of init.sh.j2."""

    title: Comment
    notice: Comment
    environment: Environment
    name: ShellWord
    encryption: ShellWord
    make_parents: bool


@dataclass(frozen=True, slots=True)
class JobGlob:
    """A job's name, and what finds its newest archive: its present series, then the former ones."""

    name: ShellWord
    globs: tuple[ArchiveGlob, ...]


@dataclass(frozen=True, slots=True)
class Restore:
    """The view of restore.sh.j2."""

    title: Comment
    notice: Comment
    environment: Environment
    serve: ShellWord | None
    served: BorgUrl | None
    jobs: tuple[JobGlob, ...]


@dataclass(frozen=True, slots=True)
class Serve:
    """The view of serve.sh.j2."""

    title: Comment
    notice: Comment
    borg: ShellWord
    path: ShellWord


LOCK_WAIT = 600
SHARED_LOCK_WAIT = 7200
"""Seconds that borg waits for others. Where hosts share a repository.

Another one's check may hold the lock for an hour.
"""


def of_job(host: Host, job: FilesJob, target: Target) -> tuple[PlannedFile, ...]:
    """Plan what a job runs against one repository: create, its patterns, and prune unless another machine does."""
    repository = target.repository
    folder = f"{SCRIPTS}/jobs/{job.name}_{repository.name}"
    patterns = f"{CONFIG}/jobs/{job.name}_{repository.name}.patterns"
    # A repository that is not always there is asked for first, and its mount points are then beyond question.
    mounts = job.mounted if repository.present_sometimes else tuple(sorted({*job.mounted, *repository.mounted}))
    around = environment(host, repository, target.schedule.timezone, mounts)
    stamp = ShellWord(f"{STATE}/done/{job.name}_{repository.name}")
    view = snapshots.view_of(job, repository)
    create = Create(
        title=Comment(f"Back up {job.name} of {host.name} to {repository.name}."),
        notice=notice(job.where),
        environment=around,
        job=ShellWord(job.name),
        paths=tuple(ShellWord(path) for path in job.paths),
        optional_paths=tuple(ShellWord(path) for path in job.optional_paths),
        view=None if view is None else ShellWord(view),
        log=ShellWord(f"{STATE}/log/{job.name}_{repository.name}"),
        compression=ShellWord(job.compression),
        one_file_system=job.one_file_system,
        honour_markers=job.honour_markers,
        numeric_ids=job.numeric_ids,
        upload_limit=upload_limit(target),
        patterns=ShellWord(patterns),
        archive=ArchiveName(host.name, job.name),
        stamp=stamp,
    )
    lines = Patterns(notice(job.where), (*snapshots.patterns(host), *patterns_of(job)))
    files = [
        script(host, f"{folder}/create", "borg/create", create, job.where),
        planned(host.name, patterns, "borg/job.patterns.j2", lines, job.where, job.span),
    ]
    files += snapshots.of_job(host, job, target)
    files += due_of_job(host, job, target)
    if prunes(target):
        prune = Prune(
            title=Comment(
                f"Thin out the archives of {job.name} of {host.name} in {repository.name}: {target.retention}."
            ),
            notice=notice(job.where),
            environment=around,
            globs=tuple(ArchiveGlob(series, job.name) for series in job.series),
            within=None if target.retention.within is None else ShellWord(target.retention.within),
            keeps=keeps(target),
            checkpoints=ShellWord(f"{ArchiveGlob(host.name, job.name).text}.checkpoint*"),
        )
        files.append(script(host, f"{folder}/prune", "borg/prune", prune, job.where))
    return tuple(files)


def due_of_job(host: Host, job: Job, target: Target) -> tuple[PlannedFile, ...]:
    """Plan the question whether a job of a travelling host or repository may run now."""
    repository = target.repository
    if not travels(host, repository):
        return ()
    name = f"{job.name}_{repository.name}"
    title = f"Tell whether {job.name} of {host.name} may be backed up to {repository.name} now."
    due = _due(host, repository, title, job.where, (ShellWord(f"{STATE}/done/{name}"), age(host, target)))
    return (script(host, f"{SCRIPTS}/jobs/{name}/due", "borg/due", due, job.where),)


def keeps(target: Target) -> tuple[Keep, ...]:
    """Give the options of borg prune for a retention's buckets."""
    return tuple(Keep(ShellWord(f"--keep-{name}"), number) for name, number in target.retention.buckets())


def upload_limit(target: Target) -> int | None:
    """Give the limit as borg takes it, in KiB a second; a local repository has none."""
    if target.upload_limit is None or target.repository.local:
        return None
    return max(1, target.upload_limit // 1024)


def of_repository(host: Host, repository: Repository) -> tuple[PlannedFile, ...]:
    """Plan what a host has for one repository: init, list, restore, check, and compact if it prunes there."""
    folder = f"{SCRIPTS}/repositories/{repository.name}"
    note = notice(repository.where)
    jobs = [job for job in host.files if any(target.repository.name == repository.name for target in job.targets)]
    targets = [target for job in host.jobs for target in job.targets if target.repository.name == repository.name]
    timezone = targets[0].schedule.timezone
    around = environment(host, repository, timezone, ())
    name = f"{repository.name} of {host.name}"
    init = Init(
        title=Comment(f"Make the repository {name}, once."),
        notice=note,
        environment=environment(host, repository, timezone, repository.mounted),
        name=ShellWord(repository.name),
        encryption=ShellWord(repository.encryption),
        make_parents=repository.foreign is not None,
    )
    restore = Restore(
        title=Comment(f"Bring files back from {name}."),
        notice=note,
        environment=dataclasses.replace(around, base=ShellWord(RESTORE)),
        serve=serve(repository),
        served=served(repository),
        jobs=tuple(
            JobGlob(ShellWord(job.name), tuple(ArchiveGlob(series, job.name) for series in job.series)) for job in jobs
        ),
    )
    check = Check(Comment(f"Check {name}."), note, around, ShellWord(f"{STATE}/done/check_{repository.name}"))
    simple = [("list", f"List the archives in {name}."), ("borg", f"Run any borg command on {name}.")]
    if any(prunes(target) for target in targets):
        simple.append(("compact", f"Free the space of pruned archives in {name}."))
    files = [
        script(host, f"{folder}/init", "borg/init", init, repository.where),
        script(host, f"{folder}/restore", "borg/restore", restore, repository.where),
        script(host, f"{folder}/check", "borg/check", check, repository.where),
        *(
            script(host, f"{folder}/{word}", f"borg/{word}", Simple(Comment(title), note, around), repository.where)
            for word, title in simple
        ),
    ]
    if repository.check != "off" and travels(host, repository):
        asked = f"Tell whether {name} may be checked now."
        due = _due(host, repository, asked, repository.where, (check.stamp, check_age(host, repository)))
        files.append(script(host, f"{folder}/due", "borg/due", due, repository.where))
    if repository.local:
        title = Comment(f"Reach {name} as the account that owns it.")
        view = Serve(title, note, ShellWord(host.borg.path), ShellWord(repository.path))
        files.append(script(host, f"{folder}/serve", "borg/serve", view, repository.where))
    return tuple(files)


def serve(repository: Repository) -> ShellWord | None:
    """Give the script through which root reaches a local repository, which belongs to an account."""
    return ShellWord(f"{SCRIPTS}/repositories/{repository.name}/serve") if repository.local else None


def served(repository: Repository) -> BorgUrl | None:
    """Give how borg names a repository that is reached so."""
    return BorgUrl(f"ssh://local{repository.path}") if repository.local else None


def _due(host: Host, repository: Repository, title: str, origin: str, stamp: tuple[ShellWord, int | None]) -> Due:
    reach = None
    if host.roaming and repository.remote is not None:
        hop = first_hop(host, repository.remote)
        reach = Reach(ShellWord(hop.address), hop.port)
    sometimes = repository.present_sometimes
    return Due(
        title=Comment(title),
        notice=notice(origin),
        stamp=stamp[0],
        minutes=stamp[1],
        present_at=ShellWord(repository.path) if sometimes else None,
        mounts=tuple(ShellWord(path) for path in repository.mounted) if sometimes else (),
        reach=reach,
    )


def location(repository: Repository) -> BorgUrl:
    """Give a repository as borg on its host names it.

    Remote ones by their alias in the host's own ssh configuration.
    """
    if repository.local:
        return BorgUrl(repository.path)
    return BorgUrl(f"ssh://{alias(repository)}{repository.path}")


def alias(repository: Repository) -> str:
    """Give the name under which the host's ssh configuration knows a repository's machine."""
    return f"backupspec-{repository.name}"


def environment(host: Host, repository: Repository, timezone: str, mounts: tuple[str, ...]) -> Environment:
    """Give what a script around borg needs on a host for one repository."""
    remote_borg = None if repository.remote is None else repository.remote.borg
    return Environment(
        borg=ShellWord(host.borg.path),
        host_id=ShellWord(f"{host.name}@backupspec"),
        base=ShellWord(STATE),
        lock_wait=SHARED_LOCK_WAIT if repository.per_fleet else LOCK_WAIT,
        timezone=ShellWord(timezone),
        location=location(repository),
        credential=None if repository.credential is None else ShellWord(repository.credential),
        readable=repository.encryption.removesuffix("-blake2") in {"none", "authenticated"},
        remote=not repository.local,
        jumps=not repository.local and host.jump is not None,
        remote_borg=None if remote_borg is None else ShellWord(remote_borg),
        modern_codes=host.borg.version != "1.2",
        lock=ShellWord(lock_of(repository)),
        mounts=tuple(ShellWord(path) for path in mounts),
    )
