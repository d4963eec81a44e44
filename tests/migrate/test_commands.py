"""The way from a tree to a signed page, as commands."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from backupspec.data import data_folder
from tests.diagnostics.pinned import Pinned
from tests.migrate.site import DAY, OLD, Site
from tests.migrate.test_import import filled, name_of

pytestmark = [pytest.mark.root, pytest.mark.borg]

INVENTORY = """\
version: 1
fleet: office
retention:
  short: {{daily: 2, monthly: 1}}
repositories:
  central: {{path: {folder}/repos/any, encryption: none}}
hosts:
  web01:
    os: debian-12
    files:
      system: {{paths: [/]{history}}}
      shop: {{paths: [{shop}]}}
    to: [central]
    retention: short
"""


def planned(site: Site, *arguments: str) -> str:
    done = site.run("plan", "--encryption", "none", "--force", *arguments)
    assert done.returncode == 0, done.stderr
    return site.plan.read_text()


def good(site: Site, name: str, *arguments: str) -> str:
    done = site.run(name, *arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def report(site: Site) -> dict[str, object]:
    """Give the report as data; it fits its schema."""
    done = site.run("report", "--format", "json")
    data: dict[str, object] = json.loads(done.stdout)
    schema = json.loads((data_folder("schema") / "migration-report.schema.json").read_text())
    Draft202012Validator(schema).validate(data)
    verdict = data["verdict"]
    assert isinstance(verdict, dict)
    assert done.returncode == (0 if verdict["safe"] else 1), done.stderr
    return data


def reasons(site: Site) -> str:
    """Say why the tree may not be retired; nothing when it may."""
    verdict = report(site)["verdict"]
    assert isinstance(verdict, dict)
    return "" if verdict["safe"] else " / ".join(verdict["because"])


def test_plan_run_verify_report_end_in_a_yes(make_site: Callable[..., Site], borg14: Path) -> None:
    site = make_site(lines=[("web01/", "web01/", ""), ("db01/", "db01/", "")])
    times = filled(site, 3)
    planned(site)
    assert "0 archives" not in good(site, "run", "--jobs", "2")
    assert "not verified" in reasons(site)
    good(site, "verify", "--sample", "0")
    assert "sample" in reasons(site)
    good(site, "verify", "--jobs", "2")
    assert reasons(site) == ""
    assert site.archives(borg14) == [name_of(when) for when in times]
    accepted = (site.plan.parent / "plan.accepted/web01_files.ids").read_text().splitlines()
    listed = site.borg(borg14, "list", "--format", "{id} {archive}{NL}", str(site.repo())).splitlines()
    assert [line for line in accepted if not line.startswith("#")] == listed
    page = site.plan.with_name("plan.report.html").read_text()
    assert page.startswith("<!DOCTYPE html>")


def test_a_resumed_verification_passes_over_what_was_compared_and_not_over_what_changed(
    make_site: Callable[..., Site], borg14: Path
) -> None:
    site = make_site()
    times = filled(site, 3)
    planned(site)
    good(site, "run")
    good(site, "verify")
    said = good(site, "verify", "--resume")
    assert "3 compared earlier" in said
    site.borg(borg14, "delete", f"{site.repo()}::{name_of(times[1])}")
    assert "not in the repository" in reasons(site)
    good(site, "run")
    assert "changed" in reasons(site) or "not verified" in reasons(site)
    assert "2 compared earlier" in good(site, "verify", "--resume")
    assert reasons(site) == ""


def test_a_plan_is_edited_to_leave_things_out(make_site: Callable[..., Site], borg14: Path) -> None:
    site = make_site(lines=[("web01/", "web01/", ""), ("db01/", "db01/", "")])
    times = filled(site, 3)
    text = planned(site)
    head, _, web = text.partition("  - host: web01")
    site.plan.write_text(
        head.replace("      - daily.1\n", "")
        + "  - host: web01"
        + web.replace("      - daily.2\n", "").rstrip()
        + "\n    skip:\n      - {snapshot: daily.2, because: 'the disk was being exchanged'}\n"
    )
    good(site, "run")
    good(site, "verify")
    assert site.archives(borg14) == [name_of(when) for when in times[1:]]
    assert site.archives(borg14, "db01") == [name_of(when, "db01") for when in (times[0], times[2])]
    said = reasons(site)
    assert "daily.1" in said, "a line that is gone leaves a snapshot that nobody gave a reason for"
    assert "daily.2" not in said


def test_a_doubt_is_settled_in_the_plan_and_only_for_the_hosts_it_is_about(
    make_site: Callable[..., Site], borg14: Path, pinned: Pinned
) -> None:
    site = make_site(lines=[("web01/", "web01/", ""), ("db01/", "db01/", "")])
    times = filled(site, 3)
    planned(site)
    line = "  - {folder: daily.1, time: '2024-01-03T02:05:00Z', time_from: folder"
    doubtful = line + ", doubt: db01 was off, doubt_about: [db01]"
    text = site.plan.read_text()
    assert line in text
    site.plan.write_text(text.replace(line, doubtful))
    done = site.run("run")
    assert done.returncode == 1
    assert "error[BS612]: daily.1 is doubtful: db01 was off" in done.stderr
    assert f"{site.plan}:" in done.stderr, "with its place in the plan"
    pinned(done.stderr)
    assert site.archives(borg14) == [name_of(when) for when in times]
    assert site.archives(borg14, "db01") == [name_of(when, "db01") for when in (times[0], times[2])]
    assert "daily.1" in reasons(site)
    site.plan.write_text(text.replace(line, doubtful + ", accept: it holds what it should"))
    good(site, "run")
    assert site.archives(borg14, "db01") == [name_of(when, "db01") for when in times]


def test_a_plan_with_edits_is_not_overwritten(make_site: Callable[..., Site], pinned: Pinned) -> None:
    site = make_site()
    filled(site, 1)
    text = planned(site)
    done = site.run("plan", "--encryption", "none")
    assert (done.returncode, site.plan.read_text()) == (1, text)
    assert "error[BS695]" in done.stderr
    pinned(done.stderr)
    one_shot = site.run("rsnapshot", "--encryption", "none")
    assert (one_shot.returncode, site.plan.read_text()) == (1, text)
    assert "error[BS695]" in one_shot.stderr
    assert not site.repo().exists()
    assert site.run("plan", "--encryption", "none", "-o", "-").stdout.startswith("# What `backupspec migrate run`")


def test_the_one_shot_does_all_of_it(make_site: Callable[..., Site]) -> None:
    site = make_site()
    filled(site, 2)
    done = site.run("rsnapshot", "--encryption", "none", "--verify")
    assert done.returncode == 0, done.stderr
    assert "Safe to retire the old tree: yes" in done.stdout
    assert reasons(site) == ""
    site.night()
    again = site.run("rsnapshot", "--encryption", "none", "--verify")
    assert again.returncode == 0, again.stderr
    assert "2 compared earlier" in again.stderr


def split_site(make_site: Callable[..., Site], history: str) -> tuple[Site, list[str]]:
    site = make_site(lines=[("web01/", "web01/", "")], long_args="--delete")
    for name in ("etc/motd", "srv/shop/data/one", "srv/shop/cache/x", "srv/other", "home/u/letter"):
        site.put(f"web01/{name}", name)
    site.lines = [("web01/", "web01/", "")]
    site.configure()
    conf = site.conf.read_text().replace(f"{site.sources}/web01/\tweb01/", "root@web01:/\tweb01/")
    for _ in range(2):
        site.night()
    site.conf.write_text(conf)
    inventory = site.folder / "in/inventory.yaml"
    inventory.parent.mkdir()
    inventory.write_text(INVENTORY.format(folder=site.folder, history=history, shop="/srv/shop"))
    return site, ["--inventory", str(inventory), "--split"]


def test_a_history_is_split_among_jobs_by_path(make_site: Callable[..., Site], borg14: Path) -> None:
    site, words = split_site(make_site, "")
    text = planned(site, *words)
    assert "without: [/srv/shop]" in text
    assert "after the first prune" in text
    good(site, "run")
    good(site, "verify")
    assert reasons(site) == ""
    names = {name.rpartition("_")[0] for name in site.archives(borg14)}
    assert names == {"web01_system", "web01_shop"}
    of = {kind: set(site.items(borg14, f"web01_{kind}_2024-01-02T02:05:00Z")) for kind in ("system", "shop")}
    assert of["shop"] == {
        "srv/shop",
        "srv/shop/cache",
        "srv/shop/cache/x",
        "srv/shop/data",
        "srv/shop/data/one",
    }
    assert {"srv", "srv/other", "etc/motd", "home/u/letter"} <= of["system"]
    assert not of["system"] & of["shop"]


@pytest.mark.parametrize("name", ["plan", "rsnapshot"])
def test_what_lies_in_no_job_is_not_left_out_silently_when_a_history_is_split(
    make_site: Callable[..., Site], borg14: Path, name: str, pinned: Pinned
) -> None:
    site, words = split_site(make_site, "")
    inventory = site.folder / "in/inventory.yaml"
    text = inventory.read_text().replace("paths: [/]", "paths: [/etc]")
    inventory.write_text(text)
    done = site.run(name, "--encryption", "none", *words, *(("--verify",) if name == "rsnapshot" else ()))
    assert done.returncode == 1
    assert "Safe to retire the old tree: yes" not in done.stdout
    for path in ("/home", "/srv/other"):
        assert f"error[BS692]: {path} of web01 lies in none of its jobs' paths\n" in done.stderr
    assert done.stderr.count("error[BS692]") == done.stderr.count("error[") == 2, "each path once, not in each snapshot"
    pinned(done.stderr)
    if name == "plan":
        assert not site.plan.exists()
    else:
        assert "Safe to retire the old tree: NO" in done.stdout
        assert "the tree has" in reasons(site)
        shutil.rmtree(site.folder / "repos")
    inventory.write_text(text.replace("paths: [/etc]", "paths: [/etc], history: true"))
    planned(site, *words)
    good(site, "run")
    items = site.items(borg14, "web01_system_2024-01-02T02:05:00Z")
    assert {"srv/other", "etc/motd", "home/u/letter"} <= set(items)


def test_owners_that_history_and_job_store_differently_are_said_until_somebody_decides(
    make_site: Callable[..., Site], pinned: Pinned
) -> None:
    site = make_site(long_args="--delete --relative --numeric-ids")
    filled(site, 1)
    inventory = site.folder / "in/inventory.yaml"
    inventory.parent.mkdir()
    text = INVENTORY.format(folder=site.folder, history=", history: true", shop="/srv/shop")
    inventory.write_text(text)
    words = ["--encryption", "none", "--force", "--inventory", str(inventory)]
    done = site.run("plan", *words)
    assert done.returncode == 0, done.stderr
    assert "warning[BS698]" in done.stderr
    pinned(done.stderr)
    for decided in (("--ids", "names"), ("--ids", "numeric")):
        assert "BS698" not in site.run("plan", *words, *decided).stderr
    inventory.write_text(text.replace("history: true", "history: true, numeric_ids: true"))
    assert "BS698" not in site.run("plan", *words).stderr


def test_backups_that_the_job_made_since_count_for_what_a_prune_leaves(
    make_site: Callable[..., Site], borg14: Path
) -> None:
    site = make_site()
    times = filled(site, 3)
    text = planned(site)
    site.plan.write_text(text.replace("    content:", "    timezone: UTC\n    retention: {daily: 3}\n    content:"))
    good(site, "run")

    def kept() -> int:
        series = report(site)["series"]
        assert isinstance(series, list)
        return sum(bool(one["kept"]) for one in series[0]["archives"])

    assert kept() == 2, "two beside the first backup to come"
    for when in (times[-1] + DAY, times[-1] + 2 * DAY):
        name = name_of(when)
        stamp = ["--timestamp", name.rpartition("_")[2].removesuffix("Z")]
        site.borg(borg14, "create", *stamp, f"{site.repo()}::{name}", f"/{site.original()}")
    assert kept() == 1


def test_a_host_that_the_plan_does_not_have_is_no_host_to_run(make_site: Callable[..., Site]) -> None:
    site = make_site()
    filled(site, 1)
    planned(site)
    done = site.run("run", "--host", "web1")
    assert done.returncode == 1
    assert "did you mean `web01`" in done.stderr


def test_a_plan_that_holds_less_of_a_host_than_the_tree_has_is_no_whole_one(
    make_site: Callable[..., Site], pinned: Pinned
) -> None:
    site = make_site()
    filled(site, 2)
    text = planned(site)
    inside = f"web01/{site.original()}"
    whole = f"- {{from: {inside}, path: /{site.original()}}}"
    assert whole in text
    (name,) = [path.name for path in (site.snapshots / "daily.0" / inside).iterdir() if path.is_dir()][:1]
    lies = {
        "a folder of it": f"- {{from: {inside}/{name}, path: /{site.original()}/{name}}}",
        "without one": whole.replace("}", f", without: [/{site.original()}/{name}]}}"),
        "somebody else's": f"- {{from: {inside}/{name}, path: /{site.original()}}}",
    }
    for what, lie in lies.items():
        site.plan.write_text(text.replace(whole, lie))
        shutil.rmtree(site.folder / "repos")
        (site.folder / "repos").mkdir()
        done = site.run("run")
        assert "warning[BS697]" in done.stderr, what
        pinned(done.stderr)
        good(site, "verify")
        assert "not in the plan" in reasons(site), what


def test_a_snapshot_that_rsnapshot_removed_after_it_was_verified_is_done(
    make_site: Callable[..., Site], borg14: Path, pinned: Pinned
) -> None:
    site = make_site()
    times = filled(site, 3)
    planned(site)
    good(site, "run")
    good(site, "verify")
    shutil.rmtree(site.snapshots / "daily.2")
    assert "nothing new" in good(site, "run")
    assert "1 compared earlier" in good(site, "verify")
    assert reasons(site) == ""
    site.borg(borg14, "delete", f"{site.repo()}::{name_of(times[0])}")
    done = site.run("run")
    assert done.returncode == 1
    assert "error[BS693]" in done.stderr
    pinned(done.stderr)
    assert "not in the repository" in reasons(site)


def test_twins_of_one_time_are_told_apart_after_a_rotation(make_site: Callable[..., Site], borg14: Path) -> None:
    """An interrupted rsnapshot leaves the copy with the time of its original; which is which keeps its order."""
    site = make_site()
    times = filled(site, 2)
    (site.snapshots / "daily.0").rename(site.snapshots / "daily.9")
    for number in (1,):
        (site.snapshots / f"daily.{number}").rename(site.snapshots / f"daily.{number + 1}")
    (site.snapshots / "daily.9").rename(site.snapshots / "daily.1")
    shutil.copytree(site.snapshots / "daily.1", site.snapshots / "daily.0", symlinks=True)
    (site.snapshots / "daily.0/web01/half").write_text("half")
    os.utime(site.snapshots / "daily.0", (times[1], times[1]))
    os.utime(site.snapshots / "daily.1", (times[1], times[1]))
    done = site.run("plan", "--encryption", "none", "--skip", "daily.0")
    assert done.returncode == 0, done.stderr
    for number in (2, 1, 0):
        (site.snapshots / f"daily.{number}").rename(site.snapshots / f"daily.{number + 1}")
    good(site, "run")
    assert "half" not in "".join(site.items(borg14, name_of(times[1])))
    good(site, "verify")
    assert reasons(site) == ""
    shutil.rmtree(site.snapshots / "daily.1")
    done = site.run("run")
    assert done.returncode == 1
    assert "cannot be told" in done.stderr


def test_nothing_is_written_for_a_tree_that_cannot_be_planned_as_a_whole(
    make_site: Callable[..., Site], pinned: Pinned
) -> None:
    site = make_site(lines=[("web01/", "web01/", ""), ("db01/", "Database/", "")])
    filled(site, 1)
    done = site.run("plan", "--encryption", "none")
    assert done.returncode == 1
    assert "error[BS613]" in done.stderr
    pinned(done.stderr)
    assert "nothing was written" in done.stderr
    assert not site.plan.exists()
    good(site, "plan", "--encryption", "none", "--skip", "Database")
    good(site, "run")
    good(site, "verify")
    assert reasons(site) == "", "left out on request"


def test_a_folder_that_may_be_somebodys_needs_a_word(make_site: Callable[..., Site]) -> None:
    site = make_site()
    filled(site, 2)
    for name in ("daily.1.bak", "yearly.0", ".sync", "_delete.1234"):
        (site.snapshots / name / "web01").mkdir(parents=True)
    text = planned(site)
    assert "# left_out:" not in text
    for name in ("daily.1.bak", "yearly.0"):
        assert f"\n# - {{name: {name}, because: WHY}}\n" in text
    good(site, "run")
    good(site, "verify")
    said = reasons(site)
    assert "daily.1.bak" in said
    assert "yearly.0" in said
    assert ".sync" not in said
    site.plan.write_text(text.replace("\n# - {name", "\n  - {name"))
    assert reasons(site) == ""


def test_nothing_is_written_into_the_tree(make_site: Callable[..., Site], pinned: Pinned) -> None:
    site = make_site()
    filled(site, 1)
    for name, option in (("plan", "-o"), ("rsnapshot", "--plan")):
        done = site.run(name, "--encryption", "none", option, str(site.snapshots / "daily.0/plan.yaml"))
        assert done.returncode == 1
        assert "error[BS696]" in done.stderr
        pinned(done.stderr)
    assert [path.name for path in (site.snapshots / "daily.0").iterdir()] == ["web01"]


def test_dated_copies_go_the_same_way(place: Path, make_site: Callable[..., Site], borg14: Path) -> None:
    site = make_site()
    root = place / "copies"
    for day in ("2024-01-02", "2024-01-03"):
        (root / "web01" / day / "etc").mkdir(parents=True)
        (root / "web01" / day / "etc/motd").write_text(f"{day}\n")
        (root / "web01" / day / "etc/same").write_text("the same\n")
        os.utime(root / "web01" / day / "etc/motd", (OLD, OLD))
    (root / "web01/current").symlink_to("2024-01-03")
    words = ["--pattern", "{host}/%Y-%m-%d", "--timezone", "Europe/Berlin"]
    done = site.run("plan", "--encryption", "none", *words, source=root)
    assert done.returncode == 0, done.stderr
    assert "pattern: '{host}/%Y-%m-%d'\n" in site.plan.read_text()
    good(site, "run")
    good(site, "verify")
    assert site.archives(borg14) == ["web01_files_2024-01-01T23:00:00Z", "web01_files_2024-01-02T23:00:00Z"]
    assert set(site.items(borg14, "web01_files_2024-01-01T23:00:00Z")) == {"etc", "etc/motd", "etc/same"}
    assert reasons(site) == ""
    shutil.copytree(root / "web01/2024-01-03", root / "web01/2024-01-04")
    assert "2024-01-04" in reasons(site), "a copy that came after the plan"


def test_a_scan_shows_what_there_is_and_writes_nothing(make_site: Callable[..., Site]) -> None:
    site = make_site()
    filled(site, 2)
    (site.snapshots / ".sync").mkdir()
    before = sorted(site.folder.rglob("*"))
    command = [*site.command("rsnapshot")[:4], "scan", str(site.conf)]
    done = subprocess.run(command, env=site.environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "daily.1" in done.stdout
    assert ".sync" in done.stdout
    data = json.loads(
        subprocess.run(
            [*command, "--format", "json"], env=site.environment(), capture_output=True, text=True, check=True
        ).stdout
    )
    schema = json.loads((data_folder("schema") / "migration-scan.schema.json").read_text())
    Draft202012Validator(schema).validate(data)
    assert sorted(site.folder.rglob("*")) == before


def test_a_plan_about_another_tree_is_refused(make_site: Callable[..., Site], place: Path, pinned: Pinned) -> None:
    site = make_site()
    filled(site, 1)
    planned(site)
    shutil.copytree(site.snapshots, place / "elsewhere", symlinks=True)
    site.conf.write_text(site.conf.read_text().replace(f"{site.snapshots}/", f"{place}/elsewhere/"))
    done = site.run("run")
    assert done.returncode == 1
    assert "error[BS694]" in done.stderr
    pinned(done.stderr)
    assert not site.repo().exists()


def test_an_option_that_the_other_contradicts_is_a_wrong_use(make_site: Callable[..., Site]) -> None:
    site = make_site()
    filled(site, 1)
    for words in (
        ("--split",),
        ("--to", "central"),
        ("--passphrase-file", "secrets/{host}"),
        ("--rename", "web01"),
        ("--path-of", "web01"),
        ("--ids", "number"),
    ):
        done = site.run("plan", *words)
        assert done.returncode == 2, (words, done.stderr)
        assert "Traceback" not in done.stderr
        assert not site.plan.exists()
        assert not site.repo().exists()
