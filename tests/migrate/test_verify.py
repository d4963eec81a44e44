from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.migrate.mounted import mounted
from tests.migrate.site import OLD, Kind, Site
from tests.migrate.test_import import filled, large, name_of

pytestmark = [pytest.mark.root, pytest.mark.borg]


def forged(  # noqa: PLR0913 - each is another thing that an archive may have
    site: Site,
    borg: Path,
    name: str,
    change: Callable[[Path], None],
    place: Path,
    *more: str,
    again: tuple[str, ...] = (),
) -> None:
    """Replace an archive by one with the same name, time and comment and one thing changed: who has the key can.

    `again` are paths below the original one that are stored a second time.
    """
    about = json.loads(site.borg(borg, "info", "--json", f"{site.repo()}::{name}"))["archives"][0]
    out = place / f"forged-{name}"
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
    paths = [site.original(), *(f"{site.original()}/{path}" for path in again)]
    site.borg(borg, "create", *options, *more, f"{site.repo()}::{name}", *paths, cwd=out)


def same_size(folder: Path) -> None:
    path = folder / "www/index.html"
    times = path.stat()
    path.write_text("<h1>hellO</h1>")
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def test_one_changed_byte_in_one_archive_is_found_and_named(
    make_site: Callable[..., Site], kind: Kind, borg14: Path, place: Path
) -> None:
    site = make_site(kind=kind)
    first = filled(site, 2)[0]
    site.migrate()
    forged(site, borg14, name_of(first), same_size, place)
    done = site.run("verify")
    assert done.returncode == 1
    assert re.findall(r"error\[.*", done.stderr) == [
        f"error[BS652]: /{site.original()}/www/index.html in {name_of(first)} differs: content"
    ]


def test_what_an_archive_has_twice_is_found_and_named(
    make_site: Callable[..., Site], borg14: Path, place: Path
) -> None:
    """A file and a folder with what is in it, each as it should be.

    In the first archive of a series, and in a later one: there the comparison of the same item is known from before.
    """
    site = make_site()
    names = [name_of(when) for when in filled(site, 3)]
    site.migrate()
    for name in names[:2]:
        forged(site, borg14, name, lambda _: None, place, again=("www/index.html", "etc"))
    listed = site.borg(borg14, "list", "--short", f"{site.repo()}::{names[0]}", f"{site.original()}/etc").splitlines()
    assert len(listed) == 2 * len(set(listed)) > 2, "Borg stores what it is told twice"
    done = site.run("verify")
    assert done.returncode == 1
    twice = {f"{site.original()}/www/index.html", *listed}
    assert sorted(re.findall(r"error\[.*", done.stderr)) == sorted(
        f"error[BS651]: /{path} is in {name} twice, or does not belong there" for name in names[:2] for path in twice
    )
    report = site.run("report")
    assert report.returncode == 1
    assert "Safe to retire the old tree: NO" in report.stdout


def things(site: Site) -> None:
    """Put into the source one thing for each change."""
    each = site.sources / "web01/each"
    for name in ("mode", "owner", "time", "attribute", "acl", "missing", "shorter", "type"):
        site.put(f"web01/each/{name}", "<h1>hello</h1>")
    for name in ("folder", "default-acl"):
        (each / name).mkdir()
    (each / "link").symlink_to("mode")
    os.mknod(each / "device", 0o600 | 0o060000, os.makedev(7, 200))
    site.age()


def changed(folder: Path) -> None:
    """Change each of them in the way that it is called after, and nothing else."""
    each = folder / "each"
    times = {path: path.lstat() for path in (each, *each.iterdir())}
    (each / "mode").chmod(0o666)
    os.chown(each / "owner", 1, 0)
    os.setxattr(each / "attribute", "user.colour", b"red")
    subprocess.run(["setfacl", "-m", "u:daemon:rw", each / "acl"], check=True)
    (each / "acl").chmod(0o644)
    (each / "missing").unlink()
    (each / "more").write_text("more")
    (each / "shorter").write_text("<h1>")
    (each / "type").unlink()
    os.mkfifo(each / "type", 0o644)
    os.setxattr(each / "folder", "user.colour", b"red")
    subprocess.run(["setfacl", "-d", "-m", "u:daemon:rwx", each / "default-acl"], check=True)
    (each / "link").unlink()
    (each / "link").symlink_to("time")
    (each / "device").unlink()
    os.mknod(each / "device", 0o600 | 0o060000, os.makedev(7, 201))
    for path, state in times.items():
        if path.name != "missing":
            os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns), follow_symlinks=False)
    os.utime(each / "time", (OLD + 1, OLD + 1))


