"""The compiled playbook that migrates, under a real Ansible, on folders with real rsnapshot trees for servers."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from backupspec_migrate.rehearse import skipping
from backupspec_migrate.sample import make_sample_tree
from demo.lab.command import CLEAN
from tests.golden.trees import Compiled, compile_to

pytestmark = [pytest.mark.root, pytest.mark.borg, pytest.mark.slow]

BIN = Path(sys.executable).parent
WEB, DATABASE = ("bkp1", "web01"), ("bkp2", "db01")


@dataclass(frozen=True)
class Servers:
    """Two servers with a tree and a host each. What would lie in their own file systems lies in a folder of each."""

    folder: Path

    def __post_init__(self) -> None:
        keys = self.folder / "site/keys"
        keys.mkdir(parents=True)
        lines = ["version: 1", "fleet: two", "retention: {days: {daily: 3}}", "defaults: {retention: days}", "servers:"]
        for server, _ in (WEB, DATABASE):
            key = keys / f"{server}.hostkey"
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
            storage = "storage: {path: /backup, capacity: 1TB}"
            lines.append(
                f"  {server}: {{host_key: keys/{server}.hostkey.pub, address: 192.0.2.{len(lines)}, {storage}}}"
            )
        lines += ["repositories:", *(f"  on-{server}: {{server: {server}}}" for server, _ in (WEB, DATABASE)), "hosts:"]
        for server, host in (WEB, DATABASE):
            lines.append(f"  {host}: {{to: [on-{server}], files: {{data: {{paths: [/srv]}}}}}}")
            make_sample_tree(self.folder / server, link_dest=host == "db01", snapshots=3, host=host)
        (self.folder / "site/inventory.yaml").write_text("\n".join(lines) + "\n")
        compile_to(self.folder / "site/compiled", self.folder / "site")
        self.program.write_text(f'#!/bin/sh\nexec {BIN}/backupspec "$@"\n')
        self.program.chmod(0o755)
        (self.folder / "called-here").mkdir()

    @property
    def program(self) -> Path:
        """What the servers know as backupspec."""
        return self.folder / "program"

    @property
    def plan(self) -> Path:
        """The second server's plan, on the side of Ansible."""
        return self.folder / "called-here/migration/bkp2/plan.yaml"

    def command(self, *words: str, **more: object) -> tuple[list[str], dict[str, str]]:
        """Give the playbook's command and environment; `more` are variables of Ansible."""
        own = f"{self.folder}/{{{{ inventory_hostname }}}}"
        settings = {
            "ansible_connection": "local",
            "ansible_python_interpreter": sys.executable,
            "ansible_become": False,
            "ansible_async_dir": str(self.folder / "async"),
            "backupspec_inventory": "../site",
            "backupspec_program": str(self.program),
            "backupspec_source": f"{own}/rsnapshot.conf",
            "backupspec_work": f"{own}/state/playbook",
            "backupspec_poll": 1,
            "backupspec_plan_arguments": ["--repository", f"{self.folder}/repos/{{host}}", "--encryption", "none"],
            **more,
        }
        ansible = self.folder / "site/compiled/ansible"
        argv = [
            str(BIN / "ansible-playbook"),
            "-i",
            str(ansible / "inventory.yml"),
            "--extra-vars",
            json.dumps(settings),
        ]
        env = {
            **CLEAN,
            "HOME": str(self.folder),
            "ANSIBLE_HOME": str(self.folder / ".ansible"),
            "ANSIBLE_LOCALHOST_WARNING": "false",
            "NO_COLOR": "1",
            "BORG_BASE_DIR": str(self.folder / "borg"),
            "BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK": "yes",
        }
        return [*argv, *words, str(ansible / "migrate.yml")], env

    def play(self, *words: str, code: int = 0) -> str:
        """Run the playbook in a folder beside the inventory."""
        argv, env = self.command(*words)
        ran = subprocess.run(
            argv, env=env, cwd=self.folder / "called-here", capture_output=True, text=True, check=False
        )
        assert ran.returncode == code, ran.stdout + ran.stderr
        assert "WARNING" not in ran.stderr
        return ran.stdout

    def archives(self, host: str, borg: Path) -> list[str]:
        argv = [str(borg), "list", "--short", f"{self.folder}/repos/{host}"]
        env = {"BORG_BASE_DIR": f"{self.folder}/borg", "BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK": "yes"}
        return subprocess.run(argv, env=env, capture_output=True, text=True, check=True).stdout.split()


