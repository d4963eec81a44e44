"""Resolve: Inventory -> Fleet. Layers merged, names replaced by what they name, nothing missing.

The order of layers, the later wins: built-in default < defaults < profiles in the order listed < host < each profile's job < the host's job < the entry in `to`.
Scalars and `to` replace; lists of paths, patterns and hooks add up; `remove` takes away what an earlier layer gave; `JOB: off` drops a job that an earlier layer brought.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, TypeVar, cast

from backupspec import accounts
from backupspec.catalogue import diagnose
from backupspec.diagnostic import Diagnostic, Diagnostics, Related, Span
from backupspec.fleet import (
    DEFAULT_SYSTEM,
    SYSTEMS,
    Alert,
    Borg,
    BorgVersion,
    FilesJob,
    Fleet,
    Foreign,
    Hook,
    Host,
    HostKey,
    Jump,
    Origin,
    Repository,
    Retention,
    Retired,
    Server,
    System,
    Target,
)
from backupspec.inventory import (
    Inventory,
    Layer,
    Machine,
    Settings,
    Written,
    WrittenHost,
    WrittenJump,
    WrittenRepository,
    WrittenServer,
    WrittenTarget,
)
from backupspec.schedule import Schedule, Window
from backupspec.suggest import did_you_mean

T = TypeVar("T")

BUILT_IN_SCHEDULE = Schedule(timezone="UTC", window=Window(60, 300))
BUILT_IN_RETENTION = Retention(daily=7, weekly=4, monthly=6)
BUILT_IN: Mapping[str, object] = {
    "compression": "auto,zstd,3",
    "one_file_system": False,
    "honour_markers": True,
    "priority": "low",
    "schedule": BUILT_IN_SCHEDULE,
    "retention": BUILT_IN_RETENTION,
    "roaming": False,
    "on_ac_only": False,
    "stay_awake": False,
    "history": False,
    "description": "",
}
LISTS = ("paths", "optional_paths", "mounted", "exclude", "except_", "before", "after")
KEY_TYPES = ("ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "ssh-rsa", "sk-ssh-ed25519@openssh.com")


def resolve(inventory: Inventory) -> tuple[Fleet, Diagnostics]:
    """Give the complete fleet; with an error among the findings it is not to be used."""
    resolver = _Resolver(inventory)
    return resolver.fleet(), tuple(resolver.found)


@dataclass(frozen=True, slots=True)
class _Merged:
    """The result of merging layers: the winning scalar of each field, the sum of each list, and where each value came from."""

    scalars: Mapping[str, tuple[Written[object], str]]
    lists: Mapping[str, tuple[tuple[Written[object], str], ...]]

    def scalar(self, field: str) -> Written[object] | None:
        found = self.scalars.get(field)
        return None if found is None else found[0]

    def values(self, field: str) -> tuple[object, ...]:
        """Give a list's values without repetitions; hooks keep their order, all else is sorted."""
        seen = tuple(dict.fromkeys(value.value for value, _ in self.lists.get(field, ())))
        return seen if field in {"before", "after"} else tuple(sorted(seen, key=str))

    def texts(self, field: str) -> tuple[str, ...]:
        return tuple(str(value) for value in self.values(field))

    def origins(self) -> tuple[tuple[str, str, Origin], ...]:
        said = [(_key(field), _said(value.value), Origin(layer, value.span)) for field, (value, layer) in self.scalars.items()]
        said += [
            (_key(field), _said(value), Origin("built-in default", None))
            for field, value in BUILT_IN.items()
            if field not in self.scalars and value != ""
        ]
        said += [(_key(field), _said(value.value), Origin(layer, value.span)) for field, items in self.lists.items() for value, layer in items]
        return tuple(sorted(said, key=lambda item: (item[0], item[1])))


