"""PostgreSQL, for real: the compiled job against a server on a socket of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from demo.lab import unit
from demo.lab.site import SCRIPTS, repository_script
from tests.databases.house import HOST, house
from tests.databases.postgres import Server

pytestmark = [pytest.mark.root, pytest.mark.borg, pytest.mark.databases, pytest.mark.slow]

NASTY = "Mein 'S\"hop $HOME `id`\n-é"
QUOTED = NASTY.replace('"', '""')
ASSERT = [
    {"database": "wiki", "query": query} for query in ("SELECT count(*) = 1000 FROM pages", "SELECT 4.5", "SELECT -1e3")
]
JOBS = {
    "wiki": {
        "kind": "postgresql",
        "exclude": ["test*"],
        "schedule": {"window": "01:00-05:00", "timezone": "Europe/Berlin"},
        "drill": {"assert": ASSERT},
    },
    "bare": {"kind": "postgresql", "databases": ["postgres", "wiki"], "accounts": "none", "drill": {"assert": ASSERT}},
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Give a host with a server that has some databases, dumped once."""
    with house(tmp_path_factory.mktemp("postgresql"), JOBS) as machine:
        server = Server(machine)
        server.ask(
            "CREATE ROLE owner LOGIN; CREATE DATABASE wiki OWNER owner; CREATE DATABASE test1;"
            f'CREATE DATABASE "{QUOTED}"; CREATE DATABASE "Notes"; CREATE DATABASE ".hidden";'
            "CREATE DATABASE skeleton IS_TEMPLATE true; ALTER ROLE owner IN DATABASE wiki SET work_mem = '5MB'"
        )
        for name in ("postgres", "skeleton"):
            server.ask("CREATE TABLE kept AS SELECT generate_series(1, 7)", name)
        server.ask(
            "SET ROLE owner; CREATE TABLE pages AS SELECT n, md5(n::text) AS text FROM generate_series(1, 1000) n",
            "wiki",
        )
        server.ask("CREATE POLICY mine ON pages TO owner; GRANT SELECT ON pages TO backupspec", "wiki")
        machine.job("wiki")
        yield server


def test_each_database_has_a_series_and_what_is_left_out_has_none(server: Server) -> None:
    nasty = "wiki_.4dein.20.27.53.22hop.20.24.48.4f.4d.45.20.60id.60.0a-.c3.a9"
    plain = ("wiki_.2ehidden", "wiki_.4eotes", "wiki_.users", "wiki_postgres", "wiki_skeleton", "wiki_wiki")
    assert server.house.series() == tuple(sorted((nasty, *plain)))


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


@pytest.mark.parametrize("name", ["postgres", "skeleton"])
def test_also_what_psql_connects_to_and_what_is_marked_as_a_template_can_be_replaced(server: Server, name: str) -> None:
    row = "SELECT count(*) FROM kept"
    assert server.ask(row, name) == "7"
    server.ask("DROP TABLE kept", name)
    server.house.restore("wiki", name, "--replace")
    assert server.ask(row, name) == "7"
    marked = "SELECT datname FROM pg_database WHERE datistemplate ORDER BY 1"
    assert server.ask(marked, "template1").split() == ["skeleton", "template0", "template1"]
    server.house.restore("wiki", name, "--as", "a copy")
    assert server.ask(row, "a copy") == "7"
    server.ask('DROP DATABASE "a copy"')


def test_without_a_database_it_shows_names_that_can_be_restored(server: Server) -> None:
    listed = server.house.restore("wiki").stdout
    shown = [line.rpartition("  last ")[0] for line in listed.splitlines()]
    # The one with the end of a line in it is shown as archives call it.
    nasty = ".4dein.20.27.53.22hop.20.24.48.4f.4d.45.20.60id.60.0a-.c3.a9"
    assert sorted(shown) == sorted([".users", nasty, "=.hidden", "Notes", "postgres", "skeleton", "wiki"])
    server.ask(f'DROP DATABASE "{QUOTED}"; DROP DATABASE "Notes"; DROP DATABASE ".hidden"')
    for name in (nasty, "Notes", "=.hidden"):
        server.house.restore("wiki", name)
    assert server.ask("SELECT count(*) FROM pg_database WHERE datname IN ('Notes', '.hidden')") == "2"
    server.ask("SELECT 1", NASTY)


def test_as_archives_call_it_it_is_found_too(server: Server) -> None:
    server.ask('DROP DATABASE "Notes"')
    server.house.restore("wiki", ".4eotes")
    server.ask("SELECT 1", "Notes")


def refused(server: Server, *words: str) -> str:
    """Give what a restore says that is refused; borg has nothing to say then."""
    ran = server.house.restore("wiki", *words, check=False)
    assert ran.code == 1
    assert "Traceback" not in ran.stderr
    return ran.stderr


def test_what_is_not_there_is_said_and_what_may_be_meant(server: Server) -> None:
    assert "there is no dump of Wiki; did you mean wiki? without a database" in refused(server, "Wiki")
    assert "there is no dump of wika; without a database this command shows what there is" in refused(server, "wika")
    assert "all dumps of wiki are younger than 2020-01-01" in refused(server, "wiki", "--at", "2020-01-01")
    accounts = "accounts have their own names, and those that are there stay as they are"
    assert accounts in refused(server, ".users", "--as", "people")
    assert accounts in refused(server, ".users", "--replace")


def test_the_command_for_people_says_what_a_job_has(server: Server) -> None:
    run = ["/usr/local/sbin/backupspec-run"]
    drill = server.machine.run([*run, "drill"], check=False)
    assert (drill.code, drill.stderr) == (2, "backupspec-run: name one of the jobs that have a drill: bare wiki\n")
    for words in (["--help"], ["wiki", "--help"]):
        assert "restore-database JOB DATABASE" in server.machine.run([*run, "restore-database", *words]).stdout


def test_a_day_is_meant_to_its_end_in_the_zone_of_the_job(server: Server) -> None:
    # In Berlin: the evening of the 22nd, early on the 23rd, and the last second of that day.
    times = ("2026-03-22T22:59:59Z", "2026-03-23T01:15:00Z", "2026-03-23T22:59:59Z", "2026-03-23T23:00:00Z")
    newest = max(name for name in server.house.archives() if "_postgres_" in name)
    for number, when in enumerate(times):
        dump = server.house.content("wiki_postgres") + bytes([number])
        server.machine.write("/var/lib/backupspec/made", dump, owner="backupspec")
        words = ["create", "--stdin-name", "postgres.dump", "--content-from-command", "--"]
        archive = f"::{newest.rpartition('_')[0]}_{when}"
        repository_script(server.machine, "local", "borg", *words, archive, "cat", "/var/lib/backupspec/made")
    for at, taken in {
        "2026-03-22": times[0],
        "2026-03-23": times[2],
        "23 Mar 2026": times[2],
        "2026-03-23 02:15": times[1],
        "2026-03-23 02:14": times[0],
        "2026-03-23T01:15:00Z": times[1],
    }.items():
        said = refused(server, "postgres", "--at", at)
        assert f"restoring postgres from {HOST}_wiki_postgres_{taken}\n" in said


def test_where_no_accounts_are_dumped_a_drill_needs_none(server: Server) -> None:
    server.house.job("bare")
    server.house.drill("bare")
    assert "result=passed" in server.house.machine.read("/var/lib/backupspec/drill/bare_local")
