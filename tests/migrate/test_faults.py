"""What happens when a migration is killed, the disk is full, the server hangs up, or rsnapshot comes in between."""

from __future__ import annotations

import json
import os
import pwd
import random
import re
import shlex
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from borg.platform import get_process_id

from tests.diagnostics.pinned import Pinned
from tests.migrate.site import OLD, Kind, Site, inventory, make_atimes_tell
from tests.migrate.test_import import name_of

pytestmark = [pytest.mark.root, pytest.mark.borg]

KILLS = 10
"""Moments in one test; there are three tests of it."""
REPOSITORY = {"README", "config", "data", "hints", "index", "integrity", "nonce", "lock.roster"}


def history(site: Site, hosts: tuple[str, ...] = ("web01",), nights: int = 4) -> list[int]:
    """Make some nights, each of which takes a while to import."""
    for host in hosts:
        for number in range(150):
            site.put(f"{host}/data/{number}", os.urandom(3000))
    times = []
    for night in range(nights):
        for host in hosts:
            site.put(f"{host}/data/changing", os.urandom(1_000_000), mtime=OLD + night)
        times.append(site.night())
    return times


def children(pid: int) -> list[int]:
    """Give the processes below one, the nearest first."""
    try:
        below = [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except (FileNotFoundError, ProcessLookupError):
        return []
    return [*below, *(deeper for one in below for deeper in children(one))]


def are_gone(pids: list[int]) -> bool:
    """Tell whether no process has one of these numbers any more.

    Borg takes one that is dead and still listed for alive.
    """
    return not any(Path(f"/proc/{pid}").exists() for pid in pids)


def await_that(true: Callable[[], bool], what: str, seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, what
        time.sleep(0.005)


@contextmanager
def started(site: Site, *words: str, **more: str) -> Iterator[subprocess.Popen[str]]:
    """Start a command; nothing of it lives on when the block ends."""
    with subprocess.Popen(
        # What runs the tests may itself ignore ^C, as everything in the background of a script does.
        ["env", "--default-signal", *site.command(*words)],
        env={**site.environment(), **more},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="backslashreplace",
        start_new_session=True,
    ) as process:
        try:
            yield process
        finally:
            for one in (*children(process.pid), process.pid):
                with suppress(ProcessLookupError):
                    os.kill(one, signal.SIGKILL)


def killed(site: Site, words: tuple[str, ...], delay: float) -> str:
    """Kill a command `delay` seconds after it has taken rsnapshot's lock.

    Give what it said.
    """
    with started(site, *words) as process:
        await_that(lambda: site.lockfile.exists() or process.poll() is not None, "it never took the lock")
        time.sleep(delay)
        below = children(process.pid)
        process.kill()
        text, _ = process.communicate(timeout=60)
        await_that(lambda: are_gone(below), "a process lives on without the one that started it", 5)
    return text


def killed_at_work(site: Site, words: tuple[str, ...], delay: float, *, child: bool) -> tuple[set[str], set[str], bool]:
    """Kill a command (or the process that it started) `delay` seconds after it has begun with an archive.

    Give the archives that it says are there, those that it began to write, and whether it was still at work. It never
    shows a traceback.
    """
    with started(site, *words, "--log-json") as process:
        assert process.stdout is not None
        said = []
        for line in process.stdout:
            said.append(line)
            if '"start"' in line:
                break
        time.sleep(delay)
        below = children(process.pid)
        alive = process.poll() is None and bool(below)
        if alive:
            os.kill(below[0] if child else process.pid, signal.SIGKILL)
        rest, _ = process.communicate(timeout=60)
        await_that(lambda: are_gone(below), "a process lives on without the one that started it", 5)
    text = "".join(said) + rest
    assert "Traceback" not in text, text
    events = [json.loads(line) for line in text.splitlines() if line.startswith('{"type": "progress"')]
    there = {one["archive"] for one in events if one["what"] in {"done", "present"}}
    return there, {one["archive"] for one in events if one["what"] == "start"}, alive


def start_over(site: Site) -> None:
    """Remove all that runs have made."""
    for folder in (site.folder / "repos", site.folder / "base"):
        shutil.rmtree(folder)
        folder.mkdir()
    site.plan.with_name("plan.record.json").unlink(missing_ok=True)


def assert_nothing_is_left(
    site: Site, hosts: tuple[str, ...] = ("web01",), seen: Callable[[Path], Path] = Path
) -> None:
    """Hold what lies beside the plan, in the repositories and in Borg's folders against what may lie there.

    `seen` gives the way from here to a path of the site's commands.
    """
    beside = {path.name for path in seen(site.plan.parent).iterdir()}
    allowed = {"plan.yaml", "plan.record.json", "plan.accepted", *(f"plan.report.{one}" for one in ("json", "html"))}
    assert beside <= allowed
    assert not site.lockfile.exists()
    for host in hosts:
        repository = seen(site.repo(host))
        names = {path.name for path in repository.iterdir()}
        assert {re.sub(r"\.[0-9]+$", "", name) for name in names} <= REPOSITORY, names
        roster = repository / "lock.roster"
        assert not roster.exists() or json.loads(roster.read_text()) == {"shared": []}
        assert {path.name for path in repository.parent.iterdir()} <= set(hosts), "nothing beside a repository"
    marks = ("lock.", ".tmp", "txn.")
    # A lock and a half-done transaction of Borg's cache are folders; a roster is a file that stays.
    below = [path for path in seen(site.folder / "base").rglob("*") if path.name != "lock.roster"]
    assert not [path for path in below if any(mark in path.name for mark in marks)]


def assert_complete(site: Site, borg: Path, times: list[int], hosts: tuple[str, ...] = ("web01",)) -> None:
    """Hold the repositories against the plan: all of it, once, readable and equal to the source."""
    for host in hosts:
        names = site.borg(borg, "list", "--lock-wait", "1", "--short", "--consider-checkpoints", str(site.repo(host)))
        assert names.split() == [name_of(when, host) for when in times]
        site.borg(borg, "check", "--lock-wait", "1", "--verify-data", str(site.repo(host)))
    done = site.verify()
    assert "equal to the source in every item and byte" in done.stderr


def planned(site: Site, *words: str) -> None:
    done = site.run("plan", *words)
    assert done.returncode == 0, done.stderr


def undisturbed(site: Site, words: tuple[str, ...]) -> float:
    """Say how many seconds a whole run takes from the beginning of the first archive to the end of the last."""
    with started(site, *words, "--log-json") as process:
        assert process.stdout is not None
        assert any('"start"' in line for line in process.stdout)
        begun = ended = time.monotonic()
        for line in process.stdout:
            if '"done"' in line:
                ended = time.monotonic()
        assert process.wait() == 0
    return ended - begun


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "hosts", "words"),
    [
        (Kind.CP_AL, ("web01",), ("run",)),
        (Kind.LINK_DEST, ("web01",), ("run",)),
        (Kind.CP_AL, ("web01", "web02", "web03"), ("run", "--jobs", "2")),
    ],
    ids=["cp-al", "link_dest", "several at a time"],
)
def test_a_run_killed_at_any_moment_is_completed_by_the_next_one(
    make_site: Callable[..., Site], borg14: Path, kind: Kind, hosts: tuple[str, ...], words: tuple[str, ...]
) -> None:
    site = make_site(kind=kind, lines=[(f"{host}/", f"{host}/", "") for host in hosts], commits_each=True)
    times = history(site, hosts, nights=8)
    before = make_atimes_tell(site.snapshots)
    planned(site, "--encryption", "repokey-blake2")
    draw = random.Random(f"{kind} {hosts}")  # noqa: S311 - the same moments in each run of the test
    for _ in range(3):
        said = killed(site, words, draw.uniform(0, 0.5))  # while a repository is made
        assert "Traceback" not in said, said
    start_over(site)
    whole = undisturbed(site, words)
    start_over(site)
    everything = {name_of(when, host) for when in times for host in hosts}
    there, kills, halfway = set[str](), 0, 0
    for _ in range(4 * KILLS):
        if there == everything:
            start_over(site)
            there = set()
        left = whole * (1 - len(there) / len(everything))
        found, begun, alive = killed_at_work(site, words, draw.uniform(0, left), child=draw.random() < 0.3)
        assert not there & begun, "what was said to be there is there after a kill"
        there |= found
        # One that was through before its time was not killed.
        if alive:
            kills += 1
            halfway += set() < there < everything
        if kills == KILLS:
            break
    assert kills == KILLS
    assert halfway >= KILLS / 3, "most moments lie between the first archive and the last"
    done = site.run(*words)
    assert done.returncode == 0, done.stderr
    assert_nothing_is_left(site, hosts)
    assert inventory(site.snapshots) == before
    assert_complete(site, borg14, times, hosts)


