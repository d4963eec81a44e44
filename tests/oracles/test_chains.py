"""That what backups are put together from stays whole, and leads nowhere: the compiled scripts beside a model."""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backupspec.plan import plan
from backupspec.render import text_of
from demo.lab.command import CLEAN
from tests.diagnostics.fleets import fleet_of

INVENTORY = """
repositories:
  local: {path: /mnt/borg}
hosts:
  k.v:
    to: [local]
    scratch: /srv/scratch
    virtual_machines: {w.b: {disks: [vda], method: incremental}}
"""
START = "k.v_w.b_"
CHOOSE = "found=$1\nstart=$2\ndisks=\nchoose\n"


@pytest.fixture(scope="module")
def scripts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Give the compiled scripts of a job, by name."""
    planned, _ = plan(fleet_of(tmp_path_factory.mktemp("chains"), INVENTORY))
    return {file.path.rpartition("/")[2]: text_of(file) for file in planned.files if "/jobs/w.b_local/" in file.path}


@pytest.fixture(scope="module")
def functions(scripts: dict[str, str]) -> str:
    """Give those that decide what goes."""
    return "".join(re.findall(r"^(?:chain|choose)\(\) \{\n.*?^\}\n", scripts["prune"], re.MULTILINE | re.DOTALL))


def name(number: int) -> str:
    return f"2026-11-{number + 1:02}T01:02:03Z"


def needed(since: Mapping[int, int | None], number: int) -> set[int]:
    """Give what a backup is put together from, itself too, as far as it is there."""
    found: set[int] = set()
    at: int | None = number
    while at is not None and at in since and at not in found:
        found.add(at)
        at = since[at]
    return found


@settings(max_examples=60)
@given(data=st.data())
def test_what_stays_has_all_that_it_needs(functions: str, data: st.DataObject) -> None:
    """Also where clocks went back, backups are gone by another hand, and disks are there of which none is left."""
    numbers = st.integers(0, 11)
    since = data.draw(st.dictionaries(numbers, st.none() | numbers, max_size=12))
    old = data.draw(st.sets(st.sampled_from(sorted(since)))) if since else set()
    loose = data.draw(st.dictionaries(numbers, numbers, max_size=3))
    names = [f"{START}{name(number)}" for number in since]
    for number, before in since.items():
        names.append(f"{START}vda{'' if before is None else f'-since-{name(before)}'}_{name(number)}")
    names += [
        f"{START}vda-since-{name(before)}_{name(number)}" for number, before in loose.items() if number not in since
    ]
    names.append(f"{START}vda_{name(0)}.partial")
    with tempfile.TemporaryDirectory() as folder:
        found = Path(folder)
        (found / "names").write_text("".join(f"{each}\n" for each in names))
        (found / "old").write_text("".join(f"{name(number)}\n" for number in sorted(old)))
        subprocess.run(
            ["dash", "-euc", functions + CHOOSE, "choose", folder, START], check=True, capture_output=True, env=CLEAN
        )
        gone = (found / "gone").read_text().splitlines()
    stays = set(since) - old
    kept = stays.union(*(needed(since, number) for number in stays))
    assert gone == [name(number) for number in sorted(set(since) - kept, reverse=True)]


@pytest.mark.parametrize(
    ("lost", "said"),
    [
        ("", ""),
        (f"{START}{name(1)}", name(1)),
        (f"{START}vda_{name(0)}", f"{name(0)} of the disk vda"),
        (f"{START}vdb-since-{name(0)}_{name(1)}", f"{name(1)} of the disk vdb"),
    ],
)
def test_a_chain_is_whole_or_says_what_it_lacks(lost: str, said: str, functions: str) -> None:
    names = [f"{START}{name(number)}" for number in range(4)]
    names += [f"{START}{disk}_{name(number)}" for disk in ("vda", "vdb") for number in (0, 3)]
    names += [f"{START}{disk}-since-{name(number - 1)}_{name(number)}" for disk in ("vda", "vdb") for number in (1, 2)]
    names = [each for each in names if each != lost]
    script = f"{functions}start={START}\ndisks='vda vdb'\nchain \"$1\"\n"
    ran = subprocess.run(
        ["dash", "-c", script, "chain", name(2)],
        input="".join(f"{each}\n" for each in names),
        capture_output=True,
        text=True,
        check=False,
        env=CLEAN,
    )
    complaint = f"backupspec: the repository has no backup of {said}\n" if said else ""
    assert (ran.returncode, ran.stderr) == (1 if said else 0, complaint)
    if not said:
        assert ran.stdout.splitlines() == [name(number) for number in range(3)]


IMAGES = {
    "plain": ([], True),
    "backed": (["-b", "other", "-F", "raw"], False),
    "data elsewhere": (["-o", "data_file=data,data_file_raw=on"], False),
    "old": (["-o", "compat=0.10"], False),
    # With LUKS, qemu-img would measure how fast this machine is, and give up on a busy one.
    "encrypted": (["--object", "secret,id=s,data=x", "-o", "encrypt.format=aes,encrypt.key-secret=s"], False),
    "lazy": (["-o", "lazy_refcounts=on"], True),
}


@pytest.mark.libvirt
@pytest.mark.parametrize("kind", IMAGES)
def test_an_image_that_leads_to_another_file_is_not_opened(kind: str, scripts: dict[str, str], tmp_path: Path) -> None:
    """What a repository has instead of changed blocks must not make root's QEMU read a file of the host."""
    options, fit = IMAGES[kind]
    (tmp_path / "other").write_bytes(bytes(2**20))
    subprocess.run(
        ["qemu-img", "create", "-q", "-f", "qcow2", *options, "image", "1M"], cwd=tmp_path, check=True, env=CLEAN
    )
    (plain,) = re.findall(r"^plain\(\) \{\n.*?^\}\n", scripts["restore"], re.MULTILINE | re.DOTALL)
    for size, wanted in ((2**20, fit), (2**21, False)):
        ran = subprocess.run(
            ["dash", "-c", f'{plain}plain "$1" "$2"', "plain", str(tmp_path / "image"), str(size)],
            check=False,
            env=CLEAN,
        )
        assert (ran.returncode == 0) == wanted
