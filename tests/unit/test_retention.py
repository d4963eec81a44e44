from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from backupspec.fleet import Retention
from backupspec.retention import Decision, keep
from tests.unit.retentions import CASES, NOW


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_what_stays_and_why(case: tuple[Retention, str, dict[str, str]]) -> None:
    policy, zone, expected = case
    found = keep(policy, [_time(time) for time in expected], NOW, ZoneInfo(zone))
    assert dict(zip(expected, map(str, found), strict=True)) == expected


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_decisions_stand_in_the_order_of_the_times(case: tuple[Retention, str, dict[str, str]]) -> None:
    policy, zone, expected = case
    times = [_time(time) for time in expected]
    found = keep(policy, times, NOW, ZoneInfo(zone))
    assert keep(policy, times[::-1], NOW, ZoneInfo(zone)) == found[::-1]


def test_of_equal_times_the_last_is_the_newest() -> None:
    time = datetime(2024, 3, 1, tzinfo=UTC)
    found = keep(Retention(daily=3), [time, time, time], NOW, ZoneInfo("UTC"))
    assert [str(decision) for decision in found] == ["daily[oldest] #2", "pruned", "daily #1"]


@pytest.mark.parametrize("policy", [Retention(minutely=9), Retention(within="1H", yearly=1)])
def test_times_are_the_same_in_any_zone(policy: Retention) -> None:
    """Also where the later of two times has the earlier clock."""
    zone = ZoneInfo("Europe/Berlin")
    times = [datetime(2024, 10, 27, 0, 0, tzinfo=UTC) + timedelta(minutes=20) * turn for turn in range(9)]
    local = [time.astimezone(zone) for time in times]
    assert keep(policy, local, local[3], zone) == keep(policy, times, times[3], zone)


def test_for_ever_is_all() -> None:
    found = keep(Retention(forever=True), [_time("2024-03-09"), _time("1999-12-31")], NOW, ZoneInfo("UTC"))
    assert [str(decision) for decision in found] == ["forever", "forever"]
    assert all(decision.kept for decision in found)


def test_an_age_from_before_the_first_year_takes_in_all() -> None:
    """Borg fails of such a one, and so prunes nothing."""
    times = [_time("2024-03-09"), _time("1970-01-01")]
    assert [str(decision) for decision in keep(Retention(within="999999y"), times, NOW, ZoneInfo("UTC"))] == [
        "within #1",
        "within #2",
    ]


def test_a_decision_tells_its_parts() -> None:
    newest, middle, oldest = keep(
        Retention(yearly=2), [_time("2024-03-09"), _time("2024-03-08"), _time("2024-03-07")], NOW, ZoneInfo("UTC")
    )
    assert newest == Decision("yearly", 1)
    assert oldest == Decision("yearly", 2, oldest=True)
    assert (newest.kept, middle.kept, oldest.kept) == (True, False, True)


@pytest.mark.parametrize("policy", [Retention(), Retention(daily=0), Retention(last=3, secondly=0)])
def test_a_policy_that_keeps_nothing_is_a_mistake_of_ours(policy: Retention) -> None:
    with pytest.raises(ValueError, match="keeps nothing"):
        keep(policy, [NOW], NOW, ZoneInfo("UTC"))


def test_a_time_without_a_zone_is_a_mistake_of_ours() -> None:
    naive = NOW.replace(tzinfo=None)
    with pytest.raises(ValueError, match="in no zone"):
        keep(Retention(daily=1), [naive], NOW, ZoneInfo("UTC"))
    with pytest.raises(ValueError, match="in no zone"):
        keep(Retention(within="1d"), [NOW], naive, ZoneInfo("UTC"))
