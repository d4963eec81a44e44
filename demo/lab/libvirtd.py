"""A real libvirtd on a machine of the lab, with QEMU's emulation: no /dev/kvm and no systemd are needed."""

import time
import xml.sax.saxutils
from collections.abc import Mapping

from demo.lab.machine import Machine

OWN = ("/etc/libvirt", "/var/lib/libvirt", "/var/cache/libvirt", "/var/log/libvirt")
"""Folders that such a machine must have fresh."""

# Without a systemd there are no machines and control groups to put guests into. Below sudo core files may have no size,
# and not everywhere may root raise that limit again. All else is libvirt's default.
_QEMU_CONF = """\
stdio_handler = "file"
security_driver = "none"
user = "root"
group = "root"
remember_owner = 0
cgroup_controllers = []
namespaces = []
max_core = 0
"""


def prepare(machine: Machine) -> None:
    """Write libvirt's settings; what is compiled can be applied before libvirtd starts, and then sees the hook."""
    machine.write("/etc/libvirt/qemu.conf", _QEMU_CONF)
    machine.write("/etc/libvirt/libvirtd.conf", "")
    machine.run(["mkdir", "-p", "/var/lib/libvirt/qemu"])


def start(machine: Machine, *, seconds: float = 240) -> None:
    """Start libvirtd, which dies with the machine; TimeoutError, with its log, when it does not answer in time."""
    machine.sh("setsid /usr/sbin/libvirtd >/var/log/libvirtd.log 2>&1 </dev/null &")
    end = time.monotonic() + seconds
    while machine.run(["virsh", "--quiet", "list"], check=False).code:
        if time.monotonic() > end:
            raise TimeoutError(machine.read("/var/log/libvirtd.log"))
        time.sleep(0.05)


def domain_xml(name: str, disks: Mapping[str, tuple[str, str]], extra: str = "") -> str:
    """Give a small virtual machine's definition; `disks` are format and image by target, `extra` more devices."""
    devices = "".join(
        f"<disk type='file' device='disk'><driver name='qemu' type='{kind}'/>"
        f"<source file={xml.sax.saxutils.quoteattr(image)}/><target dev='{target}' bus='virtio'/></disk>"
        for target, (kind, image) in disks.items()
    )
    return (
        f"<domain type='qemu'><name>{xml.sax.saxutils.escape(name)}</name><memory unit='MiB'>32</memory><vcpu>1</vcpu>"
        "<os><type arch='x86_64'>hvm</type></os><features><acpi/></features>"
        f"<devices><emulator>/usr/bin/qemu-system-x86_64</emulator>{devices}"
        f"<controller type='usb' model='none'/><memballoon model='none'/>{extra}</devices></domain>"
    )


def write_line(number: int, where: int, pattern: int, length: int) -> str:
    """Give a line of QEMU's monitor that writes to a disk as a guest would: `number` counts its disks from 0."""
    return f'qemu-io -d /machine/peripheral/virtio-disk{number}/virtio-backend "write -P {pattern} {where} {length}"'
