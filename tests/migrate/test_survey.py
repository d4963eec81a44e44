"""What is counted in a tree is what find counts in it."""

from __future__ import annotations

import hashlib
import os
import pwd
import resource
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from borg.helpers import safe_ns
from hypothesis import given
from hypothesis import strategies as st

from backupspec_migrate.estimate import estimate
from backupspec_migrate.layout import layout_of_root
from backupspec_migrate.rsync_leftover import is_rsync_leftover
from backupspec_migrate.scan import Image, Root, Scan, scan
from backupspec_migrate.seen_inodes import SeenInodes
from backupspec_migrate.survey import Counts, Step, Survey, _is_clamped, found_by, survey
from backupspec_migrate.view import open_view
from tests.diagnostics.pinned import Pinned
from tests.migrate.site import DAY, OLD, Kind, Site, inventory

pytestmark = pytest.mark.root


def surveyed(root: Path, steps: list[Step] | None = None) -> tuple[Scan, Survey]:
    """Count a tree without its rsnapshot.conf."""
    with open_view(str(root)) as view:
        scanned, _ = scan(layout_of_root(str(root)), view, interrupted=False)
        told: list[Step] = [] if steps is None else steps
        return scanned, survey(scanned, view, told.append)


def counts(found: Survey, host: str = "web01") -> dict[str, Counts]:
    """Give the counts of one host by snapshot."""
    return {image.slot: image.counts for one in found.series if one.host == host for image in one.images}


def find(*paths: Path) -> list[tuple[str, str, int]]:
    """Give (type, device and inode, size) of everything below some folders, as find sees it."""
    command = ["find", *map(os.fspath, paths), "-mindepth", "1", "-printf", r"%y\t%D:%i\t%s\0"]
    out = subprocess.run(command, capture_output=True, check=True).stdout.decode()
    rows = [row.split("\t") for row in out.split("\0")[:-1]]
    return [(kind, inode, int(size)) for kind, inode, size in rows]


def test_counts_are_those_of_find(make_site: Callable[..., Site], kind: Kind) -> None:
    site = make_site(kind=kind, lines=[("web01/", "web01/", ""), ("db01/", "db01/", "")])
    for number in range(40):
        site.put(f"web01/etc/{number % 7}/file{number}", "x" * number)
    site.put("db01/dump", "y" * 1000)
    (site.sources / "web01/link").symlink_to("nowhere")
    os.link(site.sources / "web01/etc/1/file1", site.sources / "web01/etc/again")
    for night in range(4):
        site.put(f"web01/etc/{night}/file{night}", f"changed {night}")
        site.put(f"web01/new{night}", "z" * night)
        (site.sources / f"web01/etc/5/file{5 + 7 * night}").unlink()
        site.night()

    scanned, found = surveyed(site.snapshots)

    seen: dict[str, set[tuple[str, int]]] = {"web01": set(), "db01": set()}
    for snapshot in scanned.snapshots:
        for host in ("web01", "db01"):
            rows = find(site.snapshots / snapshot.slot / host)
            mine = counts(found, host)[snapshot.slot]
            files = {(inode, size if kind == "f" else 0) for kind, inode, size in rows if kind != "d"}
            fresh = files - seen[host]
            seen[host] |= files
            assert mine.entries == len(rows)
            assert mine.folders == sum(kind == "d" for kind, _, _ in rows)
            assert mine.files == len(fresh)
            assert mine.bytes == sum(size for _, size in fresh)
            assert mine.links == len(rows) - mine.folders - len(files)
    everything = find(*(site.snapshots / one.slot / host for one in scanned.snapshots for host in ("web01", "db01")))
    distinct = {(inode, size if kind == "f" else 0) for kind, inode, size in everything if kind != "d"}
    assert found.total.entries == len(everything)
    assert (found.total.files, found.total.bytes) == (len(distinct), sum(size for _, size in distinct))
    assert len(counts(found)) == 4


