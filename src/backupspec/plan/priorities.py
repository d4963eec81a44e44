"""How hard a unit presses on the machine."""

from __future__ import annotations

from dataclasses import dataclass

from backupspec.words import ConfigToken


@dataclass(frozen=True, slots=True)
class Priority:
    """What the unit says of CPU and disk; without `nice` it says nothing."""

    nice: int | None
    io_class: ConfigToken
    io_level: int


PRIORITIES = {
    "low": Priority(10, ConfigToken("best-effort"), 7),
    "idle": Priority(19, ConfigToken("idle"), 7),
    "normal": Priority(None, ConfigToken("none"), 0),
}
