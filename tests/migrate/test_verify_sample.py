"""`verify --sample`: all items are compared, and the bytes of about so many of the files."""

from __future__ import annotations

import json
import os
from collections.abc import Callable

import pytest

from tests.migrate.site import Site

pytestmark = [pytest.mark.root, pytest.mark.borg]

FILES = 200


def imported(make_site: Callable[..., Site]) -> Site:
    site = make_site()
    for number in range(FILES):
        site.put(f"web01/data/{number:03}", f"content of {number:03}")
    site.night()
    site.migrate()
    return site


def compared(site: Site, *words: str) -> int:
    """Say of how many files a verification that finds nothing compares the bytes."""
    done = site.run("verify", "--log-json", *words)
    assert done.returncode == 0, done.stdout
    events = [json.loads(line) for line in done.stdout.splitlines()]
    (last,) = [one for one in events if one.get("what") == "done"]
    assert last["entries"] > FILES, "every item is compared in any case"
    return int(last["inodes"])


def change_a_byte(site: Site) -> str:
    path = site.snapshots / "daily.0/web01" / site.original() / "data/137"
    times = path.stat()
    path.write_text("content of 13X")
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    return f"/{site.original()}/data/137"


def test_so_many_of_the_files_are_compared(make_site: Callable[..., Site]) -> None:
    site = imported(make_site)
    assert compared(site, "--sample", "0") == 0
    assert 0 < compared(site, "--sample", "50") < FILES
    assert compared(site, "--sample", "100") == FILES
    assert compared(site) == FILES


def test_a_sample_of_all_finds_the_one_changed_byte_and_one_of_none_cannot(make_site: Callable[..., Site]) -> None:
    site = imported(make_site)
    path = change_a_byte(site)
    assert site.run("verify", "--sample", "0").returncode == 0
    done = site.run("verify", "--sample", "100")
    assert done.returncode == 1
    assert "error[BS652]" in done.stderr
    assert f"{path} in web01_files_2024-01-02T02:05:00Z differs: content" in done.stderr
