"""How long a migration takes, beside what Borg and the file system need for less: all in one run, in turn.

The tree is made here: small files, 2 % of them replaced from snapshot to snapshot, all others hard links, as rsnapshot
leaves them. Every figure is a whole process. Seconds on the wall of a busy machine say little, ratios more; processor
seconds (of all processes of a command) stand beside them. `borg create` takes what it has read out of the kernel's
memory, so each command that reads the tree finds all of it there again; where root may do that, `borg create` and
`migrate run` are also measured when all must come from the disk.

`make bench`, or `python bench/migrate.py FILES SNAPSHOTS ROUNDS`. `migrate run` and `migrate verify` are the commands
as people type them, on all files and on a quarter of them; their steps alone (`migrate_step.py`) tell what plan,
progress and start add. What the environment may say: BORG_IMPORT=PROGRAM (https://github.com/borgbackup/borg-import) is
measured too; BENCH_LOOP=0 leaves out `borg create` of every snapshot; BENCH_FOLDER is where to work, on the file system
that matters (some 20 kB per file).
"""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.table import Table

BORG = Path(__file__).parents[1] / ".borg" / "1.4" / "borg"
FIRST, DAY = 1_704_161_100, 86_400  # 2024-01-02T02:05:00Z, in seconds
CHANGED, PER_FOLDER = 0.02, 50
SMALLER = 4
OPTIONS = ("--compression", "lz4", "--noctime", "--nobirthtime", "--numeric-ids")

