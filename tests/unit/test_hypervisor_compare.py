"""What `libvirt check` finds, each in the words that a user sees: an inventory and what a hypervisor has, as text."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from backupspec import show
from backupspec.codes.hypervisors import HYPERVISORS
from backupspec.diagnostic import Diagnostics
from backupspec.domain import Domain, read_domain
from backupspec.hypervisor.compare import compare
from backupspec.hypervisor.machine import Hypervisor, Machine
from tests.diagnostics.fleets import fleet_of

HOST = """\
repositories: {{usb: USB}}
hosts:
  kvm:
    to: [usb]
    scratch: /srv/scratch
    {lines}
"""
AGENT = "<channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0' state='{state}'/></channel>"


def disk(target: str, image: str = "") -> str:
    source = image or f"/images/{target}"
    return f"<disk type='file'><source file='{source}'/><target dev='{target}'/></disk>"


def xml(name: str, *devices: str, uuid: str = "") -> str:
    return f"<domain><name>{name}</name><uuid>{uuid}</uuid><devices>{''.join(devices)}</devices></domain>"


def domain(text: str) -> Domain:
    found = read_domain(text)
    assert isinstance(found, Domain)
    return found


def machine(defined: str, running: str | None = None, *, trouble: str = "") -> Machine:
    now = None if running is None else domain(running)
    return Machine(defined, domain(defined), now, persistent=True, sizes={}, trouble=trouble)


def found(folder: Path, lines: str, machines: tuple[Machine, ...], kept: dict[str, str] | None = None) -> Diagnostics:
    for name, text in (kept or {}).items():
        (folder / f"{name}.xml").write_text(text, encoding="utf-8")
    fleet = fleet_of(folder, HOST.format(lines=lines))
    (host,) = fleet.hosts
    files = {name: (f"{name}.xml", domain(text)) for name, text in (kept or {}).items()}
    return compare(host, Hypervisor("qemu:///system", "kvm", machines), files)


def codes(*arguments: object) -> list[str]:
    return [each.code for each in found(*arguments)]  # type: ignore[arg-type]


WEB = xml("web", disk("vda"), uuid="u1")
JOB = "virtual_machines: {web: {disks: [vda]}}"
KEPT = "virtual_machines: {web: {xml: web.xml}}"
ADD = (
    "add it to `virtual_machines` (`backupspec libvirt discover` writes the lines), or to `not_backed_up` with a reason"
)
INSTALL = "install qemu-guest-agent in the guest, and give the machine the channel org.qemu.guest_agent.0"
ANEW = "keep its definition anew: virsh --connect qemu:///system dumpxml --inactive --domain u1 >web.xml"
PINNED: dict[str, tuple[str, tuple[Machine, ...], dict[str, str], str]] = {
    "BS701": (
        "files: {etc: {paths: [/etc]}}",
        (machine(WEB, WEB),),
        {},
        f"""
        error[BS701]: `web` runs on kvm, and nothing says how it is backed up
         --> inventory.yaml:6:3
          = hint: {ADD}
        """,
    ),
    "BS702": (
        "files: {etc: {paths: [/etc]}}",
        (machine(WEB),),
        {},
        f"""
        warning[BS702]: `web` is defined on kvm, and nothing says how it is backed up
         --> inventory.yaml:6:3
          = hint: {ADD}
        """,
    ),
    "BS703": (
        JOB,
        (),
        {},
        """
        error[BS703]: kvm has no virtual machine `web`, which `web` backs up
         --> inventory.yaml:9:24
          = hint: name the right one in `domain`, or delete the job: its archives stay
        """,
    ),
    "BS704": (
        "virtual_machines: {web: {disks: [vda, vdb]}}",
        (machine(WEB),),
        {},
        """
        error[BS704]: `web` has no disk `vdb`
         --> inventory.yaml:9:37
          = hint: delete it from `disks`, or attach it again: until then the job fails
        """,
    ),
    "BS705": (
        KEPT,
        (machine(xml("web", disk("sda", "/images/vda"), uuid="u1")),),
        {"web": WEB},
        f"""
        error[BS705]: the disk `vda` of `web` is called `sda` now
         --> inventory.yaml:9:24
          = hint: {ANEW}
        """,
    ),
    "BS706": (
        JOB,
        (machine(xml("web", disk("vda"), disk("vdb"))),),
        {},
        """
        error[BS706]: `web` has a disk `vdb` (/images/vdb) that nothing backs up
         --> inventory.yaml:9:37
          = hint: add it to `disks`, or write `without: {vdb: WHY}`
        """,
    ),
    "BS707": (
        KEPT,
        (machine(xml("web", disk("vda", "/elsewhere/vda"), uuid="u1")),),
        {"web": WEB},
        f"""
        warning[BS707]: `web.xml` is out of date for `web`: `vda` is /elsewhere/vda there, not /images/vda
         --> inventory.yaml:9:35
          = hint: {ANEW}
        """,
    ),
    "BS708": (
        "virtual_machines: {web: {disks: [vda], quiesce: required}}",
        (machine(WEB),),
        {},
        f"""
        error[BS708]: `web` makes no archive without a guest agent, and `web` has no channel for a guest agent
         --> inventory.yaml:9:53
          = hint: {INSTALL}, or let `quiesce` be `preferred`
        """,
    ),
    "BS709": (
        'not_backed_up: [{what: "vm:web1", because: "rebuilt by Ansible"}]',
        (),
        {},
        """
        note[BS709]: kvm has no virtual machine `web1` that could be left out
         --> inventory.yaml:9:28
          = hint: delete the entry
        """,
    ),
    "BS710": (
        JOB,
        (machine(xml("web"), trouble="it has a disk with the target `x`"),),
        {},
        """
        warning[BS710]: the definition of `web` cannot be compared: it has a disk with the target `x`
         --> inventory.yaml:9:24
          = hint: look at it with `virsh dumpxml`
        """,
    ),
    "BS711": (
        "virtual_machines: {web: {disks: [vda], drill: {agent: true}}}",
        (machine(WEB),),
        {},
        f"""
        error[BS711]: the drill of `web` waits for a guest agent, and `web` has no channel for a guest agent
         --> inventory.yaml:9:44
          = hint: {INSTALL}, or write `console: TEXT` instead
        """,
    ),
}


@pytest.mark.parametrize("code", PINNED)
def test_the_whole_message_is_pinned(tmp_path: Path, code: str) -> None:
    lines, machines, kept, expected = PINNED[code]
    said = show.as_text(found(tmp_path, lines, machines, kept), ()).plain
    assert said.rpartition("\n\n")[0].strip() == textwrap.dedent(expected).strip()


def test_every_code_of_a_hypervisor_is_pinned() -> None:
    assert {entry.code for entry in HYPERVISORS} == set(PINNED)


def test_what_agrees_is_not_spoken_of(tmp_path: Path) -> None:
    lines = "virtual_machines: {web: {xml: web.xml, quiesce: required, drill: {agent: true}}, db: {method: guest}}"
    lines += '\n    not_backed_up: [{what: "vm:old", because: "gone soon"}]'
    agent = AGENT.format(state="connected")
    web = machine(xml("web", disk("vda"), agent, uuid="u1"), xml("web", disk("vda"), agent, uuid="u1"))
    assert codes(tmp_path, lines, (web, machine(xml("db", disk("vda"))), machine(xml("old"))), {"web": WEB}) == []


def test_a_machine_that_was_renamed_is_known_by_its_uuid(tmp_path: Path) -> None:
    (missing, extra) = sorted(found(tmp_path, KEPT, (machine(xml("shop", uuid="u1")),), {"web": WEB}), key=str)
    assert {missing.code, extra.code} == {"BS703", "BS702"}
    assert any("by its UUID it is `shop` now" in each.hint for each in (missing, extra))


def test_a_near_name_is_offered(tmp_path: Path) -> None:
    said = found(tmp_path, "virtual_machines: {web02: {disks: [vda]}}", (machine(xml("web2")),))
    assert [each.hint for each in said if each.code == "BS703"] == [
        "did you mean `web2`? If it is gone, delete the job: its archives stay"
    ]


@pytest.mark.parametrize(
    ("running", "defined", "said"),
    [
        ((disk("vda"), disk("vdb")), (disk("vda"),), ["BS706"]),  # attached until it goes off
        ((disk("vda"),), (disk("vda"), disk("vdb")), ["BS706"]),  # attached from its next start on
        ((disk("vdb"),), (disk("vda"),), ["BS704", "BS706"]),  # what runs counts
        ((disk("vda"),), (), []),
    ],
)
def test_what_runs_and_what_is_defined_both_count(
    tmp_path: Path, running: tuple[str, ...], defined: tuple[str, ...], said: list[str]
) -> None:
    assert codes(tmp_path, JOB, (machine(xml("web", *defined), xml("web", *running)),)) == said


def test_a_disk_that_is_left_out_is_not_spoken_of(tmp_path: Path) -> None:
    lines = "virtual_machines: {web: {disks: [vda], without: {vdb: swap}}}"
    assert codes(tmp_path, lines, (machine(xml("web", disk("vda"), disk("vdb"))),)) == []


@pytest.mark.parametrize(("runs", "state", "said"), [(True, "disconnected", ["BS708"]), (False, "disconnected", [])])
def test_an_agent_is_missed_where_it_could_be_there(tmp_path: Path, *, runs: bool, state: str, said: list[str]) -> None:
    text = xml("web", disk("vda"), AGENT.format(state=state))
    lines = "virtual_machines: {web: {disks: [vda], quiesce: required, drill: {agent: true}}}"
    assert codes(tmp_path, lines, (machine(text, text if runs else None),)) == said


def test_another_machine_of_the_same_name_is_seen(tmp_path: Path) -> None:
    (only,) = found(tmp_path, KEPT, (machine(xml("web", disk("vda"), uuid="u2")),), {"web": WEB})
    assert (only.code, "another UUID" in only.message) == ("BS707", True)
