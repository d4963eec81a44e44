"""Operating systems and what they bring: borg's series and systemd's version."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

BorgVersion = Literal["1.2", "1.4"]


@dataclass(frozen=True, slots=True)
class System:
    """What an operating system brings: borg's series and systemd's version."""

    name: str
    borg: BorgVersion
    systemd: int


# Versions from the distributions' package lists (Debian 12 and 13, Ubuntu 22.04 and 24.04; RHEL 9 with borg from EPEL).
SYSTEMS = {
    system.name: system
    for system in (
        System("debian-12", "1.2", 252),
        System("debian-13", "1.4", 257),
        System("ubuntu-22.04", "1.2", 249),
        System("ubuntu-24.04", "1.2", 255),
        System("rhel-9", "1.2", 252),
    )
}
DEFAULT_SYSTEM = SYSTEMS["debian-12"]
"""Assumed where nothing is said: what is compiled for borg 1.2 and systemd 252 also runs on all that came later."""


@dataclass(frozen=True, slots=True)
class Borg:
    """The borg on a machine."""

    version: BorgVersion
    path: str
