"""Schedules and retention: that a job has a time to run, and that what is kept is what the policy seems to say."""

from __future__ import annotations

from collections.abc import Iterator

from backupspec.analyse.places import host_place, target_place
from backupspec.calendar_grammar import read_calendar
from backupspec.catalogue import diagnose
from backupspec.diagnostic import Diagnostic, Related
from backupspec.fleet import Fleet, Host, Job, MachineSnapshots, Target
from backupspec.schedule import always_quiet_minutes, clock, minutes, quiet_minutes


def jobs_have_a_time(fleet: Fleet) -> Iterator[Diagnostic]:
    """Something is left of each window after quiet hours and what summer time skips."""
    for host, job, target in _timed(fleet):
        schedule = target.schedule
        if schedule.kind == "calendar" or minutes(schedule, host.quiet, job.name):
            continue
        span, _ = target_place(job, target, "schedule")
        quiet = host_place(host, "quiet")[0]
        yield diagnose(
            "BS305",
            f"the job `{job.name}` of {host.name} would never run: `{schedule}` lies in its quiet hours",
            span,
            where=job.where,
            hint="move the window, or make the quiet hours shorter",
            related=()
            if host.quiet is None
            else (Related(f"quiet hours {host.quiet.window} ({host.quiet.timezone})", quiet),),
        )


def calendars_keep_quiet(fleet: Fleet) -> Iterator[Diagnostic]:
    """No time that a calendar names lies in the quiet hours of a host; if all of them do, the job never runs."""
    for host, job, target in _timed(fleet):
        schedule = target.schedule
        calendar = None if schedule.calendar is None else read_calendar(schedule.calendar)
        if host.quiet is None or calendar is None or isinstance(calendar, str):
            continue
        quiet = quiet_minutes(host.quiet, schedule.timezone)
        early = [start for start in calendar.starts if start in quiet]
        if not early:
            continue
        never = always_quiet_minutes(host.quiet, schedule.timezone).issuperset(calendar.starts)
        message = (
            f"the job `{job.name}` of {host.name} would never run: `{schedule}` lies in its quiet hours"
            if never
            else f"the job `{job.name}` of {host.name} does not run at {clock(early[0])}, "
            "which lies in the quiet hours of the host"
        )
        yield diagnose(
            "BS305" if never else "BS306",
            message,
            target_place(job, target, "schedule")[0],
            where=job.where,
            hint="change the time, or use a `window`: its jobs keep out of quiet hours by themselves",
            related=(
                Related(f"quiet hours {host.quiet.window} ({host.quiet.timezone})", host_place(host, "quiet")[0]),
            ),
        )


def policies_mean_what_they_say(fleet: Fleet) -> Iterator[Diagnostic]:
    """No bucket of a retention is finer than its job's schedule."""
    for host, job, target in _timed(fleet):
        daily, weekly = _pace(host, job, target)
        buckets = dict(target.retention.buckets())
        fine = ("secondly", "minutely", "hourly") if daily else ()
        fine = (*fine, "daily") if weekly else fine
        name = next((bucket for bucket in fine if buckets.get(bucket, 0) > 1), None)
        if name is not None:
            pace = "week" if weekly else "day"
            span, where = target_place(job, target, "retention")
            yield diagnose(
                "BS308",
                f"with one archive a {pace}, `{name}: {buckets[name]}` keeps {buckets[name]} {pace}s",
                span,
                where=where,
                hint=f"leave `{name}` out, or run the job more often",
                related=(Related(f"`{job.name}` runs {target.schedule}", target_place(job, target, "schedule")[0]),),
            )


def eternity_has_room(fleet: Fleet) -> Iterator[Diagnostic]:
    """Doubt that what is kept for ever fits into a quota."""
    for _, job, target in _ways(fleet):
        if target.retention.forever and target.repository.quota is not None:
            span, where = target_place(job, target, "retention")
            yield diagnose(
                "BS309",
                f"all archives are kept, and `{target.repository.name}` has a quota: the day comes on which it is full",
                span,
                where=where,
                hint="watch the free space, or choose a retention that ends",
                related=(Related("the repository is here", target.repository.span),),
            )


def _ways(fleet: Fleet) -> Iterator[tuple[Host, Job, Target]]:
    return ((host, job, target) for host in fleet.hosts for job in host.jobs for target in job.targets)


def _timed(fleet: Fleet) -> Iterator[tuple[Host, Job | MachineSnapshots, Target | MachineSnapshots]]:
    """Give all that has a schedule and a retention; snapshots go nowhere, and so are both."""
    yield from _ways(fleet)
    yield from ((host, each, each) for host in fleet.hosts for each in host.machine_snapshots)


def _pace(host: Host, job: Job | MachineSnapshots, target: Target | MachineSnapshots) -> tuple[bool, bool]:
    """Tell whether a job makes at most one archive a day, and whether at most one a week."""
    schedule = target.schedule
    if schedule.calendar is None:
        return len(minutes(schedule, host.quiet, job.name)) == 1, len(schedule.days) == 1 and schedule.every is None
    calendar = read_calendar(schedule.calendar)
    if isinstance(calendar, str):
        return False, False
    return len(calendar.starts) == 1, len(calendar.starts) == 1 and calendar.weekly_at_most
