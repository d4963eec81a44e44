"""Everything in the README that looks like a session is run, from top to bottom, in one empty folder."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.shown import BLOCK, sessions

README = Path(__file__).parents[2] / "README.md"


def test_what_the_readme_shows_is_what_happens(tmp_path: Path) -> None:
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "COLUMNS": "200"}
    ran = 0
    for block in BLOCK.finditer(README.read_text(encoding="utf-8")):
        if block["name"]:
            path = tmp_path / block["name"]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block["text"], encoding="utf-8")
        if block["kind"] != "console":
            continue
        for command, expected in sessions(block["text"]):
            run = subprocess.run(  # noqa: S602 - the README shows lines of shell
                command,
                shell=True,
                cwd=tmp_path,
                env=environment,
                capture_output=True,
                text=True,
                check=False,
                timeout=120,
            )
            said = run.stdout + run.stderr + (f"[exit {run.returncode}]\n" if run.returncode else "")
            assert said.strip() == expected.strip(), command
            ran += 1
    assert ran >= 6


def _lines() -> list[list[str]]:
    """Give the words of each line of the blocks that are not run: they want machines, or a site that has something."""
    blocks = [block["text"] for block in BLOCK.finditer(README.read_text(encoding="utf-8")) if not block["kind"]]
    return [shlex.split(line, comments=True) for text in blocks for line in text.splitlines() if line]


@pytest.mark.parametrize("line", _lines(), ids=" ".join)
def test_every_line_that_is_not_run_names_a_command_and_options_that_there_are(line: list[str]) -> None:
    program, *words = line
    options = {word.partition("=")[0] for word in words if word.startswith("--")}
    match program:
        case "make":
            assert re.search(rf"^{words[0]}:", (README.parent / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
        case "backupspec-run":
            templates = README.parent / "templates"
            known = (templates / "apply/run.sh.j2").read_text(encoding="utf-8")
            assert re.search(rf"^    {words[0]}\)$", known, re.MULTILINE)
            assert {option for option in options if option not in known} == set()
        case _:
            assert program == "backupspec"
            asked = [sys.executable, "-m", program, *words[:2], "--help"]
            said = subprocess.run(
                asked, env=os.environ | {"COLUMNS": "200"}, capture_output=True, text=True, check=True, timeout=60
            )
            assert {option for option in options if option not in said.stdout} == set()


@pytest.mark.parametrize("link", re.findall(r"\]\(([^)#:]+)\)", README.read_text(encoding="utf-8")))
def test_every_link_of_the_readme_leads_somewhere(link: str) -> None:
    assert (README.parent / link).exists()


def test_the_laptop_of_the_readme_is_the_one_that_init_writes() -> None:
    shown = next(
        block["text"]
        for block in BLOCK.finditer(README.read_text(encoding="utf-8"))
        if block["name"] == "laptop/inventory.yaml"
    )
    written = (README.parent / "inventories/laptop/inventory.yaml").read_text(encoding="utf-8")
    assert shown == "".join(line for line in written.splitlines(keepends=True) if not line.startswith("#"))
