"""Trees whose snapshots are called after their time, made by real rsync and cp."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from backupspec_migrate.dated import MARKER
from backupspec_migrate.find_layout import SourceWish, find_layout
from backupspec_migrate.pattern import Pattern, read_pattern
from tests.diagnostics.pinned import Pinned
from tests.migrate.looking import look, refused
from tests.migrate.site import Site
from tests.migrate.test_import import filled, name_of

BERLIN = ZoneInfo("Europe/Berlin")


def at(*numbers: int, fold: int = 0) -> int:
    """Give the seconds since 1970 of a reading of a clock in Berlin."""
    return int(datetime(*numbers, tzinfo=BERLIN, fold=fold).timestamp())  # type: ignore[arg-type, misc]  # year to second


def wish(pattern: str | None = None, **more: object) -> SourceWish:
    return SourceWish(**{"pattern": pattern, "timezone": "Europe/Berlin", **more})  # type: ignore[arg-type]  # as the fields are


def copied(root: Path, *names: str) -> Path:
    """Copy a source with rsync under each name, linked to the copy before; one file is another each time."""
    source = root / "source"
    (source / "etc").mkdir(parents=True)
    (source / "etc/motd").write_text("x")
    tree = root / "tree"
    before: Path | None = None
    for number, name in enumerate(names):
        (source / "etc/changed").write_text(name)
        os.utime(source / "etc/changed", (number, number))
        target = tree / name
        target.parent.mkdir(parents=True, exist_ok=True)
        link = [] if before is None else [f"--link-dest={before}"]
        subprocess.run(["rsync", "-a", *link, f"{source}/", target], check=True)
        before = target
    return tree


def test_the_host_may_stand_before_the_date(tmp_path: Path) -> None:
    tree = copied(tmp_path, "web01/2024-01-02", "web01/2024-01-03", "db/2024-01-03")
    seen = look(tree, wish("{host}/%Y-%m-%d"))
    assert seen.times == {
        "web01/2024-01-02": at(2024, 1, 2),
        "db/2024-01-03": at(2024, 1, 3),
        "web01/2024-01-03": at(2024, 1, 3),
    }
    assert {(one.slot, one.host, one.folder) for one in seen.scan.images} == {
        ("web01/2024-01-02", "web01", "web01"),
        ("web01/2024-01-03", "web01", "web01"),
        ("db/2024-01-03", "db", "db"),
    }
    assert {one.time_from for one in seen.scan.snapshots} == {"name"}
    assert seen.doubts == {}, "two hosts may have one time"


def test_the_host_may_stand_after_the_date_and_within_a_name(tmp_path: Path) -> None:
    tree = copied(tmp_path, "2024-01-02_0205/web01", "2024-01-02_0205/db")
    seen = look(tree, wish("%Y-%m-%d_%H%M/{host}"))
    assert seen.times == dict.fromkeys(("2024-01-02_0205/db", "2024-01-02_0205/web01"), at(2024, 1, 2, 2, 5))
    assert {one.host for one in seen.scan.images} == {"web01", "db"}
    tree = copied(tmp_path / "more", "2024/01/web01-02", "2024/01/web-02-03")
    seen = look(tree, wish("%Y/%m/{host}-%d"))
    assert {one.slot: one.host for one in seen.scan.images} == {
        "2024/01/web01-02": "web01",
        "2024/01/web-02-03": "web-02",
    }


def test_a_pattern_without_a_host_needs_its_name(tmp_path: Path, pinned: Pinned) -> None:
    tree = copied(tmp_path, "20240102", "20240103")
    found = refused(tree, wish("%Y%m%d"))
    assert found.code == "BS675"
    pinned(found)
    seen = look(tree, wish("%Y%m%d", name="web01"))
    assert {one.host for one in seen.scan.images} == {"web01"}


def test_a_path_on_the_host_is_said_or_taken_for_its_root(tmp_path: Path) -> None:
    tree = copied(tmp_path, "web01/20240102", "web01/20240103")
    seen = look(tree, wish("{host}/%Y%m%d"))
    (said,) = [one for one in seen.found if one.code == "BS607"]
    assert said.hint == "if it was a folder, say which: --path-of web01=/FOLDER"
    assert {(root.location, root.original, root.own) for one in seen.scan.images for root in one.roots} == {
        ("", "", False)
    }
    seen = look(tree, wish("{host}/%Y%m%d", paths_of={"www": "/home/"}, renames={"web01": "www"}))
    assert seen.said("BS607") == []
    assert {one.host for one in seen.scan.images} == {"www"}
    assert {(root.original, root.own) for one in seen.scan.images for root in one.roots} == {("home", True)}


def test_a_host_is_said_once(tmp_path: Path) -> None:
    tree = copied(tmp_path, "web01/20240102")
    found = refused(tree, wish("{host}/%Y%m%d", name="www"))
    assert (found.code, found.message) == ("BS675", "both the pattern and --name www say the host")


def test_a_path_for_a_host_that_is_not_there_is_a_slip(tmp_path: Path) -> None:
    tree = copied(tmp_path, "web01/20240102")
    (one,) = [one for one in look(tree, wish("{host}/%Y%m%d", paths_of={"web1": "/"})).found if one.code == "BS675"]
    assert (one.message, one.hint) == ("--path-of web1: no snapshot is of such a host", "did you mean `web01`?")


def test_what_does_not_fit_is_skipped_by_name_with_the_reason(tmp_path: Path, pinned: Pinned) -> None:
    tree = copied(tmp_path, "web01/2024-01-02")
    for name in (
        "web01/2024-02-30",
        "web01/2024-01-03.partial",
        "web01/notes",
        "web01/.inprogress",
        "empty",
        "lost+found",
    ):
        (tree / name).mkdir()
    (tree / "web01/current").symlink_to("2024-01-02")
    (tree / "web01/2024-01-04").write_text("a file")
    (tree / "README").write_text("a file")
    seen = look(tree, wish("{host}/%Y-%m-%d"))
    assert list(seen.times) == ["web01/2024-01-02"]
    assert seen.skipped == {
        "README": "not a folder",
        "empty": "nothing in it fits the pattern",
        "lost+found": "the file system's own folder",
        "web01/.inprogress": "marked as incomplete by its name",
        "web01/2024-01-03.partial": "marked as incomplete by its name",
        "web01/2024-01-04": "not a folder",
        "web01/2024-02-30": "there is no such day",
        "web01/current": "a symbolic link",
        "web01/notes": "it does not fit '%Y-%m-%d'",
    }
    assert len(seen.said("BS611")) == len(seen.skipped)
    pinned(*seen.found)


def test_names_are_local_time_and_need_a_zone(tmp_path: Path, pinned: Pinned) -> None:
    tree = copied(tmp_path, "20240702-0205", "20240102-0205")
    missing = refused(tree, SourceWish(pattern="%Y%m%d-%H%M", name="web01"))
    assert (missing.code, "--timezone" in missing.hint) == ("BS668", True)
    unknown = refused(tree, wish("%Y%m%d-%H%M", name="web01", timezone="Europe/Berlim"))
    assert (unknown.code, unknown.hint) == ("BS668", "did you mean `Europe/Berlin`?")
    pinned(missing, unknown)
    seen = look(tree, wish("%Y%m%d-%H%M", name="web01"))
    assert seen.times == {
        "20240102-0205": 1_704_157_500,  # 01:05 UTC
        "20240702-0205": 1_719_878_700,  # 00:05 UTC
    }


def test_an_offset_or_seconds_in_the_name_need_none(tmp_path: Path) -> None:
    tree = copied(tmp_path, "2024-01-02T02:05:00+0100", "2024-01-03T02:05:00Z")
    seen = look(tree, SourceWish(pattern="%FT%T%z", name="web01"))
    assert list(seen.times.values()) == [1_704_157_500, 1_704_247_500]
    tree = copied(tmp_path / "more", "backup-1704157500")
    assert list(look(tree, SourceWish(pattern="backup-%s", name="web01")).times.values()) == [1_704_157_500]


@pytest.mark.parametrize(
    ("minutes", "fold", "says"),
    [(10, 0, None), (70, 1, "the folder's own time says so"), (600, 0, "the first of the two")],
)
def test_the_doubled_hour_is_settled_by_the_folder_or_the_first_is_taken(
    tmp_path: Path, minutes: int, fold: int, says: str | None, pinned: Pinned
) -> None:
    tree = copied(tmp_path, "2024-10-27_0230")
    when = at(2024, 10, 27, 2, 30) + minutes * 60
    os.utime(tree / "2024-10-27_0230", (when, when))
    seen = look(tree, wish("%Y-%m-%d_%H%M", name="web01"))
    assert list(seen.times.values()) == [at(2024, 10, 27, 2, 30, fold=fold)]
    assert [says in text for text in seen.said("BS669") if says] == ([True] if says else [])
    if says:
        pinned(*seen.found)


def test_an_hour_that_was_skipped_is_said(tmp_path: Path, pinned: Pinned) -> None:
    tree = copied(tmp_path, "2024-03-31_0230")
    seen = look(tree, wish("%Y-%m-%d_%H%M", name="web01"))
    assert list(seen.times.values()) == [int(datetime.fromisoformat("2024-03-31T01:30:00+00:00").timestamp())]
    assert seen.said("BS670") == [
        "2024-03-31 02:30:00 was on no clock in Europe/Berlin: it is taken for 2024-03-31T01:30:00Z"
    ]
    pinned(*seen.found)


def test_a_day_without_midnight_has_a_first_moment(tmp_path: Path) -> None:
    tree = copied(tmp_path, "2024-03-31")
    seen = look(tree, wish("%F", name="web01", timezone="Asia/Beirut"))
    assert list(seen.times.values()) == [int(datetime.fromisoformat("2024-03-30T22:00:00+00:00").timestamp())]
    assert seen.said("BS670") == []


WRONG = {
    "{host}/{host}/%Y%m%d": "{host} twice",
    "{host}/%Y-%m": "it does not say the day",
    "%Y%m%d_%M": "minutes without the hour",
    "{name}/%Y%m%d": "'{' is not known",
    "%Q": "'%Q' is not known",
    "%Y%m%d//{host}": "an empty component",
    "../%Y%m%d": "an empty component, or one of dots",
}


@pytest.mark.parametrize("text", WRONG)
def test_a_pattern_that_is_none_is_refused_with_the_reason(tmp_path: Path, text: str, pinned: Pinned) -> None:
    found = refused(tmp_path, wish(text, name="web01"))
    assert found.code == "BS667"
    assert WRONG[text] in found.message
    pinned(found)


@pytest.mark.parametrize(
    "text", ["%Y%m%d", "%y%j", "%d%b%Y", "%Y/%Y-%m-%d", "%%%Y-%m-%d", "a.b(%F)", "%F_%H-%M-%S", "%Y%m%d%Y"]
)
def test_a_pattern_reads_what_strftime_writes(text: str) -> None:
    pattern = read_pattern(text)
    assert isinstance(pattern, Pattern)
    written = datetime(2024, 5, 9, tzinfo=BERLIN).strftime(text)
    assert all(step.fullmatch(name) for step, name in zip(pattern.steps, written.split("/"), strict=True))


def test_components_that_contradict_each_other_do_not_fit(tmp_path: Path) -> None:
    tree = copied(tmp_path, "2024/2024-01-02", "2024/2023-01-02")
    assert list(look(tree, wish("%Y/%F", name="web01")).times) == ["2024/2024-01-02"]


def time_backup(root: Path, destination: str, *names: str) -> Path:
    """Make what rsync-time-backup makes of a folder: its marker, its names, its link to the latest."""
    tree = copied(root, *(f"{destination}/{name}".lstrip("/") for name in names))
    (tree / destination / MARKER).touch()
    (tree / destination / "latest").symlink_to(names[-1])
    return tree


NAMES = ("2024-01-02-020500", "2024-01-03-020500", "2024-01-04-020500")


def test_a_destination_of_rsync_time_backup_is_known_by_its_marker(tmp_path: Path) -> None:
    tree = time_backup(tmp_path, "", *NAMES)
    assert refused(tree).code == "BS668"
    assert refused(tree, wish()).code == "BS675"
    seen = look(tree, wish(name="web01", paths_of={"web01": "/home"}))
    assert list(seen.times.values()) == [at(2024, 1, day, 2, 5) for day in (2, 3, 4)]
    assert seen.skipped == {MARKER: "rsync-time-backup's own mark", "latest": "a symbolic link"}
    assert {root.original for one in seen.scan.images for root in one.roots} == {"home"}
    layout, _ = find_layout(tree, wish(name="web01"))
    assert layout is not None
    assert layout.naming.kind == "rsync-time-backup"


LATER = datetime(2024, 10, 27, 3, 0, tzinfo=BERLIN).timestamp()


@pytest.mark.root
@pytest.mark.borg
@pytest.mark.parametrize(
    ("names", "words", "times"),
    [
        (NAMES, [], [at(2024, 1, day, 2, 5) for day in (2, 3, 4)]),
        (
            ("2024-10-26_0230", "2024-10-27_0230"),
            ["--pattern", "%Y-%m-%d_%H%M"],
            [at(2024, 10, 26, 2, 30), at(2024, 10, 27, 2, 30, fold=1)],
        ),
    ],
    ids=["rsync-time-backup", "dated"],
)
def test_they_come_into_borg_with_what_they_share_and_are_proven(
    make_site: Callable[..., Site], borg14: Path, names: tuple[str, ...], words: list[str], times: list[int]
) -> None:
    site = make_site()
    if words:
        tree = copied(site.folder / "dated", *names)
        os.utime(tree / names[-1], (LATER, LATER))  # which of the two hours it was
    else:
        tree = time_backup(site.folder / "dated", "", *names)
    about = ["--name", "web01", "--path-of", "web01=/home", "--timezone", "Europe/Berlin", "--encryption", "none"]
    made = site.run("plan", *words, *about, source=tree)
    assert made.returncode == 0, made.stdout + made.stderr
    ran = site.run("run", "--log-json")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    events = [json.loads(line) for line in ran.stdout.splitlines()]
    read = [one["inodes"] for one in events if one["type"] == "progress" and one["what"] == "done"]
    assert read == [2, *(1 for _ in names[1:])], "what is linked is read once"
    archives = [name_of(when) for when in times]
    assert site.archives(borg14) == archives
    for archive, name in zip(archives, names, strict=True):
        assert set(site.items(borg14, archive)) == {"home", "home/etc", "home/etc/motd", "home/etc/changed"}
        where = f"{site.repo()}::{archive}"
        assert site.borg(borg14, "extract", "--stdout", where, "home/etc/changed") == name
    site.verify()
    report = site.run("report")
    assert report.returncode == 0, report.stdout


@pytest.mark.root
@pytest.mark.borg
def test_a_path_that_is_said_for_a_folder_of_rsnapshot_stays_said(make_site: Callable[..., Site], borg14: Path) -> None:
    """Whoever verifies and reports asks the plan; nobody types it again."""
    site = make_site()
    times = filled(site, 2)
    made = site.run("plan", "--path-of", "web01=/old/place", "--encryption", "none", source=site.snapshots)
    assert made.returncode == 0, made.stdout + made.stderr
    ran = site.run("run")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "old/place" in site.items(borg14, name_of(times[0]))
    site.verify()
    report = site.run("report")
    assert report.returncode == 0, report.stdout


def test_the_newest_of_a_destination_in_progress_is_doubtful(tmp_path: Path) -> None:
    tree = time_backup(tmp_path, "", *NAMES)
    (tree / "backup.inprogress").touch()
    seen = look(tree, wish(name="web01"))
    assert seen.doubts == {NAMES[-1]: "interrupted"}


def test_several_destinations_lie_side_by_side(tmp_path: Path) -> None:
    tree = time_backup(tmp_path, "web01", *NAMES)
    time_backup(tmp_path / "other", "db", *NAMES[:2])
    (tmp_path / "other/tree/db").rename(tree / "db")
    (tree / "db/backup.inprogress").touch()
    (tree / "no-destination" / NAMES[0]).mkdir(parents=True)
    seen = look(tree, wish())
    assert sorted(seen.times) == [*(f"db/{name}" for name in NAMES[:2]), *(f"web01/{name}" for name in NAMES)]
    assert seen.doubts == {f"db/{NAMES[1]}": "interrupted"}
    assert seen.skipped["no-destination"] == f"it has no {MARKER}"


def test_a_missing_day_of_one_host_is_its_gap(tmp_path: Path) -> None:
    days = ("2024-01-01", "2024-01-02", "2024-01-04", "2024-01-05")
    tree = copied(tmp_path, *(f"web01/{day}" for day in days), *(f"db/{day}" for day in days[:2]))
    (gap,) = look(tree, wish("{host}/%F")).scan.gaps
    assert (gap.of, gap.after, gap.missing) == ("web01", at(2024, 1, 2), 1)
