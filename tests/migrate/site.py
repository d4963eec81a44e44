"""A place that runs real rsnapshot, for tests: sources, nights, and the commands that migrate it."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

FIRST = 1_704_161_100  # 2024-01-02T02:05:00Z
DAY = 86_400
OLD = FIRST - 30 * DAY
AGES_HENCE = 2_000_000_000
"""What has a time from then on was given it by a test."""


class Kind(StrEnum):
    """How rsnapshot makes a new snapshot share files with the one before."""

    CP_AL = "cp-al"
    LINK_DEST = "link_dest"


EACH = """
from backupspec_migrate.host_id import settle_host_id
settle_host_id()  # before Borg's package is loaded
from backupspec_migrate import run
from backupspec.cli import main
run._LEAST = 0
main()
"""


@dataclass
class Site:
    """`lines` are backup lines (source relative to `sources`, dest, options).

    Each night is one real rsnapshot run with an aged folder. `copy` is the program that rsnapshot calls as `cp`.
    `among` stands before each command that looks at the snapshots: they may lie where only such a command sees them.
    """

    folder: Path
    lines: list[tuple[str, str, str]] = field(default_factory=lambda: [("web01/", "web01/", "")])
    kind: Kind = Kind.CP_AL
    short_args: str = "-aHAX"
    long_args: str = "--delete --relative --delete-excluded"
    retain: tuple[tuple[str, int], ...] = (("daily", 30),)
    extra: list[str] = field(default_factory=list)
    copy: str = "/bin/cp"
    among: tuple[str, ...] = ()
    nights: int = 0
    commits_each: bool = False
    """Whether a run commits each archive, as it does where one takes longer than archives wait for a commit."""

    def __post_init__(self) -> None:
        for path in (self.sources, self.snapshots, self.folder / "repos", self.folder / "base"):
            path.mkdir(parents=True, exist_ok=True)
        for source, _, _ in self.lines:
            if source.endswith("/"):
                (self.sources / source).mkdir(parents=True, exist_ok=True)
        self.configure()

    @property
    def sources(self) -> Path:
        return self.folder / "src"

    @property
    def snapshots(self) -> Path:
        return self.folder / "snapshots"

    @property
    def conf(self) -> Path:
        return self.folder / "rsnapshot.conf"

    @property
    def lockfile(self) -> Path:
        return self.folder / "rsnapshot.pid"

    @property
    def plan(self) -> Path:
        return self.folder / "migration/plan.yaml"

    @property
    def template(self) -> str:
        return f"{self.folder}/repos/{{host}}"

    def repo(self, host: str = "web01") -> Path:
        return self.folder / "repos" / host

    def original(self, name: str = "web01") -> str:
        """Give the path that an archive has for a source."""
        return str(self.sources / name).lstrip("/")

    def configure(self) -> None:
        rows = [
            "config_version\t1.2",
            f"snapshot_root\t{self.snapshots}/",
            f"cmd_cp\t{self.copy}",
            "cmd_rm\t/bin/rm",
            "cmd_rsync\t/usr/bin/rsync",
            *(f"retain\t{name}\t{count}" for name, count in self.retain),
            "verbose\t2",
            f"lockfile\t{self.lockfile}",
            f"link_dest\t{int(self.kind is Kind.LINK_DEST)}",
            f"rsync_short_args\t{self.short_args}",
            f"rsync_long_args\t{self.long_args}",
            *self.extra,
            *(
                f"backup\t{self.sources}/{source}\t{dest}" + (f"\t{options}" if options else "")
                for source, dest, options in self.lines
            ),
        ]
        self.conf.write_text("\n".join(rows) + "\n")

    def put(self, name: str | bytes, content: bytes | str = b"x", mtime: float = OLD) -> Path:
        """Write a source file with a time in the past: rsync does not correct times within one second."""
        path = Path(os.fsdecode(os.fsencode(self.sources) + b"/" + os.fsencode(name)))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        os.utime(path, (mtime, mtime))
        for folder in path.parents:
            if not folder.is_relative_to(self.sources):
                break
            if folder.stat().st_mtime > FIRST:
                os.utime(folder, (OLD, OLD))
        return path

    def age(self) -> None:
        for top, folders, files in os.walk(self.sources, topdown=False):
            for name in (*files, *folders):
                path = os.path.join(top, name)  # noqa: PTH118 - names that are not text
                if FIRST < os.lstat(path).st_mtime < AGES_HENCE:
                    os.utime(path, (OLD, OLD), follow_symlinks=False)
        os.utime(self.sources, (OLD, OLD))

    def night(self, level: str = "daily", time: int | None = None) -> int:
        """Run rsnapshot once, for real, and date the result."""
        self.age()
        command = [*self.among, "rsnapshot", "-c", str(self.conf), level]
        run = subprocess.run(command, capture_output=True, text=True, check=False)
        assert run.returncode == 0, run.stdout + run.stderr
        when = FIRST + self.nights * DAY if time is None else time
        self.nights += 1
        subprocess.run([*self.among, "touch", "-d", f"@{when}", self.snapshots / f"{level}.0"], check=True)
        return when

    def environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "BORG_BASE_DIR": str(self.folder / "base"),
            "BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK": "yes",
            "BORG_RELOCATED_REPO_ACCESS_IS_OK": "yes",
            "BORG_PASSPHRASE": "correct horse",
            "TZ": "UTC",
            "LC_ALL": "C.UTF-8",
        }

    def command(
        self, name: str, *arguments: str, source: Path | None = None, repository: str | None = None
    ) -> list[str]:
        """Give the command of a name: `rsnapshot` only imports, the others work on the plan that it leaves."""
        python = ["-c", EACH] if self.commits_each else ["-m", "backupspec"]
        program = [*self.among, sys.executable, *python, "migrate", name]
        if name in {"rsnapshot", "plan"}:
            where = ["--repository", repository or self.template]
            plan = ["--plan", str(self.plan), "--no-verify"] if name == "rsnapshot" else ["-o", str(self.plan)]
            return [*program, str(source or self.conf), *where, *plan, *arguments]
        return [*program, str(self.plan), *arguments]

    def run(
        self, name: str, *arguments: str, source: Path | None = None, repository: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        command = self.command(name, *arguments, source=source, repository=repository)
        return subprocess.run(
            command, env=self.environment(), capture_output=True, text=True, errors="backslashreplace", check=False
        )

    def migrate(self, *arguments: str, source: Path | None = None) -> subprocess.CompletedProcess[str]:
        """Import, and expect success."""
        done = self.run("rsnapshot", "--encryption", "none", *arguments, source=source)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        return done

    def verify(self, *arguments: str, source: Path | None = None) -> subprocess.CompletedProcess[str]:
        done = self.run("verify", *arguments, source=source)
        assert done.returncode == 0, done.stdout + done.stderr
        return done

    def borg(self, program: Path, *arguments: str, cwd: Path | str = "/") -> str:
        done = subprocess.run([program, *arguments], env=self.environment(), cwd=cwd, capture_output=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout.decode("utf-8", "surrogateescape")

    def archives(self, program: Path, host: str = "web01") -> list[str]:
        return self.borg(program, "list", "--short", str(self.repo(host))).split("\n")[:-1]

    def items(self, program: Path, archive: str, host: str = "web01") -> dict[str, dict[str, object]]:
        """Give the raw items of an archive by path."""
        target = self.folder / "dump.json"
        target.unlink(missing_ok=True)
        self.borg(program, "debug", "dump-archive", f"{self.repo(host)}::{archive}", str(target))
        listed = json.loads(target.read_bytes())["_items"]
        return {item["path"]: item for item in listed}


def inventory(root: Path) -> dict[str, tuple[int, ...]]:
    """Give all that stat says of everything below `root`; a folder is looked at before it is listed."""
    found: dict[str, tuple[int, ...]] = {}
    pending = [os.fspath(root)]
    while pending:
        path = pending.pop()
        state = os.lstat(path)
        found[path] = (
            state.st_ino,
            state.st_mode,
            state.st_uid,
            state.st_gid,
            state.st_nlink,
            state.st_size,
            state.st_atime_ns,
            state.st_mtime_ns,
            state.st_ctime_ns,
        )
        if stat.S_ISDIR(state.st_mode):
            pending += [os.path.join(path, name) for name in os.listdir(path)]  # noqa: PTH118, PTH208 - names that are not text
    return found


def make_atimes_tell(root: Path) -> dict[str, tuple[int, ...]]:
    """Set all access times so far back that any reading would move them, and give the inventory."""
    paths = sorted(inventory(root), reverse=True)
    for path in paths:
        state = os.lstat(path)
        os.utime(path, ns=(1, state.st_mtime_ns), follow_symlinks=False)
    states: dict[str, tuple[int, ...]] = {}
    for path in paths:
        state = os.lstat(path)
        states[path] = (
            state.st_ino,
            state.st_mode,
            state.st_uid,
            state.st_gid,
            state.st_nlink,
            state.st_size,
            state.st_atime_ns,
            state.st_mtime_ns,
            state.st_ctime_ns,
        )
    return states
