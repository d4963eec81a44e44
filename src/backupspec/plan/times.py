"""When the units of a host run, and which of them are tried again and again because they travel."""

from __future__ import annotations

import dataclasses
import itertools
from datetime import date, timedelta

from backupspec.calendar_grammar import Calendar, read_calendar
from backupspec.fleet import DatabaseJob, Host, Job, MachineSnapshots, Repository, Target, VirtualMachineJob
from backupspec.schedule import DAY, DAYS, YEARS, Schedule, Window, calendar_lines, minutes, spread

CHECK_WINDOW = Window(60, 300)
"""When checks run: 01:00 to 05:00 by the clock of the first job's schedule."""

HALF_HOUR = 30


def travels(host: Host, repository: Repository) -> bool:
    """Tell whether the two are rarely together at a fixed minute: a laptop, or a disk that is not always there."""
    return host.roaming or repository.present_sometimes


def age(host: Host, target: Target) -> int | None:
    """Give the age in minutes from which a travelling job's last success counts as old; None where its own times hold.

    Such a job is tried every half hour. A daily one is due four hours early, so that it does not wander around the
    clock.
    """
    schedule = target.schedule
    if not travels(host, target.repository) or schedule.calendar is not None:
        return None
    return 20 * 60 if schedule.every is None else max(15, schedule.every - 15)


def check_age(host: Host, repository: Repository) -> int | None:
    """Give the same for the check of a repository."""
    if not travels(host, repository):
        return None
    return 6 * DAY if repository.check == "weekly" else 27 * DAY


def times(host: Host, job: Job, target: Target) -> tuple[str, ...]:
    """Give the OnCalendar= values of a job."""
    seed = f"{host.name} {job.name} {target.repository.name}"
    if age(host, target) is not None:
        return (_every_half_hour(seed, target.schedule.timezone),)
    return calendar_lines(_part(host, job, target.schedule), host.quiet, seed)


def _part(host: Host, job: Job, schedule: Schedule) -> Schedule:
    """Give the first third of a window to databases and the rest to files, on a host that has both: dumps come first.

    The whole window where that part has no minute outside of quiet hours.
    """
    window = schedule.window
    if schedule.every is not None or window is None or not (host.databases and host.files):
        return schedule
    length = (window.end - window.start) % DAY or DAY
    middle = (window.start + length // 3) % DAY
    part = Window(window.start, middle) if isinstance(job, DatabaseJob) else Window(middle, window.end)
    narrow = dataclasses.replace(schedule, window=part)
    return narrow if length // 3 and minutes(narrow, host.quiet, job.name) else schedule


def drill_times(host: Host, job: DatabaseJob | VirtualMachineJob, target: Target) -> tuple[str, ...]:
    """Give the OnCalendar= values of a drill."""
    if job.drill is None:
        return ()
    return calendar_lines(job.drill.schedule, host.quiet, f"{host.name} drill {job.name} {target.repository.name}")


def snapshot_times(host: Host, job: MachineSnapshots) -> tuple[str, ...]:
    """Give the OnCalendar= values of snapshots of a virtual machine."""
    return calendar_lines(job.schedule, host.quiet, f"{host.name} {job.name} snapshots")


def oldest_dump(host: Host, job: DatabaseJob, target: Target) -> int:
    """Give the age in seconds from which the newest dump of a database is too old for a drill to pass.

    What the drill says; or four times the longest that lies between two dumps by the schedule, and two days at least.
    What travels may be away for four weeks.
    """
    if job.drill is not None and job.drill.oldest is not None:
        return job.drill.oldest
    longest = max(4 * longest_gap(target.schedule), 2 * DAY)
    return 60 * (max(longest, 28 * DAY) if travels(host, target.repository) else longest)


def check_times(host: Host, repository: Repository) -> tuple[str, ...]:
    """Give the OnCalendar= values of a repository's check: a day of the week or month and a minute of its own."""
    seed = f"{host.name} check {repository.name}"
    first = next(target for job in host.jobs for target in job.targets if target.repository.name == repository.name)
    timezone = first.schedule.timezone
    if check_age(host, repository) is not None:
        return (_every_half_hour(seed, timezone),)
    schedule = Schedule(timezone, CHECK_WINDOW)
    if not minutes(schedule, host.quiet, seed):
        schedule = Schedule(timezone, Window(0, 0))
    date = f"{DAYS[spread(seed, 7)]} *-*-*" if repository.check == "weekly" else f"*-*-{1 + spread(seed, 28):02}"
    return tuple(line.replace("*-*-*", date, 1) for line in calendar_lines(schedule, host.quiet, seed))


def longest_gap(schedule: Schedule) -> int:
    """Give the longest time in minutes between two days on which it runs, or between two runs all around the clock."""
    if schedule.calendar is not None:
        calendar = read_calendar(schedule.calendar)
        first = date(YEARS.start, 1, 1)
        days = (first + timedelta(days=count) for count in range((YEARS.stop - YEARS.start) * 365))
        runs = [day for day in days if isinstance(calendar, Calendar) and calendar.falls_on(day)]
        return DAY * max(((later - day).days for day, later in itertools.pairwise(runs)), default=365)
    if schedule.every is not None:
        return schedule.every if schedule.window is None else DAY
    numbers = sorted(DAYS.index(day) for day in schedule.days) or [*range(7)]
    return DAY * max(later - day for day, later in itertools.pairwise([*numbers, numbers[0] + 7]))


def _every_half_hour(seed: str, timezone: str) -> str:
    minute = spread(seed, HALF_HOUR)
    return f"*-*-* *:{minute:02},{minute + HALF_HOUR:02}:00 {timezone}"
