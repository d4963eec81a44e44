"""Servers and hosts."""

from __future__ import annotations

from typing import cast

from backupspec.fleet import Host, Server
from backupspec.inventory import Machine, WrittenHost, WrittenJump, WrittenServer
from backupspec.resolve.databases import databases_of
from backupspec.resolve.jobs import WIDE, files_of, without_live
from backupspec.resolve.keys import host_key
from backupspec.resolve.layers import merge, value
from backupspec.resolve.own import own_origins
from backupspec.resolve.tables import Tables
from backupspec.resolve.virtual_machines import virtual_machines_of
from backupspec.schedule import Quiet
from backupspec.source import names_key_file
from backupspec.ssh_peers import Jump
from backupspec.systems import DEFAULT_SYSTEM, SYSTEMS, Borg, BorgVersion, System
from backupspec.virtual_machine import NotBackedUp

_FOLLOW = frozenset({"BS203", "BS204", "BS210"})
"""What is found of a host when one of its layers is not there."""


def server_of(tables: Tables, written: WrittenServer) -> Server:
    """Give the server, complete."""
    machine = written.machine
    name = machine.name.value
    where = f"servers.{name}"
    system, borg = _system(tables, machine, None, where)
    shared = None
    if written.accounts == "shared":
        shared = "borg" if written.account is None else written.account.value
    elif written.account is not None:
        tables.report(
            "BS208",
            "`account` is for `accounts: shared` only",
            written.account.span,
            where,
            "delete it (each host has an account of its own here), or add `accounts: shared`",
        )
    return Server(
        name=name,
        site=_site(tables, machine, where),
        address="" if machine.address is None else machine.address.value,
        port=written.port,
        host_key=host_key(tables, written.host_key, f"{where}.host_key"),
        system=system,
        borg=borg,
        storage=written.storage.value,
        storage_mounted=tuple(sorted(item.value for item in written.storage_mounted)),
        capacity=None if written.capacity is None else written.capacity.value,
        shared_account=shared,
        span=machine.name.span,
    )


def host_of(tables: Tables, written: WrittenHost) -> Host:
    """Give the host with all its jobs."""
    machine = written.machine
    name = machine.name.value
    where = f"hosts.{name}"
    server = tables.servers.get(name)
    system, borg = _system(tables, machine, server, where)
    layers = [] if tables.inventory.defaults is None else [tables.inventory.defaults]
    known = [tables.lookup(profile, tables.profiles, "profile", f"{where}.profiles") for profile in written.profiles]
    layers += [profile for profile in known if profile is not None]
    layers.append(written.layer)
    before = len(tables.found)
    wide = merge(tables, [(layer.name, layer.settings) for layer in layers], where)
    key_name = f"keys/{name}.pub" if written.ssh_key is None else written.ssh_key.value
    inline = not names_key_file(key_name)
    jump = wide.scalar("jump")
    files = files_of(tables, written, layers)
    taken = {job.name: ("files job", job.span) for job in files}
    databases = databases_of(tables, written, layers, taken)
    taken |= {job.name: ("databases job", job.span) for job in databases}
    machines, snapshots = virtual_machines_of(tables, written, layers, taken)
    if None in known:  # what that profile would have brought is not missing as well
        tables.found[before:] = [found for found in tables.found[before:] if found.code not in _FOLLOW]
    return Host(
        name=name,
        site=_site(tables, machine, where) or (server.site if server else None),
        address=machine.address.value if machine.address else (server.address if server else None),
        system=system,
        borg=borg,
        key=key_name if inline else tables.files.get(key_name),
        key_file="" if inline else key_name,
        key_span=machine.name.span if written.ssh_key is None else written.ssh_key.span,
        formerly=tuple(item.value for item in written.formerly),
        quiet=cast(Quiet | None, value(wide, "quiet")),
        roaming=bool(value(wide, "roaming")),
        on_ac_only=bool(value(wide, "on_ac_only")),
        stay_awake=bool(value(wide, "stay_awake")) or bool(value(wide, "roaming")),
        jump=None if jump is None else _jump(tables, cast(WrittenJump, jump.value), f"{where}.jump"),
        files=tuple(without_live(job, [path for each in databases for path in each.own]) for job in files),
        databases=databases,
        virtual_machines=machines,
        machine_snapshots=snapshots,
        not_backed_up=tuple(
            sorted(
                (NotBackedUp(what.value, because, what.span) for what, because in written.not_backed_up),
                key=lambda item: item.what,
            )
        ),
        origins=(
            *own_origins(written, server, system, borg, key_name),
            *(item for item in wide.origins() if item[0] in WIDE),
        ),
        span=machine.name.span,
    )


def _system(tables: Tables, machine: Machine, server: Server | None, where: str) -> tuple[System, Borg]:
    system = server.system if server else DEFAULT_SYSTEM
    if machine.os is not None:
        found = tables.lookup(machine.os, SYSTEMS, "operating system", f"{where}.os")
        if server is not None and found not in {None, server.system}:
            tables.report(
                "BS209",
                f"`{machine.name.value}` is {machine.os.value} here and {server.system.name} as a server",
                machine.os.span,
                where,
                "say `os` in one of the two places; the other takes it over",
            )
        system = found or system
    borg = server.borg if server else Borg(system.borg, "/usr/bin/borg")
    if machine.os is not None and server is None:
        borg = Borg(system.borg, "/usr/bin/borg")
    if machine.borg is not None:
        version = cast(BorgVersion, machine.borg.version or system.borg)
        borg = Borg(version, machine.borg.path or "/usr/bin/borg")
    return system, borg


def _site(tables: Tables, machine: Machine, where: str) -> str | None:
    if machine.site is None:
        return None
    if machine.site.value not in tables.sites:
        tables.missing("site", machine.site, tables.sites, f"{where}.site")
    return machine.site.value


def _jump(tables: Tables, written: WrittenJump, where: str) -> Jump:
    return Jump(
        written.address.value,
        written.port,
        written.user.value,
        host_key(tables, written.host_key, f"{where}.host_key"),
    )
