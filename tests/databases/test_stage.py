"""Dumps that go through files: who can read them, what a full disk does, and what stays when one fails."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import yaml

from demo.lab import unit
from demo.lab.command import Outcome
from demo.lab.site import repository_script
from tests.databases.house import HOST, House, house
from tests.databases.postgres import Server

pytestmark = [pytest.mark.root, pytest.mark.borg, pytest.mark.databases, pytest.mark.slow]

APP = "/srv/app/app.db"
DUMP = ".2fsrv.2fapp.2fapp.2edb.dump"
HOOKS = [
    {"run": "[ ! -e /var/lib/backupspec-stage/through_local ] && [ ! -e /srv/hook-fails ]"},
    {"run": "echo the last hook"},
]
KEPT = {"stage": "/srv/my dumps", "retention": {"forever": True}}
JOBS = {
    "wiki": {"kind": "postgresql", "databases": ["pages", "notes"], "accounts": "none", "keep_vanished": "10d", **KEPT},
    "many": {"kind": "postgresql", "databases": ["pages", "notes"], "accounts": "none", "most_series": 1, **KEPT},
    "app": {"kind": "sqlite", "files": [APP], **KEPT},
    "through": {"kind": "sqlite", "files": [APP], "retention": {"forever": True}, "hooks": {"after": HOOKS}},
}
FILES = {"srv": {"paths": ["/srv"], "retention": {"forever": True}}}
BECOME = ("setpriv", "--reuid=www-data", "--regid=www-data", "--init-groups", "--")
KNOWN = "/var/lib/backupspec/databases/wiki_local"
PATIENCE = 60  # seconds


class Stage:
    """A host with both kinds of jobs: those whose account dumps by itself, and those for which root asks another."""

    def __init__(self, of: House) -> None:
        self.house, self.machine = of, of.machine
        self.server = Server(of)
        for name in ("pages", "notes"):
            self.server.ask(f"CREATE DATABASE {name}")
            self.server.ask("CREATE TABLE t AS SELECT generate_series(1, 100) AS n", name)
        self.machine.sh("install -d -o www-data -g www-data -m 0750 /srv/app; chmod 0755 /srv")
        self.sqlite("CREATE TABLE t AS SELECT 1 AS n")

    def sqlite(self, sql: str) -> None:
        """Run SQL as the program whose file it is."""
        self.machine.run([*BECOME, "sqlite3", APP, sql])

    def look(self, job: str) -> str:
        """Give mode, owner and name of all that is kept of a job."""
        return self.machine.sh(f"cd '/srv/my dumps/{job}' && find . -printf '%m %u:%g %f\\n' | sort -k 3").stdout

    def state(self, path: str) -> str:
        """Give what changes when a kept dump is replaced."""
        return self.machine.run(["stat", "-c", "%i %s %Y", f"/srv/my dumps/{path}"]).stdout


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """Give the host; each job was run once."""
    with house(tmp_path_factory.mktemp("stage"), JOBS, files=FILES) as machine:
        found = Stage(machine)
        for job in JOBS:
            machine.job(job)
        yield found


@pytest.fixture(autouse=True)
def _clean(stage: Stage) -> Iterator[None]:
    """See that nothing is left of a run but what is kept."""
    yield
    left = "find /var/lib/backupspec-stage -mindepth 1; find '/srv/my dumps' -name '*.new' -o -name 'now_*'"
    assert stage.machine.sh(f"{left}; ls -d /run/backupspec* 2>/dev/null || :").stdout == ""


def started(stage: Stage, ran: list[Outcome], *units: str) -> list[threading.Thread]:
    """Run units at the same time; each puts how it ended into `ran`."""

    def run(name: str) -> None:
        ran.append(unit.run(stage.machine, name, check=False))

    threads = [threading.Thread(target=run, args=(name,)) for name in units]
    for thread in threads:
        thread.start()
    return threads


def test_what_is_kept_is_what_is_stored_and_nobody_else_reads_it(stage: Stage) -> None:
    assert stage.look("wiki").splitlines() == [
        "700 backupspec:backupspec .",
        "600 backupspec:backupspec notes.dump",
        "600 backupspec:backupspec pages.dump",
    ]
    assert stage.look("app") == f"2750 root:backupspec .\n640 root:backupspec {DUMP}\n"
    for path, series in (("wiki/pages.dump", "wiki_pages"), (f"app/{DUMP}", f"app_{DUMP.removesuffix('.dump')}")):
        kept = stage.machine.run(["sh", "-c", 'sha256sum <"$1"', "sh", f"/srv/my dumps/{path}"]).stdout.split()[0]
        stage.machine.write("/srv/stored", stage.house.content(series))
        assert stage.machine.run(["sh", "-c", "sha256sum </srv/stored; rm /srv/stored"]).stdout.split()[0] == kept
        folder, _, name = f"/srv/my dumps/{path}".rpartition("/")
        for words in (["ls", folder], ["cat", f"{folder}/{name}"]):
            refused = stage.machine.run([*BECOME, *words], check=False)
            assert "Permission denied" in refused.stderr
    assert "TABLE public t" in stage.machine.sh("pg_restore --list '/srv/my dumps/wiki/pages.dump'").stdout


def test_one_archive_for_all_has_them_too(stage: Stage) -> None:
    (archive,) = [name for name in stage.house.archives() if name.startswith(f"{HOST}_many_")]
    assert stage.house.inside(archive) == ("notes.dump", "pages.dump")


def test_a_dump_that_fails_leaves_the_last_whole_one_and_costs_the_others_nothing(stage: Stage) -> None:
    before = {name: stage.state(f"wiki/{name}.dump") for name in ("pages", "notes")}
    archives = stage.house.archives()
    stage.server.ask("UPDATE pg_database SET datconnlimit = 0 WHERE datname = 'pages'")
    try:
        ran = (stage.house.job("wiki", check=False), stage.house.job("many", check=False))
    finally:
        stage.server.ask("UPDATE pg_database SET datconnlimit = -1 WHERE datname = 'pages'")
    for one in ran:
        assert one.code == 1
        assert "backupspec: pages: the dump failed\n" in one.stderr
        assert "backupspec: not backed up: pages\n" in one.stderr
    assert stage.state("wiki/pages.dump") == before["pages"]
    assert stage.state("wiki/notes.dump") != before["notes"]
    added = sorted(set(stage.house.archives()) - set(archives))
    assert [name.removeprefix(f"{HOST}_").rpartition("_")[0] for name in added] == ["many", "wiki_notes"]
    assert stage.house.inside(added[0]) == ("notes.dump",)


@pytest.mark.parametrize(
    ("job", "disk", "name"),
    [("wiki", "/srv/my dumps", "pages"), ("app", "/srv/my dumps", APP), ("through", "/var/lib/backupspec-stage", APP)],
)
def test_a_full_disk_ends_the_dump_and_leaves_the_last_whole_one(stage: Stage, job: str, disk: str, name: str) -> None:
    run = stage.machine.run
    before = stage.house.archives()
    kept = "" if job == "through" else stage.look(job)
    stage.server.ask(
        "CREATE TABLE big AS SELECT repeat(md5(n::text), 8) AS text FROM generate_series(1, 5000) n", "pages"
    )
    stage.sqlite("CREATE TABLE big AS SELECT randomblob(1500000) AS b")
    mode = run(["stat", "-c", "%a", disk]).stdout.strip()
    run(["mkdir", "/srv/aside"])
    run(["mount", "-t", "tmpfs", "-o", f"size=800k,mode={mode}", "tmpfs", "/srv/aside"])
    run(["cp", "-a", f"{disk}/.", "/srv/aside"])
    run(["mount", "--move", "/srv/aside", disk])
    try:
        sums = run(["find", disk, "-type", "f", "-exec", "sha256sum", "{}", "+"]).stdout
        ran = stage.house.job(job, check=False)
        after = run(["find", disk, "-type", "f", "-exec", "sha256sum", "{}", "+"]).stdout
        looked = "" if job == "through" else stage.look(job)
    finally:
        run(["umount", disk])
        run(["rmdir", "/srv/aside"])
        stage.server.ask("DROP TABLE big", "pages")
        stage.sqlite("DROP TABLE big")
        stage.sqlite("VACUUM")
    assert ran.code == 1
    assert "No space left on device" in ran.stderr or "database or disk is full" in ran.stderr
    assert f"backupspec: {name}: the dump failed\n" in ran.stderr
    assert f"backupspec: not backed up: {name}\n" in ran.stderr
    assert looked == kept
    changed = {line.split("  ", 1)[1] for line in set(sums.splitlines()) ^ set(after.splitlines())}
    assert changed <= {"/srv/my dumps/wiki/notes.dump"}
    assert all("pages" not in archive and "app" not in archive for archive in set(stage.house.archives()) - set(before))


def test_what_a_loss_of_power_left_is_gone_after_the_next_run_or_the_next_boot(stage: Stage) -> None:
    left = (
        "mkdir now_local; echo half >now_local/pages.dump; echo =x >now_local/entries; chown -R --reference=. now_local"
    )
    folders = [f"/srv/my dumps/{job}" for job in ("app", "wiki")]
    for folder in folders:
        stage.machine.sh(f"cd '{folder}'; {left}")
    stage.machine.sh(f"cd /var/lib/backupspec-stage; mkdir work_app_local through_local; {left}")
    stage.house.job("wiki")
    assert "now_local" not in stage.look("wiki")
    assert "now_local" in stage.look("app")
    stage.machine.run(["systemd-tmpfiles", "--boot", "--remove", "backupspec.conf"])
    assert stage.machine.run(["find", *folders, "-name", "now_local"]).stdout == ""
    # Of all else that is there nothing goes.
    assert stage.machine.sh("ls /var/lib/backupspec-stage").stdout == "now_local\n"
    stage.machine.sh("rm -r /var/lib/backupspec-stage/now_local")
    assert stage.look("app").count(".dump") == 1


HANGS = '#!/bin/sh\necho half\nif [ -n "${FOLDER-}" ]; then echo half >"$FOLDER/copy"; fi\nexec sleep 4567\n'
KILL = "pkill -KILL -f '^/bin/sh /usr/local/lib/backupspec/|^timeout .*/dump|^[s]leep 4567'"
OURS = """
find /run /srv /var/lib/backupspec /var/lib/backupspec-stage \\
    '(' -path /run/postgresql -o -path /srv/pg -o -name .cache ')' -prune -o -print
