"""The scripts of a host: what its units run, and what people run by hand."""

from __future__ import annotations

from dataclasses import dataclass

from backupspec.fleet import Alert, FilesJob, Host, Quiet, Repository, Target
from backupspec.plan.hardening import first_hop
from backupspec.plan.places import CONFIG, OWN_SECRETS, SCRIPTS, STATE, notice, planned
from backupspec.plan.types import PlannedFile
from backupspec.plan.units import credentials, prunes, unit_name
from backupspec.words import ArchiveGlob, ArchiveName, BorgPattern, BorgUrl, Comment, ShellWord


@dataclass(frozen=True, slots=True)
class Reach:
    """What a travelling machine asks first: does the server answer at all?"""

    address: ShellWord
    port: int


@dataclass(frozen=True, slots=True)
class Environment:
    """What every script around borg needs; the base of their views."""

    title: Comment
    notice: Comment
    borg: ShellWord
    timezone: ShellWord
    location: BorgUrl
    credential: ShellWord | None
    remote: bool
    remote_borg: ShellWord | None
    modern_codes: bool
    lock: ShellWord
    present_at: ShellWord | None
    mounts: tuple[ShellWord, ...]


@dataclass(frozen=True, slots=True)
class Create(Environment):
    """The view of create.sh.j2."""

    job: ShellWord
    reach: Reach | None
    paths: tuple[ShellWord, ...]
    optional_paths: tuple[ShellWord, ...]
    log: ShellWord
    compression: ShellWord
    one_file_system: bool
    honour_markers: bool
    upload_limit: int | None
    patterns: ShellWord
    archive: ArchiveName


@dataclass(frozen=True, slots=True)
class Keep:
    """One option of borg prune."""

    option: ShellWord
    number: int


@dataclass(frozen=True, slots=True)
class Prune(Environment):
    """The view of prune.sh.j2."""

    globs: tuple[ArchiveGlob, ...]
    within: ShellWord | None
    keeps: tuple[Keep, ...]
    checkpoints: ShellWord


@dataclass(frozen=True, slots=True)
class Init(Environment):
    """The view of init.sh.j2."""

    name: ShellWord
    encryption: ShellWord
    append_only: bool
    make_parents: bool


@dataclass(frozen=True, slots=True)
class JobGlob:
    """A job's name, and what finds its newest archive."""

    name: ShellWord
    glob: ArchiveGlob


@dataclass(frozen=True, slots=True)
class Restore(Environment):
    """The view of restore.sh.j2."""

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


@dataclass(frozen=True, slots=True)
class Patterns:
    """The view of job.patterns.j2."""

    notice: Comment
    patterns: tuple[BorgPattern, ...]


@dataclass(frozen=True, slots=True)
class RunRepository:
    """What backupspec-run knows of a repository; `folder` is a local one's, `credentials` are `NAME:FILE`."""

    name: ShellWord
    credentials: tuple[ShellWord, ...]
    folder: ShellWord | None
    mounts: tuple[ShellWord, ...]


@dataclass(frozen=True, slots=True)
class RunJob:
    """What backupspec-run knows of a job."""

    name: ShellWord
    repository: ShellWord
    unit: ShellWord


@dataclass(frozen=True, slots=True)
class Run:
    """The view of run.sh.j2."""

    title: Comment
    notice: Comment
    names: ShellWord
    repositories: tuple[RunRepository, ...]
    jobs: tuple[RunJob, ...]


@dataclass(frozen=True, slots=True)
class AlertCommand:
    """A command that hears of failures."""

    words: tuple[ShellWord, ...]


@dataclass(frozen=True, slots=True)
class AlertView:
    """The view of alert.sh.j2."""

    title: Comment
    notice: Comment
    host: ShellWord
    mails: tuple[ShellWord, ...]
    commands: tuple[AlertCommand, ...]


@dataclass(frozen=True, slots=True)
class QuietView:
    """The view of quiet.sh.j2; `start` and `end` are clock times read as numbers (730 is 07:30), as the script compares them."""

    title: Comment
    notice: Comment
    timezone: ShellWord
    start: int
    end: int


def scripts(host: Host, alerts: tuple[Alert, ...]) -> tuple[PlannedFile, ...]:
    """Plan all scripts and pattern files of a host."""
    if not host.jobs:
        return ()
    files = [file for job in host.jobs for target in job.targets for file in _job(host, job, target)]
    files += [file for repository in host.repositories for file in _repository(host, repository)]
    files.append(_script(host, "/usr/local/sbin/backupspec-run", "apply/run", _run(host), host.where))
    files.append(_script(host, f"{SCRIPTS}/alert", "systemd/alert", _alert(host, alerts), host.where))
    if host.quiet is not None:
        files.append(_script(host, f"{SCRIPTS}/quiet-hours", "systemd/quiet", _quiet(host, host.quiet), f"{host.where}.quiet"))
    return tuple(files)


