"""An old rsnapshot server moves its history of a host to another machine, through sshd and the compiled key line."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from backupspec_migrate.sample import rsnapshot_conf
from demo.lab import borgs
from demo.lab.command import Outcome
from demo.lab.machine import CREDENTIALS, Machine
from demo.lab.room import Room
from demo.lab.site import SCRIPTS, Site, borg_in_environment_of, job_script, repository_script

pytestmark = [pytest.mark.root, pytest.mark.borg, pytest.mark.sshd, pytest.mark.systemd, pytest.mark.slow]

_SERVER, _HOST, _OLD = "192.0.2.10", "192.0.2.21", "192.0.2.33"
_INVENTORY = f"""\
version: 1
fleet: moving
retention: {{long: {{daily: 30}}}}
schedules: {{nightly: {{window: "01:00-05:00", timezone: Etc/UTC}}}}
servers:
  bkp01:
    address: {_SERVER}
    host_key: keys/bkp01.hostkey.pub
    storage: {{path: /backup}}
    borg: {{version: "@SERVER@"}}
repositories:
  central: {{server: bkp01, encryption: repokey-blake2}}
hosts:
  web01:
    address: {_HOST}
    borg: {{version: "1.4"}}
    to: [central]
    schedule: nightly
    retention: long
    files: {{data: {{paths: [/srv/data]}}}}
"""
_URL = f"ssh://bs-web01@{_SERVER}:22/backup/web01/central"
_CREATE = f"{SCRIPTS}/jobs/data_central/create"
_WORK, _TREE = "/root/migration", "/srv/rsnapshot"
_NIGHTS = 3
# As the runbook has it.
_SSH_CONFIG = f"""\
Match user bs-*
    IdentityFile {_WORK}/keys/%r
    IdentitiesOnly yes
    BatchMode yes
    HostKeyAlias backupspec-central
    UserKnownHostsFile {_WORK}/known_hosts
"""
_ON_THE_HOST = """
export CREDENTIALS_DIRECTORY=/etc/backupspec/credentials
export BORG_RSH='ssh -F /etc/backupspec/ssh_config -o HostKeyAlias=backupspec-central'
export BORG_PASSCOMMAND='cat /etc/backupspec/credentials/passphrase-central'
"""
# Aged: rsync does not correct times within the second in which a file was made.
_DAY = """
mkdir -p /srv/data/sub; cd /srv/data
head -c 2M /dev/urandom >"day $1"; printf 'day %s' "$1" >changing; [ -e same ] || head -c 1M /dev/urandom >same
ln -sf same sub/link; ln -f same sub/hard; chown 4321:8765 changing
find . -depth -exec touch --no-dereference --date='2023-12-24 12:00:00 UTC' {} +
touch --date="2024-01-0$1 00:00:00 UTC" changing
"""


@dataclass(frozen=True, slots=True)
class Moving:
    """The new server, a host that backs up there, and the machine with rsnapshot's tree of that host."""

    server: Machine
    host: Machine
    old: Machine

    def migrate(self, words: str, rsh: str, *, check: bool = True) -> Outcome:
        """Run a command of the migration on the old server, in `_WORK`."""
        argv = ["env", f"--chdir={_WORK}", sys.executable, "-m", "backupspec", "migrate", *words.split()]
        return self.old.run(argv, env={"BORG_RSH": rsh}, check=check)


@pytest.fixture(params=[pytest.param(one, marks=pytest.mark.xdist_group(f"moving-{one}")) for one in borgs.GENERATIONS])
def moving(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Moving]:
    """Apply everything to server and host, and let the old server fetch some nights as it did for years."""
    site = Site(tmp_path / "inventory", tmp_path / "out")
    (site.inventory / "keys").mkdir(parents=True)
    (site.inventory / "inventory.yaml").write_text(_INVENTORY.replace("@SERVER@", request.param), encoding="utf-8")
    with Room() as room:
        server = room.machine("bkp01", [_SERVER], fresh=["/backup", "/root"])
        host = room.machine("web01", [_HOST], fresh=["/root", "/srv"])
        old = room.machine("old01", [_OLD], fresh=["/root", "/srv"], see=[borgs.PROJECT])
        borgs.give(server, request.param)
        borgs.give(host, "1.4")
        site.learn_host_key(server)
        site.compile()
        site.apply(host)
        site.learn_key(host)
        site.compile()
        for machine in (server, host):
            site.apply(machine)
            machine.start_sshd()
        repository_script(host, "central", "init")
        _nights(host, old)
        old.copy_in(site.inventory, f"{_WORK}/inventory")
        yield Moving(server, host, old)


