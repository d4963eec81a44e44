"""Repositories of every kind that Borg makes take a migration and give back what is in the tree."""

from __future__ import annotations

import os
import pwd
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from backupspec_migrate.repository import open_repository
from tests.migrate.site import Kind, Site
from tests.migrate.test_faults import planned
from tests.migrate.test_import import name_of, strange

pytestmark = [pytest.mark.root, pytest.mark.borg]

MODES = {
    "none": "none",
    "repokey": "lz4",
    "repokey-blake2": "auto,zstd,3",
    "keyfile": "zlib,6",
    "keyfile-blake2": "zstd,3",
    "authenticated": "auto,lzma,0",
    "authenticated-blake2": "obfuscate,110,lz4",
}
"""Each with one of the compressions."""
HEADS = {
    "none": b"\0\0",
    "lz4": b"\1\0",
    "zlib,6": b"\x78",
    "zstd,3": b"\3\0",
    "lzma,0": b"\2\0",
    "obfuscate,110,lz4": b"\4\0",
}
"""How Borg begins a chunk that was compressed so, where that was worth it."""


def stranger(site: Site) -> None:
    """Put into the source what a file system can hold, and what a backup program could take for a word to itself."""
    strange(site)
    odd = site.sources / "web01/odd"
    os.chown(site.put("web01/odd/nobody", "n"), 4_294_967_294, 4_294_967_294)
    site.put("web01/cache/CACHEDIR.TAG", "Signature: 8a477f597d28d172789f06886806bc55\n")
    site.put("web01/cache/kept", "kept")
    site.put("web01/cache/.nobackup", "")
    (site.put("web01/odd/setgid", "g")).chmod(0o2755)
    (site.sources / "web01/sticky").mkdir(mode=0o755)
    (site.sources / "web01/sticky").chmod(0o1777)
    os.mknod(odd / "disk", 0o600 | 0o060000, os.makedev(7, 200))
    (odd / "third").hardlink_to(odd / "one")
    (odd / "setuid-too").hardlink_to(odd / "setuid")
    site.put(b"web01/odd/" + b"x" * 255, "long")
    site.put(b"web01/odd/ leading and trailing ", "blank")
    site.put(b"web01/odd/back\\slash", "slash")
    site.put(b"web01/odd/\x01\x1b[31m\x7f", "control")
    os.setxattr(odd / "link", "trusted.of-a-link", b"\x00\xff", follow_symlinks=False)
    os.setxattr(odd, "user.of-a-folder", b"x" * 3000)
    site.age()


def assert_extracts_equal(site: Site, borg: Path, when: int, slot: str, out: Path) -> None:
    """Extract an archive with a real borg and compare with the tree by a real rsync."""
    out.mkdir()
    site.borg(borg, "extract", "--numeric-ids", f"{site.repo()}::{name_of(when)}", cwd=out)
    below = site.original()
    for first, second in (
        (site.snapshots / slot / "web01" / below, out / below),
        (out / below, site.snapshots / slot / "web01" / below),
    ):
        compare = ["rsync", "-aHAXn", "--checksum", "--delete", "--itemize-changes", f"{first}/", f"{second}/"]
        assert subprocess.run(compare, capture_output=True, check=True).stdout == b""


@pytest.mark.parametrize("mode", MODES)
def test_a_repository_of_each_mode_takes_all_and_gives_it_back(
    make_site: Callable[..., Site], borg14: Path, place: Path, mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = make_site()
    stranger(site)
    text = "".join(f"{number} of 3000\n" for number in range(3000)).encode()
    site.put("web01/etc/text", text)
    first = site.night()
    site.put("web01/etc/motd", "changed")
    second = site.night()
    site.borg(borg14, "init", "-e", mode, str(site.repo()))
    planned(site, "--compression", MODES[mode])
    done = site.run("run")
    assert done.returncode == 0, done.stderr
    site.borg(borg14, "check", "--verify-data", str(site.repo()))
    site.verify()
    for name, value in site.environment().items():
        monkeypatch.setenv(name, value)
    with open_repository(str(site.repo()), compression=None, unencrypted=mode == "none") as session:
        chunk = session.key.id_hash(text)
        packed = session.key.decrypt(chunk, session.repository.get(chunk), decompress=False)
    assert bytes(packed).startswith(HEADS[MODES[mode].removeprefix("auto,")])
    assert len(packed) < len(text) / 2 or MODES[mode] in {"none", "obfuscate,110,lz4"}
    assert_extracts_equal(site, borg14, first, "daily.1", place / "first")
    assert_extracts_equal(site, borg14, second, "daily.0", place / "second")


@pytest.mark.parametrize("mode", ["repokey-blake2", "keyfile"])
def test_the_key_of_an_account_s_repository_may_be_root_s(
    make_site: Callable[..., Site], borg14: Path, mode: str
) -> None:
    site = make_site()
    site.put("web01/etc/x", "x")
    when = site.night()
    site.borg(borg14, "init", "-e", mode, str(site.repo()))
    account = pwd.getpwnam("games")
    for path in (site.repo(), *site.repo().rglob("*")):
        os.chown(path, account.pw_uid, account.pw_gid)
    planned(site)
    done = site.run("run")
    assert done.returncode == 0, done.stderr
    site.verify()
    assert {os.lstat(path).st_uid for path in site.repo().rglob("*")} == {account.pw_uid}
    assert site.archives(borg14) == [name_of(when)]


def test_extracted_archives_equal_the_snapshots_of_both_kinds_of_tree(
    make_site: Callable[..., Site], kind: Kind, borg12: Path, borg14: Path, place: Path
) -> None:
    site = make_site(kind=kind, retain=(("daily", 3), ("weekly", 2)))
    stranger(site)
    oldest = site.night()
    site.put("web01/odd/one", "linked anew")
    site.night()
    (site.sources / "web01/odd/fifo").unlink()
    newest = site.night()
    site.night("weekly", time=oldest)
    site.migrate()
    assert_extracts_equal(site, borg14, oldest, "weekly.0", place / "oldest")
    assert_extracts_equal(site, borg12, newest, "daily.0", place / "newest")


def test_nights_in_which_clocks_are_changed_have_their_own_time(make_site: Callable[..., Site], borg14: Path) -> None:
    site = make_site(retain=(("hourly", 20),))
    site.put("web01/etc/motd", "x")
    spring, autumn = 1_711_846_800, 1_729_987_200  # 2024-03-31T01:00Z and 2024-10-27T00:00Z: Berlin changes its clocks
    times = [spring - 1800, spring + 1800, autumn + 1800, autumn + 5400]
    for when in times:
        site.night("hourly", time=when)
    environment = {**site.environment(), "TZ": "Europe/Berlin"}
    for command in (site.command("rsnapshot", "--encryption", "none"), site.command("verify")):
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    assert site.archives(borg14) == [name_of(when) for when in times]
    listed = site.borg(borg14, "list", "--format", "{time:%s}{NL}", str(site.repo())).split()
    assert [int(one) for one in listed] == times
