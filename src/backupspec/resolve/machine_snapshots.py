"""Snapshots of virtual machines: `method: snapshot` of an entry of `virtual_machines`."""

from __future__ import annotations

from typing import Literal, cast

from backupspec.domain import Domain
from backupspec.fleet import Hook, MachineSnapshots
from backupspec.inventory import Settings
from backupspec.resolve.domains import Own, Said, said_number, said_origins, said_text
from backupspec.resolve.jobs import named
from backupspec.resolve.layers import merge, value
from backupspec.resolve.tables import Tables

SNAPSHOT = "snapshot"
KEEP_FREE = 10**10
"""Bytes that stay free beside the images where the inventory does not say."""
_SETTINGS = frozenset({"schedule", "retention", "priority", "description", "hooks.before", "hooks.after"})


def snapshots_of(  # noqa: PLR0913 - what is known of one entry
    tables: Tables, host: str, name: str, wide: list[tuple[str, Settings]], own: Own, said: Said, known: Domain | None
) -> MachineSnapshots:
    """Give the snapshots of one virtual machine, of which `known` is the definition.

    How many there are is the entry's own to say: a retention that a host has for its backups would let the images grow.
    """
    where = f"hosts.{host}.virtual_machines.{name}"
    span = own[-1][2]
    merged = merge(tables, [*wide, *((layer, job.settings) for layer, job, _ in own)], where)
    if all(job.settings.retention is None for _, job, _ in own):
        tables.report(
            "BS227",
            f"nothing says how many snapshots of `{name}` stay",
            span,
            where,
            "add a `retention` to this entry, such as `retention: {hourly: 6, daily: 3}`",
        )
    origins = [
        *(item for item in merged.origins() if item[0] in _SETTINGS),
        *said_origins(said, {"keep_free": KEEP_FREE}),
    ]
    return MachineSnapshots(
        name=name,
        host=host,
        domain=said_text(said, "domain", name),
        known=() if known is None else known.disks,
        firmware=known is not None and known.raw_firmware,
        keep_free=said_number(said, "keep_free", KEEP_FREE),
        schedule=named(tables, merged, "schedule", tables.schedules, where),
        retention=named(tables, merged, "retention", tables.retentions, where),
        priority=cast(Literal["low", "normal", "idle"], value(merged, "priority")),
        before=cast(tuple[Hook, ...], merged.values("before")),
        after=cast(tuple[Hook, ...], merged.values("after")),
        description=str(value(merged, "description")),
        origins=tuple(sorted(origins, key=lambda item: (item[0], item[1]))),
        span=span,
    )
