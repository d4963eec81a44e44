"""Real rsnapshot, stopped at each of its steps: what it leaves behind is seen, told apart and never taken for whole."""

from __future__ import annotations

import os
import random
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from tests.diagnostics.pinned import Pinned
from tests.migrate.looking import look
from tests.migrate.site import DAY, FIRST, Kind, Site
from tests.migrate.test_commands import good, planned, reasons

HOSTS = [("web01/", "web01/", ""), ("web02/", "web02/", "")]

APART = 2.1
"""The logfile has whole seconds: runs that are closer together cannot be told apart by it."""

pytestmark = pytest.mark.root


def make(make_site: Callable[..., Site], kind: Kind, nights: int = 3, retain: int = 3, **more: object) -> Site:
    site = make_site(lines=HOSTS, kind=kind, retain=(("daily", retain), ("weekly", 2)), **more)
    site.put("web01/etc/motd", "one")
    site.put("web02/etc/motd", "two")
    for _ in range(nights):
        site.night()
    return site


def dies(site: Site, program: str, script: str, level: str = "daily") -> None:
    """Run rsnapshot with a program that does something and then kills rsnapshot."""
    wrapper = site.folder / f"dying-{program}"
    wrapper.write_text(f"#!/bin/sh\n{script}\nkill -9 $(cat {site.lockfile})\n")
    wrapper.chmod(0o755)
    before = site.conf.read_text()
    rows = [f"cmd_{program}\t{wrapper}" if row.startswith(f"cmd_{program}\t") else row for row in before.split("\n")]
    site.conf.write_text("\n".join(rows))
    done = subprocess.run(["rsnapshot", "-c", site.conf, level], capture_output=True, check=False)
    assert done.returncode == -9
    site.conf.write_text(before)


def alone(site: Site, level: str) -> None:
    done = subprocess.run(["rsnapshot", "-c", site.conf, level], check=False, capture_output=True, text=True)
    # From 1.5 on a rung with nothing to take over is an error.
    assert done.returncode == 0 or "refusing to rotate this level" in done.stderr, done.stderr


def test_a_whole_ladder_has_no_doubts(make_site: Callable[..., Site], kind: Kind) -> None:
    site = make(make_site, kind)
    alone(site, "weekly")
    site.night()
    seen = look(site.conf)
    assert list(seen.times) == ["weekly.0", "daily.2", "daily.1", "daily.0"]
    assert seen.doubts == {}
    assert seen.found == ()
    assert seen.scan.gaps == ()


def test_a_killed_copy_is_half_of_one_and_the_first_stays_whole(make_site: Callable[..., Site]) -> None:
    site = make(make_site, Kind.CP_AL)
    dies(site, "cp", 'mkdir "$3"; /bin/cp -al "$2/web01" "$3/"')
    seen = look(site.conf)
    assert seen.doubts == {"daily.1": "half-copied", "daily.0": "lockfile"}
    assert "`cp -al`" in seen.why["daily.1"]
    site.lockfile.unlink()
    assert look(site.conf).doubts == {"daily.1": "half-copied"}


def test_a_half_copy_is_still_known_after_it_was_rotated(make_site: Callable[..., Site]) -> None:
    site = make(make_site, Kind.CP_AL, nights=2, retain=6)
    dies(site, "cp", 'mkdir "$3"')
    site.lockfile.unlink()
    os.utime(site.snapshots / "daily.1", (FIRST + 2 * DAY, FIRST + 2 * DAY))
    site.nights += 1
    site.night()
    site.night()
    assert not (site.snapshots / "daily.3/web01").exists()
    assert look(site.conf).doubts == {"daily.3": "half-copied"}


def test_a_killed_rsync_leaves_the_time_of_the_copy(make_site: Callable[..., Site]) -> None:
    site = make(make_site, Kind.CP_AL)
    dies(site, "rsync", "true")
    site.lockfile.unlink()
    seen = look(site.conf)
    assert seen.doubts == {"daily.0": "interrupted"}
    assert seen.why["daily.0"].startswith("it has the time of daily.1: rsnapshot was interrupted")


