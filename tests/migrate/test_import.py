from __future__ import annotations

import json
import os
import pwd
import random
import re
import shlex
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.diagnostics.pinned import Pinned
from tests.migrate.site import DAY, FIRST, OLD, Kind, Site, inventory, make_atimes_tell

pytestmark = [pytest.mark.root, pytest.mark.borg]


def name_of(when: int, host: str = "web01", job: str = "files") -> str:
    return f"{host}_{job}_{datetime.fromtimestamp(when, UTC):%Y-%m-%dT%H:%M:%S}Z"


def filled(site: Site, nights: int = 3) -> list[int]:
    site.put("web01/etc/motd", "first")
    site.put("web01/www/index.html", "<h1>hello</h1>")
    times = []
    for night in range(nights):
        site.put("web01/etc/motd", f"night {night}", mtime=OLD + night)
        times.append(site.night())
    return times


def large() -> bytes:
    """Give what Borg cuts into several chunks: the same bytes, so the same cuts, each time."""
    return random.Random(1).randbytes(12 << 20)  # noqa: S311 - no secret


def test_times_come_from_the_interval_folder_and_the_oldest_is_written_first(
    make_site: Callable[..., Site], kind: Kind, borg14: Path
) -> None:
    site = make_site(kind=kind)
    times = filled(site, 12)
    assert (site.snapshots / "daily.11").is_dir()
    site.migrate()
    listed = json.loads(site.borg(borg14, "list", "--json", str(site.repo())))["archives"]
    assert [one["name"] for one in listed] == [name_of(when) for when in times]
    assert [one["time"] for one in listed] == [
        f"{datetime.fromtimestamp(when, UTC):%Y-%m-%dT%H:%M:%S}.000000" for when in times
    ]
    written = [json.loads(line) for line in site.run("rsnapshot", "--log-json").stdout.splitlines()]
    assert [one["what"] for one in written if one["type"] == "progress"] == ["present"] * 12
    site.verify()


def test_each_inode_is_read_once_and_the_archives_check(
    make_site: Callable[..., Site], kind: Kind, borg14: Path
) -> None:
    site = make_site(kind=kind)
    filled(site, 4)
    done = site.run("rsnapshot", "--encryption", "none", "--log-json")
    events = [json.loads(line) for line in done.stdout.splitlines()]
    read = [one["inodes"] for one in events if one.get("what") == "done"]
    assert read == [2, 1, 1, 1]
    site.borg(borg14, "check", "--verify-data", str(site.repo()))


def test_extracted_archives_equal_the_snapshots(
    make_site: Callable[..., Site], kind: Kind, borg14: Path, place: Path
) -> None:
    site = make_site(kind=kind)
    strange(site)
    site.night()
    site.put("web01/etc/later", "new")
    when = site.night()
    site.migrate()
    out = place / "out"
    out.mkdir()
    site.borg(borg14, "extract", "--numeric-ids", f"{site.repo()}::{name_of(when)}", cwd=out)
    below = site.original()
    compare = [
        "rsync",
        "-aHAXn",
        "--checksum",
        "--delete",
        "--itemize-changes",
        f"{site.snapshots}/daily.0/web01/{below}/",
        f"{out}/{below}/",
    ]
    assert subprocess.run(compare, capture_output=True, check=True).stdout == b""
    site.verify()


def strange(site: Site) -> None:
    """Put everything that a file system can hold into the source."""
    site.put("web01/etc/motd", "x")
    for name in (
        b"web01/odd/caf\xe9",
        b"web01/odd/new\nline",
        b"web01/odd/-rf",
        b"web01/odd/2024-01-01T00:00:00",
        b"web01/odd/{now}",
    ):
        site.put(name, name)
    odd = site.sources / "web01/odd"
    (odd / "link").symlink_to("../etc/motd")
    (odd / "dangling").symlink_to(b"gone\xff".decode("utf-8", "surrogateescape"))
    os.mkfifo(odd / "fifo")
    os.mknod(odd / "null", 0o666 | 0o020000, os.makedev(1, 3))
    big = site.put("web01/odd/setuid", b"#!/bin/sh\n")
    big.chmod(0o4755)
    os.chown(site.put("web01/odd/owned", "o"), 4_000_000, 3_000_000)
    sparse = odd / "sparse"
    with sparse.open("wb") as file:
        file.truncate(3_000_000)
        file.seek(2_000_000)
        file.write(b"end")
    first = site.put("web01/odd/one", "linked")
    (odd / "two").hardlink_to(first)
    os.setxattr(site.put("web01/odd/attr", "a"), "user.colour", b"blue")
    os.setxattr(odd / "attr", "user.empty", b"")
    subprocess.run(["setfacl", "-m", "u:daemon:r,g:54321:rw", odd / "attr"], check=True)
    subprocess.run(["setfacl", "-d", "-m", "g:daemon:rwx", odd], check=True)
    (site.sources / "web01/empty").mkdir()
    site.put("web01/odd/nothing", b"")
    site.put("web01/odd/large", os.urandom(1_500_000))
    site.age()


