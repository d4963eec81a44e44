"""Gives Borg a name for this machine that is the same with and without a network."""

from __future__ import annotations

import hashlib
import os
import socket
import uuid
from pathlib import Path

_MADE_UP = 1 << 40  # the bit that Python sets in the address of a card that is not there
_MACHINE_ID = Path("/etc/machine-id")


def settle_host_id() -> None:
    """Set BORG_HOST_ID where Borg would make up another one each time, so that locks of killed runs are known as stale.

    Borg's own choice holds a network card's address: it stays, so that every Borg on this machine knows our locks.
    Without a card it is a random number. To be called before Borg's package is loaded: it looks once. The machine's id
    goes in as a digest, since locks also lie on other machines.
    """
    if os.environ.get("BORG_HOST_ID") or not uuid.getnode() & _MADE_UP:
        return
    try:
        machine = _MACHINE_ID.read_bytes().strip()
    except OSError:
        machine = b""
    digest = hashlib.sha256(b"backupspec migrate " + machine).hexdigest()
    os.environ["BORG_HOST_ID"] = f"{socket.gethostname()}-{digest[:16]}@backupspec"
