"""The systemd units of a host: a service and a timer for each job and repository, checks, the alert, the slice."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from backupspec.fleet import DatabaseJob, FilesJob, Hook, Host, Job, Repository, Target, VirtualMachineJob
from backupspec.plan import drills, snapshots, stages
from backupspec.plan.commands import Command
from backupspec.plan.hardening import Directive, Touch, directives
from backupspec.plan.kinds import recipe
from backupspec.plan.places import CREDENTIALS, SCRIPTS, UNITS, notice, planned
from backupspec.plan.priorities import PRIORITIES, Priority
from backupspec.plan.times import check_times, drill_times, times, travels
from backupspec.plan.types import PlannedFile
from backupspec.words import (
    Comment,
    ConfigToken,
    ExecProgram,
    ExecWord,
    UnitCalendar,
    UnitCredential,
    UnitListPath,
    UnitText,
)


@dataclass(frozen=True, slots=True)
class Service:
    """The view of service.unit.j2."""

    notice: Comment
    description: UnitText
    network: bool
    after_units: tuple[ConfigToken, ...]
    mounted: tuple[UnitListPath, ...]
    stay_awake: bool
    on_ac_only: bool
    priority: Priority
    groups: tuple[ConfigToken, ...]
    runtime: ConfigToken | None
    reads_all: bool
    elevated: bool
    stop_seconds: int | None
    credentials: tuple[UnitCredential, ...]
    conditions: tuple[Command, ...]
    waits: tuple[Command, ...]
    before: tuple[Command, ...]
    programs: tuple[Command, ...]
    after: tuple[Command, ...]
    writable: tuple[UnitListPath, ...]
    directives: tuple[Directive, ...]


@dataclass(frozen=True, slots=True)
class Timer:
    """The view of timer.unit.j2."""

    notice: Comment
    description: UnitText
    calendars: tuple[UnitCalendar, ...]


@dataclass(frozen=True, slots=True)
class Fixed:
    """The view of a unit whose text is the same everywhere."""

    notice: Comment


STOP_SECONDS = 1500
"""How long a virtual machine's unit may take to end: it waits ten minutes for its turn, and ten for a guest agent."""


def unit_name(job: Job, repository: Repository) -> str:
    """Give a job's unit name without its suffix; `_` is in no other unit of ours and in no name, so two never meet."""
    return f"backupspec-{job.name}_{repository.name}"


def drill_name(job: Job, repository: Repository) -> str:
    """Give the unit name of a drill."""
    return f"backupspec-drill-{job.name}_{repository.name}"


def check_name(repository: Repository) -> str:
    """Give the unit name of a repository's check."""
    return f"backupspec-check-{repository.name}"


def prunes(target: Target) -> bool:
    """Tell whether the host itself prunes and compacts.

    Not an append-only repository, whose keeper does, and nothing that is kept for ever.
    """
    return not target.repository.append_only and not target.retention.forever


def credentials(repository: Repository) -> tuple[tuple[str, str], ...]:
    """Give (name, file) of each credential that a repository needs."""
    found = [] if repository.local else [("ssh_key", f"{CREDENTIALS}/ssh_key")]
    if repository.credential is not None:
        found.append((repository.credential, f"{CREDENTIALS}/{repository.credential}"))
    return tuple(found)


def units(host: Host) -> tuple[PlannedFile, ...]:
    """Plan all units of a host."""
    files = [file for job in host.jobs for target in job.targets for file in _job(host, job, target)]
    for repository in host.repositories:
        if repository.check != "off":
            files += _check(host, repository)
    if host.runs:
        fixed = [("backupspec.slice", "slice"), ("backupspec-alert@.service", "alert")]
        if host.stay_awake:
            fixed.append(("backupspec-awake.service", "awake"))
        files += [
            planned(
                host.name,
                f"{UNITS}/{name}",
                f"systemd/{template}.unit.j2",
                Fixed(notice(host.where)),
                host.where,
                host.span,
            )
            for name, template in fixed
        ]
    return tuple(files)


