from __future__ import annotations

import pytest

from backupspec.accept import accepted, unused
from backupspec.diagnostic import Diagnostic, Severity, Span
from backupspec.inventory import Accept, Written

PLACE = Span("inventory.yaml", 1, 1, 1, 1)
KNOWN = "BS510"  # any code that the catalogue has


def accept(code: str, where: str, until: str | None = None) -> Accept:
    ends = None if until is None else Written(until, PLACE)
    return Accept(Written(code, PLACE), Written(where, PLACE), "known", ends, PLACE)


def warning(code: str = KNOWN, where: str = "hosts.web01", severity: Severity = Severity.WARNING) -> Diagnostic:
    return Diagnostic(code, severity, "message", PLACE, where=where)


@pytest.mark.parametrize(
    ("where", "dropped"),
    [
        ("hosts.web01", True),
        ("hosts", True),
        ("hosts.web0", False),
        ("hosts.web01.files", False),
        ("hosts.web011", False),
        ("", False),
    ],
)
def test_a_warning_is_dropped_at_the_place_or_below(where: str, *, dropped: bool) -> None:
    assert (accepted([warning()], [accept(KNOWN, where)]) == ()) == dropped


def test_another_code_stays() -> None:
    assert accepted([warning()], [accept("BS511", "hosts.web01")]) == (warning(),)


def test_an_error_cannot_be_accepted() -> None:
    error = warning(severity=Severity.ERROR)
    assert accepted([error], [accept(KNOWN, "hosts.web01")]) == (error,)
    assert [each.code for each in unused([error], [accept(KNOWN, "hosts.web01")])] == ["BS491"]


def test_until_is_judged_only_when_a_day_is_given_and_holds_on_that_day() -> None:
    entry = accept(KNOWN, "hosts", "2027-04-01")
    assert accepted([warning()], [entry]) == ()
    assert accepted([warning()], [entry], "2027-04-01") == ()
    assert [each.code for each in accepted([warning()], [entry], "2027-04-02")] == [KNOWN, "BS492"]


def test_what_accepts_nothing_is_told() -> None:
    entries = [accept("BS101", "hosts.web01"), accept("BS999", "hosts"), accept(KNOWN, "hosts.web01")]
    assert [(each.code, each.message) for each in unused([warning()], entries)] == [
        ("BS490", "nothing is left to accept: there is no BS101 at hosts.web01"),
        ("BS490", "there is no code BS999"),
    ]


def test_findings_of_the_output_are_not_missed_when_nothing_was_compared() -> None:
    assert unused([], [accept(KNOWN, "hosts.web01")]) == ()
