"""When systemd would start what was compiled, as systemd reckons, also in the nights that clocks are changed."""

from __future__ import annotations

import itertools
import re
import subprocess
import zoneinfo
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from backupspec.fleet import DatabaseJob, Host, Repository, VirtualMachineJob
from backupspec.plan.times import travels
from backupspec.schedule import Quiet, Schedule, Window
from tests.golden.trees import INVENTORIES, Compiled
from tests.oracles.machines import UNITS, fleet

pytestmark = pytest.mark.systemd

# A winter's and a summer's day, and the nights before clocks change: America, Europe, Lord Howe and Chatham.
BASES = (
    "2026-01-15",
    "2026-07-01",
    "2026-03-07",
    "2026-10-31",
    "2026-03-28",
    "2026-10-24",
    "2026-04-04",
    "2026-09-26",
    "2026-10-03",
)
HALF_HOUR = timedelta(minutes=30)


@dataclass(frozen=True, slots=True)
class Timer:
    """One timer, its `OnCalendar=` values, and the schedule behind it, if it is a job's (None: a check's).

    `repository`: None for snapshots of virtual machines. `tried` is one of what travels: it elapses every half
    hour, and a script beside it tells what is due.
    """

    name: str
    host: Host
    schedule: Schedule | None
    lines: tuple[str, ...]
    repository: Repository | None

    @property
    def tried(self) -> bool:
        drill = "-drill-" in self.name
        at_a_time = self.schedule is not None and self.schedule.calendar is not None
        to = self.repository
        return to is not None and travels(self.host, to) and not drill and not at_a_time


