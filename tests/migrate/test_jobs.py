"""Several repositories at a time, and what comes between a plan and its run."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from borg.platform import get_process_id

from backupspec.catalogue import diagnose
from backupspec.diagnostic import Span
from backupspec_migrate.leftovers import sweep_own
from backupspec_migrate.view import open_view
from tests.diagnostics.pinned import Pinned
from tests.migrate.site import DAY, FIRST, OLD, Kind, Site
from tests.migrate.test_faults import are_gone, await_that, children, history, planned, started
from tests.migrate.test_import import filled, name_of

pytestmark = [pytest.mark.root, pytest.mark.borg]

HOSTS = ("web01", "web02")


def two(make_site: Callable[..., Site]) -> tuple[Site, list[int]]:
    site = make_site(lines=[(f"{host}/", f"{host}/", "") for host in HOSTS], commits_each=True)
    return site, history(site, HOSTS)


def locks(site: Site) -> list[Path]:
    return [*site.folder.rglob("lock.exclusive*"), *site.folder.glob("*.pid")]


def test_two_repositories_are_worked_on_at_once(make_site: Callable[..., Site], borg14: Path) -> None:
    site = make_site(lines=[(f"{host}/", f"{host}/", "") for host in HOSTS])
    for host in HOSTS:  # so much that the second begins before the first is through
        folder = site.sources / host / "data"
        folder.mkdir(parents=True)
        for number in range(3000):
            (folder / str(number)).write_text(f"{number} of {host}\n" * 50)
    times = history(site, HOSTS)
    planned(site, "--encryption", "none")
    done = site.run("run", "--jobs", "2", "--log-json")
    assert done.returncode == 0, done.stderr
    events = [json.loads(line) for line in done.stdout.splitlines()]
    seen = [(one["what"], one["repository"]) for one in events if one["type"] == "progress"]
    for host in HOSTS:
        mine = [number for number, (_, repository) in enumerate(seen) if repository == str(site.repo(host))]
        assert any(seen[number][1] != str(site.repo(host)) for number in range(mine[0], mine[-1])), (
            "one after the other"
        )
        assert site.archives(borg14, host) == [name_of(when, host) for when in times]
    site.verify("--jobs", "2")


def test_a_listing_is_whole_whoever_lists_the_same_folder(tmp_path: Path) -> None:
    """Processes that were forked have the descriptor of the top in common."""
    for number in range(20):
        (tmp_path / f"daily.{number}").mkdir()
    with open_view(str(tmp_path)) as view, os.scandir(view.fd) as other:
        next(other)  # the kernel has given all of it by now
        assert len(view.names("")) == 20


def test_one_repository_that_fails_stops_no_other(make_site: Callable[..., Site], borg14: Path) -> None:
    site, times = two(make_site)
    planned(site, "--encryption", "none")
    site.repo("web01").mkdir()
    (site.repo("web01") / "in the way").touch()
    done = site.run("run", "--jobs", "2")
    assert done.returncode == 1
    assert done.stderr.count("error[") == 1, done.stderr
    assert str(site.repo("web01")) in done.stderr
    assert "Traceback" not in done.stderr
    assert site.archives(borg14, "web02") == [name_of(when, "web02") for when in times]
    (site.repo("web01") / "in the way").unlink()
    assert site.run("run", "--jobs", "2").returncode == 0
    site.verify("--jobs", "2")


def test_a_worker_that_dies_is_said_and_the_next_run_adds_the_rest(
    make_site: Callable[..., Site], borg14: Path, pinned: Pinned
) -> None:
    site = make_site(commits_each=True)
    times = history(site, nights=8)
    planned(site, "--encryption", "none")
    with started(site, "run", "--log-json") as process:
        assert process.stdout is not None
        assert any('"done"' in line for line in process.stdout)
        below = children(process.pid)
        os.kill(below[0], signal.SIGKILL)
        rest = process.stdout.read()
        assert process.wait() == 1
        await_that(lambda: are_gone(below), "a process lives on", 5)
    found = [json.loads(line) for line in rest.splitlines() if '"finding"' in line]
    assert [(one["code"], one["message"]) for one in found] == [
        ("BS624", f"the work on {site.repo()} ended early (killed by signal 9)")
    ]
    assert "start the same command again" in found[0]["hint"]
    pinned(
        diagnose(
            found[0]["code"], found[0]["message"], Span(found[0]["place"]["file"], 1, 1, 1, 1), hint=found[0]["hint"]
        )
    )
    assert 1 <= len(site.archives(borg14)) < len(times)
    assert site.run("run").returncode == 0
    assert site.archives(borg14) == [name_of(when) for when in times]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda one: one.name)
@pytest.mark.parametrize("jobs", ["1", "2"])
def test_an_interrupted_command_ends_all_it_started_and_gives_up_all_locks(
    make_site: Callable[..., Site], number: signal.Signals, jobs: str
) -> None:
    site, _ = two(make_site)
    planned(site, "--encryption", "repokey-blake2")
    with started(site, "run", "--jobs", jobs, "--log-json") as process:
        assert process.stdout is not None
        assert any('"done"' in line for line in process.stdout)
        below = children(process.pid)
        # As a terminal does it: to all that belong to it.
        os.killpg(process.pid, number)
        begun = time.monotonic()
        text = process.stdout.read()
        assert process.wait(timeout=20) not in {0, None}
        assert time.monotonic() - begun < 15
        await_that(lambda: are_gone(below), "a process lives on", 5)
    assert "Traceback" not in text, text
    assert not locks(site)
    done = site.run("run", "--jobs", jobs)
    assert done.returncode == 0, done.stderr
    assert "left behind" not in done.stderr


def test_a_service_manager_that_tells_every_process_to_end_leaves_no_lock(make_site: Callable[..., Site]) -> None:
    site, _ = two(make_site)
    planned(site, "--encryption", "none")
    with started(site, "run", "--jobs", "2", "--log-json") as process:
        assert process.stdout is not None
        assert any('"start"' in line for line in process.stdout)
        below = children(process.pid)
        for one in (*below, process.pid):
            with contextlib.suppress(ProcessLookupError):  # one that read ahead may have come to its end
                os.kill(one, signal.SIGTERM)
        text = process.stdout.read()
        assert process.wait(timeout=20) not in {0, None}
        await_that(lambda: are_gone(below), "a process lives on", 5)
    assert "Traceback" not in text, text
    assert not locks(site)


def test_a_lock_whose_taking_was_interrupted_twice_is_taken_away(tmp_path: Path) -> None:
    """What another process of this machine is taking stays."""
    host, pid, thread = get_process_id()
    for name, who in (("ownxxxxx", f"{host}.{pid}-{thread:x}"), ("otherxxx", f"{host}.{os.getppid()}-0")):
        folder = tmp_path / f"lock.exclusive.{name}.tmp"
        folder.mkdir()
        (folder / who).touch()
    sweep_own(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["lock.exclusive.otherxxx.tmp"]


def test_an_interruption_waits_until_the_folder_of_a_lock_has_a_name(tmp_path: Path) -> None:
    """Between the making and the name, Borg would leave it behind, empty."""
    program = """
