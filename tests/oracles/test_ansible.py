"""The compiled inventory and playbook under a real Ansible, with folders in place of machines."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from demo.lab.command import CLEAN
from tests.golden.trees import INVENTORIES, Compiled, files_of
from tests.oracles.machines import UNITS, fleet

pytestmark = [pytest.mark.root, pytest.mark.systemd, pytest.mark.slow]


def _ansible(program: str, tree: Path, home: Path, *words: str) -> str:
    """Run one of Ansible's programs beside the Python of these tests, everything that it writes below `home`."""
    env = {**CLEAN, "HOME": str(home), "ANSIBLE_HOME": str(home), "ANSIBLE_LOCALHOST_WARNING": "false", "NO_COLOR": "1"}
    argv = [str(Path(sys.executable).parent / program), "-i", str(tree / "ansible/inventory.yml"), *words]
    ran = subprocess.run(argv, capture_output=True, text=True, check=False, env=env, cwd=home)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "WARNING" not in ran.stderr
    return ran.stdout


def _changed(recap: str) -> dict[str, int]:
    """Give how many tasks changed each machine."""
    return {
        name: int(count) for name, count in re.findall(r"^(\S+) +: ok=\d+ +changed=(\d+) ", recap, flags=re.MULTILINE)
    }


@pytest.mark.parametrize("name", INVENTORIES)
def test_ansible_knows_every_machine_by_its_address(name: str, compiled: Compiled, tmp_path: Path) -> None:
    known = json.loads(_ansible("ansible-inventory", compiled(name), tmp_path, "--list"))
    variables = known["_meta"]["hostvars"]
    of = fleet(name)
    addresses = {host.name: host.address for host in of.hosts} | {item.name: item.address for item in of.servers}
    addresses |= {item.name: None for item in of.retired}
    assert {machine: variables[machine].get("ansible_host") for machine in variables} == addresses
    assert {*known.get("backupspec_servers", {}).get("hosts", ())} == {item.name for item in of.servers}
    retired = {*known.get("backupspec_retired", {}).get("hosts", ())}
    assert retired == {item.name for item in of.retired} - {item.name for item in of.servers}


def test_a_rollout_does_what_apply_does_and_a_second_one_changes_nothing(compiled: Compiled, tmp_path: Path) -> None:
    tree = compiled("small")
    machines = tmp_path / "machines"
    settings = {
        "ansible_connection": "local",
        "ansible_python_interpreter": sys.executable,
        "ansible_become": False,
        "backupspec_staging": f"{machines}/{{{{ inventory_hostname }}}}.staging",
        "backupspec_apply_arguments": ["--root", f"{machines}/{{{{ inventory_hostname }}}}"],
    }
    names = sorted(folder.name for folder in (tree / "hosts").iterdir())
    for name in names:
        (machines / name).mkdir(parents=True)
    words = ["--extra-vars", json.dumps(settings), "--forks", "2", str(tree / "ansible/playbook.yml")]
    tried = _ansible("ansible-playbook", tree, tmp_path, "--check", *words)
    assert _changed(tried) == dict.fromkeys(names, 0)
    assert not any(path for name in names for path in (machines / name).iterdir())
    assert _changed(_ansible("ansible-playbook", tree, tmp_path, *words)) == dict.fromkeys(names, 1)
    for name in names:
        image, root = tree / "hosts" / name / "root", machines / name
        put = {path: (root / path).read_bytes() for path in files_of(image)}
        assert put == files_of(image)
        assert all((root / path).stat().st_mode == (image / path).stat().st_mode for path in put)
        wanted = {path.name for path in (root / UNITS / "timers.target.wants").glob("*")}
        assert wanted == {path.name for path in (image / UNITS).glob("*.timer")}
    again = _ansible("ansible-playbook", tree, tmp_path, *words)
    assert _changed(again) == dict.fromkeys(names, 0)
    assert again.count(": 0 files changed") == len(names)
    shutil.rmtree(machines)