def test_every_kind_of_entry_is_equal_to_the_source(make_site: Callable[..., Site], kind: Kind, borg14: Path) -> None:
    site = make_site(kind=kind)
    strange(site)
    when = site.night()
    site.night()
    site.migrate()
    done = site.verify()
    assert "equal to the source in every item and byte: 2 archives" in done.stderr
    items = site.items(borg14, name_of(when))
    below = site.original()
    assert f"{below}/odd/2024-01-01T00:00:00" in items
    assert items[f"{below}/odd/two"]["source"] == f"{below}/odd/one"
    assert items[f"{below}/odd/one"]["hardlink_master"] is True
    assert items[f"{below}/odd/setuid"]["hardlink_master"] is False
    # The dump writes names that are not UTF-8 as a mark and hexadecimal digits.
    assert not [path for path in items if not path.startswith((below, "\x7f"))], (
        "no parent folders outside the job's paths"
    )


def test_two_hosts_with_equal_path_size_and_time_keep_their_own_bytes(
    make_site: Callable[..., Site], kind: Kind, borg14: Path
) -> None:
    site = make_site(
        kind=kind, lines=[("a/", "web01/", ""), ("b/", "web02/", "")], long_args="--delete --delete-excluded"
    )
    site.put("a/etc/secret", b"of the first")
    site.put("b/etc/secret", b"of the other")
    when = site.night()
    site.migrate(source=site.snapshots)
    for host, content in (("web01", "of the first"), ("web02", "of the other")):
        assert (
            site.borg(borg14, "extract", "--stdout", f"{site.repo(host)}::{name_of(when, host)}", "etc/secret")
            == content
        )


def test_two_hosts_share_one_repository_only_when_each_is_named(make_site: Callable[..., Site], borg14: Path) -> None:
    site = make_site(lines=[("a/", "hosts/web01/", ""), ("b/", "./web02", "")])
    site.put("a/etc/secret", b"of the first")
    site.put("b/etc/secret", b"of the other")
    when = site.night()
    both = site.run("rsnapshot", "--encryption", "none", repository=f"{site.folder}/repos/web01")
    assert both.returncode == 1
    assert "would put 2 hosts into one repository: web01, web02" in both.stderr
    assert not site.repo().exists(), "a forgotten {host} merges nothing"
    for host in ("web01", "web02"):
        done = site.run("rsnapshot", "--encryption", "none", "--host", host, repository=f"{site.folder}/repos/web01")
        assert done.returncode == 0, done.stderr
    assert site.archives(borg14) == [name_of(when, "web01"), name_of(when, "web02")]


def test_the_source_is_the_same_in_every_inode_and_time_after(make_site: Callable[..., Site], kind: Kind) -> None:
    site = make_site(kind=kind)
    strange(site)
    site.night()
    site.night()
    before = make_atimes_tell(site.snapshots)
    site.migrate()
    assert inventory(site.snapshots) == before
    site.verify()
    before_verify = make_atimes_tell(site.snapshots)
    site.verify()
    assert inventory(site.snapshots) == before_verify