import os, signal, sys, time
from borg.locking import ExclusiveLock
from backupspec_migrate.worker import _Interruption
signal.signal(signal.SIGTERM, _Interruption())
make = os.mkdir
def mkdir(*arguments):
    make(*arguments)
    os.kill(os.getpid(), signal.SIGTERM)
os.mkdir = mkdir
try:
    with ExclusiveLock(sys.argv[1]): time.sleep(20)
except KeyboardInterrupt: print("told to end")
"""
    command = [sys.executable, "-c", program, str(tmp_path / "lock")]
    ran = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert (ran.stdout, ran.stderr) == ("told to end\n", "")
    assert not list(tmp_path.glob("*.tmp"))


def test_what_was_half_made_when_a_worker_was_told_to_end_does_not_complain() -> None:
    """Borg's finalisers expect that what they take down was whole."""
    program = """
from backupspec_migrate.worker import _Interruption
class Half:
    def __init__(self): _Interruption()(15, None)
    def __del__(self): self.handler
try: Half()
except KeyboardInterrupt: print("told to end")
"""
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert (ran.stdout, ran.stderr) == ("told to end\n", "")


def test_what_runs_under_nohup_does_not_end_with_the_terminal(make_site: Callable[..., Site]) -> None:
    site, _ = two(make_site)
    planned(site, "--encryption", "none")
    command = ["nohup", *site.command("run", "--log-json")]
    with subprocess.Popen(
        command,
        env=site.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        os.killpg(process.pid, signal.SIGHUP)
        process.stdout.read()
        assert process.wait(timeout=60) == 0


# --- between a plan and its run --------------------------------------------------------------------------------------


def rotated(site: Site) -> None:
    """Let real rsnapshot make one more night; the folders before it move on."""
    site.put("web01/etc/motd", f"night {site.nights}", mtime=OLD + site.nights)
    site.night()


def test_a_plan_outlives_a_rotation_and_each_snapshot_keeps_its_time(
    make_site: Callable[..., Site], kind: Kind, borg14: Path
) -> None:
    site = make_site(kind=kind)
    times = filled(site, 4)
    planned(site, "--encryption", "none")
    rotated(site)
    rotated(site)
    done = site.run("run")
    assert done.returncode == 0, done.stderr
    assert site.archives(borg14) == [name_of(when) for when in times]
    for night, when in enumerate(times):
        content = site.borg(
            borg14, "extract", "--stdout", f"{site.repo()}::{name_of(when)}", f"{site.original()}/etc/motd"
        )
        assert content == f"night {night}"
    site.verify()


def test_what_is_new_since_the_plan_keeps_the_old_tree(make_site: Callable[..., Site]) -> None:
    site = make_site()
    filled(site, 2)
    planned(site, "--encryption", "none")
    assert site.run("run").returncode == 0
    site.verify()
    done = site.run("report")
    assert done.returncode == 0, done.stdout + done.stderr
    rotated(site)
    done = site.run("report")
    assert done.returncode == 1
    assert "not in the plan" in done.stdout
    planned(site, "--force", "--encryption", "none")
    assert site.run("run").returncode == 0
    site.verify("--resume")
    assert site.run("report").returncode == 0


def test_a_snapshot_that_went_after_the_plan_is_said_and_the_rest_imported(
    make_site: Callable[..., Site], borg14: Path
) -> None:
    site = make_site(retain=(("daily", 3),))
    times = filled(site, 3)
    planned(site, "--encryption", "none")
    rotated(site)
    assert not (site.snapshots / "daily.3").exists(), "rsnapshot itself removes the oldest"
    done = site.run("run")
    assert done.returncode == 1
    assert "BS693" in done.stderr
    assert site.archives(borg14) == [name_of(when) for when in times[1:]]
    assert site.run("report").returncode == 1


def test_a_snapshot_that_was_imported_and_then_rotated_away_is_no_loss(
    make_site: Callable[..., Site], borg14: Path
) -> None:
    site = make_site(retain=(("daily", 3),))
    times = filled(site, 3)
    planned(site, "--encryption", "none")
    assert site.run("run").returncode == 0
    site.verify()
    rotated(site)
    site.run("run")
    assert site.archives(borg14) == [name_of(when) for when in times]


def test_a_tree_that_is_rotated_without_a_lock_while_it_is_planned_to_be_read_gives_no_archive(
    make_site: Callable[..., Site], borg14: Path
) -> None:
    """The lock of another configuration keeps nobody out: a second rsnapshot.conf, or `cp -al` by hand."""
    site = make_site()
    history(site, nights=3)
    planned(site, "--encryption", "none")
    with started(site, "run", "--log-json") as process:
        assert process.stdout is not None
        assert any('"start"' in line for line in process.stdout)
        (site.snapshots / "daily.0").rename(site.snapshots / "daily.7")
        shutil.copytree(site.snapshots / "daily.7", site.snapshots / "daily.0", symlinks=True)
        os.utime(site.snapshots / "daily.0", (FIRST + 9 * DAY, FIRST + 9 * DAY))
        text = process.stdout.read()
    assert process.returncode == 1
    assert "BS623" in text or "BS640" in text
    assert "Traceback" not in text
    shutil.rmtree(site.snapshots / "daily.0")
    (site.snapshots / "daily.7").rename(site.snapshots / "daily.0")
    assert site.run("run").returncode == 0
    site.verify()
    assert len(site.archives(borg14)) == 3


def test_rsnapshot_that_starts_in_the_middle_refuses_and_changes_nothing(
    make_site: Callable[..., Site], kind: Kind
) -> None:
    site = make_site(kind=kind)
    history(site, nights=3)
    planned(site, "--encryption", "none")
    for name in ("run", "verify"):
        with started(site, name, "--log-json") as process:
            assert process.stdout is not None
            assert any('"start"' in line for line in process.stdout)
            # Held where it is, however slow this machine is: it has the lock as long as it lives.
            process.send_signal(signal.SIGSTOP)
            before = sorted(site.snapshots.iterdir())
            refused = subprocess.run(
                ["rsnapshot", "-c", site.conf, "daily"], capture_output=True, text=True, check=False
            )
            process.send_signal(signal.SIGCONT)
            assert sorted(site.snapshots.iterdir()) == before
            process.stdout.read()
            assert process.wait() == 0
        assert refused.returncode == 1
        assert "Lockfile" in refused.stdout + refused.stderr
    site.night()


def test_two_series_of_one_repository_wait_for_each_other(make_site: Callable[..., Site], borg14: Path) -> None:
    site, times = two(make_site)
    planned(site, "--encryption", "none")
    text = site.plan.read_text().replace(str(site.repo("web02")), str(site.repo("web01")))
    first, second = text.split("  - host: web02")
    site.plan.write_text(f"{first}  - host: web02{second.replace('auto,zstd,3', 'none')}")
    done = site.run("run", "--jobs", "2")
    assert done.returncode == 0, done.stderr
    assert sorted(site.archives(borg14)) == [name_of(when, host) for host in HOSTS for when in times]
    site.verify("--jobs", "2")
