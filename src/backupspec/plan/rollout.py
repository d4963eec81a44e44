"""How the files get onto machines: `apply` for one, and the playbooks."""

from __future__ import annotations

from dataclasses import dataclass

from backupspec.fleet import Fleet
from backupspec.plan import machine_snapshots, snapshots, virtual_machines
from backupspec.plan.kinds import recipe
from backupspec.plan.kinds.account import steps
from backupspec.plan.places import STATE, notice
from backupspec.plan.playbooks import ansible
from backupspec.plan.runbook import page
from backupspec.plan.ssh import by_account, key_of, uses
from backupspec.plan.types import PlannedFile
from backupspec.words import Comment, ShellWord


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
class Account:
    """A databases job whose server needs an account that dumps. `stamp`: what its first success leaves."""

    job: ShellWord
    stamp: ShellWord


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
    dumpers: tuple[Account, ...]
    machines: bool


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
        tools |= snapshots.tools(host)
        tools |= {program: package for job in host.databases for program, package in recipe(job).tools}
        tools |= virtual_machines.tools(host)
    if host is not None and host.machine_snapshots:
        tools |= machine_snapshots.TOOLS
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
        dumpers=()
        if host is None
        else tuple(
            Account(ShellWord(job.name), ShellWord(f"{STATE}/done/{job.name}_{job.targets[0].repository.name}"))
            for job in host.databases
            if job.targets and steps(job.kind, host.name, host.address)
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
