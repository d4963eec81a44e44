"""When a job runs: a fixed minute of its own inside the schedule, the same for ever.

A minute is a whole number from 0 (midnight) to 1439 in the schedule's own zone. A window is half-open and may cross
midnight. A job's minute comes from a hash of its name: nothing is balanced over the fleet, so a new host moves no
other host's jobs (ADR 0003). Minutes that a zone skips when daylight saving begins, and quiet hours, are never chosen.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.resources
import zoneinfo
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

DAY = 1440
DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
YEARS = range(2025, 2038)  # fixed, not the clock's: the same input gives the same bytes next year


@dataclass(frozen=True, slots=True)
class Window:
    """Minutes from `start` up to, not with, `end`; `end` ≤ `start` crosses midnight."""

    start: int
    end: int

    def minutes(self) -> tuple[int, ...]:
        """Give all minutes in order of time."""
        length = (self.end - self.start) % DAY or DAY
        return tuple((self.start + offset) % DAY for offset in range(length))

    def __str__(self) -> str:
        """Say it as the inventory does."""
        return f"{clock(self.start)}-{clock(self.end)}"


@dataclass(frozen=True, slots=True)
class Quiet:
    """Hours in which nothing may start on a host."""

    window: Window
    timezone: str

    def __str__(self) -> str:
        """Say it in words."""
        return f"{self.window} ({self.timezone})"


@dataclass(frozen=True, slots=True)
class Schedule:
    """When something runs, in one of three forms.

    `every` so many minutes, perhaps only inside `window`; `calendar`, in systemd's grammar; or `window` alone: once a
    day, on all days or on `days`.
    """

    timezone: str
    window: Window | None = None
    days: tuple[str, ...] = ()
    every: int | None = None
    calendar: str | None = None

    @property
    def kind(self) -> Literal["window", "every", "calendar"]:
        """Tell which form it has."""
        if self.calendar is not None:
            return "calendar"
        return "window" if self.every is None else "every"

    def __str__(self) -> str:
        """Say it in words."""
        if self.calendar is not None:
            return f"{self.calendar} ({self.timezone})"
        span = "" if self.window is None else f" in {self.window}"
        days = "" if not self.days else " on " + ", ".join(self.days)
        if self.every is not None:
            return f"every {spoken(self.every)}{span} ({self.timezone})"
        return f"daily{span}{days} ({self.timezone})"


def clock(minute: int) -> str:
    """Give a minute of the day as HH:MM (24:00 is 00:00)."""
    hours, minutes = divmod(minute % DAY, 60)
    return f"{hours:02}:{minutes:02}"


def spoken(minutes: int) -> str:
    """Give a length as the inventory has it: `1h30m`."""
    hours, left = divmod(minutes, 60)
    return (f"{hours}h" if hours else "") + (f"{left}m" if left else "")


@functools.cache
def zone(name: str) -> zoneinfo.ZoneInfo | None:
    """Give a time zone from the `tzdata` package, never from the machine, so that two machines agree.

    None when there is none.
    """
    if name not in zone_names():
        return None
    with importlib.resources.files("tzdata").joinpath("zoneinfo", *name.split("/")).open("rb") as stream:
        return zoneinfo.ZoneInfo.from_file(stream, key=name)


@functools.cache
def zone_names() -> tuple[str, ...]:
    """Give all names that `zone` knows, for suggestions."""
    return tuple(importlib.resources.files("tzdata").joinpath("zones").read_text(encoding="utf-8").split())


@functools.cache
def skipped(name: str) -> frozenset[int]:
    """Give the minutes of the day that do not exist on some day of the years 2025 to 2037 in this zone."""
    here = zone(name)
    if here is None:
        return frozenset()
    gone: set[int] = set()
    day = datetime(YEARS.start, 1, 1, tzinfo=UTC)
    end = datetime(YEARS.stop, 1, 1, tzinfo=UTC)
    step = timedelta(days=1)
    while day < end:
        before, after = (moment.astimezone(here).utcoffset() or timedelta() for moment in (day, day + step))
        if after > before:
            minute = next(
                moment
                for moment in (day + timedelta(minutes=count) for count in range(1, DAY + 1))
                if (moment.astimezone(here).utcoffset() or timedelta()) == after
            )
            jump = minute.astimezone(here)
            first = jump.hour * 60 + jump.minute - int((after - before).total_seconds() // 60)
            gone.update((first + offset) % DAY for offset in range(int((after - before).total_seconds() // 60)))
        day += step
    return frozenset(gone)


def forbidden(schedule: Schedule, quiet: Quiet | None) -> frozenset[int]:
    """Give the minutes, in the schedule's zone, at which a daily job may not start.

    Quiet hours and what daylight saving skips.
    """
    return skipped(schedule.timezone) | quiet_minutes(quiet, schedule.timezone)


def quiet_minutes(quiet: Quiet | None, timezone: str) -> frozenset[int]:
    """Give the quiet minutes by the clock of `timezone`.

    Between two zones the widest reading counts: a minute is quiet if it is so under any offset that they have to
    each other in a year.
    """
    if quiet is None:
        return frozenset()
    shifts = differences(quiet.timezone, timezone)
    return frozenset((minute + shift) % DAY for minute in quiet.window.minutes() for shift in shifts)


def always_quiet_minutes(quiet: Quiet | None, timezone: str) -> frozenset[int]:
    """Give the minutes by the clock of `timezone` that are quiet on every day of a year."""
    if quiet is None:
        return frozenset()
    window = frozenset(quiet.window.minutes())
    shifts = differences(quiet.timezone, timezone)
    return frozenset(minute for minute in range(DAY) if all((minute - shift) % DAY in window for shift in shifts))


@functools.cache
def differences(source: str, target: str) -> frozenset[int]:
    """Give all differences in minutes between two zones' clocks during a year."""
    first, second = zone(source), zone(target)
    if first is None or second is None or source == target:
        return frozenset({0})
    start = datetime(YEARS.start, 1, 1, tzinfo=UTC)
    moments = (start + timedelta(days=day) for day in range(366))
    return frozenset(
        int(
            (
                (m.astimezone(second).utcoffset() or timedelta()) - (m.astimezone(first).utcoffset() or timedelta())
            ).total_seconds()
            // 60
        )
        for m in moments
    )