def location(repository: Repository) -> BorgUrl:
    """Give a repository as borg on its host names it; remote ones by their alias in the host's own ssh configuration."""
    if repository.local:
        return BorgUrl(repository.path)
    return BorgUrl(f"ssh://{alias(repository)}{repository.path}")


def alias(repository: Repository) -> str:
    """Give the name under which the host's ssh configuration knows a repository's machine."""
    return f"backupspec-{repository.name}"


def _script(host: Host, path: str, template: str, view: object, origin: str) -> PlannedFile:
    return planned(host.name, path, f"{template}.sh.j2", view, origin, host.span, mode=0o755)


def _environment(host: Host, repository: Repository, title: str, origin: str, timezone: str, mounts: tuple[str, ...]) -> Environment:
    remote_borg = None
    if repository.server is not None:
        remote_borg = repository.server.borg.path
    elif repository.foreign is not None:
        remote_borg = repository.foreign.remote_borg
    return Environment(
        title=Comment(title),
        notice=notice(origin),
        borg=ShellWord(host.borg.path),
        timezone=ShellWord(timezone),
        location=location(repository),
        credential=None if repository.credential is None else ShellWord(repository.credential),
        remote=not repository.local,
        remote_borg=None if remote_borg is None else ShellWord(remote_borg),
        modern_codes=host.borg.version != "1.2",
        lock=ShellWord(f"{STATE}/{repository.name}.lock"),
        present_at=ShellWord(repository.path) if repository.present_sometimes else None,
        mounts=tuple(ShellWord(path) for path in mounts),
    )


def _fields(environment: Environment) -> dict[str, object]:
    return {name: getattr(environment, name) for name in Environment.__slots__}


