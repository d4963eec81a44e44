"""Which settings a method of `virtual_machines` has a use for."""

from __future__ import annotations

import dataclasses

from backupspec.inventory import Settings
from backupspec.resolve.domains import Own, Said, said_text
from backupspec.resolve.tables import Tables

_OF_BACKUPS = frozenset(
    {"disks", "without", "quiesce", "chunk_size", "scratch", "scratch_free", "guest", "drill"}
    | {"to", "compression", "upload_limit"}
)
_OF_CHAINS = frozenset({"full_every"})
_OF_SNAPSHOTS = frozenset({"keep_free"})
_OF_GUESTS = frozenset({"guest"})
_OF_BOTH = frozenset({"schedule", "retention", "priority", "before", "after"})
_VAIN = {
    "pull": _OF_CHAINS | _OF_SNAPSHOTS,
    "incremental": _OF_SNAPSHOTS,
    "guest": (_OF_BACKUPS | _OF_CHAINS | _OF_SNAPSHOTS | _OF_BOTH) - _OF_GUESTS,
    "snapshot": _OF_BACKUPS | _OF_CHAINS,
}
_HINTS = {
    "pull": "delete it, or write `method: {fit}`",
    "incremental": "delete it, or write `method: {fit}`",
    "guest": "delete it: nothing is read from outside, and the guest's own host says how it is backed up",
    "snapshot": "delete it: a snapshot has all disks, and stays in their images",
}


def check_method(tables: Tables, own: Own, said: Said, where: str) -> None:
    """Report what an entry itself says and its method does nothing with."""
    method = said_text(said, "method", "pull")
    vain = _VAIN[method]
    found = {key: option.span for key, (option, _) in said.items()}
    for _, entry, _ in own:
        for item in dataclasses.fields(Settings):
            written = getattr(entry.settings, item.name)
            if item.name in vain and written:
                found[item.name] = (written[0] if isinstance(written, tuple) else written).span
    for key in sorted(found.keys() & vain):
        name = f"hooks.{key}" if key in {"before", "after"} else key
        hint = _HINTS[method].format(fit="incremental" if key in _OF_CHAINS else "snapshot")
        message = f"`{name}` has no meaning for `method: {method}`"
        tables.report("BS226", message, found[key], f"{where}.{name}", hint)
