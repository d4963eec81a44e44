"""PostgreSQL, for real: the compiled job against a server on a socket of its own."""

from __future__ import annotations

import hashlib
import re
import shlex
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from demo.lab import unit
from demo.lab.site import SCRIPTS, repository_script
from tests.databases.house import HOST, PEEK, house
from tests.databases.postgres import BECOME, Server

pytestmark = [pytest.mark.root, pytest.mark.borg, pytest.mark.databases, pytest.mark.slow]

NASTY = "Mein 'S\"hop $HOME `id`\n-é"
QUOTED = NASTY.replace('"', '""')
ASSERT = [
    {"database": "wiki", "query": query} for query in ("SELECT count(*) = 1000 FROM pages", "SELECT 4.5", "SELECT -1e3")
]
ODD = (".dot", ".users", "=eq", "eq", "-rf")
LONG = "Ü" * 31
"""As long as PostgreSQL has them, and longer than an archive's name has room for."""
KEPT = 13
ENDS = f"..{hashlib.sha256(LONG.encode()).hexdigest()[:32]}"
JOBS = {
    "wiki": {
        "kind": "postgresql",
        "exclude": ["test*"],
        "schedule": {"window": "01:00-05:00", "timezone": "Europe/Berlin"},
        "drill": {"assert": ASSERT},
    },
    "bare": {"kind": "postgresql", "databases": ["postgres", "wiki"], "accounts": "none", "drill": {"assert": ASSERT}},
    # What is tried with one database needs no dump of the others.
    "one": {"kind": "postgresql", "databases": ["wiki"], "drill": {"assert": ASSERT}},
    "known": {"kind": "postgresql", "databases": ["wiki"], "accounts": "with-passwords"},
    "hostile": {"kind": "postgresql", "databases": ["hostile"], "drill": {}},
    "second": {"kind": "postgresql", "port": 5433, "databases": ["wiki"], "accounts": "none"},
}


DRILLED = "/var/lib/backupspec/drill"
RESULT = f"{DRILLED}/wiki_local"
# What somebody with a schema can write; whoever may do it when the rows are restored runs it.
HOSTILE = """
SET ROLE tenant;
CREATE FUNCTION own.f(int) RETURNS boolean LANGUAGE plpgsql AS $f$ BEGIN
    EXECUTE 'COPY (SELECT 1) TO PROGRAM ''PEEK''';
    RETURN true;
EXCEPTION WHEN OTHERS THEN RETURN true;
END $f$;
CREATE TABLE own.t (n int CHECK (own.f(n)));
INSERT INTO own.t VALUES (1);
""".replace("PEEK", PEEK)


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
        for name in (*ODD, LONG):
            server.ask(f'CREATE DATABASE "{name}"')
            server.ask(f"CREATE TABLE me AS SELECT '{name}' AS name", name)
        machine.job("wiki")
        yield server


@pytest.fixture(scope="module")
def one(server: Server) -> Server:
    """Give the server; its database wiki alone is dumped too."""
    server.house.job("one")
    return server


def test_each_database_has_a_series_and_what_is_left_out_has_none(server: Server) -> None:
    nasty = "wiki_.4dein.20.27.53.22hop.20.24.48.4f.4d.45.20.60id.60.0a-.c3.a9"
    plain = ("wiki_.2ehidden", "wiki_.4eotes", "wiki_.users", "wiki_postgres", "wiki_skeleton", "wiki_wiki")
    odd = ("wiki_.2drf", "wiki_.2edot", "wiki_.2eusers", "wiki_.3deq", "wiki_eq", f"wiki_{'.c3.9c' * KEPT}{ENDS}")
    assert server.house.series() == tuple(sorted((nasty, *plain, *odd)))


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
    raced = unit.run_for_people(server.machine, "/root/race", undo=False)
    assert "there is a database wiki" in raced.stderr
    assert server.ask("SELECT count(*) FROM pages", "wiki") == "1000"


