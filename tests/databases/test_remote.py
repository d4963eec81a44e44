"""Dumps that go over ssh into an encrypted repository, and what is left when the connection ends half-way."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import yaml

from demo.lab import borgs
from demo.lab.machine import Machine
from demo.lab.room import Room
from demo.lab.site import Site, repository_script
from tests.databases.house import HOST, House
from tests.databases.postgres import Server

pytestmark = [pytest.mark.root, pytest.mark.borg, pytest.mark.sshd, pytest.mark.databases, pytest.mark.slow]

ROWS = "SELECT md5(string_agg(text, ',' ORDER BY n)) FROM pages"
JOBS: dict[str, Any] = {
    "wiki": {
        "kind": "postgresql",
        "databases": ["wiki"],
        "accounts": "none",
        "drill": {"assert": [{"database": "wiki", "query": "SELECT count(*) = 60000 FROM pages"}]},
    },
    "many": {
        "kind": "postgresql",
        "databases": ["notes", "wiki"],
        "accounts": "none",
        "most_series": 1,
        "retention": {"forever": True},
    },
}
# Both generations take part. All pairs of them are in tests/endtoend, with jobs of files.
CLIENT, SERVER = "1.4", "1.2"


def inventory() -> dict[str, Any]:
    """Give the host, and a server with a repository that only a passphrase opens."""
    return {
        "version": 1,
        "fleet": "remote",
        "servers": {
            "bkp01": {
                "address": "192.0.2.10",
                "host_key": "keys/bkp01.hostkey.pub",
                "borg": {"version": SERVER},
                "storage": {"path": "/backup"},
            }
        },
        "repositories": {"central": {"server": "bkp01", "encryption": "repokey-blake2"}},
        "hosts": {
            HOST: {
                "address": "192.0.2.30",
                "to": ["central"],
                "borg": {"version": CLIENT},
                "retention": {"last": 1},
                "databases": JOBS,
            }
        },
    }


@dataclass(frozen=True, slots=True)
class Far:
    """A host with a server of its own, and the machine that has its repository."""

    server: Server
    storage: Machine


@pytest.fixture(scope="module")
def far(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Far]:
    """Give a host with its databases, each dumped once into the repository of another machine."""
    folder = tmp_path_factory.mktemp("remote")
    site = Site(folder / "inventory", folder / "out")
    (site.inventory / "keys").mkdir(parents=True)
    (site.inventory / "inventory.yaml").write_text(yaml.safe_dump(inventory()), encoding="utf-8")
    with Room() as room:
        storage = room.machine("bkp01", ["192.0.2.10"], fresh=["/backup"])
        host = room.machine(HOST, ["192.0.2.30"])
        borgs.give(storage, SERVER)
        borgs.give(host, CLIENT)
        # For a line in its place (see `cut`).
        storage.run(["cp", "--dereference", "/usr/bin/borg", "/usr/bin/borg.real"])
        site.learn_host_key(storage)
        site.compile()
        site.apply(host)
        site.learn_key(host)
        site.compile()
        site.apply(storage)
        site.apply(host)
        storage.start_sshd()
        repository_script(host, "central", "init")
        server = Server(House(host, site, room, "central"))
        server.ask("CREATE DATABASE notes; CREATE DATABASE wiki")
        server.ask(
            "CREATE TABLE pages AS SELECT n, md5(n::text) || md5((-n)::text) AS text FROM generate_series(1, 60000) n",
            "wiki",
        )
        for job in JOBS:
            server.house.job(job)
        yield Far(server, storage)


@contextlib.contextmanager
def cut(storage: Machine, serve: str) -> Iterator[None]:
    """Let each connection to the repository end after some bytes: `serve` is the line that runs in place of borg's."""
    storage.write("/usr/bin/borg", f"#!/bin/sh\n{serve}\n", mode=0o755)
    try:
        yield
    finally:
        storage.run(["cp", "/usr/bin/borg.real", "/usr/bin/borg"])


def test_they_come_back_over_ssh(far: Far) -> None:
    server, house = far.server, far.server.house
    assert house.series() == ("many", "wiki_wiki")
    rows = server.ask(ROWS, "wiki")
    house.drill("wiki")
    for job in JOBS:
        server.ask("DROP DATABASE wiki")
        house.restore(job, "wiki")
        assert server.ask(ROWS, "wiki") == rows
    # What root restored, it read as the account of this host on the server, which alone writes there.
    assert far.storage.run(["find", "/backup/db01/central", "!", "-user", "bs-db01"]).stdout == ""


def test_a_connection_that_ends_in_a_restore_changes_nothing(far: Far) -> None:
    far.server.ask("INSERT INTO pages VALUES (0, 'new')", "wiki")
    with cut(far.storage, '/usr/bin/borg.real "$@" | stdbuf -o0 head -c 1000000'):
        ran = far.server.house.restore("wiki", "wiki", "--replace", check=False)
        drill = far.server.house.drill("wiki", check=False)
    assert ran.code == 1
    assert "backupspec: wiki is what it was before" in ran.stderr
    assert far.server.ask("SELECT text FROM pages WHERE n = 0", "wiki") == "new"
    assert drill.code == 1
    assert re.search(r"backupspec: drill failed: db01_wiki_wiki_\S+ cannot be read\n", drill.stderr)


def test_a_connection_that_ends_in_a_dump_leaves_no_archive_and_the_next_run_does_all(far: Far) -> None:
    house = far.server.house
    before = house.archives()
    far.server.ask("UPDATE pages SET text = gen_random_uuid()::text || gen_random_uuid()::text", "wiki")
    with cut(far.storage, 'stdbuf -o0 head -c 1000000 | /usr/bin/borg.real "$@"'):
        wiki, many = (house.job(job, check=False) for job in JOBS)
    for ran in (wiki, many):
        assert ran.code == 1
        assert re.search(r"Connection (closed by remote host|to remote host is broken)", ran.stderr)
    assert "backupspec: not backed up: wiki\n" in wiki.stderr
    assert "backupspec: nothing was stored\n" in many.stderr
    assert house.archives() == before
    house.job("wiki")
    assert house.series() == ("many", "wiki_wiki")  # the older one is thinned out
    assert house.archives() != before
