"""A "yes" of the report is the product: what somebody may do, by mistake or on purpose, that must not lead to one."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.migrate.site import Site
from tests.migrate.test_commands import good, planned, reasons

pytestmark = [pytest.mark.root, pytest.mark.borg]

HOSTS = [("web01/", "web01/", ""), ("web02/", "web02/", "")]


def two_nights(site: Site, *arguments: str) -> str:
    """Fill two hosts' snapshots of two nights, and give the plan of it."""
    for night in range(2):
        for host in ("web01", "web02"):
            site.put(f"{host}/etc/hostname", host)
            site.put(f"{host}/srv/data{night}", f"{host} {night}")
        site.night()
    return planned(site, *arguments)


def migrated(site: Site) -> str:
    """Bring the two nights to a yes, and give the plan."""
    text = two_nights(site)
    good(site, "run")
    good(site, "verify")
    assert reasons(site) == ""
    return text


def test_what_was_verified_for_a_narrow_plan_says_nothing_about_a_whole_one(make_site: Callable[..., Site]) -> None:
    site = make_site(lines=HOSTS)
    whole = two_nights(site)
    inside = site.original("web01")
    line = f"{{from: web01/{inside}, path: /{inside}}}"
    assert line in whole
    site.plan.write_text(whole.replace(line, f"{{from: web01/{inside}/etc, path: /{inside}/etc}}"))
    good(site, "run")
    good(site, "verify")
    site.plan.write_text(whole)
    assert "nothing new: 4 archives" in good(site, "run")
    assert "web01, files: 2 of 2 archives were not verified" in reasons(site)
    resumed = site.run("verify", "--resume")
    assert resumed.returncode == 1
    assert "/srv/data0 is in the source and not in web01_files" in resumed.stderr
    assert "differ from their snapshots" in reasons(site)
    accepted = (site.plan.parent / "plan.accepted/web01_files.ids").read_text().splitlines()
    assert all(one.startswith("#") for one in accepted), "nor is a keeper told to accept them"
