"""MySQL, for real: the compiled jobs against the server that Debian's unstable has, brought by setup/mysql."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import pytest

from tests.databases.house import House, house
from tests.databases.mysql_server import Meanwhile, Server

pytestmark = [pytest.mark.root, pytest.mark.borg, pytest.mark.databases, pytest.mark.slow]

NASTY = "Mein 'S\"hop $HOME `id` \\ \n☃"
COUNT = "SELECT count(*) = 2 FROM items"
JOBS = {
    "all": {
        "kind": "mysql",
        "exclude": ["test*", "locked"],
        "drill": {"assert": [{"database": "shop", "query": COUNT}]},
    },
    "waits": {"kind": "mysql", "databases": ["locked"], "lock_wait": "1s", "accounts": False},
    "far": {
        "kind": "mysql",
        "databases": ["locked"],
        "address": "127.0.0.1",
        "user": "dumper",
        "credential": "pw",
        "accounts": False,
    },
}
SECRET = " pa\"ss\\w#o'rd; [x] "
SHOP = r"""
CREATE TABLE parents (id int PRIMARY KEY, name varchar(50) CHARACTER SET utf8mb4);
CREATE TABLE items (
    id int PRIMARY KEY AUTO_INCREMENT, parent int, at timestamp(6) NULL, raw blob, bits bit(7), more json,
    twice int GENERATED ALWAYS AS (parent * 2) VIRTUAL,
    CONSTRAINT family FOREIGN KEY (parent) REFERENCES parents (id) ON DELETE CASCADE
);
CREATE TABLE `we``ird na'me` (a int, KEY (a));
CREATE TABLE old (id int PRIMARY KEY) ENGINE=MyISAM;
CREATE TABLE marks (id int);
CREATE VIEW names AS SELECT items.id, parents.name FROM items JOIN parents ON parents.id = items.parent;
CREATE VIEW again AS SELECT * FROM names;
CREATE TRIGGER seen AFTER INSERT ON items FOR EACH ROW INSERT INTO marks VALUES (NEW.id);
DELIMITER ;;
CREATE PROCEDURE counts() BEGIN SELECT count(*) FROM items; SELECT 'ä'; END;;
CREATE FUNCTION doubled(x int) RETURNS int DETERMINISTIC BEGIN RETURN x * 2; END;;
CREATE EVENT daily ON SCHEDULE EVERY 1 DAY STARTS '2037-01-01 00:00:00' DO DELETE FROM old;;
DELIMITER ;
ALTER DATABASE CHARACTER SET latin1 COLLATE latin1_german1_ci;
INSERT INTO parents VALUES (1, 'Müller ☃'), (2, 'b\n\t\\\0');
INSERT INTO items (parent, at, raw, bits, more) VALUES
    (1, '2024-03-31 02:30:00.123456', x'00ff270a5c', b'1010101', '{"a": [1]}'), (2, NULL, '', b'0', NULL);
