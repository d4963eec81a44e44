"""What `apply` refuses on the machine itself, where systemd and sshd judge: what they dislike is not left in place."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from demo.lab.command import Outcome
from demo.lab.machine import Machine
from demo.lab.room import Room
from tests.golden.trees import Compiled
from tests.oracles.machines import UNITS

pytestmark = [pytest.mark.root, pytest.mark.sshd, pytest.mark.systemd]

TREE = "/root/compiled"
DROP_IN = "etc/ssh/sshd_config.d/backupspec.conf"
JUDGE = "/usr/bin/systemd-analyze"
SSHD = "/usr/sbin/sshd"


@pytest.fixture
def room() -> Iterator[Room]:
    with Room() as opened:
        yield opened


def _machine(room: Room, tree: Compiled, inventory: str, name: str) -> Machine:
    """Start a machine that has its compiled tree, and everything that this one wants."""
    machine = room.machine(name, [], fresh=["/root", "/backup"])
    machine.copy_in(tree(inventory) / "hosts" / name, TREE)
    machine.write("/usr/bin/borg", "#!/bin/sh\n", mode=0o755)
    machine.run(["ssh-keygen", "-A"])
    return machine


def _apply(machine: Machine, code: int) -> Outcome:
    ran = machine.run([f"{TREE}/apply"], check=False)
    assert ran.code == code, ran.output
    return ran


def _ours(machine: Machine) -> str:
    return machine.sh(f"find /{UNITS} /{DROP_IN} -name 'backupspec*' 2>/dev/null || :").stdout


def test_units_that_systemd_does_not_like_or_cannot_judge_are_not_put_in_place(room: Room, compiled: Compiled) -> None:
    web = _machine(room, compiled, "small", "web")
    service = f"{TREE}/root/{UNITS}/backupspec-www_central.service"
    plain = web.read(service)
    web.write(service, plain + "ProtectSystem=strickt\n")
    said = _apply(web, 1).stderr
    assert "backupspec-www_central.service" in said
    assert "strickt" in said
    assert "none was put in place" in said
    assert _ours(web) == ""

    web.write(service, plain)
    web.run(["mv", JUDGE, "/opt/judge"])
    web.write(JUDGE, '#!/bin/sh\nulimit -n 4\nexec /opt/judge "$@"\n', mode=0o755)
    said = _apply(web, 1).stderr
    assert "Too many open files" in said
    assert "none was put in place" in said
    assert _ours(web) == ""

    web.run(["mv", "/opt/judge", JUDGE])
    unrelated = f"/{UNITS}/network-online.target.d/odd.conf"
    web.write(unrelated, "[Unit]\nAfterr=nothing\n")
    assert "odd.conf" not in _apply(web, 0).stderr, "a remark about another's unit is not ours to judge"
    assert "backupspec-www_central.timer" in _ours(web)


def test_rules_that_sshd_refuses_or_does_not_read_are_said_and_lock_nobody_out(room: Room, compiled: Compiled) -> None:
    server = _machine(room, compiled, "small", "backup")
    drop_in, config = f"{TREE}/root/{DROP_IN}", "/etc/ssh/sshd_config"
    plain, main = server.read(drop_in), server.read(config)
    server.write(drop_in, plain + "Nonsense yes\n")
    said = _apply(server, 1).stderr
    assert "Bad configuration option: Nonsense" in said
    assert f"sshd refuses /{DROP_IN}; it was removed again" in said
    assert server.run(["test", "-e", f"/{DROP_IN}"], check=False).code == 1
    server.run([SSHD, "-t"])

    server.write(drop_in, plain)
    server.write(config, "".join(line for line in main.splitlines(keepends=True) if not line.startswith("Include")))
    assert "sshd does not read its drop-in; put Include" in _apply(server, 1).stderr
    server.run([SSHD, "-t"])

    server.write(config, f"{main}\nAllowUsers root\n")
    assert "the group bs-accounts must be among them" in _apply(server, 0).stderr

    server.write(config, main)
    assert "sshd" not in _apply(server, 0).stderr


def test_what_is_missing_is_said_before_anything_is_changed(room: Room, compiled: Compiled) -> None:
    """A program, and the disk of the repositories: no account, no folder and no file of ours is there after it."""
    server = _machine(room, compiled, "small", "backup")
    server.run(["rm", "/usr/bin/borg"])
    assert "apply: backup has no /usr/bin/borg; install borgbackup first" in _apply(server, 3).stderr
    store = _machine(room, compiled, "everything", "store")
    store.write("/opt/borg 1.4's/borg", "#!/bin/sh\n", mode=0o755)
    assert "/backup is not mounted; nothing was read or written" in _apply(store, 75).stderr
    for machine in (server, store):
        assert _ours(machine) == ""
        assert machine.run(["ls", "/backup", "/var/lib/backupspec"]).stdout == "/backup:\n\n/var/lib/backupspec:\n"
        assert "bs-" not in machine.run(["getent", "passwd"]).stdout
