"""What the command line does where a standard stream is closed, or cannot be written."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SMALL = Path(__file__).parents[2] / "inventories/small"
CLOSED = ">&-", "2>&-", ">&- 2>&-", "<&- >&- 2>&-"


@pytest.fixture
def inventory(tmp_path: Path) -> Path:
    return Path(shutil.copytree(SMALL, tmp_path / "inventory"))


def ran(redirected: str, *words: object) -> subprocess.CompletedProcess[str]:
    """Run the command line in a process of its own, its streams as a shell redirects them."""
    argv = ["sh", "-c", f'exec "$@" {redirected}', "sh", sys.executable, "-m", "backupspec", *map(str, words)]
    return subprocess.run(argv, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)


@pytest.mark.parametrize("closed", CLOSED)
def test_a_closed_stream_changes_no_exit_code_and_shows_no_traceback(closed: str, inventory: Path) -> None:
    codes = [ran(closed, "validate", inventory)]
    codes.append(ran(closed, "compile", inventory, "--output", inventory / "out"))
    (inventory / "inventory.yaml").write_text("version: 1\n")
    codes.append(ran(closed, "validate", inventory))
    codes.append(ran(closed, "compile", inventory, "--output", inventory / "out"))
    codes.append(ran(closed, "--version"))
    codes.append(ran(closed, "validate", "--nonsense"))
    assert [each.returncode for each in codes] == [0, 0, 1, 1, 0, 2]
    for each in codes:
        assert "Error" not in each.stderr.partition("Usage:")[0]
        assert "Traceback" not in each.stderr


def test_a_file_that_is_compiled_is_never_taken_for_a_closed_stream(inventory: Path) -> None:
    """Without its standard streams, a process gives their numbers to the files that it opens next."""
    assert ran("<&- >&- 2>&-", "compile", inventory, "--output", inventory / "silent").returncode == 0
    assert ran("", "compile", inventory, "--output", inventory / "told").returncode == 0
    differ = subprocess.run(
        ["diff", "-r", inventory / "silent", inventory / "told"], capture_output=True, text=True, check=False
    )
    assert differ.stdout == ""


@pytest.mark.parametrize("words", [["schema"], ["--version"], ["--help"], ["validate", SMALL], ["explain", "BS104"]])
def test_an_output_that_cannot_be_written_is_said_and_ends_with_three(words: list[object]) -> None:
    done = ran(">/dev/full", *words)
    assert done.stderr == (
        "standard output cannot be written: No space left on device; "
        "free some space there, or send the output elsewhere\n"
    )
    assert done.returncode == 3
    assert ran(">/dev/full 2>/dev/full", *words).returncode == 3


def test_findings_that_cannot_be_written_end_with_three(inventory: Path) -> None:
    (inventory / "inventory.yaml").write_text("version: 1\n")
    assert ran("2>/dev/full", "compile", inventory, "--output", inventory / "out").returncode == 3
    assert not (inventory / "out").exists()