CHANGES = {
    "mode": "type and mode -rw-rw-rw-, source -rw-r--r--",
    "owner": "owner 1:0, source 0:0",
    "time": "time 2023-12-03T02:05:01Z, source 2023-12-03T02:05:00Z",
    "attribute": "extended attributes ['user.colour'], source []",
    "acl": "acl_access",
    "shorter": "size 4, source 14",
    "type": "type and mode prw-r--r--, source -rw-r--r--",
    "folder": "extended attributes ['user.colour'], source []",
    "default-acl": "acl_default",
    "link": "link target",
    "device": "device number",
}


def test_each_changed_thing_in_one_archive_is_found_and_named_and_nothing_else_is(
    make_site: Callable[..., Site], borg14: Path, place: Path
) -> None:
    site = make_site()
    things(site)
    first = filled(site, 2)[0]
    site.migrate()
    forged(site, borg14, name_of(first), changed, place)
    done = site.run("verify")
    assert done.returncode == 1
    path, name = f"/{site.original()}/each", name_of(first)
    assert sorted(re.findall(r"error\[BS651\]: (.*)", done.stderr)) == sorted(
        [
            *(f"{path}/{thing} in {name} differs: {how}" for thing, how in CHANGES.items()),
            f"{path}/missing is in the source and not in {name}",
            f"{path}/more is in {name} and not in the source",
        ]
    )
    assert done.stderr.count("error[") == len(CHANGES) + 2, done.stderr
    assert not re.search(r"[0-9]{12,}", done.stderr), "times are for people"
    assert f"borg delete {site.repo()}::{name}" in done.stderr


def test_an_archive_that_only_looks_like_that_of_a_snapshot_is_found(
    make_site: Callable[..., Site], borg14: Path, place: Path
) -> None:
    """It has another time, another origin, or owners without their names."""
    site = make_site()
    first, second = filled(site, 2)
    site.migrate()
    forged(site, borg14, name_of(first), lambda _: None, place, "--numeric-ids", "--timestamp", "2024-01-02T02:05:01")
    forged(site, borg14, name_of(second), lambda _: None, place, "--comment", "mine")
    done = site.run("verify")
    assert done.returncode == 1
    said = re.findall(r"error\[BS651\]: (.*)", done.stderr)
    assert f"{name_of(first)} has the time 2024-01-02T02:05:01Z" in said
    assert f"{name_of(second)} does not come from {site.snapshots}/daily.0: 'mine'" in said
    items = site.items(borg14, name_of(first))
    assert {f"/{path} in {name_of(first)} differs: owner's name None:None, here root:root" for path in items} <= {*said}
    assert len(said) == done.stderr.count("error[") == len(items) + 2


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


def test_a_verification_shares_no_code_with_the_import() -> None:
    """What is wrong in both would be found by neither."""
    listed = "import sys, backupspec_migrate.verify; print(*(one for one in sys.modules if 'backupspec' in one))"
    done = subprocess.run([sys.executable, "-c", listed], capture_output=True, text=True, check=True)
    loaded = {one.rpartition(".")[2] for one in done.stdout.split()}
    assert {"verify", "source_walk"} <= loaded
    assert not loaded & {"writer", "memo", "look", "item", "listing", "known", "reader", "read_ahead"}


def test_a_missing_archive_is_named(make_site: Callable[..., Site], borg14: Path) -> None:
    site = make_site()
    first = filled(site, 2)[0]
    site.migrate()
    site.borg(borg14, "delete", f"{site.repo()}::{name_of(first)}")
    done = site.run("verify")
    assert done.returncode == 1
    assert f"{name_of(first)} is not in {site.repo()}" in done.stderr


def test_a_source_that_changed_since_is_found(make_site: Callable[..., Site]) -> None:
    """By one byte, far from the beginning."""
    site = make_site()
    site.put("web01/huge", large())
    filled(site, 1)
    site.migrate()
    path = site.snapshots / "daily.0/web01" / site.original() / "huge"
    times = path.stat()
    with path.open("r+b") as file:
        file.seek(9 << 20)
        file.write(bytes([large()[9 << 20] ^ 1]))
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    done = site.run("verify")
    assert done.returncode == 1
    assert re.findall(r"error\[.*", done.stderr) == [
        f"error[BS652]: /{site.original()}/huge in web01_files_2024-01-02T02:05:00Z differs: content"
    ]