def test_with_link_dest_a_killed_rsync_is_known_by_a_time_that_rsnapshot_did_not_set(
    make_site: Callable[..., Site], pinned: Pinned
) -> None:
    """After the next rotation only the logfile knows it, and the hosts that are missing."""
    site = make(make_site, Kind.LINK_DEST)
    log, away = site.folder / "log", site.folder / "away"
    site.extra = [f"logfile\t{log}"]
    site.configure()
    dies(site, "rsync", "true")
    seen = look(site.conf)
    assert seen.doubts == {"daily.0": "interrupted"}
    assert "the logfile has no end of the run" in seen.why["daily.0"]
    log.rename(away)
    seen = look(site.conf)
    assert seen.doubts == {"daily.0": "interrupted", "daily.2": "lockfile"}, "it may have been at removing"
    assert "not in whole seconds" in seen.why["daily.0"]
    away.rename(log)
    time.sleep(APART)
    site.lockfile.unlink()
    alone(site, "daily")
    seen = look(site.conf)
    assert seen.doubts == {"daily.1": "interrupted"}
    log.unlink()
    seen = look(site.conf)
    assert seen.doubts == {}
    (said,) = seen.said("BS665")
    assert said == "daily.1 has no web01, web02, which daily.2 before it and daily.0 after it have"
    pinned(*seen.found)


@pytest.mark.borg
def test_what_a_killed_rsync_left_is_not_imported_before_somebody_accepts_it(
    make_site: Callable[..., Site], borg14: Path
) -> None:
    """It died in the last host, nothing tells of it after the next rotation but the file that it was receiving."""
    site = make(make_site, Kind.LINK_DEST, retain=9)
    site.put("web01/etc/.program.aB3dE9", "a program's own, in all snapshots that follow")
    site.night()
    left = f"{site.original('web02')}/etc/.motd.x7Kp2Q"
    dies(
        site,
        "rsync",
        f'/usr/bin/rsync "$@"; case "$*" in */web01/*) exit;; esac; : > {site.snapshots}/daily.0/web02/{left}',
    )
    site.lockfile.unlink()
    site.age()
    alone(site, "daily")
    for number, night in ((1, 4), (0, 5)):
        os.utime(site.snapshots / f"daily.{number}", (FIRST + night * DAY,) * 2)
    assert look(site.conf).doubts == {}
    planned(site, "--accept", "daily.2")
    text = site.plan.read_text()
    done = site.run("run")
    assert done.returncode == 1
    said = f"error[BS612]: daily.1 is doubtful: rsync was killed while it filled web02, and left /{left}"
    assert said in done.stderr
    assert done.stderr.count("error[") == 1, done.stderr
    assert len(site.archives(borg14)) == 6, "web01 was whole"
    assert "web02, files: 1 of 6 archives is not in the repository" in reasons(site)
    decided = re.sub(r"(?m)^(  - \{folder: daily\.1, .*)\}$", r"\1, accept: motd is whole}", text)
    assert decided != text
    site.plan.write_text(decided)
    good(site, "run")
    good(site, "verify")
    assert len(site.archives(borg14, "web02")) == 6
    assert reasons(site) == ""
    site.plan.write_text(text)
    done = site.run("verify")
    assert said in done.stderr
    assert done.stderr.count("error[") == 1, done.stderr
    assert "differs from its snapshot" in reasons(site)


def test_a_killed_removal_is_doubtful_by_its_time(make_site: Callable[..., Site], kind: Kind) -> None:
    site = make(make_site, kind)
    dies(site, "rm", f"/bin/rm -rf {site.snapshots}/daily.2/web01")
    site.lockfile.unlink()
    seen = look(site.conf)
    assert seen.doubts == {"daily.2": "half-removed"}
    assert "though the oldest" in seen.why["daily.2"]


