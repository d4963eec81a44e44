"""Where things lie on a machine."""

from __future__ import annotations

from backupspec import own_folders
from backupspec.diagnostic import Span
from backupspec.fleet import Host, Repository
from backupspec.plan.types import PlannedFile
from backupspec.words import Comment

UNITS = "/etc/systemd/system"
SCRIPTS = "/usr/local/lib/backupspec"
CONFIG = own_folders.CONFIG
CREDENTIALS = own_folders.CREDENTIALS
STATE = own_folders.STATE
RESTORE = own_folders.RESTORE
STAGE = own_folders.STAGE
DRILLS = f"{STATE}/drill"
KEYS = "/etc/ssh/backupspec"
RUN = "/run/backupspec-vm"
"""Sockets, locks and notes of the moment about virtual machines, which libvirt's hook reads too."""


def lock_of(repository: Repository) -> str:
    """Give the file that the jobs of a host lock while they have a repository."""
    return f"{STATE}/{repository.name}.lock"


def notice(origin: str) -> Comment:
    """Give the line that tells a reader of a compiled file where to change it."""
    return Comment(f"Compiled by backupspec from {origin}; change the inventory, not this file.")


def planned(  # noqa: PLR0913 - one argument for each field of a file, none of which has a default
    host: str, path: str, template: str, view: object, origin: str, span: Span, *, mode: int = 0o644
) -> PlannedFile:
    """Plan one file of a host's image; `path` is the absolute path on the machine."""
    return PlannedFile(f"hosts/{host}/root{path}", mode, "root:root", template, view, origin, span)


def script(host: Host, path: str, template: str, view: object, origin: str) -> PlannedFile:
    """Plan one shell script of a host; `template` is named without its suffix."""
    return planned(host.name, path, f"{template}.sh.j2", view, origin, host.span, mode=0o755)