def test_a_regular_backup_is_not_kept_out_by_the_lock_of_a_killed_run(
    make_site: Callable[..., Site], borg14: Path
) -> None:
    site = make_site(commits_each=True)
    history(site)
    planned(site, "--encryption", "none")
    with started(site, "run", "--log-json") as process:
        assert process.stdout is not None
        assert any('"done"' in line for line in process.stdout)
        below = children(process.pid)
        process.kill()
        process.wait()
        await_that(lambda: are_gone(below), "a process lives on", 5)
    assert [path for path in site.repo().iterdir() if path.name.startswith("lock")], "the lock is left behind"
    site.borg(borg14, "create", "--lock-wait", "1", f"{site.repo()}::regular", str(site.sources))


def test_a_killed_verification_is_resumed(make_site: Callable[..., Site]) -> None:
    site = make_site()
    times = history(site)
    site.migrate()
    with started(site, "verify", "--log-json") as process:
        assert process.stdout is not None
        assert any('"done"' in line for line in process.stdout)
        below = children(process.pid)
        process.kill()
        process.wait()
        await_that(lambda: are_gone(below), "a process lives on", 5)
    # The record is written after the line is shown, or was not yet.
    done = site.run("verify", "--resume")
    assert done.returncode == 0, done.stderr
    passed = re.search(r": ([0-9]+) archives? in 1 repository(?:; ([0-9]+) compared earlier)?", done.stderr)
    assert passed is not None
    assert int(passed[1]) + int(passed[2] or 0) == len(times)
    assert_nothing_is_left(site)
    assert site.run("report").returncode == 0


