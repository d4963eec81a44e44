"""`backupspec libvirt` against a real libvirtd, whose read-only socket is all that it gets."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from backupspec import cli
from demo.lab import libvirtd
from demo.lab.machine import Machine
from demo.lab.room import Room

pytestmark = [pytest.mark.root, pytest.mark.libvirt]

ROOT = """\
version: 1
fleet: test
include: [kvm.yaml]
repositories: {usb: {path: /media/backup/borg, mounted: [/media/backup]}}
defaults: {to: [usb]}
"""
HOSTILE = ("-rf", "123", "no", "08", "Shop & 'stock' (old)", 'a"b', "#: x", "日本", "..x", "turned\u202earound")
AGENT = "<channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>"
CDROM = "<disk type='file' device='cdrom'><target dev='sda' bus='sata'/><readonly/></disk>"
FLOPPY = "<disk type='file' device='floppy'><target dev='fda' bus='fdc'/></disk>"
NETWORK = (
    "<disk type='network' device='disk'><driver name='qemu' type='raw'/>"
    "<source protocol='nbd' name='export'><host name='192.0.2.9'/></source><target dev='vdb' bus='virtio'/></disk>"
)
VOLUME = "<disk type='volume'><source pool='default' volume='data.img'/><target dev='vdc' bus='virtio'/></disk>"
SECRET = "<graphics type='vnc' passwd='hunter2'/>"


@dataclass(frozen=True)
class Ran:
    code: int
    out: str
    err: str


def backupspec(*words: object) -> Ran:
    """Run the command line in this process: starting one takes longer than asking libvirt."""
    ran = CliRunner().invoke(cli.app, [*map(str, words)], catch_exceptions=False)
    return Ran(ran.exit_code, ran.stdout, ran.stderr)


def process(*words: object, **environment: str) -> Ran:
    """Run it as a process, to see what libvirt itself would write to standard error."""
    argv = [sys.executable, "-m", "backupspec", *map(str, words)]
    env = os.environ | environment
    ran = subprocess.run(argv, capture_output=True, encoding="utf-8", check=False, timeout=250, env=env)
    return Ran(ran.returncode, ran.stdout, ran.stderr)


@dataclass(frozen=True)
class Hypervisor:
    machine: Machine

    @property
    def uri(self) -> str:
        """Give the address of its read-only socket, seen from outside of the machine."""
        return f"qemu+unix:///system?socket=/proc/{self.machine.pid}/root/run/libvirt/libvirt-sock-ro"

    def virsh(self, *words: str) -> str:
        return self.machine.run(["virsh", "--quiet", *words]).stdout

    def define(
        self, name: str, extra: str = "", *, command: str = "define", targets: tuple[str, ...] = ("vda",)
    ) -> None:
        disks = {target: ("qcow2", image(name, target)) for target in targets}
        for kind, path in disks.values():
            self.machine.run(["qemu-img", "create", "-q", "-f", kind, path, "16M"])
        self.machine.write("/root/domain.xml", libvirtd.domain_xml(name, disks, extra))
        self.virsh(command, "/root/domain.xml", *(["--paused"] if command == "create" else []))

    def undefine_all(self) -> None:
        for uuid in self.virsh("list", "--uuid").split():
            self.virsh("destroy", uuid)
        for uuid in self.virsh("list", "--all", "--uuid").split():
            self.virsh("undefine", uuid)


def image(name: str, target: str) -> str:
    return f"/srv/vm/{name.replace('/', '_')} {target}"


@pytest.fixture(scope="module")
def room() -> Iterator[Hypervisor]:
    with Room() as opened:
        machine = opened.machine("kvm07", ["192.0.2.30"], fresh=libvirtd.OWN)
        libvirtd.prepare(machine)
        machine.run(["mkdir", "-p", "/srv/vm"])
        libvirtd.start(machine)
        yield Hypervisor(machine)


@pytest.fixture
def kvm(room: Hypervisor) -> Iterator[Hypervisor]:
    yield room
    room.undefine_all()


def discovered(kvm: Hypervisor, folder: Path, *words: object) -> Ran:
    """Discover into an inventory of its own."""
    (folder / "inventory.yaml").write_text(ROOT, encoding="utf-8")
    ran = backupspec("libvirt", "discover", kvm.uri, *words)
    assert ran.code == 0, ran.err
    (folder / "kvm.yaml").write_text(ran.out, encoding="utf-8")
    return ran


def jobs(ran: Ran, host: str = "kvm07") -> dict[str, dict[str, object]]:
    """Give what another reader of YAML sees."""
    found = yaml.safe_load(ran.out)["hosts"][host]["virtual_machines"]
    assert isinstance(found, dict)
    return found


def checked(kvm: Hypervisor, folder: Path, *words: object) -> list[tuple[str, str]]:
    """Give code and text of each finding."""
    ran = backupspec("libvirt", "check", folder, kvm.uri, "--format", "json", *words)
    found = [(each["code"], f"{each['message']}; {each['hint']}") for each in json.loads(ran.out)["diagnostics"]]
    assert ran.code == any(code not in {"BS702", "BS707", "BS709", "BS710"} for code, _ in found)
    return sorted(found)


def test_what_is_discovered_is_an_inventory_that_agrees_with_what_is_there(kvm: Hypervisor, tmp_path: Path) -> None:
    """Whatever machines are called, running or not, with drives, remote disks and volumes."""
    for name in HOSTILE:
        kvm.define(name)
    kvm.define("web02", CDROM + FLOPPY + NETWORK + VOLUME + AGENT)
    kvm.define("bare", targets=())
    kvm.define("passing", command="create")
    kvm.define("backupspec-drill-web02_usb", command="create")  # of a drill: no machine of anybody
    ran = discovered(kvm, tmp_path)
    assert ran.err == ""
    found = jobs(ran)
    assert {str(job.get("domain", name)) for name, job in found.items()} == {*HOSTILE[:-1], "web02", "passing"}
    assert found["web02"] == {"disks": ["vda", "vdb", "vdc"]}
    assert f"#   vda: qcow2, 16 MiB, {image('web02', 'vda')}\n" in ran.out
    assert "#   vdb: raw, size unknown, nbd:export\n" in ran.out
    assert "volume data.img of the pool default\n" in ran.out
    assert "# web02: is off; it has a channel for a guest agent\n" in ran.out
    assert "# passing: runs; it has no channel for a guest agent; libvirt forgets it" in ran.out
    assert "NOT HERE: turned\\u202earound: " in ran.out
    assert backupspec("validate", tmp_path).out == "no findings\n"
    ran = backupspec("libvirt", "check", tmp_path, kvm.uri)
    assert (ran.code, ran.out.count("\n\n"), "`turned\\u202earound` is defined" in ran.out) == (0, 1, True)
    assert backupspec("libvirt", "check", tmp_path, kvm.uri, "--strict").code == 1


def test_definitions_are_kept_beside_the_inventory_without_secrets(kvm: Hypervisor, tmp_path: Path) -> None:
    kvm.define("Web 02", CDROM + SECRET)
    kvm.define("passing", command="create")
    folder = tmp_path / "domains"
    ran = discovered(kvm, tmp_path, "--xml-folder", folder, "--host", "hyper")
    assert jobs(ran, "hyper") == {
        "passing": {"xml": "domains/passing.xml"},
        "web-02": {"domain": "Web 02", "xml": "domains/web-02.xml"},
    }
    kept = (folder / "web-02.xml").read_text(encoding="utf-8")
    assert kept.strip() == kvm.virsh("dumpxml", "--inactive", "Web 02").strip()
    assert "hunter2" not in kept
    assert backupspec("validate", tmp_path).out == "no findings\n"
    assert checked(kvm, tmp_path) == []
    assert backupspec("libvirt", "discover", kvm.uri, "--xml-folder", folder).err == ""  # nothing is new
    (folder / "web-02.xml").write_text("mine", encoding="utf-8")
    ran = backupspec("libvirt", "discover", kvm.uri, "--xml-folder", folder)
    assert (ran.code, "is no definition of 'Web 02'" in ran.err, ran.out) == (1, True, "")
    assert (folder / "web-02.xml").read_text(encoding="utf-8") == "mine"


def test_what_changes_on_the_hypervisor_is_found(kvm: Hypervisor, tmp_path: Path) -> None:
    for name in ("a", "b", "c", "d"):
        kvm.define(name)
    kvm.virsh("start", "--paused", "a")
    discovered(kvm, tmp_path, "--xml-folder", tmp_path / "domains")
    assert checked(kvm, tmp_path) == []
    kvm.machine.run(["qemu-img", "create", "-q", "/srv/vm/more", "16M"])
    kvm.virsh("attach-disk", "a", "/srv/vm/more", "vdb", "--live")
    kvm.virsh("detach-disk", "b", "vda", "--config")
    kvm.virsh("attach-disk", "b", image("b", "vda"), "sdc", "--targetbus", "scsi", "--config")
    kvm.virsh("domrename", "c", "C (old)")
    kvm.virsh("undefine", "d")
    kvm.define("new", command="create")
    found = checked(kvm, tmp_path, "--host", "kvm07")
    assert [code for code, _ in found] == ["BS701", "BS702", "BS703", "BS703", "BS705", "BS706"]
    said = "\n".join(text for _, text in found)
    assert "the disk `vda` of `b` is called `sdc` now" in said
    assert "by its UUID it is `C (old)` now" in said
    assert "`a` has a disk `vdb` (/srv/vm/more) that nothing backs up" in said


def test_a_host_that_is_not_in_the_inventory_is_a_wrong_word(kvm: Hypervisor, tmp_path: Path) -> None:
    discovered(kvm, tmp_path)
    ran = backupspec("libvirt", "check", tmp_path, kvm.uri, "--host", "kvm77")
    assert (ran.code, "did you mean `kvm07`?" in ran.err) == (2, True)


def test_the_host_is_the_only_one_with_machines_or_the_one_that_is_called_so(kvm: Hypervisor, tmp_path: Path) -> None:
    ran = discovered(kvm, tmp_path, "--host", "a")
    assert (list(yaml.safe_load(ran.out)["hosts"]), checked(kvm, tmp_path)) == (["a"], [])
    left_out = "    not_backed_up: [{what: 'vm:x', because: gone}]\n"
    (tmp_path / "kvm.yaml").write_text(f"hosts:\n  a:\n{left_out}  b:\n{left_out}", encoding="utf-8")
    ran = backupspec("libvirt", "check", tmp_path, kvm.uri)
    assert (ran.code, "'kvm07' is in the inventory: a, b" in ran.err) == (2, True)
    (tmp_path / "kvm.yaml").write_text(f"hosts:\n  a:\n{left_out}  kvm07:\n{left_out}", encoding="utf-8")
    assert [code for code, _ in checked(kvm, tmp_path)] == ["BS709"]


def test_an_inventory_with_errors_is_not_compared(kvm: Hypervisor, tmp_path: Path) -> None:
    """Not at all where it cannot be understood; where it breaks rules, that is said beside what differs."""
    (tmp_path / "inventory.yaml").write_text("version: 1\nfleet: [x\n", encoding="utf-8")
    ran = backupspec("libvirt", "check", tmp_path, kvm.uri)
    assert (ran.code, "error[" in ran.out) == (1, True)
    hosts = "hosts: {kvm07: {virtual_machines: {web: {disks: [vda]}}}}\n"
    (tmp_path / "inventory.yaml").write_text(ROOT.replace("include: [kvm.yaml]\n", "") + hosts, encoding="utf-8")
    ran = backupspec("libvirt", "check", tmp_path, kvm.uri)
    assert (ran.code, "error[BS703]" in ran.out, "the inventory itself has errors" in ran.err) == (1, True, True)


@pytest.mark.parametrize(
    ("uri", "said"),
    [
        ("qemu+unix:///system?socket=/nowhere", "is libvirt running there"),
        ("nonsense://host/\x1b[31m", "nonsense://host/\\x1b[31m cannot be read"),
    ],
)
def test_a_hypervisor_that_does_not_answer_is_said(uri: str, said: str) -> None:
    ran = process("libvirt", "discover", uri)
    assert (ran.code, ran.out) == (3, "")
    assert said in ran.err.replace("\n", " ")
    assert len(ran.err.splitlines()) == 1


def test_what_is_discovered_is_utf_8_in_every_locale(tmp_path: Path) -> None:
    one = "<domain type='test'><name>für 日本</name><memory>8192</memory><os><type>hvm</type></os></domain>"
    (tmp_path / "node.xml").write_text(f"<node>{one}</node>", encoding="utf-8")
    ran = process("libvirt", "discover", f"test://{tmp_path}/node.xml", PYTHONIOENCODING="latin-1")
    assert "what: 'vm:für 日本'\n" in ran.out


def test_an_account_that_may_not_read_is_told_so(kvm: Hypervisor) -> None:
    """With everything loaded before: another account need not be able to read this checkout."""
    script = (
        "import os, sys; from backupspec.hypervisor.read import read_hypervisor as read, UnreadableError\n"
        "read(sys.argv[1]); os.setgid(65534); os.setuid(65534)\n"
        "try: read(sys.argv[1])\nexcept UnreadableError as error: print(error)"
    )
    argv = [sys.executable, "-c", script, kvm.uri]
    ran = subprocess.run(argv, capture_output=True, text=True, check=True)
    assert "libvirt lets this account read nothing there" in ran.stdout
    assert ran.stderr == ""
