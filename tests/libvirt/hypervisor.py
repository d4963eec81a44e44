"""A hypervisor with a real libvirtd and QEMU, its virtual machines, a repository, and everything compiled on it.

The guests have no operating system: they stand still, or run what the firmware runs, and QEMU itself writes to their
disks. That is enough for all but the guest agent.
"""

from __future__ import annotations

import contextlib
import hashlib
import struct
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from demo.lab import borgs, libvirtd, unit
from demo.lab.command import Outcome
from demo.lab.machine import Machine
from demo.lab.room import Room
from demo.lab.site import SCRIPTS, Site, repository_script

REPOSITORY = "/backup/borg"
HOST = "srv06"
IMAGES = "/srv/vm"
SCRATCH = "/srv/scratch"
MIB = 2**20


def domain_xml(name: str, disks: Mapping[str, str], extra: str = "") -> str:
    """Give a definition; `disks` are formats by target, each an image in the folder of images."""
    return libvirtd.domain_xml(name, {target: (kind, image(name, target)) for target, kind in disks.items()}, extra)


def image(name: str, target: str) -> str:
    """Give the path of a disk's image, whatever its virtual machine is called."""
    return f"{IMAGES}/{hashlib.sha256(name.encode()).hexdigest()[:8]} {target}.img"


def until(holds: Callable[[], bool], what: str, seconds: float = 120) -> None:
    """Wait for a condition."""
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            raise TimeoutError(what)
        time.sleep(0.05)


def _catalogue() -> bytes:
    """Give a compiled catalogue of messages (gettext's manual, "The Format of GNU MO Files")."""
    messages = sorted(
        {
            b"": b"Content-Type: text/plain; charset=UTF-8\n",
            b"paused": b"angehalten",
            b"running": b"laufend",
            b"shut off": b"ausgeschaltet",
            b"None": b"Keine",
            b"Job type:": b"Auftragsart:",
        }.items()
    )
    count, texts = len(messages), b""
    tables: list[list[int]] = [[], []]
    for table, column in zip(tables, (0, 1), strict=True):
        for message in messages:
            table += [len(message[column]), 28 + 16 * count + len(texts)]
            texts += message[column] + b"\0"
    header = struct.pack("<7I", 0x950412DE, 0, count, 28, 28 + 8 * count, 0, 28 + 16 * count)
    return header + b"".join(struct.pack(f"<{2 * count}I", *table) for table in tables) + texts


# In front of the real program: every file of XML that a script of ours gives to libvirt is held against its schema.
VALIDATES = """\
#!/bin/sh
for word; do
    case $word in
        /root/*) continue ;;
        /*.xml) ;;
        *) continue ;;
    esac
    case "$* $word" in
        *backup-begin*checkpoint.xml) schema=domaincheckpoint ;;
        *backup-begin*) schema=domainbackup ;;
        *snapshot-create*) schema=domainsnapshot ;;
        *) schema=domain ;;
    esac
    if ! virt-xml-validate "$word" "$schema" >/run/validated 2>&1 </dev/null; then
        { echo "$*"; cat /run/validated "$word"; } >>/run/invalid
    fi
    echo "$schema" >>/run/valid
done
if [ -x /usr/local/bin/virsh ]; then exec /usr/local/bin/virsh "$@"; fi
exec /usr/bin/virsh "$@"
"""