class _Resolver:
    """Holds the tables of names and collects findings. One instance serves one call of `resolve`."""

    def __init__(self, inventory: Inventory) -> None:
        self.inventory = inventory
        self.found: list[Diagnostic] = []
        self.files = dict(inventory.files)
        self.schedules = {name.value: schedule for name, schedule in inventory.schedules}
        self.retentions = {name.value: retention for name, retention in inventory.retentions}
        self.sites = {site.value for site in inventory.sites}
        self.profiles = {layer.name.removeprefix("profile "): layer for layer in inventory.profiles}
        self.repositories = {repository.name.value: repository for repository in inventory.repositories}
        self.servers: dict[str, Server] = {}
        for written in inventory.servers:
            self.servers[written.machine.name.value] = self.server(written)

    def fleet(self) -> Fleet:
        inventory = self.inventory
        for repository in inventory.repositories:
            self.lookup(repository.server, self.servers, "server", f"repositories.{repository.name.value}.server")
        hosts = tuple(self.host(host) for host in sorted(inventory.hosts, key=lambda host: host.machine.name.value))
        self.names(hosts)
        used = {profile.value for host in inventory.hosts for profile in host.profiles}
        return Fleet(
            name=inventory.fleet.value,
            sites=tuple(sorted(self.sites)),
            servers=tuple(self.servers[name] for name in sorted(self.servers)),
            repositories=tuple(sorted((item.name.value, item.name.span) for item in inventory.repositories)),
            hosts=hosts,
            retired=tuple(sorted((Retired(item.value, item.span) for item in inventory.retired), key=lambda item: item.name)),
            alerts=tuple(sorted((Alert(item.name.value, item.mail, item.command) for item in inventory.alerts), key=lambda item: item.name)),
            profiles=tuple(sorted((layer.name.removeprefix("profile "), layer.span) for layer in inventory.profiles)),
            used_profiles=tuple(sorted(used)),
            span=inventory.fleet.span,
        )

    # Machines -------------------------------------------------------------------------------------------------

    def server(self, written: WrittenServer) -> Server:
        machine = written.machine
        name = machine.name.value
        where = f"servers.{name}"
        system, borg = self.system(machine, None, where)
        shared = None
        if written.accounts == "shared":
            shared = "borg" if written.account is None else written.account.value
        elif written.account is not None:
            self.report("BS208", "`account` is for `accounts: shared` only", written.account.span, where, "each host has an account of its own here")
        return Server(
            name=name,
            site=self.site(machine, where),
            address="" if machine.address is None else machine.address.value,
            port=written.port,
            host_key=self.host_key(written.host_key, f"{where}.host_key"),
            system=system,
            borg=borg,
            storage=written.storage.value,
            storage_mounted=tuple(sorted(item.value for item in written.storage_mounted)),
            capacity=None if written.capacity is None else written.capacity.value,
            shared_account=shared,
            span=machine.name.span,
        )

    def host(self, written: WrittenHost) -> Host:
        machine = written.machine
        name = machine.name.value
        where = f"hosts.{name}"
        server = self.servers.get(name)
        system, borg = self.system(machine, server, where)
        layers = [] if self.inventory.defaults is None else [self.inventory.defaults]
        for profile in written.profiles:
            found = self.lookup(profile, self.profiles, "profile", f"{where}.profiles")
            if found is not None:
                layers.append(found)
        layers.append(written.layer)
        wide = self.merge([(layer.name, layer.settings) for layer in layers], where)
        key_name = f"keys/{name}.pub" if written.ssh_key is None else written.ssh_key.value
        inline = key_name.startswith(KEY_TYPES)
        jump = wide.scalar("jump")
        return Host(
            name=name,
            site=self.site(machine, where) or (server.site if server else None),
            address=machine.address.value if machine.address else (server.address if server else None),
            system=system,
            borg=borg,
            key=key_name if inline else self.files.get(key_name),
            key_file="" if inline else key_name,
            key_span=machine.name.span if written.ssh_key is None else written.ssh_key.span,
            formerly=tuple(item.value for item in written.formerly),
            quiet=_value(wide, "quiet"),
            roaming=bool(_value(wide, "roaming")),
            on_ac_only=bool(_value(wide, "on_ac_only")),
            stay_awake=bool(_value(wide, "stay_awake")) or bool(_value(wide, "roaming")),
            jump=None if jump is None else self.jump(cast(WrittenJump, jump.value), f"{where}.jump"),
            jobs=self.jobs(written, layers),
            origins=tuple(item for item in wide.origins() if item[0] in {"quiet", "roaming", "on_ac_only", "stay_awake", "jump"}),
            span=machine.name.span,
        )

    def system(self, machine: Machine, server: Server | None, where: str) -> tuple[System, Borg]:
        system = server.system if server else DEFAULT_SYSTEM
        if machine.os is not None:
            found = self.lookup(machine.os, SYSTEMS, "operating system", f"{where}.os")
            if server is not None and found not in {None, server.system}:
                self.report("BS209", f"`{machine.name.value}` is {machine.os.value} here and {server.system.name} as a server", machine.os.span, where)
            system = found or system
        borg = server.borg if server else Borg(system.borg, "/usr/bin/borg")
        if machine.os is not None and server is None:
            borg = Borg(system.borg, "/usr/bin/borg")
        if machine.borg is not None:
            version = cast(BorgVersion, machine.borg.version or system.borg)
            borg = Borg(version, machine.borg.path or "/usr/bin/borg")
        return system, borg

    def site(self, machine: Machine, where: str) -> str | None:
        if machine.site is None:
            return None
        if machine.site.value not in self.sites:
            self.missing("site", machine.site, self.sites, f"{where}.site")
        return machine.site.value

    def host_key(self, written: Written[str], where: str) -> HostKey:
        text: str | None = written.value
        if not written.value.startswith(KEY_TYPES):
            text = self.files.get(written.value)
        if text is None:
            self.report(
                "BS205",
                f"there is no readable file `{written.value}`",
                written.span,
                where,
                "copy the machine's /etc/ssh/ssh_host_ed25519_key.pub there",
            )
            return HostKey("ssh-ed25519", "")
        if "PRIVATE KEY" in text:
            self.report("BS206", "this is a private key; the inventory holds public keys only", written.span, where, "remove it from git and make a new one")
            return HostKey("ssh-ed25519", "")
        words = text.split()
        if len(text.strip().splitlines()) != 1 or len(words) < 2 or words[0] not in KEY_TYPES or not re.fullmatch(r"[A-Za-z0-9+/]{16,}={0,2}", words[1]):  # noqa: PLR2004 - type and blob
            self.report("BS207", "this is not one public ssh key", written.span, where, "one line such as `ssh-ed25519 AAAA…`")
            return HostKey("ssh-ed25519", "")
        return HostKey(words[0], words[1])

    def jump(self, written: WrittenJump, where: str) -> Jump:
        return Jump(written.address.value, written.port, written.user.value, self.host_key(written.host_key, f"{where}.host_key"))

    # Jobs -----------------------------------------------------------------------------------------------------

    def jobs(self, written: WrittenHost, layers: list[Layer]) -> tuple[FilesJob, ...]:
        known: dict[str, list[tuple[str, Settings, Span]]] = {}
        host = written.machine.name.value
        for layer in layers:
            for name, settings in layer.jobs:
                if settings is None:
                    if known.pop(name.value, None) is None:
                        self.report(
                            "BS204",
                            f"`{name.value}: off` turns off a job that no earlier layer has",
                            name.span,
                            f"hosts.{host}.files.{name.value}",
                            did_you_mean(name.value, known),
                        )
                else:
                    known.setdefault(name.value, []).append((f"{layer.name}, job {name.value}", settings, name.span))
        wide = [(layer.name, layer.settings) for layer in layers]
        jobs = [self.job(written, name, wide, known[name]) for name in sorted(known)]
        return tuple(_nested(job, jobs) for job in jobs)

    def job(
        self, written: WrittenHost, name: str, wide: list[tuple[str, Settings]], own: list[tuple[str, Settings, Span]]
    ) -> FilesJob:
        host = written.machine.name.value
        where = f"hosts.{host}.files.{name}"
        span = own[-1][2]
        layers = [*wide, *((layer, settings) for layer, settings, _ in own)]
        merged = self.merge(layers, where)
        to = merged.scalar("to")
        if to is None or not to.value:
            self.report("BS210", f"the job `{name}` of {host} has nowhere to go", span, where, "say `to: [REPOSITORY]` in the job, the host, a profile or `defaults`")
        targets = () if to is None else cast(tuple[WrittenTarget, ...], to.value)
        removed = {item.value for _, settings in layers for field, items in settings.remove if field == "to" for item in items}
        spans = [
            (str(value.value), value.span)
            for field in ("paths", "optional_paths", "mounted", "exclude", "except_")
            for value, _ in merged.lists.get(field, ())
        ]
        return FilesJob(
            name=name,
            host=host,
            series=(host, *(item.value for item in written.formerly)),
            paths=merged.texts("paths"),
            optional_paths=merged.texts("optional_paths"),
            mounted=merged.texts("mounted"),
            exclude=merged.texts("exclude"),
            except_=merged.texts("except_"),
            inner=(),
            compression=str(_value(merged, "compression")),
            one_file_system=bool(_value(merged, "one_file_system")),
            honour_markers=bool(_value(merged, "honour_markers")),
            priority=cast(Literal["low", "normal", "idle"], _value(merged, "priority")),
            before=cast(tuple[Hook, ...], merged.values("before")),
            after=cast(tuple[Hook, ...], merged.values("after")),
            history=bool(_value(merged, "history")),
            description=str(_value(merged, "description")),
            targets=self.targets(written, [target for target in targets if target.repository.value not in removed], layers, where),
            origins=tuple(item for item in merged.origins() if item[0] not in {"quiet", "roaming", "on_ac_only", "stay_awake", "jump"}),
            path_spans=tuple(sorted(spans)),
            span=span,
        )

    def targets(
        self, written: WrittenHost, targets: Iterable[WrittenTarget], layers: list[tuple[str, Settings]], where: str
    ) -> tuple[Target, ...]:
        found = []
        for target in sorted(targets, key=lambda item: item.repository.value):
            name = target.repository.value
            repository = self.lookup(target.repository, self.repositories, "repository", f"{where}.to")
            if repository is None:
                continue
            merged = self.merge([*layers, (f"to {name}", target.settings)], where)
            schedule = self.named(merged, "schedule", self.schedules, where, BUILT_IN_SCHEDULE)
            retention = self.named(merged, "retention", self.retentions, where, BUILT_IN_RETENTION)
            limit = merged.scalar("upload_limit")
            origins = tuple(item for item in merged.origins() if item[0] in {"schedule", "retention", "upload_limit"})
            found.append(
                Target(
                    repository=self.repository(repository, written),
                    schedule=schedule,
                    retention=retention,
                    upload_limit=None if limit is None else cast(int, limit.value),
                    origins=origins,
                    span=target.repository.span,
                )
            )
        return tuple(found)

    def named(self, merged: _Merged, field: str, table: Mapping[str, T], where: str, built_in: T) -> T:
        written = merged.scalar(field)
        if written is None:
            return built_in
        if not isinstance(written.value, str):
            return cast(T, written.value)
        return self.lookup(cast(Written[str], written), table, field, f"{where}.{field}") or built_in

    def repository(self, written: WrittenRepository, host: WrittenHost) -> Repository:
        name, machine = written.name.value, host.machine.name.value
        folder = host.formerly[0].value if host.formerly else machine
        server = None if written.server is None else self.servers.get(written.server.value)
        foreign, path, account = None, "", None
        if server is not None:
            path = f"{server.storage}/_fleet/{name}" if written.per_fleet else f"{server.storage}/{folder}/{name}"
            account = server.shared_account or accounts.account(f"fleet-{name}" if written.per_fleet else folder)
        elif written.path is not None:
            path = written.path.value.replace("{host}", folder)
        elif written.url is not None:
            foreign, path = self.foreign(written, folder)
        quota = next((value.value for item, value in host.quotas if item.value == name), None if written.quota is None else written.quota.value)
        credential, generated = None, False
        if written.encryption.value not in {"none"}:
            generated = written.credential is None and not written.per_fleet
            credential = f"passphrase-{name}" if written.credential is None else written.credential.value
        return Repository(
            name=name,
            server=server,
            foreign=foreign,
            path=path,
            account=account,
            per_fleet=written.per_fleet,
            encryption=written.encryption.value,
            credential=credential,
            credential_generated=generated,
            append_only=written.append_only.value,
            quota=quota,
            present_sometimes=written.present_sometimes,
            mounted=tuple(sorted(item.value for item in written.mounted)),
            check=written.check,
            span=written.name.span,
        )

    def foreign(self, written: WrittenRepository, folder: str) -> tuple[Foreign, str]:
        url = cast(Written[str], written.url)
        match = re.fullmatch(r"ssh://(?:([^@/]+)@)?([^:/@\[\]]+|\[[0-9a-fA-F:]+\])(?::(\d+))?(/.*)", url.value)
        key = HostKey("ssh-ed25519", "")
        if written.host_key is not None:
            key = self.host_key(written.host_key, f"repositories.{written.name.value}.host_key")
        if match is None:
            self.report("BS211", f"`{url.value}` is no repository location", url.span, f"repositories.{written.name.value}.url", "ssh://USER@HOST[:PORT]/PATH")
            return Foreign(None, "", 22, key, None), ""
        user, address, port, path = match.groups()
        return (
            Foreign(user, address.strip("[]"), int(port or 22), key, None if written.remote_borg is None else written.remote_borg.value),
            path.replace("{host}", folder),
        )

    # Merging and looking up -----------------------------------------------------------------------------------

    def merge(self, layers: list[tuple[str, Settings]], where: str) -> _Merged:
        scalars: dict[str, tuple[Written[object], str]] = {}
        lists: dict[str, list[tuple[Written[object], str]]] = {field: [] for field in LISTS}
        for layer, settings in layers:
            for field, items in settings.remove:
                if field in lists:
                    self.remove(lists[field], items, field, where)
            for item in dataclasses.fields(settings):
                value = getattr(settings, item.name)
                if item.name in lists:
                    lists[item.name] += [(entry, layer) for entry in value]
                elif item.name != "remove" and value is not None:
                    scalars[item.name] = (value, layer)
        return _Merged(scalars, {field: tuple(items) for field, items in lists.items()})

    def remove(self, given: list[tuple[Written[object], str]], items: tuple[Written[str], ...], field: str, where: str) -> None:
        for item in items:
            left = [entry for entry in given if entry[0].value != item.value]
            if len(left) == len(given):
                known = [str(entry[0].value) for entry in given]
                self.report("BS203", f"`remove` names `{item.value}`, which no earlier layer gives", item.span, f"{where}.{_key(field)}", did_you_mean(item.value, known))
            given[:] = left

    def lookup(self, name: Written[str] | None, table: Mapping[str, T], kind: str, where: str) -> T | None:
        if name is None:
            return None
        if name.value not in table:
            self.missing(kind, name, table, where)
            return None
        return table[name.value]

    def missing(self, kind: str, name: Written[str], known: Iterable[str], where: str) -> None:
        names = sorted(known)
        hint = did_you_mean(name.value, names) or (f"known: {', '.join(names)}" if names else f"no {kind} is declared at all")
        self.report("BS201", f"there is no {kind} `{name.value}`", name.span, where, hint)

    def names(self, hosts: tuple[Host, ...]) -> None:
        """Report names that mean two machines at once."""
        present = {host.name: host.span for host in hosts} | {server.name: server.span for server in self.servers.values()}
        seen: dict[str, Span] = {}
        for host in self.inventory.hosts:
            for old in host.formerly:
                other = present.get(old.value) or seen.get(old.value)
                if other is not None:
                    self.clash("BS202", f"`{old.value}` is a former name here and a machine of its own elsewhere", old, other)
                seen[old.value] = old.span
        for retired in self.inventory.retired:
            other = present.get(retired.value)
            if other is not None:
                self.clash("BS202", f"`{retired.value}` is retired and still declared", retired, other)

    def clash(self, code: str, message: str, name: Written[str], other: Span) -> None:
        found = diagnose(code, message, name.span, where=name.value, related=(Related("also here", other),))
        if found not in self.found:
            self.found.append(found)

    def report(self, code: str, message: str, span: Span, where: str, hint: str = "") -> None:
        """Add a finding, once: a profile's mistake is met by each of its hosts."""
        if not any(item.code == code and item.span == span and item.message == message for item in self.found):
            self.found.append(diagnose(code, message, span, where=where, hint=hint))


def _nested(job: FilesJob, jobs: list[FilesJob]) -> FilesJob:
    """Leave the paths of deeper jobs of the same host to them."""
    own = (*job.paths, *job.optional_paths)
    others = {path for other in jobs if other.name != job.name for path in (*other.paths, *other.optional_paths)}
    inner = sorted(path for path in others - set(own) if any(_below(path, outer) for outer in own))
    return dataclasses.replace(job, inner=tuple(inner))


def _below(path: str, folder: str) -> bool:
    return path != folder and path.startswith(folder.rstrip("/") + "/")


def _value(merged: _Merged, field: str) -> object:
    found = merged.scalar(field)
    return BUILT_IN.get(field) if found is None else found.value


def _key(field: str) -> str:
    return {"except_": "except", "before": "hooks.before", "after": "hooks.after"}.get(field, field)


def _said(value: object) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case Hook():
            return f"{' '.join(value.argv)} (as {value.user})"
        case tuple():
            return ", ".join(item.repository.value for item in value)
        case WrittenJump():
            return f"{value.user.value}@{value.address.value}:{value.port}"
        case _:
            return str(value)
