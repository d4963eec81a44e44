from __future__ import annotations

import json
import os
import pwd
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.diagnostics.pinned import Pinned
from tests.migrate.site import inventory

pytestmark = [pytest.mark.borg]


def _rehearse(
    folder: Path | str, cwd: Path, user: str | None = None, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the command in a process of its own, with a home and a machine's folder that are not to be touched."""
    argv = [sys.executable, "-m", "backupspec", "migrate", "rehearse", str(folder)]
    if user is not None:
        # The checkout may lie where that user may not look.
        look = ["--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"]
        argv = ["setpriv", f"--reuid={user}", "--clear-groups", *look, *argv]
    home = {"HOME": str(cwd / "home"), "PYTHONDONTWRITEBYTECODE": "1", **(env or {})}
    return subprocess.run(
        argv,
        cwd=cwd,
        env={**os.environ, **home},
        capture_output=True,
        text=True,
        check=False,
    )


def _shown(said: str) -> list[str]:
    """Give the commands that were shown."""
    return re.findall(r"(?m)^    \$ (.*)$", said)


@pytest.mark.root
@pytest.mark.slow
def test_a_rehearsal_goes_through_the_whole_migration_of_both_kinds_of_tree(place: Path, borg14: Path) -> None:
    (place / "home").mkdir()
    beside = inventory(place / "home")
    ran = _rehearse("practice", place)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    folder = place / "practice"
    reports = [json.loads((folder / tree / "plan.report.json").read_text()) for tree in ("cp-al", "link_dest")]
    assert [report["verdict"]["safe"] for report in reports] == [True, True]
    found = {series["host"]: series["verified_whole"] for report in reports for series in report["series"]}
    assert found == {"web01": 6, "db01": 6, "mail01": 6}
    for host, number in found.items():
        listed = subprocess.run(
            [borg14, "list", "--short", folder / "repositories" / host],
            env={
                **os.environ,
                "BORG_BASE_DIR": str(folder / "borg"),
                "BORG_PASSCOMMAND": f"cat {folder}/passphrases/{host}",
            },
            capture_output=True,
            text=True,
            check=True,
        )
        assert len(listed.stdout.split()) == number
    assert inventory(place / "home").keys() == beside.keys()
    assert {path.name for path in place.iterdir()} == {"home", "practice"}
    words = [command.split()[2] for command in _shown(ran.stdout) if command.startswith("backupspec migrate ")]
    assert words == ["scan", "plan", "run", "verify", "report", "run", "plan", "run", "verify", "report"]
    assert _shown(ran.stdout)[-1] == f"rm -rf {folder}"
    assert "nothing new: 12 archives are there already" in ran.stdout
    passphrases = [path.read_text().strip() for path in (folder / "passphrases").iterdir()]
    assert not any(secret in ran.stdout + ran.stderr for secret in passphrases)


@pytest.mark.root
@pytest.mark.slow
def test_the_commands_that_it_shows_can_be_typed(place: Path) -> None:
    (place / "home").mkdir()
    first = _rehearse("practice", place)
    assert first.returncode == 0, first.stdout + first.stderr
    program = place / "bin/backupspec"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m backupspec "$@"\n')
    program.chmod(0o755)
    env = {
        **os.environ,
        "PATH": f"{program.parent}:{os.environ['PATH']}",
        "HOME": str(place / "home"),
        "BORG_BASE_DIR": str(place / "practice/borg"),
    }
    again = [
        command for command in _shown(first.stdout) if re.match(r"backupspec migrate (run|verify|report)", command)
    ]
    for command in again:
        ran = subprocess.run(command, shell=True, cwd=place / "practice", env=env, capture_output=True, check=False)  # noqa: S602 - what an admin types goes to a shell
        assert ran.returncode == 0, ran.stdout + ran.stderr
    subprocess.run(_shown(first.stdout)[-1], shell=True, check=True)  # noqa: S602 - as above
    assert not (place / "practice").exists()


@pytest.mark.root
@pytest.mark.slow
def test_it_needs_no_root_and_says_what_that_leaves_out(place: Path) -> None:
    for name in ("home", "nobodys"):
        (place / name).mkdir()
        os.chown(place / name, pwd.getpwnam("nobody").pw_uid, -1)
    ran = _rehearse(place / "nobodys", place, user="nobody")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "You are not root" in ran.stdout
    owners = {path.lstat().st_uid for path in (place / "nobodys/hosts").rglob("*")}
    assert owners == {pwd.getpwnam("nobody").pw_uid}


@pytest.mark.parametrize(
    ("folder", "says"),
    [("full", "full is not empty"), ("two words", "rsnapshot cannot be told of"), ("full/file", "cannot be used")],
)
def test_a_folder_that_is_not_fit_is_refused(tmp_path: Path, folder: str, says: str, pinned: Pinned) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full/file").write_text("of somebody's")
    ran = _rehearse(folder, tmp_path)
    assert ran.returncode == 1
    assert says in ran.stderr
    pinned(ran.stderr)
    assert [path.name for path in tmp_path.rglob("*")] == ["full", "file"]


def test_without_rsnapshot_it_says_what_to_install(tmp_path: Path, pinned: Pinned) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/rsync").symlink_to(shutil.which("rsync") or "")
    ran = _rehearse("practice", tmp_path, env={"PATH": str(tmp_path / "bin")})
    assert ran.returncode == 3
    assert "apt-get install rsnapshot\n" in ran.stderr
    pinned(ran.stderr)
    assert not (tmp_path / "practice").exists()


def test_an_rsnapshot_that_fails_ends_the_rehearsal_with_what_it_said(tmp_path: Path, pinned: Pinned) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/rsnapshot").write_text("#!/bin/sh\necho 'ERROR: no /bin/cp' >&2\nexit 1\n")
    (tmp_path / "bin/rsnapshot").chmod(0o755)
    ran = _rehearse("practice", tmp_path, env={"PATH": f"{tmp_path}/bin:{os.environ['PATH']}"})
    assert ran.returncode == 1
    assert "rsnapshot daily ended with 1" in ran.stderr
    pinned(ran.stderr)
