"""Ask this machine's systemd about calendar texts; `ask_systemd` starts processes, all else here is pure."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Mapping

from backupspec.analyse.places import target_place
from backupspec.catalogue import diagnose
from backupspec.diagnostic import Diagnostics, Span
from backupspec.fleet import Fleet

_SECONDS = 10


def calendars(fleet: Fleet) -> tuple[str, ...]:
    """Give all calendar texts of a fleet, each once."""
    return tuple(sorted({text for text, _, _ in _written(fleet)}))


def ask_systemd(expressions: Iterable[str], program: str = "systemd-analyze") -> dict[str, str]:
    """Give the texts that `systemd-analyze calendar` refuses, with its words; nothing where there is no systemd.

    I/O: starts one short process for each text.
    """
    refused = {}
    for expression in expressions:
        try:
            answer = subprocess.run(
                [program, "calendar", "--", expression],
                capture_output=True,
                check=False,
                encoding="utf-8",
                env={"LC_ALL": "C", "PATH": "/usr/bin:/bin", "SYSTEMD_COLORS": "0"},
                timeout=_SECONDS,
            )
        except (OSError, subprocess.TimeoutExpired):
            return {}
        if answer.returncode != 0:
            refused[expression] = (answer.stderr.strip().splitlines() or ["no reason given"])[0]
    return refused


def refused_calendars(fleet: Fleet, refused: Mapping[str, str]) -> Diagnostics:
    """Report each calendar text that systemd refuses."""
    return tuple(
        diagnose("BS307", f"systemd refuses `{text}`: {refused[text]}", span, where=where, hint="see systemd.time(7)")
        for text, span, where in _written(fleet)
        if text in refused
    )


def _written(fleet: Fleet) -> tuple[tuple[str, Span, str], ...]:
    """Give each calendar text with the place and logical path of the setting that chose it, each place once."""
    found: dict[tuple[str, Span], str] = {}
    for host in fleet.hosts:
        for job in host.jobs:
            for target in job.targets:
                if target.schedule.calendar is not None:
                    span, where = target_place(job, target, "schedule")
                    found.setdefault((target.schedule.calendar, span), where)
        for each in host.machine_snapshots:
            if each.schedule.calendar is not None:
                span, where = target_place(each, each, "schedule")
                found.setdefault((each.schedule.calendar, span), where)
    return tuple((text, span, where) for (text, span), where in found.items())
