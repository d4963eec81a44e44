"""PostgreSQL, for real: the compiled job against a server on a socket of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from demo.lab import unit
from demo.lab.site import SCRIPTS
from tests.databases.house import house
from tests.databases.postgres import Server

pytestmark = [pytest.mark.root, pytest.mark.borg, pytest.mark.databases, pytest.mark.slow]

NASTY = "Mein 'S\"hop $HOME `id`\n-é"
JOBS = {
    "wiki": {
        "kind": "postgresql",
        "exclude": ["test*"],
        "drill": {"assert": [{"database": "wiki", "query": "SELECT count(*) = 1000 FROM pages"}]},
    }
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Give a host with a server that has some databases, dumped once."""
    with house(tmp_path_factory.mktemp("postgresql"), JOBS) as machine:
        server = Server(machine)
        quoted = NASTY.replace('"', '""')
        server.ask(
            "CREATE ROLE owner LOGIN; CREATE DATABASE wiki OWNER owner; CREATE DATABASE test1;"
            f'CREATE DATABASE "{quoted}"'
        )
        server.ask(
            "SET ROLE owner; CREATE TABLE pages AS SELECT n, md5(n::text) AS text FROM generate_series(1, 1000) n",
            "wiki",
        )
        machine.job("wiki")
        yield server


def test_each_database_has_a_series_and_what_is_left_out_has_none(server: Server) -> None:
    nasty = "wiki_.4dein.20.27.53.22hop.20.24.48.4f.4d.45.20.60id.60.0a-.c3.a9"
    assert server.house.series() == tuple(sorted(("wiki_.users", nasty, "wiki_postgres", "wiki_wiki")))


def test_a_database_that_was_destroyed_comes_back_row_by_row(server: Server) -> None:
    rows = server.ask("SELECT * FROM pages ORDER BY n", "wiki")
    server.ask("DROP DATABASE wiki")
    server.house.restore("wiki", "wiki")
    assert server.ask("SELECT * FROM pages ORDER BY n", "wiki") == rows
    assert server.ask("SELECT datdba::regrole FROM pg_database WHERE datname = 'wiki'") == "owner"


def test_one_that_exists_is_left_alone_and_replaced_only_on_demand(server: Server) -> None:
    server.ask("DELETE FROM pages WHERE n > 500", "wiki")
    refused = server.house.restore("wiki", "wiki", check=False)
    assert refused.code == 1
    assert "wiki exists; choose another name (--as), or --replace it" in refused.stderr
    assert server.ask("SELECT count(*) FROM pages", "wiki") == "500"
    server.house.restore("wiki", "wiki", "--replace")
    assert server.ask("SELECT count(*) FROM pages", "wiki") == "1000"


def test_a_restore_that_finds_the_database_there_after_all_takes_nothing_away(server: Server) -> None:
    load = f"{SCRIPTS}/databases/wiki/load"
    server.machine.write(
        "/root/race", f"#!/bin/sh\n{load} make wiki =wiki </dev/null; {load} drop wiki =wiki\n", mode=0o755
    )
    raced = unit.run_for_people(server.machine, "/root/race")
    assert "there is a database wiki" in raced.stderr
    assert server.ask("SELECT count(*) FROM pages", "wiki") == "1000"


def test_a_copy_has_another_name_and_the_same_encoding(server: Server) -> None:
    server.house.restore("wiki", "wiki", "--as", "it's a\\copy")
    assert server.ask("SELECT count(*) FROM pages", "it's a\\copy") == "1000"


def test_the_drill_proves_the_newest_dumps(server: Server) -> None:
    server.house.drill("wiki")
    assert "result=passed" in server.house.machine.read("/var/lib/backupspec/drill/wiki_local")
