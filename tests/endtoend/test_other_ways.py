"""The ways that are not straight: through a jump host, to somebody else's machine, to a server whose key was exchanged.

And the way back when the host itself was lost, with nothing but what the safe holds.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from demo.lab import borgs
from demo.lab.machine import CREDENTIALS, Machine
from demo.lab.room import Room
from demo.lab.site import SCRIPTS, Site, borg_in_environment_of, job_script, repository_script

pytestmark = [pytest.mark.root, pytest.mark.borg, pytest.mark.sshd, pytest.mark.systemd, pytest.mark.slow]

_GATE, _SERVER, _BOX = "192.0.2.1", "192.0.2.10", "198.51.100.23"
_INVENTORY = f"""\
version: 1
fleet: ways
retention: {{short: {{daily: 7}}}}
schedules: {{nightly: {{window: "01:00-05:00", timezone: Etc/UTC}}}}
servers:
  bkp01: {{address: {_SERVER}, host_key: keys/bkp01.hostkey.pub, storage: {{path: /backup}}, borg: {{version: "1.4"}}}}
repositories:
  central: {{server: bkp01, encryption: repokey-blake2}}
  box:
    url: ssh://u123@{_BOX}:23/./backups/{{host}}
    host_key: keys/box.hostkey.pub
    remote_borg: borg-1.4
    encryption: keyfile-blake2
hosts:
  web02:
    borg: {{version: "1.4"}}
    jump: {{address: {_GATE}, user: relay, host_key: keys/gate.hostkey.pub}}
    to: [central, box]
    schedule: nightly
    retention: short
    files: {{data: {{paths: [/srv/data]}}}}
