"""Makes the backup server on which the runbook's examples run: real rsnapshot, fixed nights, two hosts, one power cut.

Run as root in a machine of its own: it writes to /etc, /backup, /srv and /root.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

from backupspec_migrate.sample import DAY, FIRST_NIGHT
from backupspec_migrate.sample_hosts import DATABASE, WEB, live_until

HERE = Path("/root/migration")
CONFIGURATION = Path("/etc/rsnapshot.conf")
SNAPSHOTS = Path("/backup/snapshots")
_HOSTS = (WEB, DATABASE)
_NIGHTS, _OFF = 4, 2
_SSH = """\
#!/bin/sh
# rsync calls it as `ssh -l USER HOST COMMAND... /PATH`
set -eu
shift 2
disk=/srv/hosts/$1
if [ -e /srv/power-fails-at-"$1" ]; then kill -KILL "$(cat /run/rsnapshot.pid)"; exit 1; fi
if [ -e /srv/off-"$1" ]; then exec <&- >&-; sleep 0.2; exit 255; fi  # rsync sees the end first: it says 12
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
_INVENTORY = """\
version: 1
fleet: office
retention: {standard: {daily: 7, weekly: 4, monthly: 12}}
servers:
  backup: {address: 192.0.2.10, host_key: keys/backup.hostkey.pub, storage: {path: /backup/borg}}
repositories: {central: {server: backup, encryption: repokey-blake2}}
defaults: {to: [central], retention: standard}
hosts:
  web01: {address: 192.0.2.21, files: {data: {paths: [/etc, /srv/www]}}}
  db01: {address: 192.0.2.22, files: {data: {paths: [/etc, /var/backups]}}}
"""


def make(borg: str) -> None:
    """Make the tree, the inventory and the empty repositories, as the compiled `init` of each host leaves them."""
    ssh = Path("/srv/ssh")
    ssh.write_text(_SSH, encoding="utf-8")
    ssh.chmod(0o755)
    SNAPSHOTS.mkdir()
    CONFIGURATION.write_text(_configuration(ssh), encoding="utf-8")
    for night in range(_NIGHTS):
        when = FIRST_NIGHT + night * DAY
        with _off("db01") if night == _OFF else nullcontext(0) as code:
            _night(night, when, code)
        os.utime(SNAPSHOTS / "daily.0", (when, when))
    Path("/srv/power-fails-at-db01").touch()
    _night(_NIGHTS, FIRST_NIGHT + _NIGHTS * DAY, code=-9)
    (SNAPSHOTS / "latest").symlink_to("daily.0")
    _inventory()
    for host in _HOSTS:
        _repository(borg, host.name)
    _copies()


def _configuration(ssh: Path) -> str:
    backups = [("backup", f"root@{host.name}:{path}/", f"{host.name}/") for host in _HOSTS for path in host.paths]
    lines = [
        ("config_version", "1.2"),
        ("snapshot_root", f"{SNAPSHOTS}/"),
        ("cmd_cp", "/usr/bin/cp"),
        ("cmd_rm", "/usr/bin/rm"),
        ("cmd_rsync", "/usr/bin/rsync"),
        ("cmd_ssh", str(ssh)),
        ("retain", "daily", "7"),
        ("verbose", "1"),
        ("logfile", "/var/log/rsnapshot.log"),
        ("lockfile", "/run/rsnapshot.pid"),
        ("rsync_short_args", "-aHAX"),
        ("rsync_long_args", "--delete --relative --delete-excluded"),
        *backups,
    ]
    return "".join("\t".join(line) + "\n" for line in lines)


def _night(night: int, when: int, code: int = 0) -> None:
    """Let the hosts live until a night and rsnapshot run in it; its logfile says that it was then."""
    for host in _HOSTS:
        live_until(host, Path("/srv/hosts") / host.name, night, when)
    log = Path("/var/log/rsnapshot.log")
    before = log.read_bytes() if log.exists() else b""
    done = subprocess.run(["rsnapshot", "daily"], check=False)
    if done.returncode != code:
        raise SystemExit(f"rsnapshot ended with {done.returncode}")
    stamp = time.strftime("[%Y-%m-%dT%H:%M:%S]", time.localtime(when)).encode()
    log.write_bytes(before + re.sub(rb"(?m)^\[[-0-9T:]+\]", stamp, log.read_bytes()[len(before) :]))


@contextmanager
def _off(host: str) -> Iterator[int]:
    """Have a host out of reach, and give the exit code that rsnapshot has then."""
    off = Path("/srv") / f"off-{host}"
    off.touch()
    yield 1
    off.unlink()


def _inventory() -> None:
    keys = HERE / "inventory/keys"
    keys.mkdir(parents=True)
    (keys.parent / "inventory.yaml").write_text(_INVENTORY, encoding="utf-8")
    for name in ("backup.hostkey", "web01", "db01"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", keys / name], check=True)
        (keys / name).unlink()


def _repository(borg: str, host: str) -> None:
    passphrases = HERE / "passphrases"
    passphrases.mkdir(mode=0o700, exist_ok=True)
    (passphrases / host).touch(mode=0o600)
    (passphrases / host).write_text(f"the passphrase of {host}\n", encoding="utf-8")
    account, folder = f"bs-{host}", Path("/backup/borg") / host
    subprocess.run(["useradd", "--system", "--no-create-home", account], check=True)
    folder.mkdir(parents=True)
    shutil.chown(folder, account, account)
    environment = {"BORG_BASE_DIR": f"/srv/base-{host}", "BORG_PASSPHRASE": f"the passphrase of {host}"}
    Path(environment["BORG_BASE_DIR"]).mkdir()
    shutil.chown(environment["BORG_BASE_DIR"], account)
    init = ["setpriv", f"--reuid={account}", f"--regid={account}", "--init-groups", borg, "init", "-e"]
    subprocess.run(
        [*init, "repokey-blake2", folder / "central"], env=os.environ | environment, check=True, capture_output=True
    )


def _copies() -> None:
    """Make the trees of other programs that the runbook speaks of."""
    live_until(WEB, Path("/backup/copies/web01/2024-01-02"), 0, FIRST_NIGHT)
    for night, name in enumerate(("2024-01-03", "2024-01-04"), start=1):
        before, now = max(Path("/backup/copies/web01").iterdir()), Path("/backup/copies/web01") / name
        subprocess.run(["cp", "-a", before, now], check=True)
        live_until(WEB, now, night, FIRST_NIGHT + night * DAY)
    attic = Path("/backup/attic/web01.attic")
    (attic / "data/0").mkdir(parents=True)
    (attic / "config").write_text("[repository]\nversion = 1\n", encoding="utf-8")
    (attic / "data/0/1").write_bytes(b"ATTICSEG")
    moved = Path("/backup/moved")
    moved.mkdir()
    for number in (2, 1):
        subprocess.run(["cp", "-a", SNAPSHOTS / f"daily.{number}", moved / f"daily.{number - 1}"], check=True)
        os.utime(moved / f"daily.{number - 1}")


if __name__ == "__main__":
    make(os.environ["BORG"])
