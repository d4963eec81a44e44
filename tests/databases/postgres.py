"""A PostgreSQL server inside the machine of a test, where Debian's own would be."""

from __future__ import annotations

from tests.databases.house import House

START = """
install -d -o postgres -g postgres /run/postgresql "$folder"
cd "$folder"
as() { setpriv --reuid=postgres --regid=postgres --clear-groups -- "$@"; }
bin=$(dirname "$(ls /usr/lib/postgresql/*/bin/initdb | tail -n 1)")
if [ ! -e data ]; then
    set -- --auth-local=peer --auth-host=scram-sha-256 -U postgres --no-sync -E UTF8 --locale=C.UTF-8
    as "$bin/initdb" -D data "$@" >/dev/null
fi
# Little memory that the server's processes share: what a dump takes is measured by what all processes have.
little="-c shared_buffers=16MB -c fsync=off -c autovacuum=off"
set -- -w -D data -l log -o "-k /run/postgresql -c listen_addresses=$listen -c port=$port $little"
as "$bin/pg_ctl" "$@" start >/dev/null
"""
STOP = """
bin=$(dirname "$(ls /usr/lib/postgresql/*/bin/initdb | tail -n 1)")
set -- -w -D "$folder/data" -m immediate stop
setpriv --reuid=postgres --regid=postgres --clear-groups -- "$bin/pg_ctl" "$@" >/dev/null
"""
BECOME = ("setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", "--")


class Server:
    """The server; it starts with the object and dies with the machine. `account` makes the one that dumps.

    With another `port` it is one more instance on the machine.
    """

    def __init__(
        self,
        of: House,
        account: str = "CREATE ROLE backupspec LOGIN; GRANT pg_read_all_data TO backupspec",
        listen: str = "127.0.0.1",
        port: int = 5432,
    ) -> None:
        self.house, self.machine, self.port = of, of.machine, port
        self.set = f"folder=/srv/pg{'' if port == 5432 else port} port={port} listen={listen}"
        self.start()
        if account:
            self.ask(account)

    def start(self) -> None:
        """Start it, with what it had."""
        self.machine.sh(f"{self.set}{START}")

    def stop(self) -> None:
        """Stop it at once."""
        self.machine.sh(f"{self.set}{STOP}")

    def ask(self, sql: str, database: str = "postgres", *, check: bool = True) -> str:
        """Run SQL as the superuser; give the answer."""
        psql = ["env", f"PGDATABASE={database}", "psql", "-p", str(self.port), "-XAtq", "-v", "ON_ERROR_STOP=1"]
        return self.machine.run([*BECOME, *psql], data=sql.encode(), check=check).stdout.removesuffix("\n")
