"""Which host each part of a snapshot belongs to, in trees that real rsnapshot filled."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable

import pytest

from backupspec_migrate.find_layout import SourceWish
from tests.migrate.looking import Seen, look
from tests.migrate.site import FIRST, Kind, Site

pytestmark = pytest.mark.root


def images(seen: Seen) -> dict[str, list[str]]:
    """Give the hosts of each snapshot."""
    found: dict[str, list[str]] = {one.slot: [] for one in seen.scan.snapshots}
    for one in seen.scan.images:
        found[one.slot].append(one.host)
    return {slot: sorted(hosts) for slot, hosts in found.items()}


def roots(seen: Seen, slot: str) -> set[tuple[str, str, str]]:
    return {
        (one.host, root.location, root.original) for one in seen.scan.images if one.slot == slot for root in one.roots
    }


def test_a_host_may_come_and_go_and_miss_a_night(make_site: Callable[..., Site], kind: Kind) -> None:
    site = make_site(lines=[("web01/", "web01/", ""), ("db/", "hosts/db/", "")], kind=kind)
    site.put("web01/etc/motd", "x")
    site.put("db/etc/motd", "x")
    with_both = site.lines
    for night in (with_both[:1], with_both, with_both[:1], with_both, with_both[1:]):
        site.lines = night
        site.configure()
        site.night()
        for line in with_both:
            # rsnapshot leaves in place what a line filled that is no more.
            if line not in night and kind is Kind.CP_AL:
                subprocess.run(["rm", "-rf", site.snapshots / "daily.0" / line[1]], check=True)
        os.utime(site.snapshots / "daily.0", (FIRST + site.nights, FIRST + site.nights))
    site.lines = with_both
    site.configure()
    seen = look(site.conf)
    assert images(seen) == {
        "daily.4": ["web01"],
        "daily.3": ["db", "web01"],
        "daily.2": ["web01"],
        "daily.1": ["db", "web01"],
        "daily.0": ["db"],
    }


def test_hosts_below_one_folder_are_kept_apart(make_site: Callable[..., Site], kind: Kind) -> None:
    site = make_site(lines=[("web01/", "hosts/web01/", ""), ("web02/", "./hosts/web02/", "")], kind=kind)
    site.put("web01/etc/motd", "x")
    site.put("web02/etc/motd", "y")
    site.night()
    assert roots(look(site.conf), "daily.0") == {
        (name, f"hosts/{name}/{site.original(name)}", site.original(name)) for name in ("web01", "web02")
    }


def test_a_single_file_lies_where_rsync_put_it(make_site: Callable[..., Site], kind: Kind) -> None:
    site = make_site(
        lines=[("web01/etc/motd", "web01/", ""), ("web01/etc/hosts", "web01/etc/hosts", "")],
        kind=kind,
        long_args="--delete",
    )
    site.put("web01/etc/motd", "x")
    site.put("web01/etc/hosts", "y")
    site.configure()
    site.night()
    below = site.original()
    seen = look(site.conf)
    files = {one.split("/snapshots/daily.0/")[1] for one in files_of(site)}
    assert {(location, original) for _, location, original in roots(seen, "daily.0")} == {
        (location, f"{below}/etc/{location.rsplit('/', maxsplit=1)[-1]}") for location in files
    }


def files_of(site: Site) -> list[str]:
    return [
        os.path.join(top, name)  # noqa: PTH118 - as os.walk gives them
        for top, _, names in os.walk(site.snapshots / "daily.0")
        for name in names
    ]


def test_times_are_whole_seconds_of_the_interval_folder(make_site: Callable[..., Site], kind: Kind) -> None:
    """The hosts' own folders have other times, and rotation keeps that of the snapshot."""
    site = make_site(kind=kind, retain=(("daily", 2), ("weekly", 2)))
    site.put("web01/etc/motd", "x")
    first = site.night()
    second = site.night()
    subprocess.run(["rsnapshot", "-c", site.conf, "weekly"], check=True)
    seen = look(site.conf)
    assert seen.times == {"weekly.0": first, "daily.0": second}
    assert (site.snapshots / "daily.0/web01").stat().st_mtime > second
    third = subprocess.run(["rsnapshot", "-c", site.conf, "daily"], check=True)
    assert third.returncode == 0
    assert (site.snapshots / "daily.0").stat().st_mtime_ns % 10**9 == 0, "rsnapshot marks whole seconds"


def test_names_and_paths_that_the_user_gives_hold_without_a_configuration(make_site: Callable[..., Site]) -> None:
    site = make_site(long_args="--delete")
    site.put("web01/motd", "x")
    site.night()
    assert roots(look(site.snapshots), "daily.0") == {("web01", "web01", "")}
    wish = SourceWish(renames={"web01": "www"}, paths_of={"www": "/etc"})
    assert roots(look(site.snapshots, wish), "daily.0") == {("www", "web01", "etc")}