# What reads a dump waits for a word of the test.
SLOW = """#!/bin/sh
if [ -e /srv/sync/hold ] && [ "$2" = --exit-on-error ]; then
    : >/srv/sync/held
    timeout 600 sh -c 'until [ -e /srv/sync/go ]; do sleep 0.1; done'
fi
exec /usr/bin/pg_restore "$@"
"""
NOTE = "/var/lib/backupspec-restore/unfinished"


@pytest.fixture
def held(server: Server) -> Iterator[Server]:
    """Give the server; restores wait in the middle."""
    server.machine.write("/usr/local/bin/pg_restore", SLOW, mode=0o755)
    server.machine.sh("rm -rf /srv/sync; install -d -m 0777 /srv/sync; touch /srv/sync/hold")
    yield server
    server.machine.sh("rm -rf /usr/local/bin/pg_restore /srv/sync")


def until(server: Server, shell: str) -> None:
    """Wait until a line of shell is true on the machine."""
    end = time.monotonic() + 300
    while server.machine.run(["sh", "-c", shell], check=False).code:
        assert time.monotonic() < end, shell
        time.sleep(0.05)


def test_two_restores_at_once_do_not_meet(held: Server) -> None:
    held.ask("DELETE FROM pages WHERE n > 500", "wiki")
    with ThreadPoolExecutor() as pool:
        first = pool.submit(held.house.restore, "wiki", "wiki", "--replace", check=False)
        until(held, "[ -e /srv/sync/held ]")
        held.machine.sh("rm /srv/sync/hold")
        second = pool.submit(held.house.restore, "wiki", "postgres", "--as", "other", check=False)
        until(held, "pgrep -x flock")
        waiting = held.ask("SELECT count(*) FROM pg_database WHERE datname = 'other'")
        held.machine.sh("touch /srv/sync/go")
        ended = (first.result(), second.result())
    assert [one.code for one in ended] == [0, 0], ended
    assert "another restore of databases is running; this one waits for its end" in ended[1].stderr
    assert waiting == "0"
    assert held.ask("SELECT count(*) FROM pages", "wiki") == "1000"
    held.ask("DROP DATABASE other")


KILL = """
pkill -KILL -f '^/bin/sh /usr/local/lib/backupspec/(jobs|databases)/'
pkill -KILL borg
pkill -KILL -f '[p]g_restore|[s]ync/go'
"""


def test_a_restore_that_is_killed_is_undone(held: Server) -> None:
    held.ask("DELETE FROM pages WHERE n > 500", "wiki")
    with ThreadPoolExecutor() as pool:
        running = pool.submit(held.house.restore, "wiki", "wiki", "--replace", check=False)
        until(held, "[ -e /srv/sync/held ]")
        held.machine.run(["sh", "-c", KILL], check=False)
        killed = running.result()
    assert killed.code != 0
    assert "backupspec: wiki was not restored\n" in killed.stderr
    assert "backupspec: wiki is what it was before\n" in killed.stderr
    assert held.ask("SELECT count(*) FROM pages", "wiki") == "500"
    assert held.ask("SELECT count(*) FROM pg_database WHERE datname = 'backupspec-aside'") == "0"
    held.machine.sh("rm /srv/sync/hold")
    held.house.restore("wiki", "wiki", "--replace")
    assert held.ask("SELECT count(*) FROM pages", "wiki") == "1000"


def test_what_cannot_be_undone_is_said_and_no_other_restore_begins(held: Server) -> None:
    # As after a loss of power: nobody could undo it.
    script = f"{SCRIPTS}/jobs/wiki_local/restore"
    with ThreadPoolExecutor() as pool:
        words = (script, "wiki", "--replace")
        running = pool.submit(unit.run_for_people, held.machine, *words, check=False, undo=False)
        until(held, "[ -e /srv/sync/held ]")
        held.machine.run(["sh", "-c", KILL], check=False)
        running.result()
    held.machine.sh("rm /srv/sync/hold")
    refused = held.house.restore("wiki", "wiki", check=False)
    assert refused.code == 1
    assert "a restore of wiki (job wiki, from db01_wiki_wiki_" in refused.stderr
    assert "look at wiki, and whether there is the database backupspec-aside or backupspec-new\n" in refused.stderr
    assert f"put that right, then remove {NOTE}\n" in refused.stderr
    held.ask('DROP DATABASE "backupspec-new"')
    assert held.ask("SELECT count(*) FROM pages", "wiki") == "1000"
    held.machine.run(["rm", NOTE])