def test_a_source_on_a_read_only_mount_is_enough_for_every_step(make_site: Callable[..., Site], kind: Kind) -> None:
    site = make_site(kind=kind)
    filled(site, 2)
    steps = (
        [*site.command("scan")[:-1], str(site.conf)],
        site.command("plan", "--encryption", "none"),
        *(site.command(name) for name in ("run", "verify", "report")),
        [*site.command("rsnapshot", "--encryption", "none"), "--plan", f"{site.folder}/other/plan.yaml"],
    )
    before = make_atimes_tell(site.snapshots)
    mount = 'mount --bind "$1" "$1"; mount -o remount,bind,ro "$1"; ! touch "$1/x" 2>/dev/null; '
    script = "set -e; " + mount + "; ".join(map(shlex.join, steps))
    command = ["unshare", "-m", "sh", "-c", script, "sh", str(site.snapshots)]
    done = subprocess.run(command, env=site.environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "Safe to retire the old tree: yes" in done.stdout
    assert inventory(site.snapshots) == before


def test_a_rerun_adds_nothing_and_after_a_rotation_only_what_is_new(
    make_site: Callable[..., Site], kind: Kind, borg14: Path
) -> None:
    site = make_site(kind=kind)
    times = filled(site, 2)
    site.migrate()
    before = site.borg(borg14, "list", "--format", "{id}{NL}", str(site.repo()))
    # Which archive is which is in the repository alone.
    shutil.rmtree(site.folder / "base")
    site.plan.with_name("plan.record.json").unlink()
    assert "nothing new: 2 archives are there already" in site.migrate().stderr
    assert site.borg(borg14, "list", "--format", "{id}{NL}", str(site.repo())) == before
    site.put("web01/etc/new", "new")
    times.append(site.night())
    assert "imported: 1 archive in 1 repository; 2 were there already" in site.migrate().stderr
    after = site.borg(borg14, "list", "--format", "{id}{NL}", str(site.repo()))
    assert after.startswith(before)
    assert site.archives(borg14) == [name_of(when) for when in times]
    site.verify()


def test_a_killed_run_leaves_nothing_behind_and_the_next_one_completes_it(
    make_site: Callable[..., Site], borg14: Path
) -> None:
    site = make_site(commits_each=True)
    for number in range(300):
        site.put(f"web01/data/{number}", os.urandom(3000))
    for night in range(6):
        site.put("web01/data/changing", os.urandom(2_000_000), mtime=OLD + night)
        site.night()
    for moment in (1, 2, 4):
        command = site.command("rsnapshot", "--encryption", "none", "--log-json")
        with subprocess.Popen(command, env=site.environment(), stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            seen = 0
            for line in process.stdout:
                seen += '"done"' in line or '"present"' in line
                if seen >= moment:
                    break
            process.send_signal(signal.SIGKILL)
            process.wait()
    assert site.lockfile.exists()
    done = site.migrate()
    assert "interrupted migration" in done.stderr
    assert not site.lockfile.exists()
    assert len(site.archives(borg14)) == 6
    site.verify()
    site.borg(borg14, "check", "--verify-data", str(site.repo()))
    assert not [path for path in site.repo().iterdir() if path.name.startswith("lock")]


def test_an_interrupted_run_gives_up_all_locks_at_once(make_site: Callable[..., Site]) -> None:
    site = make_site()
    for number in range(200):
        site.put(f"web01/data/{number}", os.urandom(3000))
    for _ in range(5):
        site.night()
    command = site.command("rsnapshot", "--encryption", "none", "--log-json")
    with subprocess.Popen(
        command, env=site.environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
    assert process.returncode != 0
    assert not site.lockfile.exists()
    assert not [path for path in site.repo().iterdir() if path.name.startswith("lock")]
    site.migrate()


def test_a_file_that_cannot_be_read_is_named_and_its_snapshot_not_called_done(
    make_site: Callable[..., Site], kind: Kind, borg14: Path
) -> None:
    site = make_site(kind=kind)
    site.put("web01/etc/good", "good")
    whole = site.night()
    site.put("web01/etc/bad", "bad")
    broken = site.night()
    bad = site.snapshots / "daily.0" / "web01" / site.original() / "etc/bad"
    # Reading a process's memory at address zero is an honest input/output error, for root too.
    script = 'mount --bind /proc/$$/mem "$1" && shift && exec "$@"'
    command = ["unshare", "-m", "sh", "-c", script, "sh", str(bad), *site.command("rsnapshot", "--encryption", "none")]
    done = subprocess.run(command, env=site.environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert f"/{site.original()}/etc/bad of web01 cannot be read: Input/output error" in done.stderr
    assert "NOT complete" in done.stderr
    assert site.archives(borg14) == [name_of(whole)]
    site.migrate()
    assert site.archives(borg14) == [name_of(whole), name_of(broken)]
    site.verify()


def test_what_is_no_snapshot_is_left_out_and_said(make_site: Callable[..., Site], kind: Kind, borg14: Path) -> None:
    site = make_site(kind=kind)
    times = filled(site, 1)
    for name in (".sync", "_delete.4711", "daily.1.bak", "hourly.0", "tmp", "lost+found", "daily.3.delete"):
        (site.snapshots / name / "web01").mkdir(parents=True)
    (site.snapshots / "latest").symlink_to("daily.0")
    (site.snapshots / "daily.7").symlink_to("daily.0")
    done = site.migrate()
    for name in (
        ".sync",
        "_delete.4711",
        "daily.1.bak",
        "hourly.0",
        "tmp",
        "lost+found",
        "daily.3.delete",
        "latest",
        "daily.7",
    ):
        assert f"{name} is no snapshot" in done.stderr
    assert site.archives(borg14) == [name_of(when) for when in times]


def test_doubtful_snapshots_need_a_decision(make_site: Callable[..., Site], borg14: Path) -> None:
    site = make_site()
    times = filled(site, 3)
    newest = site.snapshots / "daily.0"
    os.utime(newest, (times[1], times[1]))
    done = site.run("rsnapshot", "--encryption", "none")
    assert done.returncode == 1
    assert "daily.0 is doubtful: it has the time of daily.1" in done.stderr
    assert site.archives(borg14) == [name_of(when) for when in times[:2]]
    site.migrate("--skip", "daily.0")
    os.utime(site.snapshots / "daily.2", (times[2] + DAY, times[2] + DAY))
    os.utime(newest, (times[2], times[2]))
    done = site.run("rsnapshot")
    assert "daily.2 is doubtful: it is newer than daily.1" in done.stderr
    site.migrate("--accept", "daily.2")
    assert name_of(times[2] + DAY) in site.archives(borg14)


def test_a_running_rsnapshot_is_waited_for_and_a_dead_one_makes_its_snapshot_doubtful(
    make_site: Callable[..., Site],
) -> None:
    site = make_site()
    filled(site, 2)
    site.lockfile.write_text(str(os.getpid()))
    done = site.run("rsnapshot", "--encryption", "none")
    assert done.returncode == 1
    assert f"held by process {os.getpid()}" in done.stderr
    assert not site.repo().exists()
    with subprocess.Popen(["true"]) as gone:
        pass
    site.lockfile.write_text(str(gone.pid))
    done = site.run("rsnapshot", "--encryption", "none")
    assert done.returncode == 1
    assert "daily.0 is doubtful: rsnapshot left its lockfile behind" in done.stderr


def test_rsnapshot_itself_is_kept_out_while_a_migration_runs(make_site: Callable[..., Site]) -> None:
    site = make_site()
    for number in range(400):
        site.put(f"web01/data/{number}", os.urandom(3000))
    for _ in range(3):
        site.night()
    with subprocess.Popen(
        site.command("rsnapshot", "--encryption", "none"), env=site.environment(), stderr=subprocess.DEVNULL
    ) as process:
        while not site.lockfile.exists() and process.poll() is None:
            time.sleep(0.005)
        refused = subprocess.run(["rsnapshot", "-c", site.conf, "daily"], capture_output=True, text=True, check=False)
        assert process.wait() == 0
    assert refused.returncode == 1
    assert "so does its process" in refused.stdout + refused.stderr


def test_a_rotation_behind_our_back_gives_no_archive(make_site: Callable[..., Site]) -> None:
    site = make_site(extra=["#"])
    site.conf.write_text(re.sub(r"lockfile\t.*\n", "", site.conf.read_text()))
    for number in range(500):
        site.put(f"web01/data/{number}", os.urandom(3000))
    for _ in range(2):
        site.night()
    command = site.command("rsnapshot", "--encryption", "none", "--log-json")
    with subprocess.Popen(command, env=site.environment(), stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        while '"start"' not in process.stdout.readline():
            pass
        (site.snapshots / "daily.1").rename(site.snapshots / "daily.2")
        rest = process.stdout.read()
    assert process.returncode == 1
    assert "rotated, added or removed" in rest or "cannot be read" in rest
    (site.snapshots / "daily.2").rename(site.snapshots / "daily.1")
    site.migrate()
    site.verify()


def test_a_repository_of_an_account_gets_no_file_of_root(make_site: Callable[..., Site], borg12: Path) -> None:
    site = make_site()
    secret = site.put("web01/etc/shadow", "secret")
    secret.chmod(0o600)
    site.night()
    site.put("web01/etc/later", "x")
    site.night()
    account = pwd.getpwnam("games")
    os.chown(site.folder / "repos", account.pw_uid, account.pw_gid)
    before = make_atimes_tell(site.snapshots)
    site.migrate()
    site.verify()
    assert inventory(site.snapshots) == before
    owners = {os.lstat(path)[4:6] for path in [site.repo(), *site.repo().rglob("*")]}
    assert owners == {(account.pw_uid, account.pw_gid)}
    home = site.folder / "home"
    home.mkdir()
    os.chown(home, account.pw_uid, account.pw_gid)
    reads = (
        "+dac_read_search"  # as a compiled job does; the borg of the tests may lie where the account could not see it
    )
    become = ["setpriv", f"--reuid={account.pw_uid}", f"--regid={account.pw_gid}", "--clear-groups"]
    become += [f"--inh-caps={reads}", f"--ambient-caps={reads}"]
    later = [*become, str(borg12), "create", f"{site.repo()}::later", "/etc/hostname"]
    done = subprocess.run(
        later, env={**site.environment(), "BORG_BASE_DIR": str(home)}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_a_repository_is_made_only_when_asked_for(make_site: Callable[..., Site], borg14: Path) -> None:
    site = make_site()
    filled(site, 1)
    done = site.run("rsnapshot")
    assert done.returncode == 1
    assert f"no repository at {site.repo()}" in done.stderr
    assert not site.repo().exists()
    done = site.run("rsnapshot", "--encryption", "repokey-blake2")
    assert done.returncode == 0, done.stderr
    assert json.loads(site.borg(borg14, "info", "--json", str(site.repo())))["encryption"]["mode"] == "repokey-blake2"
    assert site.run("verify").returncode == 0


def test_an_unknown_unencrypted_repository_is_not_trusted(make_site: Callable[..., Site], borg14: Path) -> None:
    site = make_site()
    filled(site, 1)
    site.borg(borg14, "init", "-e", "none", str(site.repo()))
    done = subprocess.run(
        site.command("rsnapshot"),
        env={
            **site.environment(),
            "BORG_BASE_DIR": str(site.folder / "other"),
            "BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK": "no",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "was never seen before" in done.stderr
    assert "BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK=yes" in done.stderr


def test_a_name_that_is_taken_by_another_archive_is_left_alone(make_site: Callable[..., Site], borg14: Path) -> None:
    site = make_site()
    when = filled(site, 1)[0]
    site.borg(borg14, "init", "-e", "none", str(site.repo()))
    site.borg(borg14, "create", f"{site.repo()}::{name_of(when)}", "/etc/hostname")
    done = site.run("rsnapshot")
    assert done.returncode == 1
    assert f"{name_of(when)} is in {site.repo()} already, and not from" in done.stderr


def test_sockets_are_counted_and_said(make_site: Callable[..., Site]) -> None:
    site = make_site()
    site.put("web01/etc/x", "x")
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(site.sources / "web01/sock"))
        site.night()
    done = site.migrate()
    assert re.search(r"1 not stored: a socket \(/.*/web01/sock\)", done.stderr)
    site.verify()


def test_a_host_called_like_a_placeholder_is_refused_with_a_way_out(
    make_site: Callable[..., Site], borg14: Path
) -> None:
    site = make_site(lines=[("web01/", "{now}/", "")])
    when = filled(site, 1)[0]
    done = site.run("rsnapshot", "--encryption", "none")
    assert done.returncode == 1
    assert "'{now}' is no host name" in done.stderr
    assert "--rename '{now}'=NAME" in done.stderr
    site.migrate("--rename", "{now}=web01")
    assert site.archives(borg14) == [name_of(when)]


def test_a_lock_left_without_a_network_is_known_to_be_stale(make_site: Callable[..., Site]) -> None:
    """Without a network card Borg's own name for the machine is another one each time."""
    site = make_site(commits_each=True)
    for number in range(200):
        site.put(f"web01/data/{number}", os.urandom(3000))
    for night in range(4):
        site.put("web01/data/changing", os.urandom(2_000_000), mtime=OLD + night)
        site.night()
    alone = ["unshare", "--net", *site.command("rsnapshot", "--encryption", "none", "--log-json")]
    with subprocess.Popen(alone, env=site.environment(), stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert any('"done"' in line for line in process.stdout)
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert [path for path in site.repo().iterdir() if path.name.startswith("lock")], "the lock is left behind"
    again = subprocess.run(alone, env=site.environment(), capture_output=True, text=True, check=False)
    assert again.returncode == 0, again.stdout + again.stderr
    site.verify()


def test_a_series_that_nobody_named_is_said(make_site: Callable[..., Site]) -> None:
    site = make_site()
    filled(site, 1)
    for words in (("--dry-run",), ("--encryption", "none")):
        done = site.run("rsnapshot", *words)
        assert "only a job called `files` continues and prunes them" in done.stderr
    assert "only a job called" not in site.run("rsnapshot", "--job", "files").stderr


def test_a_dry_run_that_leaves_something_out_says_so(make_site: Callable[..., Site]) -> None:
    site = make_site(lines=[("web01/", "web01/", ""), ("odd/", "{now}/", "")])
    filled(site, 1)
    done = site.run("rsnapshot", "--dry-run")
    assert done.returncode == 1
    assert "NOT complete: 1 error" in done.stderr


def test_a_verification_makes_no_repository_and_offers_nothing_of_the_kind(make_site: Callable[..., Site]) -> None:
    site = make_site()
    filled(site, 1)
    assert site.run("verify", "--encryption", "none").returncode == 2
    assert site.run("verify", "--compression", "none").returncode == 2


def test_other_braces_in_the_template_are_refused(make_site: Callable[..., Site], pinned: Pinned) -> None:
    site = make_site()
    filled(site, 1)
    done = site.run("rsnapshot", repository=f"{site.folder}/repos/{{host}}-{{now}}")
    assert done.returncode == 1
    pinned(done.stderr)


def test_a_dry_run_shows_the_plan_and_writes_nothing(make_site: Callable[..., Site]) -> None:
    site = make_site()
    when = filled(site, 1)[0]
    done = site.run("rsnapshot", "--dry-run")
    assert done.returncode == 0
    assert f"{name_of(when)}  from daily.0/web01" in done.stdout
    assert not site.repo().exists()
    assert not site.lockfile.exists()


def test_inode_numbers_of_two_file_systems_are_told_apart(make_site: Callable[..., Site]) -> None:
    site = make_site()
    filled(site, 1)
    inside = site.snapshots / "daily.0" / "web01" / site.original()
    for name in ("one", "two"):
        (inside / name).mkdir()
    os.utime(site.snapshots / "daily.0", (FIRST, FIRST))
    run, check = shlex.join(site.command("rsnapshot", "--encryption", "none")), shlex.join(site.command("verify"))
    script = f"""
        cd "$1"
        for d in one two; do
            mount -t tmpfs none $d
            echo $d-$d > $d/f
            ln $d/f $d/g
            touch -d @1700000000 $d $d/f
        done
        stat -c %i one/f two/f | uniq | wc -l
        cd /
        {run} && {check}
    """
    command = ["unshare", "-m", "sh", "-c", script, "sh", str(inside)]
    done = subprocess.run(command, env=site.environment(), capture_output=True, text=True, check=False)
    assert done.stdout.split()[0] == "1", "the two file systems should have used the same inode number"
    assert done.returncode == 0, done.stderr


def test_a_repository_behind_borg_serve_is_written_and_verified_too(
    make_site: Callable[..., Site], borg14: Path
) -> None:
    site = make_site()
    times = filled(site, 2)
    site.borg(borg14, "init", "-e", "repokey-blake2", str(site.repo()))
    far = site.folder / "ssh"
    far.write_text(f'#!/bin/sh\nshift\nshift\nexec {borg14} "$@"\n')
    far.chmod(0o755)
    environment = {**site.environment(), "BORG_RSH": str(far)}
    for name in ("rsnapshot", "verify"):
        command = site.command(name, repository=f"ssh://backup.example{site.folder}/repos/{{host}}")
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    assert site.archives(borg14) == [name_of(when) for when in times]


def test_without_the_right_to_seal_the_source_files_and_folders_keep_their_times(
    make_site: Callable[..., Site],
) -> None:
    site = make_site()
    filled(site, 2)
    before = make_atimes_tell(site.snapshots)
    for words in (("rsnapshot", "--encryption", "none"), ("verify",)):
        command = ["setpriv", "--bounding-set=-sys_admin", *site.command(*words)]
        done = subprocess.run(command, env=site.environment(), capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    assert inventory(site.snapshots) == before
