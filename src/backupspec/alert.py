"""Where failures are reported."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Alert:
    """Where failures are reported: a mail address, or a command that gets the unit's name as its last argument."""

    name: str
    mail: str | None
    command: tuple[str, ...]