COLD = ", from disk"
LOOPED = "borg create, each snapshot"
OPEN = "Borg's indexes and buffers only"
LOOP = 'for n in $(seq {last} -1 0); do cd "$1/daily.$n/web01" && "$2" create {options} "$3::$n" . || exit; done'


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds on the wall, seconds of processors, and the most memory in MB that all processes had to themselves."""

    wall: float
    cpu: float
    memory: float


def main(files: int, snapshots: int, rounds: int) -> None:
    """Measure, and print one table for people."""
    with tempfile.TemporaryDirectory(prefix="bench-migrate-", dir=os.environ.get("BENCH_FOLDER")) as name:
        bench = Bench(Path(name), files, snapshots)
        make_tree(bench.tree, files, snapshots)
        make_tree(bench.quarter, files // SMALLER, snapshots)
        for turn in range(rounds):
            bench.measure(warm=turn == 0)
        bench.print(rounds)


class Bench:
    """The tree, the repositories and the figures."""

    def __init__(self, folder: Path, files: int, snapshots: int) -> None:
        self.folder, self.tree, self.files, self.snapshots = folder, folder / "tree", files, snapshots
        self.quarter = folder / "quarter"
        self.entries = entries(files)
        self.costs: dict[str, list[Cost]] = {}
        self.growth: list[float] = []
        self.environment = {
            **os.environ,
            "PATH": f"{BORG.parent}:{os.environ['PATH']}",  # borg-import looks for borg there
            "LC_ALL": "C.UTF-8",
            "BORG_HOST_ID": "bench@backupspec",
            "BORG_BASE_DIR": str(folder / "base"),
            "BORG_PASSPHRASE": "bench",
            "BORG_RELOCATED_REPO_ACCESS_IS_OK": "yes",
            "BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK": "yes",
        }

    def measure(self, *, warm: bool) -> None:
        """Do everything once."""
        tree, ours = self.tree, self.folder / "migrated"
        oldest = tree / f"daily.{self.snapshots - 1}" / "web01"
        if warm:
            self.run("(warm-up)", "find", tree, "-type", "f", "-size", "+9999G")
        create = (BORG, "create", *OPTIONS, f"{self.folder}/created::oldest", ".")
        if os.geteuid() == 0:
            self.fresh("created")
            forget()
            self.run(f"borg create{COLD}", *create, cwd=oldest)
            self.migrate("run", tree, prepare=forget, more=COLD)
        self.fresh("created")
        remember(tree)
        self.run("borg create", *create, cwd=oldest)
        self.fresh("migrated")
        self.migrate("run", tree)
        remember(tree)
        self.run("step of run", *self.step("import", tree, ours, self.snapshots))
        self.run("find", "find", tree, "-printf", "%i %s\n")
        self.run("borg check --verify-data", BORG, "check", "--verify-data", ours)
        with contextlib.suppress(FileNotFoundError):
            shutil.rmtree(self.folder / "copy")
        self.run("one read", sys.executable, "-c", READ_ONCE, tree)
        self.migrate("verify", tree)
        remember(tree)
        self.run("step of verify", *self.step("verify", tree, ours, self.snapshots))
        self.fresh("created")
        self.run("borg create, a quarter", *create, cwd=self.quarter / oldest.relative_to(tree))
        self.migrate("run", self.quarter)
        self.migrate("verify", self.quarter)
        self.run(OPEN, *self.step("open", tree, ours, self.snapshots))
        of_quarter = self.folder / f"{self.quarter.name}-web01"
        self.run(f"{OPEN}, a quarter", *self.step("open", self.quarter, of_quarter, self.snapshots))
        # Twenty more snapshots in which nothing changed, beside one: the difference is what an unchanged entry costs.
        same = self.folder / "same"
        if not same.exists():
            make_same(tree, same, self.snapshots, self.folder)
        self.fresh("twins")
        twins = self.folder / "twins"
        self.run("same x 1", *self.step("import", same, twins, 1))
        before = size(twins / "data")
        self.run("same x 2", *self.step("import", same, twins, 2))
        self.growth.append((size(twins / "data") - before) / self.files)
        self.fresh("twins")
        self.run("same x all", *self.step("import", same, twins, self.snapshots))
        self.peers(tree)

    def peers(self, tree: Path) -> None:
        """Run what others would do for the same, where it is asked for; the loop once, as it takes minutes."""
        if os.environ.get("BENCH_LOOP") != "0" and LOOPED not in self.costs:
            self.fresh("loop")
            loop = LOOP.format(last=self.snapshots - 1, options=" ".join(OPTIONS))
            self.run(LOOPED, "sh", "-c", loop, "sh", tree, BORG, self.folder / "loop")
        program = os.environ.get("BORG_IMPORT")
        if program:
            copy = self.folder / "copy"  # it renames the snapshots that it reads
            subprocess.run(["cp", "-al", tree, copy], check=True)
            self.fresh("imported")
            self.run("borg-import", program, "rsnapshot", copy, self.folder / "imported")
            shutil.rmtree(copy)

    def migrate(self, name: str, tree: Path, *, prepare: Callable[[], None] | None = None, more: str = "") -> None:
        """Run `backupspec migrate run` or `verify`; before a run make the plan and an empty repository."""
        plan, program = self.folder / f"{tree.name}.yaml", (sys.executable, "-m", "backupspec", "migrate")
        if name == "run":
            # The host's name, which the template takes, is part of the repository's.
            self.fresh(f"{tree.name}-web01")
            where = f"{self.folder}/{tree.name}-{{host}}"
            self.run(
                "plan", *program, "plan", tree, "--repository", where, "--compression", "lz4", "--force", "-o", plan
            )
        part = more if tree == self.tree else ", a quarter"
        (prepare or partial(remember, tree))()
        self.run(f"migrate {name}{part}", *program, name, plan)

    def step(self, what: str, tree: Path, repository: Path, snapshots: int) -> tuple[str, ...]:
        """Give the command of one step of a migration."""
        return (
            sys.executable,
            str(Path(__file__).with_name("migrate_step.py")),
            what,
            str(tree),
            str(repository),
            str(snapshots),
        )

    def fresh(self, name: str) -> None:
        """Make an empty repository."""
        shutil.rmtree(self.folder / name, ignore_errors=True)
        command = [str(BORG), "init", "--encryption", "repokey-blake2", str(self.folder / name)]
        subprocess.run(command, env=self.environment, capture_output=True, check=True)

    def run(self, what: str, *argv: object, cwd: Path | None = None) -> None:
        """Run a command and note what it took."""
        process = subprocess.Popen(
            [str(word) for word in argv],
            env=self.environment,
            cwd=cwd,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        start = time.perf_counter()
        peak = Peak(process.pid)
        peak.start()
        said = process.stderr.read() if process.stderr is not None else b""
        _, status, used = os.wait4(process.pid, 0)
        wall = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        peak.done.set()
        peak.join()
        if process.returncode:
            raise SystemExit(f"{what} failed:\n{said.decode(errors='replace')}")
        self.costs.setdefault(what, []).append(Cost(wall, used.ru_utime + used.ru_stime, peak.megabytes))

    def print(self, rounds: int) -> None:
        """Print the figures, and the goals that they are measured by."""
        table = Table(
            title=f"{self.files:,} files, {self.snapshots} snapshots, {CHANGED:.0%} replaced each; best of {rounds}"
        )
        for column in ("what", "wall s", "processor s", "memory MB"):
            table.add_column(column, justify="left" if column == "what" else "right")
        for what in self.costs:
            table.add_row(what, f"{self.of(what):.2f}", f"{self.of(what, 'cpu'):.2f}", f"{self.of(what, 'memory'):.0f}")
        if "borg-import" not in self.costs:
            table.add_row("borg-import", "skipped: BORG_IMPORT is not set", "", "")
        if LOOPED not in self.costs:
            table.add_row(LOOPED, "skipped: BENCH_LOOP=0", "", "")
        console = Console(width=120)
        console.print(table)
        goals = Table(title="ratios of the same run")
        for column in ("what", "goal", "wall", "processor"):
            goals.add_column(column, justify="left" if column == "what" else "right")
        for what, goal, figures in self.ratios():
            goals.add_row(what, goal, *figures)
        console.print(goals)

    def ratios(self) -> list[tuple[str, str, tuple[str, ...]]]:
        """Give what the issue asks for: what, the goal, and the figures by wall and by processor."""
        kinds = ("wall", "cpu")
        more = self.entries * (self.snapshots - 1)
        per_entry = [(self.of("same x all", kind) - self.of("same x 1", kind)) / more * 1e6 for kind in kinds]
        find = [self.of("find", kind) / (self.entries * self.snapshots) * 1e6 for kind in kinds]
        limits = [self.of("borg check --verify-data", kind) + self.of("one read", kind) for kind in kinds]
        above = self.per_inode("migrate run") - self.per_inode(OPEN)
        path = len(name_of(0))
        create, checked = [self.of("borg create", kind) for kind in kinds], limits
        cold = []
        if (name := f"migrate run{COLD}") in self.costs:
            others = [self.of(f"borg create{COLD}", kind) for kind in kinds]
            cold = [("    the same when all must come from the disk", "", self.beside(name, others))]
        rows = [
            ("migrate run / borg create of the oldest", "≤ 1.0", self.beside("migrate run", create)),
            *cold,
            ("    its step alone", "", self.beside("step of run", create)),
            ("µs per unchanged entry of a later snapshot", "≤ 7", per_entry),
            ("µs per entry, find -printf '%i %s'", "", find),
            ("migrate verify / (borg check --verify-data + one read)", "≤ 1.5", self.beside("migrate verify", checked)),
            ("    its step alone", "", self.beside("step of verify", checked)),
            ("migrate run, per entry / the same with a quarter of the files", "≈ 1", self.growing("migrate run")),
            ("migrate verify, the same", "≈ 1", self.growing("migrate verify")),
        ]
        if LOOPED in self.costs:
            each = [self.of(LOOPED, kind) for kind in kinds]
            rows.append((f"migrate run / {LOOPED}", "", self.beside("migrate run", each)))
        texts = [(what, goal, tuple(f"{figure:.2f}" for figure in figures)) for what, goal, figures in rows]
        texts.append(
            (
                "bytes per file that a second identical snapshot adds",
                "< 5",
                (f"{statistics.median(self.growth):.2f}", ""),
            )
        )
        texts.append(("bytes of memory per inode above Borg's own", f"≤ {350 + path}", (f"{above:.0f}", "")))
        grown = self.of("same x all", "memory") / self.of("same x 1", "memory")
        texts.append((f"most memory with {self.snapshots} snapshots / with one", "≈ 1", (f"{grown:.2f}", "")))
        for what in ("migrate run", "step of run"):
            ratio = self.of(what, "memory") / self.of("borg create", "memory")
            texts.append((f"most memory of {what} / that of borg create", "", (f"{ratio:.2f}", "")))
        return texts

    def per_inode(self, what: str) -> float:
        """Give the bytes of memory that each inode of a snapshot adds, from a quarter of the files to all of them."""
        more = self.of(what, "memory") - self.of(f"{what}, a quarter", "memory")
        return more * 1e6 / (self.entries - entries(self.files // SMALLER))

    def beside(self, what: str, others: list[float]) -> list[float]:
        """Divide a figure by that of others, by wall and by processor."""
        return [self.of(what, kind) / other for kind, other in zip(("wall", "cpu"), others, strict=True)]

    def growing(self, what: str) -> list[float]:
        """Say how much more an entry costs among all files than among a quarter: 1 where the growth is linear."""
        more = self.entries / entries(self.files // SMALLER)
        return [self.of(what, kind) / self.of(f"{what}, a quarter", kind) / more for kind in ("wall", "cpu")]

    def of(self, what: str, kind: str = "wall") -> float:
        """Give one figure of the fastest round: what others do on the machine only ever adds."""
        figures: list[float] = [getattr(cost, kind) for cost in self.costs[what]]
        return min(figures)


READ_ONCE = """
import os, sys
seen = set()
for top, _, names in os.walk(sys.argv[1]):
    folder = os.open(top, os.O_RDONLY)
    for name in names:
        inode = os.stat(name, dir_fd=folder, follow_symlinks=False).st_ino
        if inode not in seen:
            seen.add(inode)
            fd = os.open(name, os.O_RDONLY, dir_fd=folder)
            while os.read(fd, 1 << 20):
                pass
            os.close(fd)
    os.close(folder)