def _nights(host: Machine, old: Machine) -> None:
    """Run rsnapshot as root of the host, over ssh."""
    old.sh("mkdir -p -m 0700 /root/.ssh; ssh-keygen -q -t ed25519 -N '' -f /root/.ssh/id_ed25519")
    host.write("/root/.ssh/authorized_keys", old.read("/root/.ssh/id_ed25519.pub"), mode=0o600)
    key = host.read("/etc/ssh/ssh_host_ed25519_key.pub")
    old.write("/root/.ssh/known_hosts", f"{_HOST} {key}", mode=0o600)
    backup = (f"root@{_HOST}:/srv/data/", "web01/")
    conf = rsnapshot_conf(
        Path(_TREE), retains=(("daily", 30),), backups=(backup,), link_dest=False, ssh=Path("/usr/bin/ssh")
    )
    old.write(f"{_TREE}/rsnapshot.conf", conf)
    old.run(["mkdir", f"{_TREE}/snapshots"])
    for day in range(1, _NIGHTS + 1):
        host.run(["sh", "-euc", _DAY, "day", str(day)])
        old.run(["rsnapshot", "-c", f"{_TREE}/rsnapshot.conf", "daily"])
        old.run(["touch", f"--date=2024-01-0{day} 02:05:00 UTC", f"{_TREE}/snapshots/daily.0"])


def test_a_history_moves_through_sshd_and_the_host_s_own_key_and_its_job_continues_it(moving: Moving) -> None:
    """The key opens the repository only from the host's own address, so ssh goes there first, as rsnapshot did."""
    host, old = moving.host, moving.old
    for name, mine in (("ssh_key", "keys/bs-web01"), ("passphrase-central", "passphrases/web01")):
        old.write(f"{_WORK}/{mine}", host.read(f"{CREDENTIALS}/{name}"), mode=0o600)
    old.write(f"{_WORK}/known_hosts", host.read("/etc/backupspec/known_hosts"))
    old.write(f"{_WORK}/direct", _SSH_CONFIG)
    old.write(f"{_WORK}/ssh_config", f"{_SSH_CONFIG}Match user bs-web01\n    ProxyJump root@{_HOST}\n")
    direct, through_the_host = (f"ssh -F {_WORK}/{name}" for name in ("direct", "ssh_config"))

    plan = f"plan {_TREE}/rsnapshot.conf --inventory inventory --passphrase-file {_WORK}/passphrases/{{host}}"
    assert f"web01 data: {_NIGHTS} archives in {_URL}" in moving.migrate(plan, direct).output
    refused = moving.migrate("run plan.yaml", direct, check=False)
    assert refused.code == 1
    assert "Permission denied (publickey)" in refused.stderr
    assert "error[BS631]" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert "correct key but not from a permitted host" in moving.server.sshd_log()

    said = moving.migrate("run plan.yaml", through_the_host).stderr
    assert f"imported: {_NIGHTS} archives in 1 repository" in said
    assert "equal to the source in every item and byte" in moving.migrate("verify plan.yaml", through_the_host).stderr
    assert "Safe to retire the old tree: yes" in moving.migrate("report plan.yaml", through_the_host).stdout
    assert moving.server.run(["find", "/backup/web01/central", "!", "-user", "bs-web01"]).stdout == ""

    job_script(host, "data", "central", "create")
    names = [line.split()[0] for line in repository_script(host, "central", "list").stdout.splitlines()]
    assert names[:-1] == [f"web01_data_2024-01-0{day}T02:05:00Z" for day in range(1, _NIGHTS + 1)]
    difference = borg_in_environment_of(host, _CREATE, f"borg diff ::{names[-2]} {names[-1]}").stdout
    assert difference == "", "the newest snapshot and the host are equal"
    repository_script(host, "central", "check")
    assert host.sh(f"{_ON_THE_HOST}borg list --short {_URL}").stdout.split() == names