@pytest.fixture
def servers() -> Iterator[Servers]:
    folder = Path(tempfile.mkdtemp(prefix="backupspec-ansible-test-"))
    folder.chmod(0o755)
    yield Servers(folder)
    shutil.rmtree(folder)


def _counts(said: str, what: str) -> dict[str, int]:
    """Give how often something happened to each machine."""
    return {name: int(number) for name, number in re.findall(rf"(?m)^(\S+) +: .*\b{what}=(\d+)", said)}


@pytest.mark.parametrize("name", ["small", "infra4"])
def test_ansible_takes_the_playbook_for_one(name: str, compiled: Compiled, tmp_path: Path) -> None:
    ansible = compiled(name) / "ansible"
    argv = [f"{BIN}/ansible-playbook", "-i", f"{ansible}/inventory.yml", "--syntax-check", f"{ansible}/migrate.yml"]
    env = {**CLEAN, "HOME": str(tmp_path), "ANSIBLE_HOME": str(tmp_path), "ANSIBLE_LOCALHOST_WARNING": "false"}
    ran = subprocess.run(argv, env=env, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert not ran.stderr


def test_without_servers_there_is_no_such_playbook(compiled: Compiled) -> None:
    assert not (compiled("laptop") / "ansible/migrate.yml").exists()


def test_each_server_goes_its_own_way_until_all_old_trees_may_go(servers: Servers, borg14: Path) -> None:
    assert _counts(servers.play("--check"), "changed") == {"bkp1": 0, "bkp2": 0, "localhost": 0}
    doubtful = servers.folder / "bkp2/snapshots/daily.0"
    os.utime(doubtful, (doubtful.stat().st_atime, (doubtful.parent / "daily.1").stat().st_mtime))
    first = servers.play(code=2)
    assert "bkp1: yes, all 3 archives of 1 host are in the repositories" in first
    assert "bkp2: no, there is no report" in first
    assert "daily.0 is doubtful" in first
    assert _counts(first, "failed") == {"bkp1": 0, "bkp2": 1, "localhost": 1}
    assert len(servers.archives("web01", borg14)) == 3
    assert not (servers.folder / "repos/db01").exists()
    came = {path.name for path in servers.plan.parents[1].glob("bkp1/*")}
    assert came == {"plan.yaml", "report.json", "report.html", "accepted"}
    ids = (servers.plan.parents[1] / "bkp1/accepted/web01_data.ids").read_text()
    assert all(name in ids for name in servers.archives("web01", borg14))
    assert {path.name for path in servers.plan.parent.iterdir()} == {"plan.yaml"}
    copied = {path.name for path in (servers.folder / "bkp1/state/playbook/inventory").iterdir()}
    assert copied == {"inventory.yaml", "keys"}

    servers.plan.write_text(skipping(servers.plan.read_text(), snapshot="daily.0", because="it was killed"))
    second = servers.play()
    assert "bkp1: yes, " in second
    assert "bkp2: yes, all 2 archives of 1 host are in the repositories" in second
    assert _counts(second, "changed") == {"bkp1": 0, "bkp2": 1, "localhost": 0}
    assert len(servers.archives("web01", borg14)) == 3
    assert len(servers.archives("db01", borg14)) == 2


def test_the_tag_plan_only_brings_the_plans(servers: Servers) -> None:
    servers.play("--tags", "plan")
    came = {str(path.relative_to(servers.plan.parents[1])) for path in servers.plan.parents[1].rglob("*.*")}
    assert came == {"bkp1/plan.yaml", "bkp2/plan.yaml"}
    assert not (servers.folder / "repos").exists()
    servers.plan.write_text(skipping(servers.plan.read_text(), snapshot="daily.2", because="not needed"))
    servers.play("--tags", "plan")
    assert "not needed" in servers.plan.read_text()
    assert "not needed" in (servers.folder / "bkp2/state/playbook/plan.yaml").read_text()


def test_a_run_outlives_the_connection_and_the_next_playbook_waits_for_it(servers: Servers, borg14: Path) -> None:
    began, ended = servers.folder / "began", servers.folder / "ended"
    servers.program.write_text(
        f'#!/bin/sh\nset -eu\n[ "$2" != run ] || [ -e {ended} ] || {{ echo >>{began}; sleep 15; }}\n'
        f'{BIN}/backupspec "$@"\n[ "$2" != run ] || echo >>{ended}\n'
    )
    argv, env = servers.command("--limit", "bkp1,localhost")
    with subprocess.Popen(
        argv,
        env=env,
        cwd=servers.folder / "called-here",
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as playbook:
        until = time.monotonic() + 120
        while not began.exists() and playbook.poll() is None and time.monotonic() < until:
            time.sleep(0.1)
        assert began.exists()
        os.killpg(playbook.pid, signal.SIGKILL)
    assert not ended.exists()
    said = servers.play("--limit", "bkp1,localhost")
    assert began.read_text() == "\n"
    assert "bkp1: yes, all 3 archives" in said
    assert _counts(said, "changed") == {"bkp1": 0, "localhost": 0}
    assert len(servers.archives("web01", borg14)) == 3


@contextmanager
def _sshd(folder: Path, port: int) -> Iterator[Callable[[], None]]:
    """Let a real sshd listen; give what cuts all its connections and lets nobody in for some seconds."""
    for name in ("hostkey", "key"):
        if not (folder / name).exists():
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / name], check=True)
    options = {
        "Port": port,
        "ListenAddress": "127.0.0.1",
        "HostKey": folder / "hostkey",
        "PidFile": "none",
        "AuthorizedKeysFile": folder / "key.pub",
        "StrictModes": "no",
        "UsePAM": "no",
        "Subsystem": "sftp internal-sftp",
    }
    (folder / "sshd_config").write_text("".join(f"{key} {value}\n" for key, value in options.items()))
    Path("/run/sshd").mkdir(exist_ok=True)
    argv = ["/usr/sbin/sshd", "-D", "-f", str(folder / "sshd_config")]
    listening = [subprocess.Popen(argv)]

    def cut() -> None:
        sessions = _below(listening[-1].pid)
        listening[-1].terminate()
        listening[-1].wait()
        for pid in sessions:
            with suppress(OSError):
                if Path(f"/proc/{pid}/comm").read_text().startswith("sshd"):
                    os.kill(pid, signal.SIGKILL)
        time.sleep(3)
        listening.append(subprocess.Popen(argv))

    try:
        yield cut
    finally:
        listening[-1].terminate()
        listening[-1].wait()


