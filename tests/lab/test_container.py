from pathlib import Path

import pytest

from demo.lab.base import SUITES, base
from demo.lab.container import booted
from demo.lab.room import Room
from demo.lab.traces import Traces

pytestmark = [pytest.mark.nspawn, pytest.mark.slow, pytest.mark.timeout(900)]  # the first run makes the base

_UNIT = """\
[Unit]
Wants=network-online.target
After=network-online.target

[Service]
Type=oneshot
User=labuser
ExecStart=/bin/sh -euc 'cat "$CREDENTIALS_DIRECTORY/word" /etc/lab-secret; touch /var/lib/lab/was-here; ! touch /etc/x'
LoadCredential=word:/etc/lab-word
StateDirectory=lab
AmbientCapabilities=CAP_DAC_READ_SEARCH
CapabilityBoundingSet=CAP_DAC_READ_SEARCH
IPAddressDeny=any
MemoryDenyWriteExecute=yes
NoNewPrivileges=yes
PrivateDevices=yes
PrivateMounts=yes
ProtectControlGroups=yes
ProtectHome=read-only
ProtectKernelTunables=yes
ProtectProc=invisible
ProtectSystem=strict
RestrictNamespaces=yes
SystemCallFilter=@system-service
"""


@pytest.mark.parametrize("suite", SUITES)
def test_a_booted_machine_runs_a_hardened_unit_and_leaves_nothing(suite: str, tmp_path: Path) -> None:
    base(suite)  # debootstrap itself may leave something, once
    before = Traces.now()
    with Room() as room, booted(room, suite, "web01", ["192.0.2.21"], tmp_path / "console") as machine:
        machine.sh("useradd --system labuser")
        machine.write("/etc/lab-word", "word\n", mode=0o600)
        machine.write("/etc/lab-secret", "secret\n", mode=0o600)
        machine.write("/etc/systemd/system/lab.service", _UNIT)
        machine.run(["systemctl", "daemon-reload"])
        machine.run(["systemctl", "start", "lab.service"])
        journal = machine.run(["journalctl", "--unit=lab.service", "--output=cat"]).stdout.splitlines()
        assert "word" in journal
        assert "secret" in journal
        assert machine.run(["stat", "-c", "%U", "/var/lib/lab/was-here"]).stdout == "labuser\n"
    assert before.left() == ()


@pytest.mark.parametrize("suite", SUITES)
def test_a_booted_server_takes_connections_from_a_copy_on_write_host(suite: str, tmp_path: Path) -> None:
    with Room() as room, booted(room, suite, "server", ["192.0.2.10"], tmp_path / "console"):
        host = room.machine("host", ["192.0.2.21"])
        keys = host.run(["ssh-keyscan", "-t", "ed25519", "192.0.2.10"]).stdout
        assert "192.0.2.10 ssh-ed25519 " in keys
