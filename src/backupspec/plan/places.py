"""Where things lie on a machine."""

from __future__ import annotations

from backupspec.diagnostic import Span
from backupspec.fleet import Host
from backupspec.plan.types import PlannedFile
from backupspec.words import Comment

UNITS = "/etc/systemd/system"
SCRIPTS = "/usr/local/lib/backupspec"
CONFIG = "/etc/backupspec"
CREDENTIALS = "/etc/backupspec/credentials"
STATE = "/var/lib/backupspec"
RESTORE = "/var/lib/backupspec-restore"
KEYS = "/etc/ssh/backupspec"

OWN_SECRETS = (
    CREDENTIALS,
    "/etc/credstore",
    "/etc/credstore.encrypted",
    "/run/credentials",
    STATE,
    RESTORE,
)
"""What no job may back up: its own keys, passphrases, caches.

A copy of them in the repository that they open is worth nothing and leaks.
"""


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
