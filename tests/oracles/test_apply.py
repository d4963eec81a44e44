"""`apply`, run as an admin runs it, on folders that stand for machines."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from demo.lab.command import CLEAN, Outcome, run
from tests.golden.trees import INVENTORIES, Compiled, compile_to, files_of
from tests.oracles.machines import UNITS, images, units

pytestmark = [pytest.mark.root, pytest.mark.systemd]

MACHINES = [("laptop", None), ("small", None), ("infra4", "bkp01"), ("infra4", "web01"), ("everything", None)]
KEPT = ("var/lib/backupspec", "etc/backupspec/credentials")  # stays when a machine is given up: state and secrets


def _apply(machine: Path, root: Path, *, env: dict[str, str] | None = None, check: bool = True) -> Outcome:
    """Run a machine's `apply` with a folder in place of `/`."""
    root.mkdir(exist_ok=True)
    return run([str(machine / "apply"), "--root", str(root)], env={**CLEAN, **(env or {})}, check=check)


def _owned(root: Path) -> dict[str, tuple[int, bytes]]:
    """Give what lies below a root because of a compile: our files with mode and content, and the links of timers."""
    found: dict[str, tuple[int, bytes]] = {}
    for path in root.rglob("*"):
        name = path.relative_to(root).as_posix()
        if "backupspec" not in name or name.startswith((*KEPT, "var/lib/backupspec-apply")):
            continue
        if path.is_symlink():
            found[name] = (0, os.fsencode(path.readlink()))
        elif path.is_file():
            found[name] = (path.stat().st_mode & 0o7777, path.read_bytes())
    return found


def _expected(machine: Path) -> dict[str, tuple[int, bytes]]:
    """Give what should lie there: the image, and a link for each timer."""
    image = machine / "root"
    found = {name: ((image / name).stat().st_mode & 0o7777, data) for name, data in files_of(image).items()}
    for timer in units(image, ".timer"):
        found[f"{UNITS}/timers.target.wants/{timer.name}"] = (0, f"/{UNITS}/{timer.name}".encode())
    return found


def _edited(name: str, folder: Path, file: str, old: str, new: str) -> Path:
    """Compile a copy of an inventory in which one text is replaced."""
    copy = folder / "inventory"
    shutil.copytree(INVENTORIES[name], copy)
    text = (copy / file).read_text(encoding="utf-8")
    assert text.count(old) == 1
    (copy / file).write_text(text.replace(old, new), encoding="utf-8")
    compile_to(folder / "out", copy)
    return folder / "out"


@pytest.mark.parametrize(("name", "machine"), MACHINES)
def test_apply_puts_the_image_in_place_and_a_second_run_changes_nothing(
    name: str, machine: str | None, compiled: Compiled, tmp_path: Path
) -> None:
    for folder in sorted((compiled(name) / "hosts").iterdir()):
        if machine in (None, folder.name):
            root = tmp_path / folder.name
            _apply(folder, root)
            assert _owned(root) == _expected(folder)
            before = {path: path.lstat() for path in root.rglob("*")}
            again = _apply(folder, root)
            assert f"{folder.name}: 0 files changed\n" in again.stdout
            assert again.stderr == "" or re.search("lacks (a passphrase|the password)", again.stderr)
            state = root / "var/lib/backupspec-apply"
            after = {path: path.lstat() for path in root.rglob("*") if not path.is_relative_to(state)}
            times = {path: (item.st_ino, item.st_mtime_ns) for path, item in after.items() if path.is_file()}
            assert times == {path: (before[path].st_ino, before[path].st_mtime_ns) for path in times}
            assert [path for path in root.rglob("*") if path.name.endswith(".backupspec-new")] == []


def test_what_vanished_from_the_inventory_vanishes_from_the_machine(compiled: Compiled, tmp_path: Path) -> None:
    root = tmp_path / "root"
    _apply(compiled("small") / "hosts/web", root)
    secrets = files_of(root / "etc/backupspec/credentials")
    assert {"ssh_key", "ssh_key.pub", "passphrase-central"} == secrets.keys()
    later = _edited("small", tmp_path, "inventory.yaml", "www: {paths: [/srv/www]}", "site: {paths: [/srv/www]}")
    said = _apply(later / "hosts/web", root)
    assert "removed /etc/systemd/system/backupspec-www_central.timer" in said.stdout
    assert _owned(root) == _expected(later / "hosts/web")
    assert files_of(root / "etc/backupspec/credentials") == secrets
    assert [path for path in root.rglob("*") if path.is_symlink() and "www" in path.name] == []


def test_a_retired_machine_keeps_its_secrets_and_nothing_else(compiled: Compiled, tmp_path: Path) -> None:
    root = tmp_path / "root"
    _apply(compiled("small") / "hosts/office", root)
    secrets = files_of(root / "etc/backupspec/credentials")
    office = INVENTORIES["small"].joinpath("inventory.yaml").read_text(encoding="utf-8").partition("  office:\n")[2]
    later = _edited("small", tmp_path, "inventory.yaml", f"  office:\n{office}", "retired: [office]\n")
    assert images(later) == [later / "hosts/backup/root", later / "hosts/web/root"]
    _apply(later / "hosts/office", root)
    assert _owned(root) == {}
    assert files_of(root / "etc/backupspec/credentials") == secrets
    assert "0 files changed" in _apply(later / "hosts/office", root).stdout


def _killer(folder: Path, countdown: int) -> dict[str, str]:
    """Give an environment in which `apply` is killed by its mv(1) at the n-th time."""
    folder.mkdir()
    (folder / "left").write_text(str(countdown), encoding="utf-8")
    program = folder / "mv"
    program.write_text(
        f"#!/bin/sh\nleft=$(cat {folder}/left)\necho $((left - 1)) >{folder}/left\n"
        '[ "$left" -gt 0 ] || { kill -9 "$PPID"; exit 1; }\nexec /bin/mv "$@"\n',
        encoding="utf-8",
    )
    program.chmod(0o755)
    return {"PATH": f"{folder}:{CLEAN['PATH']}"}


@pytest.mark.parametrize(("name", "steps"), [("first", (0, 1, 6, 15, 24)), ("later", (0, 1, 3, 6, 8))])
def test_a_run_that_was_killed_is_completed_by_the_next(
    name: str, steps: tuple[int, ...], compiled: Compiled, tmp_path: Path
) -> None:
    """After so many of its files: on an empty machine, and on one that has the files of an earlier compile."""
    machine = compiled("small") / "hosts/web"
    if name == "later":
        later = _edited("small", tmp_path, "inventory.yaml", "www: {paths: [/srv/www]}", "site: {paths: [/srv/www]}")
        machine = later / "hosts/web"
    for countdown in steps:
        root = tmp_path / f"root-{countdown}"
        if name == "later":
            _apply(compiled("small") / "hosts/web", root)
        env = _killer(tmp_path / f"tools-{countdown}", countdown)
        assert _apply(machine, root, env=env, check=False).code < 0
        _apply(machine, root)
        assert _owned(root) == _expected(machine), countdown
        shutil.rmtree(root)


def test_apply_says_what_it_wants_and_changes_nothing(compiled: Compiled, tmp_path: Path) -> None:
    machine = compiled("small") / "hosts/web"
    for words in (["--root"], ["somewhere"], ["--root", str(tmp_path), "more"]):
        ran = subprocess.run([machine / "apply", *words], capture_output=True, text=True, check=False)
        assert ran.returncode == 2
        assert "root" in ran.stderr
    assert list(tmp_path.iterdir()) == []
