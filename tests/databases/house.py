"""A host with a database server and a repository of its own, everything on it compiled, for the tests of each kind."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from demo.lab import borgs, unit
from demo.lab.command import Outcome
from demo.lab.machine import CREDENTIALS, Machine
from demo.lab.room import Room
from demo.lab.site import SCRIPTS, Site, repository_script

REPOSITORY = "/backup/borg"
HOST = "db01"
LATER = "2037-01-01T00:00:00Z"
PEEK = "/srv/peek"
"""What a hostile dump runs: it notes as whom, and what it got hold of."""
_SEEN = "/tmp/seen."
_PEEK = f"""#!/bin/sh
exec >>"{_SEEN}$(id -un)" 2>&1
own=/var/lib/backupspec
for each in /etc/backupspec/credentials $own $own-restore {REPOSITORY} "$CREDENTIALS_DIRECTORY"; do
    if ls -- "$each"/* >/dev/null; then echo "REACHED $each"; fi
    if touch -- "$each/touched"; then echo "REACHED $each, to write"; fi
done
if env | grep ^BORG; then echo "REACHED the environment of borg"; fi
if ip -o link | grep -v ' lo: '; then echo "REACHED the network"; fi
"""


@dataclass(frozen=True, slots=True)
class House:
    """The machine `db01`, its inventory, and what an admin and its timers would do on it. Others may join its room."""

    machine: Machine
    site: Site
    room: Room
    repository: str = "local"

    def job(self, job: str, *, check: bool = True, seconds: int = 300) -> Outcome:
        """Run a job's unit to its end: dumps, prune, compact."""
        return unit.run(self.machine, f"backupspec-{job}_{self.repository}", check=check, seconds=seconds)

    def drill(self, job: str, *, check: bool = True) -> Outcome:
        """Run a job's drill."""
        return unit.run(self.machine, f"backupspec-drill-{job}_{self.repository}", check=check)

    def restore(self, job: str, *words: str, check: bool = True) -> Outcome:
        """Run `backupspec-run restore-database REPOSITORY JOB WORDS` as far as it is a script."""
        return unit.run_for_people(self.machine, f"{SCRIPTS}/jobs/{job}_{self.repository}/restore", *words, check=check)

    def hostile(self) -> None:
        """Put there what a hostile dump is going to run."""
        self.machine.write(PEEK, _PEEK, mode=0o755)

    def seen(self) -> dict[str, list[str]]:
        """Give, for each account that has run it since the last time, what it got hold of."""
        names = self.machine.sh("cd /tmp; for each in seen.*; do [ ! -e $each ] || echo ${each#seen.}; done").stdout
        found = {
            name: [line for line in self.machine.read(f"{_SEEN}{name}").splitlines() if "REACHED" in line]
            for name in names.split()
        }
        self.machine.sh(f"rm -f {_SEEN}*")
        return found

    def store(self, series: str, dump: bytes) -> None:
        """Store a dump that no job has made, as the newest of its series."""
        self.machine.write("/var/lib/backupspec/made", dump, owner="backupspec")
        words = ["create", "--stdin-name", f"{series.partition('_')[2]}.dump", "--content-from-command", "--"]
        archive = f"::{HOST}_{series}_{LATER}"
        repository_script(self.machine, self.repository, "borg", *words, archive, "cat", "/var/lib/backupspec/made")

    def unstore(self, series: str) -> None:
        """Delete it again."""
        repository_script(self.machine, self.repository, "borg", "delete", f"::{HOST}_{series}_{LATER}")

    def archives(self) -> tuple[str, ...]:
        """Give the names of all archives, checkpoints and unfinished ones too."""
        words = ["list", "--consider-checkpoints", "--short", "::"]
        return tuple(repository_script(self.machine, self.repository, "borg", *words).stdout.split())

    def series(self) -> tuple[str, ...]:
        """Give the names of all archives without host and time, sorted."""
        return tuple(sorted(name.removeprefix(f"{HOST}_").rpartition("_")[0] for name in self.archives()))

    def content(self, series: str) -> bytes:
        """Give what the newest archive of a series holds, as its only file."""
        newest = max(name for name in self.archives() if name.startswith(f"{HOST}_{series}_"))
        path = "/var/lib/backupspec/content"
        env = {"BORG_BASE_DIR": "/root/other", "BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK": "yes"}
        self.machine.run(["sh", "-c", f"borg extract --stdout {REPOSITORY}::{newest} >{path}"], env=env)
        with contextlib.closing(open(f"/proc/{self.machine.pid}/root{path}", "rb")) as stream:  # noqa: PTH123 - a path of the machine's, as it is
            return stream.read()

    def inside(self, archive: str) -> tuple[str, ...]:
        """Give the paths in an archive, sorted."""
        words = ["list", "--format", "{path}{NL}", f"::{archive}"]
        return tuple(sorted(repository_script(self.machine, self.repository, "borg", *words).stdout.split()))

    def rename(self, archive: str, name: str) -> None:
        """Give an archive another name, such as an older one."""
        repository_script(self.machine, self.repository, "borg", "rename", f"::{archive}", name)

    def left(self) -> str:
        """Give what no run, restore or drill leaves: files of the moment, and processes of its scripts."""
        folders = "/var/lib/backupspec-stage /var/lib/backupspec/tmp /var/lib/backupspec/scratch"
        look = f"find {folders} -mindepth 1 2>/dev/null; ls -d /run/backupspec* 2>/dev/null"
        processes = "pgrep --list-full --full '^/bin/sh /usr/local/lib/backupspec/|[b]org '"
        return self.machine.run(["sh", "-c", f"{look}; {processes}"], check=False).stdout

    def password(self, name: str, text: str) -> None:
        """Put a password where the admin puts it."""
        self.machine.write(f"{CREDENTIALS}/{name}", f"{text}\n", mode=0o600)

    def written(self, databases: Mapping[str, Any], **host: object) -> None:
        """Compile the host with other databases jobs and apply them."""
        write_inventory(self.site.inventory, databases, **host)
        self.site.compile()
        self.site.apply(self.machine)


def write_inventory(folder: Path, databases: Mapping[str, Any], **host: object) -> None:
    """Write an inventory of one host with one local repository."""
    told = {"to": ["local"], "databases": dict(databases), **host}
    document = {
        "version": 1,
        "fleet": "databases",
        "repositories": {"local": {"path": REPOSITORY, "encryption": "none"}},
        "hosts": {HOST: told},
    }
    folder.mkdir(exist_ok=True)
    (folder / "inventory.yaml").write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")


@contextlib.contextmanager
def house(folder: Path, databases: Mapping[str, Any], *, borg: str = "1.2", **host: object) -> Iterator[House]:
    """Give the host with everything applied and an empty repository; nothing of it is left afterwards."""
    write_inventory(folder / "inventory", databases, **host)
    site = Site(folder / "inventory", folder / "compiled")
    site.compile()
    with Room() as room:
        machine = room.machine(HOST, ["192.0.2.30"])
        borgs.give(machine, borg)
        site.apply(machine)
        machine.sh(f"install -d -o backupspec -g backupspec -m 0700 {REPOSITORY}")
        repository_script(machine, "local", "init")
        yield House(machine, site, room)
