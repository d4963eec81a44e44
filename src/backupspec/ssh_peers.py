"""Machines as ssh knows them: by address, port, user and host key."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class HostKey:
    """A machine's public ssh host key: algorithm and base64 text, as they stand in known_hosts."""

    algorithm: str
    blob: str


@dataclass(frozen=True, slots=True)
class Jump:
    """A machine that ssh goes through."""

    address: str
    port: int
    user: str
    host_key: HostKey


@dataclass(frozen=True, slots=True)
class Remote:
    """How ssh reaches the machine that holds a repository.

    `borg` is the program there, where it is not simply `borg`.
    """

    user: str | None
    address: str
    port: int
    host_key: HostKey
    borg: str | None
