from __future__ import annotations

import json
import random
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from demo.lab.command import CLEAN
from tests.golden.trees import INVENTORIES, ROOT, Compiled, compile_to, files_of


def _described(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Give mode and content of each file."""
    return {path: ((folder / path).stat().st_mode, data) for path, data in files_of(folder).items()}


def _shuffled(node: yaml.Node | None, chance: random.Random) -> None:
    """Bring the keys of every mapping below `node` into another order."""
    if isinstance(node, yaml.MappingNode):
        chance.shuffle(node.value)
        for _, value in node.value:
            _shuffled(value, chance)
    elif isinstance(node, yaml.SequenceNode):
        for value in node.value:
            _shuffled(value, chance)


def _rewrite(folder: Path, chance: random.Random, comment: str) -> None:
    """Shuffle every file of an inventory and put a comment before each line, and at its end."""
    for path in sorted(folder.rglob("*.yaml")):
        node = yaml.compose(path.read_text(encoding="utf-8"))
        _shuffled(node, chance)
        text = yaml.serialize(node, width=100_000, allow_unicode=True)
        path.write_text("".join(f"# {comment}\n{line} # {comment}\n" for line in text.splitlines()), encoding="utf-8")
    for path in sorted(folder.rglob("*.json")):
        node = yaml.compose(path.read_text(encoding="utf-8"))
        _shuffled(node, chance)
        flow = yaml.safe_load(yaml.serialize(node))
        path.write_text(json.dumps(flow, ensure_ascii=bool(chance.randrange(2)), indent=chance.randrange(4)), "utf-8")


@pytest.mark.parametrize("name", INVENTORIES)
def test_the_order_of_keys_and_comments_change_nothing(name: str, compiled: Compiled, tmp_path: Path) -> None:
    expected = _described(compiled(name))
    for seed in range(3):
        copy = tmp_path / f"inventory-{seed}"
        shutil.copytree(INVENTORIES[name], copy)
        _rewrite(copy, random.Random(seed), f"{seed}: a remark")  # noqa: S311 - not for secrets
        compile_to(tmp_path / f"out-{seed}", copy)
        assert _described(tmp_path / f"out-{seed}") == expected


_LOCALE = "import locale; print(locale.setlocale(locale.LC_ALL, ''), locale.localeconv()['decimal_point'])"


@pytest.mark.root
@pytest.mark.parametrize(
    ("env", "locale"),
    [
        ({"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0", "TZ": "Pacific/Kiritimati"}, "C ."),
        ({"LANG": "tr_TR.UTF-8", "TZ": "America/St_Johns", "SOURCE_DATE_EPOCH": "1"}, "tr_TR.UTF-8 ,"),
        ({"PYTHONHASHSEED": "1", "COLUMNS": "20", "NO_COLOR": "1"}, None),
        ({"PYTHONHASHSEED": "4242", "PYTHONOPTIMIZE": "1", "FORCE_COLOR": "1"}, None),
    ],
    ids=["plain-c", "turkish", "hashes-1", "hashes-2"],
)
def test_neither_locale_nor_time_zone_nor_hash_seed_nor_folder_nor_machine_change_anything(
    env: dict[str, str], locale: str | None, compiled: Compiled, tmp_path: Path
) -> None:
    """The locale is there, and in force; the machine has another name."""
    name = "everything"
    copy = tmp_path / "Größe of another place" / "inventory"
    shutil.copytree(INVENTORIES[name], copy)
    whole = {**CLEAN, "HOME": str(tmp_path), **env}
    if "LANG" in env:
        whole.pop("LC_ALL", None)
        whole["LOCPATH"] = str(tmp_path)
        subprocess.run(["localedef", "-i", "tr_TR", "-f", "UTF-8", str(tmp_path / env["LANG"])], check=True)
    if locale is not None:
        said = subprocess.run([sys.executable, "-c", _LOCALE], env=whole, capture_output=True, text=True, check=True)
        assert said.stdout.strip() == locale
    elsewhere = ["unshare", "--uts", "sh", "-euc", 'hostname elsewhere; exec "$@"', "sh"]
    ran = subprocess.run(
        [*elsewhere, sys.executable, "-m", "backupspec", "compile", "inventory", "--output", "out"],
        cwd=copy.parent,
        env=whole,
        umask=0o077,
        capture_output=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert _described(copy.parent / "out") == _described(compiled(name))


@pytest.mark.parametrize("name", ["small", "infra4"])
def test_a_new_host_changes_no_other_host_s_tree(name: str, compiled: Compiled, tmp_path: Path) -> None:
    copy = tmp_path / "inventory"
    shutil.copytree(INVENTORIES[name], copy)
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "key")], check=True)
    shutil.copy(tmp_path / "key.pub", copy / "keys" / "another.pub")
    inventory = copy / "inventory.yaml"
    new = "  another: {address: 192.0.2.99, profiles: [linux], files: {own: {paths: [/srv/own]}}}\n"
    if name == "small":
        inventory.write_text(inventory.read_text(encoding="utf-8").rstrip("\n") + "\n" + new, encoding="utf-8")
    else:
        (copy / "hosts" / "another.yaml").write_text(f"hosts:\n{new}", encoding="utf-8")
    compile_to(tmp_path / "out", copy)
    before, after = _described(compiled(name)), _described(tmp_path / "out")
    changed = {path for path in before.keys() | after.keys() if before.get(path) != after.get(path)}
    server = {"small": "backup", "infra4": "bkp01"}[name]
    tree = {path.split("/")[1] for path in changed if path.startswith("hosts/")}
    assert tree == {"another", server}
    assert {path for path in changed if not path.startswith("hosts/")} == {
        "README.md",
        "ansible/inventory.yml",
        "manifest.json",
    }
    assert {path for path in changed if path.startswith(f"hosts/{server}/root/")} == {
        f"hosts/{server}/root/etc/ssh/backupspec/bs-another",
        f"hosts/{server}/root/etc/sysusers.d/backupspec.conf",
        f"hosts/{server}/root/etc/tmpfiles.d/backupspec.conf",
    }


def test_what_is_written_names_settings_never_lines_nor_the_folder_nor_the_day(compiled: Compiled) -> None:
    for name in INVENTORIES:
        for path, data in files_of(compiled(name)).items():
            text = data.decode()
            assert str(ROOT) not in text, path
            assert not re.search(r"\.ya?ml:\d+", text), path
        manifest = json.loads((compiled(name) / "manifest.json").read_text(encoding="utf-8"))
        assert all(not re.search(r":\d", entry["origin"]) for entry in manifest["files"].values())