def test_nothing_of_the_source_is_changed_and_no_access_time(make_site: Callable[..., Site]) -> None:
    site = make_site()
    site.put("web01/etc/hosts")
    site.night()
    for path in inventory(site.snapshots):
        os.utime(path, ns=(1, os.lstat(path).st_mtime_ns), follow_symlinks=False)
    before = {path: os.lstat(path) for path in sorted(inventory(site.snapshots), reverse=True)}
    for path, state in before.items():
        os.utime(path, ns=(1, state.st_mtime_ns), follow_symlinks=False)
    surveyed(site.snapshots)
    assert {os.lstat(path).st_atime_ns for path in before} == {1}


def test_a_file_that_two_hosts_share_counts_for_both_and_once_in_the_total(place: Path) -> None:
    for host in ("a", "b"):
        (place / "daily.0" / host).mkdir(parents=True)
    (place / "daily.0/a/file").write_bytes(b"x" * 100)
    os.link(place / "daily.0/a/file", place / "daily.0/b/other")
    _, found = surveyed(place)
    assert [(one.counts.files, one.counts.bytes) for one in found.series] == [(1, 100), (1, 100)]
    assert (found.total.entries, found.total.files, found.total.bytes) == (2, 1, 100)


def test_a_file_that_comes_back_after_a_snapshot_without_it_is_not_new(place: Path) -> None:
    for number in (2, 1, 0):
        (place / f"daily.{number}/web").mkdir(parents=True)
    (place / "daily.2/web/file").write_bytes(b"x" * 100)
    os.link(place / "daily.2/web/file", place / "daily.0/web/renamed")
    for number in (2, 1, 0):
        os.utime(place / f"daily.{number}", (OLD - number * DAY,) * 2)
    _, found = surveyed(place)
    assert [(slot, one.files, one.entries) for slot, one in counts(found, "web").items()] == [
        ("daily.2", 1, 1),
        ("daily.1", 0, 0),
        ("daily.0", 0, 1),
    ]


def test_an_inode_is_known_by_device_and_number(place: Path) -> None:
    """Two file systems repeat each other's inode numbers; both files count."""
    for slot in ("daily.0", "daily.1"):
        (place / slot / "web").mkdir(parents=True)
        subprocess.run(["mount", "-t", "tmpfs", "none", place / slot / "web"], check=True)
    try:
        for slot in ("daily.0", "daily.1"):
            (place / slot / "web/file").write_bytes(b"x" * 10)
        numbers = {(place / slot / "web/file").stat().st_ino for slot in ("daily.0", "daily.1")}
        _, found = surveyed(place)
    finally:
        for slot in ("daily.0", "daily.1"):
            subprocess.run(["umount", place / slot / "web"], check=True)
    assert len(numbers) == 1
    assert (found.total.files, found.total.bytes) == (2, 20)


def test_what_borg_cannot_hold_and_odd_names_are_counted_in_each_snapshot_and_named(
    make_site: Callable[..., Site], kind: Kind
) -> None:
    site = make_site(kind=kind)
    folder = site.sources / "web01"
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(folder / "socket"))
    site.put(b"web01/caf\xe9", "latin")
    site.put(b"web01/a\nb\x1b[31m", "fine")
    site.put("web01/ancient", mtime=-(10**9))
    site.put("web01/distant", mtime=2_147_400_000)
    os.utime(folder / "distant", (2_147_400_000, 2_147_400_000))
    os.mkfifo(folder / "pipe")
    for _ in range(2):
        subprocess.run(["rsnapshot", "-c", site.conf, "daily"], capture_output=True, check=False)
    os.utime(site.snapshots / "daily.1", (OLD, OLD))
    listener.close()

    _, found = surveyed(site.snapshots)

    for slot, mine in counts(found).items():
        rows = find(site.snapshots / slot / "web01")
        assert mine.sockets == sum(kind == "s" for kind, _, _ in rows) == 1
        assert mine.entries == len(rows) - 1
        assert (mine.clamped, mine.not_utf8) == (2, 1)
    examples = found.series[0].images[0].examples
    inside = site.original()
    assert {(one.what, one.path.removeprefix(f"{inside}/")) for one in examples} == {
        ("socket", "socket"),
        ("clamped", "ancient"),
        ("clamped", "distant"),
        ("not_utf8", "caf\udce9"),
    }


@given(st.integers(-(10**18), 10**19))
def test_a_time_is_called_clamped_when_borg_clamps_it(moment: int) -> None:
    class State:
        st_mtime_ns = moment

    assert _is_clamped(State()) == (safe_ns(moment) != moment)  # type: ignore[arg-type]


