"""The catalogue: every code that the program can emit is in it once, with something to read."""

from __future__ import annotations

import ast
import re
from collections import Counter
from pathlib import Path

import pytest

from backupspec.catalogue import CATALOGUE, Entry, diagnose, explain
from backupspec.diagnostic import Severity, Span

SOURCES = Path(__file__).parents[2] / "src" / "backupspec"
MIGRATION = Path(__file__).parents[2] / "migrate" / "backupspec_migrate"
CODE = re.compile(r"BS[0-9]{3}")
PLACE = Span("inventory.yaml", 1, 1, 1, 2)


def emitted() -> set[str]:
    """Give every code that stands in the program as a text of its own, outside the catalogue."""
    modules = [path for folder in (SOURCES, MIGRATION) for path in folder.rglob("*.py")]
    texts = (
        node.value
        for path in modules
        if path.name != "catalogue.py" and path.parent.name != "codes"
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    )
    return {text for text in texts if CODE.fullmatch(text)}


def from_schema() -> set[str]:
    """Give every code that the schema sets by `x-code`."""
    text = (SOURCES.parents[1] / "schema" / "inventory.schema.json").read_text(encoding="utf-8")
    return set(re.findall(r'"x-code": "([^"]+)"', text))


def test_every_code_stands_in_the_catalogue_once() -> None:
    assert [code for code, count in Counter(entry.code for entry in CATALOGUE).items() if count > 1] == []


def test_every_code_that_is_emitted_is_explained() -> None:
    assert (emitted() | from_schema()) - {entry.code for entry in CATALOGUE} == set()


def test_no_code_is_built_inside_a_string() -> None:
    built = [
        str(path)
        for folder in (SOURCES, MIGRATION)
        for path in folder.rglob("*.py")
        if re.search(r"""["']BS[0-9]{0,2}\{""", path.read_text(encoding="utf-8"))
    ]
    assert built == []


@pytest.mark.parametrize("entry", CATALOGUE, ids=lambda entry: entry.code)
def test_every_entry_says_what_why_and_what_to_do(entry: Entry) -> None:
    assert CODE.fullmatch(entry.code)
    assert 1 <= len(entry.title.split()) <= 8
    assert not entry.title.endswith(".")
    assert len(entry.explanation) >= 60
    assert entry.explanation.endswith((".", ".)", "`"))


def test_a_code_is_explained_in_either_case_of_letters() -> None:
    entry = explain("bs021")
    assert entry is not None
    assert entry.title == "key defined twice"
    assert explain("BS000") is None


def test_the_severity_is_the_catalogues() -> None:
    assert diagnose("BS021", "x", PLACE).severity is Severity.ERROR


def test_a_code_that_is_not_in_the_catalogue_cannot_be_emitted() -> None:
    with pytest.raises(KeyError):
        diagnose("BS000", "x", PLACE)
