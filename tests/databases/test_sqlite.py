"""SQLite, for real: the compiled job against files that a program of another account writes to."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from demo.lab.site import repository_script
from tests.databases.house import HOST, PEEK, House, house

pytestmark = [pytest.mark.root, pytest.mark.borg, pytest.mark.databases, pytest.mark.slow]

APP = "/srv/app/app.db"
PLAIN = "/srv/app/-plain.db"  # with a rollback journal
NASTY = "/srv/app/Mein 'S\"hop p%41?c#d $HOME `id` \\ é☃.db"
BIG = "/srv/app/zbig.db"
SERIES = {
    APP: "app_.2fsrv.2fapp.2fapp.2edb",
    PLAIN: "app_.2fsrv.2fapp.2f-plain.2edb",
    BIG: "odd_.2fsrv.2fapp.2fzbig.2edb",
}
QUESTION = "SELECT count(*) >= 1000 FROM pages"
KEPT = {"kind": "sqlite", "lock_wait": "1s", "retention": {"forever": True}}
JOBS = {
    "app": {
        **KEPT,
        "files": [APP, PLAIN],
        "drill": {"assert": [{"database": APP, "query": QUESTION}]},
    },
    "odd": {**KEPT, "files": [NASTY, BIG]},
    "short": {**KEPT, "files": [PLAIN], "lock_wait": "10m", "time_limit": "2s"},
}
BECOME = ("setpriv", "--reuid=www-data", "--regid=www-data", "--init-groups", "--")
PROGRAM = "/usr/bin/python3"
MAKE = """
import sqlite3, sys
for path in sys.argv[1:]:
    db = sqlite3.connect(path)
    db.execute("PRAGMA journal_mode = " + ("delete" if "plain" in path else "wal"))
    db.execute("CREATE TABLE pages AS WITH RECURSIVE up(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM up LIMIT 1000) "
               "SELECT n, hex(n * 7919) AS text FROM up")
    db.execute("CREATE TABLE one(n)")
    db.execute("CREATE TABLE two(n)")
    db.commit()
    if "big" in path:
        db.execute("CREATE TABLE blobs AS SELECT randomblob(1000) AS b FROM pages, pages AS more LIMIT 100000")
        db.commit()
    db.close()
"""
WRITE = """
import sqlite3, sys, time
files = [sqlite3.connect(path, isolation_level=None, timeout=60) for path in sys.argv[1:]]
n = 0
while True:
    for db in files:
        db.execute("BEGIN IMMEDIATE")
        db.execute("INSERT INTO one VALUES (?)", (n,))
        db.execute("INSERT INTO two VALUES (?)", (n,))
        db.execute("COMMIT")
    n += 1
    time.sleep(0.002)
"""
HOLD = """
import sqlite3, sys, time
db = sqlite3.connect(sys.argv[1], isolation_level=None)
for sql in sys.argv[2:]:
    db.execute(sql).fetchall()
