"""What a compiled backup of a virtual machine costs beside the same by hand: `nbdcopy | borg create`, in one run.

A real libvirtd in a private machine of the lab holds a virtual machine with one disk, most of which is not zero. The
job and a few lines of shell store it in fresh repositories, with the same options. Ratios say more than seconds of a
busy machine. Then 2.6 MB change in twenty places, and the second backup tells what it adds and reads, with the method
`pull` and with `incremental`; a restore, what the image takes.

`python bench/virtual_machines.py MEGABYTES ROUNDS`. VIRTNBDBACKUP=PROGRAM measures that peer too. Needs root, and some
three times the disk in memory, since nothing of the lab touches a disk.
"""

from __future__ import annotations

import json
import os
import random
import re
import resource
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console
from rich.table import Table

from demo.lab import borgs, libvirtd, unit
from demo.lab.machine import Machine
from demo.lab.room import Room
from demo.lab.site import ACCOUNT, SCRIPTS, Site, bytes_below, repository_script

MIB = 2**20
REPOSITORY = "/backup/borg"
IMAGE = "/srv/vm/disk.qcow2"
FILLED = 0.4  # of the disk, with what cannot be compressed
STRETCHES, STRETCH = 20, 128 * 1024  # 2.6 MB: as a file system writes, blocks beside each other in places far apart
INVENTORY: dict[str, Any] = {
    "version": 1,
    "fleet": "bench",
    "repositories": {"local": {"path": REPOSITORY, "encryption": "none"}},
    "hosts": {
        "kvm01": {
            "to": ["local"],
            "scratch": "/srv/scratch",
            "virtual_machines": {
                "web": {
                    "disks": ["vda"],
                    "quiesce": "off",
                    "scratch_free": "1MB",
                    "compression": "lz4",
                    "retention": {"forever": True},
                }
            },
        }
    },
}
BY_HAND = """
cat >/tmp/begin.xml <<'END'
<domainbackup mode='pull'><server transport='unix' socket='/srv/hand/sock'/><disks>
<disk name='vda' backup='yes' type='file' exportname='vda'><scratch file='/srv/scratch/hand'/></disk>
</disks></domainbackup>
END
install -d -g backupspec -m 2770 /srv/hand
virsh --quiet backup-begin web --backupxml /tmp/begin.xml >/dev/null
setpriv --reuid=backupspec --regid=backupspec --init-groups -- sh -euc '
    export BORG_BASE_DIR=/var/lib/backupspec BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK=yes
    nbdcopy "nbd+unix:///vda?socket=/srv/hand/sock" - |
        borg create --compression lz4 --chunker-params fixed,1048576 --stdin-name vda.raw /backup/borg::"$1" -' sh "$1"
virsh --quiet domjobabort web
"""


def main(megabytes: int, rounds: int) -> None:
    """Measure, and print one table for people."""
    with tempfile.TemporaryDirectory(prefix="bench-machines-") as name, Room() as room:
        folder = Path(name)
        (folder / "inventory").mkdir()
        (folder / "inventory" / "inventory.yaml").write_text(yaml.safe_dump(INVENTORY), encoding="utf-8")
        site = Site(folder / "inventory", folder / "out")
        site.compile()
        machine = room.machine("kvm01", ["192.0.2.30"], fresh=libvirtd.OWN)
        borgs.give(machine, "1.4")
        libvirtd.prepare(machine)
        machine.run(["mkdir", "-p", "/srv/vm", "/srv/scratch"])
        site.apply(machine)
        libvirtd.start(machine)
        fill(machine, megabytes * MIB)
        ways = {"compiled job": compiled, "nbdcopy | borg create": by_hand}
        if os.environ.get("VIRTNBDBACKUP"):
            ways["virtnbdbackup"] = virtnbdbackup
        seconds: dict[str, list[float]] = {way: [] for way in ways}
        worked: dict[str, list[float]] = {way: [] for way in ways}
        for turn in range(rounds + 1):
            for way, run in ways.items():
                fresh(machine)
                began, before = time.perf_counter(), processor()
                run(machine, f"round-{turn}")
                if turn:  # the first round warms up
                    seconds[way].append(time.perf_counter() - began)
                    worked[way].append(processor() - before)
        size = megabytes * MIB
        days = [second_day(machine, size, "pull")]
        sizes = restored(machine)
        if os.environ.get("VIRTNBDBACKUP"):
            days.append(peer_second_day(machine, size))
        INVENTORY["hosts"]["kvm01"]["virtual_machines"]["web"]["method"] = "incremental"
        (folder / "inventory" / "inventory.yaml").write_text(yaml.safe_dump(INVENTORY), encoding="utf-8")
        site.compile()
        site.apply(machine)
        days.append(second_day(machine, size, "incremental"))
        show(machine, seconds, worked, days, sizes)


def processor() -> float:
    """Give the seconds that all that we have started, and that has ended, spent on a processor."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def fill(machine: Machine, size: int) -> None:
    """Make the disk and start the virtual machine, which stands before its first instruction."""
    machine.run(["qemu-img", "create", "-q", "-f", "qcow2", IMAGE, str(size)])
    some = int(size * FILLED)
    machine.sh(f"head -c {some} /dev/urandom >/srv/vm/noise")
    machine.run(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", "/srv/vm/noise", IMAGE])
    machine.run(["qemu-img", "resize", "-q", IMAGE, str(size)])
    machine.sh("rm /srv/vm/noise")
    machine.write("/root/web.xml", libvirtd.domain_xml("web", {"vda": ("qcow2", IMAGE)}))
    machine.run(["virsh", "--quiet", "define", "/root/web.xml"])
    machine.run(["virsh", "--quiet", "start", "--paused", "web"])


def fresh(machine: Machine) -> None:
    """Make an empty repository."""
    machine.sh(f"rm -rf {REPOSITORY}; install -d -o {ACCOUNT} -g {ACCOUNT} -m 0700 {REPOSITORY}")
    machine.sh("rm -rf /var/lib/backupspec/.cache /var/lib/backupspec/.config")
    repository_script(machine, "local", "init")


def compiled(machine: Machine, _: str) -> None:
    """Run the job's unit."""
    unit.run(machine, "backupspec-web_local")


