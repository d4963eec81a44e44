"""MariaDB, for real: the compiled jobs against a server on a socket of its own."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from tests.databases.house import House, house
from tests.databases.mysql_server import Meanwhile, Server

pytestmark = [pytest.mark.root, pytest.mark.borg, pytest.mark.databases, pytest.mark.slow]

NASTY = "Mein 'S\"hop $HOME `id` \\\n☃"
DASH = "--all-databases"
SECRET = " pa\"ss\\w#o'rd; [x] "
COUNT = "SELECT count(*) = 2 FROM items"
JOBS = {
    "all": {
        "kind": "mariadb",
        "exclude": ["test*", "locked"],
        "drill": {"assert": [{"database": "shop", "query": COUNT}]},
    },
    "waits": {"kind": "mariadb", "databases": ["locked", "plain"], "lock_wait": "1s", "accounts": False},
    "told": {
        "kind": "mariadb",
        "databases": ["locked"],
        "user": "dumper",
        "credential": "pw",
        "accounts": False,
        "drill": {"assert": [{"database": "locked", "query": "SELECT count(*) > 1 FROM zz"}]},
    },
}

# What a database of this kind can hold. One that changed its character set, as many did, is dumped with statements that
# name it; and a name can hold what the client takes for a command.
SHOP = r"""
CREATE TABLE parents (id int PRIMARY KEY, name varchar(50) CHARACTER SET utf8mb4) ENGINE=InnoDB;
CREATE TABLE items (
    id int PRIMARY KEY AUTO_INCREMENT, parent int, at timestamp(6) NULL, price decimal(20,5), raw blob, bits bit(7),
    more json, twice int GENERATED ALWAYS AS (parent * 2) STORED,
    CONSTRAINT family FOREIGN KEY (parent) REFERENCES parents (id) ON DELETE CASCADE
) ENGINE=InnoDB;
CREATE TABLE `we``ird na'me
\! touch /ran` (a int, KEY (a)) ENGINE=InnoDB;
CREATE TABLE old (id int PRIMARY KEY) ENGINE=MyISAM;
CREATE TABLE versions (a int, b int) WITH SYSTEM VERSIONING;
CREATE SEQUENCE numbers START WITH 5;
CREATE VIEW names AS SELECT items.id, parents.name FROM items JOIN parents ON parents.id = items.parent;
CREATE VIEW again AS SELECT * FROM names;
CREATE TRIGGER seen AFTER INSERT ON items FOR EACH ROW INSERT INTO old VALUES (NEW.id);
DELIMITER ;;
CREATE PROCEDURE counts() BEGIN SELECT count(*) FROM items; SELECT 'ä'; END;;
CREATE FUNCTION doubled(x int) RETURNS int DETERMINISTIC BEGIN RETURN x * 2; END;;
CREATE PROCEDURE tricky() BEGIN SELECT '
ALTER DATABASE `shop` CHARACTER SET latin1 COLLATE latin1_german1_ci ;
'; END;;
CREATE EVENT daily ON SCHEDULE EVERY 1 DAY STARTS '2037-01-01 00:00:00' DO DELETE FROM old;;
DELIMITER ;
ALTER DATABASE CHARACTER SET latin1 COLLATE latin1_german1_ci;
INSERT INTO parents VALUES (1, 'Müller ☃'), (2, 'b\n\t\\\0');
INSERT INTO items (parent, at, price, raw, bits, more) VALUES
    (1, '2024-03-31 02:30:00.123456', 1.5, x'00ff270a5c', b'1010101', '{"a": [1]}'),
    (2, NULL, -99999.99999, '', b'0', NULL);
INSERT INTO versions VALUES (1, 1);
UPDATE versions SET b = 2;
DELETE FROM versions;
"""


TRICKY = "ALTER DATABASE `shop` CHARACTER SET latin1 COLLATE latin1_german1_ci ;"
# A client that runs what it gets up to the first table that moves, and then everything ends at once.
KILLS = """#!/bin/sh
case $* in
    *--binary-mode*) cat >/run/in.$$ ;;
    *) exec /usr/bin/mariadb "$@" ;;
