"""The calendar texts that systemd accepts (systemd.time(7)), read without systemd.

Narrower than systemd where a timer needs no more: no point in time (`@…`), and no time zone inside the text, because
the schedule's `timezone` is put behind it.
"""

from __future__ import annotations

import functools
import itertools
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from backupspec.schedule import DAY, YEARS, skipped, zone

_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_ALL_DAYS = frozenset(range(7))
_SHORT = {
    "minutely": "*-*-* *:*:00",
    "hourly": "*-*-* *:00:00",
    "daily": "*-*-* 00:00:00",
    "weekly": "Mon *-*-* 00:00:00",
    "monthly": "*-*-01 00:00:00",
    "quarterly": "*-01,04,07,10-01 00:00:00",
    "semiannually": "*-01,07-01 00:00:00",
    "yearly": "*-01-01 00:00:00",
    "annually": "*-01-01 00:00:00",
}
_ITEM = re.compile(r"(\d{1,4})(?:\.\.(\d{1,4}))?(?:/(\d{1,4}))?")
_RANGE = re.compile(r"(?:^|,)(\d+)\.\.(\d+)(?=,|$)")
_FRACTION = re.compile(r"(\d)\.\d+")
_FIRST_YEAR, _LAST_YEAR = 1970, 2199
_LAST_DAY_FROM_END = 28


@dataclass(frozen=True, slots=True)
class Calendar:
    """What a calendar text asks for: weekdays (Monday is 0), years, months, days, minutes of the day; None means any.

    With `from_end` the days count from the end of the month (1 is the last). Seconds are read and dropped.
    """

    weekdays: frozenset[int]
    years: frozenset[int] | None
    months: frozenset[int] | None
    days: frozenset[int] | None
    from_end: bool
    starts: tuple[int, ...]

    def falls_on(self, day: date) -> bool:
        """Tell whether there are starts on this day."""
        after = (day.replace(day=1) + timedelta(days=32)).replace(day=1)
        number = (after - day).days if self.from_end else day.day
        return (
            day.weekday() in self.weekdays
            and (self.years is None or day.year in self.years)
            and (self.months is None or day.month in self.months)
            and (self.days is None or number in self.days)
        )

    @property
    def weekly_at_most(self) -> bool:
        """Tell whether at least a week lies between two days with starts."""
        return len(self.weekdays) == 1 or (self.days is not None and len(self.days) == 1)


class _Refused(Exception):  # noqa: N818 - it never leaves this module
    """The text is no calendar time; its argument says why."""


def read_calendar(text: str) -> Calendar | str:
    """Give what the text asks for, or in a few words why it is no calendar time."""
    try:
        return _calendar(_SHORT.get(text.strip().lower(), text))
    except _Refused as refusal:
        return str(refusal)


def lost_starts(calendar: Calendar, timezone: str) -> tuple[int, ...]:
    """Give the starts that a change to summer time (2025 to 2037) takes away, if no other follows within the hour."""
    gone = skipped(timezone)
    lost = tuple(
        start
        for start in calendar.starts
        if start in gone
        and not any(
            (start + delay) % DAY in calendar.starts and (start + delay) % DAY not in gone for delay in range(1, 61)
        )
    )
    return lost if lost and any(calendar.falls_on(day) for day in _shortened_days(timezone)) else ()


@functools.cache
def _shortened_days(timezone: str) -> tuple[date, ...]:
    """Give the days on which clocks go forward."""
    here = zone(timezone)
    if here is None:
        return ()
    start = datetime(YEARS.start, 1, 1, tzinfo=UTC)
    moments = [
        (start + timedelta(hours=hour)).astimezone(here) for hour in range(0, (YEARS.stop - YEARS.start) * 8766, 6)
    ]
    found = []
    for before, after in itertools.pairwise(moments):
        if (after.utcoffset() or timedelta()) > (before.utcoffset() or timedelta()):
            found += sorted({before.date(), after.date()})
    return tuple(found)


def _calendar(text: str) -> Calendar:
    words = text.split()
    if not words:
        raise _Refused("it is empty")
    if words[-1] == "UTC" or ("/" in words[-1] and zone(words[-1]) is not None):
        raise _Refused(f"the time zone `{words[-1]}` belongs into `timezone`")
    weekdays = _ALL_DAYS
    if words[0][0].isalpha():
        weekdays = _weekdays(words.pop(0))
    time = words.pop() if words and ":" in words[-1] else "00:00:00"
    day = words.pop() if words and re.search(r"[-~]", words[-1]) else "*-*-*"
    if words:
        raise _Refused(f"`{words[-1]}` is neither a weekday, a date nor a time")
    years, months, days, from_end = _date(day)
    return Calendar(weekdays, years, months, days, from_end, _starts(time))


