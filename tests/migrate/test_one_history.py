from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from backupspec.fleet import Retention
from backupspec.retention import keep
from demo.lab import borgs
from demo.lab.room import Room
from demo.lab.site import ACCOUNT, job_script
from demo.lab.site import Site as Compiled
from tests.migrate.site import OLD, Kind, Site
from tests.migrate.test_import import filled, large, name_of, strange

pytestmark = [pytest.mark.root, pytest.mark.borg]

INVENTORY = """\
version: 1
fleet: office
retention:
  short: {{daily: 2, monthly: 1}}
repositories:
  central: {{path: {repository}, encryption: none}}
hosts:
  web01:
    os: debian-12
    files:
      files: {{paths: [{path}]{options}}}
    to: [central]
    retention: short
"""


@pytest.fixture(params=["1.2", "1.4"])
def later_borg(request: pytest.FixtureRequest, borg12: Path, borg14: Path) -> Path:
    """Give the borg of the regular backups to come."""
    return borg12 if request.param == "1.2" else borg14


def regular(site: Site, borg: Path, options: str = "") -> None:
    """Back up with the very words of a compiled job's `borg create`, under the name `regular`."""
    words = create_of(site, options)
    site.borg(borg, "create", *words, f"{site.repo()}::regular", f"/{site.original()}")


def create_of(site: Site, options: str) -> list[str]:
    """Compile an inventory for the site, and give what its job's script says to `borg create` before the archive."""
    folder = site.folder / "in"
    folder.mkdir(exist_ok=True)
    (folder / "inventory.yaml").write_text(
        INVENTORY.format(repository=site.repo(), path=f"/{site.original()}", options=options)
    )
    command = [sys.executable, "-m", "backupspec", "compile", str(folder), "-o", str(site.folder / "out")]
    subprocess.run(command, capture_output=True, check=True)
    root = site.folder / "out/hosts/web01/root"
    script = (root / "usr/local/lib/backupspec/jobs/files_central/create").read_text().replace("\\\n", " ")
    (line,) = re.findall(r"^/usr/bin/borg create (.*?) '::web01_files_[^']*' \"\$@\" 2>", script, re.MULTILINE)
    words = shlex.split(line)
    at = words.index("--patterns-from") + 1
    words[at] = f"{root}{words[at]}"
    return words


def test_the_first_regular_backup_differs_in_nothing_and_adds_no_content(
    make_site: Callable[..., Site], kind: Kind, later_borg: Path, borg14: Path
) -> None:
    site = make_site(kind=kind)
    strange(site)
    site.put("web01/odd/huge", large())
    filled(site, 2)
    when = site.night()
    site.migrate()
    regular(site, later_borg)
    last = name_of(when)
    assert site.borg(borg14, "diff", f"{site.repo()}::{last}", "regular") == ""
    migrated, after = site.items(borg14, last), site.items(borg14, "regular")
    assert migrated == after, "dumped items too, since diff ignores attributes and ACLs"
    assert len(migrated) > 20
    assert len(migrated[f"{site.original()}/odd/huge"]["chunks"]) >= 3  # type: ignore[arg-type]  # a list


def test_a_rsync_with_numeric_ids_is_continued_by_a_job_with_numeric_ids(
    make_site: Callable[..., Site], borg14: Path
) -> None:
    site = make_site(long_args="--delete --numeric-ids --relative")
    os.chown(site.put("web01/etc/x", "x"), 1, 1)
    when = site.night()
    site.migrate()
    item = site.items(borg14, name_of(when))[f"{site.original()}/etc/x"]
    assert (item["uid"], item["user"], item["group"]) == (1, None, None)
    regular(site, borg14, ", numeric_ids: true")
    assert site.items(borg14, name_of(when)) == site.items(borg14, "regular")
    assert site.borg(borg14, "diff", f"{site.repo()}::{name_of(when)}", "regular") == ""


def test_borg_prune_sees_one_series(make_site: Callable[..., Site], borg14: Path) -> None:
    site = make_site()
    times = filled(site, 10)
    site.migrate()
    listed = site.borg(
        borg14, "list", "--short", "--glob-archives", "web01_files_????-??-??T??:??:??Z", str(site.repo())
    ).split()
    assert listed == [name_of(when) for when in times]
    site.borg(
        borg14,
        "prune",
        "--keep-daily",
        "4",
        "--keep-weekly",
        "1",
        "--glob-archives",
        "web01_files_????-??-??T??:??:??Z",
        str(site.repo()),
    )
    assert site.archives(borg14) == [name_of(when) for when in [times[5], *times[6:]]]


