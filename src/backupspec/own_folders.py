"""The folders on a machine that are backupspec's own."""

from __future__ import annotations

CONFIG = "/etc/backupspec"
CREDENTIALS = "/etc/backupspec/credentials"
STATE = "/var/lib/backupspec"
RESTORE = "/var/lib/backupspec-restore"

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
