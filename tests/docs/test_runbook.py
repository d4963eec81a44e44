"""Everything in the runbook that looks like a session is run, from top to bottom, on a backup server of the lab."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from backupspec.catalogue import CATALOGUE
from demo.lab import borgs
from demo.lab.machine import Machine
from demo.lab.room import Room
from tests.docs.shown import BLOCK, sessions

RUNBOOK = Path(__file__).parents[2] / "migrate/README.md"
SITE = Path(__file__).with_name("runbook_site.py")
HERE = "/root/migration"
ENVIRONMENT = {
    "PATH": f"{Path(sys.executable).parent}:/usr/sbin:/usr/bin:/sbin:/bin",
    "TZ": "UTC",
    "LC_ALL": "C.UTF-8",
    "COLUMNS": "100",
}
CHANGING = (
    (r"Report of  \S+ \S+ \S+", "Report of  NOW"),
    (r"Run +[0-9].*", "Run ..."),
    (r"(?m)^(  +(Repositories|content|names, times)) .*$", r"\1 ..."),
    (r"\b[0-9a-f]{64}\b", "ID"),
    (r"process [0-9]+", "process N"),
)
"""What differs from one run to the next: it need not be word for word what the runbook shows."""


@pytest.fixture
def server() -> Iterator[Machine]:
    """Give a backup server with an rsnapshot tree, an inventory and empty repositories."""
    with Room() as room:
        fresh = ["/root", "/srv", "/backup", "/var/log", "/run"]
        machine = room.machine("backup", ["192.0.2.10"], fresh=fresh, see=[borgs.PROJECT])
        machine.run(["mount", "-t", "tmpfs", "tmpfs", "/backup"])
        borgs.give(machine, "1.4")
        machine.run([sys.executable, str(SITE)], env={**ENVIRONMENT, "BORG": "/usr/bin/borg"})
        yield machine


def edited(text: str, change: str) -> str:
    """Give a text after a change: in each part, lines with `-` and a blank are replaced by those with `+` and a blank.

    A part begins with `@@`, and is about the first place in the text that it fits.
    """
    for part in re.split(r"(?m)^@@.*\n", change)[1:]:
        before, after = (
            "".join(line[1:] for line in part.splitlines(keepends=True) if line[0] != other) for other in "+-"
        )
        assert before in text, before
        text = text.replace(before, after, 1)
    return text


def steady(text: str) -> str:
    """Give what a command said without what changes from run to run."""
    for pattern, word in CHANGING:
        text = re.sub(pattern, word, text)
    return "\n".join(line.rstrip() for line in text.strip().splitlines())


@pytest.mark.root
@pytest.mark.borg
@pytest.mark.slow
def test_what_the_runbook_shows_is_what_happens(server: Machine) -> None:
    ran = 0
    for block in BLOCK.finditer(RUNBOOK.read_text(encoding="utf-8")):
        name = f"{HERE}/{block['name']}"
        if block["kind"] == "diff":
            server.write(name, edited(server.read(name), block["text"]))
        elif block["name"]:
            server.write(name, block["text"])
        for command, expected in sessions(block["text"]) if block["kind"] == "console" else ():
            run = server.run(["sh", "-c", f"exec 2>&1; cd {HERE}\n{command}"], env=ENVIRONMENT, check=False)
            said = run.output + (f"[exit {run.code}]\n" if run.code else "")
            assert matches(steady(said), steady(expected)), f"{command}\n{said}"
            ran += 1
    assert ran >= 12


def matches(said: str, expected: str) -> bool:
    """Tell whether both are the same; a line `...` in what is expected stands for any lines."""
    pieces = [re.escape(piece) for piece in re.split(r"(?m)^\.\.\.$\n?", expected)]
    return re.fullmatch(r"(?:.*\n)*?".join(pieces), said) is not None


@pytest.mark.parametrize("link", re.findall(r"\]\(([^)#:]+)\)", RUNBOOK.read_text(encoding="utf-8")))
def test_every_link_of_the_runbook_leads_somewhere(link: str) -> None:
    assert (RUNBOOK.parent / link).exists()


@pytest.mark.parametrize("anchor", re.findall(r"\]\(#([^)]+)\)", RUNBOOK.read_text(encoding="utf-8")))
def test_every_section_that_the_runbook_points_to_is_there(anchor: str) -> None:
    headings = re.findall(r"^#+ (.+)$", RUNBOOK.read_text(encoding="utf-8"), re.MULTILINE)
    assert anchor in {re.sub(r"[^\w\s-]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("code", sorted(set(re.findall(r"BS[0-9]{3}", RUNBOOK.read_text(encoding="utf-8")))))
def test_every_code_of_the_runbook_is_one(code: str) -> None:
    assert code in {entry.code for entry in CATALOGUE}