@dataclass(frozen=True, slots=True)
class Hypervisor:
    """The machine `srv06` and what an admin, its timers and its guests do on it."""

    machine: Machine
    site: Site

    def virsh(self, *words: str, check: bool = True) -> Outcome:
        """Run virsh as an admin does."""
        return self.machine.run(["virsh", "--quiet", *words], check=check)

    def define(self, name: str, disks: Mapping[str, str], *, size: int = 16 * MIB, extra: str = "") -> str:
        """Make the images of a virtual machine and define it; give its definition."""
        for target, kind in disks.items():
            self.machine.run(["qemu-img", "create", "-q", "-f", kind, image(name, target), str(size)])
        text = domain_xml(name, disks, extra)
        self.machine.write("/root/domain.xml", text)
        self.machine.run(["virt-xml-validate", "/root/domain.xml", "domain"])
        self.virsh("define", "/root/domain.xml")
        return text

    def start(self, name: str) -> None:
        """Start a virtual machine, and leave it standing before its first instruction."""
        self.virsh("start", "--paused", "--domain", name)

    def write(self, name: str, number: int, where: int, pattern: int, length: int = MIB) -> None:
        """Write to a disk of a virtual machine as its guest would: `number` counts its disks from 0."""
        line = libvirtd.write_line(number, where, pattern, length)
        self.virsh("qemu-monitor-command", "--domain", name, "--hmp", line)

    def state(self, name: str) -> str:
        """Give the state of a virtual machine in libvirt's words."""
        return self.virsh("domstate", "--domain", name).stdout.strip()

    def job(self, job: str, *, check: bool = True, seconds: int = 300) -> Outcome:
        """Run a job's unit to its end."""
        return unit.run(self.machine, f"backupspec-{job}_local", check=check, seconds=seconds)

    def validated(self) -> frozenset[str]:
        """Give the schemas that definitions of our scripts were held against since the machine is there."""
        return frozenset(self.machine.read("/run/valid").split())

    def archives(self) -> tuple[str, ...]:
        """Give the names of all archives, checkpoints and unfinished ones too."""
        words = ["list", "--consider-checkpoints", "--short", "::"]
        return tuple(repository_script(self.machine, "local", "borg", *words).stdout.split())

    def series(self) -> tuple[str, ...]:
        """Give the names of all archives without host and time, sorted."""
        return tuple(sorted(name.removeprefix(f"{HOST}_").rpartition("_")[0] for name in self.archives()))

    def stored(self, archive: str, path: str) -> bytes:
        """Give the bytes of a file in an archive."""
        copy = "/var/lib/backupspec/stored"
        env = {"BORG_BASE_DIR": "/root/other", "BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK": "yes"}
        self.machine.run(["sh", "-c", f"borg extract --stdout {REPOSITORY}::{archive} {path} >{copy}"], env=env)
        return self.outside(copy).read_bytes()

    def borg(self, command: str, data: bytes = b"") -> None:
        """Run a line of shell with borg in it as the account of the jobs, in a base folder of its own."""
        env = {
            "BORG_BASE_DIR": "/tmp/other",
            "BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK": "yes",
            "BORG_REPO": REPOSITORY,
            "BORG_HOST_ID": f"{HOST}@backupspec",  # whose stale locks it may take off
        }
        words = ["setpriv", "--reuid=backupspec", "--regid=backupspec", "--init-groups", "sh", "-euc", command]
        self.machine.run(words, env=env, data=data)

    def empty_archive(self, name: str) -> None:
        """Make an archive with nothing in it."""
        self.borg(f"borg create ::{name} -")

    def delete_archive(self, name: str) -> None:
        """Delete an archive."""
        self.borg(f"borg delete ::{name}")

    def replace_archive(self, name: str, path: str, content: bytes) -> None:
        """Put an archive with another content into the place of one."""
        self.borg(f"borg delete ::{name}; borg create --stdin-name {path} ::{name} -", content)

    def speak_german(self) -> None:
        """Give the machine a German libvirt, as far as states go: its catalogue of messages in the real format."""
        self.machine.run(["localedef", "-i", "de_DE", "-f", "UTF-8", "de_DE.UTF-8"])
        self.machine.write("/usr/share/locale/de/LC_MESSAGES/libvirt.mo", _catalogue())

    def newest(self, series: str) -> str:
        """Give the newest archive of a series."""
        return max(name for name in self.archives() if name.startswith(f"{HOST}_{series}_2"))

    def raw(self, path: str, kind: str) -> bytes:
        """Give what a guest would see of an image."""
        self.machine.run(["qemu-img", "convert", "-f", kind, "-O", "raw", path, "/root/raw"])
        return self.outside("/root/raw").read_bytes()

    def outside(self, path: str) -> Path:
        """Give the path of a file of the machine as this process sees it."""
        return Path(f"/proc/{self.machine.pid}/root{path}")

    def restore(self, job: str, *words: str, check: bool = True) -> Outcome:
        """Run `backupspec-run restore-vm JOB WORDS` as far as it is a script."""
        return unit.run_for_people(self.machine, f"{SCRIPTS}/jobs/{job}_local/restore", *words, check=check, undo=False)

    def written(self, jobs: Mapping[str, Any], domains: Mapping[str, str], **host: object) -> None:
        """Compile the host with other virtual machines and apply it."""
        write_inventory(self.site.inventory, jobs, domains, **host)
        self.site.compile()
        self.site.apply(self.machine)


def write_inventory(folder: Path, jobs: Mapping[str, Any], domains: Mapping[str, str], **host: object) -> None:
    """Write an inventory of one hypervisor with one local repository; `domains` are definitions by file name."""
    told = {"to": ["local"], "scratch": SCRATCH, "virtual_machines": dict(jobs), **host}
    document = {
        "version": 1,
        "fleet": "kvm",
        "repositories": {"local": {"path": REPOSITORY, "encryption": "none"}},
        "hosts": {HOST: told},
    }
    (folder / "domains").mkdir(parents=True, exist_ok=True)
    for name, text in domains.items():
        (folder / "domains" / f"{name}.xml").write_text(text, encoding="utf-8")
    (folder / "inventory.yaml").write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")


@contextlib.contextmanager
def hypervisor(folder: Path, *, borg: str = "1.2") -> Iterator[Hypervisor]:
    """Give a hypervisor on which libvirtd runs, with an empty repository; nothing of it is left afterwards."""
    site = Site(folder / "inventory", folder / "compiled")
    some = domain_xml("any", {"vda": "raw"})
    write_inventory(site.inventory, {"any": {"xml": "domains/any.xml"}}, {"any": some})
    site.compile()
    with Room() as room:
        machine = room.machine(HOST, ["192.0.2.30"], fresh=libvirtd.OWN)
        borgs.give(machine, borg)
        libvirtd.prepare(machine)
        machine.run(["mkdir", "-p", IMAGES, SCRATCH])
        site.apply(machine)
        machine.sh(f"install -d -o backupspec -g backupspec -m 0700 {REPOSITORY}")
        repository_script(machine, "local", "init")
        libvirtd.start(machine)
        machine.write("/usr/local/sbin/virsh", VALIDATES, mode=0o755)
        yield Hypervisor(machine, site)
        assert machine.sh("cat /run/invalid 2>/dev/null || :").stdout == ""
        print("validated:", machine.sh("sort /run/valid 2>/dev/null | uniq -c").stdout)
