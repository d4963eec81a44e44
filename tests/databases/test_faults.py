"""What may go wrong with a dump: each time an exit code, a message with the name, and nothing left behind."""

from __future__ import annotations

import contextlib
import re
import shlex
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Self

import pytest

from demo.lab.command import Outcome
from demo.lab.machine import Machine
from tests.databases.house import House, house
from tests.databases.postgres import BECOME, Server

pytestmark = [pytest.mark.root, pytest.mark.borg, pytest.mark.databases, pytest.mark.slow]

SECRET = "correct horse: battery\\staple"
JOBS: dict[str, Any] = {
    "wiki": {"kind": "postgresql", "databases": ["big", "wiki"], "lock_wait": "2s", "accounts": "none"},
    "far": {
        "kind": "postgresql",
        "databases": ["big"],
        "address": "127.0.0.1",
        "user": "dumper",
        "credential": "far-db",
        "accounts": "none",
    },
    "near": {
        "kind": "postgresql",
        "databases": ["wiki"],
        "address": "127.0.0.1",
        "user": "dumper",
        "credential": "far-db",
        "accounts": "none",
    },
    "many": {"kind": "postgresql", "exclude": ["big"], "most_series": 3, "retention": {"forever": True}},
}
THINNED = {**JOBS["many"], "keep_vanished": "1d", "retention": {"last": 3}}


@dataclass
class Running:
    """A job that runs in the background."""

    house: House
    job: str
    outcome: list[Outcome] = field(default_factory=list)

    def __enter__(self) -> Self:
        self.thread = threading.Thread(target=self._run)
        self.thread.start()
        return self

    def _run(self) -> None:
        self.outcome.append(self.house.job(self.job, check=False))

    def __exit__(self, *_: object) -> None:
        self.thread.join()

    def ended(self) -> Outcome:
        """Wait for its end."""
        self.thread.join()
        return self.outcome[0]


def wait_for(machine: Machine, shell: str, seconds: float = 30) -> None:
    """Wait until a line of shell is true on the machine."""
    end = time.monotonic() + seconds
    while machine.run(["sh", "-c", shell], check=False).code:
        assert time.monotonic() < end, shell
        time.sleep(0.05)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Give a host with a server that has a large database and a small one."""
    with house(tmp_path_factory.mktemp("faults"), JOBS) as machine:
        server = Server(machine)
        server.ask(f"CREATE ROLE dumper LOGIN PASSWORD $${SECRET}$$; GRANT pg_read_all_data TO dumper")
        server.ask("CREATE DATABASE big; CREATE DATABASE wiki")
        fill = "SELECT n, repeat(md5(n::text), 32) AS text FROM generate_series(1, 110000) n"
        server.ask(f"CREATE TABLE rows AS {fill}", "big")
        server.ask("CREATE TABLE pages AS SELECT n FROM generate_series(1, 1000) n", "wiki")
        yield server


@pytest.fixture(autouse=True)
def clean(server: Server) -> Iterator[None]:
    """Leave no archive to the next test, and see that no test leaves a file or a process."""
    yield
    left = server.machine.sh(
        "ls /run | grep backupspec || :; ls /var/lib/backupspec/tmp /var/lib/backupspec/scratch 2>/dev/null || :"
    )
    assert [line for line in left.stdout.split() if not line.endswith(":")] == []
    assert server.machine.run(["pgrep", "-l", "borg|pg_dump"], check=False).stdout == ""
    server.machine.sh(
        "export BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK=yes BORG_BASE_DIR=/root/other; "
        "setpriv --reuid=backupspec --regid=backupspec --clear-groups env HOME=/tmp BORG_BASE_DIR=/var/lib/backupspec "
        "borg delete --glob-archives '*' /backup/borg 2>/dev/null || :"
    )


def test_a_server_that_is_down_is_said_and_nothing_is_stored(server: Server) -> None:
    known = "/var/lib/backupspec/databases/many_local.now"
    server.stop()
    try:
        ran = server.house.job("wiki", check=False)
        first = server.house.job("many", check=False)
        server.machine.write(known, ".users\none.20more\nwiki\n", owner="backupspec")  # as of a run before
        listed = server.house.job("many", check=False)
    finally:
        server.start()
        server.machine.run(["rm", known])
    assert ran.code == 1
    assert "backupspec: not backed up: big; wiki\n" in ran.stderr
    assert "exited with status" not in ran.stderr
    for one in (first, listed):
        assert one.code == 1
        assert "the databases cannot be listed; nothing was dumped" in one.stderr
    assert "backupspec: not backed up: " not in first.stderr
    assert listed.stderr.endswith("backupspec: not backed up: .users; one more; wiki\n")
    assert server.house.archives() == ()


def test_a_wrong_password_is_said_by_the_server_and_not_repeated(server: Server) -> None:
    server.house.password("far-db", "guess-17")
    ran = server.house.job("far", check=False)
    assert ran.code == 1
    assert "password authentication failed" in ran.stderr
    assert "not backed up: big" in ran.stderr
    assert "guess-17" not in ran.output
    assert server.house.archives() == ()


def test_who_may_make_no_database_hears_it_from_the_server_and_nothing_from_borg(server: Server) -> None:
    server.house.password("far-db", SECRET)
    server.house.job("far")
    refused = server.house.restore("far", "big", "--as", "copy", check=False)
    assert refused.code == 1
    *_, why, said = refused.stderr.splitlines()
    assert why.endswith("permission denied to create database")
    assert said == "backupspec: copy was not restored"


# Wherever a dump might lie meanwhile: not where the server keeps its data, borg its cache and the repository its own.
FILES = """
find /dev/shm /home /root /run /srv /tmp /var/lib/backupspec /var/tmp -xdev \
    \\( -path /srv/pg -o -path /var/lib/backupspec/.cache \\) -prune \
    -o -type f -newer /srv/mark -size +1M -print 2>/dev/null || :