@pytest.mark.slow
@pytest.mark.systemd
def test_a_later_inventory_adopts_what_was_migrated_without_one(make_site: Callable[..., Site]) -> None:
    """Its job `files` backs up and prunes with its compiled scripts, unedited: old and new are one series."""
    site = make_site()
    times = filled(site, 10)
    site.migrate()
    create_of(site, "")
    compiled = Compiled(site.folder / "in", site.folder / "out")
    planned = site.run("plan", "--inventory", str(compiled.inventory), "--force")
    (remain,) = re.findall(r"after the first prune ([0-9]+) of 10 remain", planned.stdout)
    with Room() as room:
        host = room.machine("web01", ["192.0.2.21"])
        borgs.give(host, "1.4")
        compiled.apply(host)
        for folder in (site.repo(), site.sources):
            host.copy_in(folder, str(folder))
        host.run(["chown", "-R", f"{ACCOUNT}:", str(site.repo())])
        job_script(host, "files", "central", "create")
        listed = ["borg", "list", "--json", str(site.repo())]

        def archives() -> dict[str, datetime]:
            said = json.loads(host.as_service(ACCOUNT, ["env", "BORG_BASE_DIR=/var/lib/backupspec", *listed]).stdout)
            return {one["name"]: datetime.fromisoformat(one["time"]).replace(tzinfo=UTC) for one in said["archives"]}

        before = archives()
        assert list(before)[:-1] == [name_of(when) for when in times]
        (new,) = set(before) - {name_of(when) for when in times}
        assert re.fullmatch(r"web01_files_[0-9T:-]{19}Z", new)
        job_script(host, "files", "central", "prune")
        policy = Retention(daily=2, monthly=1)
        decided = keep(policy, list(before.values()), datetime.now(UTC), ZoneInfo("UTC"))
        assert list(archives()) == [name for name, one in zip(before, decided, strict=True) if one.kept]
        assert len(archives()) == 3
        assert len({name_of(when) for when in times} & set(archives())) == int(remain), "as the plan foretold"


def test_what_a_backup_script_left_is_a_series_of_its_own(
    make_site: Callable[..., Site], kind: Kind, borg14: Path
) -> None:
    """The script is not run again: what it wrote each night is what the tree has of that night."""
    site = make_site(kind=kind)
    count = site.folder / "count"
    script = site.folder / "dump"
    script.write_text(f"#!/bin/sh\necho x >>{count}\nwc -l <{count} >dump.sql\ntouch -d @{OLD} dump.sql\n")
    script.chmod(0o755)
    site.extra = [f"backup_script\t{script}\tweb01/mysql/"]
    site.configure()
    times = filled(site, 3)
    site.migrate()
    assert count.read_text() == "x\n" * 3
    (job,) = {name.split("_")[1] for name in site.archives(borg14)} - {"files"}
    for night, when in enumerate(times):
        archive = name_of(when, job=job)
        assert set(site.items(borg14, archive)) == {"mysql", "mysql/dump.sql"}
        said = site.borg(borg14, "extract", "--stdout", f"{site.repo()}::{archive}", "mysql/dump.sql")
        assert said.strip() == str(night + 1)
    site.verify()
    report = site.run("report")
    assert report.returncode == 0, report.stdout


def test_a_migrated_repository_survives_deleting_its_first_archive(
    make_site: Callable[..., Site], borg14: Path
) -> None:
    """Chunks are shared by all archives: their counts must be right, or a prune would take what others need."""
    site = make_site()
    times = filled(site, 3)
    site.migrate()
    site.borg(borg14, "delete", f"{site.repo()}::{name_of(times[0])}")
    site.borg(borg14, "compact", str(site.repo()))
    site.borg(borg14, "check", "--verify-data", str(site.repo()))
    site.borg(borg14, "extract", "--dry-run", f"{site.repo()}::{name_of(times[2])}")


def stored(site: Site) -> int:
    """Give the bytes of all segments of the repository."""
    return sum(path.stat().st_size for path in (site.repo() / "data").rglob("*") if path.is_file())


def many(site: Site, count: int) -> None:
    """Put files of the kind that servers have many of into the source."""
    for number in range(count):
        folder = site.sources / f"web01/www/site{number % 37}/page{number % 5}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"document-{number:05}.html").write_text(f"<h1>{number}</h1>" * (number % 40))
    site.age()


@pytest.mark.slow
def test_the_first_regular_backup_adds_less_than_60_bytes_for_each_entry_and_no_content(
    make_site: Callable[..., Site], later_borg: Path, borg14: Path
) -> None:
    site = make_site()
    many(site, 3000)
    when = site.night()
    site.borg(borg14, "init", "-e", "repokey-blake2", str(site.repo()))
    site.migrate()
    before = stored(site)
    regular(site, later_borg)
    grown = stored(site) - before
    migrated, after = site.items(borg14, name_of(when)), site.items(borg14, "regular")
    assert len(after) > 3000
    assert grown / len(after) <= 60, f"{grown / len(after):.1f} bytes for each entry"
    assert migrated == after, "the same chunks, among all else"


@pytest.mark.slow
@pytest.mark.parametrize("runs", ["in one run", "in two"])
def test_a_second_equal_snapshot_adds_less_than_5_bytes_for_each_file(
    make_site: Callable[..., Site], kind: Kind, borg14: Path, runs: str
) -> None:
    site = make_site(kind=kind)
    many(site, 2000)
    site.night()
    if runs == "in one run":
        site.night()
        site.borg(borg14, "init", "-e", "repokey-blake2", str(site.repo()))
        site.migrate("--skip", "daily.0")
        before = stored(site)
        shutil.rmtree(site.repo())
        site.borg(borg14, "init", "-e", "repokey-blake2", str(site.repo()))
        site.migrate()
    else:
        site.migrate()
        before = stored(site)
        site.night()
        site.migrate()
    assert len(site.archives(borg14)) == 2
    grown = stored(site) - before
    assert grown / 2000 < 5, f"{grown / 2000:.2f} bytes for each file"
    site.verify()