"""


class MySQL(Server):
    """A MySQL server where its own packages would put it, with the account that dumps."""

    sql: ClassVar[tuple[str, ...]] = ("/opt/mysql/bin/mysql", "--no-defaults", "--default-character-set=utf8mb4")
    dumper: ClassVar[tuple[str, ...]] = ("/opt/mysql/bin/mysqldump", "--no-defaults", "--set-gtid-purged=OFF")
    account: ClassVar[str] = (
        "CREATE USER backupspec@localhost IDENTIFIED WITH auth_socket;"
        "GRANT SELECT, SHOW VIEW, TRIGGER, EVENT, REPLICATION CLIENT ON *.* TO backupspec@localhost;"
        "GRANT FLUSH_TABLES ON *.* TO backupspec@localhost;"
    )

    def bring(self, folder: Path) -> None:
        """Put its programs where they are found."""
        self.house.machine.sh(
            f"mkdir /opt/mysql; mount --bind {folder} /opt/mysql; ln -sf /opt/mysql/bin/* /usr/local/bin/"
        )

    def install(self) -> None:
        """Make its data, start it, make the account."""
        self.house.machine.sh(
            "install -d -o mysql -g mysql /run/mysqld /srv/my; cd /srv/my\n"
            "setpriv --reuid=mysql --regid=mysql --clear-groups -- "
            "mysqld --no-defaults --datadir=/srv/my/data --initialize-insecure >log 2>&1"
        )
        self.start()
        self.ask(self.account)

    def start(self) -> None:
        """Start it, with a binary log."""
        more = "--mysqlx=OFF --secure-file-priv=NULL --log-bin=bin --plugin-load-add=auth_socket.so"
        self.run(f"mysqld --no-defaults --bind-address=127.0.0.1 {more}")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, checkout: Path) -> Iterator[Server]:
    """Give a host with a server that has some databases, dumped once."""
    if not (checkout / ".mysql/.complete").exists():
        pytest.xfail("Debian's unstable had no MySQL that could be unpacked when `make setup` ran")
    with house(tmp_path_factory.mktemp("mysql"), JOBS) as machine:
        server = MySQL(machine)
        server.bring(checkout / ".mysql")
        server.install()
        for name in (NASTY, "test1", "locked"):
            server.ask(f"CREATE DATABASE `{name.replace('`', '``')}`")
            server.ask(
                "CREATE TABLE pages (n int PRIMARY KEY, text varchar(9)); INSERT INTO pages VALUES (1, 'ä')", name
            )
        server.ask("CREATE DATABASE shop CHARACTER SET utf8mb3")
        server.ask(SHOP, "shop")
        server.ask("CREATE TABLE early (a int); CREATE TABLE middle (a int); CREATE TABLE zz (a int)", "locked")
        server.ask("INSERT INTO early VALUES (1); INSERT INTO zz VALUES (2)", "locked")
        escaped = SECRET.replace("\\", "\\\\").replace("'", "\\'")
        server.ask(f"CREATE USER dumper@localhost IDENTIFIED BY '{escaped}'; GRANT ALL ON *.* TO dumper@localhost")
        server.ask("REVOKE RELOAD, FLUSH_TABLES ON *.* FROM dumper@localhost")
        machine.password("pw", SECRET)
        outcome = machine.job("all")
        assert "shop: not of one moment with the rest, since they know no transactions: old (MyISAM)" in outcome.stderr
        yield server


def of(machine: House, job: str) -> list[str]:
    """Give the series of a job that have an archive."""
    return sorted({name.partition("_")[2] for name in machine.series() if name.startswith(f"{job}_")})


def test_each_database_has_a_series_and_what_is_left_out_has_none(server: Server) -> None:
    nasty = ".4dein.20.27.53.22hop.20.24.48.4f.4d.45.20.60id.60.20.5c.20.0a.e2.98.83"
    assert of(server.house, "all") == sorted([".users", nasty, "shop"])
    dump = server.house.content("all_shop")
    assert dump.startswith(b"-- Database 73686F70 CHARACTER SET latin1 COLLATE latin1_german1_ci\n")
    assert re.search(rb"\n-- CHANGE REPLICATION SOURCE TO SOURCE_LOG_FILE='bin.\d+', SOURCE_LOG_POS=\d+;\n", dump)


@pytest.mark.parametrize("name", ["shop", NASTY])
def test_a_database_that_was_destroyed_comes_back_as_it_was(server: Server, name: str) -> None:
    before = server.whole(name)
    server.ask(f"DROP DATABASE `{name.replace('`', '``')}`")
    server.house.restore("all", name)
    assert server.whole(name) == before


def test_one_that_exists_is_replaced_only_on_demand_and_a_copy_is_like_it(server: Server) -> None:
    before = server.whole("shop")
    server.ask("DELETE FROM items; DROP VIEW again; DROP TRIGGER seen; CREATE TABLE new (a int)", "shop")
    assert server.house.restore("all", "shop", check=False).code == 1
    server.house.restore("all", "shop", "--replace")
    assert server.whole("shop") == before
    server.house.restore("all", "shop", "--as", "a `copy`")
    assert server.whole("a `copy`") == before
    assert server.whole("shop") == before
    assert server.ask("SHOW DATABASES LIKE 'backupspec%'") == ""


def test_a_dump_is_of_one_moment_over_the_network_too(server: Server) -> None:
    before = server.whole("locked")
    server.lock("locked.middle")
    job = Meanwhile(lambda: server.house.job("far", check=False))
    server.until_a_dump_waits()
    server.ask("START TRANSACTION; INSERT INTO early SELECT * FROM zz; DELETE FROM zz; COMMIT", "locked")
    server.unlock()
    assert job.end().code == 0
    server.house.restore("far", "locked", "--as", "moment")
    assert server.whole("moment") == before


def test_a_table_that_stays_locked_ends_the_dump(server: Server) -> None:
    server.lock("locked.middle")
    outcome = server.house.job("waits", check=False)
    server.unlock()
    assert outcome.code == 1
    assert "locked: a table has been locked for too long (lock_wait is 1 seconds); giving up" in outcome.stderr
    assert of(server.house, "waits") == []


def test_accounts_come_back_with_passwords_and_rights(server: Server) -> None:
    server.ask("CREATE ROLE reader; GRANT SELECT ON shop.* TO reader; GRANT reader TO dumper@localhost")
    server.ask("SET DEFAULT ROLE reader TO dumper@localhost")
    server.house.job("all")
    told = "SHOW GRANTS FOR dumper@localhost; SET print_identified_with_as_hex = ON; SHOW CREATE USER dumper@localhost"
    rights = server.ask(told)
    server.ask("DROP USER dumper@localhost; DROP ROLE reader")
    outcome = server.house.restore("all", ".users")
    assert "ERROR" not in outcome.stderr
    assert server.ask(told) == rights


def test_the_drill_proves_the_newest_dumps(server: Server) -> None:
    outcome = server.house.drill("all")
    assert f"asked shop: {COUNT}: 1" in outcome.stderr


@pytest.mark.parametrize("right", ["TRIGGER", "SELECT"])
def test_rights_whose_lack_makes_dumps_poorer_without_a_word_are_asked_for(server: Server, right: str) -> None:
    server.ask(f"REVOKE {right} ON *.* FROM backupspec@localhost")
    outcome = server.house.job("waits", check=False)
    server.ask(server.account.replace("CREATE USER", "CREATE USER IF NOT EXISTS"))
    assert outcome.code == 1
    assert f"the account that dumps lacks {right}" in outcome.stderr


def test_tools_whose_dumps_mysql_would_not_load_are_refused(server: Server) -> None:
    server.house.machine.sh("rm /usr/local/bin/mysqldump")
    outcome = server.house.job("waits", check=False)
    assert outcome.code == 1
    assert "mysqldump here is MariaDB's; a MySQL server needs MySQL's own client" in outcome.stderr