def by_hand(machine: Machine, name: str) -> None:
    """Do the same in a few lines of shell."""
    machine.run(["sh", "-euc", BY_HAND, "sh", name])


def virtnbdbackup(machine: Machine, name: str) -> None:
    """Let the peer do the same, into a folder."""
    machine.run([os.environ["VIRTNBDBACKUP"], "-d", "web", "-l", "copy", "-o", f"/srv/peer/{name}"])


@dataclass(frozen=True, slots=True)
class Day:
    """A backup after some blocks changed: bytes that it read of the disk, bytes that it added, and seconds."""

    way: str
    read: int
    added: int
    seconds: float


def second_day(machine: Machine, size: int, method: str) -> Day:
    """Change blocks all over what is filled, and give what the next backup does."""
    fresh(machine)
    unit.run(machine, "backupspec-web_local")
    before = bytes_below(machine, REPOSITORY)
    change(machine, size)
    began = time.perf_counter()
    unit.run(machine, "backupspec-web_local")
    took = time.perf_counter() - began
    names = repository_script(machine, "local", "borg", "list", "--short", "::").stdout.split()
    newest = max(name for name in names if name.startswith("kvm01_web_2"))
    text = repository_script(machine, "local", "borg", "extract", "--stdout", f"::{newest}", "manifest.json").stdout
    (disk,) = json.loads(text)["disks"]
    return Day(method, disk.get("stored", disk["size"]), bytes_below(machine, REPOSITORY) - before, took)


def change(machine: Machine, size: int) -> None:
    """Write to some stretches of the disk as the guest would, always to the same, what cannot be compressed."""
    places = random.Random(1).sample(range(int(size * FILLED) // STRETCH), STRETCHES)  # noqa: S311 - always the same
    for place in places:
        machine.sh(f"head -c {STRETCH} /dev/urandom >/srv/vm/noise")
        line = libvirtd.write_line(0, place * STRETCH, 0, STRETCH).replace("-P 0", "-s /srv/vm/noise")
        machine.run(["virsh", "--quiet", "qemu-monitor-command", "web", "--hmp", line])


def peer_second_day(machine: Machine, size: int) -> Day:
    """Let the peer do the same, with its own increments; what it keeps with libvirt is removed."""
    folder, program = "/srv/peer/days", os.environ["VIRTNBDBACKUP"]
    machine.run([program, "-d", "web", "-l", "full", "-o", folder])
    before = bytes_below(machine, folder)
    change(machine, size)
    began = time.perf_counter()
    machine.run([program, "-d", "web", "-l", "inc", "-o", folder])
    took = time.perf_counter() - began
    for name in machine.run(["virsh", "--quiet", "checkpoint-list", "web", "--name"]).stdout.split():
        machine.run(["virsh", "--quiet", "checkpoint-delete", "web", name])
    added = bytes_below(machine, folder) - before
    return Day("virtnbdbackup", added, added, took)


def restored(machine: Machine) -> tuple[int, int]:
    """Give what the source's image and that of a restored copy take on the disk, in bytes."""
    script = f"{SCRIPTS}/jobs/web_local/restore"
    unit.run_for_people(machine, script, "--latest", "--as", "copy", "--into", "/srv/vm", undo=False)
    sizes = machine.run(["du", "--block-size=1", IMAGE, "/srv/vm/copy-vda.img"]).stdout
    source, copy = (int(size) for size in re.findall(r"^(\d+)", sizes, re.MULTILINE))
    return source, copy


def show(
    machine: Machine,
    seconds: dict[str, list[float]],
    worked: dict[str, list[float]],
    days: list[Day],
    sizes: tuple[int, int],
) -> None:
    """Print medians beside each other."""
    table = Table(
        "",
        "seconds",
        "beside by hand",
        "of a processor",
        "beside by hand",
        title=machine.run(["borg", "--version"]).stdout.strip(),
    )
    peer = "nbdcopy | borg create"
    base, work = statistics.median(seconds[peer]), statistics.median(worked[peer])
    for way, found in seconds.items():
        took, spent = statistics.median(found), statistics.median(worked[way])
        table.add_row(way, f"{took:.2f}", f"{took / base:.2f}", f"{spent:.2f}", f"{spent / work:.2f}")
    console = Console()
    console.print(table)
    changed = STRETCHES * STRETCH
    table = Table(
        "",
        "MB read",
        "÷ changed",
        "MB added",
        "seconds",
        title=f"second day: {changed / 1e6:.1f} MB changed in {STRETCHES} places",
    )
    for day in days:
        read, added = f"{day.read / 1e6:.1f}", f"{day.added / 1e6:.1f}"
        table.add_row(day.way, read, f"{day.read / changed:.2f}", added, f"{day.seconds:.2f}")
    console.print(table)
    console.print(f"restored image: {sizes[1] / 1e6:.1f} MB on the disk, {sizes[1] / sizes[0]:.3f} of the source's")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 512, int(sys.argv[2]) if len(sys.argv) > 2 else 3)