time.sleep(1000)
"""


class Files:
    """The files of a program that runs as www-data, on a machine with nothing else."""

    def __init__(self, of: House) -> None:
        self.house, self.machine = of, of.machine
        self.machine.sh("install -d -o www-data -g www-data -m 0750 /srv/app")
        for name, text in (("make", MAKE), ("write", WRITE), ("hold", HOLD)):
            self.machine.write(f"/srv/{name}.py", text)
        self.program("make", APP, PLAIN, NASTY, BIG)
        self.machine.sh("chmod 0640 /srv/app/*")

    def program(self, name: str, *words: str) -> None:
        """Run a program of www-data to its end."""
        self.machine.run(["sh", "-c", 'umask 027; exec "$@"', "sh", *BECOME, PROGRAM, f"/srv/{name}.py", *words])

    @contextlib.contextmanager
    def running(self, name: str, *words: str) -> Iterator[None]:
        """Let a program of www-data run; afterwards it is killed, as by a crash. It must not end by itself."""
        start = 'umask 027; "$@" </dev/null >/srv/log 2>&1 & echo $!'
        pid = self.machine.run(["sh", "-c", start, "sh", *BECOME, PROGRAM, f"/srv/{name}.py", *words]).stdout.strip()
        time.sleep(0.7)
        try:
            yield
        finally:
            ended = self.machine.run(["kill", "-KILL", pid], check=False)
            assert ended.code == 0, self.machine.read("/srv/log")
            time.sleep(0.1)

    def ask(self, path: str, sql: str) -> str:
        """Ask a file, as www-data."""
        return self.machine.run([*BECOME, "sqlite3", path, sql]).stdout.strip()

    def look(self) -> str:
        """Give name, owner and mode of all that is there."""
        return self.machine.sh("stat -c '%n %U:%G %a' /srv/app/* /srv/app/.[a-z]* 2>/dev/null || :").stdout


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Files]:
    """Give a host with some files, dumped once."""
    with house(tmp_path_factory.mktemp("sqlite"), JOBS) as machine:
        found = Files(machine)
        machine.job("app")
        machine.job("odd")
        yield found


@pytest.fixture(autouse=True)
def _clean(files: Files) -> Iterator[None]:
    """See that no test leaves anything of a dump or a restore."""
    yield
    assert files.machine.sh("find /var/lib/backupspec-stage -mindepth 1; ls -d /run/backupspec* || :").stdout == ""
    assert "backupspec" not in files.look()


def opened(content: bytes, folder: Path) -> sqlite3.Connection:
    """Open what an archive held."""
    (folder / "copy.db").write_bytes(content)
    return sqlite3.connect(folder / "copy.db")


def test_each_file_has_a_series_whatever_its_name(files: Files) -> None:
    found = files.house.series()
    assert set(SERIES.values()) < set(found)
    assert len(found) == len(SERIES) + 1
    assert any(".24.48.4f.4d.45.20.60id.60.20.5c.20.c3.a9" in name for name in found)


def test_a_file_that_is_written_to_is_dumped_as_of_one_moment(files: Files, tmp_path: Path) -> None:
    with files.running("write", APP, PLAIN):
        ran = files.house.job("app")
        during = files.look()
        written = int(files.ask(APP, "SELECT count(*) FROM one"))
    assert "indexes were not judged" not in ran.output
    assert f"{APP}-wal www-data:www-data 640\n" in during
    assert f"{APP}-shm www-data:www-data 640\n" in during
    for path in (APP, PLAIN):
        copy = opened(files.house.content(SERIES[path]), tmp_path)
        assert copy.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert copy.execute("SELECT n FROM one").fetchall() == copy.execute("SELECT n FROM two").fetchall()
        assert copy.execute("PRAGMA journal_mode").fetchone() == ("delete" if path == PLAIN else "wal",)
        count = copy.execute("SELECT count(*) FROM one").fetchone()[0]
        assert 0 < count < written
        copy.close()
    # The crash has left a log; the next program finds everything.
    assert int(files.ask(APP, "SELECT count(*) FROM one")) >= written
    assert f"{APP}-wal" not in files.look()


def test_a_file_that_was_destroyed_comes_back_row_by_row_with_owner_and_mode(files: Files) -> None:
    files.machine.sh(f"chgrp backup {APP}; chmod 0664 {APP}")
    try:
        files.house.job("app")
        before = {path: files.ask(path, "SELECT * FROM pages; SELECT * FROM one") for path in (APP, NASTY)}
        looked = files.look()
        files.machine.run(["rm", "--", APP, NASTY])
        for path, job in ((APP, "app"), (NASTY, "odd")):
            files.house.restore(job, path)
        assert files.look() == looked
        assert {path: files.ask(path, "SELECT * FROM pages; SELECT * FROM one") for path in before} == before
    finally:
        files.machine.sh(f"chown www-data:www-data {APP}; chmod 0640 {APP}")


def test_without_a_database_it_shows_the_files(files: Files) -> None:
    shown = {line.rpartition("  last ")[0] for line in files.house.restore("app").stdout.splitlines()}
    assert shown == {APP, PLAIN}


def test_one_that_exists_is_left_alone_and_so_is_one_that_is_open(files: Files) -> None:
    files.ask(APP, "DELETE FROM pages WHERE n > 500")
    refused = files.house.restore("app", APP, check=False)
    assert refused.code == 1
    assert f"{APP} exists; choose another name (--as), or --replace it" in refused.stderr
    for sql in ("SELECT 1", "BEGIN IMMEDIATE"):
        with files.running("hold", APP, sql):
            refused = files.house.restore("app", APP, "--replace", check=False)
            assert refused.code == 1
            assert f"{APP} is open; stop the program that uses it first" in refused.stderr
    assert files.ask(APP, "SELECT count(*) FROM pages") == "500"
    files.machine.sh(f"chmod 0600 {APP}")
    files.house.restore("app", APP, "--replace")
    assert files.ask(APP, "SELECT count(*) FROM pages") == "1000"
    assert f"{APP} www-data:www-data 600\n" in files.look()
    files.machine.sh(f"chmod 0640 {APP}")


def test_a_log_of_the_old_one_is_not_played_into_the_new_one(files: Files) -> None:
    files.house.job("app")
    with files.running("write", APP, PLAIN):
        pass
    assert f"{APP}-wal" in files.look()
    with files.running(
        "hold", PLAIN, "PRAGMA cache_size = 5", "BEGIN", "UPDATE pages SET text = hex(randomblob(3000))"
    ):
        pass
    assert f"{PLAIN}-journal" in files.look()
    files.machine.run(["rm", "--", PLAIN])
    refused = files.house.restore("app", PLAIN, check=False)
    assert f"{PLAIN} exists" in refused.stderr
    files.house.restore("app", PLAIN, "--replace")
    assert f"{PLAIN}-journal" not in files.look()
    assert files.ask(PLAIN, "PRAGMA integrity_check; SELECT count(*) FROM pages WHERE length(text) < 100") == "ok\n1000"


def test_a_crash_in_the_middle_is_rolled_back_before_the_dump(files: Files, tmp_path: Path) -> None:
    with files.running(
        "hold", PLAIN, "PRAGMA cache_size = 5", "BEGIN", "UPDATE pages SET text = hex(randomblob(3000))"
    ):
        pass
    assert f"{PLAIN}-journal" in files.look()
    files.house.job("app")
    copy = opened(files.house.content(SERIES[PLAIN]), tmp_path)
    assert copy.execute("SELECT count(*) FROM pages WHERE length(text) < 100").fetchone() == (1000,)
    copy.close()


def test_a_copy_goes_where_its_account_may_write_and_nowhere_else(files: Files) -> None:
    files.house.restore("app", APP, "--as", "/srv/app/it's a copy.db")
    assert files.ask("/srv/app/it's a copy.db", "SELECT count(*) FROM pages") == "1000"
    assert "/srv/app/it's a copy.db www-data:www-data 640\n" in files.look()
    files.machine.run(["rm", "/srv/app/it's a copy.db"])
    for path, message in (
        ("/etc/app.db", "www-data may not write to /etc/, where SQLite keeps what belongs to a database"),
        ("/srv/nowhere/app.db", "there is no folder /srv/nowhere/: make it first, for the account of the program"),
        ("app.db", "app.db is no path of a file from the root"),
    ):
        refused = files.house.restore("app", APP, "--as", path, check=False)
        assert refused.code == 1
        assert message in refused.stderr
        assert "Traceback" not in refused.stderr
        assert files.machine.run(["test", "-e", path], check=False).code == 1


def test_an_owner_that_is_nobody_here_is_replaced_by_the_folders(files: Files) -> None:
    files.machine.sh(f"chown 54321:54321 {APP}; chmod 0777 /srv/app")
    files.house.job("app")
    files.machine.sh(f"rm {APP}; chmod 0750 /srv/app")
    ran = files.house.restore("app", APP)
    assert f"{APP} becomes the folder's owner's, since backupspec:backupspec is nobody here" in ran.stderr
    assert f"{APP} www-data:www-data 600\n" in files.look()
    files.machine.sh(f"chmod 0640 {APP}")


@pytest.mark.parametrize(
    ("path", "sql"),
    [(PLAIN, ("BEGIN EXCLUSIVE",)), (APP, ("PRAGMA locking_mode = exclusive", "INSERT INTO one VALUES (1)"))],
)
def test_one_that_is_locked_for_ever_fails_after_its_time_and_costs_the_others_nothing(
    files: Files, path: str, sql: tuple[str, ...]
) -> None:
    before = files.house.archives()
    with files.running("hold", path, *sql):
        started = time.monotonic()
        ran = files.house.job("app", check=False)
        assert time.monotonic() - started > 1
    assert ran.code == 1
    assert "database is locked" in ran.stderr
    assert f"backupspec: {path}: the dump failed\n" in ran.stderr
    assert f"backupspec: not backed up: {path}\n" in ran.stderr
    (added,) = set(files.house.archives()) - set(before)
    assert SERIES[APP if path == PLAIN else PLAIN] in added


def test_a_dump_that_takes_too_long_is_ended_and_named(files: Files) -> None:
    before = files.house.archives()
    with files.running("hold", PLAIN, "BEGIN EXCLUSIVE"):
        ran = files.house.job("short", check=False, seconds=60)
    assert ran.code == 1
    assert f"backupspec: not backed up: {PLAIN}\n" in ran.stderr
    assert files.house.archives() == before


def test_what_is_missing_broken_or_no_database_is_named_and_not_stored(files: Files) -> None:
    files.machine.sh(
        "cd /srv/app; mkdir ../old; mv ./* ../old; cp ../old/zbig.db .\n"
        "printf 'no database at all, and that for a long time' >./-plain.db; cp ./-plain.db app.db\n"
        "dd if=/dev/urandom of=zbig.db bs=4096 seek=300 count=5 conv=notrunc 2>/dev/null; chown www-data ./*"
    )
    before = files.house.archives()
    ran = (files.house.job("app", check=False), files.house.job("odd", check=False))
    looked = files.look()
    files.machine.sh("rm /srv/app/*; mv /srv/old/* /srv/app; rmdir /srv/old")
    assert [one.code for one in ran] == [1, 1]
    assert "file is not a database" in ran[0].stderr
    assert f"backupspec: not backed up: {PLAIN}; {APP}\n" in ran[0].stderr
    assert "it is damaged: *** in database main ***" in ran[1].stderr
    assert "No such file or directory" in ran[1].stderr
    assert f"backupspec: not backed up: {NASTY}; {BIG}\n" in ran[1].stderr
    assert files.house.archives() == before
    assert "Mein" not in looked


def test_a_dump_that_is_killed_leaves_no_archive(files: Files) -> None:
    before = files.house.archives()
    killer = threading.Thread(
        target=files.machine.run,
        args=(["timeout", "60", "sh", "-c", "until pkill -KILL -f '^sqlite3.*%7a%62%69%67'; do :; done"],),
    )
    killer.start()
    ran = files.house.job("odd", check=False)
    killer.join()
    assert ran.code == 1
    assert f"backupspec: not backed up: {BIG}\n" in ran.stderr
    (added,) = set(files.house.archives()) - set(before)
    assert SERIES[BIG] not in added


HALF = """#!/bin/sh
case " $* " in *" extract "*)
    printf half
    exec sleep 4567
    ;;
