"""The folders on a machine that are backupspec's own."""

from __future__ import annotations

CONFIG = "/etc/backupspec"
CREDENTIALS = "/etc/backupspec/credentials"
STATE = "/var/lib/backupspec"
RESTORE = "/var/lib/backupspec-restore"
STAGE = "/var/lib/backupspec-stage"
"""Where dumps lie for the moment that another account than the jobs' has to write them."""

SNAPSHOTS = "/run/backupspec/snapshots"
"""Where a job finds the files of its snapshot, at a path that is the same in every run."""

OWN_SECRETS = (
    CREDENTIALS,
    "/etc/credstore",
    "/etc/credstore.encrypted",
    "/run/credentials",
    STATE,
    RESTORE,
    STAGE,
)
"""What no job may back up: its own keys, passphrases, caches.

A copy of them in the repository that they open is worth nothing and leaks.
"""