def _job(host: Host, job: Job, target: Target) -> tuple[PlannedFile, ...]:
    repository = target.repository
    folder = f"{SCRIPTS}/jobs/{job.name}_{repository.name}"
    machine = isinstance(job, VirtualMachineJob)
    # A snapshot costs space for as long as it is there: it goes before what comes after borg has read.
    programs = [_program(f"{folder}/create", elevated=machine), *snapshots.drop(job, target)]
    if prunes(target):
        programs += [_program(f"{folder}/prune"), _program(f"{SCRIPTS}/repositories/{repository.name}/compact")]
    what = f"{job.name} of {host.name} to {repository.name}" + (job.description and f": {job.description}")
    database = isinstance(job, DatabaseJob)
    if database:
        programs.append(_program(f"{folder}/verdict"))
    kind = "the databases " if database else "the virtual machine " if machine else ""
    description = f"Back up {kind}{what}"
    touch = touched(job, repository)
    service = Service(
        notice=notice(job.where),
        description=UnitText(description),
        network=not repository.local or bool(touch.addresses),
        after_units=()
        if database
        else tuple(
            ConfigToken(f"{unit_name(each, repository)}.service") for each in host.databases if _goes(each, repository)
        ),
        mounted=stages.mounted(job),
        stay_awake=host.stay_awake,
        on_ac_only=host.on_ac_only,
        priority=PRIORITIES[job.priority],
        groups=tuple(ConfigToken(group) for group in touch.groups),
        runtime=ConfigToken(unit_name(job, repository)) if database or machine else None,
        reads_all=touch.reads_all,
        elevated=touch.elevated,
        stop_seconds=STOP_SECONDS if machine else None,
        credentials=_credentials(repository, touch),
        conditions=_conditions(host, repository, folder),
        waits=snapshots.waits(job, target),
        before=(
            *(hook_command(hook) for hook in job.before),
            *stages.before(job, target),
            *snapshots.take(job, target),
        ),
        programs=tuple(programs),
        after=(*_own(job, target), *(hook_after(hook) for hook in job.after)),
        writable=(*_writable(repository), *stages.writable(job)),
        directives=directives(host, touch, repository),
    )
    timer = timer_of(job.where, description, times(host, job, target))
    both = pair(host, unit_name(job, repository), service, timer, job.where)
    return both if isinstance(job, FilesJob) or job.drill is None else (*both, *_drill(host, job, target))


def _drill(host: Host, job: DatabaseJob | VirtualMachineJob, target: Target) -> tuple[PlannedFile, ...]:
    repository = target.repository
    name = drill_name(job, repository)
    description = f"Prove that {job.name} of {host.name} can be restored from {repository.name}"
    lines = drill_times(host, job, target)
    if isinstance(job, VirtualMachineJob):
        program = f"{SCRIPTS}/jobs/{job.name}_{repository.name}/drill"
        proof = Proof(
            name=name,
            description=description,
            programs=(_program(program, elevated=True),),
            times=lines,
            where=job.where,
            touch=dataclasses.replace(touched(job, repository), hooks=False),
            conditions=quiet_condition(host),
            before=(Command(ExecProgram(f"{program}-prepare"), root=True),),
            after=(Command(ExecProgram(f"{program}-end"), root=True),),
            writable=stages.writable(job),
        )
        return _proof(host, repository, proof)
    proof = Proof(
        name=name,
        description=description,
        programs=drills.programs(job, repository),
        times=lines,
        where=job.where,
        touch=Touch(),
        conditions=quiet_condition(host),
        runtime=name,
        before=drills.before(job, repository),
        after=drills.after(job, repository),
        writable=drills.writable(),
    )
    return (*_proof(host, repository, proof), drills.scratch(host, job, repository))


def touched(job: Job, repository: Repository) -> Touch:
    """Give what a job's unit must leave within its reach."""
    hooks = bool(job.before or job.after)
    if isinstance(job, FilesJob):
        view = snapshots.view_of(job, repository)
        own = (*job.paths, *job.optional_paths) if view is None else (view,)
        return Touch(
            reads=own,
            one_file_system=job.one_file_system,
            reads_all=True,
            hooks=hooks,
            devices=snapshots.devices(job),
        )
    if isinstance(job, VirtualMachineJob):
        images = tuple(disk.source for disk in job.known if disk.source.startswith("/"))
        return Touch(reads=images, writes=(str(job.scratch),), elevated=True, hooks=hooks)
    made = recipe(job)
    return Touch(
        reads=made.sockets,
        writes=() if job.stage is None else (job.stage,),
        addresses=made.addresses,
        groups=made.groups,
        credentials=made.credentials,
        jit=made.jit,
        hooks=hooks or made.anything or (made.writer is not None and not made.offline),
    )


def _program(path: str, *, elevated: bool = False) -> Command:
    return Command(ExecProgram(path), elevated=elevated)


def _goes(job: DatabaseJob, repository: Repository) -> bool:
    return any(target.repository.name == repository.name for target in job.targets)


def _credentials(repository: Repository, touch: Touch) -> tuple[UnitCredential, ...]:
    own = ((name, f"{CREDENTIALS}/{name}") for name in touch.credentials)
    return tuple(UnitCredential(name, path) for name, path in (*credentials(repository), *own))


