from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from borg.archive import Archive
from borg.repository import Repository

from backupspec.diagnostic import Diagnostic
from backupspec_migrate.identity import Identity
from backupspec_migrate.listing import Listing, list_snapshot
from backupspec_migrate.plan import Import, Target
from backupspec_migrate.repository import create_repository, open_repository
from backupspec_migrate.scan import Root
from backupspec_migrate.verify import verify_target
from backupspec_migrate.view import View, open_view
from backupspec_migrate.writer import IncompleteError, Writer
from tests.diagnostics.pinned import Pinned
from tests.migrate.site import OLD, Kind, Site
from tests.migrate.test_commands import reasons, report
from tests.migrate.test_faults import await_that
from tests.migrate.test_import import name_of

pytestmark = [pytest.mark.root, pytest.mark.borg]


def extracted(site: Site, borg: Path, when: int, place: Path) -> Path:
    out = place / f"out{when}"
    out.mkdir()
    site.borg(borg, "extract", "--numeric-ids", f"{site.repo()}::{name_of(when)}", cwd=out)
    return out / site.original()


def differences(site: Site, slot: str, out: Path) -> bytes:
    source = site.snapshots / slot / "web01" / site.original()
    compare = ["rsync", "-aHAXn", "--checksum", "--delete", "--itemize-changes"]
    command = [*site.among, *compare, f"{source}/", f"{out}/"]
    return subprocess.run(command, capture_output=True, check=True).stdout


def test_names_that_come_go_and_change_in_one_folder_are_written_as_they_are(
    make_site: Callable[..., Site], borg14: Path, place: Path
) -> None:
    """A folder is written from what is known of it, and only the entries that are new are looked at."""
    site = make_site()
    for number in range(12):
        site.put(f"web01/data/{number:02}", f"number {number}")
    (site.sources / "web01/data/04-link").symlink_to("04")
    site.put("web01/data/large", os.urandom(1_200_000))
    site.put("web01/data/empty", b"")
    times = [site.night()]
    for gone in ("00", "05", "06"):
        (site.sources / "web01/data" / gone).unlink()
    for name in ("03", "0300", "zz", "-first"):
        site.put(f"web01/data/{name}", f"new {name}", mtime=OLD + 5)
    times.append(site.night())
    (site.sources / "web01/data/04-link").unlink()
    site.put("web01/data/04-link", "a file now")
    times += [site.night(), site.night()]
    done = site.migrate("--log-json")
    read = [one["inodes"] for line in done.stdout.splitlines() if (one := json.loads(line)).get("what") == "done"]
    assert read[:4] == [14, 4, 1, 0]
    for slot, when in zip(("daily.3", "daily.2", "daily.1", "daily.0"), times, strict=True):
        assert differences(site, slot, extracted(site, borg14, when, place)) == b""
    site.borg(borg14, "check", "--verify-data", str(site.repo()))


def test_hard_links_that_come_and_go_are_those_of_each_snapshot(
    make_site: Callable[..., Site], borg14: Path, place: Path
) -> None:
    site = make_site()
    data = site.sources / "web01/data"
    site.put("web01/data/b", "shared")
    site.put("web01/other/x", "also")
    times = [site.night()]
    (data / "c").hardlink_to(data / "b")
    (data / "y").hardlink_to(site.sources / "web01/other/x")
    times.append(site.night())
    (data / "a").hardlink_to(data / "b")
    times.append(site.night())
    (data / "b").unlink()
    times.append(site.night())
    (data / "a").unlink()
    (data / "y").unlink()
    times += [site.night(), site.night()]
    site.migrate()
    site.verify()
    for number, when in enumerate(times):
        assert differences(site, f"daily.{5 - number}", extracted(site, borg14, when, place)) == b""
    groups = [
        {
            path.rsplit("/", 1)[1]: item.get("source", item.get("hardlink_master"))
            for path, item in site.items(borg14, name_of(when)).items()
            if "chunks" in item or "source" in item
        }
        for when in times
    ]
    below = f"{site.original()}/data"
    assert groups[0] == {"b": False, "x": False}
    assert groups[1] == {"b": True, "c": f"{below}/b", "x": f"{below}/y", "y": True}
    assert groups[2] == {"a": True, "b": f"{below}/a", "c": f"{below}/a", "x": f"{below}/y", "y": True}
    assert groups[3] == {"a": True, "c": f"{below}/a", "x": f"{below}/y", "y": True}
    assert groups[4] == groups[5] == {"c": False, "x": False}


