"""The server's side under a real sshd: rules, accounts, folders, and a login with every compiled key line."""

from __future__ import annotations

import ipaddress
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from backupspec.fleet import Host, Repository, Server
from demo.lab import borgs
from demo.lab.command import Outcome
from demo.lab.machine import CREDENTIALS, Machine
from demo.lab.room import Room
from demo.lab.site import Site, job_script, repository_script
from tests.golden.trees import INVENTORIES
from tests.oracles.machines import fleet, literal, record, recorded

pytestmark = [pytest.mark.root, pytest.mark.sshd, pytest.mark.systemd]

SERVERS = [
    pytest.param(
        (name, server.name), id=f"{name}-{server.name}", marks=pytest.mark.xdist_group(f"{name}-{server.name}")
    )
    for name in INVENTORIES
    for server in fleet(name).servers
]
NAMED = ("192.0.2.250", "2001:db8::250")  # the addresses of a server that the inventory knows by a DNS name only


@dataclass(frozen=True, slots=True)
class Line:
    """One key line: a host's way into one account, and what the inventory lets it do there."""

    host: Host
    account: str
    repositories: tuple[Repository, ...]

    def command(self, server: Server) -> list[str]:
        """Give the words that sshd must start, whatever the client asks for."""
        first = self.repositories[0]
        words = [server.borg.path, "serve", "--umask=077"]
        words += ["--append-only"] * first.append_only
        for repository in self.repositories:
            words += ["--restrict-to-repository", repository.path]
        return [*words, *([] if first.quota is None else ["--storage-quota", str(first.quota)])]

    @property
    def source(self) -> str | None:
        """Give the address that the host comes from, if it is known to be always the same."""
        known = self.host.jump is None and not self.host.roaming and literal(self.host.address)
        return self.host.address if known else None


