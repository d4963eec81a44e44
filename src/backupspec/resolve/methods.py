"""Which settings a method of `virtual_machines` has a use for."""

from __future__ import annotations

import dataclasses

from backupspec.inventory import Settings
from backupspec.resolve.domains import Own, Said, said_text
from backupspec.resolve.machine_snapshots import SNAPSHOT
from backupspec.resolve.tables import Tables

_OF_BACKUPS = frozenset(
    {"disks", "without", "quiesce", "chunk_size", "scratch", "scratch_free", "guest", "drill"}
    | {"to", "compression", "upload_limit"}
)
_OF_SNAPSHOTS = frozenset({"keep_free"})


def check_method(tables: Tables, own: Own, said: Said, where: str) -> None:
    """Report what an entry itself says and its method does nothing with."""
    method = said_text(said, "method", "pull")
    vain = _OF_BACKUPS if method == SNAPSHOT else _OF_SNAPSHOTS
    found = {key: option.span for key, (option, _) in said.items()}
    for _, entry, _ in own:
        for item in dataclasses.fields(Settings):
            written = getattr(entry.settings, item.name)
            if item.name in vain and written is not None:
                found[item.name] = written.span
    hint = (
        "delete it: a snapshot has all disks, and stays in their images"
        if method == SNAPSHOT
        else "delete it, or write `method: snapshot`"
    )
    for key in sorted(found.keys() & vain):
        tables.report("BS226", f"`{key}` has no meaning for `method: {method}`", found[key], f"{where}.{key}", hint)
