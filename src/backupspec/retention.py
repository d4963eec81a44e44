"""What stays of a series of archives, and why, reckoned as borg prunes and without borg."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from backupspec.fleet import Retention

Rule = Literal["within", "last", "secondly", "minutely", "hourly", "daily", "weekly", "monthly", "yearly", "forever"]

_HOURS = {"H": 1, "d": 24, "w": 24 * 7, "m": 24 * 31, "y": 24 * 365}
_BUCKETS: dict[Rule, Callable[[datetime], tuple[int, ...]]] = {
    "last": lambda local: local.timetuple()[:6],
    "secondly": lambda local: local.timetuple()[:6],
    "minutely": lambda local: local.timetuple()[:5],
    "hourly": lambda local: local.timetuple()[:4],
    "daily": lambda local: local.timetuple()[:3],
    "weekly": lambda local: local.isocalendar()[:2],
    "monthly": lambda local: local.timetuple()[:2],
    "yearly": lambda local: local.timetuple()[:1],
}


@dataclass(frozen=True, slots=True)
class Decision:
    """Why an archive stays: the `number`th (from 1, the newest first) that `rule` keeps; without a rule it goes.

    With `oldest` it is no bucket of its own: a rule that has not found its number of buckets keeps the oldest archive
    as well. What `last` keeps, borg lists as `secondly`.
    """

    rule: Rule | None = None
    number: int = 0
    oldest: bool = False

    @property
    def kept(self) -> bool:
        """Tell whether the archive stays."""
        return self.rule is not None

    def __str__(self) -> str:
        """Say it in borg's words: `daily #3`, `yearly[oldest] #1`; `pruned` if it goes."""
        if self.rule is None:
            return "pruned"
        return "forever" if self.rule == "forever" else f"{self.rule}{'[oldest]' * self.oldest} #{self.number}"


def keep(policy: Retention, times: Sequence[datetime], now: datetime, zone: ZoneInfo) -> tuple[Decision, ...]:
    """Decide for each archive of one series whether the compiled prune script leaves it, at `now`, and why.

    `times` are those that borg has of the archives, also of the one that the job has made just before; the decisions
    stand in their order. Of equal times the last counts as the newest, as borg takes the greatest name. Days begin as
    in `zone`, that of the job's schedule. Former names of a host are series of their own: each keeps the full numbers.
    Both generations of borg decide alike.

    ValueError: a time without a zone, or a policy that names nothing, which borg refuses.
    """
    moments = [_absolute(time) for time in times]
    newest_first = sorted(range(len(moments)), key=lambda place: (moments[place], place), reverse=True)
    if policy.forever:
        found = {place: Decision("forever", number) for number, place in enumerate(newest_first, start=1)}
    else:
        found = _pruned(policy, [(place, moments[place]) for place in newest_first], _absolute(now), zone)
    return tuple(found.get(place, Decision()) for place in range(len(moments)))


def _absolute(time: datetime) -> datetime:
    """Give a time in UTC: Python compares two times of one zone by their clocks, and a clock shows some hours twice."""
    if time.utcoffset() is None:
        raise ValueError(f"{time} is in no zone")
    return time.astimezone(UTC)


def _pruned(
    policy: Retention, archives: Sequence[tuple[int, datetime]], now: datetime, zone: ZoneInfo
) -> dict[int, Decision]:
    """Give the decisions on archives, the newest first, that stay."""
    numbers = dict(policy.buckets())
    if "secondly" in numbers:
        # To borg the two are one option, and the script names this one later.
        numbers.pop("last", None)
    if policy.within is None and not any(numbers.values()):
        raise ValueError("borg refuses a policy that keeps nothing")
    found: dict[int, Decision] = {}
    if policy.within is not None:
        # Not against `now` less an age: some of those that an inventory may name begin before the year 1.
        age = timedelta(hours=int(policy.within[:-1]) * _HOURS[policy.within[-1]])
        young = [place for place, moment in archives if now - moment < age]
        found |= {place: Decision("within", number) for number, place in enumerate(young, start=1)}
    local = [(place, moment.astimezone(zone)) for place, moment in archives]
    for rule in _BUCKETS:
        found |= _of_rule(rule, numbers.get(rule, 0), local, found)
    return found


def _of_rule(
    rule: Rule, number: int, newest_first: Sequence[tuple[int, datetime]], earlier: Mapping[int, Decision]
) -> dict[int, Decision]:
    """Give what one rule adds to what `earlier` ones keep: the newest archive of each bucket, if they do not.

    A negative number has no end. An archive opens a bucket if the next newer one lies in another: where clocks are set
    back, a bucket can come twice.
    """
    found: dict[int, Decision] = {}
    if number == 0:
        return found
    bucket: tuple[int, ...] | None = None
    for place, local in newest_first:
        newer, bucket = bucket, _BUCKETS[rule](local)
        if bucket != newer and place not in earlier:
            found[place] = Decision(rule, len(found) + 1)
            if len(found) == number:
                return found
    if number > 0 and newest_first and (oldest := newest_first[-1][0]) not in {*earlier, *found}:
        found[oldest] = Decision(rule, len(found) + 1, oldest=True)
    return found
