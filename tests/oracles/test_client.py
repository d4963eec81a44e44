"""A host's side of ssh, and its accounts and folders, as the real tools read them."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from backupspec.fleet import Host
from backupspec.ssh_peers import Jump, Remote
from tests.golden.trees import INVENTORIES, Compiled
from tests.oracles.machines import fleet, images

CONFIG = "etc/backupspec/ssh_config"
JUMP = "jump-of-backupspec"


def _remotes(host: Host) -> dict[str, Remote]:
    return {f"backupspec-{item.name}": item.remote for item in host.repositories if item.remote is not None}


def _ssh(config: Path, alias: str) -> dict[str, str]:
    """Give every option that ssh would use for an alias."""
    env = {**os.environ, "CREDENTIALS_DIRECTORY": "/run/credentials/x"}
    argv = ["ssh", "-T", "-G", "-F", str(config), alias]
    out = subprocess.run(argv, capture_output=True, text=True, check=True, env=env)
    assert out.stderr == ""
    return {key: value for key, _, value in (line.partition(" ") for line in out.stdout.splitlines())}


def _as_expected(options: dict[str, str], alias: str, to: Remote | Jump) -> None:
    expected = {
        "hostname": to.address.lower(),
        "hostkeyalias": alias,
        "port": str(to.port),
        "user": to.user or options["user"],
        "stricthostkeychecking": "true",
        "userknownhostsfile": "/etc/backupspec/known_hosts",
        "globalknownhostsfile": "none",
        "updatehostkeys": "false",
        "identitiesonly": "yes",
        "batchmode": "yes",
        "forwardagent": "no",
        "preferredauthentications": "publickey",
        "serveraliveinterval": "10",
        "serveralivecountmax": "30",
    }
    assert {key: options.get(key) for key in expected} == expected
    assert options["identityfile"].endswith("/ssh_key")


@pytest.mark.sshd
@pytest.mark.parametrize("name", INVENTORIES)
def test_ssh_goes_where_the_inventory_says_and_trusts_nobody_else(name: str, compiled: Compiled) -> None:
    for host in fleet(name).hosts:
        config = compiled(name) / "hosts" / host.name / "root" / CONFIG
        assert config.is_file() == bool(_remotes(host))
        for alias, remote in _remotes(host).items():
            options = _ssh(config, alias)
            _as_expected(options, alias, remote)
            assert options.get("proxyjump") == (None if host.jump is None else JUMP)
        if host.jump is not None and _remotes(host):
            _as_expected(_ssh(config, JUMP), JUMP, host.jump)


@pytest.mark.sshd
@pytest.mark.parametrize("name", INVENTORIES)
def test_ssh_finds_exactly_one_key_for_each_machine(name: str, compiled: Compiled) -> None:
    for host in fleet(name).hosts:
        known = compiled(name) / "hosts" / host.name / "root/etc/backupspec/known_hosts"
        expected: dict[str, Remote | Jump] = {**_remotes(host)}
        if expected and host.jump is not None:
            expected[JUMP] = host.jump
        for alias, to in expected.items():
            out = subprocess.run(["ssh-keygen", "-F", alias, "-f", known], capture_output=True, text=True, check=True)
            keys = [line.split() for line in out.stdout.splitlines() if not line.startswith("#")]
            assert keys == [[alias, to.host_key.algorithm, to.host_key.blob]]
        if expected:
            printed = subprocess.run(["ssh-keygen", "-l", "-f", known], capture_output=True, text=True, check=True)
            assert len(printed.stdout.splitlines()) == len(expected)


@pytest.mark.root
@pytest.mark.systemd
@pytest.mark.parametrize("name", INVENTORIES)
def test_accounts_and_folders_are_made_as_planned_on_an_empty_root(
    name: str, compiled: Compiled, tmp_path: Path
) -> None:
    for image in images(compiled(name)):
        machine = image.parent.name
        host, server = fleet(name).host(machine), fleet(name).server(machine)
        root = tmp_path / machine
        (root / "etc").mkdir(parents=True)
        for tool, kind in (("systemd-sysusers", "sysusers.d"), ("systemd-tmpfiles", "tmpfiles.d")):
            words = [tool, f"--root={root}", *(["--create"] if kind == "tmpfiles.d" else [])]
            conf = image / "etc" / kind / "backupspec.conf"
            ran = subprocess.run([*words, conf], capture_output=True, text=True, check=True)
            assert "backupspec.conf:" not in ran.stderr, ran.stderr
        lines = [line.split(":") for line in (root / "etc/passwd").read_text(encoding="utf-8").splitlines()]
        found = {line[0]: (line[5], line[6]) for line in lines if line[0] != "root"}
        expected: dict[str, tuple[str, str]] = {}
        owners: dict[str, tuple[str, int]] = {}
        if host is not None and host.jobs:
            expected["backupspec"] = ("/var/lib/backupspec", "/usr/sbin/nologin")
            owners["/var/lib/backupspec"] = ("backupspec", 0o700)
            owners["/var/lib/backupspec-restore"] = ("root", 0o700)
            owners["/etc/backupspec/credentials"] = ("root", 0o700)
            if any(job.drill is not None for job in host.databases):
                expected["backupspec-drill"] = ("/nonexistent", "/usr/sbin/nologin")
        if server is not None:
            owners[server.storage] = ("root", 0o711)
            for item in (item for other in fleet(name).hosts for item in other.repositories):
                if item.server is not None and item.server.name == machine and item.account is not None:
                    folder = item.path if item.per_fleet else item.path.rsplit("/", 1)[0]
                    home = server.storage if server.shared_account else item.path.rsplit("/", 1)[0]
                    expected[item.account] = (home, "/bin/sh")
                    owners[folder] = (item.account, 0o700)
        assert found == expected
        uids = {line[0]: int(line[2]) for line in lines} | {"root": 0}
        for path, (owner, mode) in owners.items():
            status = (root / path.lstrip("/")).stat()
            assert (status.st_uid, status.st_mode & 0o7777) == (uids[owner], mode), path
