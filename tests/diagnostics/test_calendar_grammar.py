"""The grammar of calendar times accepts what systemd accepts, and knows the nights that summer time takes away."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backupspec.analyse.systemd import ask_systemd
from backupspec.calendar_grammar import Calendar, lost_starts, read_calendar


def _item(lowest: int, highest: int) -> st.SearchStrategy[str]:
    number = st.integers(lowest - 1 if lowest else 0, highest + 1).map(str)
    step = st.sampled_from(["0", "1", "2", "5", "7", str(highest)])
    return st.one_of(
        number,
        st.tuples(number, step).map("/".join),
        st.tuples(number, number).map("..".join),
        st.tuples(number, number, step).map(lambda drawn: f"{drawn[0]}..{drawn[1]}/{drawn[2]}"),
    )


def _component(lowest: int, highest: int) -> st.SearchStrategy[str]:
    return st.one_of(st.just("*"), st.lists(_item(lowest, highest), min_size=1, max_size=3).map(",".join))


_WEEKDAY = st.sampled_from(["Mon", "tue", "Wednesday", "THU", "fri", "Sat", "sun", "Sonntag"])
_WEEKDAYS = st.lists(st.one_of(_WEEKDAY, st.tuples(_WEEKDAY, _WEEKDAY).map("..".join)), min_size=1, max_size=3).map(
    ",".join
)
_YEAR = st.sampled_from(["", "*-", "2026-", "2026..2030-", "26-", "1999-", "2200-"])
# Of a list counted from the end of the month systemd 252 refuses some that it could read (`~1,26`, not `~1,25` nor
# `~26`): no lists there.
_DATE = st.one_of(
    st.tuples(_YEAR, _component(1, 12), st.just("-"), _component(1, 31)).map("".join),
    st.tuples(_YEAR, _component(1, 12), st.just("~"), st.integers(1, 28).map(str)).map("".join),
)
_TIME = st.lists(_component(0, 59), min_size=2, max_size=2).flatmap(
    lambda rest: _component(0, 23).map(lambda hour: ":".join([hour, *rest]))
)
_EXPRESSIONS = st.one_of(
    st.tuples(_WEEKDAYS, _TIME).map(" ".join),
    st.tuples(_DATE, _TIME).map(" ".join),
    st.tuples(_WEEKDAYS, _DATE, _TIME).map(" ".join),
    _DATE,
    _TIME,
    _WEEKDAYS,
)


@pytest.mark.systemd
@settings(max_examples=40)
@given(st.lists(_EXPRESSIONS, min_size=8, max_size=8))
def test_the_grammar_and_systemd_agree(expressions: list[str]) -> None:
    refused = ask_systemd(expressions)
    assert {text for text in expressions if isinstance(read_calendar(text), str)} == refused.keys()


@pytest.mark.systemd
@pytest.mark.parametrize(
    "text",
    ["daily", "Weekly", "Sat 06:15", "Wed, 17:48", "*:0/15", "Mon..Fri *-*-1..7 4:00", "*-02~03", "3:00:00.5", "*~1"],
)
def test_what_people_write_is_accepted_by_both(text: str) -> None:
    assert isinstance(read_calendar(text), Calendar)
    assert ask_systemd([text]) == {}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "it is empty"),
        ("25:00", "`25` is not between 0 and 23, as a hour must be"),
        ("Sat 6:15 PM", "`PM` is neither a weekday, a date nor a time"),
        ("Someday 4:00", "`Someday` is no weekday (Mon, Tue, Wed, Thu, Fri, Sat, Sun)"),
        ("Sun..Tue 4:00", "the range `Sun..Tue` ends before it begins (a week begins on Monday)"),
        ("Sat 04:00 Europe/Berlin", "the time zone `Europe/Berlin` belongs into `timezone`"),
        ("Sat 04:00 UTC", "the time zone `UTC` belongs into `timezone`"),
        ("*-*-* 4:0/70", "the repetition of `0/70` gives no second minute"),
        ("@1700000000", "`@1700000000` is neither a weekday, a date nor a time"),
    ],
)
def test_a_refusal_says_why(text: str, reason: str) -> None:
    assert read_calendar(text) == reason


@pytest.mark.parametrize(
    ("text", "timezone", "lost"),
    [
        ("Sun 02:30", "Europe/Berlin", (150,)),
        ("*-*-* 02:30", "America/Toronto", (150,)),
        ("*-03-08..14 02:30", "America/Toronto", (150,)),
        ("Sat 02:30", "America/Toronto", ()),  # clocks change on Sundays there
        ("*-*-01 02:30", "America/Toronto", ()),  # and never on the first
        ("*-*-* 02:30", "UTC", ()),
        ("*-*-* 03:30", "Europe/Berlin", ()),
        ("*:30", "Europe/Berlin", ()),  # 03:30 follows within the hour
    ],
)
def test_a_start_is_lost_only_where_no_other_follows(text: str, timezone: str, lost: tuple[int, ...]) -> None:
    calendar = read_calendar(text)
    assert isinstance(calendar, Calendar)
    assert lost_starts(calendar, timezone) == lost


@pytest.mark.parametrize(
    ("text", "weekly"), [("Sat 06:15", True), ("*-*-01 04:00", True), ("Mon,Fri 04:00", False), ("04:00", False)]
)
def test_it_is_known_whether_a_week_lies_between_two_days(text: str, weekly: bool) -> None:  # noqa: FBT001 - a parameter of pytest's
    calendar = read_calendar(text)
    assert isinstance(calendar, Calendar)
    assert calendar.weekly_at_most is weekly


@pytest.mark.systemd
def test_systemd_is_asked_with_its_own_words() -> None:
    refused = ask_systemd(["Sat 04:00", "tomorrow"])
    assert list(refused) == ["tomorrow"]
    assert "tomorrow" in refused["tomorrow"]


def test_without_systemd_nothing_is_refused() -> None:
    assert ask_systemd(["tomorrow"], program="/nonexistent/systemd-analyze") == {}
