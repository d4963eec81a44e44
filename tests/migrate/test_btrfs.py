"""Trees on a real btrfs, whose snapshots repeat inode numbers."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.migrate.mounted import btrfs
from tests.migrate.site import Site
from tests.migrate.test_account import given_away
from tests.migrate.test_import import name_of
from tests.migrate.test_writer import differences, extracted

pytestmark = [pytest.mark.root, pytest.mark.borg, pytest.mark.btrfs]


@pytest.fixture
def make_btrfs_site(place: Path) -> Iterator[Callable[..., Site]]:
    """Give a maker of sites whose snapshots lie on a btrfs of their own, which only the sites' commands see."""
    image, snapshots = place / "btrfs", place / "site/snapshots"
    snapshots.mkdir(parents=True)
    with btrfs(image, 256, snapshots) as mount:
        yield partial(Site, place / "site", among=mount.among)


def shell(site: Site, script: str, *words: str | Path) -> str:
    """Run a script in the folder of the snapshots."""
    command = [*site.among, "sh", "-euc", f'cd "$0"; {script}', site.snapshots, *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_equal_inode_numbers_with_different_bytes_are_told_apart(
    make_btrfs_site: Callable[..., Site], borg14: Path, place: Path
) -> None:
    """Each night a snapshot of the night before, in which rsync replaces bytes in place: as btrfs is used."""
    copy = place / "cp"
    copy.write_text('#!/bin/sh\nexec btrfs subvolume snapshot "$2" "$3"\n')
    copy.chmod(0o755)
    site = make_btrfs_site(copy=str(copy), long_args="--delete --relative --inplace --checksum")
    site.put("web01/etc/same", "it stays")
    site.put("web01/etc/linked", "two names")
    (site.sources / "web01/etc/other").hardlink_to(site.sources / "web01/etc/linked")
    times = []
    for night in range(3):
        site.put("web01/etc/small", f"night {night}")
        site.put("web01/etc/large", bytes((night,)) * 1_500_000)
        times.append(site.night())
        if night == 0:
            # The first night's folder becomes what can be snapshotted.
            shell(site, "mv daily.0 plain; btrfs subvolume create daily.0; cp -a plain/. daily.0; rm -r plain")
    below = f"web01/{site.original()}/etc"
    for name in ("small", "large", "same", "linked"):
        paths = [f"daily.{number}/{below}/{name}" for number in range(3)]
        assert len(set(shell(site, 'stat -c "%i %s %Y" "$@"', *paths).splitlines())) == 1, "as repeated as can be"
        assert len(set(shell(site, 'stat -c %d "$@"', *paths).split())) == 3
    site.migrate()
    assert "equal to the source in every item and byte: 3 archives" in site.verify().stderr
    for night, when in enumerate(times):
        out = extracted(site, borg14, when, place)
        assert (out / "etc/small").read_text() == f"night {night}"
        assert differences(site, f"daily.{2 - night}", out) == b""
    site.borg(borg14, "check", "--verify-data", str(site.repo()))


def test_attributes_that_btrfs_lists_and_gives_to_root_only_are_said_to_be_missing(
    make_btrfs_site: Callable[..., Site], borg14: Path
) -> None:
    """Other file systems do not even list them for an account."""
    site = make_btrfs_site()
    for name in ("trusted.overlay.opaque", "user.colour"):
        os.setxattr(site.put("web01/etc/motd", "x"), name, b"y")
    when = site.night()
    given_away(site.folder / "repos")
    site.migrate()
    assert f"{name_of(when)}: 1 stored without trusted.* attributes" in site.verify().stderr
    stored = site.items(borg14, name_of(when))[f"{site.original()}/etc/motd"]
    assert stored["xattrs"] == {"user.colour": "y"}


def test_folders_that_btrfs_makes_up_for_subvolumes_in_a_snapshot_can_be_left_out(
    make_btrfs_site: Callable[..., Site],
) -> None:
    """Each is empty, has inode number 2 and the time at which somebody looked: nothing of it can be compared."""
    site = make_btrfs_site()
    make = """
        btrfs subvolume create now
        mkdir -p now/var/lib
        btrfs subvolume create now/var/lib/machines
        btrfs subvolume create now/var/lib/portables
        echo hello > now/var/file
        btrfs subvolume snapshot -r now 2024-01-02
        stat -c %i 2024-01-02/var/lib/*
    """
    assert shell(site, make).split()[-2:] == ["2", "2"]
    words = ["--pattern", "%Y-%m-%d", "--name", "web01", "--timezone", "UTC", "--path-of", "web01=/", "--skip", "now"]
    done = site.run("plan", *words, "--encryption", "none", source=site.snapshots)
    assert done.returncode == 0, done.stderr
    made_up = ("var/lib/machines", "var/lib/portables")
    text = site.plan.read_text()
    without = f"without: [{', '.join(f'/{path}' for path in made_up)}]"
    text = text.replace("path: /, ", f"path: /, {without}, ")
    reasons = "".join(f"  - {{name: {path}, because: a subvolume of its own}}\n" for path in made_up)
    assert without in text
    site.plan.write_text(text.replace("left_out:\n", f"left_out:\n{reasons}"))
    for name in ("run", "verify", "report"):
        done = site.run(name)
        assert done.returncode == 0, done.stdout + done.stderr
