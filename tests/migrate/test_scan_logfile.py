"""What rsnapshot's logfile tells: written by real rsnapshot, its hours set afterwards."""

from __future__ import annotations

import gzip
import os
import re
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from backupspec_migrate.find_layout import SourceWish
from backupspec_migrate.logfile import log_files, read_log, replayed
from tests.diagnostics.pinned import Pinned
from tests.migrate.looking import look
from tests.migrate.site import DAY, FIRST, Kind, Site

BERLIN = ZoneInfo("Europe/Berlin")

pytestmark = pytest.mark.root


def logging(make_site: Callable[..., Site], kind: Kind, **more: object) -> tuple[Site, Path]:
    site = make_site(kind=kind, retain=(("daily", 3), ("weekly", 2)), **more)
    log = site.folder / "rsnapshot.log"
    site.extra = [f"logfile\t{log}", *site.extra]
    site.configure()
    site.put("web01/etc/motd", "x")
    return site, log


def run(site: Site, log: Path, level: str, shown: str) -> int:
    """Run rsnapshot, and let the logfile show another time."""
    before = log.read_text() if log.exists() else ""
    done = subprocess.run(["rsnapshot", "-c", site.conf, level], capture_output=True, check=False)
    added = log.read_text().removeprefix(before)
    log.write_text(before + re.sub(r"(?m)^\[[^]]*\]", f"[{shown}]", added))
    return done.returncode


def test_a_run_begins_completes_its_snapshot_and_ends(make_site: Callable[..., Site], kind: Kind) -> None:
    site, log = logging(make_site, kind)
    assert run(site, log, "daily", "2024-01-02T02:05:00") == 0
    nothing_to_take_over = run(site, log, "weekly", "2024-01-02T03:00:00")
    daily, *weekly = read_log([log], UTC)
    assert (daily.level, daily.started, daily.touched, daily.limit) == ("daily", FIRST, FIRST, FIRST)
    assert (daily.outcome, daily.root, daily.configuration) == ("completed", str(site.snapshots), str(site.conf))
    # From 1.5 on rsnapshot calls it an error, and does nothing at all.
    shown = [(one.level, one.touched, one.outcome) for one in weekly]
    assert shown == ([] if nothing_to_take_over else [("weekly", None, "completed")])


def test_a_run_that_refused_to_rotate_was_none(tmp_path: Path) -> None:
    """As rsnapshot 1.5.1 writes it, whichever version is installed here."""
    log = tmp_path / "rsnapshot.log"
    log.write_text(
        "[2024-01-02T02:05:00] /usr/bin/rsnapshot -c /t/c weekly: started\n"
        "[2024-01-02T02:05:00] echo 2323 > /t/lock\n"
        "[2024-01-02T02:05:00] /usr/bin/rsnapshot -c /t/c weekly: ERROR: Did not find previous interval max "
        "(/t/s/daily.2), refusing to rotate this level (weekly)\n"
        "[2024-01-02T02:05:00] rm -f /t/lock\n"
    )
    assert read_log([log], UTC) == ()


def test_a_run_that_found_another_at_work_was_none(make_site: Callable[..., Site]) -> None:
    site, log = logging(make_site, Kind.CP_AL)
    assert run(site, log, "daily", "2024-01-02T02:05:00") == 0
    site.lockfile.write_text(f"{os.getpid()}")
    assert run(site, log, "daily", "2024-01-03T02:05:00") == 1
    site.lockfile.write_text("999999")
    site.extra.append("stop_on_stale_lockfile\t1")
    site.configure()
    assert run(site, log, "daily", "2024-01-04T02:05:00") == 1
    assert [one.started for one in read_log([log], UTC)] == [FIRST]


def test_all_steps_one_after_the_other_give_each_folder_its_time(make_site: Callable[..., Site], kind: Kind) -> None:
    """The oracle is the tree itself: the folders are dated as the logfile says, and rsnapshot moves them."""
    site, log = logging(make_site, kind)
    for number in range(9):
        when = FIRST + number * DAY
        shown = f"{datetime.fromtimestamp(when, UTC):%Y-%m-%dT%H:%M:%S}"
        if (site.snapshots / "daily.2").exists():
            assert run(site, log, "weekly", shown) == 0
        assert run(site, log, "daily", shown) == 0
        os.utime(site.snapshots / "daily.0", (when, when))
    there = {path.name: int(path.stat().st_mtime) for path in site.snapshots.iterdir()}
    known = replayed(read_log([log], UTC))
    assert sorted(there) == ["daily.0", "daily.1", "daily.2", "weekly.0", "weekly.1"]
    assert {slot: known[slot] for slot in there} == there