"""


@dataclass(frozen=True, slots=True)
class Ways:
    """A host that reaches a server and a storage box through a gate only, with everything applied and nothing made."""

    site: Site
    room: Room
    gate: Machine
    server: Machine
    box: Machine
    host: Machine


def _let_in(machine: Machine, account: str, line: str) -> None:
    """Let a key into an account of a machine that is not ours to compile for."""
    machine.sh(f"useradd --create-home --shell /bin/sh {account}; usermod --password '*' {account}")
    machine.write(f"/home/{account}/.ssh/authorized_keys", line, owner=account)


def _a_host(room: Room, address: str) -> Machine:
    host = room.machine("web02", [address], fresh=["/root", "/srv"])
    host.run(["ip", "route", "add", "unreachable", _SERVER])
    host.run(["ip", "route", "add", "unreachable", _BOX])
    borgs.give(host, "1.4")
    return host


def _roll_out(ways: Ways, host: Machine) -> None:
    """Apply to the host, learn its key, and let it in everywhere."""
    ways.site.apply(host)
    ways.site.learn_key(host)
    key = host.read(f"{CREDENTIALS}/ssh_key.pub")
    _let_in(ways.gate, "relay", f"restrict,port-forwarding {key}")
    _let_in(ways.box, "u123", f"restrict {key}")
    ways.site.compile()
    ways.site.apply(ways.server)
    ways.site.apply(host)


@pytest.fixture(scope="module")
def ways(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ways]:
    folder = tmp_path_factory.mktemp("site")
    site = Site(folder / "inventory", folder / "out")
    (site.inventory / "keys").mkdir(parents=True)
    (site.inventory / "inventory.yaml").write_text(_INVENTORY, encoding="utf-8")
    with Room() as room:
        gate = room.machine("gate", [_GATE], fresh=["/home"])
        server = room.machine("bkp01", [_SERVER], fresh=["/backup", "/root"])
        box = room.machine("box", [_BOX], fresh=["/home"])
        for far in (server, box):
            borgs.give(far, "1.4")
        box.run(["mv", "/usr/bin/borg", "/usr/bin/borg-1.4"])
        box.write("/etc/ssh/sshd_config.d/port.conf", "Port 23\n")
        for far in (gate, server, box):
            site.learn_host_key(far)
        site.compile()
        made = Ways(site, room, gate, server, box, _a_host(room, "192.0.2.22"))
        _roll_out(made, made.host)
        for far in (gate, server, box):
            far.start_sshd()
        made.box.run(["install", "-d", "-o", "u123", "/home/u123/backups"])
        made.host.sh("mkdir -p /srv/data/sub; cd /srv/data; echo one >file; chown 4321:8765 file; ln -s file sub/link")
        yield made


def _archives(host: Machine, repository: str) -> list[str]:
    return [line.split()[0] for line in repository_script(host, repository, "list").stdout.splitlines()]


def test_a_host_behind_a_jump_host_reaches_its_server_and_somebody_else_s_machine_through_it(ways: Ways) -> None:
    for repository in ("central", "box"):
        assert "made" in repository_script(ways.host, repository, "init").stdout
        job_script(ways.host, "data", repository, "create")
        repository_script(ways.host, repository, "restore", "data", f"/root/{repository}")
        assert ways.host.files_below(f"/root/{repository}/srv/data") == ways.host.files_below("/srv/data")
    assert "Accepted publickey for relay from 192.0.2.22" in ways.gate.sshd_log()
    assert f"Accepted publickey for bs-web02 from {_GATE}" in ways.server.sshd_log()
    assert f"Accepted publickey for u123 from {_GATE}" in ways.box.sshd_log()
    assert "data" in ways.box.run(["ls", "/home/u123/backups/web02"]).stdout.split()


def _exchange_keys(server: Machine, script: str) -> None:
    """Run a script that changes the host keys, and let the sshd that runs take them up."""
    again = "grep -q 'Server listening on 0.0.0.0' /run/sshd.log && exit; sleep 0.05"
    server.sh(
        f"{script}; : >/run/sshd.log; kill -HUP $(cat /run/sshd.pid); for _ in $(seq 200); do {again}; done; false"
    )


def test_a_server_with_another_key_is_not_spoken_to(ways: Ways) -> None:
    host, server = ways.host, ways.server
    before = server.files_below("/backup")
    _exchange_keys(server, "mkdir /root/kept; mv /etc/ssh/ssh_host_* /root/kept; ssh-keygen -A")
    refused = job_script(host, "data", "central", "create", check=False)
    assert refused.code != 0
    login = "ssh -F /etc/backupspec/ssh_config backupspec-central"  # whose last words borg may be too quick to read
    script = f"{SCRIPTS}/jobs/data_central/create"
    said = borg_in_environment_of(host, script, login, check=False)
    assert (said.code, "Host key verification failed" in said.stderr) == (255, True)
    assert "Accepted" not in server.sshd_log()
    assert server.files_below("/backup") == before
    _exchange_keys(server, "cp /root/kept/* /etc/ssh")
    job_script(host, "data", "central", "create")


def test_a_host_that_was_lost_comes_back_from_what_the_safe_holds(ways: Ways) -> None:
    """As the compiled README has it; that of the keyfile's repository is where the exported key is really needed."""
    safe = {f"{CREDENTIALS}/passphrase-{name}": name for name in ("central", "box")}
    kept = {path: ways.host.read(path) for path in safe}
    exported = ways.host.read("/var/lib/backupspec/safe/box.key")
    before, archives = ways.host.files_below("/srv/data"), _archives(ways.host, "box")

    new = _a_host(ways.room, "192.0.2.32")
    new.run(["install", "-d", "-m", "0700", CREDENTIALS])
    for path, passphrase in kept.items():
        new.write(path, passphrase, mode=0o600)
    for machine, account in ((ways.gate, "relay"), (ways.box, "u123")):
        machine.run(["userdel", account])
    ways.box.run(["mv", "/home/u123", "/home/kept"])
    _roll_out(ways, new)
    ways.box.sh("mv /home/kept/backups /home/u123/backups; chown -R u123: /home/u123")
    assert {path: new.read(path) for path in safe} == kept, "`apply` keeps the passphrases of the safe"

    without = repository_script(new, "box", "list", check=False)
    assert without.code != 0
    assert "No key file for repository" in without.stderr
    new.write("/root/box.key", exported, mode=0o600)
    repository_script(new, "box", "borg", "key", "import", "::", "/root/box.key")
    assert _archives(new, "box") == archives
    for name in safe.values():
        repository_script(new, name, "restore", "data", f"/root/{name}")
        assert new.files_below(f"/root/{name}/srv/data") == before
    new.sh("mkdir /srv/data; cp -a /root/box/srv/data/. /srv/data")
    job_script(new, "data", "box", "create")
    assert len(_archives(new, "box")) == len(archives) + 1, "the series goes on"