esac
if ! grep -q '^RENAME TABLE' /run/in.$$; then exec /usr/bin/mariadb "$@" </run/in.$$; fi
sed '/^RENAME TABLE/q' /run/in.$$ | /usr/bin/mariadb "$@"
pkill -KILL -f /usr/local/lib/backupspec/
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Give a host with a server that has some databases, dumped once."""
    with house(tmp_path_factory.mktemp("mariadb"), JOBS) as machine:
        server = Server(machine)
        server.install()
        for name in (NASTY, DASH, "test1", "plain", "locked"):
            server.ask(f"CREATE DATABASE {quoted(name)}")
            server.ask("CREATE TABLE pages (n int PRIMARY KEY, text varchar(9))", name)
            server.ask("INSERT INTO pages SELECT seq, CONCAT('ä', seq) FROM seq_1_to_100", name)
        # In the dump it is a value of twenty megabytes, more than a server takes unless it is told to.
        server.ask(
            "CREATE TABLE large (content longblob); INSERT INTO large SELECT REPEAT(x'00ff275c', 2621440)", "plain"
        )
        server.ask("CREATE VIEW texts AS SELECT text FROM pages", "plain")
        server.ask("CREATE DATABASE shop CHARACTER SET utf8mb3")
        server.ask(SHOP, "shop")
        # A dump reads tables by name: one that stands still at `middle` has read `early`, and not yet `zz`.
        server.ask("CREATE TABLE early (a int); CREATE TABLE middle (a int); CREATE TABLE zz (a int)", "locked")
        server.ask("INSERT INTO early VALUES (1); INSERT INTO zz VALUES (2)", "locked")
        escaped = SECRET.replace("\\", "\\\\").replace("'", "\\'")
        server.ask(f"CREATE USER dumper@localhost IDENTIFIED BY '{escaped}'; GRANT ALL ON *.* TO dumper@localhost")
        machine.password("pw", SECRET)
        outcome = machine.job("all")
        assert "shop: not of one moment with the rest, since they know no transactions: old (MyISAM)" in outcome.stderr
        yield server


def quoted(name: str) -> str:
    """Give a name as SQL has it."""
    return f"`{name.replace('`', '``')}`"


def of(machine: House, job: str) -> list[str]:
    """Give the series of a job that have an archive."""
    return sorted({name.partition("_")[2] for name in machine.series() if name.startswith(f"{job}_")})


@pytest.fixture(autouse=True)
def _clean(server: Server) -> Iterator[None]:
    """See that no test leaves anything of a dump, a restore or a drill."""
    yield
    assert server.house.left() == ""


def test_each_database_has_a_series_and_what_is_left_out_has_none(server: Server) -> None:
    nasty = ".4dein.20.27.53.22hop.20.24.48.4f.4d.45.20.60id.60.20.5c.0a.e2.98.83"
    assert of(server.house, "all") == sorted([".users", ".2d-all-databases", nasty, "plain", "shop"])


def test_a_dump_says_what_no_dump_tool_says(server: Server) -> None:
    dump = server.house.content("all_shop")
    assert dump.startswith(b"-- Database 73686F70 CHARACTER SET latin1 COLLATE latin1_german1_ci\n")
    assert dump.endswith(b"\n-- Dump completed\n")
    assert re.search(rb"\n-- CHANGE MASTER TO MASTER_LOG_FILE='bin.000001', MASTER_LOG_POS=\d+;\n", dump)


@pytest.mark.parametrize("name", ["shop", "plain", NASTY, DASH])
def test_a_database_that_was_destroyed_comes_back_as_it_was(server: Server, name: str) -> None:
    before = server.whole(name)
    server.ask(f"DROP DATABASE {quoted(name)}")
    server.house.restore("all", name)
    assert server.whole(name) == before
    assert server.house.machine.sh("ls /ran", check=False).code != 0
    assert server.ask("SELECT @@max_allowed_packet").strip() == "16777216"


def test_one_that_exists_is_left_alone_and_replaced_only_on_demand(server: Server) -> None:
    before = server.whole("shop")
    server.ask("DELETE FROM items; DROP VIEW again; DROP TRIGGER seen; CREATE TABLE new (a int)", "shop")
    refused = server.house.restore("all", "shop", check=False)
    assert refused.code == 1
    assert "shop exists; choose another name (--as), or --replace it" in refused.stderr
    server.house.restore("all", "shop", "--replace")
    assert server.whole("shop") == before
    assert server.ask("SHOW DATABASES LIKE 'backupspec%'") == ""


def test_a_copy_is_like_it_and_changes_nothing_of_it(server: Server) -> None:
    before = server.whole("shop")
    server.house.restore("all", "shop", "--as", "a `copy`")
    assert server.whole("a `copy`") == before
    assert server.whole("shop") == before
    server.ask("DROP DATABASE `a ``copy```; DROP DATABASE shop")
    server.house.restore("all", "shop", "--as", "other")
    assert server.whole("other") == before
    assert TRICKY in server.ask("SELECT body FROM mysql.proc WHERE db = 'other' AND name = 'tricky'")
    server.house.restore("all", "shop")
    server.ask("DROP DATABASE other")


@pytest.mark.parametrize(
    ("end", "said"), [("", "the dump was cut off"), ("INSERT INTO `parents", "the dump cannot be loaded")]
)
def test_a_dump_that_cannot_be_loaded_whole_replaces_nothing(server: Server, end: str, said: str) -> None:
    whole = server.house.content("all_shop").partition(b"INSERT INTO `parents`")[0]
    server.house.store("all_shop", whole + end.encode())
    before = server.whole("shop")
    outcome = server.house.restore("all", "shop", "--replace", check=False)
    assert outcome.code == 1
    assert said in outcome.stderr
    assert "shop is what it was before" in outcome.stderr
    assert server.whole("shop") == before
    assert server.house.restore("all", "shop", "--as", "half", check=False).code == 1
    assert server.ask("SHOW DATABASES LIKE 'half'; SHOW DATABASES LIKE 'backupspec%'") == ""
    server.house.unstore("all_shop")


def test_a_dump_is_of_one_moment_and_no_password_is_seen_while_it_runs(server: Server) -> None:
    machine = server.house.machine
    machine.write("/root/secret", f"{SECRET}\n{SECRET[-12:]}\n", mode=0o600)
    look = "grep -lsF -f /root/secret /proc/[0-9]*/cmdline /proc/[0-9]*/environ >>/root/seen || :"
    machine.sh(f"touch /root/look /root/seen; (while [ -e /root/look ]; do {look}; done) >/dev/null 2>&1 </dev/null &")
    before = server.whole("locked")
    server.lock("locked.middle")
    job = Meanwhile(lambda: server.house.job("told", check=False))
    server.until_a_dump_waits()
    assert "mariadb-dump" in machine.sh("cat /proc/[0-9]*/cmdline | tr '\\0' ' '").stdout
    server.ask("START TRANSACTION; INSERT INTO early SELECT * FROM zz; DELETE FROM zz; COMMIT", "locked")
    server.unlock()
    assert job.end().code == 0
    assert machine.read("/root/seen") == ""
    machine.run(["sh", "-c", "while [ ! -s /root/seen ]; do sleep 0.1; done", SECRET])
    machine.sh("rm /root/look")
    now = server.whole("locked")
    # From the position that the dump names, the binary log tells what came after it, nothing more and nothing less.
    place = re.search(rb"MASTER_LOG_FILE='(\S+)', MASTER_LOG_POS=(\d+);", server.house.content("told_locked"))
    assert place is not None
    log, position = (each.decode() for each in place.groups())
    words = [f"--start-position={position}", "--rewrite-db=locked->moment", f"/srv/my/data/{log}"]
    later = machine.run(["mariadb-binlog", "--no-defaults", *words]).stdout
    server.house.restore("told", "locked", "--as", "moment")
    assert server.whole("moment") == before
    server.ask(later)
    assert server.whole("moment") == now != before
    server.ask("DROP DATABASE moment")


def test_a_wrong_password_is_an_error_and_leaves_nothing(server: Server) -> None:
    archives = server.house.archives()
    server.house.password("pw", f"{SECRET}x")
    outcome = server.house.job("told", check=False)
    server.house.password("pw", SECRET)
    assert outcome.code == 1
    assert "Access denied for user 'dumper'@'localhost' (using password: YES)" in outcome.stderr
    assert "nothing was dumped" in outcome.stderr
    assert server.house.archives() == archives


def test_a_table_that_stays_locked_costs_its_own_database_the_dump(server: Server) -> None:
    server.lock("locked.middle")
    outcome = server.house.job("waits", check=False)
    server.unlock()
    assert outcome.code == 1
    assert "locked: a table has been locked for too long (lock_wait is 1 seconds); giving up" in outcome.stderr
    assert "backupspec: not backed up: locked\n" in outcome.stderr
    assert of(server.house, "waits") == ["plain"]


@pytest.mark.parametrize("how", ["the connection is cut", "the tool is killed", "the script is killed"])
def test_a_dump_that_is_killed_leaves_no_archive(server: Server, how: str) -> None:
    archives = server.house.archives()
    server.lock("locked.middle")
    job = Meanwhile(lambda: server.house.job("told", check=False))
    server.until_a_dump_waits()
    if how == "the connection is cut":
        server.kill("STATE LIKE 'Waiting for table%'")
    else:
        name = "mariadb-dump" if how == "the tool is killed" else "dump"
        server.house.machine.sh(f"kill -9 $(grep -lsx {name} /proc/[0-9]*/comm | cut -d / -f 3)")
    server.unlock()
    outcome = job.end()
    # What has lost its script ends with the unit.
    server.house.machine.run(["pkill", "-f", "^/bin/sh /usr/local/lib/backupspec/databases/told/dump"], check=False)
    assert outcome.code == 1
    assert "locked: not dumped" in outcome.stderr
    assert server.house.archives() == archives


def test_a_server_that_is_down_is_an_error_and_leaves_nothing(server: Server) -> None:
    archives = server.house.archives()
    server.stop()
    outcome = server.house.job("waits", check=False)
    server.start()
    assert outcome.code == 1
    assert "Can't connect to local server" in outcome.stderr
    assert server.house.archives() == archives


@pytest.mark.parametrize(
    ("right", "said"),
    [
        ("TRIGGER", "the account that dumps lacks TRIGGER"),
        ("SELECT", "the account that dumps lacks SELECT"),
        # Without these the tool itself says no.
        ("EVENT", "backupspec: not backed up: locked; plain\n"),
        ("SHOW VIEW", "backupspec: not backed up: plain\n"),
    ],
)
def test_a_right_that_is_missing_makes_no_dump_poorer_without_a_word(server: Server, right: str, said: str) -> None:
    before = [each for each in server.house.archives() if "_waits_plain_" in each]
    server.ask(f"REVOKE {right} ON *.* FROM backupspec@localhost")
    if right == "SELECT":
        server.ask("GRANT SELECT, TRIGGER ON plain.* TO backupspec@localhost")
    outcome = server.house.job("waits", check=False)
    if right == "SELECT":
        server.ask("REVOKE ALL ON plain.* FROM backupspec@localhost")
    server.ask(server.account.replace("CREATE USER", "CREATE USER IF NOT EXISTS"))
    assert outcome.code == 1
    assert said in outcome.stderr
    assert [each for each in server.house.archives() if "_waits_plain_" in each] == before


def test_accounts_come_back_with_passwords_and_rights(server: Server) -> None:
    rights = server.ask("SHOW GRANTS FOR dumper@localhost")
    server.ask("DROP USER dumper@localhost")
    server.house.restore("all", ".users")
    assert server.ask("SHOW GRANTS FOR dumper@localhost") == rights


def test_the_drill_proves_the_newest_dumps(server: Server) -> None:
    outcome = server.house.drill("all")
    assert f"asked shop: {COUNT}: 1" in outcome.stderr
    assert "\nshop: restored, with the schema that was dumped\n" in outcome.stderr
    assert "Terminated" not in outcome.output
    assert "result=passed" in server.house.machine.read("/var/lib/backupspec/drill/all_local")


def test_a_drill_fails_for_an_answer_of_no_and_for_a_dump_that_was_cut(server: Server) -> None:
    server.house.job("told")
    outcome = server.house.drill("told", check=False)
    assert outcome.code == 1
    assert "asked locked: SELECT count(*) > 1 FROM zz: the answer is 0" in outcome.stderr
    said = server.house.machine.read("/var/lib/backupspec/drill/told_local")
    assert "result=failed" in said
    assert "message=asked locked: SELECT count(*) > 1 FROM zz: the answer is 0\n" in said
    assert server.house.machine.run(["pgrep", "-f", "backupspec/[s]cratch"], check=False).stdout == ""
    server.house.store("told_locked", server.house.content("told_locked").partition(b"INSERT INTO")[0])
    assert "locked cannot be restored" in server.house.drill("told", check=False).stderr
    server.house.unstore("told_locked")
    # A statement that is not what a dump holds makes something else.
    end = b"\n-- Dump completed\n"
    whole = server.house.content("told_locked")
    server.house.store("told_locked", whole.removesuffix(end) + b"\nDROP TABLE middle;" + end)
    assert "locked: its schema is not the one that was dumped" in server.house.drill("told", check=False).stderr
    server.house.unstore("told_locked")


def test_a_replacement_that_is_killed_in_the_middle_leaves_all_tables(server: Server) -> None:
    machine = server.house.machine
    before = server.whole("shop")
    tables = server.ask("SHOW FULL TABLES WHERE Table_type <> 'VIEW'", "shop")
    machine.write("/usr/local/bin/mariadb", KILLS, mode=0o755)
    killed = server.house.restore("all", "shop", "--replace", check=False)
    machine.sh("rm /usr/local/bin/mariadb")
    assert killed.code != 0
    assert "the last step was not done: look whether there is the database backupspec-aside" in killed.stderr
    machine.sh("rm /var/lib/backupspec-restore/unfinished")
    assert server.ask("SHOW FULL TABLES WHERE Table_type <> 'VIEW'", "shop") == tables
    assert server.ask("SELECT count(*) FROM items", "shop").strip() == "2"
    left = server.house.restore("all", "shop", "--replace", check=False)
    assert (
        "backupspec-aside is left of a restore that was interrupted: it has the tables that were replaced"
        in left.stderr
    )
    kept = "/var/lib/backupspec-restore/backupspec-aside.sql"
    assert "VIEW `again`" in machine.read(kept)
    server.ask("DROP DATABASE `backupspec-aside`; DROP DATABASE `backupspec-new`")
    server.house.restore("all", "shop", "--replace")
    assert server.whole("shop") == before
    assert machine.run(["test", "-e", kept], check=False).code == 1


def test_a_dump_gets_no_file_of_the_machine(server: Server) -> None:
    whole = server.house.content("told_locked")
    end = b"\n-- Dump completed\n"
    local = b"CREATE TABLE stolen (a text); LOAD DATA LOCAL INFILE '/etc/shadow' INTO TABLE stolen;"
    for statement, series, name in (
        (local, "told_locked", "stolen"),
        (b"SELECT 1 INTO OUTFILE '/tmp/written';", "told_locked", ""),
    ):
        server.house.store(series, whole.removesuffix(end) + statement + end)
        if name:
            refused = server.house.restore("told", "locked", "--as", name, check=False)
            assert refused.code == 1
            assert "the dump cannot be loaded" in refused.stderr
            assert server.ask(f"SHOW DATABASES LIKE '{name}'") == ""
        drilled = server.house.drill("told", check=False)
        server.house.unstore(series)
        assert "locked cannot be restored" in drilled.stderr
    assert server.house.machine.run(["test", "-e", "/tmp/written"], check=False).code == 1
