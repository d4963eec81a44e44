"""A "yes" of the report is the product: what somebody may do, by mistake or on purpose, that must not lead to one."""

from __future__ import annotations

import json
import os
import re
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from backupspec_migrate.lock import hold, holder
from backupspec_migrate.plan_file import write_whole
from tests.migrate.site import DAY, FIRST, Site
from tests.migrate.test_commands import INVENTORY, good, planned, reasons

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


def test_a_plan_edited_into_another_one_is_not_the_one_that_was_verified(
    make_site: Callable[..., Site], borg14: Path
) -> None:
    """Another layout, repository, tree or time; an archive made by hand under our name and comment."""
    site = make_site()
    site.put("web01/file")
    site.night()
    text = planned(site)
    good(site, "run")
    good(site, "verify")
    assert reasons(site) == ""
    site.plan.write_text(text.replace("layout: rsnapshot", "layout: dated"))
    assert "BS694" in site.run("report").stderr
    site.plan.write_text(text.replace("02:05:00Z", "02:05:01Z"))
    assert "is not in the repository" in reasons(site)
    site.plan.write_text(text.replace("owners: names", "owners: numbers"))
    assert "was not verified" in reasons(site)
    site.plan.write_text(text)
    assert reasons(site) == ""
    (name,) = site.archives(borg14)
    comment = json.loads(site.borg(borg14, "info", "--json", f"{site.repo()}::{name}"))["archives"][0]["comment"]
    stamp = name.rpartition("_")[2].removesuffix("Z")
    site.borg(borg14, "delete", f"{site.repo()}::{name}")
    forged = ["--comment", comment, "--timestamp", stamp, f"{site.repo()}::{name}", "etc/hostname"]
    site.borg(borg14, "create", *forged)
    assert "is not the archive that was verified" in reasons(site)
    assert "nothing new: 1 archive" in good(site, "run")
    done = site.run("verify", "--resume")
    assert done.returncode == 1
    assert "/etc/hostname is in " in done.stderr
    assert "differs from its snapshot" in reasons(site)


def test_a_snapshot_is_in_all_of_a_divided_plan_or_the_report_says_no(make_site: Callable[..., Site]) -> None:
    """A series that somebody took away, or its part of an archive, is not made up for by its sister."""
    site = make_site()
    site.put("web01/etc/file")
    site.put("web01/srv/file")
    site.night()
    folder = site.folder / "inventory"
    folder.mkdir()
    (folder / "office.yaml").write_text(
        INVENTORY.format(folder=site.folder, history=", history: true", shop=site.sources / "web01/srv")
    )
    text = planned(site, "--inventory", str(folder / "office.yaml"), "--split")
    good(site, "run")
    good(site, "verify")
    assert reasons(site) == ""
    first, *others = re.split(r"(?m)^(?=  - host: )", text)
    assert len(others) == 2
    for one in others:
        site.plan.write_text(first + one)
        assert "neither imports nor skips" in reasons(site)


def test_what_is_no_file_is_neither_read_nor_replaced(make_site: Callable[..., Site]) -> None:
    """A device that never ends, a pipe that nobody fills: as configuration, times, lock, plan or page."""
    site = make_site()
    site.put("web01/file")
    site.night()
    text = planned(site)
    device, pipe = site.folder / "device", site.folder / "pipe"
    os.mknod(device, 0o600 | stat.S_IFCHR, os.makedev(1, 5))
    os.mkfifo(pipe)
    conf = site.conf.read_text()
    for other in (device, pipe):
        site.plan.write_text(text.replace(f"configuration: {site.conf}", f"configuration: {other}"))
        assert f"{other} cannot be read: it is a device or a pipe, no file" in site.run("report").stderr
        site.plan.write_text(text.replace("layout: rsnapshot", f"layout: rsnapshot\n  times: {other}"))
        assert "it is a device or a pipe, no file" in site.run("report").stderr
        site.plan.write_text(text)
        site.conf.write_text(conf.replace(str(site.lockfile), str(other)))
        assert f"{other} is no lockfile that can be read" in site.run("run").stderr
        site.conf.write_text(conf)
        done = site.run("plan", "--force", "-o", str(other))
        assert done.returncode == 1
        assert "no file" in done.stderr
    assert stat.S_ISCHR(device.stat().st_mode)
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_a_key_that_no_plan_has_is_said_in_its_line(make_site: Callable[..., Site]) -> None:
    site = make_site()
    site.put("web01/file")
    site.night()
    site.plan.write_text(planned(site) + "serise: []\n")
    done = site.run("report")
    assert done.returncode == 1
    assert "did you mean `series`" in done.stderr


def test_a_doubt_taken_out_of_the_plan_is_still_one_of_the_tree(make_site: Callable[..., Site]) -> None:
    site = make_site()
    site.put("web01/file")
    for _ in range(2):
        site.night()
    os.utime(site.snapshots / "daily.1", (FIRST + 2 * DAY, FIRST + 2 * DAY))
    assert site.run("plan", "--encryption", "none").returncode == 1
    text, count = re.subn(r", doubt: .*\}", "}", site.plan.read_text())
    assert count == 1
    site.plan.write_text(text)
    assert site.run("run").returncode == 1
    site.run("verify")
    assert "nobody has decided about 1 snapshot that may be incomplete: daily.1 (it is newer" in reasons(site)
