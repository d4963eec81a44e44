"""Makes a small tree with real rsnapshot, aged as if it had run for some days: something to rehearse a migration on."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

DAY = 86_400  # seconds
FIRST_NIGHT = 1_704_161_100  # 2024-01-02T02:05:00Z


class SampleError(Exception):
    """rsnapshot is missing or failed; the message is for people."""


def make_sample_tree(
    folder: Path, *, link_dest: bool = False, snapshots: int = 4, source: Path | None = None, host: str = "web01"
) -> Path:
    """Make `folder`/snapshots with one snapshot per day and give the path of its rsnapshot.conf.

    `source` is backed up as it is, and only read; without one a small source is made and changed from day to day. The
    last snapshot holds the source as it stands at the end. Owners are mapped by name. Raises SampleError.
    """
    rsnapshot = program("rsnapshot")
    program("rsync")
    folder.mkdir(parents=True, exist_ok=True)
    root = folder / "snapshots"
    root.mkdir()
    backed_up = folder / "source" if source is None else source
    configuration = folder / "rsnapshot.conf"
    configuration.write_text(
        rsnapshot_conf(
            folder,
            retains=(("daily", max(snapshots, 2)),),
            backups=((f"{backed_up}/", f"{host}/"),),
            link_dest=link_dest,
        ),
        encoding="utf-8",
    )
    for day in range(snapshots):
        if source is None:
            _change(backed_up, day)
        run = subprocess.run(
            [rsnapshot, "-c", str(configuration), "daily"], capture_output=True, text=True, check=False
        )
        if run.returncode != 0:
            raise SampleError(f"rsnapshot failed: {run.stdout}{run.stderr}".strip())
        night = FIRST_NIGHT + day * DAY
        os.utime(root / "daily.0", (night, night))
    return configuration


def program(name: str) -> str:
    """Give the path of a program; SampleError when it is not installed."""
    found = shutil.which(name)
    if found is None:
        raise SampleError("rsnapshot and rsync are needed: apt-get install rsnapshot rsync")
    return found


def rsnapshot_conf(
    folder: Path,
    *,
    retains: tuple[tuple[str, int], ...],
    backups: tuple[tuple[str, str], ...],
    link_dest: bool,
    ssh: Path | None = None,
) -> str:
    """Give the text of an rsnapshot.conf whose tree, logfile and lockfile lie in `folder`.

    `backups` are (source, dest), `retains` the ladder from its lowest rung. Raises SampleError.
    """
    lines = [
        ("config_version", "1.2"),
        ("snapshot_root", f"{folder}/snapshots/"),
        ("no_create_root", "1"),
        ("cmd_cp", program("cp")),
        ("cmd_rm", program("rm")),
        ("cmd_rsync", program("rsync")),
        *((("cmd_ssh", str(ssh)),) if ssh is not None else ()),
        *(("retain", name, str(count)) for name, count in retains),
        ("loglevel", "3"),
        ("verbose", "1"),
        ("logfile", f"{folder}/rsnapshot.log"),
        ("lockfile", f"{folder}/rsnapshot.pid"),
        ("link_dest", str(int(link_dest))),
        ("rsync_short_args", "-aHAXS"),
        ("rsync_long_args", "--delete --relative --delete-excluded"),
        *(("backup", source, dest) for source, dest in backups),
    ]
    return "".join("\t".join(line) + "\n" for line in lines)


def _change(source: Path, day: int) -> None:
    """Give the source its state of one day; all times lie before the night of its snapshot."""
    for name in ("etc", "www/static", "www/logs"):
        (source / name).mkdir(parents=True, exist_ok=True)
    if day == 0:
        (source / "etc/hostname").write_text("web01\n", encoding="utf-8")
        (source / "www/index.html").write_text("<h1>first</h1>\n", encoding="utf-8")
        (source / "www/static/logo.bin").write_bytes(bytes(range(256)) * 4096)
        (source / "www/current").symlink_to("static")
        (source / "www/start.html").hardlink_to(source / "www/index.html")
    (source / f"www/logs/day-{day}.log").write_text(f"{day} visits\n" * 50, encoding="utf-8")
    (source / "etc/motd").write_text(f"day {day}\n", encoding="utf-8")
    then = FIRST_NIGHT + (day - 1) * DAY
    for path in (source / f"www/logs/day-{day}.log", source / "etc/motd"):
        os.utime(path, (then, then))
    for top, folders, files in os.walk(source):
        for name in (*folders, *files):
            path = Path(top, name)
            if path.lstat().st_mtime > FIRST_NIGHT + day * DAY:
                os.utime(path, (then, then), follow_symlinks=False)
    os.utime(source, (then, then))