@dataclass(frozen=True, slots=True)
class Place:
    """A server with its tree applied and sshd running, and a client with every host's key and address."""

    declared: Server
    server: Machine
    client: Machine
    lines: tuple[Line, ...]
    before: Outcome

    def login(self, line: Line, source: str | None, *words: str) -> Outcome:
        """Log in as the host of a line, from an address."""
        own = source in self.addresses
        version = 4 if source is None else ipaddress.ip_address(source).version
        usable = [address for address in self.addresses if ipaddress.ip_address(address).version == version]
        options = ["StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "BatchMode=yes", "IdentitiesOnly=yes"]
        argv = ["ssh", "-F", "none", "-i", f"/root/keys/{line.host.name}", "-p", str(self.declared.port)]
        argv += [f"-o{option}" for option in options] + ([] if source is None else ["-b", source])
        machine = self.server if own else self.client
        return machine.run([*argv, *words, f"{line.account}@{(usable or self.addresses)[0]}", "id"], check=False)

    @property
    def addresses(self) -> tuple[str, ...]:
        return (self.declared.address,) if literal(self.declared.address) else NAMED


def _lines(name: str, server: str) -> Iterator[Line]:
    for host in fleet(name).hosts:
        here = [item for item in host.repositories if item.server is not None and item.server.name == server]
        for account in sorted({item.account or "" for item in here}):
            yield Line(host, account, tuple(item for item in here if item.account == account))


def _with_new_keys(name: str, folder: Path) -> Site:
    """Compile an inventory whose hosts' keys are replaced by new ones; their private halves are in `folder`/private."""
    site = Site(folder / "inventory", folder / "out")
    shutil.copytree(INVENTORIES[name], site.inventory)
    private = folder / "private"
    private.mkdir()
    for host in fleet(name).hosts:
        if not any(item.server for item in host.repositories):
            continue
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", private / host.name], check=True)
        shutil.copy(private / f"{host.name}.pub", site.inventory / host.key_file)
    site.compile()
    return site


@pytest.fixture(scope="module", params=SERVERS)
def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """Bring one server up, the way an admin would; only its borg is replaced, by what writes down its words."""
    name, machine = request.param
    declared = fleet(name).server(machine)
    assert declared is not None
    folder = tmp_path_factory.mktemp("site")
    site = _with_new_keys(name, folder)
    lines = tuple(_lines(name, machine))
    addresses = [declared.address] if literal(declared.address) else list(NAMED)
    sources = {line.source for line in lines if line.source} - set(addresses)
    wrong = [f"203.0.113.{count}" for count in range(1, 30)] + [f"2001:db8:bad::{count}" for count in range(1, 30)]
    mounted = [*declared.storage_mounted, declared.storage]
    with Room() as room:
        server = room.machine(machine, addresses, fresh=["/root", "/" + mounted[0].split("/")[1]])
        client = room.machine("client", [*sorted(sources), *wrong, "203.0.113.77"], fresh=["/root"])
        for path in declared.storage_mounted:
            server.sh(f"mkdir -p {path}; mount -t tmpfs tmpfs {path}")
        record(server, declared.borg.path)
        for target in (server, client):
            target.copy_in(folder / "private", "/root/keys")
        server.run(["mkdir", "-p", "/run/sshd"])
        server.run(["ssh-keygen", "-A"])
        if declared.port != 22:
            server.write("/etc/ssh/sshd_config.d/00-port.conf", f"Port {declared.port}\n")
        before = _rules(server, "root")
        site.apply(server)
        server.start_sshd()
        yield Place(declared, server, client, lines, before)


def _rules(server: Machine, user: str) -> Outcome:
    return server.run(["/usr/sbin/sshd", "-T", "-C", f"user={user},host=any,addr=203.0.113.77"])


def test_sshd_takes_the_rules_for_our_accounts_and_for_nobody_else(place: Place) -> None:
    place.server.run(["/usr/sbin/sshd", "-t"])
    assert place.lines
    for account in {line.account for line in place.lines}:
        rules = set(_rules(place.server, account).stdout.splitlines())
        assert {
            "authorizedkeysfile /etc/ssh/backupspec/%u",
            "authenticationmethods publickey",
            "permittty no",
            "permittunnel no",
            "allowtcpforwarding no",
            "allowagentforwarding no",
            "x11forwarding no",
        } <= rules
    assert _rules(place.server, "root") == place.before
    assert _rules(place.server, "nobody").stdout == place.before.stdout


def test_a_key_starts_its_own_command_and_no_other_from_its_own_address(place: Place) -> None:
    """Each compiled line: words as the inventory has them, no terminal; from anywhere else, no login."""
    for number, line in enumerate(place.lines):
        said = place.login(line, line.source)
        assert said.code == 0, said.output
        assert "uid=" not in said.stdout
        assert recorded(place.server) == [line.command(place.declared)]
        if line.source is not None:
            version = ipaddress.ip_address(place.addresses[0]).version
            wrong = f"203.0.113.{number + 1}" if version == 4 else f"2001:db8:bad::{number + 1:x}"
            refused = place.login(line, wrong)
            assert refused.code == 255
            assert "Permission denied (publickey)" in refused.stderr
            assert recorded(place.server) == []


def test_a_key_gets_no_terminal_and_no_tunnel(place: Place) -> None:
    line = place.lines[0]
    said = place.login(line, line.source, "-tt")
    assert "PTY allocation request failed" in said.stderr
    refused = place.login(line, line.source, "-oExitOnForwardFailure=yes", "-R", "127.0.0.1:8022:127.0.0.1:22")
    assert refused.code == 255
    assert "remote port forwarding failed" in refused.stderr
    assert [words[0] for words in recorded(place.server)] in ([], [place.declared.borg.path])


def test_a_key_opens_no_account_but_its_own(place: Place) -> None:
    """Not that of another host, where there is one, and never root's."""
    first = place.lines[0]
    for account in [*{line.account for line in place.lines} - {first.account}, "root"][-2:]:
        refused = place.login(Line(first.host, account, ()), first.source)
        assert refused.code == 255, account
    assert recorded(place.server) == []


def test_accounts_and_folders_are_there_and_closed_to_others(place: Place) -> None:
    server = place.server
    storage = server.run(["stat", "-c", "%a %U", place.declared.storage]).stdout
    assert storage == "711 root\n"
    for line in place.lines:
        account = server.account(line.account)
        assert account.shell == "/bin/sh"
        assert account.home.startswith(place.declared.storage)
        for repository in line.repositories:
            folder = repository.path if repository.per_fleet else repository.path.rsplit("/", 1)[0]
            assert server.run(["stat", "-c", "%a %U", folder]).stdout == f"700 {line.account}\n"
            server.run(["setpriv", f"--reuid={account.uid}", "--clear-groups", "test", "-w", folder])
    keys = server.run(["find", "/etc/ssh/backupspec", "-mindepth", "1", "-printf", "%m %u %f\\n"]).stdout
    assert sorted(keys.splitlines()) == sorted({f"644 root {line.account}" for line in place.lines})


@pytest.mark.borg
@pytest.mark.slow
def test_a_repository_at_an_odd_place_is_made_written_and_read(tmp_path: Path) -> None:
    """Spaces, quotes, `%`, `$` and foreign letters in the storage's path, and in that of the server's borg."""
    site = _with_new_keys("everything", tmp_path)
    with Room() as room:
        server = room.machine("store", ["2001:db8::10"], fresh=["/backup"])
        host = room.machine("twelve", ["2001:db8::12"], fresh=["/home", "/root"])
        borgs.give(server, "1.4")
        server.write("/opt/borg 1.4's/borg", '#!/bin/sh\nexec /usr/bin/borg "$@"\n', mode=0o755)
        borgs.give(host, "1.2")
        server.sh("mkdir -p /backup; mount -t tmpfs tmpfs /backup")
        server.write("/etc/ssh/sshd_config.d/00-port.conf", "Port 2022\n")
        site.learn_host_key(server)
        site.compile()
        site.apply(server)
        server.start_sshd()
        host.write(f"{CREDENTIALS}/ssh_key", (tmp_path / "private/twelve").read_bytes(), mode=0o600)
        host.write(f"{CREDENTIALS}/everybody", "the same for all\n", mode=0o600)
        host.write("/etc/backupspec/here", "yes")
        site.apply(host)
        repository_script(host, "common", "init")
        job_script(host, "system", "common", "create")
        job_script(host, "system", "common", "prune")
        repository_script(host, "common", "restore", "system", "/root/back", "/etc/backupspec/here")
        assert host.read("/root/back/etc/backupspec/here") == "yes"
        kept = server.run(["ls", '/backup/Größe 100% $HOME\'s "best"/_fleet/common']).stdout
        assert "config" in kept.split()
