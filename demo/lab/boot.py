"""The first process outside a booted machine: mounts its root, starts systemd-nspawn, stops it when its input ends.

Run inside fresh mount, pid and network namespaces; prints its process id as the outside knows it. If it is killed, the
kernel kills the machine.
"""

import argparse
import os
import subprocess
import sys
from pathlib import Path

_LAYERS = Path("/tmp")  # noqa: S108 - a mount point that every Linux has; the mount is private
_MASKED = (
    "apt-daily.timer",
    "apt-daily-upgrade.timer",
    "dpkg-db-backup.timer",
    "e2scrub_all.timer",
    "fstrim.timer",
    "tmp.mount",
)

# /tmp as a folder of the root file system, as older Debians have it: a backup of / must then read it.
_TMP_ON_DISK = {"SYSTEMD_NSPAWN_TMPFS_TMP": "0"}
_CGROUPS = Path("/sys/fs/cgroup")
_UNIFIED = _CGROUPS if (_CGROUPS / "cgroup.controllers").exists() else _CGROUPS / "unified"


def _mount(*words: str | Path) -> None:
    subprocess.run(["mount", "--no-mtab", *map(str, words)], check=True)  # else it writes to the outside's /run


def own_group(name: str) -> None:
    """Move this process to a control group of its own: two machines in one would manage each other's processes."""
    for line in Path("/proc/self/cgroup").read_text(encoding="utf-8").splitlines():
        _, controllers, path = line.split(":", 2)
        top = {"": _UNIFIED, "name=systemd": _CGROUPS / "systemd"}.get(controllers)
        if top is not None and top.is_dir():
            group = top / path.lstrip("/") / name
            group.mkdir()
            (group / "cgroup.procs").write_text("0", encoding="utf-8")


def build(base: Path, name: str) -> Path:
    """Mount a copy-on-write view of `base` and return it; also give nspawn its own /proc and /run."""
    _mount("-t", "tmpfs", "-o", "mode=755", "tmpfs", _LAYERS)
    for folder in ("upper", "work", name):
        (_LAYERS / folder).mkdir()
    root = _LAYERS / name
    _mount("-t", "overlay", "overlay", "-o", f"lowerdir={base},upperdir={_LAYERS}/upper,workdir={_LAYERS}/work", root)
    (_LAYERS / "network").touch()
    _mount("--bind", "/proc/self/ns/net", _LAYERS / "network")
    _mount("-t", "proc", "proc", "/proc")
    _mount("-t", "tmpfs", "-o", "mode=755", "tmpfs", "/run")
    (root / "etc/hostname").write_text(f"{name}\n", encoding="utf-8")
    (root / "etc/hosts").write_text(f"127.0.0.1 localhost\n127.0.1.1 {name}\n::1 localhost\n", encoding="utf-8")
    (root / "etc/resolv.conf").unlink(missing_ok=True)  # nobody answers in here: asking would cost half a minute
    (root / "etc/systemd/journald.conf.d").mkdir(exist_ok=True)
    volatile = "[Journal]\nStorage=volatile\n"  # a journal on disk would change under a backup of everything
    (root / "etc/systemd/journald.conf.d/volatile.conf").write_text(volatile, encoding="utf-8")
    (root / "etc/machine-id").write_text("", encoding="utf-8")
    for unit in _MASKED:
        (root / "etc/systemd/system" / unit).unlink(missing_ok=True)
        (root / "etc/systemd/system" / unit).symlink_to("/dev/null")
    for key in (root / "etc/ssh").glob("ssh_host_*"):
        key.unlink()
    subprocess.run(["ssh-keygen", "-q", "-A", "-f", str(root)], check=True, stdout=subprocess.DEVNULL)
    return root


def main() -> None:
    """Boot, wait for the end of standard input, power off."""
    parser = argparse.ArgumentParser()
    parser.add_argument("base", type=Path)
    parser.add_argument("name")
    parser.add_argument("console", type=Path)
    parser.add_argument("group")
    options = parser.parse_args()
    pid_outside = Path("/proc/self").readlink()  # still the outer /proc
    own_group(options.group)
    with options.console.open("wb") as console:
        root = build(options.base, options.name)
        argv = [
            "systemd-nspawn",
            "--quiet",
            "--boot",
            f"--directory={root}",
            "--register=no",
            "--keep-unit",
            "--resolv-conf=off",
            "--console=pipe",
            f"--network-namespace-path={_LAYERS}/network",
        ]
        machine = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=console, stderr=console, env={**os.environ, **_TMP_ON_DISK}
        )
    sys.stdout.write(f"{pid_outside}\n")
    sys.stdout.flush()
    sys.stdin.read()
    machine.terminate()
    try:
        machine.wait(timeout=20)
    except subprocess.TimeoutExpired:
        machine.kill()


if __name__ == "__main__":
    main()
