"""Both sides of ssh: a host's own configuration and known hosts, a server's accounts, folders and key lines."""

from __future__ import annotations

import glob
import ipaddress
from dataclasses import dataclass

from backupspec import accounts
from backupspec.fleet import Fleet, Host, Repository, Server
from backupspec.plan import drills, stages
from backupspec.plan.borg import alias
from backupspec.plan.places import CONFIG, KEYS, notice, planned
from backupspec.plan.types import PlannedFile
from backupspec.ssh_peers import HostKey
from backupspec.words import (
    Comment,
    ConfigToken,
    KeyOption,
    KnownHost,
    PublicKey,
    ShellWord,
    SshConfigValue,
    SysusersField,
    TmpfilesField,
)

JUMP = "jump-of-backupspec"
"""No alias of a repository, which all begin otherwise."""


@dataclass(frozen=True, slots=True)
class SshEntry:
    """One `Host` of a host's ssh configuration."""

    alias: ConfigToken
    address: SshConfigValue
    port: int
    user: SshConfigValue | None
    jump: ConfigToken | None


@dataclass(frozen=True, slots=True)
class SshClient:
    """The view of client.sshconfig.j2."""

    notice: Comment
    entries: tuple[SshEntry, ...]


@dataclass(frozen=True, slots=True)
class KnownEntry:
    """One line of known_hosts."""

    host: KnownHost
    key: PublicKey


@dataclass(frozen=True, slots=True)
class KnownHosts:
    """The view of client.known_hosts.j2."""

    notice: Comment
    entries: tuple[KnownEntry, ...]


@dataclass(frozen=True, slots=True)
class KeyLine:
    """One line of authorized_keys, with the comment line before it."""

    origin: Comment
    restrict: KeyOption
    source: KeyOption | None
    command: KeyOption
    key: PublicKey


@dataclass(frozen=True, slots=True)
class AuthorizedKeys:
    """The view of account.authorized_keys.j2."""

    notice: Comment
    lines: tuple[KeyLine, ...]


@dataclass(frozen=True, slots=True)
class AccountLine:
    """One account of a server."""

    name: ConfigToken
    text: SysusersField
    home: SysusersField


@dataclass(frozen=True, slots=True)
class Sysusers:
    """The view of accounts.sysusers.j2."""

    notice: Comment
    client: bool
    drills: bool
    accounts: tuple[AccountLine, ...]


@dataclass(frozen=True, slots=True)
class Folder:
    """One folder of a server."""

    path: TmpfilesField
    mode: ConfigToken
    owner: ConfigToken


@dataclass(frozen=True, slots=True)
class Tmpfiles:
    """The view of folders.tmpfiles.j2."""

    notice: Comment
    client: bool
    folders: tuple[Folder, ...]
    passing: tuple[TmpfilesField, ...]


@dataclass(frozen=True, slots=True)
class Rules:
    """The view of server.sshconfig.j2."""

    notice: Comment


@dataclass(frozen=True, slots=True)
class Use:
    """A host's use of one repository on a server."""

    host: Host
    repository: Repository


def uses(fleet: Fleet, server: Server) -> tuple[Use, ...]:
    """Give all uses of a server's repositories, by host and repository."""
    return tuple(
        Use(host, repository)
        for host in fleet.hosts
        for repository in host.repositories
        if repository.server is not None and repository.server.name == server.name
    )


def client(host: Host) -> tuple[PlannedFile, ...]:
    """Plan a host's ssh files; none where all its repositories are local."""
    entries = []
    known = []
    if host.jump is not None:
        jump = host.jump
        entries.append(
            SshEntry(ConfigToken(JUMP), SshConfigValue(jump.address), jump.port, SshConfigValue(jump.user), None)
        )
        known.append(KnownEntry(KnownHost(JUMP), _host_key(jump.host_key)))
    through = None if host.jump is None else ConfigToken(JUMP)
    for repository in host.repositories:
        remote = repository.remote
        if remote is not None:
            name = alias(repository)
            user = None if remote.user is None else SshConfigValue(remote.user)
            entries.append(SshEntry(ConfigToken(name), SshConfigValue(remote.address), remote.port, user, through))
            known.append(KnownEntry(KnownHost(name), _host_key(remote.host_key)))
    if all(repository.local for repository in host.repositories):
        return ()
    note = notice(host.where)
    return (
        planned(
            host.name,
            f"{CONFIG}/ssh_config",
            "ssh/client.sshconfig.j2",
            SshClient(note, tuple(entries)),
            host.where,
            host.span,
        ),
        planned(
            host.name,
            f"{CONFIG}/known_hosts",
            "ssh/client.known_hosts.j2",
            KnownHosts(note, tuple(known)),
            host.where,
            host.span,
        ),
    )