"""


def remember(tree: Path) -> None:
    """Have the kernel hold all files of a tree."""
    subprocess.run([sys.executable, "-c", READ_ONCE, tree], check=True)


def forget() -> None:
    """Have the kernel hold no file at all."""
    os.sync()
    Path("/proc/sys/vm/drop_caches").write_text("3")


class Peak(threading.Thread):
    """Watches the memory of a command and its children; what they share is counted once."""

    def __init__(self, session: int) -> None:
        super().__init__(daemon=True)
        self.session, self.done, self.megabytes = session, threading.Event(), 0.0

    def run(self) -> None:
        """Look ten times a second."""
        while not self.done.wait(0.1):
            self.megabytes = max(self.megabytes, sum(proportional(pid) for pid in members(self.session)))


def members(pid: int) -> list[int]:
    """Give a process and all below it."""
    found = [pid]
    for one in found:
        with contextlib.suppress(OSError):
            for task in Path(f"/proc/{one}/task").iterdir():
                found += [int(child) for child in (task / "children").read_text().split()]
    return found


def proportional(pid: int) -> float:
    """Give a process's memory in MB (10^6 bytes), its share of what several have."""
    with contextlib.suppress(OSError, IndexError, ValueError):
        text = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
        return int(text.split("\nPss:")[1].split()[0]) * 1024 / 1e6
    return 0.0