def test_a_killed_removal_deep_inside_is_known_by_the_lockfile_and_by_the_logfile(
    make_site: Callable[..., Site], kind: Kind
) -> None:
    """Nothing that a look from above can see has changed."""
    site = make(make_site, kind)
    log = site.folder / "log"
    site.extra = [f"logfile\t{log}"]
    site.configure()
    dies(site, "rm", f"find {site.snapshots}/daily.2 -type f -delete")
    seen = look(site.conf)
    assert seen.doubts == {"daily.0": "lockfile", "daily.2": "half-removed"}
    assert "the logfile ends while rsnapshot was removing it" in seen.why["daily.2"]
    log.unlink()
    assert look(site.conf).doubts == {"daily.0": "lockfile", "daily.2": "lockfile"}


def test_a_killed_rotation_leaves_a_hole_and_whole_snapshots(make_site: Callable[..., Site], pinned: Pinned) -> None:
    """The hole is made by hand: rsnapshot moves folders without another program that could stop it."""
    site = make(make_site, Kind.CP_AL, retain=6, nights=4)
    (site.snapshots / "daily.3").rename(site.snapshots / "daily.4")
    (site.snapshots / "daily.2").rename(site.snapshots / "daily.3")
    seen = look(site.conf)
    assert seen.doubts == {}
    assert [text.split(":")[0] for text in seen.said("BS662")] == ["daily.2 is not there, though older ones are"]
    pinned(*seen.found)


def test_a_rung_with_nothing_to_take_over_is_no_hole(make_site: Callable[..., Site]) -> None:
    site = make(make_site, Kind.CP_AL, retain=3, nights=3)
    alone(site, "weekly")
    alone(site, "weekly")
    # Where there is nothing to take over, rsnapshot 1.4 rotates the rung all the same, and 1.5 leaves it.
    rung = {path.name for path in site.snapshots.iterdir() if not path.name.startswith("daily.")}
    assert rung in ({"weekly.0"}, {"weekly.1"})
    seen = look(site.conf)
    assert seen.doubts == {}
    assert seen.said("BS662") == []


def test_a_staging_area_that_was_rotated_twice_is_a_repetition(make_site: Callable[..., Site]) -> None:
    site = make_site(lines=HOSTS, kind=Kind.CP_AL, retain=(("daily", 5),), extra=["sync_first\t1"])
    site.put("web01/etc/motd", "one")
    alone(site, "sync")
    alone(site, "daily")
    alone(site, "daily")
    seen = look(site.conf)
    assert seen.doubts == {"daily.0": "repeated"}
    assert ".sync" in seen.skipped


def test_a_staging_area_that_was_half_copied_is_known_by_the_logfile(make_site: Callable[..., Site]) -> None:
    log = "rsnapshot.log"
    site = make_site(lines=HOSTS, kind=Kind.CP_AL, retain=(("daily", 5),))
    site.extra = ["sync_first\t1", f"logfile\t{site.folder / log}"]
    site.configure()
    site.put("web01/etc/motd", "one")
    alone(site, "sync")
    alone(site, "daily")
    for path in (site.snapshots / "daily.0", site.snapshots / ".sync"):
        os.utime(path, (FIRST, FIRST))
    alone(site, "sync")
    dies(site, "cp", 'mkdir "$3"')
    site.lockfile.unlink()
    assert look(site.conf).doubts == {"daily.0": "interrupted"}


def test_a_host_that_was_rolled_back_is_doubtful_alone(make_site: Callable[..., Site]) -> None:
    site = make(make_site, Kind.LINK_DEST)
    failing = site.folder / "failing"
    failing.write_text('#!/bin/sh\ncase "$*" in */web01/*) exit 12;; esac\nexec /usr/bin/rsync "$@"\n')
    failing.chmod(0o755)
    site.conf.write_text(site.conf.read_text().replace("/usr/bin/rsync", str(failing)))
    done = subprocess.run(["rsnapshot", "-c", site.conf, "daily"], capture_output=True, text=True, check=False)
    assert 'Rolling back "web01/"' in done.stderr
    seen = look(site.conf)
    (doubt,) = seen.scan.doubts
    assert (doubt.slot, doubt.kind, doubt.folders) == ("daily.0", "rolled-back", ("web01",))
    assert doubt.why == "web01 is that of daily.1: rsync failed, and rsnapshot rolled back"