find /tmp /var/tmp -user backupspec -o -user www-data
"""


@pytest.mark.parametrize("job", ["app", "wiki", "through"])
def test_a_run_that_is_killed_leaves_no_file_at_all(stage: Stage, job: str) -> None:
    machine = stage.machine
    dump = f"/usr/local/lib/backupspec/databases/{job}/dump"
    compiled, archives, kept = machine.read(dump), stage.house.archives(), machine.sh(OURS).stdout
    machine.write(dump, HANGS, mode=0o755)
    with ThreadPoolExecutor() as pool:
        running = pool.submit(stage.house.job, job, check=False)
        machine.run(["timeout", "300", "sh", "-c", "until pgrep -f '^sleep 4567'; do sleep 0.1; done"])
        machine.run(["sh", "-c", KILL], check=False)
        ran = running.result()
    machine.write(dump, compiled, mode=0o755)
    assert ran.code != 0
    assert stage.house.archives() == archives
    assert machine.sh(OURS).stdout == kept


def test_a_hook_that_fails_after_the_job_leaves_no_dump(stage: Stage) -> None:
    before = stage.house.archives()
    stage.machine.run(["touch", "/srv/hook-fails"])
    ran = stage.house.job("through", check=False)
    stage.machine.run(["rm", "/srv/hook-fails"])
    assert ran.code == 1
    assert "the last hook" not in ran.stdout
    assert "the last hook" in stage.house.job("through").stdout
    assert len(stage.house.archives()) == len(before) + 2


def test_the_last_dump_of_one_that_is_gone_stays_as_long_as_its_archives(stage: Stage) -> None:
    stage.machine.sh(
        "cd '/srv/my dumps/wiki'; for name in old.20one new notes; do echo x >$name.dump; done; chown backupspec ./*\n"
        "touch -d '11 days ago' old.20one.dump; touch -d '9 days ago' new.dump; touch -d '11 days ago' notes.dump"
    )
    stage.machine.sh(f"echo ghost >>{KNOWN}")
    ran = stage.house.job("wiki")
    kept = stage.machine.run(["ls", "/srv/my dumps/wiki"]).stdout.split()
    stage.machine.run(["rm", "/srv/my dumps/wiki/new.dump"])
    assert kept == ["new.dump", "notes.dump", "pages.dump"]
    # It is kept for ever, but what is said of it has an end: no prune of this job would ever see to that.
    assert "the database ghost is gone, or left out by now; its archives stay\n" in ran.stderr
    assert "the database ghost is gone" in stage.house.job("wiki").stderr
    stage.machine.sh(
        f"awk '{{ print $1, $2 - 11 * 86400 }}' {KNOWN}.gone >/srv/gone; cp /srv/gone {KNOWN}.gone; rm /srv/gone"
    )
    assert "ghost" not in stage.house.job("wiki").stderr
    assert "ghost" not in stage.machine.sh(f"cat {KNOWN} {KNOWN}.gone").stdout


def test_files_jobs_leave_kept_dumps_out(stage: Stage) -> None:
    stage.house.job("srv")
    (archive,) = [name for name in stage.house.archives() if name.startswith(f"{HOST}_srv_")]
    words = ["list", "--format", "{path}{NL}", f"::{archive}"]
    paths = repository_script(stage.machine, "local", "borg", *words).stdout.splitlines()
    assert "srv/my dumps" in paths
    assert not [path for path in paths if path.startswith("srv/my dumps/")]
    assert "srv/app/app.db" not in paths  # live data


def test_the_repository_is_free_for_others_while_dumps_are_made(stage: Stage) -> None:
    before = {path: stage.state(path) for path in ("wiki/pages.dump", f"app/{DUMP}")}
    wait = ["flock", "/var/lib/backupspec/local.lock", "sh", "-c", "until [ -e /srv/go ]; do sleep 0.1; done"]
    hold = threading.Thread(target=stage.machine.run, args=(wait,))
    hold.start()
    ran: list[Outcome] = []
    jobs = started(stage, ran, "backupspec-wiki_local", "backupspec-app_local")
    end = time.monotonic() + PATIENCE
    while any(stage.state(path) == state for path, state in before.items()) and time.monotonic() < end:
        time.sleep(0.1)
    waiting = [job.is_alive() for job in jobs]
    made = [stage.state(path) != state for path, state in before.items()]
    stage.machine.run(["touch", "/srv/go"])
    for thread in (hold, *jobs):
        thread.join()
    stage.machine.run(["rm", "/srv/go"])
    assert (made, waiting) == ([True, True], [True, True])
    assert [one.code for one in ran] == [0, 0], ran


def test_jobs_into_two_repositories_do_not_meet_in_the_folder(stage: Stage) -> None:
    path = stage.house.site.inventory / "inventory.yaml"
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    document["repositories"]["second"] = {"path": "/backup/second", "encryption": "none"}
    document["hosts"][HOST]["to"] = ["local", "second"]
    path.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")
    stage.house.site.compile()
    stage.house.site.apply(stage.machine)
    stage.machine.sh("install -d -o backupspec -g backupspec -m 0700 /backup/second")
    repository_script(stage.machine, "second", "init")
    for job in ("wiki", "app"):
        ran: list[Outcome] = []
        for thread in started(stage, ran, f"backupspec-{job}_local", f"backupspec-{job}_second"):
            thread.join()
        assert [one.code for one in ran] == [0, 0], ran
    assert stage.look("wiki").count(".dump") == 2
    names = ["list", "--short", "::"]
    stored = repository_script(stage.machine, "second", "borg", *names).stdout.split()
    assert sorted(name.rpartition("_")[0] for name in stored) == [
        f"{HOST}_app_{DUMP.removesuffix('.dump')}",
        f"{HOST}_wiki_notes",
        f"{HOST}_wiki_pages",
    ]