def test_what_a_killed_rsync_leaves_is_known(place: Path) -> None:
    (place / "from").mkdir()
    (place / "from/.hidden").write_bytes(os.urandom(2_000_000))
    (place / "from/plain.txt").write_bytes(os.urandom(2_000_000))
    left: set[str] = set()
    for name in (".hidden", "plain.txt"):
        target = place / "tree/daily.0/web"
        target.mkdir(parents=True, exist_ok=True)
        rsync = subprocess.Popen(["rsync", "-a", "--bwlimit=200", place / "from" / name, target])
        try:
            until = time.monotonic() + 20
            while not (new := {path.name for path in target.iterdir()} - left) and time.monotonic() < until:
                time.sleep(0.02)
        finally:
            # The receiving process is a child of this one, and dies of the broken pipe with its file left behind.
            children = Path(f"/proc/{rsync.pid}/task/{rsync.pid}/children").read_text().split()
            for pid in (*children, str(rsync.pid)):
                for below in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
                    os.kill(int(below), signal.SIGKILL)
                os.kill(int(pid), signal.SIGKILL)
            rsync.wait()
        left |= new
    # One name in sixty ends in what could be a word.
    known = {name for name in left if is_rsync_leftover(name)}
    scanned, found = surveyed(place / "tree")
    assert len(left) == 2
    assert found.total.leftovers == len(known)
    assert [one.code for one in found_by(scanned, found)] == (["BS677"] if known else [])


def test_what_rsync_left_is_named(place: Path, pinned: Pinned) -> None:
    (place / "daily.0/web/etc").mkdir(parents=True)
    for name in (".motd.aB3dE9", "motd"):
        (place / "daily.0/web/etc" / name).write_text("x")
    pinned(*found_by(*surveyed(place)))


@pytest.mark.parametrize("name", [".x.aB3dE9", ".hidden.7K5HJj", ".a b\n.tar.Zz09aQ", ".profile.0f3b2c"])
def test_a_hidden_name_with_six_random_characters_is_a_leftover(name: str) -> None:
    assert is_rsync_leftover(name)


@pytest.mark.parametrize(
    "name", ["x.aB3dE9", ".aB3dE9", ".x.aB3dE", ".x.aB3d_9", ".env.sample", ".bashrc.BACKUP", ".a.Backup", ".d.202401"]
)
def test_other_names_are_no_leftovers(name: str) -> None:
    assert not is_rsync_leftover(name)


def test_what_cannot_be_read_is_named_and_the_rest_is_counted(place: Path, pinned: Pinned) -> None:
    for name in ("closed", "open"):
        (place / "daily.0/web" / name).mkdir(parents=True)
        (place / "daily.0/web" / name / "file").write_text("x")
    (place / "daily.0/web/closed").chmod(0)
    shutil.chown(place, "nobody")
    for path in place.rglob("*"):
        shutil.chown(path, "nobody")
    try:
        os.seteuid(pwd.getpwnam("nobody").pw_uid)
        scanned, found = surveyed(place)
    finally:
        os.seteuid(0)
    assert (found.total.entries, found.total.unreadable) == (2, 1)
    findings = found_by(scanned, found)
    said = [(one.code, one.message) for one in findings]
    assert said == [("BS676", "/closed of web in daily.0 cannot be read: Permission denied")]
    pinned(*findings)


def test_what_another_series_has_is_left_out_and_a_root_can_be_one_file(place: Path) -> None:
    for name in ("web/etc/a", "web/srv/b", "web/srv/www/c"):
        (place / "daily.0" / name).parent.mkdir(parents=True, exist_ok=True)
        (place / "daily.0" / name).write_text("xyz")
    with open_view(str(place)) as view:
        scanned, _ = scan(layout_of_root(str(place)), view, interrupted=False)
        roots = (
            Root("web", "", numeric_ids=True, own=False, without=("srv/www", "etc")),
            Root("web/etc/a", "opt/a", numeric_ids=True),
        )
        image = Image("daily.0", "web", None, "web", roots)
        found = survey(replace(scanned, images=(image,)), view, lambda _: None)
    assert found.total == Counts(entries=3, folders=1, files=2, bytes=6)  # srv, srv/b, opt/a
    assert sorted(found.sample) == [("daily.0/web/etc/a", 3), ("daily.0/web/srv/b", 3)]