@pytest.mark.parametrize("ids", ["names", "numeric"])
def test_owners_that_need_more_than_16_or_31_bits_come_back_as_they_were(
    make_site: Callable[..., Site], borg12: Path, borg14: Path, place: Path, ids: str
) -> None:
    site = make_site()
    numbers = (65_535, 65_536, 100_000, 2**31 - 1, 2**31, 2**31 + 5, 2**32 - 2)
    for number, other in zip(numbers, reversed(numbers), strict=True):
        folder = site.put(f"web01/{number}/file", "x").parent
        (folder / "link").symlink_to("file")
        subprocess.run(["setfacl", "-m", f"u:{number}:rw,g:{other}:r", folder / "file"], check=True)
        subprocess.run(["setfacl", "-d", "-m", f"u:{number}:rwx", folder], check=True)
        for path in (folder, folder / "file", folder / "link"):
            os.chown(path, number, other, follow_symlinks=False)
    times = [site.night(), site.night()]
    site.migrate("--ids", ids)
    site.verify()
    for borg, when, slot in ((borg12, times[0], "daily.1"), (borg14, times[1], "daily.0")):
        out = extracted(site, borg, when, place)
        for number, other in zip(numbers, reversed(numbers), strict=True):
            for name in ("", "file", "link"):
                assert os.lstat(out / str(number) / name)[4:6] == (number, other)
        assert differences(site, slot, out) == b""


def test_what_borg_cannot_hold_is_declared_for_every_archive(
    make_site: Callable[..., Site], kind: Kind, borg14: Path
) -> None:
    """Also for those whose items are written again without a look at the file."""
    site = make_site(kind=kind)
    site.put("web01/etc/motd", "x")
    site.put("web01/etc/ancient", "before 1970", mtime=-5000.0)
    site.put("web01/etc/late", "after January 2038")
    os.utime(site.sources / "web01/etc/late", (OLD, 2_147_400_000))
    (site.sources / "web01/etc/link").symlink_to("motd")
    (site.sources / "web01/etc/other").hardlink_to(site.sources / "web01/etc/link")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(site.sources / "web01/etc/socket"))
    times = [site.night(), site.night()]
    done = site.migrate()
    for when in times:
        assert f"{name_of(when)}: 1 not stored: a socket" in done.stderr
        assert f"{name_of(when)}: 2 stored with another time" in done.stderr
    site.verify()
    below = f"{site.original()}/etc"
    assert [one["losses"] for series in report(site)["series"] for one in series["archives"]] == [  # type: ignore[attr-defined]  # lists
        [
            {"kind": "socket", "count": 1, "paths": [f"{below}/socket"]},
            {"kind": "clamped time", "count": 2, "paths": [f"{below}/ancient", f"{below}/late"]},
            {"kind": "split symlink", "count": 1, "paths": [f"{below}/other"]},
        ]
    ] * 2
    late = site.items(borg14, name_of(times[1]))[f"{below}/late"]
    assert late["mtime"] == 2_147_310_847 * 10**9


def test_sources_that_are_single_files_go_all_the_way(make_site: Callable[..., Site], kind: Kind, borg14: Path) -> None:
    site = make_site(
        lines=[("web01/etc/motd", "web01/", ""), ("web01/etc/hosts", "web01/renamed", "")],
        kind=kind,
        long_args="--delete",
    )
    site.put("web01/etc/hosts", "the same")
    times = []
    for night in range(2):
        site.put("web01/etc/motd", f"night {night}", mtime=OLD + night)
        times.append(site.night())
    done = site.migrate("--log-json")
    read = [one["inodes"] for line in done.stdout.splitlines() if (one := json.loads(line)).get("what") == "done"]
    assert read == [2, 1]
    site.verify()
    paths = [f"{site.original()}/etc/{name}" for name in ("hosts", "motd")]
    for night, when in enumerate(times):
        assert sorted(site.items(borg14, name_of(when))) == paths, "and no folder"
        given = site.borg(borg14, "extract", "--stdout", f"{site.repo()}::{name_of(when)}", paths[1])
        assert given == f"night {night}"
    assert reasons(site) == ""


def test_a_second_identical_snapshot_adds_next_to_nothing(make_site: Callable[..., Site]) -> None:
    site = make_site(retain=(("daily", 9),))
    files = 4000
    for number in range(files):
        path = site.sources / f"web01/data/{number // 50:03}/{number:05}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{number}")
    site.night()
    site.migrate()
    before = used(site.repo())
    site.night()
    site.migrate()
    site.night()
    site.migrate()
    assert used(site.repo()) - before < 2 * 5 * files


