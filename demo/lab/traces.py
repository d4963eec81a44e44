"""What a run could leave on its machine: mounts, network links, processes, accounts, control groups, files."""

import os
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Self

from demo.lab.room import OWNER

# Where the lab mounts in namespaces of its own; anybody may mount elsewhere meanwhile.
_MOUNTED = ("/tmp", "/proc", "/backup", "/srv")  # noqa: S108 - looked at only
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
        mounts = [line.split() for line in _lines("/proc/self/mountinfo")]
        found = {f"mount: {words[4]} ({words[0]})" for words in mounts if words[4].startswith(_MOUNTED)}
        found |= {f"account: {line}" for line in (*_lines("/etc/passwd"), *_lines("/etc/group"))}
        found |= {f"network: {path.name}" for path in Path("/sys/class/net").iterdir()}
        for path in groups_called("backupspec-lab-*"):
            if not Path("/proc", path.name.split("-")[2]).exists():
                found.add(f"group: {path}")
        for folder in _WATCHED:
            if os.access(folder, os.R_OK):  # not all may be there, and only root may look into all
                found |= {f"file: {path}" for path in Path(folder).iterdir()}
        for process in Path("/proc").glob("[0-9]*"):
            found |= _held(process)
        return cls(frozenset(found))

    def left(self) -> tuple[str, ...]:
        """Return what is there now and was not when `self` was taken."""
        return tuple(sorted(type(self).now().seen - self.seen))


def _lines(path: str) -> list[str]:
    return Path(path).read_text(encoding="utf-8").splitlines()


def _held(process: Path) -> set[str]:
    """Name a process that keeps a machine alive though whoever opened its room is gone, or is us."""
    try:
        settings = dict(
            line.partition("=")[::2] for line in (process / "environ").read_text("utf-8", "replace").split("\0")
        )
        owner = settings.get(OWNER)
        if owner is None or (Path("/proc", owner).exists() and int(owner) != os.getpid()):
            return set()
        return {f"process: {process.name} {(process / 'comm').read_text(encoding='utf-8').strip()}"}
    except OSError:
        return set()


def groups_called(pattern: str) -> tuple[Path, ...]:
    """Return the control groups whose name fits `pattern`; others may come and go while it looks."""
    # `os.walk` passes over folders that vanish; `Path.rglob` of Python 3.11 raises.
    found = []
    for top, folders, _ in os.walk("/sys/fs/cgroup"):
        found += [Path(top, name) for name in folders if fnmatchcase(name, pattern)]
    return tuple(found)