def _job(host: Host, job: FilesJob, target: Target) -> tuple[PlannedFile, ...]:
    repository = target.repository
    folder = f"{SCRIPTS}/jobs/{job.name}_{repository.name}"
    patterns = f"{CONFIG}/jobs/{job.name}_{repository.name}.patterns"
    mounts = job.mounted if repository.present_sometimes else tuple(sorted({*job.mounted, *repository.mounted}))
    base = _environment(
        host, repository, f"Back up {job.name} of {host.name} to {repository.name}.", job.where, target.schedule.timezone, mounts
    )
    create = Create(
        **_fields(base),  # type: ignore[arg-type]  # the base's own fields, by name
        job=ShellWord(job.name),
        reach=_reach(host, repository),
        paths=tuple(ShellWord(path) for path in job.paths),
        optional_paths=tuple(ShellWord(path) for path in job.optional_paths),
        log=ShellWord(f"{STATE}/log/{job.name}_{repository.name}"),
        compression=ShellWord(job.compression),
        one_file_system=job.one_file_system,
        honour_markers=job.honour_markers,
        upload_limit=None if target.upload_limit is None or repository.local else max(1, target.upload_limit // 1024),
        patterns=ShellWord(patterns),
        archive=ArchiveName(host.name, job.name),
    )
    files = [
        _script(host, f"{folder}/create", "borg/create", create, job.where),
        planned(host.name, patterns, "borg/job.patterns.j2", Patterns(notice(job.where), _patterns(job)), job.where, job.span),
    ]
    if prunes(target):
        title = Comment(f"Thin out the archives of {job.name} of {host.name} in {repository.name}: {target.retention}.")
        prune = Prune(
            **(_fields(base) | {"title": title}),  # type: ignore[arg-type]  # as above
            globs=tuple(ArchiveGlob(series, job.name) for series in job.series),
            within=None if target.retention.within is None else ShellWord(target.retention.within),
            keeps=tuple(Keep(ShellWord(f"--keep-{name}"), number) for name, number in target.retention.buckets()),
            checkpoints=ShellWord(f"{ArchiveGlob(host.name, job.name).text}.checkpoint*"),
        )
        files.append(_script(host, f"{folder}/prune", "borg/prune", prune, job.where))
    return tuple(files)


def _reach(host: Host, repository: Repository) -> Reach | None:
    if not host.roaming or repository.local:
        return None
    port = host.jump.port if host.jump is not None else (repository.server or repository.foreign).port  # type: ignore[union-attr]  # not local: one is set
    return Reach(ShellWord(first_hop(host, repository)), port)


def _patterns(job: FilesJob) -> tuple[BorgPattern, ...]:
    """Give the pattern lines in borg's order of judgement, the first match wins: secrets, deeper jobs, exceptions, excludes.

    An exclude without any exception is not descended into; with one, borg must look inside.
    """
    sign = "-" if job.except_ else "!"
    return (
        *(BorgPattern("!", "pp", path) for path in OWN_SECRETS),
        *(BorgPattern("!", "pp", path) for path in job.inner),
        *(BorgPattern("+", "sh", pattern) for pattern in job.except_),
        *(BorgPattern(sign, "sh", pattern) for pattern in job.exclude),
    )


def _repository(host: Host, repository: Repository) -> tuple[PlannedFile, ...]:
    folder = f"{SCRIPTS}/repositories/{repository.name}"
    jobs = [job for job in host.jobs if any(target.repository.name == repository.name for target in job.targets)]
    timezone = next(target for target in jobs[0].targets if target.repository.name == repository.name).schedule.timezone

    def base(title: str, mounts: tuple[str, ...] = ()) -> dict[str, object]:
        return _fields(_environment(host, repository, title, repository.where, timezone, mounts))

    name = f"{repository.name} of {host.name}"
    init = Init(
        **base(f"Make the repository {name}, once.", repository.mounted),  # type: ignore[arg-type]  # as above
        name=ShellWord(repository.name),
        encryption=ShellWord(repository.encryption),
        append_only=False,
        make_parents=repository.foreign is not None,
    )
    serve = f"{folder}/serve"
    restore = Restore(
        **base(f"Bring files back from {name}."),  # type: ignore[arg-type]  # as above
        serve=ShellWord(serve) if repository.local else None,
        served=BorgUrl(f"ssh://local{repository.path}") if repository.local else None,
        jobs=tuple(JobGlob(ShellWord(job.name), ArchiveGlob(host.name, job.name)) for job in jobs),
    )
    files = [
        _script(host, f"{folder}/init", "borg/init", init, repository.where),
        _script(host, f"{folder}/restore", "borg/restore", restore, repository.where),
        _script(host, f"{folder}/list", "borg/list", Environment(**base(f"List the archives in {name}.")), repository.where),  # type: ignore[arg-type]  # as above
        _script(host, f"{folder}/check", "borg/check", Environment(**base(f"Check {name}.")), repository.where),  # type: ignore[arg-type]  # as above
    ]
    if any(prunes(target) for job in jobs for target in job.targets if target.repository.name == repository.name):
        compact = Environment(**base(f"Free the space of pruned archives in {name}."))  # type: ignore[arg-type]  # as above
        files.append(_script(host, f"{folder}/compact", "borg/compact", compact, repository.where))
    if repository.local:
        title = Comment(f"Reach {name} as the account that owns it.")
        view = Serve(title, notice(repository.where), ShellWord(host.borg.path), ShellWord(repository.path))
        files.append(_script(host, serve, "borg/serve", view, repository.where))
    return tuple(files)


def _run(host: Host) -> Run:
    repositories = tuple(
        RunRepository(
            name=ShellWord(repository.name),
            credentials=tuple(ShellWord(f"{name}:{file}") for name, file in credentials(repository)),
            folder=ShellWord(repository.path) if repository.local else None,
            mounts=tuple(ShellWord(path) for path in repository.mounted),
        )
        for repository in host.repositories
    )
    jobs = tuple(
        RunJob(ShellWord(job.name), ShellWord(target.repository.name), ShellWord(f"{unit_name(job, target.repository)}.service"))
        for job in host.jobs
        for target in job.targets
    )
    names = ShellWord(" ".join(repository.name for repository in host.repositories))
    return Run(Comment(f"Work with the backups of {host.name} by hand."), notice(host.where), names, repositories, jobs)


def _alert(host: Host, alerts: tuple[Alert, ...]) -> AlertView:
    return AlertView(
        title=Comment("Say that a job failed."),
        notice=notice("alerts"),
        host=ShellWord(host.name),
        mails=tuple(ShellWord(alert.mail) for alert in alerts if alert.mail is not None),
        commands=tuple(AlertCommand(tuple(ShellWord(word) for word in alert.command)) for alert in alerts if alert.command),
    )


def _quiet(host: Host, quiet: Quiet) -> QuietView:
    def number(minute: int) -> int:
        return minute // 60 * 100 + minute % 60

    return QuietView(
        title=Comment(f"Tell whether jobs may start on {host.name}."),
        notice=notice(f"{host.where}.quiet"),
        timezone=ShellWord(quiet.timezone),
        start=number(quiet.window.start),
        end=number(quiet.window.end),
    )
