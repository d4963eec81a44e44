"""How the files get onto machines: `apply` for one, and a page that explains it and the playbooks."""

from __future__ import annotations

from dataclasses import dataclass

from backupspec.fleet import DatabaseJob, FilesJob, Fleet, Host, Job, Target, VirtualMachineJob
from backupspec.plan import virtual_machines
from backupspec.plan.kinds import describe, recipe
from backupspec.plan.places import notice
from backupspec.plan.playbooks import ansible
from backupspec.plan.ssh import by_account, key_of, uses
from backupspec.plan.times import times, travels
from backupspec.plan.types import PlannedFile
from backupspec.words import Comment, MarkdownCode, MarkdownText, ShellWord


@dataclass(frozen=True, slots=True)
class Placed:
    """A file that `apply` puts in place."""

    mode: ShellWord
    path: ShellWord


@dataclass(frozen=True, slots=True)
class Tool:
    """A program that must be there, and the package that has it on Debian."""

    program: ShellWord
    package: ShellWord


@dataclass(frozen=True, slots=True)
class Apply:
    """The view of apply.sh.j2."""

    title: Comment
    notice: Comment
    host: ShellWord
    tools: tuple[Tool, ...]
    mounts: tuple[ShellWord, ...]
    files: tuple[Placed, ...]
    plain_files: tuple[Placed, ...]
    units: tuple[Placed, ...]
    verified: tuple[ShellWord, ...]
    timers: tuple[ShellWord, ...]
    repositories: bool
    accounts: tuple[ShellWord, ...]
    mails: bool
    key_file: ShellWord | None
    known_key: ShellWord
    generated: tuple[ShellWord, ...]
    provided: tuple[ShellWord, ...]
    passwords: tuple[ShellWord, ...]
    machines: bool


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
class Page:
    """The view of compiled.md.j2."""

    fleet: MarkdownText
    jobs: tuple[JobLine, ...]
    stores: tuple[StoreLine, ...]


def machines(fleet: Fleet) -> tuple[str, ...]:
    """Give every machine that gets a tree: hosts, servers, retired ones."""
    names = (
        {host.name for host in fleet.hosts}
        | {server.name for server in fleet.servers}
        | {item.name for item in fleet.retired}
    )
    return tuple(sorted(names))


def apply(fleet: Fleet, name: str, files: tuple[PlannedFile, ...]) -> tuple[PlannedFile, ...]:
    """Plan the `apply` of a machine that gets `files`; for a retired one there are none, and all that it owns goes."""
    host, store = fleet.host(name), fleet.server(name)
    prefix = f"hosts/{name}/root"
    placed = sorted((file.path.removeprefix(prefix), f"{file.mode:04o}") for file in files)
    all_files = tuple(Placed(ShellWord(mode), ShellWord(path)) for path, mode in placed)
    units = tuple(file for file in all_files if file.path.text.startswith("/etc/systemd/system/"))
    early = {"/etc/sysusers.d/backupspec.conf", "/etc/tmpfiles.d/backupspec.conf"}
    names = [file.path.text.rsplit("/", 1)[1] for file in units]
    timers = tuple(ShellWord(unit) for unit in names if unit.endswith(".timer"))
    repositories = () if host is None else host.repositories
    remote = any(not repository.local for repository in repositories)
    tools: dict[str, str] = {}
    if repositories and host is not None:
        tools[host.borg.path] = "borgbackup"
        tools["flock"] = "util-linux"
        tools |= {program: package for job in host.databases for program, package in recipe(job).tools}
        if virtual_machines.read(host):
            tools |= virtual_machines.TOOLS
    if remote:
        tools["ssh-keygen"] = "openssh-client"
    if store is not None:
        tools[store.borg.path] = "borgbackup"
        tools["/usr/sbin/sshd"] = "openssh-server"
        tools["usermod"] = "passwd"
    if units:
        tools["systemd-analyze"] = "systemd"
    spans = [item.span for item in fleet.retired if item.name == name]
    span = host.span if host is not None else (store.span if store is not None else spans[0])
    where = f"hosts.{name}" if host is not None else (f"servers.{name}" if store is not None else "retired")
    title = (
        f"Put in place on {name} what was compiled for it."
        if files
        else f"Take backupspec off {name}, which was retired; its archives and secrets stay."
    )
    known = None if host is None else key_of(host)
    key_file = (host.key_file or f"keys/{name}.pub") if host is not None and remote else None
    view = Apply(
        title=Comment(title),
        notice=notice(where),
        host=ShellWord(name),
        tools=tuple(Tool(ShellWord(program), ShellWord(package)) for program, package in sorted(tools.items())),
        mounts=() if store is None else tuple(ShellWord(path) for path in store.storage_mounted),
        files=all_files,
        plain_files=tuple(file for file in all_files if file not in units and file.path.text not in early),
        units=units,
        verified=tuple(ShellWord(unit) for unit in names if "@" not in unit),
        timers=timers,
        repositories=bool(repositories),
        accounts=() if store is None else tuple(ShellWord(account) for account in by_account(uses(fleet, store))),
        mails=bool(repositories) and any(alert.mail for alert in fleet.alerts),
        key_file=None if key_file is None else ShellWord(key_file),
        known_key=ShellWord("" if known is None else known.base64),
        generated=_credentials(fleet, name, generated=True),
        provided=_credentials(fleet, name, generated=False),
        machines=host is not None and bool(virtual_machines.read(host)),
        passwords=()
        if host is None
        else tuple(
            ShellWord(item) for item in sorted({item for job in host.databases for item in recipe(job).credentials})
        ),
    )
    return (PlannedFile(f"hosts/{name}/apply", 0o755, "root:root", "apply/apply.sh.j2", view, where, span),)


def _credentials(fleet: Fleet, name: str, *, generated: bool) -> tuple[ShellWord, ...]:
    host = fleet.host(name)
    names = {
        item.credential
        for item in (() if host is None else host.repositories)
        if item.credential and item.credential_generated is generated
    }
    return tuple(ShellWord(item) for item in sorted(names))


def common(fleet: Fleet) -> tuple[PlannedFile, ...]:
    """Plan what belongs to no machine: the page and Ansible's files."""
    return (page(fleet), *ansible(fleet))


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
    return PlannedFile(
        "README.md",
        0o644,
        "root:root",
        "docs/compiled.md.j2",
        Page(MarkdownText(fleet.name), jobs, stores),
        "fleet",
        fleet.span,
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
    if job.before or job.after:
        found.append("has hooks")
    return "; ".join(found) or "none"


def _bytes(quota: int | None) -> str:
    if quota is None:
        return "none"
    for unit, size in (("TB", 10**12), ("GB", 10**9), ("MB", 10**6)):
        if quota >= size:
            return f"{quota / size:g} {unit}"
    return f"{quota} bytes"
