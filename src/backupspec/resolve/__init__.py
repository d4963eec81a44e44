"""Resolve: Inventory -> Fleet. Layers merged, names replaced by what they name, nothing missing.

The order of layers, the later wins: built-in default < defaults < profiles in the order listed < host < each profile's
job < the host's job < the entry in `to`. Scalars and `to` replace; lists of paths, patterns and hooks add up; `remove`
takes away what an earlier layer gave; `JOB: off` drops a job that an earlier layer brought.
"""

from __future__ import annotations

from backupspec.alert import Alert
from backupspec.diagnostic import Diagnostics, Span, has_errors
from backupspec.fleet import Fleet, Host, Retired
from backupspec.inventory import Inventory
from backupspec.resolve.machines import host_of, server_of
from backupspec.resolve.tables import Tables
from backupspec.unused import unused


def resolve(inventory: Inventory) -> tuple[Fleet, Diagnostics]:
    """Give the complete fleet; with an error among the findings it is not to be used."""
    tables = Tables(inventory)
    for written in inventory.servers:
        tables.servers[written.machine.name.value] = server_of(tables, written)
    fleet, found = _fleet(tables), tuple(tables.found)
    # Among errors a name that seems unused is most often the one that was meant.
    return fleet, found if has_errors(found) else (*found, *unused(inventory))


def _fleet(tables: Tables) -> Fleet:
    inventory = tables.inventory
    for repository in inventory.repositories:
        tables.lookup(repository.server, tables.servers, "server", f"repositories.{repository.name.value}.server")
    hosts = tuple(host_of(tables, host) for host in sorted(inventory.hosts, key=lambda host: host.machine.name.value))
    _names(tables, hosts)
    used = {profile.value for host in inventory.hosts for profile in host.profiles}
    return Fleet(
        name=inventory.fleet.value,
        sites=tuple(sorted(tables.sites)),
        servers=tuple(tables.servers[name] for name in sorted(tables.servers)),
        repositories=tuple(sorted((item.name.value, item.name.span) for item in inventory.repositories)),
        hosts=hosts,
        retired=tuple(
            sorted((Retired(item.value, item.span) for item in inventory.retired), key=lambda item: item.name)
        ),
        alerts=tuple(
            sorted(
                (Alert(item.name.value, item.mail, item.command) for item in inventory.alerts),
                key=lambda item: item.name,
            )
        ),
        profiles=tuple(sorted((layer.name.removeprefix("profile "), layer.span) for layer in inventory.profiles)),
        used_profiles=tuple(sorted(used)),
        span=inventory.fleet.span,
    )


def _names(tables: Tables, hosts: tuple[Host, ...]) -> None:
    """Report names that mean two machines at once."""
    present = {host.name: host.span for host in hosts} | {
        server.name: server.span for server in tables.servers.values()
    }
    seen: dict[str, Span] = {}
    for host in tables.inventory.hosts:
        for old in host.formerly:
            other = present.get(old.value) or seen.get(old.value)
            if other is not None:
                tables.clash(
                    f"`{old.value}` is a former name here and a machine of its own elsewhere",
                    old,
                    other,
                    f"hosts.{host.machine.name.value}.formerly",
                    "a former name belongs to one machine: take it away here, or rename the other one",
                )
            seen[old.value] = old.span
    for retired in tables.inventory.retired:
        other = present.get(retired.value)
        if other is not None:
            hint = "take it away from `retired`, or delete the machine"
            tables.clash(f"`{retired.value}` is retired and still declared", retired, other, "retired", hint)
