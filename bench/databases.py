"""What a compiled databases job costs beside the same by hand: `pg_dump | borg create`, in turn, in one run.

A real PostgreSQL in a private machine of the lab holds one table of small rows; the job's own script and a line of
shell store it in fresh repositories, with the same options. Ratios say more than seconds of a busy machine. Then 1 % of
the rows change, once the newest ones (as in most programs) and once ones that are spread evenly, and the second dump
tells what it adds. What the job takes of memory is the same for a small database and for a large one.

`make bench`, or `python bench/databases.py MEGABYTES ROUNDS`. BORGMATIC=PROGRAM measures that peer too. Needs root, and
some four times as much memory as the database is large, since nothing of the lab touches a disk.
"""

from __future__ import annotations

import multiprocessing
import os
import resource
import statistics
import sys
import tempfile
import time
from pathlib import Path

import yaml
from rich.console import Console
from rich.table import Table

from demo.lab import borgs, unit
from demo.lab.machine import Machine
from demo.lab.room import Room
from demo.lab.site import ACCOUNT, Site, bytes_below, repository_script

ROW = 1000  # bytes, nearly
REPOSITORY = "/backup/borg"
INVENTORY = {
    "version": 1,
    "fleet": "bench",
    "repositories": {"local": {"path": REPOSITORY, "encryption": "none"}},
    "hosts": {
        "db01": {
            "to": ["local"],
            "databases": {
                "shop": {
                    "kind": "postgresql",
                    "databases": ["shop"],
                    "accounts": "none",
                    "compression": "lz4",
                    "retention": {"forever": True},
                }
            },
        }
    },
}
START = """
install -d -o postgres -g postgres /run/postgresql /srv/pg
cd /srv/pg
as() { setpriv --reuid=postgres --regid=postgres --clear-groups -- "$@"; }
bin=$(dirname "$(ls /usr/lib/postgresql/*/bin/initdb | tail -n 1)")
as "$bin/initdb" -D data -A peer -U postgres --no-sync -E UTF8 --locale=C.UTF-8 >/dev/null
options="-c listen_addresses='' -c fsync=off -c autovacuum=off -c wal_level=minimal -c max_wal_senders=0"
as "$bin/pg_ctl" -w -D data -l log -o "-k /run/postgresql $options -c max_wal_size=128MB" start >/dev/null
"""
BY_HAND = """
export BORG_BASE_DIR=/var/lib/backupspec BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK=yes PGHOST=/run/postgresql
pg_dump -Fc -Z0 shop | borg create --compression lz4 --noctime --nobirthtime --stdin-name shop.dump /backup/borg::"$1" -
"""
BORGMATIC = """
repositories: [{path: /backup/borg}]
compression: lz4
postgresql_databases: [{name: shop, username: backupspec, format: custom, compression: 0}]
"""


