"""Gives Borg a name for this machine that is the same with and without a network."""

from __future__ import annotations

import hashlib
import os
import socket
from pathlib import Path

_MACHINE_ID = Path("/etc/machine-id")


def settle_host_id() -> None:
    """Set BORG_HOST_ID unless it is set, so that the lock of a killed run is known to be stale by the next one here.

    Borg's own choice holds a card's address, and a random number where there is no card. To be called before Borg's
    package is loaded: it looks once. The machine's id goes in as a digest, since locks also lie on other machines.
    """
    if os.environ.get("BORG_HOST_ID"):
        return
    try:
        machine = _MACHINE_ID.read_bytes().strip()
    except OSError:
        machine = b""
    digest = hashlib.sha256(b"backupspec migrate " + machine).hexdigest()
    os.environ["BORG_HOST_ID"] = f"{socket.gethostname()}-{digest[:16]}@backupspec"