def test_times_that_cannot_be_are_doubtful(make_site: Callable[..., Site]) -> None:
    site = make(make_site, Kind.CP_AL, retain=6, nights=4)
    soon = int(time.time()) + DAY
    os.utime(site.snapshots / "daily.0", (soon, soon))
    os.utime(site.snapshots / "daily.3", (86_400, 86_400))
    assert look(site.conf).doubts == {"daily.0": "future", "daily.3": "clock"}


def test_the_ladder_grows_older_from_rung_to_rung(make_site: Callable[..., Site], kind: Kind) -> None:
    site = make(make_site, kind)
    alone(site, "weekly")
    os.utime(site.snapshots / "weekly.0", (FIRST + 10 * DAY, FIRST + 10 * DAY))
    for source in (site.conf, site.snapshots):
        seen = look(source)
        assert seen.doubts.get("weekly.0") == "out-of-order" or source == site.snapshots
    assert "which stands before it on the ladder" in look(site.conf).why["weekly.0"]


def test_what_stands_beyond_the_ladder_is_whole_and_said(make_site: Callable[..., Site], pinned: Pinned) -> None:
    site = make(make_site, Kind.CP_AL, retain=6, nights=6)
    site.retain = (("daily", 3), ("weekly", 2))
    site.configure()
    alone(site, "weekly")
    seen = look(site.conf)
    assert "weekly.0" in seen.times
    assert "daily.5" in seen.times
    assert seen.doubts == {}, "weekly.0 is newer than daily.5, which rsnapshot never moves again"
    (said,) = seen.said("BS663")
    assert said.startswith("daily.3, daily.4, daily.5: beyond `retain daily 3`")
    pinned(*seen.found)


def test_a_tree_that_was_copied_without_its_times_asks_for_them(make_site: Callable[..., Site]) -> None:
    site = make(make_site, Kind.CP_AL)
    moved = site.folder / "moved"
    subprocess.run(["cp", "-r", site.snapshots, moved], check=True)
    seen = look(moved)
    assert set(seen.doubts.values()) == {"moved"}
    assert len(seen.doubts) == 3
    assert "--times FILE" in seen.why["daily.0"]
    for number in range(3):
        os.utime(moved / f"daily.{number}", ns=((FIRST - number * DAY) * 10**9 + 1,) * 2)
    assert set(look(moved).doubts.values()) == {"moved"}, "also when the copy took days"
    shutil.rmtree(moved)
    subprocess.run(["cp", "-a", site.snapshots, moved], check=True)
    assert look(moved).doubts == {}


def test_nights_that_are_missing_are_gaps(make_site: Callable[..., Site]) -> None:
    site = make(make_site, Kind.CP_AL, retain=9, nights=3)
    site.nights += 2
    site.night()
    site.night()
    (gap,) = look(site.conf).scan.gaps
    assert (gap.of, gap.after, gap.before, gap.missing) == ("daily", FIRST + 2 * DAY, FIRST + 5 * DAY, 2)


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def assert_whole(site: Site, had: dict[int, dict[str, bytes]]) -> None:
    """Expect that every snapshot without a doubt holds just what the source had at its time."""
    seen = look(site.conf)
    for slot, when in seen.times.items():
        if slot in seen.doubts:
            continue
        found = {
            f"{host}/{name.removeprefix(f'{host}/{site.original(host)}/')}": text
            for host in ("web01", "web02")
            for name, text in content(site.snapshots / slot).items()
            if name.startswith(f"{host}/")
        }
        assert found == had.get(when, content(site.sources)), slot


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(6))
def test_killed_at_any_moment_what_is_not_doubtful_is_whole(
    make_site: Callable[..., Site], kind: Kind, seed: int
) -> None:
    """Power fails during one night. Right after it no logfile is needed to see what is doubtful, later on it is."""
    site, log = with_log(make_site, kind)
    site.retain = (("daily", 3),)
    site.configure()
    had: dict[int, dict[str, bytes]] = {}
    for night in range(4):
        for host in ("web01", "web02"):
            for number in range(20):
                path = site.sources / host / "data" / str(number)
                path.parent.mkdir(exist_ok=True)
                path.write_text(f"{night if number % 3 == night % 3 else 0}")
                os.utime(path, (FIRST - 9 * DAY + night,) * 2)
        if night < 3:
            had[site.night()] = content(site.sources)
    with subprocess.Popen(["rsnapshot", "-c", site.conf, "daily"], start_new_session=True) as process:
        time.sleep(random.Random(seed).uniform(0.03, 0.35))  # noqa: S311 - a moment, no secret
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    log.rename(site.folder / "away")
    assert_whole(site, had)
    (site.folder / "away").rename(log)
    assert_whole(site, had)
    time.sleep(APART)
    subprocess.run(["rsnapshot", "-c", site.conf, "daily"], check=False, capture_output=True)
    assert_whole(site, had)


