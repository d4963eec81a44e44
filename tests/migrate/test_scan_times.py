"""A file that gives the times of a moved tree: each slip in it has its place."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from backupspec_migrate.find_layout import SourceWish, find_layout
from tests.diagnostics.pinned import Pinned
from tests.migrate.looking import look
from tests.migrate.site import DAY, FIRST, Site


@pytest.fixture
def moved(make_site: Callable[..., Site]) -> Site:
    """Give a site whose tree was copied without its times."""
    site = make_site()
    site.put("web01/etc/motd", "x")
    for _ in range(3):
        site.night()
    subprocess.run(["cp", "-r", site.snapshots, site.folder / "copy"], check=True)
    site.snapshots.rename(site.folder / "lost")
    (site.folder / "copy").rename(site.snapshots)
    return site


def times(site: Site, *lines: str, zone: str | None = None) -> SourceWish:
    file = site.folder / "times.yaml"
    file.write_text("\n".join(lines) + "\n")
    return SourceWish(times_file=file, timezone=zone)


@pytest.mark.root
def test_given_times_replace_those_of_the_folders(moved: Site) -> None:
    assert set(look(moved.conf).doubts.values()) == {"moved"}
    wish = times(
        moved,
        "# from the tape's label",
        "daily.0: 2024-01-04T02:05:00Z",
        "daily.1: 2024-01-03T03:05:00+01:00",
        'daily.2: "2024-01-02 02:05"',
        zone="UTC",
    )
    for source in (moved.conf, moved.snapshots):
        seen = look(source, wish)
        assert seen.times == {"daily.2": FIRST, "daily.1": FIRST + DAY, "daily.0": FIRST + 2 * DAY}
        assert {one.time_from for one in seen.scan.snapshots} == {"given"}
        assert seen.doubts == {}


@pytest.mark.root
def test_a_snapshot_without_a_time_and_a_time_without_a_snapshot_are_errors(moved: Site, pinned: Pinned) -> None:
    wish = times(
        moved, "daily.0: 2024-01-04T02:05:00Z", "dayly.1: 2024-01-03T02:05:00Z", "daily.2: 2024-01-02T02:05:00Z"
    )
    found = [one for one in look(moved.conf, wish).found if one.code == "BS666"]
    file = str(wish.times_file)
    assert [(one.message, str(one.span), one.hint) for one in found] == [
        ("there is no snapshot dayly.1", f"{file}:2:1", "did you mean `daily.1`?"),
        (f"daily.1 has no time in {file}", f"{file}:1:1", ""),
    ]
    pinned(*found)


@pytest.mark.root
def test_given_times_that_contradict_the_ladder_are_doubtful(moved: Site) -> None:
    wish = times(
        moved, "daily.0: 2024-01-02T02:05:00Z", "daily.1: 2024-01-03T02:05:00Z", "daily.2: 2024-01-01T02:05:00Z"
    )
    seen = look(moved.conf, wish)
    assert seen.doubts == {"daily.1": "out-of-order"}
    assert seen.why["daily.1"] == "the time given for it is later than that of daily.0"


SLIPS = {
    "daily.0: yesterday": ("daily.0: this is no time", 10),
    "daily.0: 2024-02-30T02:05:00Z": ("daily.0: there is no such time", 10),
    "daily.0: 2024-01-02T02:05:00": ("daily.0: the time does not say its zone", 10),
    "daily.0: [2024-01-02T02:05:00Z]": ("daily.0: this is no time", 10),
    "daily.0: 20240102": ("daily.0: this is no time", 10),
}


@pytest.mark.parametrize("line", SLIPS)
def test_a_slip_has_its_place_and_the_way_out(place: Path, line: str) -> None:
    file = place / "times.yaml"
    file.write_text(f"# times\n{line}\n")
    (place / "daily.0").mkdir()
    layout, found = find_layout(place, SourceWish(times_file=file))
    assert layout is None
    (one,) = found
    message, column = SLIPS[line]
    assert (one.code, one.message, str(one.span)) == ("BS666", message, f"{file}:2:{column}")
    assert one.hint == "write YYYY-MM-DDTHH:MM:SS with +HH:MM or Z"


def test_two_times_that_one_clock_reading_may_mean_are_not_chosen_between(place: Path) -> None:
    file = place / "times.yaml"
    file.write_text("daily.0: 2024-10-27T02:30:00\ndaily.1: 2024-03-31T02:30:00\n")
    (place / "daily.0").mkdir()
    _, found = find_layout(place, SourceWish(times_file=file, timezone="Europe/Berlin"))
    assert [one.message for one in found] == [
        "daily.0: that time was twice on the clocks in Europe/Berlin: say which is meant",
        "daily.1: that time was never on the clocks in Europe/Berlin: say which is meant",
    ]


def test_what_is_not_strict_yaml_is_said_as_for_an_inventory(place: Path) -> None:
    file = place / "times.yaml"
    (place / "daily.0").mkdir()
    line = "daily.0: 2024-01-02T02:05:00Z\n"
    for text, place_said in ((line + line, ("BS021", 2)), ("a: [\n", ("BS010", 1))):
        file.write_text(text)
        layout, found = find_layout(place, SourceWish(times_file=file))
        assert layout is None
        assert [(one.code, one.span.line) for one in found] == [place_said]
    layout, found = find_layout(place, SourceWish(times_file=place / "absent"))
    assert (layout, [one.code for one in found]) == (None, ["BS666"])


def test_two_snapshots_have_no_one_time(place: Path) -> None:
    file = place / "times.yaml"
    (place / "daily.0").mkdir()
    file.write_text("daily.0: 2024-01-02T02:05:00Z\ndaily.1: 2024-01-02T03:05:00+01:00\n")
    _, found = find_layout(place, SourceWish(times_file=file))
    assert [(one.message, one.span.line) for one in found] == [("daily.1 has the time that daily.0 has", 2)]
