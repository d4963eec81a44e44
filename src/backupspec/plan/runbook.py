"""The page that explains what was compiled, and what to do when something was lost."""

from __future__ import annotations

from dataclasses import dataclass

from backupspec.fleet import DatabaseJob, FilesJob, Fleet, Host, Job, MachineSnapshots, Target, VirtualMachineJob
from backupspec.plan import virtual_machines
from backupspec.plan.kinds import describe, recipe
from backupspec.plan.kinds.account import Step, steps
from backupspec.plan.kinds.recovery import DATABASE, recovery
from backupspec.plan.runbook_machines import AsideLine, Machines, aside, machines_of
from backupspec.plan.ssh import uses
from backupspec.plan.times import snapshot_times, times, travels
from backupspec.plan.types import PlannedFile
from backupspec.words import MarkdownCode, MarkdownCommand, MarkdownLine, MarkdownText

MANUALS = {"mysql": "mariadb", "valkey": "redis"}
"""Kinds that share another one's page of the reference."""


@dataclass(frozen=True, slots=True)
class JobLine:
    """One line of the table of jobs."""

    host: MarkdownCode
    name: MarkdownCode
    paths: MarkdownText
    repository: MarkdownCode
    schedule: MarkdownText
    times: MarkdownCode
    retention: MarkdownText
    notes: MarkdownText


@dataclass(frozen=True, slots=True)
class StoreLine:
    """One line of the table of repositories on servers."""

    server: MarkdownCode
    account: MarkdownCode
    path: MarkdownCode
    host: MarkdownCode
    quota: MarkdownText
    append_only: MarkdownText


@dataclass(frozen=True, slots=True)
class AccountStep:
    """What is typed to make the account that dumps: into a program, into a file, or (neither) into a shell."""

    machine: MarkdownCode
    program: MarkdownCode | None
    file: MarkdownCode | None
    lines: tuple[MarkdownLine, ...]


@dataclass(frozen=True, slots=True)
class DatabasesPart:
    """One databases job: the account that dumps, and how all comes back. `passwords`: files for its credentials."""

    host: MarkdownText
    name: MarkdownText
    what: MarkdownText
    manual: MarkdownCode
    account: tuple[AccountStep, ...]
    passwords: tuple[MarkdownCode, ...]
    before: MarkdownText
    commands: tuple[MarkdownCommand, ...]
    each: bool
    after: MarkdownText | None
    proof: tuple[MarkdownCommand, ...]


@dataclass(frozen=True, slots=True)
class Page:
    """The view of compiled.md.j2."""

    fleet: MarkdownText
    jobs: tuple[JobLine, ...]
    stores: tuple[StoreLine, ...]
    databases: tuple[DatabasesPart, ...]
    machines: Machines
    aside: tuple[AsideLine, ...]


def page(fleet: Fleet) -> PlannedFile:
    """Plan the page that explains what was compiled."""
    jobs = tuple(
        JobLine(
            MarkdownCode(host.name),
            MarkdownCode(job.name),
            MarkdownText(_what(job)),
            MarkdownCode(target.repository.name),
            MarkdownText(str(target.schedule)),
            MarkdownCode(", ".join(times(host, job, target)) or "never"),
            MarkdownText(str(target.retention) + ("" if not target.repository.append_only else " (by its keeper)")),
            MarkdownText(_notes(host, job, target)),
        )
        for host in fleet.hosts
        for job in host.jobs
        for target in job.targets
    )
    jobs += tuple(_snapshots(host, job) for host in fleet.hosts for job in host.machine_snapshots)
    stores = tuple(
        StoreLine(
            MarkdownCode(server.name),
            MarkdownCode(use.repository.account or "root"),
            MarkdownCode(use.repository.path),
            MarkdownCode(use.host.name),
            MarkdownText(_bytes(use.repository.quota)),
            MarkdownText("yes" if use.repository.append_only else "no"),
        )
        for server in fleet.servers
        for use in uses(fleet, server)
    )
    databases = tuple(_databases(host, job) for host in fleet.hosts for job in host.databases if job.targets)
    view = Page(MarkdownText(fleet.name), jobs, stores, databases, machines_of(fleet), aside(fleet))
    return PlannedFile("README.md", 0o644, "root:root", "docs/compiled.md.j2", view, "fleet", fleet.span)


