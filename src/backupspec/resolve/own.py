"""What a host says of itself, and not of its jobs: where each of these values comes from."""

from __future__ import annotations

from collections.abc import Iterator

from backupspec.fleet import Origin, Server
from backupspec.inventory import WrittenHost
from backupspec.systems import Borg, System

_HOST = "host"
_BUILT_IN = "built-in default"


def own_origins(
    written: WrittenHost, server: Server | None, system: System, borg: Borg, key: str
) -> Iterator[tuple[str, str, Origin]]:
    """Give (setting, value as text, origin) of what a host says of itself, defaults included.

    Not what it takes over from the server of its name: that is explained under the same name, with its own line.
    """
    machine = written.machine
    for name, said in (("site", machine.site), ("address", machine.address)):
        if said is not None:
            yield name, said.value, Origin(_HOST, said.span)
    if machine.os is not None:
        yield "os", machine.os.value, Origin(_HOST, machine.os.span)
    elif server is None:
        yield "os", system.name, Origin(_BUILT_IN, None)
    if machine.borg is not None:
        yield "borg", f"{borg.version}, {borg.path}", Origin(_HOST, machine.borg.span)
    elif machine.os is not None or server is None:
        yield "borg", f"{borg.version}, {borg.path}", Origin(f"operating system {system.name}", None)
    key_origin = Origin(_BUILT_IN, None) if written.ssh_key is None else Origin(_HOST, written.ssh_key.span)
    yield "ssh_key", key, key_origin
    for name, items in (("profiles", written.profiles), ("formerly", written.formerly)):
        for item in items:
            yield name, item.value, Origin(_HOST, item.span)
    for repository, quota in written.quotas:
        yield f"repositories.{repository.value}.quota", f"{quota.value} bytes", Origin(_HOST, quota.span)
