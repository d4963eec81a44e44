"""Makes a backup server to rehearse on: hosts, two rsnapshot trees with some weeks of history, an inventory.

rsnapshot and rsync are the real ones; the hosts are folders, and ssh is a script that looks there.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import shlex
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from backupspec_migrate.sample import DAY, SampleError, program, rsnapshot_conf
from backupspec_migrate.sample_hosts import DATABASE, MAIL, WEB, SampleHost, live_until

_NIGHTS = (55, 27, 13, 6, 1, 0)  # days before the last whole night; rsnapshot has removed what lay between
_RETAINS = (("daily", 3), ("weekly", 2), ("monthly", 2))
_ROTATIONS: dict[int, tuple[str, ...]] = {3: ("weekly",), 4: ("weekly",), 5: ("monthly", "weekly")}
"""What cron runs before the backup of a night, the highest rung first, as rsnapshot wants it."""

_BAD_NIGHT = 4
_UNMOUNTED = "usr/local"
_WITH_ERRORS, _WITH_WARNINGS = 1, 2  # as rsnapshot ends
_JOB = "data"
_SSH = """\
#!/bin/sh
# Stands in for ssh: `ssh [-l USER] HOST COMMAND... /PATH` runs the command here, on the folder of that host.
set -eu
[ "$1" != -l ] || shift 2
disk={folder}/hosts/$1
if [ -e {folder}/power-fails-at-"$1" ]; then
    kill -KILL "$(cat {folder}/power-fails-at-"$1")"
    exit 1
fi
[ ! -e {folder}/off-"$1" ] || exit 255
shift
left=$#
for word; do
    left=$((left - 1))
    [ "$left" != 0 ] || word=$disk/.$word
    set -- "$@" "$word"
    shift
done
exec "$@"
"""


@dataclass(frozen=True, slots=True)
class SampleTree:
    """One rsnapshot tree below its folder."""

    folder: Path
    hosts: tuple[SampleHost, ...]
    link_dest: bool

    @property
    def configuration(self) -> Path:
        """Give the path of its rsnapshot.conf."""
        return self.folder / "rsnapshot.conf"

    @property
    def snapshots(self) -> Path:
        """Give its snapshot root."""
        return self.folder / "snapshots"


@dataclass(frozen=True, slots=True)
class SampleSite:
    """What was made. `copied` is a tree of `cp -al`, `linked` one of `--link-dest`."""

    folder: Path
    copied: SampleTree
    linked: SampleTree

    @property
    def inventory(self) -> Path:
        """Give the folder of the inventory, which names every host and a repository for each."""
        return self.folder / "site"

    @property
    def repositories(self) -> str:
        """Give the template of the paths of the repositories; none is made."""
        return f"{self.folder}/repositories/{{host}}"

    @property
    def job(self) -> str:
        """Give the name of the one job that each host has in the inventory."""
        return _JOB

    @property
    def passphrases(self) -> str:
        """Give the template of the paths of the repositories' passphrases."""
        return f"{self.folder}/passphrases/{{host}}"


