"""The first process of a machine: after it has printed its process id, `/` is a copy-on-write view of the real one.

Run inside fresh mount, pid, uts, ipc and network namespaces. It lives until its standard input is closed, and every
process and mount of the machine goes with it, also when whoever started it was killed. Nothing that a machine writes
reaches a disk: the upper layer is a tmpfs.
"""

import argparse
import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

# Folders that may be file systems of their own; the overlay over `/` would show them empty.
_OFTEN_SEPARATE = ("/usr", "/usr/local", "/opt", "/var", "/var/lib", "/var/cache", "/home", "/root", "/srv")
_TMPFS = {"/run": "mode=755", "/tmp": "mode=1777", "/dev/shm": "mode=1777"}  # noqa: S108 - a machine's own, not ours


def _mount(*words: str | Path) -> None:
    subprocess.run(["mount", "--no-mtab", *map(str, words)], check=True)  # else it writes to the outside's /run


def _empty(upper: Path, path: Path) -> None:
    """Make `path` look empty through the overlay, its parents and its own mode unchanged."""
    for real in [*reversed(path.parents), path]:
        made = upper / real.relative_to("/")
        if not made.exists():
            made.mkdir()
            if real.is_dir():
                found = real.stat()
                os.chown(made, found.st_uid, found.st_gid)
                shutil.copymode(real, made)
    os.setxattr(upper / path.relative_to("/"), "trusted.overlay.opaque", b"y")


def _overlay(layers: Path, lower: Path, root: Path, fresh: list[Path]) -> None:
    """Mount a copy-on-write view of `lower` at its place below `root`, the folders of `fresh` empty."""
    own = layers / (lower.name or "root")
    (own / "upper").mkdir(parents=True)
    (own / "work").mkdir()
    found = lower.stat()
    os.chown(own / "upper", found.st_uid, found.st_gid)
    shutil.copymode(lower, own / "upper")
    if lower == Path("/"):
        for path in fresh:
            _empty(own / "upper", path)
    options = f"lowerdir={lower},upperdir={own}/upper,workdir={own}/work"
    _mount("-t", "overlay", "overlay", "-o", options, root / lower.relative_to("/"))


def build(fresh: list[Path], see: list[Path]) -> None:
    """Mount the machine's root and make it `/`."""
    visible = {path: os.open(path, os.O_PATH) for path in see}  # one may lie in a folder that is hidden next
    layers = Path("/tmp")  # noqa: S108 - a mount point that every Linux has; the mount is private
    _mount("-t", "tmpfs", "-o", "mode=700", "tmpfs", layers)
    root = layers / "machine"
    root.mkdir()
    _overlay(layers, Path("/"), root, fresh)
    for name in _OFTEN_SEPARATE:
        if Path(name).is_mount() and not any(Path(name).is_relative_to(path) for path in fresh):
            _overlay(layers / "separate", Path(name), root, fresh)
    _mount("-t", "proc", "proc", root / "proc")
    for name in ("sys", "dev"):
        _mount("--rbind", f"/{name}", root / name)
    for path, options in _TMPFS.items():
        _mount("-t", "tmpfs", "-o", options, "tmpfs", root / path.lstrip("/"))
    for seen, handle in visible.items():
        target = root / seen.relative_to("/")
        target.mkdir(parents=True, exist_ok=True)
        argv = ["mount", "--no-mtab", "--no-canonicalize", "--bind", "-o", "ro", f"/proc/self/fd/{handle}", str(target)]
        subprocess.run(argv, check=True, pass_fds=[handle])
        os.close(handle)
    old = root / "run/old-root"
    old.mkdir()
    os.chdir(root)
    subprocess.run(["pivot_root", ".", "run/old-root"], check=True)
    os.chdir("/")
    subprocess.run(["umount", "-l", "/run/old-root"], check=True)
    Path("/run/old-root").rmdir()
    Path("/run/lock").mkdir(mode=0o1777)


def main() -> None:
    """Build the machine, tell the process id that the outside knows us by, wait for the end."""
    parser = argparse.ArgumentParser()
    parser.add_argument("name")
    parser.add_argument("--fresh", type=Path, action="append", default=[])
    parser.add_argument("--see", type=Path, action="append", default=[])
    options = parser.parse_args()
    pid_outside = Path("/proc/self").readlink()  # still the outer /proc
    socket.sethostname(options.name)
    build(options.fresh, options.see)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # orphans come to the first process; ignoring buries them
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.stdout.write(f"{pid_outside}\n")
    sys.stdout.flush()
    sys.stdin.read()


if __name__ == "__main__":
    main()
