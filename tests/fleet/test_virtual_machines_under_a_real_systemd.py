"""A virtual machine's units, started and killed by systemd under their hardening, with libvirt as Debian sets it up.

QEMU has an account of its own here, and libvirt's folders belong to whom they belong to on a hypervisor.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
import yaml

from demo.lab import libvirtd
from demo.lab.container import booted
from demo.lab.machine import Machine
from demo.lab.room import Room
from demo.lab.site import Site

pytestmark = [
    pytest.mark.nspawn,
    pytest.mark.borg,
    pytest.mark.libvirt,
    pytest.mark.systemd,
    pytest.mark.slow,
    pytest.mark.timeout(1200),  # the first run makes the base
]

# debootstrap does not choose among packages that provide the same, so one that does for polkitd is named.
PACKAGES = (
    "e2fsprogs",
    "libnbd-bin",
    "libpam-systemd",
    "libvirt-clients",
    "libvirt-daemon-driver-qemu",
    "libvirt-daemon-system",
    "qemu-system-x86",
    "qemu-utils",
    "xsltproc",
)
# A base with QEMU takes minutes to make. Where tests run on Debian 12, its libvirt and QEMU are those of tests/libvirt.
SUITES = ("trixie",)
OS = {"bookworm": "debian-12", "trixie": "debian-13"}
IMAGE = "/var/lib/libvirt/images/web.qcow2"
MIB = 2**20
UNIT = "backupspec-web_local.service"
# What the kernel does not give such a machine: AppArmor, and control groups for guests.
SETTINGS = 'security_driver = "none"\ncgroup_controllers = []\n'
FILLED = "write -P 0x11 0 1M"


@dataclass(frozen=True, slots=True)
class Host:
    """A booted hypervisor with a virtual machine that runs, and everything compiled for it in place."""

    suite: str
    machine: Machine

    def run(self, *argv: str) -> str:
        done = self.machine.run(argv, check=False)
        assert done.code == 0, done.output
        return done.output

    def left(self) -> str:
        """Give what is left of runs: files and jobs of libvirt."""
        job = self.machine.run(["virsh", "--quiet", "domjobinfo", "web"], check=False).stdout
        files = self.machine.sh("ls -A /srv/scratch; ls /run/backupspec-vm | grep -v -e lock -e queue || :").stdout
        return files + ("" if "None" in job or not job else job)


@pytest.fixture(
    params=[pytest.param(suite, marks=pytest.mark.xdist_group(f"machines-{suite}")) for suite in SUITES],
    scope="module",
)
def host(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """Boot a hypervisor, apply what is compiled for it, and start its virtual machine."""
    suite = request.param
    folder = tmp_path_factory.mktemp("site")
    site = Site(folder / "inventory", folder / "out")
    site.inventory.mkdir()
    job = {"disks": ["vda"], "method": "incremental", "quiesce": "off", "scratch_free": "1MB", "drill": {}}
    inventory = {
        "version": 1,
        "fleet": "booted",
        "repositories": {"local": {"path": "/backup/borg", "encryption": "none"}},
        "hosts": {
            "kvm01": {
                "os": OS[suite],
                "to": ["local"],
                "scratch": "/srv/scratch",
                "virtual_machines": {"web": {**job, "retention": {"daily": 7}}},
                "files": {"etc": {"paths": ["/etc/libvirt"]}},
            }
        },
    }
    (site.inventory / "inventory.yaml").write_text(yaml.safe_dump(inventory, sort_keys=False), encoding="utf-8")
    with Room() as room, booted(room, suite, "kvm01", ["192.0.2.30"], folder / "console", extra=PACKAGES) as machine:
        site.compile()
        machine.run(["mkdir", "-p", "/backup", "/srv/scratch"])
        machine.write("/etc/libvirt/qemu.conf", SETTINGS)
        site.apply(machine)
        # borg looks at a lock that a killed one left after a tenth of the time that it would wait, which is a minute.
        machine.sh("sed -i 's/--lock-wait 600/--lock-wait 20/' /usr/local/lib/backupspec/jobs/*/*")
        machine.run(["systemctl", "restart", "libvirtd"])
        machine.run(["qemu-img", "create", "-q", "-f", "qcow2", IMAGE, "16M"])
        machine.run(["qemu-io", "-f", "qcow2", "-c", FILLED, IMAGE])
        machine.write("/root/web.xml", libvirtd.domain_xml("web", {"vda": ("qcow2", IMAGE)}))
        machine.run(["virsh", "--quiet", "define", "/root/web.xml"])
        machine.run(["virsh", "--quiet", "start", "--paused", "web"])
        assert "made" in machine.run(["backupspec-run", "init"]).stdout
        yield Host(suite, machine)


def test_a_machine_that_runs_is_backed_up_drilled_and_brought_back(host: Host) -> None:
    """Whole or only what changed, also one that is off, whose images only QEMU's account and root may read."""
    assert "stored as of" in host.run("backupspec-run", "create", "web")
    assert host.left() == ""
    host.run("virsh", "--quiet", "qemu-monitor-command", "web", "--hmp", libvirtd.write_line(0, 2 * MIB, 0x12, MIB))
    assert ", what changed since " in host.run("backupspec-run", "create", "web")
    assert host.left() == ""
    assert "drill passed: 1 disks as stored" in host.run("backupspec-run", "drill", "web")
    host.run("virsh", "--quiet", "destroy", "web")
    assert "shut off" in host.run("backupspec-run", "create", "web")
    host.run("rm", IMAGE)
    host.run("backupspec-run", "restore-vm", "web", "--latest", "--replace")
    host.run("qemu-io", "-f", "qcow2", "-c", FILLED.replace("write", "read"), IMAGE)
    host.run("virsh", "--quiet", "start", "--paused", "web")
    assert host.left() == ""


def test_a_job_that_is_killed_leaves_nothing(host: Host) -> None:
    host.machine.sh(f"""
        mv /usr/bin/nbdcopy /usr/bin/nbdcopy.real
        printf '#!/bin/sh\\ntouch /tmp/reads; sleep 600\\n' >/usr/bin/nbdcopy
        chmod +x /usr/bin/nbdcopy
        systemctl start --no-block {UNIT}
        until virsh domjobinfo web | grep -q Unbounded; do sleep 0.1; done
        sleep 0.5
        systemctl kill --signal=KILL {UNIT}
        while systemctl is-active {UNIT} | grep -q activating; do sleep 0.1; done
        mv /usr/bin/nbdcopy.real /usr/bin/nbdcopy
    """)
    assert host.run("systemctl", "show", "--value", "--property=Result", UNIT) == "signal\n"
    assert host.left() == ""
    host.run("systemctl", "reset-failed")
    host.run("backupspec-run", "create", "web")
    assert "partial" not in host.run("backupspec-run", "list", "local")


def test_a_job_is_confined_as_promised(host: Host) -> None:
    scores = {}
    for kind in ("", "drill-"):
        said = host.run("systemd-analyze", "security", "--no-pager", f"backupspec-{kind}web_local.service")
        found = re.search(r"exposure level for \S+: ([0-9.]+)", said)
        assert found is not None
        scores[kind] = float(found[1])
    assert max(scores.values()) <= 2.0
