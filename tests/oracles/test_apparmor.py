"""What AppArmor lets QEMU do once `apply` ran, as its own parser reads libvirt's own profile; no kernel is asked."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from demo.lab.command import CLEAN, Outcome, run
from tests.golden.trees import Compiled
from tests.oracles.machines import fleet

pytestmark = [pytest.mark.root, pytest.mark.systemd, pytest.mark.apparmor]

RULES = Path("/etc/apparmor.d")
ABSTRACTION = "abstractions/libvirt-qemu"
PROFILE = "libvirt/TEMPLATE.qemu"
ADDITIONS = f"include if exists <{ABSTRACTION}.d>\n"
# As an admin may leave it: without an end of its last line, which the parser takes together with ours.
THEIRS = "# images of our own\n/srv/images/** rwk,"


# An abstraction that knows the folder (13) knows it in more words than one: that of 12 cannot be made of it.
_KNOWN = (RULES / ABSTRACTION).is_file() and f"{ABSTRACTION}.d" in (RULES / ABSTRACTION).read_text(encoding="utf-8")
FOLDERS = [pytest.param(True, id="with a folder"), *([] if _KNOWN else [pytest.param(False, id="without")])]


def _read(rules: Path, *, check: bool = True) -> Outcome:
    """Let the parser read the profile of a virtual machine with all that it includes, and say what it understood."""
    argv = ["apparmor_parser", "--skip-kernel-load", "--skip-cache", "--debug", f"--base={rules}", str(rules / PROFILE)]
    return run(argv, env=CLEAN, check=check)


def _written(rules: Path) -> set[str]:
    """Give where QEMU may write and lock, in the words of the parser's third or fourth version."""
    said = _read(rules).stdout
    return set(re.findall(r"^(?:Mode|Perms):\trwak:rwak(?: priority=0 )?\tName:\t\((.*)\)$", said, re.MULTILINE))


def _a_debian(root: Path, *, folder: bool) -> Path:
    """Lay out the rules of a Debian whose abstraction has a folder for additions (13), or a file alone (12)."""
    rules = root / "etc/apparmor.d"
    shutil.copytree(RULES, rules, symlinks=True)
    shutil.rmtree(rules / f"{ABSTRACTION}.d", ignore_errors=True)
    abstraction = rules / ABSTRACTION
    lines = abstraction.read_text(encoding="utf-8").splitlines()
    kept = [line for line in lines if not re.search(rf"include .*<(local/)?{ABSTRACTION}(\.d)?>", line)]
    kept += [f"include if exists <local/{ABSTRACTION}>", *([ADDITIONS.rstrip()] if folder else [])]
    abstraction.write_text("\n".join(kept) + "\n", encoding="utf-8")
    local = rules / "local" / ABSTRACTION
    local.parent.mkdir(parents=True, exist_ok=True)
    local.write_text(THEIRS, encoding="utf-8")
    return rules


@pytest.mark.parametrize("folder", FOLDERS)
@pytest.mark.parametrize(("name", "host"), [("kvm", "kvm01"), ("everything", "kvm")])
def test_qemu_may_write_to_scratch_space_and_nothing_of_others_is_lost(
    name: str, host: str, *, folder: bool, compiled: Compiled, tmp_path: Path
) -> None:
    rules = _a_debian(tmp_path, folder=folder)
    before = _written(rules)
    assert "/srv/images/**" in before
    jobs = next(each for each in fleet(name).hosts if each.name == host).virtual_machines
    scratch = {job.scratch for job in jobs if job.method != "guest"}
    for said in (not folder, False):  # the second time there is nothing to do
        ran = run([str(compiled(name) / "hosts" / host / "apply"), "--root", str(tmp_path)], env=CLEAN)
        assert ("added a line to" in ran.stdout) is said
        assert _written(rules) - before == {f"{each}/**" for each in (*scratch, "/run/backupspec-vm")}
        assert before <= _written(rules)
    local = (rules / "local" / ABSTRACTION).read_text(encoding="utf-8")
    assert local == THEIRS + ("" if folder else ADDITIONS)


def test_the_parser_refuses_a_rule_that_is_none(tmp_path: Path) -> None:
    """Else it would show nothing."""
    rules = _a_debian(tmp_path, folder=True)
    broken = rules / f"{ABSTRACTION}.d/backupspec"
    broken.parent.mkdir()
    broken.write_text('"/srv/scratch/**" rwk\n', encoding="utf-8")
    assert "syntax error" in _read(rules, check=False).stderr
