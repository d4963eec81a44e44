"""A skip is allowed on a laptop and a failure in CI."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

FILES = {
    "test_body.py": "import pytest\ndef test_it() -> None: pytest.skip('because')\n",
    "test_mark.py": "import pytest\n@pytest.mark.skip(reason='because')\ndef test_it() -> None: pass\n",
    "test_file.py": "import pytest\npytest.skip('because', allow_module_level=True)\n",
}


def _pytest(folder: Path, ci: str, how: str = "-q") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", how, "-p", "no:cacheprovider", "--rootdir", str(folder), str(folder)]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "BORG_"))}
    environment |= {"CI": ci, "PYTHONPATH": str(Path(__file__).parents[2])}  # the conftest takes parts from our tests
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture
def folder(checkout: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "tests"
    folder.mkdir()
    shutil.copy(checkout / "tests/conftest.py", folder / "conftest.py")
    (folder / "pytest.ini").write_text("[pytest]\n")
    return folder


@pytest.mark.parametrize("name", sorted(FILES))
def test_a_skip_in_ci_is_a_failure_that_tells_the_reason(folder: Path, name: str) -> None:
    (folder / name).write_text(FILES[name])
    run = _pytest(folder, "true")
    assert run.returncode != 0
    assert "in CI a skip is a failure" in run.stdout
    assert "because" in run.stdout


@pytest.mark.parametrize("name", sorted(FILES))
def test_a_skip_on_a_laptop_is_a_skip(folder: Path, name: str) -> None:
    (folder / name).write_text(FILES[name])
    assert "1 skipped" in _pytest(folder, "").stdout


def test_only_what_no_debian_has_is_passed_over_without_a_word(checkout: Path) -> None:
    """CONTRIBUTING.md says how to have what is."""
    files = {path: path.read_text(encoding="utf-8") for path in (checkout / "tests").rglob("*.py")}
    ways = re.compile(r"collect_[i]gnore|importor[s]kip")
    assert [path.name for path, text in files.items() if ways.search(text)] == ["conftest.py"]
    told = re.findall(r"^(_.*BY_HAND) = (.*)", files[checkout / "tests/conftest.py"], re.MULTILINE)
    assert {name: re.findall(r"\w+/test_\w+\.py", line) for name, line in told} == {
        "_BY_HAND": ["databases/test_mysql.py", "snapshots/test_guest.py"],
        "_PARTLY_BY_HAND": ["databases/test_couchdb.py"],
    }
    marked = [path.name for path, text in files.items() if "mark.by_hand(" in text]
    assert sorted(marked) == ["test_couchdb.py", "test_skips.py"]


def test_what_a_command_by_hand_brings_is_left_out_aloud_where_it_did_not_run(folder: Path) -> None:
    (folder / "pytest.ini").write_text("[pytest]\nmarkers =\n    by_hand(folder): as in ours\n")
    text = "import pytest\n@pytest.mark.parametrize('x', [1, pytest.param(2, marks=pytest.mark.by_hand('.couchdb'))])\n"
    (folder / "test_x.py").write_text(text + "def test_it(x: int) -> None: assert x == 1\n")
    run = _pytest(folder, "true", "--verbose")
    assert (run.returncode, "1 passed, 1 deselected" in run.stdout) == (0, True)
    assert "left out, since .couchdb was not made" in run.stdout
    made = folder.parent / ".couchdb/.complete"
    made.parent.mkdir()
    made.touch()
    run = _pytest(folder, "true", "--verbose")
    assert (run.returncode, "1 failed, 1 passed" in run.stdout) == (1, True)
    assert "since .couchdb" not in run.stdout


def test_an_expected_failure_stays_one_in_ci(folder: Path) -> None:
    (folder / "test_x.py").write_text("import pytest\n@pytest.mark.xfail\ndef test_it() -> None: raise ValueError\n")
    run = _pytest(folder, "true")
    assert (run.returncode, "1 xfailed" in run.stdout) == (0, True)