def used(repository: Path) -> int:
    return sum(path.stat().st_size for path in (repository / "data").rglob("*") if path.is_file())


def test_a_file_that_grows_while_it_is_read_gives_no_archive(make_site: Callable[..., Site]) -> None:
    site = make_site()
    site.put("web01/log/growing", os.urandom(30_000_000))
    site.night()
    path = site.snapshots / "daily.0/web01" / site.original() / "log/growing"
    command = site.command("rsnapshot", "--encryption", "none")
    # Something appends to it without a pause, for as long as the import runs.
    script = 'while :; do echo x >> "$1"; done & writer=$!; shift; "$@"; code=$?; kill $writer; exit $code'
    done = subprocess.run(
        ["bash", "-c", script, "bash", str(path), *command],
        env=site.environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert f"/{site.original()}/log/growing of web01 cannot be read: it changed while it was read" in done.stderr
    assert "was not made" in done.stderr


def test_no_process_is_left_when_an_import_is_killed(make_site: Callable[..., Site]) -> None:
    site = make_site()
    for number in range(2000):
        path = site.sources / f"web01/data/{number:05}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(os.urandom(5000))
    site.night()
    command = site.command("rsnapshot", "--encryption", "none", "--log-json")
    with subprocess.Popen(command, env=site.environment(), stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if '"advance"' in line:
                break
        process.kill()
        process.stdout.read()  # ends when the last process that could write to it has ended
        process.wait()
    found = subprocess.run(["pgrep", "-f", str(site.conf)], capture_output=True, text=True, check=False)
    assert found.stdout == ""
    site.migrate()
    site.verify()


def test_a_snapshot_that_changes_after_it_was_listed_gives_no_archive(
    make_site: Callable[..., Site], monkeypatch: pytest.MonkeyPatch, place: Path
) -> None:
    """The next snapshot is read while one is written, as far as what was read and not written yet finds room."""
    site = make_site()
    site.put("web01/etc/motd", "first")
    times = [site.night(), site.night()]
    site.put("web01/before/much", os.urandom(4_000_000))
    times.append(site.night())
    for name, value in site.environment().items():
        monkeypatch.setenv(name, value)
    below = site.original()
    first, second, third = (
        Import(
            name_of(when),
            "web01",
            Identity(str(site.snapshots), "web01", when),
            f"daily.{2 - number}",
            (Root(f"web01/{below}", below, numeric_ids=True),),
        )
        for number, when in enumerate(times)
    )
    create_repository(str(site.repo()), "none")

    def list_and_tell(view: View, slot: str, roots: tuple[Root, ...], *, trusted: bool) -> Listing:
        listing = list_snapshot(view, slot, roots, trusted=trusted)
        (place / slot).touch()
        return listing

    monkeypatch.setattr("backupspec_migrate.reader.list_snapshot", list_and_tell)

    def write_all() -> None:
        with (
            open_view(str(site.snapshots)) as view,
            open_repository(str(site.repo()), compression="lz4", unencrypted=True) as session,
        ):
            writer = Writer(session, view, [first, second, third], trusted=True)
            writer.write(lambda: True, lambda _: None)
            writer.write(lambda: True, lambda _: None)
            session.commit()
            await_that((place / third.slot).exists, "it is not listed")
            (site.snapshots / third.slot / "web01" / below / "etc/more").write_text("more")
            writer.write(lambda: True, lambda _: None)

    with pytest.raises(IncompleteError) as refused:
        write_all()
    assert [problem.message for problem in refused.value.found] == [
        f"/{below}/etc of web01 cannot be read: it changed while it was read"
    ]
    with open_repository(str(site.repo()), compression=None, unencrypted=True) as session:
        assert sorted(session.manifest.archives) == [first.archive, second.archive]


def test_a_snapshot_that_was_rotated_while_it_was_read_gives_no_archive(
    make_site: Callable[..., Site], monkeypatch: pytest.MonkeyPatch, pinned: Pinned
) -> None:
    """The rotation comes between the last file and the archive."""
    site = make_site()
    site.put("web01/etc/motd", "x")
    when = site.night()
    for name, value in site.environment().items():
        monkeypatch.setenv(name, value)
    below = site.original()
    root = Root(f"web01/{below}", below, numeric_ids=True)
    one = Import(name_of(when), "web01", Identity(str(site.snapshots), "web01", when), "daily.0", (root,))
    create_repository(str(site.repo()), "none")
    with (
        open_view(str(site.snapshots)) as view,
        open_repository(str(site.repo()), compression="lz4", unencrypted=True) as session,
    ):
        with pytest.raises(IncompleteError) as refused:
            Writer(session, view, [one], trusted=True).write(lambda: False, lambda _: None)
        assert list(session.manifest.archives) == []
    pinned(*refused.value.found)


def test_a_path_of_another_series_is_left_out_and_missed_by_nobody(
    make_site: Callable[..., Site], monkeypatch: pytest.MonkeyPatch
) -> None:
    site = make_site()
    for name in ("etc/motd", "home/ada/letter", "homes/x", "var/mail"):
        site.put(f"web01/{name}", name)
    when = site.night()
    for name, value in site.environment().items():
        monkeypatch.setenv(name, value)
    below = site.original()
    root = Root(f"web01/{below}", below, numeric_ids=True, without=(f"{below}/home", f"{below}/var/mail"))
    one = Import(name_of(when), "web01", Identity(str(site.snapshots), "web01", when), "daily.0", (root,))
    create_repository(str(site.repo()), "none")
    said: list[object] = []
    with open_view(str(site.snapshots)) as view:
        with open_repository(str(site.repo()), compression="lz4", unencrypted=True) as session:
            tally = Writer(session, view, [one], trusted=True).write(lambda: True, lambda _: None)
            session.commit()
        assert tally.inodes_read == 2
        with open_repository(str(site.repo()), compression=None, unencrypted=True) as session:
            verify_target(Target(str(site.repo()), "lz4", True, (one,)), session, view, said.append)  # noqa: FBT003 - a field of a record
            items = Archive(session.repository, session.key, session.manifest, one.archive).iter_items()
            paths = sorted(item.path.removeprefix(below).lstrip("/") for item in items)
    assert paths == ["", "etc", "etc/motd", "homes", "homes/x", "var"]
    assert not [one for one in said if isinstance(one, Diagnostic)], said


def test_the_same_tree_on_a_file_system_without_stable_listings_is_read_right(
    make_site: Callable[..., Site], borg14: Path, place: Path
) -> None:
    """On an overlay a listing's inode numbers are not to be trusted: every name is looked up."""
    site = make_site()
    site.put("web01/data/one", "linked")
    (site.sources / "web01/data/two").hardlink_to(site.sources / "web01/data/one")
    site.put("web01/data/three", "3")
    times = [site.night()]
    site.put("web01/data/three", "three", mtime=OLD + 9)
    times.append(site.night())
    lower = place / "lower"
    site.snapshots.rename(lower)
    # Two lower layers and none to write to: this can be mounted where the machine's own files are an overlay, too.
    (place / "empty").mkdir()
    site.snapshots.mkdir()
    options = f"lowerdir={lower}:{place}/empty"
    script = 'mount -t overlay overlay -o "$1" "$2" && shift 2 && "$@"'
    for what in (("rsnapshot", "--encryption", "none"), ("verify",)):
        done = subprocess.run(
            ["unshare", "-m", "sh", "-c", script, "sh", options, str(site.snapshots), *site.command(*what)],
            env=site.environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
    shutil.rmtree(site.snapshots)
    lower.rename(site.snapshots)
    for slot, when in zip(("daily.1", "daily.0"), times, strict=True):
        assert differences(site, slot, extracted(site, borg14, when, place)) == b""


@pytest.mark.parametrize("left", [b"", b"BORG_SEG", b"BORG_SEG and a piece of a manifest"])
def test_a_repository_whose_making_was_interrupted_is_made_to_its_end(
    make_site: Callable[..., Site], borg14: Path, monkeypatch: pytest.MonkeyPatch, left: bytes
) -> None:
    """Its folders and configuration are there, and what Borg had written of the first transaction."""
    site = make_site()
    for name, value in site.environment().items():
        monkeypatch.setenv(name, value)
    with Repository(str(site.repo()), create=True, exclusive=True, make_parent_dirs=True):
        pass
    segment = site.repo() / "data/0/0"
    segment.parent.mkdir(exist_ok=True)
    segment.write_bytes(left)
    assert create_repository(str(site.repo()), "none")
    assert site.archives(borg14) == []
    site.borg(borg14, "check", "--verify-data", str(site.repo()))