def server(fleet: Fleet, machine: Server) -> tuple[PlannedFile, ...]:
    """Plan a server's sshd rules and one file of keys for each account."""
    here = uses(fleet, machine)
    files = [
        planned(
            machine.name,
            "/etc/ssh/sshd_config.d/backupspec.conf",
            "ssh/server.sshconfig.j2",
            Rules(notice(machine.where)),
            machine.where,
            machine.span,
        )
    ]
    for account, of in by_account(here).items():
        hosts: dict[str, list[Use]] = {}
        for use in of:
            hosts.setdefault(use.host.name, []).append(use)
        lines = tuple(line for each in hosts.values() if (line := _line(machine, each)))
        view = AuthorizedKeys(notice(machine.where), lines)
        files.append(
            planned(
                machine.name, f"{KEYS}/{account}", "ssh/account.authorized_keys.j2", view, machine.where, machine.span
            )
        )
    return tuple(files)


def machine(fleet: Fleet, name: str) -> tuple[PlannedFile, ...]:
    """Plan the accounts and folders of a machine, as a host, as a server, or both."""
    host, store = fleet.host(name), fleet.server(name)
    is_client = host is not None and host.runs
    here = () if store is None else uses(fleet, store)
    note = notice(store.where if store is not None else f"hosts.{name}")
    origin = store.where if store is not None else f"hosts.{name}"
    span = store.span if store is not None else (host.span if host is not None else fleet.span)
    lines = []
    folders: dict[str, Folder] = {}
    if store is not None:
        folders[store.storage] = _folder(store.storage, "0711", "root")
        for account, of in by_account(here).items():
            hosts = {use.host.name for use in of}
            text = f"backups of {of[0].host.name}" if len(hosts) == 1 else "backups of several hosts"
            home = store.storage if store.shared_account is not None else of[0].repository.path.rsplit("/", 1)[0]
            lines.append(AccountLine(ConfigToken(account), SysusersField(text), SysusersField(home)))
        for use in here:
            account = use.repository.account or ""
            path = use.repository.path if use.repository.per_fleet else use.repository.path.rsplit("/", 1)[0]
            if use.repository.per_fleet:
                parent = path.rsplit("/", 1)[0]
                folders[parent] = _folder(parent, "0711", "root")
            folders[path] = _folder(path, "0700", account)
    passing = () if host is None else tuple(TmpfilesField(glob.escape(path)) for path in stages.passing_folders(host))
    tmpfiles = Tmpfiles(note, is_client, tuple(folders[path] for path in sorted(folders)), passing)
    sysusers = Sysusers(note, is_client, host is not None and drills.wanted(host), tuple(lines))
    return (
        planned(name, "/etc/sysusers.d/backupspec.conf", "systemd/accounts.sysusers.j2", sysusers, origin, span),
        planned(name, "/etc/tmpfiles.d/backupspec.conf", "systemd/folders.tmpfiles.j2", tmpfiles, origin, span),
    )


def by_account(here: tuple[Use, ...]) -> dict[str, tuple[Use, ...]]:
    """Give the uses of each account, accounts sorted by name, uses by host and repository."""
    found: dict[str, list[Use]] = {}
    for use in here:
        found.setdefault(use.repository.account or "", []).append(use)
    return {account: tuple(found[account]) for account in sorted(found)}


def key_of(host: Host) -> PublicKey | None:
    """Give a host's public key, named after the host; None while its file is missing."""
    return None if host.key is None else PublicKey.parse(host.key, f"{accounts.CLIENT}@{host.name}")


def _line(store: Server, of: list[Use]) -> KeyLine | None:
    """Give a host's one line in an account, for all that it uses there; none while its key is missing.

    Sshd takes the first line of a key, so all its repositories there stand on it.
    """
    host, first = of[0].host, of[0].repository
    key = key_of(host)
    if key is None:
        return None
    words = [store.borg.path, "serve", "--umask=077"]
    if first.append_only:
        words.append("--append-only")
    for use in of:
        words += ["--restrict-to-repository", use.repository.path]
    if first.quota is not None:
        words += ["--storage-quota", str(first.quota)]
    command = KeyOption.command(ShellWord(word) for word in words)
    return KeyLine(Comment(host.where), KeyOption.flag("restrict"), _source(host), command, key)


def _source(host: Host) -> KeyOption | None:
    """Give `from=` for a host that always comes from one literal address.

    From where a jump host connects is not said.
    """
    if host.address is None or host.roaming or host.jump is not None:
        return None
    try:
        ipaddress.ip_address(host.address)
    except ValueError:
        return None
    return KeyOption.sources((host.address,))


def _host_key(key: HostKey) -> PublicKey:
    return PublicKey(key.algorithm, key.blob)


def _folder(path: str, mode: str, owner: str) -> Folder:
    return Folder(TmpfilesField(path), ConfigToken(mode), ConfigToken(owner))
