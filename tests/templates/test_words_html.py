from __future__ import annotations

import re
from html.parser import HTMLParser
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backupspec.words import HtmlAttribute, HtmlText, HtmlTokens, SvgNumber, SvgPath, Unrepresentable
from tests.templates.hostile import NASTY, accepted, texts


class _Seen(HTMLParser):
    """What a browser would make of a fragment: its elements with their attributes, and its text."""

    def __init__(self, fragment: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, list[tuple[str, str | None]]]] = []
        self.text = ""
        self.feed(fragment)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, attrs))

    def handle_data(self, data: str) -> None:
        self.text += data


@given(values=st.lists(texts, min_size=1, max_size=10))
def test_text_shows_as_written_wherever_it_stands(values: list[str]) -> None:
    for value, word in accepted(HtmlText, values):
        for element in ("p", "title", "td"):
            seen = _Seen(f"<{element}>before {word}after</{element}>")
            assert (seen.elements, seen.text) == ([(element, [])], f"before {value}after")


@given(values=st.lists(texts, min_size=1, max_size=10))
def test_an_attribute_has_the_value_as_written_and_is_the_only_one(values: list[str]) -> None:
    for value, word in accepted(HtmlAttribute, values):
        assert _Seen(f"<p title={word}>").elements == [("p", [("title", value)])]
        assert _Seen(f"<p title={word}/>").elements == [("p", [("title", value)])]


@given(values=st.lists(texts, min_size=1, max_size=10))
def test_both_are_well_formed_in_a_drawing_too(values: list[str]) -> None:
    for value, word in accepted(HtmlText, values):
        drawing = ET.fromstring(f"<svg aria-label={HtmlAttribute(value)}><title>{word}</title></svg>")  # noqa: S314 - we made it
        assert (drawing.get("aria-label"), drawing.findtext("title")) == (value, value)


def test_what_nobody_would_see_is_refused() -> None:
    for make in (HtmlText, HtmlAttribute):
        refused = set(NASTY) - {value for value, _ in accepted(make, list(NASTY))}
        assert refused == {"new\nline", "car\rriage", "tab\there", "line\u2028separator"}
        for value in ("\u202eturned", "\ufeff", "\x00", "\udce9", "\ud800", "\x85", "\x1b[2J"):
            with pytest.raises(Unrepresentable):
                make(value)


@pytest.mark.parametrize("value", ["", " a", "a  b", 'a"', "<", "&", "a\n", "é", "-a"])
def test_a_list_of_tokens_takes_plain_words_only(value: str) -> None:
    with pytest.raises(Unrepresentable):
        HtmlTokens(value)
    assert str(HtmlTokens("verdict yes")) == '"verdict yes"'


@pytest.mark.parametrize("value", ["", "10 10", "M0 0 url(x)", 'M0 0"', "M0 0\n", "M0 0<"])
def test_an_outline_takes_lines_and_arcs_only(value: str) -> None:
    with pytest.raises(Unrepresentable):
        SvgPath(value)
    assert str(SvgPath("M1.5 2h3v-4z")) == '"M1.5 2h3v-4z"'


@given(number=st.floats())
def test_a_number_in_a_drawing_is_near_and_is_read_back(number: float) -> None:
    if -100_000 < number < 100_000:
        text = str(SvgNumber(number))
        assert re.fullmatch(r'"-?[0-9]+(?:\.[0-9]+)?"', text)
        assert abs(float(text.strip('"')) - number) <= 0.051
    else:
        with pytest.raises(Unrepresentable):
            SvgNumber(number)