@pytest.mark.parametrize(
    ("broken", "back"),
    [("peek", True), ("make", True), ("drop", False), ("place", True), ("killed", True), ("forget", False)],
)
def test_a_step_that_fails_leaves_the_old_one_or_says_where_it_is(server: Server, broken: str, back: bool) -> None:  # noqa: FBT001 - a parameter
    load = f"{SCRIPTS}/databases/wiki/load"
    compiled = server.machine.read(load)
    fails = f'#!/bin/sh\nif [ "$1" = {broken} ]; then exit 1; fi\n'
    if broken == "drop":
        fails += 'if [ "$1" = make ]; then "$0.real" "$@"; exit 1; fi\n'
    if broken == "killed":
        fails = '#!/bin/sh\nif [ "$1" = place ]; then "$0.real" "$@"; kill -KILL "$PPID"; exit 1; fi\n'
    server.machine.write(load, f'{fails}exec {load}.real "$@"\n', mode=0o755)
    server.machine.write(f"{load}.real", compiled, mode=0o755)
    ran = server.house.restore("wiki", "wiki", "--replace", check=False)
    server.machine.write(load, compiled, mode=0o755)
    assert ran.code != 0
    assert ("backupspec: wiki is what it was before\n" in ran.stderr) == back
    noted = server.machine.run(["rm", NOTE], check=False).code == 0
    assert noted == (not back)
    if broken == "drop":
        assert "backupspec: what was begun of wiki could not be taken away\n" in ran.stderr
        server.ask('DROP DATABASE "backupspec-new"')
    elif broken == "forget":
        assert "the last step was not done: look whether there is the database backupspec-aside or" in ran.stderr
        server.ask('DROP DATABASE "backupspec-aside"')
    assert server.ask("SELECT count(*) FROM pages", "wiki") == "1000"
    assert server.ask("SELECT count(*) FROM pg_database WHERE datname LIKE 'backupspec-%'") == "0"


@pytest.mark.parametrize(
    ("name", "words"),
    [(".users", "=.users"), ("=eq", "==eq"), (".dot", ".dot"), ("eq", "=eq"), ("-rf", "-rf"), (LONG, LONG)],
)
def test_names_that_look_like_something_else_come_back_under_their_own(server: Server, name: str, words: str) -> None:
    assert server.ask("SELECT name FROM me", name) == name
    server.ask(f'DROP DATABASE "{name}"')
    server.house.restore("wiki", words)
    assert server.ask("SELECT name FROM me", name) == name
    assert server.ask("SELECT count(*) FROM pg_database WHERE datname IN ('=.users', '==eq')") == "0"


def test_a_file_is_never_written_where_a_link_leads(server: Server) -> None:
    server.machine.sh("ln -s /etc/cron.d/evil /srv/out")
    refused = server.house.restore("wiki", "wiki", "--file", "/srv/out", check=False)
    assert refused.code == 1
    assert "/srv/out is there already" in refused.stderr
    assert server.machine.sh("ls /etc/cron.d/evil 2>/dev/null || :").stdout == ""
    server.house.restore("wiki", "wiki", "--file", "/srv/dump")
    assert "pages" in server.machine.run(["pg_restore", "--list", "/srv/dump"]).stdout