def _below(pid: int) -> list[int]:
    """Give a process's children, their children and so on."""
    found = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True, check=False).stdout.split()
    return [one for child in found for one in (int(child), *_below(int(child)))]


@pytest.mark.sshd
def test_a_connection_that_drops_for_a_while_is_taken_up_again(servers: Servers, borg14: Path) -> None:
    began = servers.folder / "began"
    servers.program.write_text(
        f"#!/bin/sh\nset -eu\nexport BORG_BASE_DIR={servers.folder}/borg\n"
        "export BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK=yes\n"
        f'[ "$2" != run ] || {{ echo >>{began}; sleep 8; }}\nexec {BIN}/backupspec "$@"\n'
    )
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    known = f"-o StrictHostKeyChecking=no -o UserKnownHostsFile={servers.folder}/known"
    argv, env = servers.command(
        "--limit",
        "bkp1,localhost",
        ansible_connection="ssh",
        ansible_host="127.0.0.1",
        ansible_port=port,
        ansible_user="root",
        ansible_ssh_private_key_file=str(servers.folder / "key"),
        ansible_ssh_common_args=f"{known} -o ControlPath={servers.folder}/%C",
    )
    with (
        _sshd(servers.folder, port) as cut,
        subprocess.Popen(
            argv,
            env=env,
            cwd=servers.folder / "called-here",
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as playbook,
    ):
        until = time.monotonic() + 120
        while not began.exists() and playbook.poll() is None and time.monotonic() < until:
            time.sleep(0.1)
        time.sleep(2)
        cut()
        said = playbook.communicate()[0]
    assert playbook.returncode == 0, said
    assert "bkp1: yes, all 3 archives" in said
    assert began.read_text() == "\n"
    assert len(servers.archives("web01", borg14)) == 3


def test_what_is_missing_is_said_before_anything_is_done(servers: Servers) -> None:
    said = servers.play("--extra-vars", "backupspec_inventory=nowhere", code=2)
    assert "Name the folder with inventory.yaml: -e backupspec_inventory=FOLDER" in said
    said = servers.play("--extra-vars", "backupspec_program=/nowhere/backupspec", code=2)
    assert "/nowhere/backupspec does not run here. Install it on the server" in said
    assert "pipx install 'backupspec[migrate]'" in said
    assert not (servers.folder / "bkp1/state").exists()
