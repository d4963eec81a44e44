"""What a terminal shows while archives are made and compared."""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Callable

import pytest

from tests.migrate.site import Site
from tests.migrate.test_faults import planned

pytestmark = [pytest.mark.root, pytest.mark.borg]

LIVE = re.compile(
    r"web01 daily\.(?P<slot>[0-9]) (?P<number>[0-9])/3 [^ ]+ +"
    r"(?P<rate>[0-9,]+) files/s, (?P<bytes>[0-9,.]+) MB, (?P<left>(≤ )?[0-9]:[0-9]{2}:[0-9]{2}|-:--:--) left"
)


def at_a_terminal(site: Site, name: str, columns: int) -> list[re.Match[str]]:
    """Run a command at a terminal of its own, and give what its live line said, one after the other."""
    done = subprocess.run(
        ["script", "--quiet", "--return", "--command", shlex.join(site.command(name)), "/dev/null"],
        env={**site.environment(), "TERM": "xterm", "COLUMNS": str(columns), "LINES": "30"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return list(LIVE.finditer(re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", done.stdout)))


def test_host_snapshot_speed_bytes_and_time_left_are_seen_of_each_archive(make_site: Callable[..., Site]) -> None:
    site = make_site()
    for count in range(6000):
        folder = site.sources / f"web01/data/{count % 30}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / str(count)).write_text(f"content of {count}" * 50)
    site.age()
    for _ in range(3):
        site.night()
    planned(site, "--encryption", "none")
    for name in ("run", "verify"):
        seen = at_a_terminal(site, name, 80)
        assert [one["number"] for one in seen] == sorted(one["number"] for one in seen)
        for number, slot in (("1", "2"), ("2", "1"), ("3", "0")):
            of_it = [one for one in seen if one["number"] == number]
            assert {one["slot"] for one in of_it} == {slot}
            assert any(one["left"][-1].isdigit() for one in of_it), f"{name}: no time left for archive {number}"
        first = [one for one in seen if one["number"] == "1" and one["rate"] != "0"]
        assert max(float(one["bytes"].replace(",", "")) for one in first) > 1
        later = [one for one in seen if one["number"] != "1"]
        assert all(one["left"] != "-:--:--" for one in later)
        assert any(one["rate"] != "0" for one in later)
