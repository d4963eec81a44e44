"""Whatever text stands in any place of the language: it is refused there, or every file still says it as written."""

from __future__ import annotations

import functools
import re
from collections import Counter
from fnmatch import fnmatchcase
from xml.sax.saxutils import escape

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.oracles import read_back
from tests.oracles.hostile import LATER, MARK, fill, forms, refused, spots, taken
from tests.oracles.strings import Steps, places
from tests.templates.hostile import NASTY, SIGNS

pytestmark = [pytest.mark.root, pytest.mark.systemd]

HOSTILE = [text for text in NASTY if text != "plain"]
TAKEN = [text for text in HOSTILE if text.replace("\u00a0", " ").isprintable()]

_SIGNS = sorted({sign for sign in SIGNS if sign.isprintable()} - set("/.{}[]*?^\\:@,\"'$"))
"""What no place refuses that takes hostile texts at all, so that most of them take what is drawn."""
_LOCK = re.compile(r"(?<=/lock/)[0-9a-f]{64}")
"""A digest of a path, which is the only thing in a script that has another form than what it stands for."""
_SETTING = re.compile(r"[A-Z]\w+Paths=")
"""A word of a script that is a line of a unit, for systemd-run, which alone expands no `%`."""
_UNIT = "[Unit]\n[Service]\nType=oneshot\nExecStart=/bin/true\n{}\n"
NOWHERE = {"inventory.include[]": "names files of the inventory, and stands in no output"}
"""Places that take a hostile text which can reach no tool, each with the reason."""


def test_every_place_that_takes_a_hostile_text_has_one() -> None:
    """A new key of the language that such a text may follow fails this, until hostile.yaml has it."""
    there = {spot.place.name for spot in spots().values()}
    assert len(places()) > 250
    lacking = [name for name in places() if name not in there and any(map(forms(name), HOSTILE))]
    assert lacking == list(NOWHERE)


@pytest.mark.parametrize("text", HOSTILE)
def test_what_the_schema_refuses_is_refused_in_its_place(text: str) -> None:
    """All at once: each has a finding in its own line, with a way out."""
    paths = refused(text)
    filling = fill(text, paths)
    assert filling.run.tree is None
    found = [each for each in filling.run.diagnostics if each.severity.label == "error"]
    assert all(each.hint and each.span.file == "inventory.yaml" for each in found)
    lines = [each.span.line for each in found]
    expected = [filling.lines[path] for path in paths]
    assert {line for line in expected if lines.count(line) < expected.count(line)} == set()
    assert (len(paths) == len(spots())) == (text not in TAKEN)


@pytest.mark.parametrize(("names", "text"), [(names, text) for names, _, texts in LATER for text in texts])
def test_what_a_language_behind_cannot_hold_is_refused_too(names: str, text: str) -> None:
    """Where the schema lets it pass: the finding names the value, and stands at it or at the machine that has it."""
    filling = fill(text, tuple(path for path, spot in spots().items() if fnmatchcase(spot.place.name, names)))
    assert filling.run.tree is None
    found = [each for each in filling.run.diagnostics if each.severity.label == "error"]
    assert found
    for each in found:
        assert each.span.file == "inventory.yaml"
        assert each.span.line > 1
        assert each.hint
        assert text in each.message or repr(text)[1:-1] in each.message


@functools.cache
def _marked(paths: tuple[Steps, ...], *, bare: bool) -> dict[str, str]:
    return fill(MARK, paths, bare=bare).files


def _arrives(text: str) -> None:
    """Compare with what the same inventory compiles to with a harmless word instead, each file by its own reader."""
    paths = taken(text)
    one, other = _marked(paths, bare="/" in text or text != text.rstrip()), fill(text, paths).files
    assert [path.replace(MARK, text) for path in one] == list(other)
    changed = [path for path in one if one[path] != other[path]]
    scripts = {path for path in changed if one[path].startswith("#!/bin/sh\n")}
    units = {path for path in changed if path.endswith((".service", ".timer"))}
    assert len(changed) > 150
    _in_scripts([(one[path], other[path]) for path in sorted(scripts)], text)
    _in_units([(one[path], other[path]) for path in sorted(units)], text)
    _in_page(one["README.md"], other["README.md"], text)
    patterns = {path for path in changed if path.endswith(".patterns")}
    for path in patterns:
        _in_patterns(one[path], other[path], text)
    for path in set(changed) - scripts - units - patterns - {"README.md"}:
        read = read_back.reader(path)
        assert _swapped(read(one[path]), text) == read(other[path]), path


def _in_scripts(pairs: list[tuple[str, str]], text: str) -> None:
    """Look for each word anywhere, since some lists are sorted. XML in a script has XML's escapes."""
    words = read_back.commands(pairs)
    before = Counter(_LOCK.sub("lock", str(_swapped(word, text))) for word, _ in words if not _SETTING.match(word))
    after = Counter(_LOCK.sub("lock", word) for _, word in words if not _SETTING.match(word))
    in_xml = {str(_swapped(word, escape(text, {"'": "&apos;", '"': "&quot;"}))) for word, _ in words}
    assert [word for word in after - before if word not in in_xml] == []
    given = [[_UNIT.format(word.replace("%", "%%")) for word in pair] for pair in words if _SETTING.match(pair[0])]
    _in_units([(one, other) for one, other in given], text)


def _in_units(pairs: list[tuple[str, str]], text: str) -> None:
    for before, after in read_back.units(pairs):
        said = [line for line in before if MARK in line]
        assert said
        there = [_parts(line) for line in after]
        assert [line for line in said if _parts(str(_swapped(line, text))) not in there] == []


def _parts(line: str) -> list[str]:
    """Give the paths of a line of the dump in the order of their names."""
    return sorted(re.split(r" (?=-?/)", line))


def _in_page(one: str, other: str, text: str) -> None:
    for (kind, line), (against_kind, against) in zip(read_back.page(one), read_back.page(other), strict=True):
        assert kind == against_kind
        if kind in {"fence", "code_inline", "code_block"}:
            assert line == against or read_back.code(line, against, MARK, text), against
        else:
            assert _swapped(line, text) == against


def _in_patterns(one: str, other: str, text: str) -> None:
    """Folders above an exception are kept beside it, where no sign of a pattern is in it."""
    before, after = read_back.patterns(one), read_back.patterns(other)
    if set(text) & set("*?[]\\"):
        before = {each: None for each in before if each[1] != "PathFullPattern"}
        after = {each: None for each in after if each[1] != "PathFullPattern"}
    assert _swapped(before, text) == after


def _swapped(value: object, text: str) -> object:
    """Give what has been read with the text in the place of the mark."""
    if isinstance(value, str):
        return value.replace(MARK, text)
    if isinstance(value, dict):
        return {_swapped(key, text): _swapped(inner, text) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_swapped(inner, text) for inner in value)
    return value


@pytest.mark.parametrize("text", TAKEN)
def test_what_is_taken_arrives_in_every_file(text: str) -> None:
    assert len(taken(text)) > 120
    _arrives(text)


@settings(max_examples=4, suppress_health_check=[HealthCheck.too_slow])
@given(text=st.text(st.sampled_from(_SIGNS), min_size=2, max_size=24))
def test_a_drawn_text_that_is_taken_arrives_in_every_file(text: str) -> None:
    _arrives(text)
