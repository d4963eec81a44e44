"""Command lines of units."""

from __future__ import annotations

from dataclasses import dataclass

from backupspec.words import ExecProgram, ExecWord


@dataclass(frozen=True, slots=True)
class Command:
    """One command line of a unit.

    `root` runs it outside of the unit's sandbox; `elevated` inside, as root by number, with the unit's own rights. One
    that is `lenient` may fail: it keeps nothing that comes later from running, and does not fail the unit.
    """

    program: ExecProgram
    arguments: tuple[ExecWord, ...] = ()
    root: bool = False
    elevated: bool = False
    lenient: bool = False
