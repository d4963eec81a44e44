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


def _pytest(folder: Path, ci: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(folder), str(folder)]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "BORG_"))}
    environment |= {"CI": ci, "PYTHONPATH": str(Path(__file__).parents[2])}  # the conftest takes parts from our tests
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture
def folder(checkout: Path, tmp_path: Path) -> Path:
    shutil.copy(checkout / "tests/conftest.py", tmp_path / "conftest.py")
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    return tmp_path


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
    """CONTRIBUTING.md says how to have the two that are."""
    files = {path: path.read_text(encoding="utf-8") for path in (checkout / "tests").rglob("*.py")}
    ways = re.compile(r"collect_[i]gnore|importor[s]kip")
    assert [path.name for path, text in files.items() if ways.search(text)] == ["conftest.py"]
    by_hand = re.search(r"_BY_HAND = (.*)", files[checkout / "tests/conftest.py"])
    assert by_hand is not None
    assert re.findall(r'"([^"]*\.py)"', by_hand[1]) == ["databases/test_mysql.py", "snapshots/test_guest.py"]


def test_an_expected_failure_stays_one_in_ci(folder: Path) -> None:
    (folder / "test_x.py").write_text("import pytest\n@pytest.mark.xfail\ndef test_it() -> None: raise ValueError\n")
    run = _pytest(folder, "true")
    assert (run.returncode, "1 xfailed" in run.stdout) == (0, True)
