"""Findings of a migration that other tests know by their words only, each provoked once, with its code and place."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import typer

from backupspec_migrate.commands import said
from tests.diagnostics.pinned import Pinned
from tests.migrate.site import FIRST, Site
from tests.migrate.test_commands import planned
from tests.migrate.test_import import filled, name_of

pytestmark = [pytest.mark.root, pytest.mark.borg]


def found(pinned: Pinned, site: Site, name: str, *words: str) -> dict[str, str]:
    """Run a command that says what is pinned; give the first line of each finding by its code."""
    ran = site.run(name, *words)
    assert "Traceback" not in ran.stderr
    pinned(ran.stderr)
    return dict(reversed(re.findall(r"(?m)^\w+\[(BS\d+)\]: (.*)$", ran.stderr)))


def motd(site: Site) -> Path:
    return site.snapshots / "daily.0/web01" / site.original() / "etc/motd"


def test_a_plan_says_what_it_leaves_out_and_what_is_not_there(make_site: Callable[..., Site], pinned: Pinned) -> None:
    site = make_site()
    filled(site, 1)
    (site.snapshots / "daily.0/notes.txt").write_text("whose?")
    (site.snapshots / "holiday").mkdir()
    told = found(pinned, site, "plan", "--encryption", "none")
    assert told["BS616"] == "notes.txt in daily.0 belongs to no host and is imported nowhere"
    assert told["BS699"].startswith("holiday is taken for no snapshot")
    assert (
        found(pinned, site, "plan", "--encryption", "none", "--host", "web02")["BS617"]
        == "no snapshot holds a host 'web02'"
    )


def test_a_run_says_who_holds_the_lock_and_what_is_wrong_with_a_repository(
    make_site: Callable[..., Site], borg14: Path, pinned: Pinned
) -> None:
    site = make_site()
    (when,) = filled(site, 1)
    planned(site, "--encryption", "repokey-blake2")
    site.lockfile.write_text(f"{os.getpid()}\n")
    assert found(pinned, site, "run")["BS620"].endswith(f"{site.lockfile} is held by process {os.getpid()}")
    scan = subprocess.run(
        [*site.command("rsnapshot")[:4], "scan", str(site.conf)],
        env=site.environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert scan.returncode == 1
    assert f"held by process {os.getpid()}" in " ".join(scan.stdout.split())
    assert "daily.0" in scan.stdout, "whoever only looks sees the tree all the same"
    site.lockfile.write_text("4194304\n")  # one more than any process can have
    assert found(pinned, site, "run")["BS621"].startswith(
        f"{site.lockfile} was left behind by an rsnapshot that was interrupted"
    )
    site.extra = ["stop_on_stale_lockfile\t1"]
    site.configure()
    assert found(pinned, site, "run")["BS620"].startswith(f"{site.lockfile} was left behind by a process that died")
    site.extra = []
    site.configure()
    site.lockfile.unlink()
    assert found(pinned, site, "run")["BS634"].startswith(f"{site.repo()} was made, and its only key lies in it")

    shutil.rmtree(site.repo())
    assert found(pinned, site, "verify")["BS630"] == f"no repository at {site.repo()}"

    site.borg(borg14, "init", "--encryption", "none", str(site.repo()))
    site.borg(borg14, "create", f"{site.repo()}::{name_of(when)}", str(site.conf))
    site.plan.unlink()
    planned(site)
    assert found(pinned, site, "run")["BS633"].startswith(f"{name_of(when)} is in {site.repo()} already, and not from ")


def test_an_unencrypted_repository_that_was_never_seen_is_not_written_to(
    make_site: Callable[..., Site], borg14: Path, monkeypatch: pytest.MonkeyPatch, pinned: Pinned
) -> None:
    site = make_site()
    filled(site, 1)
    site.borg(borg14, "init", "--encryption", "none", str(site.repo()))
    site.run("plan", "--force")
    shutil.rmtree(site.folder / "base")
    known = site.environment()
    del known["BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK"]
    monkeypatch.setattr(site, "environment", lambda: known)
    assert found(pinned, site, "run")["BS632"] == f"{site.repo()} is not encrypted, and was never seen before"


def test_a_file_that_cannot_be_read_leaves_its_archive_out(
    make_site: Callable[..., Site], borg14: Path, pinned: Pinned
) -> None:
    """The memory of a process that is gone stands in for a bad disk: it can be looked at and not be read."""
    site = make_site()
    filled(site, 1)
    planned(site)
    mounted = 'mount --bind /proc/self/mem "$0" && exec "$@"'
    argv = ["unshare", "--mount", "sh", "-c", mounted, str(motd(site)), *site.command("run")]
    ran = subprocess.run(argv, env=site.environment(), capture_output=True, text=True, check=False)
    assert ran.returncode == 1
    assert "error[BS640]: /" in ran.stderr
    assert "etc/motd of web01 cannot be read: " in ran.stderr
    pinned(re.sub(r"(?<= cannot be read: ).*", "WHY", ran.stderr))  # the kernel's word for it is its own
    assert site.archives(borg14) == []


def test_what_was_not_yet_committed_when_a_file_could_not_be_read_is_written_again(
    make_site: Callable[..., Site], borg14: Path
) -> None:
    site = make_site()
    times = []
    for text in ("first", "second", "third", "fourth"):
        site.put("web01/etc/motd", text)
        times.append(site.night())
    planned(site)
    mounted = 'mount --bind /proc/self/mem "$0" && exec "$@"'
    # The first archive is committed at once, which tells how long that takes; all others wait for the last one.
    patient = "from backupspec_migrate import run; from backupspec.cli import main; run._LEAST, run._TOGETHER = 0, 1e9"
    command = [sys.executable, "-c", f"{patient}; main()", *site.command("run", "--log-json")[3:]]
    unreadable = site.snapshots / "daily.1/web01" / site.original() / "etc/motd"
    argv = ["unshare", "--mount", "sh", "-c", mounted, str(unreadable), *command]
    ran = subprocess.run(argv, env=site.environment(), capture_output=True, text=True, check=False)
    assert ran.returncode == 1
    events = [json.loads(line) for line in ran.stdout.splitlines() if line.startswith('{"type": "progress"')]
    first, second, third, fourth = (name_of(when) for when in times)
    started = [one["archive"] for one in events if one["what"] == "start"]
    assert started == [first, second, third, second, fourth]
    assert [one["archive"] for one in events if one["what"] == "done"] == [first, second, fourth]
    assert site.archives(borg14) == [first, second, fourth]


def test_a_verification_says_what_is_missing_and_what_differs(
    make_site: Callable[..., Site], borg14: Path, pinned: Pinned
) -> None:
    site = make_site()
    (when,) = filled(site, 1)
    os.utime(motd(site), (-60, -60))
    planned(site)
    assert "1 stored with another time: before 1970" in found(pinned, site, "run")["BS641"]
    motd(site).with_name("new").write_text("x")
    os.utime(motd(site).parent, (FIRST, FIRST))
    assert "/etc/new is in the source and not in " in site.run("verify").stderr
    assert "etc" in found(pinned, site, "verify")["BS651"]
    motd(site).with_name("new").unlink()
    os.utime(motd(site).parent, (FIRST, FIRST))
    motd(site).write_text("NIGHT 0")
    os.utime(motd(site), (-60, -60))
    assert re.search("etc/motd in .* differs: content", found(pinned, site, "verify")["BS652"])
    site.borg(borg14, "delete", f"{site.repo()}::{name_of(when)}")
    assert name_of(when) in found(pinned, site, "verify")["BS650"]


def test_without_borgs_package_a_command_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], pinned: Pinned
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(typer.Exit) as ended:
        said.need_borg()
    assert ended.value.exit_code == said.ENVIRONMENT
    shown = capsys.readouterr().err
    assert "error[BS660]: Borg's Python package is not installed here" in shown
    assert "pipx install 'backupspec[migrate]'" in shown
    pinned(shown)