def test_what_a_writer_of_the_record_left_half_written_goes_with_the_next_one(make_site: Callable[..., Site]) -> None:
    site = make_site()
    history(site, nights=1)
    planned(site, "--encryption", "none")
    with subprocess.Popen(["true"]) as gone:
        pass
    record = site.plan.with_name("plan.record.json")
    site.plan.with_name(f".{record.name}.{gone.pid}").write_text("{")
    other = site.plan.with_name(f".{record.name}.1")
    other.write_text("of a process that lives")
    old = site.plan.with_name(f".{record.name}.{os.getpid()}")
    old.write_text("of one that had this number before the machine was started anew")
    os.utime(old, (OLD, OLD))
    record.write_text('{"version": 1, "archi')
    assert site.run("run").returncode == 0
    assert other.exists()
    other.unlink()
    assert_nothing_is_left(site)


def in_a_room_of_its_own(
    site: Site, folder: Path, size: str, *steps: str, far: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run shell steps where `folder` is a small file system, which nobody else sees and which ends with them."""
    script = f"set -e; mount -t tmpfs -o size={size} none {folder}; cd /; " + "; ".join(steps)
    more = {} if far is None else {"BORG_RSH": str(far)}
    return subprocess.run(
        ["unshare", "-m", "sh", "-c", script],
        env={**site.environment(), **more},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def far_shell(site: Site, borg: Path) -> Path:
    """Give what stands for ssh: it leads to `borg serve` on this machine."""
    far = site.folder / "ssh"
    far.write_text(f'#!/bin/sh\nshift\nshift\nexec {borg} "$@"\n')
    far.chmod(0o755)
    return far


@pytest.mark.parametrize("where", ["here", "behind borg serve"])
def test_a_full_repository_is_said_and_filled_up_once_there_is_room(
    make_site: Callable[..., Site], borg14: Path, where: str
) -> None:
    site = make_site()
    times = history(site)
    far = None if where == "here" else far_shell(site, borg14)
    repository = str(site.repo()) if far is None else f"ssh://backup.example{site.repo()}"
    done = site.run("plan", repository=repository)
    assert done.returncode == 0, done.stderr
    repos, run, verify = site.folder / "repos", shlex.join(site.command("run")), shlex.join(site.command("verify"))
    done = in_a_room_of_its_own(
        site,
        repos,
        "3200k",
        f"{borg14} init -e repokey-blake2 {site.repo()}",
        f"{run} > {site.folder}/first 2>&1 && exit 9 || echo $?",
        f"stat -f -c %a {repos}",
        f"mount -o remount,size=1g {repos}",
        run,
        f"{borg14} check --verify-data {site.repo()}",
        f"{borg14} list --short {site.repo()}",
        verify,
        far=far,
    )
    first = (site.folder / "first").read_text()
    assert done.returncode == 0, first + done.stdout + done.stderr
    code, free, *archives = done.stdout.split()
    assert code == "1"
    assert first.count("error[") == 1, first
    assert "No space left on device" in first
    assert "then start the same command again" in first
    assert "Traceback" not in first, first
    if far is None:
        assert int(free) > 100, "what was written in vain is given back: others need room, too"
    assert archives == [name_of(when) for when in times]


@pytest.mark.parametrize("how", ["full", "read-only"])
def test_a_record_that_cannot_be_written_stops_no_import(
    make_site: Callable[..., Site], borg14: Path, how: str
) -> None:
    site = make_site()
    times = history(site, nights=2)
    planned(site, "--encryption", "none")
    folder, kept = site.plan.parent, site.folder / "plan.yaml"
    shutil.copy(site.plan, kept)
    change = (
        f"cat /dev/zero > {folder}/filling 2> {folder}/said || rm {folder}/said"
        if how == "full"
        else f"mount -o remount,ro {folder}"
    )
    run = shlex.join(site.command("run"))
    done = in_a_room_of_its_own(site, folder, "100k", f"cp {kept} {folder}", change, run)
    assert done.returncode == 1, done.stderr
    assert done.stderr.count("error[BS696]") == done.stderr.count("error[") == 1, done.stderr
    assert "Traceback" not in done.stderr
    assert site.archives(borg14) == [name_of(when) for when in times]
    assert site.run("run").returncode == 0
    site.verify()
    assert site.run("report").returncode == 0


def test_a_plan_for_a_folder_that_takes_no_file_is_one_finding(make_site: Callable[..., Site]) -> None:
    site = make_site()
    history(site, nights=1)
    site.plan.parent.mkdir()
    change = f"mount -o remount,ro {site.plan.parent}"
    for name in ("plan", "rsnapshot"):
        done = in_a_room_of_its_own(site, site.plan.parent, "1m", change, shlex.join(site.command(name)))
        assert done.returncode == 1
        assert done.stderr.count("error[BS696]") == done.stderr.count("error[") == 1, done.stderr
        assert "Traceback" not in done.stderr


def command_line(process: int) -> bytes:
    """Give what a process was started with, nothing if it is gone."""
    try:
        return Path(f"/proc/{process}/cmdline").read_bytes()
    except OSError:
        return b""


def test_a_server_that_hangs_up_is_said_and_the_next_run_goes_on(make_site: Callable[..., Site], borg14: Path) -> None:
    site = make_site()
    times = history(site)
    site.borg(borg14, "init", "-e", "repokey-blake2", str(site.repo()))
    far = str(far_shell(site, borg14))
    repository = f"ssh://backup.example{site.repo()}"
    assert site.run("plan", repository=repository).returncode == 0
    with started(site, "run", "--log-json", BORG_RSH=far) as process:
        assert process.stdout is not None
        # At the first archive's start, when there is most left to do; once it runs, its server is there.
        assert any('"start"' in line for line in process.stdout)
        serving: list[int] = []
        while not serving and process.poll() is None:
            serving = [one for one in children(process.pid) if b"serve" in command_line(one)]
        os.kill(serving[-1], signal.SIGKILL)
        rest = process.stdout.read()
    assert process.returncode == 1
    assert rest.count('"finding"') == 1, rest
    # Whichever is first: reading from a server that is gone, or writing to it.
    assert "Connection closed by remote host" in rest or "Broken pipe" in rest
    assert "start the same command again" in rest
    assert "Traceback" not in rest
    site.borg(borg14, "list", "--lock-wait", "1", str(site.repo()))
    for name in ("run", "verify"):
        done = subprocess.run(
            site.command(name),
            env={**site.environment(), "BORG_RSH": far},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
    assert site.archives(borg14) == [name_of(when) for when in times]
    site.borg(borg14, "check", "--verify-data", str(site.repo()))


def test_a_killed_run_takes_the_process_that_runs_as_an_account_with_it(
    make_site: Callable[..., Site], borg14: Path
) -> None:
    site = make_site(commits_each=True)
    times = history(site)
    account = pwd.getpwnam("games")
    os.chown(site.folder / "repos", account.pw_uid, account.pw_gid)
    planned(site, "--encryption", "none")
    with started(site, "run", "--log-json") as process:
        assert process.stdout is not None
        assert any('"done"' in line for line in process.stdout)
        below = children(process.pid)
        assert {Path(f"/proc/{one}").stat().st_uid for one in below} <= {account.pw_uid, 0}
        assert f"Uid:\t{account.pw_uid}\t" in Path(f"/proc/{below[0]}/status").read_text()
        process.kill()
        process.wait()
        await_that(lambda: are_gone(below), "a process lives on", 5)
    done = site.run("run")
    assert done.returncode == 0, done.stderr
    assert {os.lstat(path).st_uid for path in (site.repo(), *site.repo().rglob("*"))} == {account.pw_uid}
    assert_nothing_is_left(site)
    assert_complete(site, borg14, times)


def test_what_a_killed_borg_was_writing_goes_and_what_a_living_one_is_about_stays(
    make_site: Callable[..., Site], borg14: Path
) -> None:
    site = make_site()
    history(site, nights=1)
    site.borg(borg14, "init", "-e", "repokey-blake2", str(site.repo()))
    planned(site)
    host, pid, _ = get_process_id()
    with subprocess.Popen(["true"]) as gone:
        pass
    for name, holder in (("live", f"{host}.{pid}-0"), ("dead", f"{host}.{gone.pid}-0"), ("away", "elsewhere@1.1-0")):
        folder = site.repo() / f"lock.exclusive.{name}xxxx.tmp"
        folder.mkdir()
        (folder / holder).touch()
    (site.repo() / "lock.exclusive.newxxxxx.tmp").mkdir()
    (site.repo() / "nonce-abcdefgh.tmp").touch()
    (site.repo() / "config-of-me.tmp").touch()
    done = site.run("run")
    assert done.returncode == 0, done.stderr
    assert {path.name for path in site.repo().glob("*.tmp")} == {
        "config-of-me.tmp",
        *(f"lock.exclusive.{name}.tmp" for name in ("livexxxx", "awayxxxx", "newxxxxx")),
    }


@pytest.mark.parametrize("size", ["16k", "24k", "40k"])
def test_a_full_disk_under_borg_s_caches_costs_no_more_than_the_caches(
    make_site: Callable[..., Site], borg14: Path, size: str, pinned: Pinned
) -> None:
    site = make_site()
    times = history(site, nights=2)
    planned(site, "--encryption", "none")
    base, run = site.folder / "base", shlex.join(site.command("run"))
    done = in_a_room_of_its_own(
        site, base, size, f"{run} 2> {site.folder}/first && exit 9 || echo $?", f"mount -o remount,size=10m {base}", run
    )
    first = (site.folder / "first").read_text()
    assert done.returncode == 0, done.stderr
    assert done.stdout == "1\n"
    assert first.count("error[BS631]") == first.count("error[") == 1, first
    assert f"make room for the repository, or for Borg's caches in {base}" in first
    pinned(first)
    assert site.archives(borg14) == [name_of(when) for when in times]
    site.verify()
