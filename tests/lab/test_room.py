import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from demo.lab import borgs
from demo.lab.command import CommandFailedError
from demo.lab.machine import CREDENTIALS
from demo.lab.room import Room
from demo.lab.traces import Traces

pytestmark = pytest.mark.root


def test_what_a_machine_writes_is_seen_by_no_other_and_gone_afterwards() -> None:
    with Room() as room:
        one = room.machine("one", ["192.0.2.1"])
        two = room.machine("two", ["192.0.2.2"])
        one.write("/etc/lab-was-here", "one")
        one.sh("useradd --system labuser; mkdir /lab-folder")
        assert one.read("/etc/lab-was-here") == "one"
        assert two.run(["cat", "/etc/lab-was-here"], check=False).code == 1
        assert one.run(["hostname"]).stdout == "one\n"
    assert not Path("/etc/lab-was-here").exists()
    assert not Path("/lab-folder").exists()
    assert "labuser" not in Path("/etc/passwd").read_text(encoding="utf-8")


def test_fresh_folders_start_empty_with_the_mode_they_had_and_seen_ones_stay_visible(tmp_path: Path) -> None:
    (tmp_path / "inner").write_text("seen")
    with Room() as room:
        machine = room.machine("one", ["192.0.2.1"], fresh=["/root", "/usr/local", "/tmp"], see=[tmp_path])
        assert machine.run(["find", "/root", "/usr/local", "-mindepth", "1"]).stdout == ""
        assert machine.run(["stat", "-c", "%a", "/root"]).stdout == f"{Path('/root').stat().st_mode & 0o7777:o}\n"
        assert machine.read(f"{tmp_path}/inner") == "seen"
        assert machine.run(["touch", f"{tmp_path}/x"], check=False).code == 1


def test_connections_come_from_the_address_of_the_machine_that_makes_them() -> None:
    with Room() as room:
        server = room.machine("server", ["192.0.2.10", "2001:db8::10"])
        host = room.machine("host", ["198.51.100.7", "2001:db8:1::7"], fresh=["/root"])
        host.run(["ssh-keygen", "-q", "-N", "", "-t", "ed25519", "-f", "/root/key"])
        line = f'restrict,command="echo $SSH_CONNECTION" {host.read("/root/key.pub")}'
        server.write("/etc/ssh/lab-keys", line)
        server.write("/etc/ssh/sshd_config.d/lab.conf", "AuthorizedKeysFile /etc/ssh/lab-keys\nPermitRootLogin yes\n")
        server.start_sshd()
        ssh = ["ssh", "-oStrictHostKeyChecking=no", "-oUserKnownHostsFile=/dev/null", "-oBatchMode=yes", "-i/root/key"]
        assert host.run([*ssh, "root@192.0.2.10"]).stdout.startswith("198.51.100.7 ")
        assert host.run([*ssh, "root@2001:db8::10"]).stdout.startswith("2001:db8:1::7 ")


def test_a_service_has_its_user_one_capability_and_its_own_copy_of_the_credentials() -> None:
    with Room() as room:
        machine = room.machine("one", ["192.0.2.1"])
        machine.sh("useradd --system --home-dir /var/lib/labuser labuser")
        machine.write(f"{CREDENTIALS}/passphrase", "secret\n", mode=0o600)
        machine.run(["chmod", "0700", CREDENTIALS])
        machine.write("/etc/lab-secret", "root's\n", mode=0o600)
        script = (
            "id -un; cat $CREDENTIALS_DIRECTORY/passphrase /etc/lab-secret; grep CapEff /proc/self/status; echo $HOME"
        )
        lines = machine.as_service("labuser", ["sh", "-c", script]).stdout.splitlines()
        assert lines == ["labuser", "secret", "root's", "CapEff:\t0000000000000004", "/var/lib/labuser"]
        assert machine.as_service("labuser", ["touch", "/etc/x"], check=False).code == 1
        assert machine.run(["ls", "/run/lab-credentials"]).stdout == ""


def test_a_failed_command_says_where_what_and_why() -> None:
    with Room() as room:
        machine = room.machine("one", ["192.0.2.1"])
        with pytest.raises(CommandFailedError, match=r"one: `ls /nowhere` ended with 2\n.*No such file"):
            machine.run(["ls", "/nowhere"])
        assert machine.run(["sleep", "60"], check=False, seconds=1).code == 124


@pytest.mark.borg
@pytest.mark.parametrize("generation", borgs.GENERATIONS)
def test_every_account_can_run_the_borg_that_a_machine_was_given(generation: str) -> None:
    with Room() as room:
        machine = room.machine("one", ["192.0.2.1"])
        assert borgs.give(machine, generation).startswith(f"borg {generation}.")
        machine.sh("useradd --system --create-home --home-dir /var/lib/labuser labuser")
        script = "cd; borg init -e none repo; borg create repo::a /etc/hostname; borg list --short repo::a"
        done = machine.as_service("labuser", ["sh", "-euc", script], env={"BORG_BASE_DIR": "/var/lib/labuser"})
        assert done.stdout == "etc/hostname\n"


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_nothing_outlives_whoever_opened_the_room(sent: signal.Signals, tmp_path: Path) -> None:
    before = Traces.now()
    program = tmp_path / "open_room.py"
    program.write_text(
        "import signal, time\n"
        "from demo.lab.room import Room\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)  # whoever runs the tests may ignore it\n"
        "with Room() as room:\n"
        "    machine = room.machine('one', ['192.0.2.1'])\n"
        "    machine.sh('sleep 987654 >/dev/null 2>&1 </dev/null & :')\n"
        "    print('ready', flush=True)\n"
        "    time.sleep(60)\n"
    )
    root = Path(__file__).parents[2]
    opened = subprocess.Popen(
        [sys.executable, str(program)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": str(root)},
        text=True,
    )
    assert opened.stdout is not None
    assert opened.stdout.readline() == "ready\n"
    assert _sleeping()
    opened.send_signal(sent)
    opened.wait()
    opened.stdout.close()
    end = time.monotonic() + 10
    while (_sleeping() or before.left()) and time.monotonic() < end:
        time.sleep(0.05)
    assert not _sleeping()
    assert before.left() == ()


def _sleeping() -> bool:
    return subprocess.run(["pgrep", "-f", "^sleep 987654"], check=False, stdout=subprocess.DEVNULL).returncode == 0
