from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.migrate.site import Kind, Site
from tests.migrate.test_import import filled, name_of, strange

pytestmark = [pytest.mark.root, pytest.mark.borg]


@pytest.fixture(params=["1.2", "1.4"])
def later_borg(request: pytest.FixtureRequest, borg12: Path, borg14: Path) -> Path:
    """Give the borg of the regular backups to come."""
    return borg12 if request.param == "1.2" else borg14


def regular(site: Site, borg: Path, *options: str) -> None:
    """Back up as a compiled job does."""
    as_compiled = ["--noctime", "--nobirthtime", "--compression", "auto,zstd,3", *options]
    site.borg(borg, "create", *as_compiled, f"{site.repo()}::regular", f"/{site.original()}")


def test_the_first_regular_backup_differs_in_nothing_and_adds_no_content(
    make_site: Callable[..., Site], kind: Kind, later_borg: Path, borg14: Path
) -> None:
    site = make_site(kind=kind)
    strange(site)
    filled(site, 2)
    when = site.night()
    site.migrate()
    regular(site, later_borg)
    last = name_of(when)
    assert site.borg(borg14, "diff", f"{site.repo()}::{last}", "regular") == ""
    migrated, after = site.items(borg14, last), site.items(borg14, "regular")
    assert migrated == after, "dumped items too, since diff ignores attributes and ACLs"
    assert len(migrated) > 20


def test_a_rsync_with_numeric_ids_is_continued_by_a_job_with_numeric_ids(
    make_site: Callable[..., Site], borg14: Path
) -> None:
    site = make_site(long_args="--delete --numeric-ids --relative")
    os.chown(site.put("web01/etc/x", "x"), 1, 1)
    when = site.night()
    site.migrate()
    item = site.items(borg14, name_of(when))[f"{site.original()}/etc/x"]
    assert (item["uid"], item["user"], item["group"]) == (1, None, None)
    regular(site, borg14, "--numeric-ids")
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
