from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.migrate.mounted import mounted
from tests.migrate.site import OLD, Site
from tests.migrate.test_import import filled, name_of

pytestmark = [pytest.mark.root, pytest.mark.borg]


def forged(site: Site, borg: Path, name: str, change: Callable[[Path], None], place: Path) -> None:
    """Replace an archive by one with the same name, time and comment and one thing changed: who has the key can."""
    about = json.loads(site.borg(borg, "info", "--json", f"{site.repo()}::{name}"))["archives"][0]
    out = place / "forged"
    out.mkdir()
    site.borg(borg, "extract", f"{site.repo()}::{name}", cwd=out)
    changed = out / site.original()
    times = changed.stat()
    change(changed)
    os.utime(changed, ns=(times.st_atime_ns, times.st_mtime_ns))
    site.borg(borg, "delete", f"{site.repo()}::{name}")
    options = [
        "--noctime",
        "--nobirthtime",
        "--comment",
        about["comment"],
        "--timestamp",
        name.split("_")[2].rstrip("Z"),
    ]
    site.borg(borg, "create", *options, f"{site.repo()}::{name}", site.original(), cwd=out)


def same_size(folder: Path) -> None:
    path = folder / "www/index.html"
    times = path.stat()
    path.write_text("<h1>hellO</h1>")
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def mode(folder: Path) -> None:
    (folder / "www/index.html").chmod(0o666)


def owner(folder: Path) -> None:
    os.chown(folder / "www/index.html", 1, 0)


def when(folder: Path) -> None:
    os.utime(folder / "www/index.html", (OLD + 1, OLD + 1))


def missing(folder: Path) -> None:
    times = (folder / "www").stat()
    (folder / "www/index.html").unlink()
    os.utime(folder / "www", ns=(times.st_atime_ns, times.st_mtime_ns))


def extra(folder: Path) -> None:
    times = (folder / "www").stat()
    (folder / "www/more").write_text("more")
    os.utime(folder / "www", ns=(times.st_atime_ns, times.st_mtime_ns))


def attribute(folder: Path) -> None:
    os.setxattr(folder / "www/index.html", "user.colour", b"red")


def acl(folder: Path) -> None:
    subprocess.run(["setfacl", "-m", "u:daemon:rw", folder / "www/index.html"], check=True)
    (folder / "www/index.html").chmod(0o644)


CHANGES: dict[Callable[[Path], None], str] = {
    same_size: "www/index.html in web01_files_2024-01-02T02:05:00Z differs: content",
    mode: "differs: type and mode -rw-rw-rw-, source -rw-r--r--",
    owner: "differs: owner 1:0, source 0:0",
    when: "www/index.html in web01_files_2024-01-02T02:05:00Z differs: time "
    "2023-12-03T02:05:01Z, source 2023-12-03T02:05:00Z",
    missing: "www/index.html is in the source and not in",
    extra: "www/more is in web01_files_2024-01-02T02:05:00Z and not in the source",
    attribute: "differs: extended attributes ['user.colour'], source []",
    acl: "differs: acl_access",
}


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_one_changed_thing_in_one_archive_is_found_and_named(
    make_site: Callable[..., Site], borg14: Path, place: Path, change: Callable[[Path], None]
) -> None:
    site = make_site()
    first = filled(site, 2)[0]
    site.migrate()
    forged(site, borg14, name_of(first), change, place)
    done = site.run("verify")
    assert done.returncode == 1
    assert CHANGES[change] in done.stderr
    assert done.stderr.count("error[") == 1, done.stderr
    assert not re.search(r"[0-9]{12,}", done.stderr), "times are for people"
    if "content" not in CHANGES[change]:
        assert f"borg delete {site.repo()}::{name_of(first)}" in done.stderr


def test_the_file_of_a_broken_chunk_is_named_in_every_archive_that_has_it(make_site: Callable[..., Site]) -> None:
    site = make_site()
    site.put("web01/big", os.urandom(400_000))
    site.put("web01/small", "whole")
    times = [site.night(), site.night()]
    site.migrate()
    segment = max((site.repo() / "data/0").iterdir(), key=lambda path: path.stat().st_size)
    content = bytearray(segment.read_bytes())
    content[200_000] ^= 1
    segment.write_bytes(content)
    done = site.run("verify")
    assert done.returncode == 1
    for when in times:
        assert f"/{site.original()}/big in {name_of(when)} cannot be given back" in done.stderr
    assert "/small" not in done.stderr
    assert "Traceback" not in done.stderr


