"""What a folder is: a tree that can be read, one that needs a word more, or another program's, by name."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from backupspec.diagnostic import Diagnostic
from backupspec_migrate.find_layout import SourceWish, detect
from tests.diagnostics.pinned import Pinned
from tests.migrate.looking import look, refused

OTHERS = {
    "restic": ["config", "data/", "index/", "keys/", "snapshots/", "locks/"],
    "Kopia": ["kopia.repository.f", "p/"],
    "duplicity": ["duplicity-full.20240102T020500Z.manifest.gpg", "duplicity-full.20240102T020500Z.vol1.difftar.gpg"],
    "Duplicati": ["duplicati-20240102T020500Z.dlist.zip.aes", "duplicati-b0.dblock.zip.aes"],
    "rdiff-backup": ["rdiff-backup-data/", "etc/"],
    "BackupPC": ["pc/", "cpool/", "conf/"],
    "dirvish": ["web01/dirvish/default.conf", "web01/20240102/tree/etc/", "web01/20240102/summary"],
    "Time Machine": ["Backups.backupdb/mac/2024-01-02-020500/"],
    "ZFS": [".zfs/snapshot/autosnap_2024-01-02_00:00:01_daily/"],
    "Snapper": [".snapshots/1/info.xml", ".snapshots/1/snapshot/etc/"],
    "UrBackup": ["urbackup_tmp_files/", "web01/240102-0205/"],
}


def tree(root: Path, *names: str) -> Path:
    for name in names:
        path = root / name
        if name.endswith("/"):
            path.mkdir(parents=True)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("x")
    return root


def with_name(pattern: str) -> SourceWish:
    """Say the host, unless the pattern does."""
    return SourceWish(pattern=pattern, timezone="UTC", name=None if "{host}" in pattern else "web01")


@pytest.mark.parametrize("program", OTHERS)
def test_another_program_is_refused_by_name_with_what_to_do(tmp_path: Path, program: str, pinned: Pinned) -> None:
    found = refused(tree(tmp_path, *OTHERS[program]))
    assert (found.code, found.message) == ("BS671", f"{tmp_path} belongs to {program}")
    pinned(found)


@pytest.mark.parametrize("program", ["dirvish", "ZFS", "UrBackup"])
def test_a_pattern_that_a_hint_gives_reads_that_tree(tmp_path: Path, program: str) -> None:
    source = tree(tmp_path, *OTHERS[program])
    hint = refused(source).hint
    match = re.search(r"--pattern '([^']+)'", hint)
    assert match is not None
    where = source / ".zfs/snapshot" if program == "ZFS" else source
    assert len(look(where, with_name(match[1])).times) == 1


def repository(root: Path, borg: Path) -> tuple[Path, dict[str, str]]:
    environment = {
        **os.environ,
        "BORG_BASE_DIR": str(root / "base"),
        "BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK": "yes",
    }
    environment["BORG_RELOCATED_REPO_ACCESS_IS_OK"] = "yes"
    (root / "source").mkdir()
    (root / "source/file").write_text("x")
    path = root / "a repository"
    for command in (["init", "-e", "none", str(path)], ["create", f"{path}::one", "source"]):
        subprocess.run([borg, *command], cwd=root, env=environment, check=True)
    return path, environment


@pytest.mark.borg
def test_a_borg_repository_is_one_already(tmp_path: Path, borg14: Path) -> None:
    path, _ = repository(tmp_path, borg14)
    found = refused(path)
    assert (found.code, found.message) == ("BS671", f"{path} is a Borg repository already")


@pytest.mark.borg
@pytest.mark.parametrize("generation", ["borg12", "borg14"])
def test_an_attic_repository_is_led_to_borgs_own_upgrade(
    tmp_path: Path, generation: str, request: pytest.FixtureRequest, pinned: Pinned
) -> None:
    """Attic's repositories differ from Borg's in the magic of their segments: one is made, and the commands are run."""
    borg = request.getfixturevalue(generation)
    path, environment = repository(tmp_path, borg)
    for segment in path.glob("data/*/*"):
        segment.write_bytes(b"ATTICSEG" + segment.read_bytes()[8:])
    (path / "README").write_text("This is an Attic repository\n")
    listed = subprocess.run([borg, "list", path], env=environment, capture_output=True, text=True, check=False)
    assert "Attic repository detected" in listed.stderr
    found = refused(path)
    assert found.code == "BS672"
    pinned(found)
    known = subprocess.run([borg, "upgrade", "--help"], capture_output=True, text=True, check=True).stdout
    for command in found.hint.partition("): ")[2].split("; "):
        words = shlex.split(command)
        if "--archives-tam" in words and "--archives-tam" not in known:
            continue
        words[0] = str(borg) if words[0] == "borg" else words[0]
        subprocess.run(words, env=environment, check=True, capture_output=True)
    assert (tmp_path / "a repository.attic/data").is_dir()
    done = subprocess.run([borg, "list", "--short", path], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "one\n"


def test_a_tree_of_rsnapshot_is_known_without_its_configuration(tmp_path: Path) -> None:
    assert detect(tree(tmp_path, "daily.0/web01/etc/", "daily.1/web01/etc/", "snapshots/")) == "rsnapshot"


DATED = {
    "%Y-%m-%d": "2024-01-02",
    "%Y%m%d": "20240102",
    "%Y-%m-%d_%H%M": "2024-01-02_0205",
    "%Y-%m-%d_%H-%M-%S": "2024-01-02_02-05-00",
    "%Y-%m-%dT%H:%M:%S": "2024-01-02T02:05:00",
    "%Y%m%d-%H%M": "20240102-0205",
    "%Y%m%dT%H%M%S": "20240102T020500",
    "%Y%m%d%H%M%S": "20240102020500",
}


@pytest.mark.parametrize("form", DATED)
@pytest.mark.parametrize("below", ["", "web01/"])
def test_folders_with_dates_ask_for_a_pattern_and_give_it(
    tmp_path: Path, form: str, below: str, pinned: Pinned
) -> None:
    source = tree(tmp_path, f"{below}{DATED[form]}/etc/")
    found = refused(source)
    assert found.code == "BS674"
    pinned(found)
    pattern = f"{{host}}/{form}" if below else form
    assert f"--pattern '{pattern}'" in found.hint
    assert "--timezone" in found.hint
    assert len(look(source, with_name(pattern)).times) == 1


def test_what_nobody_knows_is_refused_with_what_was_looked_for(tmp_path: Path, pinned: Pinned) -> None:
    found = refused(tree(tmp_path, "music/", "films/"))
    assert (found.code, "it has films, music" in found.message) == ("BS673", True)
    assert "rsnapshot's NAME.NUMBER" in found.hint
    (tmp_path / "empty").mkdir()
    nothing = refused(tmp_path / "empty")
    assert "it has no folders" in nothing.message
    pinned(found, nothing)


def test_a_folder_of_repositories_is_known_by_what_is_in_it(tmp_path: Path) -> None:
    source = tree(tmp_path, *(f"web01/{name}" for name in OTHERS["restic"]))
    assert refused(source).message == f"{tmp_path}/web01 belongs to restic"


def test_a_folder_that_cannot_be_read_is_said(tmp_path: Path, pinned: Pinned) -> None:
    found = detect(tmp_path / "absent")
    assert isinstance(found, Diagnostic)
    assert found.code == "BS610"
    pinned(found)


def test_what_is_for_dated_folders_is_not_for_a_configuration(tmp_path: Path) -> None:
    conf = tmp_path / "rsnapshot.conf"
    conf.write_text("x")
    assert refused(conf, SourceWish(pattern="%F", timezone="UTC")).code == "BS675"
    assert refused(conf, SourceWish(name="web01")).code == "BS675"


@pytest.mark.parametrize("name", ["scan", "plan", "rsnapshot"])
def test_names_that_are_no_utf_8_to_python_are_a_finding_before_anything_is_read(
    tmp_path: Path, name: str, pinned: Pinned
) -> None:
    """Borg would store other bytes than the source has."""
    (tmp_path / "tree/daily.0/web01").mkdir(parents=True)
    words = [] if name == "scan" else ["--repository", f"{tmp_path}/{{host}}"]
    done = subprocess.run(
        [sys.executable, "-m", "backupspec", "migrate", name, str(tmp_path / "tree"), *words],
        env={**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    assert done.stderr.count("error[BS661]") == done.stderr.count("error[") == 1
    assert "set LC_ALL=C.UTF-8" in done.stderr
    pinned(done.stderr)
    assert [path.name for path in tmp_path.iterdir()] == ["tree"]