def test_a_copy_has_another_name_and_the_same_encoding(server: Server) -> None:
    server.house.restore("wiki", "wiki", "--as", "it's a\\copy")
    assert server.ask("SELECT count(*) FROM pages", "it's a\\copy") == "1000"
    assert server.ask("SELECT datdba::regrole FROM pg_database WHERE datname LIKE '%copy'") == "owner"


def test_the_drill_proves_the_newest_dumps(server: Server) -> None:
    drilled = server.house.drill("wiki")
    assert "result=passed" in server.machine.read(RESULT)
    for name in ("wiki", "-rf", f"{'Ü' * KEPT}{ENDS}"):
        assert f"\n{name}: restored, with the schema that was dumped\n" in drilled.stderr


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
    assert sorted(shown) == sorted(
        [
            *(".users", nasty, "=.hidden", "=.dot", "=.users", "==eq", "eq", "-rf", f"{'Ü' * KEPT}{ENDS}"),
            *("Notes", "postgres", "skeleton", "wiki"),
        ]
    )
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
    long = "this name was too long for an archive: give the whole one, or --file"
    assert long in refused(server, f"{'Ü' * KEPT}{ENDS}", "--as", "other")


def test_the_command_for_people_says_what_a_job_has(server: Server) -> None:
    run = ["/usr/local/sbin/backupspec-run"]
    drill = server.machine.run([*run, "drill"], check=False)
    assert (drill.code, drill.stderr) == (
        2,
        "backupspec-run: name one of the jobs that have a drill: bare hostile one wiki\n",
    )
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
    for when in times:
        repository_script(server.machine, "local", "borg", "delete", f"::{HOST}_wiki_postgres_{when}")


def test_another_instance_on_the_host_is_dumped_and_restored_by_its_port(server: Server) -> None:
    other = Server(server.house, port=5433)
    try:
        other.ask("CREATE DATABASE wiki")
        other.ask("CREATE TABLE pages AS SELECT 'of the second' AS text", "wiki")
        server.house.job("second")
        other.ask("DROP DATABASE wiki")
        server.house.restore("second", "wiki")
        assert other.ask("SELECT text FROM pages", "wiki") == "of the second"
    finally:
        other.stop()
    assert server.ask("SELECT count(*) FROM pages", "wiki") == "1000"


def test_where_no_accounts_are_dumped_a_drill_needs_none(server: Server) -> None:
    server.house.job("bare")
    server.house.drill("bare")
    assert "result=passed" in server.house.machine.read("/var/lib/backupspec/drill/bare_local")


def test_a_drill_that_is_killed_leaves_no_dump_behind(one: Server) -> None:
    scratch = f"{SCRIPTS}/databases/one/scratch"
    compiled = one.machine.read(scratch)
    one.machine.write(scratch, '#!/bin/sh\nls "$1" >/srv/dumps\nkill -KILL "$$"\n', mode=0o755)
    one.machine.run(["install", "-m", "0666", "/dev/null", "/srv/dumps"])
    killed = one.house.drill("one", check=False)
    one.machine.write(scratch, compiled, mode=0o755)
    assert killed.code != 0
    assert "wiki.dump" in one.machine.read("/srv/dumps").split()
    assert one.machine.run(["ls", "-A", "/var/lib/backupspec-stage"]).stdout == ""


def test_a_drill_that_would_fill_the_disk_says_so_before(one: Server) -> None:
    run = one.machine.run
    run(["mkdir", "-p", "/var/lib/backupspec-stage"])
    run(["mount", "-t", "tmpfs", "-o", "size=100m", "tmpfs", "/var/lib/backupspec-stage"])
    drilled = one.house.drill("one", check=False)
    run(["umount", "/var/lib/backupspec-stage"])
    assert drilled.code == 1
    told = one.machine.read(f"{DRILLED}/one_local")
    said = "beside the dumps a restore takes 3 times their size and 256 MiB"
    assert re.search(f"\nmessage=no room in /var/lib/backupspec-stage for .+: {said}\n", told)
    assert "Traceback" not in drilled.stderr