def test_the_walk_tells_how_far_it_is(place: Path) -> None:
    for slot in ("daily.0", "daily.1"):
        (place / slot / "web/etc").mkdir(parents=True)
        os.utime(place / slot, (OLD - DAY * int(slot[-1]),) * 2)
    steps: list[Step] = []
    surveyed(place, steps)
    ends = [step for step in steps if step.ended]
    assert [(step.slot, step.number) for step in steps if not step.entries and not step.ended] == [("daily.1", 1)]
    assert ends == [Step("web", "daily.0", 2, 2, 2, ended=True)]


def test_a_folder_deeper_than_pythons_stack_is_counted(place: Path) -> None:
    (place / "daily.0/web").mkdir(parents=True)
    deep = os.open(place / "daily.0/web", os.O_RDONLY)
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit[1], limit[1]))
    try:
        for _ in range(1500):
            os.mkdir("d", dir_fd=deep)
            below = os.open("d", os.O_RDONLY, dir_fd=deep)
            os.close(deep)
            deep = below
        _, found = surveyed(place)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limit)
        os.close(deep)
        subprocess.run(["rm", "-r", place / "daily.0"], check=True)
    assert (found.total.folders, found.total.unreadable) == (1500, 0)


@given(st.lists(st.tuples(st.integers(0, 200), st.integers(0, 3)), max_size=60), st.sampled_from([10, 100_000]))
def test_each_inode_tells_the_walk_that_met_it_last(met: list[tuple[int, int]], walks: int) -> None:
    seen = SeenInodes(walks)
    last: dict[int, int] = {}
    walk = 1
    for number, ahead in met:
        walk += ahead
        assert seen.meet_again(number * 7, walk, walk - 2) == (
            last[number] if last.get(number, 0) >= walk - 2 and number in last else 0
        )
        assert seen.meet(number * 7, walk) in {last.get(number, 0), walk}
        last[number] = walk


def listing(count: int) -> bytes:
    """Give text that compresses as text does, and is nowhere twice."""
    return "\n".join(f"{count * 977 + line:x} {hash_of(line * count)}" for line in range(60)).encode()


def hash_of(number: int) -> str:
    return hashlib.sha256(str(number).encode()).hexdigest()[: number % 40]


@pytest.mark.borg
def test_a_repository_is_as_large_as_estimated(make_site: Callable[..., Site], borg14: Path) -> None:
    site = make_site()
    for number in range(600):
        site.put(f"web01/srv/{number % 20}/file-{number}.txt", listing(number))
    for night in range(3):
        site.put(f"web01/srv/new-{night}", os.urandom(20_000))
        site.night()
    with open_view(str(site.snapshots)) as view:
        scanned, _ = scan(layout_of_root(str(site.snapshots)), view, interrupted=False)
        found = survey(scanned, view, lambda _: None)
        guess = estimate(found, view)
    site.borg(borg14, "init", "-e", "none", str(site.repo()))
    for one in scanned.snapshots:
        where = site.snapshots / one.slot / "web01"
        options = ["--noctime", "--nobirthtime", "--compression", "auto,zstd,3"]
        site.borg(borg14, "create", *options, f"{site.repo()}::{one.time}", ".", cwd=where)
    size = sum(path.stat().st_size for path in site.repo().rglob("*") if path.is_file())
    assert guess.sampled is not None
    assert guess.repository.low < size < guess.repository.high
    assert guess.repository.high < 3 * guess.repository.low


def test_little_that_can_be_read_makes_no_claim_about_compression(place: Path) -> None:
    (place / "daily.0/web").mkdir(parents=True)
    (place / "daily.0/web/file").write_bytes(b"x" * 1000)
    with open_view(str(place)) as view:
        scanned, _ = scan(layout_of_root(str(place)), view, interrupted=False)
        guess = estimate(survey(scanned, view, lambda _: None), view)
    assert guess.sampled is None
    assert (guess.content.low, guess.content.high) == (500, 1000)
