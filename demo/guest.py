"""A virtual machine that runs on a hypervisor of its own: its disk is stored meanwhile, and comes back as a copy."""

import shutil
from pathlib import Path

from demo.lab import borgs, libvirtd, unit
from demo.lab.room import Room
from demo.lab.site import SCRIPTS, Site, repository_script
from demo.telling import Telling

_NEEDED = ("/usr/sbin/libvirtd", "virsh", "qemu-system-x86_64", "qemu-nbd", "nbdcopy", "xsltproc")
_DISK = "/srv/vm/web02.qcow2"
_COPY = "/srv/vm/monday-vda.img"
_MIB = 2**20
_INVENTORY = """\
version: 1
fleet: demo
repositories: {local: {path: /backup/borg, encryption: none}}
hosts:
  kvm01:
    to: [local]
    scratch: /srv/scratch
    virtual_machines: {web02: {xml: domains/web02.xml}}
"""


def guest(telling: Telling, folder: Path, room: Room) -> bool:
    """Tell it; give whether the copy's disk is what the guest saw at the instant of the backup."""
    telling.step("Guest", "the disk of a virtual machine that runs, on a hypervisor with a libvirtd of its own")
    lacking = [program for program in _NEEDED if shutil.which(program) is None]
    if lacking:
        telling.came_true(
            f"left out: this machine has no {', '.join(lacking)} (inventories/kvm shows what it compiles to)"
        )
        return True
    site = Site(folder / "kvm", folder / "kvm-compiled")
    (site.inventory / "domains").mkdir(parents=True)
    (site.inventory / "inventory.yaml").write_text(_INVENTORY, encoding="utf-8")
    definition = libvirtd.domain_xml("web02", {"vda": ("qcow2", _DISK)})
    (site.inventory / "domains" / "web02.xml").write_text(definition, encoding="utf-8")
    site.compile()
    host = room.machine("kvm01", ["192.0.2.40"], fresh=[*libvirtd.OWN, "/backup", "/srv"])
    borgs.give(host, "1.2")
    libvirtd.prepare(host)
    host.run(["mkdir", "-p", "/srv/vm", "/srv/scratch"])
    site.apply(host)
    libvirtd.start(host)
    host.sh("install -d -o backupspec -g backupspec -m 0700 /backup/borg")
    repository_script(host, "local", "init")
    host.run(["qemu-img", "create", "-q", "-f", "qcow2", _DISK, "256M"])
    host.write("/root/web02.xml", definition)
    host.run(["virsh", "--quiet", "define", "/root/web02.xml"])
    host.run(["virsh", "--quiet", "start", "--paused", "web02"])

    def write(pattern: int, where: int) -> None:
        line = libvirtd.write_line(0, where * _MIB, pattern, 4 * _MIB)
        host.run(["virsh", "--quiet", "qemu-monitor-command", "web02", "--hmp", line])

    write(0x11, 0)
    write(0x22, 128)
    telling.command("kvm01", "backupspec-run create web02")
    said = unit.run(host, "backupspec-web02_local").output.splitlines()
    telling.quote("\n".join(line for line in said if line.startswith("backupspec: ")))
    write(0x33, 0)
    telling.command("kvm01", "backupspec-run restore-vm web02 --latest --as monday")
    unit.run_for_people(host, f"{SCRIPTS}/jobs/web02_local/restore", "--latest", "--as", "monday", undo=False)
    written = [f"read -P {pattern} {where}M 4M" for pattern, where in ((0x11, 0), (0, 4), (0x22, 128), (0, 132))]
    checks = [word for line in written for word in ("-c", line)]
    same = host.run(["qemu-io", "-r", "-f", "qcow2", *checks, _COPY]).stdout
    size = int(host.run(["du", "--block-size=1", _COPY]).stdout.split()[0])
    telling.came_true(f"a disk of 256 MiB came back as it was, in {size / 1e6:.0f} MB; the original ran on")
    return "Pattern verification failed" not in same