def test_a_drill_with_old_dumps_fails_however_well_they_are_restored(one: Server) -> None:
    old = "2019-11-01T00:00:00Z"
    (newest,) = [name for name in one.house.archives() if name.startswith(f"{HOST}_one_wiki_")]
    one.house.rename(newest, f"{HOST}_one_wiki_{old}")
    drilled = one.house.drill("one", check=False)
    one.house.rename(f"{HOST}_one_wiki_{old}", newest)
    assert drilled.code == 1
    told = one.machine.read(f"{DRILLED}/one_local")
    assert "result=failed\n" in told
    assert f"oldest={old}\nmessage=the newest dump of wiki is of {old}, too old\n" in told


def test_what_a_dump_makes_run_finds_nothing_in_a_drill(server: Server) -> None:
    server.house.hostile()
    server.ask("CREATE ROLE tenant LOGIN; CREATE DATABASE hostile")
    server.ask("CREATE SCHEMA own AUTHORIZATION tenant", "hostile")
    server.ask(HOSTILE, "hostile")
    server.house.job("hostile")
    assert server.house.seen() == {}
    server.house.drill("hostile")
    assert server.house.seen() == {"backupspec-drill": []}
    server.ask("DROP DATABASE hostile; DROP ROLE tenant")


def test_a_replacement_takes_its_place_though_somebody_always_comes_back(server: Server) -> None:
    loop = "while [ -e /srv/again ]; do PGDATABASE=wiki psql -Xqc 'SELECT pg_sleep(0.1)'; done"
    server.machine.sh(f"touch /srv/again; ({shlex.join([*BECOME, 'sh', '-c', loop])}) >/dev/null 2>&1 </dev/null &")
    server.ask(
        "CREATE ROLE leaves; GRANT TEMPORARY ON DATABASE wiki TO leaves;"
        "ALTER DATABASE wiki SET default_transaction_read_only = on; COMMENT ON DATABASE wiki IS 'read, please'"
    )
    server.house.job("one")
    half = "SET default_transaction_read_only = off; DELETE FROM pages WHERE n > "
    try:
        server.ask(f"{half} 500", "wiki")
        server.house.restore("one", "wiki", "--replace")
        own = "datacl, shobj_description(oid, 'pg_database'), datdba::regrole FROM pg_database WHERE datname = 'wiki'"
        assert "leaves=T/owner" in server.ask(f"SELECT {own}")
        assert "|read, please|owner" in server.ask(f"SELECT {own}")
        assert server.ask("SHOW default_transaction_read_only; SELECT count(*) FROM pages", "wiki") == "on\n1000"

        # What the last step needs is missing: what was there comes back.
        server.ask(f"{half} 700", "wiki")
        server.ask("REVOKE TEMPORARY ON DATABASE wiki FROM leaves; DROP ROLE leaves")
        refused = server.house.restore("one", "wiki", "--replace", check=False)
        assert refused.code == 1
        assert "what belongs to wiki itself cannot be restored" in refused.stderr
        assert "wiki is what it was before" in refused.stderr
        assert server.ask("SELECT count(*) FROM pages", "wiki") == "700"
    finally:
        server.machine.sh("rm /srv/again; while pgrep -f '[P]GDATABASE=wiki psql'; do sleep 0.1; done")
    server.ask("ALTER DATABASE wiki RESET default_transaction_read_only; CREATE ROLE leaves")
    server.house.restore("one", "wiki", "--replace")
    server.ask("ALTER DATABASE wiki RESET default_transaction_read_only; DROP OWNED BY leaves; DROP ROLE leaves")
    assert server.ask("SELECT datname FROM pg_database WHERE datname LIKE 'backupspec%'") == ""


