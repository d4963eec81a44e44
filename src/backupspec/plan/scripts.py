"""What runs on a host beside borg: the command for people, the alert, the quiet hours."""

from __future__ import annotations

from dataclasses import dataclass

from backupspec.alert import Alert
from backupspec.fleet import DatabaseJob, Host, Repository
from backupspec.plan import borg, dumps, machine_snapshots, virtual_machines
from backupspec.plan.kinds import recipe
from backupspec.plan.places import CREDENTIALS, RESTORE, SCRIPTS, STATE, notice, script
from backupspec.plan.types import PlannedFile
from backupspec.plan.units import credentials, drill_name, unit_name
from backupspec.schedule import Quiet
from backupspec.words import Comment, ShellWord


@dataclass(frozen=True, slots=True)
class RunRepository:
    """What backupspec-run knows of a repository; `folder` is a local one's, `properties` are a unit's."""

    name: ShellWord
    properties: tuple[ShellWord, ...]
    folder: ShellWord | None
    mounts: tuple[ShellWord, ...]


@dataclass(frozen=True, slots=True)
class RunJob:
    """What backupspec-run knows of a job."""

    name: ShellWord
    repository: ShellWord
    unit: ShellWord


@dataclass(frozen=True, slots=True)
class RunDatabases:
    """What backupspec-run knows of a databases job in one repository.

    `properties` are those of a restore of its kind; `undo` is the one that calls the script when a restore was killed.
    `named_by_path`: its databases are files.
    """

    name: ShellWord
    repository: ShellWord
    properties: tuple[ShellWord, ...]
    script: ShellWord
    undo: ShellWord
    named_by_path: bool
    drill: ShellWord | None


@dataclass(frozen=True, slots=True)
class RunMachine:
    """What backupspec-run knows of a virtual machine in one repository."""

    name: ShellWord
    repository: ShellWord
    script: ShellWord
    drill: ShellWord | None


@dataclass(frozen=True, slots=True)
class RunSnapshots:
    """What backupspec-run knows of the snapshots of a virtual machine."""

    name: ShellWord
    unit: ShellWord
    script: ShellWord


@dataclass(frozen=True, slots=True)
class Run:
    """The view of run.sh.j2."""

    title: Comment
    notice: Comment
    names: ShellWord
    job_names: ShellWord
    repositories: tuple[RunRepository, ...]
    jobs: tuple[RunJob, ...]
    restores: bool
    databases: tuple[RunDatabases, ...]
    database_names: ShellWord
    drill_names: ShellWord
    machines: tuple[RunMachine, ...]
    machine_names: ShellWord
    snapshots: tuple[RunSnapshots, ...]
    snapshot_names: ShellWord


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
    """The view of quiet.sh.j2.

    `start` and `end` are clock times read as numbers (730 is 07:30), as the script compares them.
    """

    title: Comment
    notice: Comment
    timezone: ShellWord
    start: int
    end: int


def scripts(host: Host, alerts: tuple[Alert, ...]) -> tuple[PlannedFile, ...]:
    """Plan all scripts and pattern files of a host."""
    if not host.runs:
        return ()
    files = [file for job in host.files for target in job.targets for file in borg.of_job(host, job, target)]
    for job in host.databases:
        files += dumps.of_kind(host, job)
        files += [file for target in job.targets for file in dumps.of_target(host, job, target)]
    files += virtual_machines.of_host(host)
    for machine in host.virtual_machines:
        files += [file for target in machine.targets for file in virtual_machines.of_target(host, machine, target)]
    files += [file for repository in host.repositories for file in borg.of_repository(host, repository)]
    files.append(script(host, "/usr/local/sbin/backupspec-run", "apply/run", _run(host), host.where))
    files.append(script(host, f"{SCRIPTS}/alert", "systemd/alert", _alert(host, alerts), host.where))
    if host.quiet is not None:
        files.append(
            script(host, f"{SCRIPTS}/quiet-hours", "systemd/quiet", _quiet(host, host.quiet), f"{host.where}.quiet")
        )
    return tuple(files)