def with_log(make_site: Callable[..., Site], kind: Kind) -> tuple[Site, Path]:
    site = make_site(lines=HOSTS, kind=kind, retain=(("daily", 5),))
    log = site.folder / "log"
    site.extra = [f"logfile\t{log}"]
    site.configure()
    site.put("web01/etc/motd", "one")
    site.put("web02/etc/motd", "two")
    return site, log


def test_a_completed_run_in_the_logfile_frees_from_the_doubt_of_a_lockfile(
    make_site: Callable[..., Site], kind: Kind
) -> None:
    site, log = with_log(make_site, kind)
    alone(site, "daily")
    site.lockfile.write_text("999999")
    seen = look(site.conf)
    assert seen.doubts == {}
    assert seen.scan.confirmed == {"daily.0"}
    log.rename(f"{log}.1")
    subprocess.run(["gzip", f"{log}.1"], check=True)
    log.touch()
    assert look(site.conf).scan.confirmed == {"daily.0"}, "what logrotate made of it counts too"
    log.unlink()
    assert look(site.conf).doubts == {"daily.0": "lockfile"}


def test_what_failed_by_the_logfile_is_doubtful_for_its_host(make_site: Callable[..., Site], kind: Kind) -> None:
    site, _ = with_log(make_site, kind)
    alone(site, "daily")
    os.utime(site.snapshots / "daily.0", (FIRST, FIRST))
    site.conf.write_text(
        site.conf.read_text()
        .replace(f"backup\t{site.sources}/web01/", "backup\troot@web01:/srv/")
        .replace("cmd_rsync", "cmd_ssh\t/bin/false\ncmd_rsync")
    )
    done = subprocess.run(["rsnapshot", "-c", site.conf, "daily"], capture_output=True, check=False)
    assert done.returncode == 1
    (doubt,) = look(site.conf).scan.doubts
    assert doubt.slot == "daily.0"
    assert doubt.kind == ("rolled-back" if kind is Kind.LINK_DEST else "failed")
    assert doubt.folders == ("web01",)
    assert "root@web01:/srv/ failed (rsync returned" in doubt.why


def test_files_that_rsync_could_not_read_are_said(make_site: Callable[..., Site], kind: Kind) -> None:
    site, _ = with_log(make_site, kind)
    site.lines = [("web01/", "web01/", ""), ("gone/", "web02/", "")]
    site.configure()
    site.put("gone/x", "x")
    (site.sources / "gone").rename(site.folder / "away")
    partial = site.folder / "partial"
    partial.write_text('#!/bin/sh\ncase "$*" in */gone/*) exit 23;; esac\nexec /usr/bin/rsync "$@"\n')
    partial.chmod(0o755)
    (site.sources / "gone").mkdir()
    site.conf.write_text(site.conf.read_text().replace("/usr/bin/rsync", str(partial)))
    subprocess.run(["rsnapshot", "-c", site.conf, "daily"], capture_output=True, check=False)
    seen = look(site.conf)
    assert seen.doubts == {}
    (said,) = seen.said("BS665")
    assert "gone/: some files could not be read or vanished" in said
