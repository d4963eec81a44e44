"""Which minutes of a week a schedule may take, and whether two schedules share one."""

from __future__ import annotations

import functools

from backupspec.calendar_grammar import Calendar, read_calendar
from backupspec.schedule import DAY, DAYS, Schedule, differences

_WEEK = DAY * len(DAYS)


@functools.cache
def overlap(one: Schedule, other: Schedule) -> bool:
    """Tell whether two schedules have a minute in common in some week of a year, each by the clock of its own zone."""
    here, there = _minutes(one), _minutes(other)
    return any(
        not here.isdisjoint((minute + shift) % _WEEK for minute in there)
        for shift in differences(other.timezone, one.timezone)
    )


@functools.cache
def _minutes(schedule: Schedule) -> frozenset[int]:
    """Give the minutes of the week, from Monday's midnight on.

    A window has all of its own, and so has what runs again and again in it, or all day. A calendar has the very minutes
    that it names, on every day of the week on which it may do so.
    """
    if schedule.calendar is not None:
        calendar = read_calendar(schedule.calendar)
        if not isinstance(calendar, Calendar):
            return frozenset()  # told where it is bound
        days, inside = calendar.weekdays, calendar.starts
    else:
        days = frozenset(DAYS.index(day) for day in schedule.days or DAYS)
        inside = tuple(range(DAY))
        if schedule.window is not None:
            # What lies after midnight belongs to the next day.
            start = schedule.window.start
            inside = tuple(minute + DAY * (minute < start) for minute in schedule.window.minutes())
    return frozenset((day * DAY + minute) % _WEEK for day in days for minute in inside)
