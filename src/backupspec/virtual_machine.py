"""How a restore of a virtual machine is proved, and what is known and not backed up."""

from __future__ import annotations

from dataclasses import dataclass

from backupspec.diagnostic import Span
from backupspec.schedule import Schedule

DRILL_COPY = "backupspec-drill-"
"""How the names of copies begin that drills boot. libvirt knows one only while it runs."""


@dataclass(frozen=True, slots=True)
class BootDrill:
    """A restore of a virtual machine, done to prove that it works.

    A copy is booted if it can show that it is there: by its `agent`, or by a text on its `console`; `time_limit` bounds
    that, in seconds.
    """

    schedule: Schedule
    agent: bool
    console: str | None
    time_limit: int

    @property
    def boots(self) -> bool:
        """Tell whether a copy is booted."""
        return self.agent or self.console is not None


@dataclass(frozen=True, slots=True)
class NotBackedUp:
    """Something that is known and not backed up, and why."""

    what: str
    because: str
    span: Span