def _timers(name: str, compiled: Compiled) -> Iterator[Timer]:
    for host in fleet(name).hosts:
        schedules = {
            f"backupspec-{job.name}_{target.repository.name}.timer": target.schedule
            for job in host.jobs
            for target in job.targets
        }
        restored: list[DatabaseJob | VirtualMachineJob] = [*host.databases, *host.virtual_machines]
        schedules |= {
            f"backupspec-drill-{job.name}_{target.repository.name}.timer": job.drill.schedule
            for job in restored
            for target in job.targets
            if job.drill is not None
        }
        kept = {f"backupspec-{job.name}_snapshots.timer": job.schedule for job in host.machine_snapshots}
        schedules |= kept
        for path in sorted((compiled(name) / "hosts" / host.name / "root" / UNITS).glob("*.timer")):
            lines = re.findall(r"^OnCalendar=(.*)$", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
            where = re.split(r"_|-check-", path.stem)[-1]
            repository = next((item for item in host.repositories if item.name == where), None)
            assert repository is not None or path.name in kept
            yield Timer(f"{host.name} {path.name}", host, schedules.get(path.name), tuple(lines), repository)


def _elapses(lines: list[str], base: str, count: int) -> dict[str, list[datetime]]:
    """Ask systemd for the next `count` times of each calendar line after noon (UTC) of a day."""
    argv = ["systemd-analyze", "calendar", f"--iterations={count}", f"--base-time={base} 12:00:00 UTC", *lines]
    out = subprocess.run(
        argv, capture_output=True, text=True, check=True, env={"TZ": "UTC", "LC_ALL": "C.UTF-8"}
    ).stdout
    found: dict[str, list[datetime]] = {}
    for line, part in zip(lines, out.strip().split("\n\n"), strict=True):
        times = re.findall(r"(?:Next elapse|Iteration #\d+|Iter\. #\d+): \w+ (\S+ \S+) UTC", part)
        found[line] = [datetime.fromisoformat(time).replace(tzinfo=UTC) for time in times]
        assert len(found[line]) == count, part
    return found


def _inside(window: Window, moment: datetime) -> bool:
    minute = moment.hour * 60 + moment.minute
    end = window.end if window.end > window.start else window.end + 24 * 60
    return window.start <= minute < end or window.start <= minute + 24 * 60 < end


def _quiet(quiet: Quiet | None, moment: datetime) -> bool:
    return quiet is not None and _inside(quiet.window, moment.astimezone(zoneinfo.ZoneInfo(quiet.timezone)))


def _ever_quiet(quiet: Quiet | None, local: datetime) -> bool:
    """Tell whether a time by the clock is quiet on any day: two zones differ by an hour more or less in some weeks."""
    return any(_quiet(quiet, local + timedelta(days=day)) for day in range(0, 365, 5))


def _clock(line: str) -> tuple[set[int], int]:
    """Give the hours (none: all) and the minute that a line of ours names."""
    match = re.search(r" (\*|[\d,]+):(\d\d):00 \S+$", line)
    assert match, line
    return ({int(hour) for hour in match[1].split(",")} if match[1] != "*" else set(), int(match[2]))


@pytest.mark.parametrize("base", BASES)
@pytest.mark.parametrize("name", INVENTORIES)
def test_each_timer_elapses_when_it_may(name: str, base: str, compiled: Compiled) -> None:
    """In its window, outside of quiet hours, at the very minute that its line names whatever clocks do."""
    timers = list(_timers(name, compiled))
    elapses = _elapses(sorted({line for timer in timers for line in timer.lines}), base, 4)
    for timer in timers:
        assert timer.lines
        for line in timer.lines:
            if timer.schedule is not None and timer.schedule.calendar is not None:
                assert line == f"{timer.schedule.calendar} {timer.schedule.timezone}"
                continue
            if timer.tried:
                assert [later - earlier for earlier, later in itertools.pairwise(elapses[line])] == [HALF_HOUR] * 3
                continue
            zone = zoneinfo.ZoneInfo(line.rsplit(" ", 1)[1])
            hours, minute = _clock(line)
            for moment in elapses[line]:
                local = moment.astimezone(zone)
                assert local.minute == minute, (timer, moment)
                assert not hours or local.hour in hours, (timer, moment)
                assert not _quiet(timer.host.quiet, moment), (timer, moment)
                if timer.schedule is not None:
                    assert timer.schedule.window is None or _inside(timer.schedule.window, local), (timer, moment)


@pytest.mark.parametrize("name", INVENTORIES)
def test_no_night_is_lost_when_clocks_change(name: str, compiled: Compiled) -> None:
    timers = [timer for timer in _timers(name, compiled) if timer.schedule is not None and not timer.tried]
    daily = [
        timer for timer in timers if timer.schedule and timer.schedule.kind == "window" and not timer.schedule.days
    ]
    for base in BASES:
        elapses = _elapses(sorted({line for timer in daily for line in timer.lines}), base, 4) if daily else {}
        for timer in daily:
            (line,) = timer.lines
            times = elapses[line]
            gaps = {later - earlier for earlier, later in itertools.pairwise(times)}
            assert gaps <= {timedelta(hours=hours / 2) for hours in range(46, 51)}, (timer, base, times)


@pytest.mark.parametrize("name", INVENTORIES)
def test_what_runs_again_and_again_does_so_at_equal_distances(name: str, compiled: Compiled) -> None:
    """On a day without a change of clocks, all starts of a timer, but those in quiet hours or outside of its window."""
    for timer in _timers(name, compiled):
        schedule = timer.schedule
        if schedule is None or schedule.every is None or timer.tried:
            continue
        found = _elapses(list(timer.lines), "2026-07-01", 30)
        end = datetime(2026, 7, 2, 12, tzinfo=UTC)
        starts = sorted(moment for times in found.values() for moment in times if moment <= end)
        step = timedelta(minutes=schedule.every)
        zone = zoneinfo.ZoneInfo(schedule.timezone)
        day = [starts[0] + step * turn for turn in range(int(timedelta(days=1) / step))]
        for moment in day:
            local = moment.astimezone(zone)
            may = schedule.window is None or _inside(schedule.window, local)
            if moment in starts:
                assert may
            else:
                assert not may or _ever_quiet(timer.host.quiet, local), (timer, moment)
        assert set(starts) <= set(day)
