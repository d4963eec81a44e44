"""What `libvirt discover` writes: YAML of this house whatever machines, disks and images are called."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backupspec.document import plain
from backupspec.domain import Disk, Domain
from backupspec.hypervisor.fragment import can_be_written, fragment, size
from backupspec.hypervisor.job_names import is_fit, job_names
from backupspec.hypervisor.machine import Hypervisor, Machine
from backupspec.parse import parse
from backupspec.pipeline import compile_inventory
from backupspec.source import Source

ROOT = """\
version: 1
fleet: test
include: [kvm01.yaml]
repositories: {usb: {path: /media/backup/borg, mounted: [/media/backup]}}
defaults: {to: [usb]}
"""
HOSTILE = (
    *("no", "on", "Off", "y", "null", "~", "true", "123", "0123", "08", "0x1f", "1_000", "1e3", "3.14", "2027-01-01"),
    *("-rf", "- a", "a: b", "a #b", "#", "&a", "*a", "!a", "%a", "@a", "`a`", "|", ">", "? a", "<<", "=", "[a]", "{a}"),
    *("it's", '"', "\\", "\\n", "../../etc", "a b", "Shop & stock (old)", "日本", "Ünïcode", "x" * 197, "x" * 198),
    *("line\nbreak", "tab\t", "es\x1b[31mc", "sep\u2028arator", "turned\u202earound", "ends "),
)


def machine(name: str, *disks: Disk, **more: object) -> Machine:
    made = {"running": None, "persistent": True, "sizes": {}, **more}
    return Machine("<domain/>", Domain(name, disks), **made)  # type: ignore[arg-type]


def written(machines: Iterable[Machine]) -> str:
    found = Hypervisor("qemu:///system", "kvm01.example.org", tuple(machines))
    return fragment(found, "kvm01", job_names(one.name for one in found.machines), {})


def told(text: str) -> dict[str, dict[str, object]]:
    root, found = parse(Source("kvm01.yaml", text))
    assert (root is not None, found) == (True, ())
    document = plain(root) if root is not None else None
    assert isinstance(document, dict)
    host = document["hosts"]["kvm01"]
    assert isinstance(host, dict)
    return host


def test_what_it_writes_reads_like_this() -> None:
    root = Disk("vda", "/var/lib/libvirt/images/web02.qcow2", format="qcow2")
    data = Disk("vdb", "/dev/vg0/web02", kind="block", format="raw")
    disks = (
        Disk("sda", "pool/image", kind="network", format="raw", within="rbd"),
        Disk("sdb", "/dev/sdx", kind="block", device="lun", format="raw"),
        Disk("vda", "shop", kind="volume", format="qcow2", within="default"),
    )
    running = Domain("web02", (root, data), agent="connected")
    shop = Domain("Shop & stock (old)", disks, agent="silent")
    said = written(
        [
            machine("web02", root, running=running, sizes={"vda": 20 * 2**30}),
            machine("Shop & stock (old)", running=shop, persistent=False, sizes={"sda": 1509949}),
            machine("diskless"),
            machine("odd", trouble="it has a disk with the target `x`"),
        ]
    )
    forgotten = "libvirt forgets it when it goes off (it is transient)"
    expected = textwrap.dedent("""\
        hosts:
          kvm01:
            # Room for what the machines overwrite while they are read: make this folder, or name another one.
            scratch: /srv/scratch
            virtual_machines:
              # web02: runs; a guest agent is connected
              #   vda: qcow2, 20 GiB, /var/lib/libvirt/images/web02.qcow2
              #   vdb: raw, size unknown, /dev/vg0/web02, until it goes off
              web02:
                disks: [vda, vdb]
              # Shop & stock (old): runs; it has a channel for a guest agent, and none is connected; FORGOTTEN
              #   sda: raw, 1.44 MiB, rbd:pool/image
              #   sdb: a LUN, raw, size unknown, /dev/sdx
              #   vda: qcow2, size unknown, volume shop of the pool default
              shop-stock-old:
                domain: 'Shop & stock (old)'
                disks: [sda, sdb, vda]
              # NOT HERE: odd: it has a disk with the target `x`
            not_backed_up:
              - what: 'vm:diskless'
                because: it has no disks
        """)
    assert said[said.index("hosts:") :] == expected.replace("FORGOTTEN", forgotten)


def test_hostile_names_become_an_inventory_that_is_valid(tmp_path: Path) -> None:
    """Of each name that an inventory can hold, exactly; of the others, no more than a comment."""
    machines = [machine(name, Disk("vda", f"/images/{name}")) for name in HOSTILE]
    text = written([*machines, machine("-none-"), machine("no: ne")])
    (tmp_path / "inventory.yaml").write_text(ROOT, encoding="utf-8")
    (tmp_path / "kvm01.yaml").write_text(text, encoding="utf-8")
    run = compile_inventory(tmp_path)
    assert [each.message for each in run.diagnostics] == []
    assert run.fleet is not None
    (host,) = run.fleet.hosts
    assert {job.domain for job in host.virtual_machines} == {name for name in HOSTILE if can_be_written(name)}
    assert [each.what for each in host.not_backed_up] == ["vm:-none-", "vm:no: ne"]
    assert text.count("NOT HERE") == 8


def test_a_hypervisor_without_machines_is_an_entry_without_any(tmp_path: Path) -> None:
    (tmp_path / "inventory.yaml").write_text(ROOT, encoding="utf-8")
    (tmp_path / "kvm01.yaml").write_text(written([]), encoding="utf-8")
    assert [each.code for each in compile_inventory(tmp_path).diagnostics if each.severity.label == "error"] == []


@given(st.lists(st.tuples(st.text(min_size=1), st.text()), unique_by=lambda pair: pair[0], max_size=4))
def test_no_name_and_no_path_gets_out_of_its_place(pairs: list[tuple[str, str]]) -> None:
    host = told(written(machine(name, Disk("vda", path)) for name, path in pairs))
    machines = host["virtual_machines"]
    named = {str(job.get("domain", name)) if isinstance(job, dict) else "" for name, job in machines.items()}
    assert named == {name for name, _ in pairs if can_be_written(name)}
    assert set(host) <= {"virtual_machines", "scratch"}


@given(st.lists(st.text(min_size=1), unique=True, max_size=8))
def test_every_machine_gets_a_job_s_name_of_its_own_and_keeps_a_fit_one(names: list[str]) -> None:
    given_names = job_names(names)
    assert set(given_names) == set(names)
    assert len(set(given_names.values())) == len(names)
    assert all(job == name for name, job in given_names.items() if is_fit(name))
    assert all(is_fit(job) for job in given_names.values())


@pytest.mark.parametrize(
    ("number", "said"),
    [(0, "0 bytes"), (1023, "1023 bytes"), (1024, "1 KiB"), (1509949, "1.44 MiB"), (3 * 2**40, "3 TiB")],
)
def test_sizes_are_said_in_powers_of_1024(number: int, said: str) -> None:
    assert size(number) == said