def test_a_moved_tree_has_its_times_from_the_logfile(make_site: Callable[..., Site], kind: Kind) -> None:
    site, log = logging(make_site, kind)
    for day in (2, 3, 4):
        assert run(site, log, "daily", f"2024-07-0{day}T02:05:00") == 0
    moved = site.folder / "moved"
    subprocess.run(["cp", "-r", site.snapshots, moved], check=True)
    site.conf.write_text(site.conf.read_text().replace(f"snapshot_root\t{site.snapshots}", f"snapshot_root\t{moved}"))
    seen = look(site.conf, SourceWish(timezone="Europe/Berlin"))
    assert seen.times == {
        f"daily.{4 - day}": int(datetime(2024, 7, day, 2, 5, tzinfo=BERLIN).timestamp()) for day in (2, 3, 4)
    }
    assert {one.time_from for one in seen.scan.snapshots} == {"logfile"}
    assert seen.doubts == {}
    log.write_text("\n".join(log.read_text().split("\n")[-8:]))
    assert set(look(site.conf).doubts.values()) == {"moved"}, "a logfile that begins too late does not tell"


def test_runs_of_another_tree_in_the_same_logfile_do_not_count(make_site: Callable[..., Site], tmp_path: Path) -> None:
    site, log = logging(make_site, Kind.CP_AL)
    subprocess.run(["rsnapshot", "-c", site.conf, "daily"], check=True)
    other = tmp_path / "other.conf"
    other.write_text(site.conf.read_text().replace(str(site.snapshots), str(tmp_path / "others")))
    subprocess.run(["rsnapshot", "-c", other, "daily"], check=True)
    text = log.read_text()
    log.write_text(text[: text.rindex("touch")])
    assert look(site.conf).scan.confirmed == {"daily.0"}
    assert look(site.conf).doubts == {}
    assert look(other).doubts == {"daily.0": "interrupted"}


def test_the_hour_that_comes_twice_is_read_in_the_order_of_the_lines(tmp_path: Path) -> None:
    log = tmp_path / "log"
    lines = [f"[2024-10-27T02:{minute}:00] /usr/bin/rsnapshot hourly: started" for minute in ("10", "50", "10", "50")]
    log.write_text("\n".join(["no line of rsnapshot's", *lines, "[yesterday] /usr/bin/rsnapshot hourly: started"]))
    times = [one.started for one in read_log([log], BERLIN)]
    assert [later - times[0] for later in times] == [0, 2400, 3600, 6000]


def test_the_form_of_old_versions_is_read(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("[02/Jan/2024:02:05:00] /usr/bin/rsnapshot -v daily: started\n")
    (one,) = read_log([log], UTC)
    assert (one.level, one.started, one.outcome) == ("daily", FIRST, "unfinished")


def test_what_logrotate_made_of_a_logfile_is_read_in_order(tmp_path: Path) -> None:
    for name in ("log", "log.1", "log.10.gz", "log.2.gz", "log.bak", "other.1"):
        (tmp_path / name).touch()
    assert [path.name for path in log_files(tmp_path / "log")] == ["log.10.gz", "log.2.gz", "log.1", "log"]
    for name in ("run", "run-20240201", "run-20240101.gz"):
        (tmp_path / name).touch()
    assert [path.name for path in log_files(tmp_path / "run")] == ["run-20240101.gz", "run-20240201", "run"]


@pytest.mark.parametrize(
    "content",
    [b"not packed", gzip.compress(b"cut" * 99)[:-9], gzip.compress(b"")[:10] + b"\xff" * 20],
    ids=["not-packed", "cut", "broken"],
)
def test_a_logfile_that_cannot_be_read_is_said(make_site: Callable[..., Site], pinned: Pinned, content: bytes) -> None:
    site, log = logging(make_site, Kind.CP_AL)
    site.night()
    Path(f"{log}.1.gz").write_bytes(content)
    seen = look(site.conf)
    assert len(seen.said("BS664")) == 1
    pinned(*seen.found)
    assert seen.doubts == {}