def _check(host: Host, repository: Repository) -> tuple[PlannedFile, ...]:
    folder = f"{SCRIPTS}/repositories/{repository.name}"
    proof = Proof(
        name=check_name(repository),
        description=f"Check {repository.name} from {host.name}",
        programs=(_program(f"{folder}/check"),),
        times=check_times(host, repository),
        where=repository.where,
        touch=Touch(reads_all=True),
        conditions=_conditions(host, repository, folder),
    )
    return _proof(host, repository, proof)


@dataclass(frozen=True, slots=True)
class Proof:
    """A unit that reads a repository and proves something of it, when there is nothing better to do."""

    name: str
    description: str
    programs: tuple[Command, ...]
    times: tuple[str, ...]
    where: str
    touch: Touch
    conditions: tuple[Command, ...]
    runtime: str | None = None
    before: tuple[Command, ...] = ()
    after: tuple[Command, ...] = ()
    writable: tuple[UnitListPath, ...] = ()


def _proof(host: Host, repository: Repository, proof: Proof) -> tuple[PlannedFile, ...]:
    service = Service(
        notice=notice(proof.where),
        description=UnitText(proof.description),
        network=not repository.local,
        after_units=(),
        mounted=(),
        stay_awake=False,
        on_ac_only=host.on_ac_only,
        priority=PRIORITIES["idle"],
        groups=(),
        runtime=None if proof.runtime is None else ConfigToken(proof.runtime),
        reads_all=proof.touch.reads_all,
        elevated=proof.touch.elevated,
        stop_seconds=None,
        credentials=_credentials(repository, proof.touch),
        conditions=proof.conditions,
        waits=(),
        before=proof.before,
        programs=proof.programs,
        after=proof.after,
        writable=(*_writable(repository), *proof.writable),
        directives=directives(host, proof.touch, repository),
    )
    return pair(host, proof.name, service, timer_of(proof.where, proof.description, proof.times), proof.where)


def timer_of(where: str, description: str, lines: Iterable[str]) -> Timer:
    """Give a timer; `lines` are OnCalendar= values."""
    return Timer(notice(where), UnitText(description), tuple(UnitCalendar(line) for line in lines))


def pair(host: Host, name: str, service: Service, timer: Timer, origin: str) -> tuple[PlannedFile, ...]:
    """Plan a service and its timer."""
    return (
        planned(host.name, f"{UNITS}/{name}.service", "systemd/service.unit.j2", service, origin, host.span),
        planned(host.name, f"{UNITS}/{name}.timer", "systemd/timer.unit.j2", timer, origin, host.span),
    )


def _own(job: Job, target: Target) -> Iterator[Command]:
    """Give what takes away what the job itself left, before hooks that may fail: systemd runs nothing after one.

    Nor does it keep the hooks from running. What cannot be taken away has failed the job before, or fails the next one.
    """
    for command in (*snapshots.drop(job, target), *stages.after(job, target)):
        yield dataclasses.replace(command, lenient=True)


def hook_after(hook: Hook) -> Command:
    """Keep a hook from running where the job itself was held back by a condition (systemd.exec(5), SERVICE_RESULT)."""
    command = hook_command(hook)
    guard = '[ "$SERVICE_RESULT" = exec-condition ] || exec "$@"'
    words = (ExecWord("-c"), ExecWord(guard), ExecWord("hook"), ExecWord(command.program.text), *command.arguments)
    return Command(ExecProgram("/bin/sh"), words, root=command.root)


def _conditions(host: Host, repository: Repository, folder: str) -> tuple[Command, ...]:
    """Give what a unit asks before it starts: is it quiet now, and, of what travels, is it due and in reach."""
    due = (Command(ExecProgram(f"{folder}/due")),) if travels(host, repository) else ()
    return (*quiet_condition(host), *due)


def quiet_condition(host: Host) -> tuple[Command, ...]:
    """Give what holds a unit back in the quiet hours of a host, if it has any."""
    return () if host.quiet is None else (Command(ExecProgram(f"{SCRIPTS}/quiet-hours")),)


def hook_command(hook: Hook) -> Command:
    """Wrap a hook in timeout(1) where the inventory bounds it; the unit itself has no time-out."""
    argv = hook.argv if hook.timeout is None else ("/usr/bin/timeout", str(hook.timeout), *hook.argv)
    return Command(ExecProgram(argv[0]), tuple(ExecWord(word) for word in argv[1:]), root=hook.user == "root")


def _writable(repository: Repository) -> tuple[UnitListPath, ...]:
    """Open a local repository's folder.

    It may be missing at the start, which the script reports better than systemd.
    """
    return (UnitListPath(repository.path, optional=True),) if repository.local else ()
