"""A "yes" of the report is the product: what somebody may do, by mistake or on purpose, that must not lead to one."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from backupspec_migrate.lock import hold, holder
from backupspec_migrate.plan_file import write_whole
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


def test_a_folder_left_out_by_name_is_not_the_one_that_has_the_name_after_a_rotation(
    make_site: Callable[..., Site],
) -> None:
    site = make_site(lines=HOSTS)
    text = migrated(site)
    left_out = "left_out:\n  - {name: daily.0, because: the disk was full}\nseries:\n"
    site.plan.write_text(text.replace("      - daily.0\n", "").replace("series:\n", left_out, 1))
    assert reasons(site) == ""
    assert "left out by the plan, and lost with the tree: daily.0 (the disk was full)" in site.run("report").stdout
    site.night()
    assert "neither imports nor skips: daily.0/web01" in reasons(site)


def test_a_host_that_nobody_asked_for_is_not_given_up_by_that(make_site: Callable[..., Site]) -> None:
    site = make_site(lines=HOSTS)
    text = two_nights(site, "--host", "web01")
    good(site, "run")
    good(site, "verify")
    assert "neither imports nor skips: daily.1/web02" in reasons(site)
    site.plan.write_text(text.replace("series:\n", "left_out: [{name: web02, because: not ours}]\nseries:\n", 1))
    assert reasons(site) == "", "somebody has said so, and why"
    assert "or left out there" in site.run("report").stdout


def test_what_belongs_to_no_host_is_lost_only_if_the_plan_says_so(make_site: Callable[..., Site]) -> None:
    site = make_site(lines=HOSTS)
    migrated(site)
    newest = site.snapshots / "daily.0"
    when = newest.stat().st_mtime_ns
    (newest / "notes.txt").write_text("the only copy")
    os.utime(newest, ns=(when, when))
    assert "notes.txt in daily.0 belongs to no host" in reasons(site)
    (site.snapshots / "daily.0.before-the-move").mkdir()
    assert "daily.0.before-the-move (not a name that rsnapshot gives)" in reasons(site)
    text = site.plan.read_text()
    decided = "left_out:\n" + "".join(
        f"  - {{name: {name}, because: looked at it}}\n" for name in ("notes.txt", "daily.0.before-the-move")
    )
    site.plan.write_text(text.replace("series:\n", f"{decided}series:\n", 1))
    assert reasons(site) == ""


def test_a_record_that_others_can_have_written_counts_for_nothing(make_site: Callable[..., Site]) -> None:
    site = make_site()
    site.put("web01/file")
    site.night()
    planned(site)
    good(site, "run")
    good(site, "verify")
    assert reasons(site) == ""
    record = site.plan.with_name("plan.record.json")
    assert record.stat().st_mode & 0o777 == 0o644
    os.chown(record, 65534, -1)
    assert f"others can have written {record}" in reasons(site)
    os.chown(record, 0, -1)
    record.chmod(0o666)
    assert f"others can have written {record}" in reasons(site)
    forged = record.rename(site.folder / "forged.json")
    forged.chmod(0o644)
    record.symlink_to(forged)
    assert "not verified" in reasons(site), "nor is a link followed to one"
    assert "1 archive in 1 repository" in good(site, "verify", "--resume")
    assert reasons(site) == ""
    assert not record.is_symlink()


def test_no_link_is_followed_where_a_file_is_written(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    for name in (f".plan.yaml.{os.getpid()}", "plan.yaml"):
        (tmp_path / name).symlink_to(victim)
    with pytest.raises(FileExistsError):
        write_whole(tmp_path / "plan.yaml", "text")
    write_whole(tmp_path / "plan.yaml", "text")
    assert victim.read_text() == "precious"
    assert (tmp_path / "plan.yaml").read_text() == "text"


def test_a_doubt_that_a_lockfile_raises_is_there_at_the_second_try_too(make_site: Callable[..., Site]) -> None:
    """Also if the first is killed: the file says that the last rsnapshot came to no end, until the next one runs."""
    site = make_site()
    site.put("web01/file")
    site.night()
    site.lockfile.write_text("999999\n")
    for _ in range(2):
        done = site.run("rsnapshot", "--encryption", "none")
        assert done.returncode == 1
        assert "daily.0 is doubtful: rsnapshot left its lockfile behind" in done.stderr
        assert site.lockfile.read_text() == "999999\n"
    with hold(site.lockfile):
        killed = site.lockfile.read_text().replace(f"{os.getpid()}\n", "999998\n", 1)
    site.lockfile.write_text(killed)
    assert "daily.0 is doubtful" in site.run("rsnapshot", "--encryption", "none").stderr
    assert site.lockfile.read_text() == "999999\n"
    subprocess.run(["rsnapshot", "-c", site.conf, "daily"], capture_output=True, check=False)
    assert not site.lockfile.exists(), "rsnapshot clears it itself, and starts afresh"


@pytest.mark.parametrize("content", ["9" * 5000, "", "no number\n", "\udcff"])
def test_a_lockfile_with_anything_in_it_is_a_stale_one(tmp_path: Path, content: str) -> None:
    lockfile = tmp_path / "lock"
    lockfile.write_text(content, errors="surrogateescape")
    found = holder(lockfile)
    assert found is not None
    assert found.interrupted_rsnapshot
