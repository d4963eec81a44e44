from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from backupspec.pipeline import load_fleet
from backupspec_migrate.sample import DAY, FIRST_NIGHT, make_sample_tree
from backupspec_migrate.sample_site import SampleSite, SampleTree, make_sample_site
from tests.migrate.site import Kind, Site, inventory

pytestmark = [pytest.mark.root, pytest.mark.borg]


def test_the_sample_tree_can_be_migrated_and_continued(
    make_site: Callable[..., Site], kind: Kind, borg14: Path
) -> None:
    site = make_site()
    conf = make_sample_tree(site.folder / "sample", link_dest=kind is Kind.LINK_DEST)
    times = sorted(path.stat().st_mtime for path in (conf.parent / "snapshots").iterdir())
    assert times == [FIRST_NIGHT + day * DAY for day in range(4)]
    site.migrate(source=conf)
    last = site.archives(borg14)[-1]
    create = ["create", "--noctime", "--nobirthtime", f"{site.repo()}::regular", str(conf.parent / "source")]
    site.borg(borg14, *create)
    assert site.borg(borg14, "diff", f"{site.repo()}::{last}", "regular") == ""


def test_a_given_source_is_only_read(place: Path) -> None:
    source = place / "data"
    source.mkdir()
    (source / "file").write_text("content")
    before = {path: (*state[:6], *state[7:]) for path, state in inventory(source).items()}
    make_sample_tree(place / "sample", snapshots=2, source=source, host="db01")
    assert {path: (*state[:6], *state[7:]) for path, state in inventory(source).items()} == before
    assert (place / f"sample/snapshots/daily.1/db01{source}/file").read_text() == "content"


@pytest.fixture
def sample(place: Path) -> SampleSite:
    (place / "sample").mkdir()
    return make_sample_site(place / "sample")


def _ages(tree: SampleTree) -> dict[str, float]:
    """Give the age of each snapshot in days, counted from the newest."""
    times = {path.name: path.lstat().st_mtime for path in tree.snapshots.iterdir() if path.name.count(".") == 1}
    times.pop("_delete.4711", None)
    return {name: (max(times.values()) - time) / DAY for name, time in times.items()}


def test_both_trees_of_the_sample_site_are_ladders_that_rsnapshot_itself_made(sample: SampleSite) -> None:
    higher = {"daily.2": 1, "weekly.0": 6, "weekly.1": 13, "monthly.0": 27, "monthly.1": 55}
    assert _ages(sample.copied) == {"daily.0": 0, "daily.1": 0, **higher}
    assert _ages(sample.linked) == {
        "daily.0": 0,
        "daily.1": 1,
        "daily.2": 6,
        "weekly.0": 13,
        "weekly.1": 27,
        "monthly.0": 55,
    }
    for tree in (sample.copied, sample.linked):
        assert subprocess.run(["rsnapshot", "-c", tree.configuration, "configtest"], check=False).returncode == 0
        slots = [tree.snapshots / name / tree.hosts[0].name / "etc/hostname" for name in _ages(tree)]
        assert len({path.stat().st_ino for path in slots}) == 1
        assert len({path.parent.stat().st_ino for path in slots}) == len(slots)


def test_what_went_wrong_in_the_sample_site_did_so_for_real(sample: SampleSite) -> None:
    copied, linked = sample.copied.snapshots, sample.linked.snapshots
    web, database = (copied / "daily.0" / name / "etc/motd" for name in ("web01", "db01"))
    assert web.read_text() == "Welcome, this is day 6\n"
    assert database.read_text() == "Welcome, this is day 5\n"
    assert (copied / "daily.2/web01/etc/motd").read_text() == "Welcome, this is day 4\n"
    assert (copied / "daily.2/db01/etc/motd").read_text() == "Welcome, this is day 3\n"
    assert not (linked / "daily.1/mail01/usr/local").exists()
    assert (linked / "daily.0/mail01/usr/local/bin/flush").stat().st_mode & 0o7777 == 0o4755
    for tree in (sample.copied, sample.linked):
        pid = (tree.folder / "rsnapshot.pid").read_text().strip()
        assert not Path("/proc", pid).exists()
    left = {path.name for path in sample.folder.iterdir()}
    assert left == {"cp-al", "hosts", "link_dest", "passphrases", "site", "ssh"}


def test_the_sample_site_holds_what_makes_a_migration_hard(sample: SampleSite) -> None:
    newest = os.fsencode(sample.copied.snapshots / "daily.1")
    www = os.path.join(newest, b"web01/srv/www")  # noqa: PTH118 - names that are not text
    names = set(os.listdir(www))  # noqa: PTH208 - as above
    assert {b"2024-01-01T00:00:00", b"men\xfc.html", b"-rf", b"two\nlines"} <= names
    page, start = (os.stat(os.path.join(www, name)) for name in (b"index.html", b"start.html"))  # noqa: PTH116, PTH118 - as above
    assert page.st_ino == start.st_ino
    assert os.stat(os.path.join(www, b"disk.img")).st_blocks * 512 < 1 << 20  # noqa: PTH116, PTH118 - as above
    secrets = [sample.copied.snapshots / "daily.1" / host / "etc/secret" for host in ("web01", "db01")]
    assert len({(path.stat().st_size, path.stat().st_mtime) for path in secrets}) == 1
    assert len({path.read_text() for path in secrets}) == 2
    mail = sample.linked.snapshots / "daily.0/mail01/var/mail"
    assert (mail / "pickup").is_fifo()
    assert "user.comment" in os.listxattr(mail / "shared.mbox")
    assert "system.posix_acl_access" in os.listxattr(mail / "shared.mbox")
    owners = {path.stat().st_uid for path in (secrets[0], Path(os.fsdecode(www)), mail)}
    assert owners == {0, 33, 8}


def test_the_inventory_of_the_sample_site_knows_each_host_and_its_retention(sample: SampleSite) -> None:
    fleet, found = load_fleet(sample.inventory)
    assert fleet is not None, found
    assert {(host.name, job.name) for host in fleet.hosts for job in host.jobs} == {
        (name, sample.job) for name in ("db01", "mail01", "web01")
    }
    paths = sorted(path.name for path in Path(sample.passphrases).parent.iterdir())
    assert paths == ["db01", "mail01", "web01"]
    assert all((Path(sample.passphrases).parent / name).stat().st_mode & 0o777 == 0o600 for name in paths)
