"""What the design relies on in sshd and borg, shown on lines that are written by hand: nothing compiled is in it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from demo.lab import borgs
from demo.lab.command import Outcome
from demo.lab.machine import Machine
from demo.lab.room import Room
from demo.lab.site import bytes_below

pytestmark = [pytest.mark.root, pytest.mark.borg, pytest.mark.sshd]

_HOME = "/home/keeper"
_SSH = "ssh -i /root/key -o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR"
_ENV = {
    "BORG_BASE_DIR": "/root/borg",
    "BORG_RSH": _SSH,
    "BORG_RELOCATED_REPO_ACCESS_IS_OK": "yes",
    "BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK": "yes",
}


@dataclass(frozen=True, slots=True)
class Pair:
    """A client with a key, and a server with one account."""

    client: Machine
    server: Machine

    def let_in(self, *options: str) -> None:
        """Write the account's key file: the client's key, with these options, once for each."""
        key = self.client.read("/root/key.pub")
        lines = "".join(f"{each} {key}" for each in options)
        self.server.write(f"{_HOME}/.ssh/authorized_keys", lines, owner="keeper")

    def serve(self, repositories: str, *words: str) -> None:
        only = " ".join(f"--restrict-to-repository {_HOME}/{each}" for each in repositories.split())
        self.let_in(f'restrict,command="borg serve {only} {" ".join(words)}"')

    def log_in(self) -> Outcome:
        return self.client.run([*_SSH.split(), "keeper@192.0.2.10", "echo asked"], check=False)

    def borg(self, repository: str, *words: str, check: bool = True) -> Outcome:
        env = {**_ENV, "BORG_REPO": f"ssh://keeper@192.0.2.10{_HOME}/{repository}"}
        return self.client.run(["borg", *words], env=env, check=check)

    def create(self, repository: str, megabytes: int, *, check: bool = True) -> Outcome:
        """Store so many MB that no archive has yet; it is called by their number."""
        self.client.sh(f"mkdir -p /root/data; head -c {megabytes}M /dev/urandom >/root/data/file")
        return self.borg(repository, "create", "-C", "none", f"::{megabytes}", "/root/data", check=check)

    def at_home(self, repository: str, *words: str) -> None:
        """Run borg on the server, as whoever is trusted there."""
        self.server.run(["runuser", "-u", "keeper", "--", "borg", *words, f"{_HOME}/{repository}"], env=_ENV | _OWN)


_OWN = {"BORG_BASE_DIR": _HOME, "HOME": _HOME}
NEWER = pytest.mark.parametrize("pair", ["1.4"], indirect=True)


@pytest.fixture(scope="module")
def pair(request: pytest.FixtureRequest) -> Iterator[Pair]:
    with Room() as room:
        client = room.machine("client", ["192.0.2.21"], fresh=["/root"])
        server = room.machine("server", ["192.0.2.10"], fresh=["/home"])
        for machine in (client, server):
            borgs.give(machine, request.param)
        client.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", "/root/key"])
        server.sh("useradd --create-home --shell /bin/sh keeper; usermod --password '*' keeper")
        server.start_sshd()
        yield Pair(client, server)


@NEWER
def test_the_first_line_of_a_key_wins_and_restrict_alone_runs_what_is_asked(pair: Pair) -> None:
    pair.let_in('restrict,command="echo first"', 'restrict,command="echo second"')
    assert pair.log_in().stdout == "first\n"
    pair.let_in("restrict")
    assert pair.log_in().stdout == "asked\n"


@NEWER
def test_a_misspelt_option_is_no_matter_for_ssh_keygen_and_one_for_sshd(pair: Pair) -> None:
    pair.let_in('restricted,command="echo first"')
    pair.server.run(["ssh-keygen", "-l", "-f", f"{_HOME}/.ssh/authorized_keys"])
    assert pair.log_in().code == 255


@pytest.mark.parametrize("pair", borgs.GENERATIONS, indirect=True)
def test_a_quota_stops_a_backup_and_leaves_what_is_there(pair: Pair) -> None:
    """Until something is deleted and compacted, and for each repository of a line anew."""
    pair.serve("one two", "--storage-quota", "10M")
    for repository in ("one", "two"):
        pair.borg(repository, "init", "-e", "none")
        pair.create(repository, 6)
    assert bytes_below(pair.server, f"{_HOME}/one") + bytes_below(pair.server, f"{_HOME}/two") > 12_000_000
    refused = pair.create("one", 7, check=False)
    assert refused.code not in (0, 1)
    assert "storage quota" in refused.output.lower()
    assert pair.borg("one", "list", "--short").stdout == "6\n"
    pair.borg("one", "delete", "::6")
    pair.borg("one", "compact")
    pair.create("one", 7)


@NEWER
def test_append_only_with_a_quota_jams_until_somebody_who_is_trusted_compacts(pair: Pair) -> None:
    pair.serve("jam", "--append-only", "--storage-quota", "10M")
    pair.borg("jam", "init", "-e", "none")
    pair.create("jam", 6)
    pair.borg("jam", "delete", "::6")
    pair.borg("jam", "compact")
    assert "storage quota" in pair.create("jam", 7, check=False).output.lower()
    assert bytes_below(pair.server, f"{_HOME}/jam") > 6_000_000
    pair.at_home("jam", "compact")
    pair.create("jam", 7)


@NEWER
def test_a_repository_that_is_append_only_by_itself_is_compacted_by_nobody(pair: Pair) -> None:
    pair.serve("own")
    pair.borg("own", "init", "-e", "none", "--append-only")
    pair.create("own", 6)
    pair.borg("own", "delete", "::6")
    pair.at_home("own", "compact")
    assert bytes_below(pair.server, f"{_HOME}/own") > 6_000_000
    pair.server.run(["sed", "-i", "s/^append_only = 1/append_only = 0/", f"{_HOME}/own/config"])
    pair.at_home("own", "compact")
    assert bytes_below(pair.server, f"{_HOME}/own") < 1_000_000
