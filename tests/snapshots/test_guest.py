"""LVM, ZFS and a btrfs that is `/`, in a machine with Debian's own kernel and systemd, where `setup/guest` made one."""

from __future__ import annotations

import subprocess
import tarfile
from pathlib import Path

import pytest

from demo.lab.site import Site
from tests.snapshots.ground import HOST, write_inventory

ROOT = Path(__file__).parents[2]
GUEST = ROOT / ".guest"
SCRIPT = Path(__file__).with_name("guest.sh")
MINUTES = 15
JOBS = {
    "ext": {"paths": ["/srv/ext"], "snapshot": "lvm"},
    "xfs": {"paths": ["/srv/xfs"], "snapshot": "lvm"},
    "thin": {"paths": ["/srv/thin"], "snapshot": "lvm"},
    "rootlvm": {"paths": ["/etc"], "snapshot": "lvm"},
    "tank": {"paths": ["/tank"], "snapshot": "zfs"},
    "root": {
        "paths": ["/"],
        "exclude": ["/usr", "/var", "/boot", "/backup", "/lab"],
        "one_file_system": True,
        "snapshot": "btrfs",
    },
}
NAMES = (
    "prepared",
    *(f"{job}-{what}" for job in ("ext", "xfs", "thin") for what in ("moment", "killed", "power", "confined")),
    *("ext-nested", "ext-overflow", "lvm-refuses", "lvm-others", "root-moment", "root-killed"),
    *("zfs-moment", "zfs-killed", "zfs-power", "zfs-confined", "zfs-nested", "zfs-others"),
    "end",
)


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Boot the machine once, have it do everything, and give what it says of each name."""
    folder = tmp_path_factory.mktemp("guest")
    write_inventory(folder / "inventory", JOBS, os="debian-12")
    Site(folder / "inventory", folder / "compiled").compile()
    with tarfile.open(folder / "work", "w") as work:
        work.add(folder / "compiled/hosts" / HOST, HOST)
        work.add(SCRIPT, "guest.sh")
        (folder / "run").write_text("#!/bin/sh\nexec sh /lab/guest.sh zfs\n", encoding="utf-8")
        (folder / "run").chmod(0o755)
        work.add(folder / "run", "run")
    for name in ("lvm", "zfs"):
        with (folder / name).open("wb") as disk:
            disk.truncate(1 << 30)
    disks = [(GUEST / "image", "on"), (folder / "work", "off"), (folder / "lvm", "off"), (folder / "zfs", "off")]
    argv = ["qemu-system-x86_64", "-accel", "tcg", "-cpu", "max", "-m", "1536", "-display", "none"]
    argv += ["-no-reboot", "-nic", "none", "-kernel", str(GUEST / "vmlinuz"), "-initrd", str(GUEST / "initrd")]
    argv += ["-append", "root=/dev/vda console=ttyS0 panic=-1"]
    argv += ["-serial", f"file:{folder / 'console'}", "-serial", f"file:{folder / 'told'}"]
    for path, spare in disks:
        argv += ["-drive", f"file={path},format=raw,if=virtio,snapshot={spare}"]
    try:
        subprocess.run(argv, check=True, timeout=MINUTES * 60, stdin=subprocess.DEVNULL)
    except subprocess.SubprocessError as error:
        console = (folder / "console").read_text(errors="replace")
        pytest.fail(f"{error}\n{console[-3000:]}")
    lines = (folder / "told").read_text(errors="replace").splitlines()
    return {name: rest for name, _, rest in (line.partition("\t") for line in lines)}


@pytest.mark.root
@pytest.mark.slow
@pytest.mark.timeout(MINUTES * 60 + 60)
@pytest.mark.parametrize("name", NAMES)
def test_a_machine_of_its_own_finds(told: dict[str, str], name: str) -> None:
    """What each name stands for is in guest.sh."""
    assert told.get(name) == "OK"
