"""A code that no inventory can show has a test that does, by name, and that pins the whole text."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from backupspec.catalogue import CATALOGUE
from tests.diagnostics.elsewhere import PINNED_BY_THEMSELVES, SHOWN
from tests.diagnostics.pinned import pinned_in

ROOT = Path(__file__).parents[2]


def _shown(file: str) -> dict[str, str]:
    """Give each test of a file by its name: its text with its decorators, and that of the tables it speaks of."""
    text = (ROOT / file).read_text(encoding="utf-8")
    lines = text.splitlines()
    texts: dict[str, str] = {}
    tables: dict[str, str] = {}
    for node in ast.parse(text).body:
        if isinstance(node, ast.FunctionDef):
            start = min([node.lineno, *(each.lineno for each in node.decorator_list)])
            texts[node.name] = "\n".join(lines[start - 1 : node.end_lineno])
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            target = node.target if isinstance(node, ast.AnnAssign) else node.targets[0]
            tables[ast.unparse(target)] = "\n".join(lines[node.lineno - 1 : node.end_lineno])
    return {
        name: "\n".join([body, *(table for used, table in tables.items() if used in body)])
        for name, body in texts.items()
        if name.startswith("test_")
    }


def test_every_code_of_another_kind_is_listed_once() -> None:
    """The codes of inventories are test_broken's, by folder; together they are the catalogue."""
    listed = [code for tests in SHOWN.values() for codes in tests.values() for code in codes]
    assert len(listed) == len(set(listed))
    assert set(listed) <= {entry.code for entry in CATALOGUE}


@pytest.mark.parametrize("file", SHOWN)
def test_the_tests_that_are_listed_exist_and_pin_their_codes(file: str) -> None:
    """That they still show what is pinned, they say themselves, and syrupy, which fails where a text is not used."""
    tests = _shown(file)
    assert SHOWN[file].keys() <= tests.keys()
    listed = {(name, code) for name, codes in SHOWN[file].items() for code in codes}
    if file in PINNED_BY_THEMSELVES:
        severities = {entry.code: entry.severity.label for entry in CATALOGUE}
        pinned = {(name, code) for name, code in listed if f"{severities[code]}[{code}]: " in tests[name]}
    else:
        pinned = set(pinned_in(ROOT / file))
    assert pinned == listed


def test_nothing_is_pinned_for_a_test_that_is_not_listed() -> None:
    snapshots = (ROOT / "tests").glob("**/__snapshots__/*.ambr")
    files = {(path.parent.parent / f"{path.stem}.py").relative_to(ROOT).as_posix() for path in snapshots}
    assert files <= SHOWN.keys() - PINNED_BY_THEMSELVES