def _weekdays(text: str) -> frozenset[int]:
    found: set[int] = set()
    for item in text.removesuffix(",").split(","):
        first, _, last = item.replace("-", "..").partition("..")
        start = _weekday(first)
        end = _weekday(last) if last or item != first else start
        if end < start:
            raise _Refused(f"the range `{item}` ends before it begins (a week begins on Monday)")
        found.update(range(start, end + 1))
    return frozenset(found)


def _weekday(text: str) -> int:
    name = text.lower()
    for number, weekday in enumerate(_WEEKDAYS):
        if name in {weekday, weekday[:3]}:
            return number
    raise _Refused(f"`{text}` is no weekday (Mon, Tue, Wed, Thu, Fri, Sat, Sun)")


def _date(text: str) -> tuple[frozenset[int] | None, frozenset[int] | None, frozenset[int] | None, bool]:
    head, tilde, tail = text.partition("~")
    parts = [*head.split("-"), tail] if tilde else text.split("-")
    if len(parts) not in {2, 3} or "~" in tail or "-" in tail:
        raise _Refused(f"`{text}` is no date (YEAR-MONTH-DAY or MONTH-DAY)")
    year = parts.pop(0) if len(parts) == 3 else "*"  # noqa: PLR2004 - year, month and day
    years = _numbers(year, "year", 0, _LAST_YEAR)
    if years is not None:
        years = frozenset(number + (1900 if number >= 70 else 2000) if number < 100 else number for number in years)  # noqa: PLR2004 - as strptime
        if min(years) < _FIRST_YEAR:
            raise _Refused(f"the year `{year}` is not between {_FIRST_YEAR} and {_LAST_YEAR}")
    last = _LAST_DAY_FROM_END if tilde else 31
    return years, _numbers(parts[0], "month", 1, 12), _numbers(parts[1], "day", 1, last, down=bool(tilde)), bool(tilde)


def _starts(text: str) -> tuple[int, ...]:
    parts = text.split(":")
    if len(parts) not in {2, 3}:
        raise _Refused(f"`{text}` is no time (HOUR:MINUTE or HOUR:MINUTE:SECOND)")
    if len(parts) == 3:  # noqa: PLR2004 - hour, minute and second
        for start, stop in _RANGE.findall(parts[2]):
            if int(start) == int(stop):  # which systemd 252 takes in every component but this one
                raise _Refused(f"the range `{start}..{stop}` ends where it begins")
        _numbers(_FRACTION.sub(r"\1", parts[2]), "second", 0, 59)
    hours, minutes = _numbers(parts[0], "hour", 0, 23), _numbers(parts[1], "minute", 0, 59)
    return tuple(
        sorted(
            hour * 60 + minute
            for hour in (range(24) if hours is None else hours)
            for minute in (range(60) if minutes is None else minutes)
        )
    )


def _numbers(text: str, what: str, lowest: int, highest: int, *, down: bool = False) -> frozenset[int] | None:
    """Read one component: `*`, or numbers, ranges and repetitions with commas between them."""
    if text == "*":
        return None
    found: set[int] = set()
    for item in text.split(","):
        match = _ITEM.fullmatch(item)
        if match is None:
            raise _Refused(f"`{item}` is no {what} (such as {highest // 2}, 1..5, 0/2 or *)")
        start, stop, step = int(match[1]), match[2], int(match[3] or 1)
        if step == 0:
            raise _Refused(f"the repetition of `{item}` does not move on")
        if match[3] is None or stop is not None:
            reached = range(start, int(stop or start) + 1, step)
        else:
            # From the end of the month the count goes down: `~07/1` is the last week.
            reached = range(start, lowest - 1, -step) if down else range(start, highest + 1, step)
            if len(reached) <= 1 and lowest <= start <= highest:
                raise _Refused(f"the repetition of `{item}` gives no second {what}")
        if not reached:
            raise _Refused(f"the range `{item}` ends before it begins")
        if not lowest <= min(reached) <= max(reached) <= highest:
            raise _Refused(f"`{item}` is not between {lowest} and {highest}, as a {what} must be")
        found.update(reached)
    return frozenset(found)