def test_what_changed_since_the_import_is_found_in_a_later_snapshot_of_the_same_file(
    make_site: Callable[..., Site],
) -> None:
    """Snapshots share inodes, and an item that was equal once is not compared again: unless the inode was touched."""
    site = make_site()
    first, second = filled(site, 2)
    site.migrate()
    path = site.snapshots / "daily.0/web01" / site.original() / "www/index.html"
    assert path.stat().st_nlink == 2
    os.setxattr(path, "user.colour", b"red")
    done = site.run("verify")
    assert done.returncode == 1
    for when in (first, second):
        assert f"www/index.html in {name_of(when)} differs: extended attributes [], source ['user.colour']" in (
            done.stderr
        )


def test_a_touched_name_of_a_later_snapshot_only_is_found(make_site: Callable[..., Site]) -> None:
    site = make_site()
    _, second = filled(site, 2)
    site.migrate()
    path = site.snapshots / "daily.0/web01" / site.original() / "www/index.html"
    content, times, above = path.read_bytes(), path.stat(), path.parent.stat()
    path.unlink()
    path.write_bytes(content.replace(b"hello", b"hellO"))
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    os.utime(path.parent, ns=(above.st_atime_ns, above.st_mtime_ns))
    done = site.run("verify")
    assert done.returncode == 1
    assert f"www/index.html in {name_of(second)} differs: content" in done.stderr
    assert done.stderr.count("error[") == 1, done.stderr


def test_hard_links_that_are_not_those_of_the_source_are_found(
    make_site: Callable[..., Site], borg14: Path, place: Path
) -> None:
    site = make_site()
    site.put("web01/www/index.html", "<h1>hello</h1>")
    site.put("web01/www/one", "linked")
    (site.sources / "web01/www/two").hardlink_to(site.sources / "web01/www/one")
    when = site.night()
    site.migrate()
    site.verify()

    def parted(folder: Path) -> None:
        one, two = folder / "www/one", folder / "www/two"
        times, above = one.stat(), one.parent.stat()
        two.unlink()
        two.write_bytes(one.read_bytes())
        os.utime(two, ns=(times.st_atime_ns, times.st_mtime_ns))
        os.utime(one.parent, ns=(above.st_atime_ns, above.st_mtime_ns))

    forged(site, borg14, name_of(when), parted, place)
    done = site.run("verify")
    assert done.returncode == 1
    assert f"hard links of /{site.original()}/www/one in {name_of(when)} differ from the source" in done.stderr


def test_a_folder_that_is_mounted_in_two_places_is_no_hard_link_though_files_in_it_are(
    make_site: Callable[..., Site], borg14: Path
) -> None:
    site = make_site()
    site.put("web01/one/file", "x")
    (site.sources / "web01/two").mkdir()
    when = site.night()
    content = site.snapshots / "daily.0/web01" / site.original()
    with mounted("--bind", content / "one", content / "two") as mount:
        site.among = mount.among
        site.migrate()
        site.verify()
    items = site.items(borg14, name_of(when))
    assert items[f"{site.original()}/two/file"]["source"] == f"{site.original()}/one/file"


def test_a_missing_archive_is_named(make_site: Callable[..., Site], borg14: Path) -> None:
    site = make_site()
    first = filled(site, 2)[0]
    site.migrate()
    site.borg(borg14, "delete", f"{site.repo()}::{name_of(first)}")
    done = site.run("verify")
    assert done.returncode == 1
    assert f"{name_of(first)} is not in {site.repo()}" in done.stderr


def test_a_source_that_changed_since_is_found(make_site: Callable[..., Site]) -> None:
    site = make_site()
    filled(site, 1)
    site.migrate()
    path = site.snapshots / "daily.0/web01" / site.original() / "www/index.html"
    times = path.stat()
    path.write_text("<h1>hellO</h1>")
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    done = site.run("verify")
    assert done.returncode == 1
    assert "differs: content" in done.stderr
