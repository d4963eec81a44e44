"""Every compiled file of every inventory, as it was reviewed: what changes here changes on machines.

`pytest tests/golden --snapshot-update` accepts a change; the golden files then show it as a diff.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import re
from pathlib import Path

import pytest
from syrupy.assertion import SnapshotAssertion
from syrupy.data import SnapshotCollections
from syrupy.extensions.single_file import SingleFileSnapshotExtension, WriteMode
from syrupy.location import PyTestLocation
from syrupy.types import SnapshotIndex

from tests.golden.trees import INVENTORIES, Compiled, files_of

SNAPSHOTS = Path(__file__).parent / "__snapshots__"


class Golden(SingleFileSnapshotExtension):
    """One real file for each compiled file, at its own path below `__snapshots__/INVENTORY/`."""

    _write_mode = WriteMode.TEXT
    file_extension = ""

    @classmethod
    def dirname(cls, *, test_location: PyTestLocation) -> str:
        return str(SNAPSHOTS / _inventory(test_location))

    @classmethod
    def get_snapshot_name(cls, *, test_location: PyTestLocation, index: SnapshotIndex = 0) -> str:
        return f"{test_location.snapshot_name}[{index}]"

    @classmethod
    def get_file_basename(cls, *, index: SnapshotIndex, **_: object) -> str:
        return str(index)

    @classmethod
    def matches_test_location(cls, *, test_location: PyTestLocation, snapshot_location: str) -> bool:
        return Path(snapshot_location).is_relative_to(cls.dirname(test_location=test_location))

    def discover_snapshots(self, **_: object) -> SnapshotCollections:
        """Leave files that nothing asks for any more to the test below.

        It also works when several processes share the tests, and in a run of one inventory alone.
        """
        return SnapshotCollections()


def _inventory(location: PyTestLocation) -> str:
    """Give the inventory that stands in brackets after the test's name."""
    return location.snapshot_name_parametrized.partition("[")[2].removesuffix("]")


def _shown(path: str, data: bytes) -> str:
    """Give a file's text. A manifest's hashes say again what the other files show, so they are held below instead."""
    text = data.decode()
    return re.sub(r',\n *"sha256": "[0-9a-f]{64}"', "", text) if path == "manifest.json" else text


NAMES = [pytest.param(name, marks=pytest.mark.xdist_group(f"golden {name}"), id=name) for name in INVENTORIES]


@pytest.fixture(params=NAMES)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def tree(name: str, compiled: Compiled) -> Path:
    return compiled(name)


def test_each_compiled_file_is_as_it_was_reviewed(name: str, tree: Path, snapshot: SnapshotAssertion) -> None:
    golden = snapshot.use_extension(Golden)
    changed: list[str] = []
    for path, data in sorted(files_of(tree).items()):
        new, kept = _shown(path, data), SNAPSHOTS / name / path
        if golden(name=path) != new:
            old = kept.read_text(encoding="utf-8") if kept.is_file() else ""
            changed += difflib.unified_diff(old.splitlines(), new.splitlines(), f"golden/{path}", path, lineterm="")
    if changed:
        pytest.fail("\n".join([*changed, "as it should be? then --snapshot-update accepts it"]), pytrace=False)


def test_no_golden_file_outlives_what_it_was_compiled_from(
    name: str, tree: Path, request: pytest.FixtureRequest
) -> None:
    left = files_of(SNAPSHOTS / name).keys() - files_of(tree).keys()
    if request.config.getoption("update_snapshots"):
        for path in left:
            (SNAPSHOTS / name / path).unlink()
        left = set()
    assert left == set()


def test_the_manifest_tells_the_hash_and_mode_of_every_other_file(tree: Path) -> None:
    files = files_of(tree)
    manifest = json.loads(files.pop("manifest.json"))
    found = {path: (entry["sha256"], int(entry["mode"], 8)) for path, entry in manifest["files"].items()}
    expected = {
        path: (hashlib.sha256(data).hexdigest(), (tree / path).stat().st_mode & 0o7777) for path, data in files.items()
    }
    assert found == expected