def make_sample_site(folder: Path) -> SampleSite:
    """Make the site in an empty folder whose full path has no blanks; SampleError when rsnapshot is missing or fails.

    In the first tree a host was off in one night, and rsnapshot was killed in the middle of its last run. In the second
    a folder was not there in one night, and rsnapshot left behind its lockfile and a half removed snapshot. As root the
    hosts' files have owners of their own.
    """
    site = SampleSite(
        folder,
        SampleTree(folder / "cp-al", (WEB, DATABASE), link_dest=False),
        SampleTree(folder / "link_dest", (MAIL,), link_dest=True),
    )
    program("rsnapshot")
    ssh = folder / "ssh"
    ssh.write_text(_SSH.replace("{folder}", shlex.quote(str(folder))), encoding="utf-8")
    ssh.chmod(0o755)
    _write_inventory(site)
    last = (int(time.time()) // DAY - 2) * DAY + 7500
    for tree in (site.copied, site.linked):
        tree.snapshots.mkdir(parents=True)
        backups = tuple((f"root@{host.name}:{path}/", f"{host.name}/") for host in tree.hosts for path in host.paths)
        text = rsnapshot_conf(tree.folder, retains=_RETAINS, backups=backups, link_dest=tree.link_dest, ssh=ssh)
        tree.configuration.write_text(text, encoding="utf-8")
        for night, days in enumerate(_NIGHTS):
            _back_up(site, tree, night, last - days * DAY)
    _interrupt(site, site.copied, last + DAY)
    _leave_behind(site.linked)
    return site


def _back_up(site: SampleSite, tree: SampleTree, night: int, when: int) -> None:
    for host in tree.hosts:
        live_until(host, site.folder / "hosts" / host.name, night, when)
    for level in _ROTATIONS.get(night, ()):
        _rsnapshot(tree, level, when)
    bad: AbstractContextManager[int] = nullcontext(0)
    if night == _BAD_NIGHT:
        bad = _unmounted(site, tree.hosts[-1]) if tree.link_dest else _off(site, tree.hosts[-1])
    with bad as code:
        _rsnapshot(tree, "daily", when, code)
    os.utime(tree.snapshots / "daily.0", (when, when))


@contextmanager
def _off(site: SampleSite, host: SampleHost) -> Iterator[int]:
    """Have a host out of reach, and give the exit code that rsnapshot has then."""
    off = site.folder / f"off-{host.name}"
    off.touch()
    yield _WITH_ERRORS
    off.unlink()


@contextmanager
def _unmounted(site: SampleSite, host: SampleHost) -> Iterator[int]:
    """Have a folder of a host not there, and give the exit code that rsnapshot has then."""
    there, aside = site.folder / "hosts" / host.name / _UNMOUNTED, site.folder / "aside"
    there.rename(aside)
    yield _WITH_WARNINGS
    aside.rename(there)


def _rsnapshot(tree: SampleTree, level: str, when: int, code: int = 0) -> None:
    """Run rsnapshot once, and let its logfile say that it was at `when` (in local time, as rsnapshot writes it).

    Raises SampleError unless it ends with `code`.
    """
    argv = [program("rsnapshot"), "-c", str(tree.configuration), level]
    log = tree.folder / "rsnapshot.log"
    before = log.stat().st_size if log.exists() else 0
    ran = subprocess.run(argv, capture_output=True, text=True, errors="backslashreplace", check=False)
    if ran.returncode != code:
        raise SampleError(
            f"rsnapshot {level} ended with {ran.returncode}: {(ran.stdout + ran.stderr).strip() or 'it said nothing'}"
        )
    said = log.read_bytes()
    stamp = time.strftime("[%Y-%m-%dT%H:%M:%S]", time.localtime(when)).encode()
    log.write_bytes(said[:before] + re.sub(rb"(?m)^\[[-0-9T:]+\]", stamp, said[before:]))


def _interrupt(site: SampleSite, tree: SampleTree, when: int) -> None:
    """Have rsnapshot killed when it comes to its last host, after the rotations of that night."""
    for host in tree.hosts:
        live_until(host, site.folder / "hosts" / host.name, len(_NIGHTS), when)
    for level in ("monthly", "weekly"):
        _rsnapshot(tree, level, when)
    failing = site.folder / f"power-fails-at-{tree.hosts[-1].name}"
    failing.symlink_to(tree.folder / "rsnapshot.pid")
    _rsnapshot(tree, "daily", when, -signal.SIGKILL)
    failing.unlink()


def _leave_behind(tree: SampleTree) -> None:
    """Leave what rsnapshot leaves when the machine goes down: a lockfile, a half removed snapshot; and a link."""
    gone = subprocess.Popen(["true"])
    gone.wait()
    (tree.folder / "rsnapshot.pid").write_text(f"{gone.pid}\n", encoding="ascii")
    shutil.copytree(tree.snapshots / "monthly.0" / tree.hosts[0].name / "etc", tree.snapshots / "_delete.4711/etc")
    (tree.snapshots / "latest").symlink_to("daily.0")


def _write_inventory(site: SampleSite) -> None:
    """Write an inventory with one job for each host, and a passphrase for each repository."""
    hosts = [host for tree in (site.copied, site.linked) for host in tree.hosts]
    lines = [
        "version: 1",
        "fleet: rehearsal",
        "retention:",
        "  standard: {daily: 2, weekly: 1, monthly: 1}",
        "repositories:",
        f"  disk: {{path: {json.dumps(site.repositories)}}}",
        "defaults: {to: [disk], retention: standard}",
        "hosts:",
        *(f"  {host.name}: {{files: {{{_JOB}: {{paths: [{', '.join(host.paths)}]}}}}}}" for host in hosts),
    ]
    site.inventory.mkdir()
    (site.inventory / "inventory.yaml").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (site.folder / "passphrases").mkdir(mode=0o700)
    for host in hosts:
        path = site.folder / "passphrases" / host.name
        path.touch(mode=0o600)
        path.write_text(secrets.token_urlsafe(24) + "\n", encoding="ascii")
