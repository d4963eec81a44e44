"""Every mistake in `inventories/broken` is found, alone, and said in exactly the words that stand in the snapshots."""

from __future__ import annotations

from pathlib import Path

import pytest
from syrupy.assertion import SnapshotAssertion
from syrupy.extensions.single_file import SingleFileSnapshotExtension, WriteMode

from backupspec.catalogue import CATALOGUE, explain
from backupspec.pipeline import compile_inventory
from backupspec.show import as_text
from tests.diagnostics.elsewhere import SHOWN

INVENTORIES = Path(__file__).parents[2] / "inventories"
BROKEN = INVENTORIES / "broken"
TODAY = "2026-11-22"

# A finding that another one is about, and that stands beside it.
COMPANIONS = {"BS491": {"BS219"}, "BS492": {"BS432"}}
NOT_BY_AN_INVENTORY = {
    "BS100": "what a rule of the schema without a code of its own would get: there is none today",
    "BS211": "the schema refuses every such location first (BS105)",
}
ELSEWHERE = {code for tests in SHOWN.values() for codes in tests.values() for code in codes}


class TextFile(SingleFileSnapshotExtension):
    """One file for each inventory: what a reviewer reads is what a user sees."""

    _write_mode = WriteMode.TEXT
    file_extension = "txt"


def broken() -> list[str]:
    """Give the folders, each named after a code, or after a code and which of its mistakes it shows."""
    return sorted(folder.name for folder in BROKEN.iterdir() if folder.is_dir())


def code_of(name: str) -> str:
    return name.partition("-")[0]


@pytest.mark.parametrize("name", broken())
def test_a_mistake_is_said_in_these_words(
    name: str, snapshot: SnapshotAssertion, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(INVENTORIES)
    run = compile_inventory(Path("broken") / name, TODAY)
    said = as_text(run.diagnostics, run.sources, "").plain
    assert said == snapshot(extension_class=TextFile)


@pytest.mark.parametrize("name", broken())
def test_a_mistake_is_found_alone(name: str) -> None:
    code = code_of(name)
    found = [each.code for each in compile_inventory(BROKEN / name, TODAY).diagnostics]
    assert found.count(code) == 1
    assert set(found) == {code} | COMPANIONS.get(code, set())


@pytest.mark.parametrize("name", broken())
def test_every_finding_has_a_place_a_path_and_a_way_out(name: str) -> None:
    for found in compile_inventory(BROKEN / name, TODAY).diagnostics:
        assert found.span.line >= 1
        assert found.span.file
        assert found.where or name < "BS2"
        assert found.hint


def test_every_code_has_an_inventory_that_shows_it_or_a_reason() -> None:
    wanted = {entry.code for entry in CATALOGUE} - ELSEWHERE
    shown = {code_of(name) for name in broken()}
    assert wanted - shown == NOT_BY_AN_INVENTORY.keys()
    assert shown <= wanted


@pytest.mark.parametrize("name", broken())
def test_a_broken_inventory_says_what_is_broken(name: str) -> None:
    assert explain(code_of(name)) is not None
    texts = [path.read_bytes() for path in (BROKEN / name).iterdir() if path.suffix == ".yaml"]
    assert any(text.removeprefix(b"\xef\xbb\xbf").startswith(b"# ") for text in texts)
    assert sum(len(text.splitlines()) for text in texts) <= 30


@pytest.mark.parametrize("name", ["laptop", "small", "infra4", "kvm"])
def test_a_good_inventory_has_no_errors(name: str) -> None:
    run = compile_inventory(INVENTORIES / name, TODAY)
    assert [each for each in run.diagnostics if each.severity.label == "error"] == []
    assert run.tree is not None
