"""A virtual machine's units, started and killed by systemd under their hardening, with libvirt as Debian sets it up.

QEMU has an account of its own here, and libvirt's folders belong to whom they belong to on a hypervisor.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
import yaml

from demo.lab import borgs, libvirtd
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
GENERATION = {"bookworm": "1.2", "trixie": "1.4"}
OS = {"bookworm": "debian-12", "trixie": "debian-13"}
IMAGE = "/var/lib/libvirt/images/web.qcow2"
MIB = 2**20
UNIT = "backupspec-web_local.service"
QUEUE = "/run/backupspec-vm/queue"
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
    (site.inventory / "keys").mkdir(parents=True)
    job = {"disks": ["vda"], "method": "incremental", "quiesce": "off", "scratch_free": "1MB", "drill": {}}
    inventory = {
        "version": 1,
        "fleet": "booted",
        "servers": {
            "bkp01": {
                "address": "192.0.2.10",
                "host_key": "keys/bkp01.hostkey.pub",
                "os": "debian-12",
                "borg": {"version": GENERATION[suite]},
                "storage": {"path": "/backup"},
            }
        },
        "repositories": {"local": {"path": "/backup/borg"}, "central": {"server": "bkp01"}},
        "hosts": {
            "kvm01": {
                "os": OS[suite],
                "address": "192.0.2.30",
                "to": ["local"],
                "scratch": "/srv/scratch",
                "virtual_machines": {"web": {**job, "to": ["local", "central"], "retention": {"daily": 7}}},
                "files": {"etc": {"paths": ["/etc/libvirt"]}},
            }
        },
    }
    (site.inventory / "inventory.yaml").write_text(yaml.safe_dump(inventory, sort_keys=False), encoding="utf-8")
    with Room() as room, booted(room, suite, "kvm01", ["192.0.2.30"], folder / "console", extra=PACKAGES) as machine:
        server = room.machine("bkp01", ["192.0.2.10"], fresh=["/backup"])
        borgs.give(server, GENERATION[suite])
        site.learn_host_key(server)
        site.compile()
        machine.run(["mkdir", "-p", "/backup", "/srv/scratch"])
        machine.write("/etc/libvirt/qemu.conf", SETTINGS)
        site.apply(machine)
        site.learn_key(machine)
        site.compile()
        site.apply(server)
        site.apply(machine)
        server.start_sshd()
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


def started_by_its_end(host: Host) -> str:
    """End the virtual machine, for which a unit waits; give what the unit says, which libvirt's hook starts."""
    earlier = host.run("systemctl", "show", "--value", "--property=InvocationID", UNIT)
    host.machine.sh(f"echo {UNIT} >{QUEUE}/$(printf web | sha256sum | cut -c 1-64)")
    host.run("virsh", "--quiet", "destroy", "web")
    started = host.machine.sh(f"""
        same() {{
            now=$(systemctl show --value --property=InvocationID {UNIT})
            [ -z "$now" ] || [ "$now" = {earlier.strip()} ]
        }}
        for _ in $(seq 600); do same || break; sleep 0.1; done
        while systemctl is-active {UNIT} | grep -q activating; do sleep 0.1; done
        echo "$now"
    """).stdout
    assert started != earlier
    assert host.run("systemctl", "show", "--value", "--property=Result", UNIT) == "success\n"
    assert host.run("ls", "-A", QUEUE) == ""
    return host.run("journalctl", "--quiet", "--output=cat", f"_SYSTEMD_INVOCATION_ID={started.strip()}")


def test_a_machine_that_runs_is_backed_up_drilled_and_brought_back(host: Host) -> None:
    """Whole or only what changed, near or over ssh, with a passphrase; also one that is off.

    Its images only QEMU's account and root may read.
    """
    assert "stored as of" in host.run("backupspec-run", "create", "web", "local")
    assert host.left() == ""
    host.run("virsh", "--quiet", "qemu-monitor-command", "web", "--hmp", libvirtd.write_line(0, 2 * MIB, 0x12, MIB))
    assert ", what changed since " in host.run("backupspec-run", "create", "web", "local")
    # Over ssh, with a chain and a checkpoint of its own.
    assert "stored as of" in host.run("backupspec-run", "create", "web", "central")
    assert host.left() == ""
    assert len(host.run("virsh", "--quiet", "checkpoint-list", "web").strip().splitlines()) == 2
    assert "drill passed: 1 disks as stored" in host.run("backupspec-run", "drill", "web", "local")
    assert "shut off" in started_by_its_end(host)
    host.run("rm", IMAGE)
    host.run("backupspec-run", "restore-vm", "web", "--from", "central", "--latest", "--replace")
    for stored in (FILLED.replace("write", "read"), "read -P 0x12 2M 1M"):
        assert "verification failed" not in host.run("qemu-io", "-f", "qcow2", "-c", stored, IMAGE)
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
    host.run("backupspec-run", "create", "web", "local")
    assert "partial" not in host.run("backupspec-run", "list", "local")


def test_a_job_is_confined_as_promised(host: Host) -> None:
    scores = {}
    for kind in ("", "drill-"):
        said = host.run("systemd-analyze", "security", "--no-pager", f"backupspec-{kind}web_local.service")
        found = re.search(r"exposure level for \S+: ([0-9.]+)", said)
        assert found is not None
        scores[kind] = float(found[1])
    assert max(scores.values()) <= 2.0