def spread(name: str, count: int) -> int:
    """Give a number from 0 to count-1 that depends on the name alone."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") % count


def minutes(schedule: Schedule, quiet: Quiet | None, name: str) -> tuple[int, ...]:
    """Give the minutes of the day at which the job called `name` starts, in order.

    Empty when nothing is left of the schedule.

    Only for `window` and `every`. With `every`, the first phase from the hash on that daylight saving takes no
    start from is used, if there is one (an hourly job has none: its skipped start is made up an hour later); quiet
    starts are left out.
    """
    if schedule.every is None:
        gone = forbidden(schedule, quiet)
        window = schedule.window or Window(0, 0)
        left = [minute for minute in window.minutes() if minute not in gone]
        return (left[spread(name, len(left))],) if left else ()
    every, lost = schedule.every, skipped(schedule.timezone)
    inside = frozenset(schedule.window.minutes() if schedule.window else range(DAY)) - quiet_minutes(
        quiet, schedule.timezone
    )
    phase = spread(name, every)
    phases = [sorted((phase + delay + turn * every) % DAY for turn in range(DAY // every)) for delay in range(every)]
    kept = [tuple(start for start in starts if start in inside) for starts in phases]
    most = max(len(starts) for starts in kept)
    full = [starts for starts in kept if len(starts) == most]
    return next((starts for starts in full if not lost.intersection(starts)), full[0])


def calendar_lines(schedule: Schedule, quiet: Quiet | None, name: str) -> tuple[str, ...]:
    """Give the `OnCalendar=` values of a job's timer, zone included (systemd.time(7))."""
    if schedule.calendar is not None:
        return (f"{schedule.calendar} {schedule.timezone}",)
    days = ",".join(schedule.days) + " " if schedule.days else ""
    by_minute: dict[int, list[int]] = {}
    for start in minutes(schedule, quiet, name):
        by_minute.setdefault(start % 60, []).append(start // 60)
    return tuple(
        f"{days}*-*-* {_hours(hours)}:{minute:02}:00 {schedule.timezone}" for minute, hours in sorted(by_minute.items())
    )


def _hours(hours: list[int]) -> str:
    return "*" if len(hours) == DAY // 60 else ",".join(f"{hour:02}" for hour in hours)
