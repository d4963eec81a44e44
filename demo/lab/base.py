"""Debian root file systems for machines that boot: made once per suite, kept in a cache, never changed afterwards."""

import fcntl
import hashlib
import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from demo.lab.command import run

CACHE = Path(os.environ.get("BACKUPSPEC_LAB_CACHE", "/var/cache/backupspec-lab"))
SUITES = ("bookworm", "trixie")
_PACKAGES = (
    "borgbackup",
    "btrfs-progs",
    "ca-certificates",
    "dbus",
    "iproute2",
    "openssh-client",
    "openssh-server",
    "systemd",
    "systemd-sysv",
)
# A third of what would be backed up over and over in the tests of a backup of everything.
_BALLAST = ("usr/share/locale", "usr/share/man", "var/cache/apt", "var/lib/apt/lists")


class BaseError(Exception):
    """A base could not be made; the message is the end of debootstrap's log."""


def _mirror() -> list[str]:
    """Return the mirror of this machine's own apt, if it says so; else debootstrap has a default."""
    if shutil.which("apt-get") is None:
        return []
    release = dict(
        line.partition("=")[::2] for line in Path("/etc/os-release").read_text(encoding="utf-8").splitlines()
    )
    own = release.get("VERSION_CODENAME", "").strip('"')
    listing = run(
        ["apt-get", "indextargets", "--format", "$(RELEASE) $(COMPONENT) $(REPO_URI)", "Created-By: Packages"],
        check=False,
    )
    for line in listing.stdout.splitlines():
        suite, component, address = line.split(" ", 2)
        if (suite, component) == (own, "main"):
            return [address]
    return []


def base(suite: str, extra: Sequence[str] = ()) -> Path:
    """Return the root of a minimal `suite` with systemd, sshd, borg and the `extra` packages.

    The first call makes it, in about a minute. Raises BaseError when debootstrap fails.
    """
    packages = (*_PACKAGES, *extra)
    mark = hashlib.sha256(" ".join((*packages, *_BALLAST)).encode()).hexdigest()[:8]
    root = CACHE / f"{suite}-{mark}"
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / f"{suite}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if root.exists():
            return root
        making = CACHE / f"{suite}.making"
        shutil.rmtree(making, ignore_errors=True)
        log = CACHE / f"{suite}.log"
        with log.open("w") as out:
            argv = [
                *("unshare", "--mount", "--propagation=private", "--"),  # what a killed one has mounted goes with it
                "debootstrap",
                "--variant=minbase",
                f"--include={','.join(packages)}",
                suite,
                str(making),
                *_mirror(),
            ]
            code = subprocess.run(argv, stdout=out, stderr=out, check=False).returncode
        if code:
            raise BaseError("\n".join(log.read_text(errors="replace").splitlines()[-10:]))
        for folder in _BALLAST:
            shutil.rmtree(making / folder)
            (making / folder).mkdir()
        making.rename(root)
    return root