def main(megabytes: int, rounds: int) -> None:
    """Measure, and print one table for people."""
    with tempfile.TemporaryDirectory(prefix="bench-databases-") as name, Room() as room:
        folder = Path(name)
        (folder / "inventory").mkdir()
        (folder / "inventory" / "inventory.yaml").write_text(yaml.safe_dump(INVENTORY), encoding="utf-8")
        site = Site(folder / "inventory", folder / "out")
        site.compile()
        machine = room.machine("db01", ["192.0.2.30"])
        borgs.give(machine, "1.4")
        site.apply(machine)
        fill(machine, megabytes * 1_000_000 // ROW)
        ways = {"compiled job": compiled, "pg_dump | borg create": by_hand}
        if os.environ.get("BORGMATIC"):
            ways["borgmatic"] = borgmatic
        seconds: dict[str, list[float]] = {way: [] for way in ways}
        for turn in range(rounds + 1):
            for way, run in ways.items():
                fresh(machine)
                began = time.perf_counter()
                run(machine, f"round-{turn}")
                if turn:  # the first round warms up
                    seconds[way].append(time.perf_counter() - began)
        show(machine, seconds, {"newest": newest(machine), "spread": spread(machine)})


def compiled(machine: Machine, _: str) -> None:
    """Run the job's unit."""
    unit.run(machine, "backupspec-shop_local")


def by_hand(machine: Machine, name: str) -> None:
    """Do the same in a line of shell, as the same account."""
    machine.as_service(ACCOUNT, ["sh", "-euc", BY_HAND, "sh", name], capabilities=())


def borgmatic(machine: Machine, _: str) -> None:
    """Let the peer do the same."""
    machine.write("/etc/borgmatic/config.yaml", BORGMATIC)
    argv = [os.environ["BORGMATIC"], "create", "--config", "/etc/borgmatic/config.yaml"]
    own = "/srv/peer"  # for its pipes and its notes
    machine.run(["install", "-d", "-o", ACCOUNT, "-g", ACCOUNT, "-m", "0700", own])
    base = {"BORG_BASE_DIR": "/var/lib/backupspec", "BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK": "yes"}
    places = {"HOME": own, "XDG_RUNTIME_DIR": own, "XDG_STATE_HOME": own}
    machine.as_service(ACCOUNT, argv, capabilities=(), env={**base, **places})


def fill(machine: Machine, rows: int) -> None:
    """Make the database: rows that hardly compress, as most data that somebody typed."""
    machine.sh(START)
    ask(machine, "postgres", "CREATE ROLE backupspec LOGIN; GRANT pg_read_all_data TO backupspec; CREATE DATABASE shop")
    text = "(SELECT string_agg(md5(n::text || i::text), '') FROM generate_series(1, 30) i)"
    made = f"CREATE TABLE goods AS SELECT n, {text} AS text FROM generate_series(1, {rows}) n"  # noqa: S608 - our own
    ask(machine, "shop", made)


def ask(machine: Machine, database: str, sql: str) -> str:
    """Run SQL as the superuser."""
    become = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", "--"]
    return machine.run(
        [*become, "psql", "-XAtq", "-v", "ON_ERROR_STOP=1", database], data=sql.encode(), seconds=900
    ).stdout


def fresh(machine: Machine) -> None:
    """Make an empty repository."""
    machine.sh(f"rm -rf {REPOSITORY} /var/lib/backupspec/.cache /var/lib/backupspec/.config; mkdir -p /backup")
    machine.sh(f"install -d -o {ACCOUNT} -g {ACCOUNT} -m 0700 {REPOSITORY}")
    repository_script(machine, "local", "init")


def newest(machine: Machine) -> float:
    """Change the newest 1 % of the rows; give what the second dump adds, as a part of the first."""
    return growth(machine, "UPDATE goods SET text = reverse(text) WHERE n > (SELECT max(n) * 0.99 FROM goods)")


def spread(machine: Machine) -> float:
    """Change every hundredth row; give the same."""
    return growth(machine, "UPDATE goods SET text = reverse(text) WHERE n % 100 = 0")


def growth(machine: Machine, change: str) -> float:
    """Dump, change, dump again."""
    fresh(machine)
    compiled(machine, "")
    first = bytes_below(machine, f"{REPOSITORY}/data")
    ask(machine, "shop", change)
    time.sleep(1)  # archives are named to the second
    compiled(machine, "")
    return (bytes_below(machine, f"{REPOSITORY}/data") - first) / first


def memory(machine: Machine) -> int:
    """Run the job; give the most memory that one of its processes took, in bytes."""

    def run(found: multiprocessing.SimpleQueue[int]) -> None:
        compiled(machine, "")
        found.put(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024)

    fresh(machine)
    fork = multiprocessing.get_context("fork")  # a process whose children are those of the job
    found: multiprocessing.SimpleQueue[int] = fork.SimpleQueue()
    process = fork.Process(target=run, args=(found,))
    process.start()
    process.join()
    return found.get()


def show(machine: Machine, seconds: dict[str, list[float]], grown: dict[str, float]) -> None:
    """Print the figures, and the goals that they are measured by."""
    size = int(ask(machine, "shop", "SELECT pg_database_size('shop')")) / 1e9
    table = Table(title=f"one PostgreSQL database of {size:.2f} GB into a fresh local repository, lz4")
    for column in ("what", "goal", "figure"):
        table.add_column(column, justify="left" if column == "what" else "right")
    for way, all_of in seconds.items():
        table.add_row(f"{way}, seconds: {', '.join(f'{one:.1f}' for one in all_of)}", "", f"{min(all_of):.2f}")
    for way in list(seconds)[1:]:
        pairs = [ours / theirs for ours, theirs in zip(seconds["compiled job"], seconds[way], strict=True)]
        goal = "≤ 1.05" if way.startswith("pg_dump") else ""
        table.add_row(f"compiled job / {way}, middle of the pairs", goal, f"{statistics.median(pairs):.3f}")
    if "borgmatic" not in seconds:
        table.add_row("borgmatic: skipped, BORGMATIC is not set", "", "")
    table.add_row("a second dump after the newest 1 % of the rows changed adds", "≤ 3 %", f"{grown['newest']:.1%}")
    table.add_row("the same with every hundredth row changed", "", f"{grown['spread']:.1%}")
    table.add_row("most memory of one process of the compiled job, MB", "", f"{memory(machine) / 1e6:.0f}")
    Console(width=120).print(table)


if __name__ == "__main__":
    given = [int(word) for word in sys.argv[1:3]]
    main(*(given + [1000, 3][len(given) :]))