def entries(files: int) -> int:
    """Count the entries of one snapshot with so many files: they, their folders, and those above."""
    return files + -(-files // PER_FOLDER) + 3


def name_of(number: int) -> str:
    """Give the path of a file below its host's folder; all are of the same length."""
    return f"srv/www/site-{number // 10_000:03}/module-{number // PER_FOLDER:05}/file-{number:07}.txt"


def size(folder: Path) -> int:
    """Count the bytes of all files below a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def make_tree(tree: Path, files: int, snapshots: int) -> None:
    """Make snapshots as rsnapshot leaves them, the oldest with the highest number."""
    rng = random.Random(3)  # noqa: S311 - the same tree each time
    words = [bytes(rng.choices(b"abcdefghijklmnopqrstuvwxyz", k=rng.randint(2, 10))) for _ in range(3000)]
    soup = b" ".join(rng.choices(words, k=400_000))

    def put(path: Path) -> None:
        length = min(int(rng.lognormvariate(7.3, 1.1)), 200_000)
        at = rng.randrange(len(soup) - length)
        path.write_bytes(b"%016x " % rng.getrandbits(64) + soup[at : at + length])
        when = (FIRST - rng.randint(2 * DAY, 100 * DAY)) * 10**9 + rng.randrange(10**9)
        os.utime(path, ns=(when, when))

    names = [name_of(number) for number in range(files)]
    for number in range(snapshots):
        here = tree / f"daily.{snapshots - 1 - number}"
        if number == 0:
            for index, name in enumerate(names):
                path = here / "web01" / name
                if index % PER_FOLDER == 0:
                    path.parent.mkdir(parents=True)
                put(path)
            for top, _, _ in os.walk(here / "web01", topdown=False):
                os.utime(top, (FIRST - DAY, FIRST - DAY))
        else:
            subprocess.run(["cp", "-al", tree / f"daily.{snapshots - number}", here], check=True)
            for name in rng.sample(names, int(files * CHANGED)):
                path = here / "web01" / name
                path.unlink()
                put(path)
                os.utime(path.parent, (FIRST - DAY, FIRST - DAY))
        os.utime(here, (FIRST + number * DAY, FIRST + number * DAY))


def make_same(tree: Path, same: Path, snapshots: int, folder: Path) -> None:
    """Make snapshots of the newest state, in which nothing changes."""
    same.mkdir(parents=True)
    for number in range(snapshots):
        here = same / f"daily.{snapshots - 1 - number}"
        subprocess.run(["cp", "-al", tree / "daily.0", here], check=True, cwd=folder)
        os.utime(here, (FIRST + number * DAY, FIRST + number * DAY))


if __name__ == "__main__":
    given = [int(word) for word in sys.argv[1:4]]
    main(*(given + [50_000, 20, 3][len(given) :]))