def _snapshots(host: Host, job: MachineSnapshots) -> JobLine:
    return JobLine(
        MarkdownCode(host.name),
        MarkdownCode(job.name),
        MarkdownText(f"snapshots of virtual machine {job.domain}, which are no backup"),
        MarkdownCode("the images"),
        MarkdownText(str(job.schedule)),
        MarkdownCode(", ".join(snapshot_times(host, job)) or "never"),
        MarkdownText(str(job.retention)),
        MarkdownText("has hooks" if job.before or job.after else "none"),
    )


def _databases(host: Host, job: DatabaseJob) -> DatabasesPart:
    made, back = recipe(job), recovery(job)
    loads = any(script.word == "load" for script in made.scripts)
    commands = [MarkdownCommand.of("backupspec-run", "restore-database", job.name)]
    for number, (entry, *said) in enumerate(back.entries, start=1):
        # A kind without a load script gives the dump itself.
        words = said if loads else ["--file", f"/root/{job.name}-{number}.dump"]
        commands.append(MarkdownCommand.of("backupspec-run", "restore-database", job.name, entry, *words))
    proof = [MarkdownCommand.of("backupspec-run", "create", job.name)]
    if job.drill is not None:
        proof.append(MarkdownCommand.of("backupspec-run", "drill", job.name))
    return DatabasesPart(
        host=MarkdownText(host.name),
        name=MarkdownText(job.name),
        what=MarkdownText(describe(job)),
        manual=MarkdownCode(f"docs/reference/databases/{manual(job)}.md"),
        account=tuple(_step(step) for step in steps(job.kind, host.name, host.address)),
        passwords=tuple(MarkdownCode(f"/etc/backupspec/credentials/{name}") for name in made.credentials),
        before=MarkdownText(back.before),
        commands=tuple(commands),
        each=any(entry[0] == DATABASE for entry in back.entries),
        after=MarkdownText(back.after) if back.after else None,
        proof=tuple(proof),
    )


def manual(job: DatabaseJob) -> str:
    """Give the name of the page of the reference that a job's kind has."""
    name = str(getattr(job.kind, "product", type(job.kind).__name__.lower()))
    return MANUALS.get(name, name)


def _step(step: Step) -> AccountStep:
    return AccountStep(
        MarkdownCode(step.machine),
        MarkdownCode(step.program) if step.program else None,
        MarkdownCode(step.file) if step.file else None,
        tuple(MarkdownLine(line) for line in step.lines),
    )


def _what(job: Job) -> str:
    """Say what a job backs up."""
    if isinstance(job, DatabaseJob):
        return describe(job)
    if isinstance(job, VirtualMachineJob):
        return virtual_machines.describe(job)
    return ", ".join((*job.paths, *job.optional_paths)) or "nothing"


def _notes(host: Host, job: Job, target: Target) -> str:
    """Say in short what else a reader should know of a job."""
    found = []
    if travels(host, target.repository):
        found.append("tried every half hour until done")
    if host.quiet is not None:
        found.append(f"never in {host.quiet.window} ({host.quiet.timezone})")
    if isinstance(job, FilesJob) and job.mounted:
        found.append("needs mounted: " + ", ".join(job.mounted))
    if isinstance(job, FilesJob) and job.snapshot is not None:
        found.append(f"reads a snapshot ({job.snapshot.kind})")
    if job.before or job.after:
        found.append("has hooks")
    if not isinstance(job, FilesJob) and job.drill is not None:
        found.append(f"drill: {job.drill.schedule}")
    return "; ".join(found) or "none"


def _bytes(quota: int | None) -> str:
    if quota is None:
        return "none"
    for unit, size in (("TB", 10**12), ("GB", 10**9), ("MB", 10**6)):
        if quota >= size:
            return f"{quota / size:g} {unit}"
    return f"{quota} bytes"