def _run(host: Host) -> Run:
    repositories = tuple(
        RunRepository(
            name=ShellWord(repository.name),
            properties=_properties(repository),
            folder=ShellWord(repository.path) if repository.local else None,
            mounts=tuple(ShellWord(path) for path in repository.mounted),
        )
        for repository in host.repositories
    )
    jobs = tuple(
        RunJob(
            ShellWord(job.name),
            ShellWord(target.repository.name),
            ShellWord(f"{unit_name(job, target.repository)}.service"),
        )
        for job in host.jobs
        for target in job.targets
    )
    databases = tuple(_databases(job, target.repository) for job in host.databases for target in job.targets)
    names = ShellWord(" ".join(repository.name for repository in host.repositories))
    job_names = ShellWord(" ".join(job.name for job in (*host.jobs, *host.machine_snapshots)))
    title = Comment(f"Work with the backups of {host.name} by hand.")
    read = virtual_machines.read(host)
    drills = [job.name for job in host.databases if job.drill is not None]
    drills += [machine.name for machine in read if machine.drill is not None]
    return Run(
        title=title,
        notice=notice(host.where),
        names=names,
        job_names=job_names,
        repositories=repositories,
        jobs=jobs,
        restores=bool(host.databases or read),
        databases=databases,
        database_names=ShellWord(" ".join(job.name for job in host.databases)),
        drill_names=ShellWord(" ".join(drills)),
        machines=tuple(
            RunMachine(
                ShellWord(job.name),
                ShellWord(target.repository.name),
                ShellWord(f"{SCRIPTS}/jobs/{job.name}_{target.repository.name}/restore"),
                None if job.drill is None else ShellWord(f"{drill_name(job, target.repository)}.service"),
            )
            for job in read
            for target in job.targets
        ),
        machine_names=ShellWord(" ".join(job.name for job in read)),
        snapshots=tuple(
            RunSnapshots(
                ShellWord(job.name),
                ShellWord(f"{machine_snapshots.unit_of(job)}.service"),
                ShellWord(f"{SCRIPTS}/jobs/{machine_snapshots.name_of(job)}/rollback"),
            )
            for job in host.machine_snapshots
        ),
        snapshot_names=ShellWord(" ".join(job.name for job in host.machine_snapshots)),
    )


def _databases(job: DatabaseJob, repository: Repository) -> RunDatabases:
    made = recipe(job)
    own = [f"LoadCredential={name}:{CREDENTIALS}/{name}" for name in made.credentials]
    if made.restores is not None:
        own += [*_CONFINED, *(_writable(path) for path in made.restores)]
    restore = f"{SCRIPTS}/jobs/{job.name}_{repository.name}/restore"
    return RunDatabases(
        name=ShellWord(job.name),
        repository=ShellWord(repository.name),
        properties=tuple(ShellWord(property_) for property_ in own),
        script=ShellWord(restore),
        undo=ShellWord(f"ExecStopPost={restore} --undo"),
        named_by_path=made.named_by_path,
        drill=None if job.drill is None else ShellWord(f"{drill_name(job, repository)}.service"),
    )


def _properties(repository: Repository) -> tuple[ShellWord, ...]:
    """Give the unit properties, as systemd-run takes them, with which something can work with a repository."""
    found = [f"LoadCredential={name}:{file}" for name, file in credentials(repository)]
    if repository.local:
        found += [_writable(repository.path), f"ReadWritePaths=-{STATE}"]
    return tuple(ShellWord(property_) for property_ in found)


_CAPABILITIES = " ".join(
    f"CAP_{name}"
    for name in (
        "CHOWN",
        "DAC_OVERRIDE",
        "DAC_READ_SEARCH",
        "FOWNER",
        "KILL",
        "SETGID",
        "SETPCAP",
        "SETUID",
        "SYS_PTRACE",
    )
)
_CONFINED = (
    "ProtectSystem=strict",
    f"ReadWritePaths=-{RESTORE}",
    "ReadWritePaths=/tmp",
    "NoNewPrivileges=true",
    f"CapabilityBoundingSet={_CAPABILITIES}",
    "ProtectKernelModules=true",
    "ProtectKernelTunables=true",
    "ProtectControlGroups=true",
    "RestrictNamespaces=true",
)
"""What a restore of databases by root is confined by; it acts for other accounts, and sees who has a file open."""


def _writable(path: str) -> str:
    quoted = path.replace("\\", "\\\\").replace('"', '\\"')
    return f'ReadWritePaths="-{quoted}"'


def _alert(host: Host, alerts: tuple[Alert, ...]) -> AlertView:
    return AlertView(
        title=Comment("Say that a job failed."),
        notice=notice("alerts"),
        host=ShellWord(host.name),
        mails=tuple(ShellWord(alert.mail) for alert in alerts if alert.mail is not None),
        commands=tuple(
            AlertCommand(tuple(ShellWord(word) for word in alert.command)) for alert in alerts if alert.command
        ),
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