"""


def test_the_password_is_in_no_argument_and_no_environment_and_the_dump_in_no_file(server: Server) -> None:
    server.house.password("far-db", SECRET)
    look = r"for one in /proc/[0-9]*; do tr '\0' ' ' <$one/cmdline; tr '\0' ' ' <$one/environ; done 2>/dev/null"
    seen, files = [], []
    server.machine.sh("touch /srv/mark; head -c 2M /dev/zero >/srv/large")
    assert server.machine.sh(FILES).stdout == "/srv/large\n"
    server.machine.run(["rm", "/srv/large"])
    with Running(server.house, "far") as running:
        wait_for(server.machine, "pgrep pg_dump")
        while running.thread.is_alive():
            seen.append(server.machine.run(["sh", "-c", f"{look}; :"]).stdout)
            files.append(server.machine.sh(FILES).stdout)
    ran = running.ended()
    assert ran.code == 0, ran.output
    assert any("pg_dump --no-password" in one for one in seen)
    assert not any("battery" in one for one in (*seen, ran.output))
    assert set(files) == {""}
    assert server.house.series() == ("far_big",)


def test_a_dump_that_is_killed_leaves_no_archive_and_costs_the_others_nothing(server: Server) -> None:
    with Running(server.house, "wiki") as running:
        wait_for(server.machine, "pgrep pg_dump")
        time.sleep(0.3)
        server.machine.run(["pkill", "-KILL", "pg_dump"])
    ran = running.ended()
    assert ran.code == 1
    assert "backupspec: not backed up: big\n" in ran.stderr
    assert server.house.series() == ("wiki_wiki",)


def test_a_connection_that_is_lost_leaves_no_archive(server: Server) -> None:
    with Running(server.house, "wiki") as running:
        wait_for(server.machine, "pgrep pg_dump")
        time.sleep(0.3)
        server.ask("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'big'")
    assert running.ended().code == 1
    assert server.house.series() == ("wiki_wiki",)


DUMP = "/usr/local/lib/backupspec/databases/wiki/dump"
CREATE = "/usr/local/lib/backupspec/jobs/wiki_local/create"
SLOW = """#!/bin/sh
set -eu
yes | head -c 30000000
sleep 2.5
head -c 30000000 /dev/urandom
"""


@pytest.mark.parametrize(
    ("interval", "end"),
    [("1", "exit 7"), ("0", "exit 7"), ("0", "kill -KILL $$"), ("0", "kill -KILL $PPID; sleep 3")],
)
def test_without_checkpoints_nothing_is_left_however_long_a_dump_took(server: Server, interval: str, end: str) -> None:
    # It ends with a code, is killed, or who watches over its time is.
    # As compiled, and the other way round to see that this is what counts: with an interval borg leaves something.
    machine = server.machine
    machine.sh(f"cp {CREATE} /root/create; cp {DUMP} /root/dump")
    machine.sh(f"sed -i 's/--checkpoint-interval 0/--checkpoint-interval {interval}/' {CREATE}")
    machine.write(DUMP, f"{SLOW}{end}\n", mode=0o755)
    try:
        ran = server.house.job("wiki", check=False)
    finally:
        machine.sh(f"cp /root/create {CREATE}; cp /root/dump {DUMP}")
    assert ran.code == 1
    assert (server.house.archives() == ()) == (interval == "0")


def test_a_table_that_somebody_holds_locked_ends_the_dump_after_its_time_out(server: Server) -> None:
    hold = "\\set ON_ERROR_STOP off\nBEGIN; LOCK TABLE pages; SELECT pg_sleep(100);"
    holder = threading.Thread(target=server.ask, args=(hold, "wiki"), kwargs={"check": False})
    holder.start()
    time.sleep(0.5)
    ran = server.house.job("wiki", check=False)
    server.ask("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%'")
    holder.join()
    assert ran.code == 1
    assert "lock timeout" in ran.stderr or "could not obtain lock" in ran.stderr or "canceling statement" in ran.stderr
    assert "backupspec: not backed up: wiki\n" in ran.stderr
    assert server.house.series() == ("wiki_big",)


def test_a_second_run_waits_for_the_first(server: Server) -> None:
    with Running(server.house, "far") as first, Running(server.house, "wiki") as second:
        pass
    assert (first.ended().code, second.ended().code) == (0, 0)
    assert server.house.series() == ("far_big", "wiki_big", "wiki_wiki")


def test_too_many_databases_share_an_archive_and_each_can_be_restored(server: Server) -> None:
    server.ask('CREATE DATABASE "one more"; CREATE DATABASE another')
    server.house.job("many")
    assert server.house.series() == ("many",)
    listed = server.house.restore("many").stdout
    (head, *names) = listed.splitlines()
    assert re.fullmatch(r"\(all in one\)  last \S+Z  1 archive; the newest has:", head)
    assert [name.strip() for name in names] == [".users", "another", "one more", "postgres", "wiki"]
    server.ask("DROP DATABASE wiki")
    server.house.restore("many", "wiki")
    assert server.ask("SELECT count(*) FROM pages", "wiki") == "1000"
    # When there are no longer too many, and when there are again, the newest dump is the one that counts.
    create = "/usr/local/lib/backupspec/jobs/many_local/create"
    series = (".users", "another", "one.20more", "postgres", "wiki")
    apart = ("many", *(f"many_{name}" for name in series))
    for most, rows, there in ((50, 1001, apart), (3, 1002, ("many", *apart))):
        server.machine.sh(f'sed -i \'s/"$count" -le [0-9]*/"$count" -le {most}/\' {create}')
        server.ask("INSERT INTO pages SELECT max(n) + 1 FROM pages", "wiki")
        ran = server.house.job("many")
        assert " is gone" not in ran.stderr
        assert server.house.series() == there
        server.ask("DROP DATABASE wiki")
        server.house.restore("many", "wiki")
        assert server.ask("SELECT count(*) FROM pages", "wiki") == str(rows)


SCRIPTS_OF_MANY = "/usr/local/lib/backupspec/databases/many"
# One dump ends half-way, after more than borg reads at a time.
HALF = """#!/bin/sh
if [ "$1" != =wiki ]; then exec /srv/dump "$1"; fi
head -c 20000000 /dev/urandom
exit 7
"""


@contextlib.contextmanager
def half(machine: Machine) -> Iterator[None]:
    """Let the dump of `wiki` that goes into the archive of all end half-way."""
    dump = f"{SCRIPTS_OF_MANY}/dump"
    machine.sh(f"cp {dump} /srv/dump")
    machine.write(dump, HALF, mode=0o755)
    try:
        yield
    finally:
        machine.sh(f"mv /srv/dump {dump}")


def test_those_of_too_many_that_fail_are_named_and_not_in_the_archive(server: Server) -> None:
    server.ask("UPDATE pg_database SET datconnlimit = 0 WHERE datname = 'another'")
    with half(server.machine):
        ran = server.house.job("many", check=False)
    server.ask("UPDATE pg_database SET datconnlimit = -1 WHERE datname = 'another'")
    assert ran.code == 1
    assert "backupspec: not backed up: another; wiki\n" in ran.stderr
    assert server.house.series() == ("many",)
    (archive,) = server.house.archives()
    inside = server.house.inside(archive)
    assert inside == (".users.dump", "one.20more.dump", "postgres.dump")


@contextlib.contextmanager
def killed_at(machine: Machine, word: str) -> Iterator[None]:
    """Let whoever calls `borg WORD` be killed by it, as by a loss of power."""
    machine.sh("mv /usr/bin/borg /usr/bin/borg.real")
    line = f'case $1 in {word}) kill -KILL "$PPID"; exit 1 ;; esac\nexec /usr/bin/borg.real "$@"'
    machine.write("/usr/bin/borg", f"#!/bin/sh\n{line}\n", mode=0o755)
    try:
        yield
    finally:
        machine.sh("mv /usr/bin/borg.real /usr/bin/borg")


def test_what_a_killed_run_leaves_is_offered_to_nobody_and_the_next_run_takes_it_away(server: Server) -> None:
    # Nothing of this job is ever thinned out: it is no prune that does it.
    house, begun = server.house, []
    with half(server.machine):
        for word in ("recreate", "rename"):
            with killed_at(server.machine, word):
                ran = house.job("many", check=False)
            assert ran.code == -signal.SIGKILL
            (left,) = house.archives()
            assert left.endswith("Z.partial")
            begun.append(left)
    assert begun[0] < begun[1]
    assert "wiki.dump" not in house.inside(begun[1])
    assert house.restore("many").stdout == ""
    refused = house.restore("many", "wiki", check=False)
    assert "there is no dump of wiki" in refused.stderr
    house.job("many")
    assert house.series() == ("many",)
    (whole,) = house.archives()
    assert whole.endswith("Z")
    assert server.machine.run(["ls", "/var/lib/backupspec/databases/many_local.partial"], check=False).code == 2


def test_one_that_fails_every_time_keeps_its_archives_and_the_others_are_thinned_out(server: Server) -> None:
    many = {**THINNED, "exclude": ["big", "another", "one more"], "most_series": 50}
    done = "/var/lib/backupspec/done/many_local"
    server.house.written({"many": {**many, "retention": {"last": 2}}})
    try:
        server.house.job("many")
        server.house.job("many")
        server.house.written({"many": {**many, "retention": {"last": 1}}})
        server.machine.run(["rm", done])
        server.ask("UPDATE pg_database SET datconnlimit = 0 WHERE datname = 'wiki'")
        ran = server.house.job("many", check=False)
    finally:
        server.ask("UPDATE pg_database SET datconnlimit = -1 WHERE datname = 'wiki'")
        server.house.written(JOBS)
    assert ran.code == 1
    assert ran.stderr.endswith("backupspec: not backed up: wiki\n")
    assert server.machine.run(["test", "-e", done], check=False).code == 1
    assert server.house.series() == ("many_.users", "many_postgres", "many_wiki", "many_wiki")


def test_a_database_that_vanished_is_reported_and_its_archives_stay_for_their_time(server: Server) -> None:
    jobs = {**JOBS, "many": {**THINNED, "most_series": 50}}
    server.house.written(jobs)
    try:
        server.house.job("many")
        server.ask("DROP DATABASE another")
        ran = server.house.job("many")
        assert (
            "the database another is gone, or left out by now; its archives stay for 1 days after its last dump"
            in ran.stderr
        )
        assert "many_another" in server.house.series()
        newest = max(name for name in server.house.archives() if "_another_" in name)
        server.house.rename(newest, "db01_many_another_2020-01-01T00:00:00Z")
        ran = server.house.job("many")
        assert "the last dump of the database another is too long ago, its archives go" in ran.stderr
        assert "many_another" not in server.house.series()
        assert "is gone" not in server.house.job("many").stderr
    finally:
        server.house.written(JOBS)


def test_above_most_series_the_last_dump_of_one_that_vanished_stays_too(server: Server) -> None:
    known = "/var/lib/backupspec/databases/many_local"
    jobs = {**JOBS, "many": {**THINNED, "most_series": 2, "retention": {"last": 1}}}
    server.house.written(jobs)
    try:
        server.ask("CREATE DATABASE fleeting")
        server.ask("CREATE TABLE t AS SELECT 17 AS n", "fleeting")
        server.house.job("many")
        (first,) = server.house.archives()
        server.ask("DROP DATABASE fleeting")
        for _ in range(2):
            time.sleep(1)  # archives are named to the second
            ran = server.house.job("many")
            assert (
                "the database fleeting is gone, or left out by now; its archives stay for 1 days after its last dump"
                in ran.stderr
            )
        kept, newest = server.house.archives()
        assert kept == f"{first}.kept"
        assert newest > first
        server.house.restore("many", "fleeting")
        assert server.ask("SELECT n FROM t", "fleeting") == "17"
        server.ask("DROP DATABASE fleeting")
        old = "db01_many_2020-01-01T00:00:00Z"
        server.house.rename(kept, f"{old}.kept")
        server.machine.sh(f"sed -i 's/{first}/{old}/' {known}.in; echo ghost >>{known}")
        time.sleep(1)
        ran = server.house.job("many")
        assert "the last dump of the database fleeting is too long ago, its archives go" in ran.stderr
        assert "the database ghost is gone" in ran.stderr
        (last,) = server.house.archives()
        assert last > newest
        time.sleep(1)
        assert "gone" not in server.house.job("many").stderr
    finally:
        server.house.written(JOBS)


MANY = 2000


def test_two_thousand_databases_are_one_archive_and_each_comes_back(server: Server) -> None:
    # Names and dumps that cost nothing: what is measured is all that is the same for every kind.
    scripts = "/usr/local/lib/backupspec/databases/many"
    machine, house = server.machine, server.house
    compiled = {word: machine.read(f"{scripts}/{word}") for word in ("names", "dump")}
    machine.write(f"{scripts}/names", f"#!/bin/sh\nseq -f '=customer-%g' {MANY} | tr '\\n' '\\0'\n", mode=0o755)
    machine.write(f"{scripts}/dump", "#!/bin/sh\nprintf 'dump of %s\\n' \"$1\"\n", mode=0o755)
    try:
        ran = house.job("many", seconds=1200)
    finally:
        for word, text in compiled.items():
            machine.write(f"{scripts}/{word}", text, mode=0o755)
    assert "not backed up" not in ran.stderr
    (archive,) = house.archives()
    folder = "/var/lib/backupspec/tmp/all"
    extract = f'mkdir -p {folder}; cd {folder}; exec "$0" "$@"'
    borg = "/usr/local/lib/backupspec/repositories/local/borg"
    machine.as_service("backupspec", ["sh", "-euc", extract, borg, "extract", f"::{archive}"])
    found = machine.sh(f"cd {folder}; grep -H '' *; rm -r {folder}").stdout.splitlines()
    assert sorted(found) == sorted(f"customer-{n}.dump:dump of =customer-{n}" for n in range(1, MANY + 1))
    for n in (1, MANY // 2, MANY):
        house.restore("many", f"customer-{n}", "--file", "/srv/one")
        assert machine.read("/srv/one") == f"dump of =customer-{n}\n"
        machine.run(["rm", "/srv/one"])
    machine.sh("rm /var/lib/backupspec/databases/many_local*")


def peak(server: Server, job: str) -> int:
    """Run a job; give the most memory that all processes together took meanwhile, in kB."""
    look = "cat /proc/[0-9]*/smaps_rollup 2>/dev/null | awk '/^Pss:/ { sum += $2 } END { print sum }'"
    found = 0
    with Running(server.house, job) as running:
        while running.thread.is_alive():
            found = max(found, int(server.machine.run(["sh", "-c", look]).stdout))
    assert running.ended().code == 0
    return found


def test_memory_does_not_grow_with_the_database(server: Server) -> None:
    server.house.password("far-db", SECRET)
    small, large = peak(server, "near"), peak(server, "far")
    size = int(server.ask("SELECT pg_database_size('big') / 1024"))
    assert size > 100_000
    assert large - small < size // 3, f"{large - small} kB more for a database of {size} kB"


def test_a_dump_is_of_one_moment_while_the_database_is_written_to(server: Server) -> None:
    server.ask("CREATE TABLE aa (n int); CREATE TABLE zz (n int)", "big")
    both = "BEGIN; INSERT INTO aa VALUES (1); INSERT INTO zz VALUES (1); COMMIT;"
    write = f"while [ -e /srv/writes ]; do echo '{both}'; done | PGDATABASE=big psql -Xq"
    server.machine.sh(f"touch /srv/writes; ({shlex.join([*BECOME, 'sh', '-c', write])}) >/dev/null 2>&1 </dev/null &")
    count = "SELECT (SELECT count(*) FROM aa), (SELECT count(*) FROM zz)"
    while server.ask(count, "big").startswith("0|"):
        time.sleep(0.05)
    server.house.job("wiki")
    server.machine.sh("rm /srv/writes; while pgrep -f '^psql -Xq'; do sleep 0.1; done")
    written = server.ask(count, "big").partition("|")[0]
    server.house.restore("wiki", "big", "--as", "moment")
    first, _, last = server.ask(count, "moment").partition("|")
    server.ask("DROP DATABASE moment")
    server.ask("DROP TABLE aa; DROP TABLE zz", "big")
    assert first == last
    assert 0 < int(first) < int(written)
