"""When jobs run."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backupspec.schedule import DAY, Quiet, Schedule, Window, calendar_lines, minutes, quiet_minutes, skipped, zone

ZONES = (
    "America/Toronto",
    "Europe/Berlin",
    "Australia/Lord_Howe",
    "America/Santiago",
    "Africa/Cairo",
    "UTC",
    "Asia/Tokyo",
)
clocks = st.integers(0, DAY - 1)
windows = st.builds(Window, clocks, clocks)
quiets = st.none() | st.builds(Quiet, windows, st.sampled_from(ZONES))
every = st.sampled_from([count for count in range(1, DAY + 1) if DAY % count == 0])


@pytest.mark.parametrize("name", ZONES)
def test_exactly_the_minutes_that_some_day_lacks_are_skipped(name: str) -> None:
    here = zone(name)
    assert here is not None
    lacking = set()
    for day in range((datetime(2038, 1, 1, tzinfo=UTC) - datetime(2025, 1, 1, tzinfo=UTC)).days):
        date = datetime(2025, 1, 1, tzinfo=UTC) + timedelta(days=day)
        for minute in range(0, DAY, 15):
            local = datetime(date.year, date.month, date.day, minute // 60, minute % 60, tzinfo=here)
            if local.astimezone(UTC).astimezone(here) != local:
                lacking.add(minute)
    assert {minute for minute in skipped(name) if minute % 15 == 0} == lacking


@given(windows, quiets, st.sampled_from(ZONES), st.text(max_size=20))
def test_a_daily_job_starts_in_its_window_outside_of_quiet_hours_and_of_the_skipped_hour(
    window: Window, quiet: Quiet | None, name: str, job: str
) -> None:
    starts = minutes(Schedule(name, window), quiet, job)
    good = set(window.minutes()) - skipped(name) - quiet_minutes(quiet, name)
    assert len(starts) == bool(good)
    assert set(starts) <= good


@given(every, st.none() | windows, quiets, st.sampled_from(ZONES), st.text(max_size=20))
def test_every_keeps_its_distance_and_out_of_quiet_hours(
    count: int, window: Window | None, quiet: Quiet | None, name: str, job: str
) -> None:
    starts = minutes(Schedule(name, window, every=count), quiet, job)
    assert all((later - earlier) % count == 0 for earlier, later in itertools.pairwise(starts))
    assert not set(starts) & quiet_minutes(quiet, name)
    assert window is None or set(starts) <= set(window.minutes())
    if window is None and quiet is None:
        assert len(starts) == DAY // count


@given(windows, st.sampled_from(ZONES))
def test_quiet_hours_hold_in_another_zone_at_any_time_of_the_year(window: Window, name: str) -> None:
    quiet = Quiet(window, "Europe/Berlin")
    berlin, there = zone("Europe/Berlin"), zone(name)
    assert berlin is not None
    assert there is not None
    hushed = quiet_minutes(quiet, name)
    for month in range(1, 13):
        local = datetime(2026, month, 15, tzinfo=berlin) + timedelta(minutes=window.start)
        other = local.astimezone(there)
        assert other.hour * 60 + other.minute in hushed


def test_the_same_job_always_has_the_same_minute() -> None:
    schedule = Schedule("America/Toronto", Window(60, 300))
    assert calendar_lines(schedule, None, "web01 www central") == ("*-*-* 04:40:00 America/Toronto",)


def test_a_thousand_hosts_spread_over_their_window() -> None:
    schedule = Schedule("UTC", Window(60, 300))
    starts = [minutes(schedule, None, f"host{number} system central")[0] for number in range(1000)]
    busiest = max(starts.count(minute) for minute in set(starts))
    assert busiest <= 15
    assert len(set(starts)) > 200


def test_an_hourly_job_is_one_line_of_calendar() -> None:
    (line,) = calendar_lines(Schedule("UTC", every=60), None, "x")
    assert line.startswith("*-*-* *:")


@pytest.mark.parametrize("name", ["", "../etc/passwd", "Europe/Nowhere", "/etc/localtime", "posixrules/x", "europe"])
def test_what_is_no_zone_is_none(name: str) -> None:
    assert zone(name) is None
