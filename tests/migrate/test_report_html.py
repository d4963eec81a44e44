"""The sign-off page: one file that needs nothing else, whatever names the tree holds."""

from __future__ import annotations

import base64
import hashlib
import itertools
import re
import subprocess
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backupspec.source import unfit_character
from backupspec_migrate.figures import local, shown, utc
from backupspec_migrate.report_html import as_html
from backupspec_migrate.report_json import as_json
from backupspec_migrate.standing import SkippedLine, Standing
from backupspec_migrate.timeline import LEFT, RIGHT, SHAPES, Axis, axis_of, draw, outline
from tests.migrate.standings import DAY, HOSTILE, NOW, hostile, ladder, nothing, poorly, series, well

MAKERS = [well, poorly, hostile, nothing]


class _Page(HTMLParser):
    """What a browser would find: elements with attributes, and all text by the element that it stands in."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[tuple[str, str]] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.texts.append((self.elements[-1][0] if self.elements else "", data))

    def inside(self, tag: str) -> list[str]:
        return [text for name, text in self.texts if name == tag and text.strip()]


def _drawings(text: str) -> list[ET.Element]:
    return [ET.fromstring(svg) for svg in re.findall(r"<svg.*?</svg>", text, re.DOTALL)]  # noqa: S314 - we made them


@pytest.mark.parametrize("make", MAKERS, ids=lambda make: make.__name__)
def test_the_page_is_valid_and_its_drawings_are_well_formed(make: Callable[[], Standing]) -> None:
    text = as_html(make())
    ran = subprocess.run(["tidy", "-qe", "-utf8"], input=text.encode(), capture_output=True, check=False)
    assert (ran.returncode, ran.stderr) == (0, b"")
    assert _drawings(text)


@pytest.mark.parametrize("make", MAKERS, ids=lambda make: make.__name__)
def test_the_page_needs_nothing_else_and_runs_nothing(make: Callable[[], Standing]) -> None:
    page = _Page(as_html(make()))
    assert {tag for tag, _ in page.elements} & {"script", "link", "img", "iframe", "object", "base", "form"} == set()
    names = {name for _, attributes in page.elements for name in attributes}
    assert names & {"src", "href", "xlink:href", "srcdoc", "style", "action"} == set()
    assert [name for name in names if name.startswith("on")] == []


def test_the_policy_of_the_page_allows_its_own_style_sheet_only() -> None:
    text = as_html(well())
    (style,) = re.findall(r"<style>(.*?)</style>", text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    assert f'<meta http-equiv="Content-Security-Policy" content="{policy}">' in text
    assert not re.search(r"url\(|@import|expression", style)


def test_hostile_names_show_as_they_are_and_do_nothing() -> None:
    text = as_html(hostile())
    page = _Page(text)
    calm = _Page(as_html(replace(hostile(), series=hostile().series[:1])))
    assert {tag for tag, _ in page.elements} == {tag for tag, _ in calm.elements}
    assert set(map(shown, HOSTILE)) <= {cell for tag in ("code", "td") for cell in page.inside(tag)}
    assert {unfit_character(line) for line in text.splitlines()} == {None}
    assert "exe\\u202egnp.txt" in page.inside("code")
    assert "caf\\xe9" in page.inside("code")
    assert "zero\\u200bwidth\\u00ad\\u061c\\u00a0\\U000e0041" in page.inside("code")


def test_the_verdict_comes_first_and_only_a_yes_can_be_signed() -> None:
    yes, no = as_html(well()), as_html(poorly())
    assert [_Page(text).inside("strong") for text in (yes, no)] == [["Yes"], ["No"]]
    assert "<li>Signature</li>" in yes
    assert "Signature" not in no
    assert "so there is nothing to sign" in no


def test_a_signed_page_names_the_exact_report() -> None:
    digest = hashlib.sha256(as_json(well()).encode()).hexdigest()
    assert digest in _Page(as_html(well())).inside("code")


def test_words_and_marks_can_be_told_from_the_paper() -> None:
    (style,) = re.findall(r"<style>(.*?)</style>", as_html(well()), re.DOTALL)
    for block in re.findall(r":root \{(.*?)\}", style, re.DOTALL):
        colours = dict(re.findall(r"--([a-z]+): #([0-9a-f]+)", block))
        for paper in ("paper", "sheet"):
            contrast = {name: _contrast(colours[name], colours[paper]) for name in colours}
            words = {name: contrast[name] for name in ("ink", "soft", "yes", "no", "good", "warn", "bad")}
            assert min(words.values()) >= 4.5, words  # WCAG 2.2, 1.4.3
            assert min(contrast["quiet"], contrast["keep"]) >= 3, contrast  # 1.4.11


def _contrast(one: str, other: str) -> float:
    """Give the ratio of WCAG 2.2 between two colours in hex."""
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def _luminance(colour: str) -> float:
    digits = colour if len(colour) == 6 else "".join(2 * digit for digit in colour)
    parts = [int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_each_archive_has_a_row_and_each_table_has_heads() -> None:
    page = _Page(as_html(poorly()))
    planned = {line.archive for each in poorly().series for line in each.archives}
    assert planned <= set(page.inside("code"))
    assert {attributes.get("scope") for tag, attributes in page.elements if tag == "th"} == {"col", "row"}
    told = page.inside("td") + page.inside("code") + page.inside("svg") + page.inside("path")
    for words in ("etc/shadow: mode 0640, in the archive 0644", "interrupted; the same files are in weekly.8"):
        assert words in told
    assert "run/mysqld/mysqld.sock" in page.inside("code")
    assert any("Borg stores no sockets: 82 in 41 archives" in text for text in page.inside("h4"))


def test_each_drawing_is_told_to_those_who_cannot_see_it() -> None:
    drawings = [drawing for drawing in _drawings(as_html(poorly())) if drawing.get("aria-hidden") is None]
    assert len(drawings) == 9  # one host has nothing to draw
    assert {drawing.get("role") for drawing in drawings} == {"img"}
    assert drawings[1].findtext("title") == "Timeline of db01, files"
    assert drawings[1].findtext("desc") == (
        "41 snapshots in the tree, from 2018-10-03 to 2024-02-01; 40 in the repository; 20 stay after the first prune."
        " The table of this series lists each."
    )
    titles = [title.text or "" for title in drawings[1].iterfind("path/title")]
    assert "daily.3, 2024-01-29 03:00 +01:00: differs" in titles
    assert "yearly.2, 2022-06-29 04:00 +02:00: stays: yearly #3" in titles


def test_what_has_another_meaning_in_a_lane_has_another_shape() -> None:
    by_shape = Counter(outline(kind, 0, 0) for kind, _, _ in SHAPES)
    twice = {kind for kind, _, _ in SHAPES if by_shape[outline(kind, 0, 0)] > 1}
    assert twice == {"skipped", "no", "unplanned", "changed"}  # in the tree, and in the repository


def test_a_ladder_of_years_is_drawn_so_that_no_mark_hides_another() -> None:
    axis = Axis(min(time for _, time in ladder()), NOW)
    places = sorted(axis.place(time) for _, time in ladder())
    assert (places[0], places[-1]) == (LEFT, RIGHT)
    years = [after - before for before, after in itertools.pairwise(places)]
    assert min(years) > 7.6


@given(st.lists(st.integers(-(10**11), 10**13), min_size=1, max_size=20))
def test_the_axis_keeps_the_order_of_all_times_and_its_words_apart(times: list[int]) -> None:
    axis = Axis(min(times), max(times))
    places = [axis.place(time) for time in sorted(times)]
    assert places == sorted(places)
    assert all(LEFT <= place <= RIGHT for place in places)
    ticks = [tick.x for tick in axis.ticks("Europe/Berlin")]
    assert all(after - before >= 70 for before, after in itertools.pairwise(ticks))


def test_a_drawing_counts_what_was_found_imported_and_kept() -> None:
    standing = poorly()
    axis = axis_of(standing)
    assert axis is not None
    waiting = (SkippedLine("daily.0", NOW + DAY, "db01", "new"), SkippedLine("x", None, "db01", "no time"))
    drawing = draw(standing.series[1], waiting, axis, "UTC")
    assert drawing.counts == (42, 40, 20)
    assert {mark.kind for mark in drawing.marks[-3:]} == {"unplanned", "differs", "missing"}
    assert draw(standing.series[8], (), axis, "UTC").counts == (41, 41, None)
    assert axis_of(nothing()) is None


def test_a_snapshot_that_may_be_of_any_host_waits_in_every_drawing() -> None:
    undecided = (SkippedLine("daily.2", NOW - 2 * DAY, None, "interrupted"),)  # planned, too
    drawings = [drawing for drawing in _drawings(as_html(replace(well(), undecided=undecided))) if drawing.get("role")]
    for drawing in drawings:
        titles = [title.text or "" for title in drawing.iterfind("path/title")]
        assert "daily.2, 2024-01-30 03:00 +01:00: interrupted" in titles
    assert [drawing.findtext("text[@class='count']") for drawing in drawings] == ["41"] * 5 + ["2"] + ["41"] * 4


def test_names_are_shown_so_that_no_two_look_alike() -> None:
    names = ["a", "a\u200b", "a ", "a\u00a0", "caf\udce9", "caf\\xe9\n", "é", "e\u0301", "\x1b", "漢", "back\\slash"]
    assert len(set(map(shown, names))) == len(names)
    assert [shown(name) for name in ("漢字 é", "dev\\x2dsda", "\x1b\\")] == ["漢字 é", "dev\\x2dsda", "\\x1b\\\\"]


def test_times_that_no_calendar_has_are_shown_as_seconds() -> None:
    assert (utc(10**13), local(10**13, "UTC")) == ("@10000000000000", "@10000000000000")
    assert (utc(NOW), local(NOW, "Europe/Berlin")) == ("2024-02-01T02:00:00Z", "2024-02-01 03:00 +01:00")
    line = replace(series("web01").archives[0], time=10**13, verified_at=-(10**13))
    assert "@10000000000000" in as_html(
        replace(well(), made_at=10**13, series=(replace(series("web01"), archives=(line,)),))
    )


def test_a_thousand_archives_make_a_page_that_still_opens() -> None:
    line = series("web01").archives[0]
    lines = tuple(replace(line, archive=f"web01_files_{number}", time=NOW - number * DAY) for number in range(1000))
    assert len(as_html(replace(well(), series=(replace(series("web01"), archives=lines),)))) < 2_000_000
