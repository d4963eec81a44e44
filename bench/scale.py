"""Ten hosts with thirty snapshots of a million files each, simulated: what `migrate run --jobs N` would take.

Each host is a row of phases, one for each snapshot and one for its commit, which follow one another. In a phase three
things go on side by side: one process reads ahead, one writes, and the disk that holds the tree moves. Hosts share
processors and disk fairly, and the slowest of what a host needs holds up the rest of it. What a unit of work costs was
measured by `migrate.py` and stands below, in seconds; SCALE.md says how.

`python bench/scale.py [HOSTS SNAPSHOTS FILES]`
"""

from __future__ import annotations

import sys
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

NEW, PER_FOLDER, BYTES = 0.02, 50, 100_000  # a snapshot's share of new files; files in a folder; bytes of a file
FILE = 45e-6  # for each of the two processes: a new file of few bytes
PER_BYTE = 1 / 200e6  # reading, compressing and encrypting, for the process that reads
ENTRY, FOLDER = 3.5e-6, 60e-6  # of a later snapshot: an entry that is known, and its folder
COMMIT_PER_CHUNK = 1.65e-6  # Borg writes its indexes anew
CORES = (2, 4, 8)
JOBS = (1, 2, 4)


@dataclass(frozen=True, slots=True)
class Disk:
    """What holds the tree: seconds for a file or folder that is not in memory, and what each further reader adds."""

    name: str
    seek: float
    disturbed: float


DISKS = (
    Disk("in memory, or solid state", 60e-6, 1.0),
    Disk("rotating", 6.5e-3, 1.15),
)


@dataclass(slots=True)
class Phase:
    """Seconds of each resource that are left to do."""

    reader: float
    writer: float
    disk: float

    def rate(self, core: float, disk: float) -> float:
        """Give the share of the phase that is done in a second, with so much of the processors and of the disk."""
        # Each process runs on one core at most; together they have `core`.
        limits = [1 / self.reader if self.reader else 1e9, 1 / self.writer if self.writer else 1e9]
        limits.append(core / (self.reader + self.writer))
        if self.disk:
            limits.append(disk / self.disk)
        return min(limits)


def phases(snapshots: int, files: int, disk: Disk) -> list[Phase]:
    """Give what one host needs, in order."""
    folders, new = files // PER_FOLDER, int(files * NEW)
    content = BYTES * PER_BYTE
    made = [
        Phase(files * (FILE + content), files * FILE, (files + folders) * disk.seek),
        Phase(0, files * COMMIT_PER_CHUNK, 0),
    ]
    for _ in range(snapshots - 1):
        known = files * ENTRY + folders * FOLDER + new * FILE
        made += [
            Phase(known / 2 + new * content, known / 2, (folders + new) * disk.seek),
            Phase(0, files * COMMIT_PER_CHUNK, 0),
        ]
    return made


@dataclass(frozen=True, slots=True)
class Machine:
    """Where the migration runs, and how many repositories it works on at a time."""

    cores: int
    disk: Disk
    jobs: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """Seconds until all is done; how busy processors and disk were in that time, as shares."""

    seconds: float
    cores: float
    disk: float


def simulate(waiting: list[list[Phase]], machine: Machine) -> Outcome:
    """Go from the end of one phase to that of the next, until the hosts that wait are through."""
    active: list[list[Phase]] = []
    now = worked = moved = 0.0
    while waiting or active:
        while waiting and len(active) < machine.jobs:
            active.append(waiting.pop(0))
        heads = [host[0] for host in active]
        readers = sum(phase.disk > 0 for phase in heads)
        longer = machine.disk.disturbed ** max(0, readers - 1)
        rates = [phase.rate(machine.cores / len(heads), 1 / max(1, readers) / longer) for phase in heads]
        step = min(1 / rate for rate in rates)
        for host, phase, rate in zip(active, heads, rates, strict=True):
            done = rate * step
            worked += done * (phase.reader + phase.writer)
            moved += done * phase.disk * longer
            host[0] = Phase(*(left * (1 - done) for left in (phase.reader, phase.writer, phase.disk)))
            if done > 1 - 1e-9:
                host.pop(0)
        active = [host for host in active if host]
        now += step
    return Outcome(now, worked / now / machine.cores, moved / now)


def main(hosts: int, snapshots: int, files: int) -> None:
    """Print one table."""
    table = Table(title=f"{hosts} hosts, {snapshots} snapshots, {files:,} files of {BYTES // 1000} kB each")
    for column in ("the tree's disk", "cores", "--jobs", "hours", "cores busy", "disk busy"):
        table.add_column(column, justify="left" if column == "the tree's disk" else "right")
    for disk in DISKS:
        for cores in CORES:
            for jobs in JOBS:
                told = simulate([phases(snapshots, files, disk) for _ in range(hosts)], Machine(cores, disk, jobs))
                figures = (f"{told.seconds / 3600:.1f}", f"{told.cores:.0%}", f"{told.disk:.0%}")
                table.add_row(disk.name, str(cores), str(jobs), *figures)
    Console(width=100).print(table)


if __name__ == "__main__":
    given = [int(word) for word in sys.argv[1:4]]
    main(*(given + [10, 30, 1_000_000][len(given) :]))