@pytest.mark.parametrize("name", [NASTY, 'a"\n WITH TEMPLATE = template0 \\! touch /tmp/peek\n'])
def test_a_name_that_looks_like_a_statement_is_a_name(server: Server, name: str) -> None:
    quoted = name.replace('"', '""')
    if name != NASTY:
        server.ask(f'CREATE DATABASE "{quoted}"')
        server.house.job("wiki")
    server.house.restore("wiki", name, "--as", "copy")
    server.ask("CREATE TABLE later (n int)", name)
    server.house.restore("wiki", name, "--replace")
    assert server.ask("SELECT count(*) FROM pg_tables WHERE tablename = 'later'", name) == "0"
    assert server.machine.run(["test", "-e", "/tmp/peek"], check=False).code == 1
    server.ask("DROP DATABASE copy")
    if name != NASTY:
        server.ask(f'DROP DATABASE "{quoted}"')


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("-- PostgreSQL database cluster dump complete", "", "the dump of the accounts is cut off"),
        ("CREATE ROLE owner;", "CREATE ROLE owner; CREATE ROLES x;", "not all accounts could be restored"),
    ],
)
def test_accounts_that_do_not_come_back_fail_a_restore_and_a_drill(one: Server, old: str, new: str, said: str) -> None:
    whole = one.house.content("one_.users").decode()
    assert one.house.restore("one", ".users").code == 0
    one.house.store("one_.users", whole.replace(old, new).encode())
    refused = one.house.restore("one", ".users", check=False)
    drilled = one.house.drill("one", check=False)
    one.house.unstore("one_.users")
    assert refused.code == 1
    assert said in refused.stderr
    assert drilled.code == 1
    assert f"message={said}" in one.machine.read(f"{DRILLED}/one_local")


def test_passwords_come_back_only_where_they_were_asked_for(one: Server) -> None:
    hashed = "SELECT coalesce(rolpassword, 'none') FROM pg_authid WHERE rolname = 'knows'"
    one.ask("CREATE ROLE knows LOGIN PASSWORD 'open sesame'")
    was = one.ask(hashed)
    assert was.startswith("SCRAM-SHA-256$")
    for job, comes_back in (("one", "none"), ("known", was)):
        one.house.job(job)
        assert ("SCRAM-SHA-256$" in one.house.content(f"{job}_.users").decode()) == (job == "known")
        one.ask("DROP ROLE knows")
        assert one.house.restore(job, ".users").code == 0
        assert one.ask(hashed) == comes_back
        if comes_back == "none":
            one.ask(f"ALTER ROLE knows PASSWORD '{was}'")
    one.ask("DROP ROLE knows")


def test_a_drill_fails_for_an_answer_of_no_for_a_dump_that_was_cut_and_for_another_schema(one: Server) -> None:
    whole = one.house.content("one_wiki")
    one.house.store("one_wiki", whole[: len(whole) // 2])
    cut = one.house.drill("one", check=False)
    one.house.unstore("one_wiki")
    assert cut.code == 1
    assert "message=wiki cannot be restored" in one.machine.read(f"{DRILLED}/one_local")

    one.ask("DELETE FROM pages WHERE n = 7; CREATE TABLE kept AS SELECT 1 AS n", "wiki")
    one.house.job("one")
    answered = one.house.drill("one", check=False)
    assert answered.code == 1
    assert "asked wiki: SELECT count(*) = 1000 FROM pages: the answer is f" in answered.stderr

    # Rows that make something else while they are restored.
    one.ask(
        "CREATE FUNCTION more(int) RETURNS boolean LANGUAGE plpgsql AS $f$ BEGIN"
        " EXECUTE 'CREATE TABLE IF NOT EXISTS public.more (n int)'; RETURN true; END $f$;"
        "ALTER TABLE kept ADD CHECK (more(n)); DROP TABLE more; INSERT INTO pages VALUES (7)",
        "wiki",
    )
    one.house.job("one")
    other = one.house.drill("one", check=False)
    one.ask("DROP TABLE kept; DROP FUNCTION more", "wiki")
    assert other.code == 1
    assert "> CREATE TABLE public.more (" in other.stderr
    assert "message=wiki: its schema is not the one that was dumped" in one.machine.read(f"{DRILLED}/one_local")