esac
exec /usr/bin/borg.whole "$@"
"""
KILL = "pkill -KILL -f '^/bin/sh /usr/local/lib/backupspec/|^[s]leep 4567'"


@pytest.mark.parametrize("words", [("--as", "/srv/app/copy.db"), ("--file", "/srv/app/copy.db")])
def test_a_restore_that_is_killed_leaves_nothing(files: Files, words: tuple[str, str]) -> None:
    before = files.look()
    files.machine.run(["mv", "/usr/bin/borg", "/usr/bin/borg.whole"])
    files.machine.write("/usr/bin/borg", HALF, mode=0o755)
    with ThreadPoolExecutor() as pool:
        running = pool.submit(files.house.restore, "app", APP, *words, check=False)
        begun = "until find /srv/app -newer /usr/bin/borg -size 4c | grep .; do sleep 0.1; done"
        files.machine.run(["timeout", "300", "sh", "-c", begun])
        files.machine.run(["sh", "-c", KILL], check=False)
        killed = running.result()
    files.machine.run(["mv", "/usr/bin/borg.whole", "/usr/bin/borg"])
    assert killed.code != 0
    assert files.look() == before


def test_nobody_gets_another_accounts_file_opened(files: Files) -> None:
    files.machine.sh(f"chown root {APP}; install -o backup -m 0600 {APP} /srv/theirs.db; mv -- {PLAIN} /srv/plain")
    files.machine.run([*BECOME, "ln", "-s", "--", "/srv/theirs.db", PLAIN])
    ran = files.house.job("app", check=False)
    files.machine.sh(f"chown www-data {APP}; rm /srv/theirs.db; mv /srv/plain {PLAIN}")
    assert ran.code == 1
    assert f"{APP} is root's, but lies where others may put files: root does not open it" in ran.stderr
    assert f"{PLAIN} is a link that leads to a file of another account" in ran.stderr
    assert f"backupspec: not backed up: {PLAIN}; {APP}\n" in ran.stderr


def test_one_with_functions_of_its_program_is_judged_by_its_tables(files: Files) -> None:
    make = (
        "import sqlite3, sys; db = sqlite3.connect(sys.argv[1]); "
        "db.create_function('own', 1, abs, deterministic=True); "
        "db.execute('CREATE TABLE t (n)'); db.execute('INSERT INTO t VALUES (5)'); "
        "db.execute('CREATE INDEX i ON t (own(n))'); db.commit()"
    )
    files.machine.run(["mv", "--", PLAIN, "/srv/plain"])
    files.machine.run([*BECOME, PROGRAM, "-c", make, PLAIN])
    ran = files.house.job("app")
    files.machine.run(["mv", "--", "/srv/plain", PLAIN])
    assert "its indexes were not judged, its tables were" in ran.stderr
    assert files.house.drill("app").code == 0


def test_a_replacement_that_fails_leaves_the_old_one(files: Files) -> None:
    name = f"{SERIES[APP].removeprefix('app_')}.dump"
    words = ["create", "--stdin-name", name, f"::{HOST}_{SERIES[APP]}_2030-01-01T00:00:00Z", "-"]
    files.machine.write("/srv/broken", b"SQLite format 3\0" + b"x" * 5000)
    script = f"/usr/local/lib/backupspec/repositories/local/borg {' '.join(words)} </srv/broken"
    files.machine.as_service("backupspec", ["sh", "-c", script])
    files.ask(APP, "DELETE FROM pages WHERE n > 700")
    looked = files.look()
    refused = files.house.restore("app", APP, "--replace", check=False)
    drilled = files.house.drill("app", check=False)
    repository_script(files.machine, "local", "borg", "delete", f"::{HOST}_{SERIES[APP]}_2030-01-01T00:00:00Z")
    assert refused.code == 1
    assert f"backupspec: {APP} is what it was before" in refused.stderr
    assert files.look() == looked
    assert files.ask(APP, "SELECT count(*) FROM pages") == "700"
    assert drilled.code == 1
    assert f"message={APP} cannot be restored\n" in files.machine.read("/var/lib/backupspec/drill/app_local")


def test_the_drill_judges_the_newest_dumps_and_asks_them(files: Files) -> None:
    files.ask(APP, "DELETE FROM pages")
    files.ask(
        APP,
        "INSERT INTO pages WITH RECURSIVE up(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM up LIMIT 1000) "
        "SELECT n, n FROM up",
    )
    files.house.job("app")
    files.house.drill("app")
    assert "result=passed" in files.machine.read("/var/lib/backupspec/drill/app_local")
    files.ask(APP, "DELETE FROM pages WHERE n = 1")
    time.sleep(1)
    files.house.job("app")
    failed = files.house.drill("app", check=False)
    assert failed.code == 1
    assert f"asked {APP}: {QUESTION}: the answer is 0" in failed.stderr
    assert "result=failed" in files.machine.read("/var/lib/backupspec/drill/app_local")


HOSTILE = """
import sqlite3, sys
db = sqlite3.connect(sys.argv[1])
for name in ("own", "edit"):
    db.create_function(name, -1, lambda *_: 1, deterministic=True)
