"""Unix account names for hosts (useradd(8), systemd-sysusers(8)).

A letter first, then letters, digits and `-`, 31 characters at the most.
"""

from __future__ import annotations

import hashlib

PREFIX = "bs-"
LONGEST = 31
CLIENT = "backupspec"
"""The account that runs the jobs of a host."""
GROUP = "bs-accounts"
"""The group of all accounts that a server compiles, so that sshd's rules need name none of them."""


def account(name: str) -> str:
    """Give the account of the host called `name`.

    Two names that differ only in `.` and `-` collide, which `analyse` reports.
    """
    fit = PREFIX + name.replace(".", "-")
    if len(fit) <= LONGEST:
        return fit
    digest = hashlib.sha256(name.encode()).hexdigest()[:6]
    return f"{fit[: LONGEST - 7]}-{digest}"
