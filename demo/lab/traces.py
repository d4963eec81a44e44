"""What a run could leave on its machine: mounts, network links, processes, accounts, control groups, files."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

# Where a run of the lab or of what it runs could write; the folders of other programs below /var change all the time.
_WATCHED = (
    "/",
    "/etc",
    "/etc/ssh",
    "/etc/ssh/sshd_config.d",
    "/etc/systemd/system",
    "/etc/sysusers.d",
    "/etc/tmpfiles.d",
    "/home",
    "/mnt",
    "/root",
    "/root/.cache/borg",
    "/root/.config/borg",
    "/run",
    "/srv",
    "/usr/bin",
    "/usr/local/lib",
    "/usr/local/sbin",
    "/var",
    "/var/lib",
    "/var/tmp",  # noqa: S108 - looked at only
)


@dataclass(frozen=True, slots=True)
class Traces:
    """One look at the machine; `left` compares a later one with it."""

    seen: frozenset[str]

    @classmethod
    def now(cls) -> Self:
        """Look at the machine."""
        found = {f"mount: {line.split()[4]}" for line in _lines("/proc/self/mountinfo")}
        found |= {f"account: {line}" for line in (*_lines("/etc/passwd"), *_lines("/etc/group"))}
        found |= {f"network: {path.name}" for path in Path("/sys/class/net").iterdir()}
        for path in Path("/sys/fs/cgroup").rglob("backupspec-lab-*"):
            if not Path("/proc", path.name.split("-")[2]).exists():
                found.add(f"group: {path}")
        for folder in _WATCHED:
            if Path(folder).is_dir():
                found |= {f"file: {path}" for path in Path(folder).iterdir()}
        relatives = frozenset(_ancestors(os.getpid()))  # a lab of theirs is still in use
        for process in Path("/proc").glob("[0-9]*"):
            found |= _orphan(process, relatives)
        return cls(frozenset(found))

    def left(self) -> tuple[str, ...]:
        """Return what is there now and was not when `self` was taken."""
        return tuple(sorted(type(self).now().seen - self.seen))


def _lines(path: str) -> list[str]:
    return Path(path).read_text(encoding="utf-8").splitlines()


def _orphan(process: Path, relatives: frozenset[int]) -> set[str]:
    """Name a process that lives in other namespaces than we do and that no running program of ours answers for."""
    try:
        if all((process / "ns" / kind).readlink() == Path("/proc/self/ns", kind).readlink() for kind in ("mnt", "net")):
            return set()
        if relatives.intersection(_ancestors(int(process.name))):
            return set()
        return {f"process: {process.name} {(process / 'comm').read_text(encoding='utf-8').strip()}"}
    except OSError:
        return set()


def _ancestors(pid: int) -> Iterator[int]:
    """Yield the parent of `pid`, its parent and so on, without process 1."""
    while (pid := int(Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[1])) > 1:
        yield pid