if sys.argv[2] == "names":
    # What makes a list of its tables a script of the shell, if names are put into it.
    for name in ("a", ";\\n.shell PEEK\\n.exit 0\\n", "a\\nSELECT count(*) FROM ", "t"):
        db.execute(f'CREATE TABLE "{name}" (n)')
    db.execute("CREATE INDEX i ON t (own(n))")
    db.execute("PRAGMA writable_schema = ON")
    db.execute("UPDATE sqlite_schema SET name = ? WHERE name = 'a'", ("a\\0",))
else:
    db.execute("CREATE TABLE t (n CHECK (edit(n, 'PEEK')))")
    db.execute("INSERT INTO t VALUES (5)")
db.commit()
"""


@pytest.mark.parametrize("how", ["names", "checks"])
def test_nothing_in_a_file_runs_when_it_is_judged(files: Files, how: str) -> None:
    files.house.hostile()
    files.machine.run(["mv", "--", PLAIN, "/srv/plain"])
    files.machine.run([*BECOME, PROGRAM, "-c", HOSTILE.replace("PEEK", PEEK), PLAIN, how])
    ran = files.house.job("app")
    drilled = files.house.drill("app", check=False)
    files.machine.run(["rm", "--", PLAIN])
    files.machine.run(["mv", "--", "/srv/plain", PLAIN])
    assert ("its indexes were not judged, its tables were" in ran.stderr) == (how == "names")
    assert files.house.seen() == {}
    assert "-plain" not in drilled.stderr
