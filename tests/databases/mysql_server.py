"""Servers of the MySQL family inside a machine, and what a test asks of them."""

from __future__ import annotations

import re
import shlex
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from demo.lab.command import Outcome
from tests.databases.house import House

WHICH = "SELECT ID FROM information_schema.PROCESSLIST WHERE"
COLLATION = "SELECT DEFAULT_COLLATION_NAME FROM information_schema.SCHEMATA WHERE SCHEMA_NAME"
HOW_MANY = "SELECT count(*) FROM information_schema.PROCESSLIST WHERE"
READY = "for i in $(seq 150); do {client} --execute 'SELECT 1' >/dev/null 2>&1 && exit; sleep 0.2; done; cat log; false"


@dataclass(frozen=True, slots=True)
class Server:
    """A MariaDB server where Debian's own would be, with the account that dumps."""

    house: House
    listen: str = "127.0.0.1"

    sql: ClassVar[tuple[str, ...]] = ("mariadb", "--no-defaults", "--default-character-set=utf8mb4")
    dumper: ClassVar[tuple[str, ...]] = ("mariadb-dump", "--no-defaults", "--dump-history")
    account: ClassVar[str] = (
        "CREATE USER backupspec@localhost IDENTIFIED VIA unix_socket;"
        "GRANT SELECT, SHOW VIEW, TRIGGER, EVENT ON *.* TO backupspec@localhost;"
    )

    def install(self) -> None:
        """Make its data, start it, make the account."""
        self.house.machine.sh(
            "install -d -o mysql -g mysql /run/mysqld /srv/my\n"
            "mariadb-install-db --no-defaults --datadir=/srv/my/data --user=mysql --skip-test-db "
            "--auth-root-authentication-method=socket >/dev/null"
        )
        self.start()
        if self.account:
            self.ask(self.account)

    def start(self) -> None:
        """Start it, with a binary log."""
        self.run(f"mariadbd --no-defaults --log-bin=bin --bind-address={self.listen}")

    def run(self, program: str) -> None:
        """Run a server until it answers."""
        options = "--datadir=/srv/my/data --socket=/run/mysqld/mysqld.sock --pid-file=/srv/my/pid"
        become = "setpriv --reuid=mysql --regid=mysql --clear-groups --"
        more = "--character-set-server=utf8mb4 --innodb-flush-log-at-trx-commit=0"
        self.house.machine.sh(
            f"cd /srv/my; {become} {program} {options} {more} >log 2>&1 </dev/null &\n"
            f"cd /srv/my; {READY.format(client=shlex.join(self.sql))}"
        )

    def stop(self) -> None:
        """Stop it."""
        self.house.machine.sh("pid=$(cat /srv/my/pid); kill $pid; while [ -e /proc/$pid ]; do sleep 0.1; done")

    def ask(self, sql: str, database: str = "") -> str:
        """Run SQL as the superuser."""
        words = ["--batch", "--skip-column-names", "--binary-mode", f"--database={database}"]
        return self.house.machine.run([*self.sql, *words], data=sql.encode()).stdout

    def whole(self, database: str) -> str:
        """Give all that a database holds as text: its own settings, and what the dump tool says of it."""
        words = ["--skip-comments", "--max-allowed-packet=1G", "--routines", "--events", "--hex-blob"]
        dump = self.house.machine.run([*self.dumper, *words, "--", database]).stdout
        own = self.ask(f"{COLLATION} = X'{database.encode().hex()}'")
        # A sequence goes on after the numbers that it has set aside, and some statements name the database.
        dump = re.sub(r"SETVAL\(`numbers`, \d+", "SETVAL(`numbers`, N", dump)
        return own + re.sub(r"ALTER DATABASE `(?:[^`]|``)*`", "ALTER DATABASE", dump)

    def lock(self, table: str) -> None:
        """Lock a table, until `unlock`."""
        words = [*self.sql, "--execute", f"LOCK TABLES {table} WRITE; DO SLEEP(600);"]
        self.house.machine.sh(f"{shlex.join(words)} >/dev/null 2>&1 </dev/null &")
        self.until(f"{HOW_MANY} INFO LIKE 'DO SLEEP%'")

    def unlock(self) -> None:
        """Unlock what was locked."""
        self.kill("INFO LIKE 'DO SLEEP%'")

    def kill(self, which: str) -> None:
        """Cut connections."""
        for number in self.ask(f"{WHICH} {which}").split():
            self.ask(f"KILL {number}")

    def until(self, question: str) -> None:
        """Wait until a number is not 0."""
        end = time.monotonic() + 60
        while self.ask(question).strip() == "0":
            assert time.monotonic() < end, question
            time.sleep(0.05)

    def until_a_dump_waits(self) -> None:
        """Wait until a dump stands still at a locked table."""
        self.until(f"{HOW_MANY} STATE LIKE 'Waiting for table%'")


class Meanwhile(threading.Thread):
    """Something that runs while the test does something else."""

    def __init__(self, call: Callable[[], Outcome]) -> None:
        """Start it."""
        super().__init__(daemon=True)
        self.call = call
        self.outcome: Outcome | None = None
        self.start()

    def run(self) -> None:
        """Run it to its end."""
        self.outcome = self.call()

    def end(self) -> Outcome:
        """Wait for its end, and give how it went."""
        self.join(100)
        assert self.outcome is not None
        return self.outcome
