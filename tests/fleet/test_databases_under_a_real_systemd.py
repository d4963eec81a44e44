"""Databases jobs of each kind, started by systemd under their hardening, against Debian's own servers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import yaml

from demo.lab.base import SUITES
from demo.lab.container import booted
from demo.lab.machine import Machine
from demo.lab.room import Room
from demo.lab.site import Site

pytestmark = [
    pytest.mark.nspawn,
    pytest.mark.user_namespaces,
    pytest.mark.borg,
    pytest.mark.systemd,
    pytest.mark.slow,
    pytest.mark.timeout(1200),  # the first run makes the base
]

PACKAGES = ("mariadb-server", "postgresql", "slapd", "sqlite3")
CACHE = {"bookworm": "redis", "trixie": "valkey"}
"""Both listen at one port, so a machine has one; Debian 12 has no Valkey."""
OS = {"bookworm": "debian-12", "trixie": "debian-13"}
JOBS: dict[str, dict[str, Any]] = {
    "cache": {"drill": {}},
    "people": {"kind": "openldap", "drill": {}},
    "shop": {"kind": "mariadb", "drill": {"assert": [{"database": "shop", "query": "SELECT count(*) = 3 FROM goods"}]}},
    "app": {
        "kind": "sqlite",
        "files": ["/srv/app/app.db"],
        "stage": "/srv/dumps",
        "drill": {"assert": [{"database": "/srv/app/app.db", "query": "SELECT count(*) = 2 FROM t"}]},
        "hooks": {"after": [{"run": "test ! -e /etc/hook-fails"}]},
    },
    "wiki": {
        "kind": "postgresql",
        "stage": "/srv/dumps",
        "drill": {"assert": [{"database": "wiki", "query": "SELECT true"}]},
    },
}
WORD = "s3cr3t-w0rd"
SECRET = f"{WORD} ' \" $HOME %h"
OVER_TCP: dict[str, dict[str, Any]] = {
    "far-cache": {"credential": "far-cache", "drill": {}},
    "far-shop": {"kind": "mariadb", "databases": ["shop"], "user": "dumper", "drill": {}},
    "far-wiki": {"kind": "postgresql", "databases": ["wiki"], "user": "dumper", "drill": {}},
}
for _job, _values in OVER_TCP.items():
    _values |= {"address": "127.0.0.1", "credential": _job}
PREPARE = """
as() { account=$1; shift; setpriv --reuid="$account" --regid="$account" --init-groups -- "$@"; }
as postgres psql -qX -d postgres -c 'CREATE ROLE backupspec LOGIN' -c 'GRANT pg_read_all_data TO backupspec'
as postgres psql -qX -d postgres -c 'CREATE DATABASE wiki'
as postgres psql -qX -d postgres -v "secret=$SECRET" <<'END'
CREATE ROLE dumper LOGIN PASSWORD :'secret';
GRANT pg_read_all_data TO dumper;
END
as postgres psql -qX -d wiki -c 'CREATE TABLE pages AS SELECT generate_series(1, 100) AS n'
mariadb -e 'CREATE USER backupspec@localhost IDENTIFIED VIA unix_socket; CREATE DATABASE shop'
mariadb -e "GRANT SELECT, SHOW VIEW, TRIGGER, EVENT, LOCK TABLES, RELOAD, PROCESS, BINLOG MONITOR ON *.*
    TO backupspec@localhost"
mariadb <<END
CREATE USER dumper@localhost IDENTIFIED BY '$(printf %s "$SECRET" | sed "s/'/''/g")';
GRANT SELECT, SHOW VIEW, TRIGGER, EVENT ON *.* TO dumper@localhost;
END
mariadb shop -e 'CREATE TABLE goods (n int) ENGINE=InnoDB; INSERT INTO goods VALUES (1), (2), (3)'
for product in redis valkey; do
    if [ -e "/etc/$product" ]; then
        echo "unixsocket /run/$product/$product-server.sock" >>"/etc/$product/$product.conf"
        echo 'unixsocketperm 777' >>"/etc/$product/$product.conf"
        systemctl restart "$product-server"
        "$product-cli" ACL SETUSER backupspec on ">$SECRET" resetkeys resetchannels -@all +sync +replconf
    fi
done
install -d -o www-data -g www-data /srv/app
as www-data sqlite3 /srv/app/app.db 'PRAGMA journal_mode=wal; CREATE TABLE t AS SELECT 1 AS n UNION SELECT 2' >/dev/null
"""


NASTY = "Mein 'S\"hop $HOME `id`\n-é"
HELD = """#!/bin/sh
: >/var/lib/backupspec/held
until [ -e /var/lib/backupspec/go ]; do sleep 0.1; done
exec "$0.real" "$@"
"""
KILLER = """#!/bin/sh
unit=$(systemctl list-units --plain --no-legend 'run-*.service' | cut -d ' ' -f 1)
systemctl kill --signal=KILL --kill-whom=main "$unit"
sleep 60
"""


# What a hostile dump of PostgreSQL runs in a drill, and how its words get out.
PEEK = """#!/bin/sh
echo "RAN as $(id -un)"
for each in /etc/backupspec /var/lib/backupspec /var/lib/mysql /srv /backup /root /run; do
    find "$each" ! -type d ! -path '/run/systemd/inaccessible/*' 2>/dev/null | sed 's/^/REACHED /'
done
for each in /etc /usr /backup /var /run /var/lib/backupspec-stage/*/dumps; do
    if touch "$each/touched" 2>/dev/null; then echo "REACHED $each, to write"; fi
done
if [ -n "$CREDENTIALS_DIRECTORY" ] || env | grep -q ^BORG; then echo "REACHED an environment"; fi
if tail -n +3 /proc/net/dev 2>/dev/null | grep -v ' lo:'; then echo "REACHED the network"; fi
"""
HOSTILE = """
CREATE FUNCTION f(int) RETURNS boolean LANGUAGE sql AS 'SELECT true';
CREATE TABLE t (n int CHECK (f(n)));
INSERT INTO t VALUES (1);
CREATE OR REPLACE FUNCTION f(int) RETURNS boolean LANGUAGE plpgsql AS $f$ BEGIN
    EXECUTE 'COPY (SELECT 1) TO PROGRAM ''/usr/local/bin/peek >/tmp/peeked 2>&1''';
    RAISE EXCEPTION '%', pg_read_file('/tmp/peeked');
END $f$;
"""


@dataclass(frozen=True, slots=True)
class Host:
    """A booted host with its servers, and everything compiled for it in place."""

    suite: str
    machine: Machine

    def cache(self, *words: str) -> str:
        """Ask Redis or Valkey."""
        product = CACHE[self.suite]
        return self.machine.run([f"{product}-cli", "-s", f"/run/{product}/{product}-server.sock", *words]).stdout

    def archives(self, job: str) -> list[str]:
        """Give the names of a job's archives."""
        return re.findall(rf"db01_{job}_\S+", self.machine.run(["backupspec-run", "list", "local"]).stdout)

    def psql(self, database: str, sql: str) -> str:
        """Ask PostgreSQL as its superuser."""
        become = ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups", "env", f"PGDATABASE={database}"]
        return self.machine.run([*become, "psql", "-XAtq", "-v", "ON_ERROR_STOP=1"], data=sql.encode()).stdout


@pytest.fixture(
    params=[pytest.param(suite, marks=pytest.mark.xdist_group(f"databases-{suite}")) for suite in SUITES],
    scope="module",
)
def host(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """Boot a host, give its servers something to lose, and apply what is compiled for it."""
    suite, product = request.param, CACHE[request.param]
    cache = {**JOBS["cache"], "kind": product, "socket": f"/run/{product}/{product}-server.sock"}
    far_cache = {**OVER_TCP["far-cache"], "kind": product}
    folder = tmp_path_factory.mktemp("site")
    site = Site(folder / "inventory", folder / "out")
    site.inventory.mkdir()
    inventory = {
        "version": 1,
        "fleet": "booted",
        "repositories": {"local": {"path": "/backup/borg", "encryption": "none"}},
        "hosts": {
            "db01": {
                "os": OS[suite],
                "to": ["local"],
                "databases": {**JOBS, **OVER_TCP, "cache": cache, "far-cache": far_cache},
                "files": {"state": {"paths": ["/var/lib", "/srv"]}},
            }
        },
    }
    (site.inventory / "inventory.yaml").write_text(yaml.safe_dump(inventory, sort_keys=False), encoding="utf-8")
    packages = sorted((*PACKAGES, f"{product}-server"))
    with Room() as room, booted(room, suite, "db01", ["192.0.2.22"], folder / "console", extra=packages) as machine:
        machine.run(["sh", "-euc", PREPARE], env={"SECRET": SECRET})
        site.compile()
        site.apply(machine)
        for job in OVER_TCP:
            machine.write(f"/etc/backupspec/credentials/{job}", f"{SECRET}\n", mode=0o600)
        machine.run(["mkdir", "-p", "/backup"])
        assert "made" in machine.run(["backupspec-run", "init"]).stdout
        yield Host(suite, machine)


@pytest.mark.parametrize("job", sorted({*JOBS, *OVER_TCP}))
def test_a_job_and_its_drill_run_under_their_hardening(host: Host, job: str) -> None:
    dumped = host.machine.run(["backupspec-run", "create", job], check=False)
    assert dumped.code == 0, dumped.output
    assert f"db01_{job}_" in host.machine.run(["backupspec-run", "list", "local"]).stdout
    drilled = host.machine.run(["backupspec-run", "drill", job], check=False)
    assert drilled.code == 0, drilled.output
    assert "drill passed" in drilled.output
    assert re.search(
        rf"{job}_local: passed, oldest archive 2\S+Z\n", host.machine.run(["backupspec-run", "status"]).stdout
    )
    timers = [f"backupspec-{kind}{job}_local.timer" for kind in ("", "drill-")]
    shown = ["systemctl", "show", "--value", "--property=UnitFileState,ActiveState", *timers]
    assert host.machine.run(shown).stdout.split() == ["active", "enabled"] * 2


@pytest.mark.parametrize("job", sorted(JOBS))
def test_a_job_is_confined_as_promised(host: Host, job: str) -> None:
    for kind in ("", "drill-", "scratch-"):
        unit = f"backupspec-{kind}{job}_local.service"
        said = host.machine.run(["systemd-analyze", "security", "--no-pager", unit]).stdout
        score = re.search(r"exposure level for \S+: ([0-9.]+)", said)
        assert score is not None
        assert float(score[1]) <= 2.0, said


@pytest.mark.parametrize("job", sorted(OVER_TCP))
def test_a_job_with_a_password_reaches_its_server_alone(host: Host, job: str) -> None:
    host.machine.run(["backupspec-run", "create", job])
    units = [f"backupspec-{job}_local.service", f"backupspec-drill-{job}_local.service"]
    shown = host.machine.run(["systemctl", "show", units[0]]).stdout
    assert "\nIPAddressAllow=127.0.0.1\n" in shown.replace("127.0.0.1/32", "127.0.0.1")
    assert "\nIPAddressDeny=::/0 0.0.0.0/0\n" in shown.replace("0.0.0.0/0 ::/0", "::/0 0.0.0.0/0")
    told = host.machine.run(["journalctl", "--all", "--output=export", *(f"--unit={unit}" for unit in units)]).stdout
    assert f"Finished backupspec-{job}_local.service" in told
    assert WORD not in shown + told


def test_a_hook_that_fails_after_the_job_leaves_no_dump(host: Host) -> None:
    host.machine.run(["touch", "/etc/hook-fails"])
    failed = host.machine.run(["backupspec-run", "create", "app"], check=False)
    host.machine.sh("rm /etc/hook-fails; systemctl reset-failed")
    assert failed.code != 0, failed.output
    assert host.machine.sh("ls -A /srv/dumps/app; ls -A /var/lib/backupspec-stage").stdout.split() == [
        ".2fsrv.2fapp.2fapp.2edb.dump"
    ]


def test_what_is_destroyed_comes_back_by_hand(host: Host) -> None:
    run = host.machine.run
    run(["backupspec-run", "create", "wiki"])
    ask = ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups", "psql", "-XAtq", "-d"]
    run([*ask, "postgres", "-c", "DROP DATABASE wiki"])
    run(["backupspec-run", "restore-database", "wiki", "wiki"])
    assert run([*ask, "wiki", "-c", "SELECT count(*) FROM pages"]).stdout == "100\n"
    assert "wiki  last" in run(["backupspec-run", "restore-database", "wiki"]).stdout
    host.machine.sh("cd /root; backupspec-run restore-database wiki wiki --file wiki.dump; pg_restore --list wiki.dump")


def test_a_name_with_everything_in_it_passes_through_the_command_for_people(host: Host) -> None:
    restore = ["backupspec-run", "restore-database", "wiki", NASTY]
    names = {name: name.replace('"', '""') for name in (NASTY, 'a %h \\ \\x41 $$ ${HOME} "\\n')}
    host.psql("postgres", f'CREATE DATABASE "{names[NASTY]}"')
    host.psql(NASTY, "CREATE TABLE kept AS SELECT generate_series(1, 7)")
    host.machine.run(["backupspec-run", "create", "wiki"])
    host.psql(NASTY, "DROP TABLE kept")
    host.machine.run([*restore, "--replace"])
    host.machine.run([*restore, "--as", next(reversed(names)), "--at", "31 Dec 2036 23:00"])
    for name, quoted in names.items():
        assert host.psql(name, "SELECT count(*) FROM kept") == "7\n"
        host.psql("postgres", f'DROP DATABASE "{quoted}"')


def test_a_restore_that_is_killed_is_undone_by_its_unit(host: Host) -> None:
    run = host.machine.run
    run(["backupspec-run", "create", "wiki"])
    ask = ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups", "psql", "-XAtq", "-d"]
    run([*ask, "wiki", "-c", "DELETE FROM pages WHERE n > 50"])
    # In the middle of it, root's look at the dump ends the restore at once.
    host.machine.write("/usr/local/bin/pg_restore", KILLER, mode=0o755)
    killed = run(["backupspec-run", "restore-database", "wiki", "wiki", "--replace"], check=False)
    run(["rm", "/usr/local/bin/pg_restore"])
    assert killed.code != 0
    assert "wiki is what it was before" in killed.output
    assert run([*ask, "wiki", "-c", "SELECT count(*) FROM pages"]).stdout == "50\n"
    run(["backupspec-run", "restore-database", "wiki", "wiki", "--replace"])
    assert run([*ask, "wiki", "-c", "SELECT count(*) FROM pages"]).stdout == "100\n"
    assert host.machine.sh("ls -d /run/backupspec-restore* 2>/dev/null || :").stdout == ""


@pytest.mark.parametrize(
    ("job", "name", "service"),
    [
        ("wiki", "wiki", ""),
        ("shop", "shop", ""),
        ("app", "/srv/app/app.db", ""),
        ("cache", ".all", "{cache}-server"),
        ("people", "dc=nodomain", "slapd"),
        ("people", ".configuration", "slapd"),
    ],
)
def test_a_restore_is_confined_to_what_its_kind_needs(host: Host, job: str, name: str, service: str) -> None:
    run = host.machine.run
    service = service.format(cache=CACHE[host.suite])
    host.cache("set", "kept", "yes")
    run(["backupspec-run", "create", job])
    host.cache("set", "kept", "yes" if job != "cache" else "no")
    if service:
        run(["systemctl", "stop", service])
    restored = run(["backupspec-run", "restore-database", job, name, "--replace"], check=False)
    if service:
        run(["systemctl", "start", service])
    assert restored.code == 0, restored.output
    assert host.cache("get", "kept") == "yes\n"
    run(["backupspec-run", "restore-database", job, name, "--file", "/root/written"])
    run(["rm", "/root/written"])


def test_what_a_dump_makes_run_in_a_drill_finds_nothing(host: Host) -> None:
    host.machine.write("/usr/local/bin/peek", PEEK, mode=0o755)
    ask = ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups", "psql", "-XAtq", "-d", "wiki"]
    host.machine.run(ask, data=HOSTILE.encode())
    host.machine.run(["backupspec-run", "create", "wiki"])
    drilled = host.machine.run(["backupspec-run", "drill", "wiki"], check=False)
    host.machine.run([*ask, "-c", "DROP TABLE t; DROP FUNCTION f"])
    host.machine.run(["backupspec-run", "create", "wiki"])
    host.machine.run(["systemctl", "reset-failed"])
    assert drilled.code != 0
    assert "RAN as backupspec-drill" in drilled.output
    assert "REACHED" not in drilled.output, drilled.output


def test_files_leave_live_data_out_and_wait_for_dumps(host: Host) -> None:
    run = host.machine.run
    dump = "/usr/local/lib/backupspec/databases/shop/dump"
    before = host.archives("shop_shop")
    host.machine.sh(f"mv {dump} {dump}.real")
    host.machine.write(dump, HELD, mode=0o755)
    try:
        run(["systemctl", "start", "--no-block", "backupspec-shop_local"])
        host.machine.sh("until [ -e /var/lib/backupspec/held ]; do sleep 0.1; done")
        run(["systemctl", "start", "--no-block", "backupspec-state_local"])
        waiting = run(["systemctl", "list-jobs", "--no-legend"]).stdout
        assert re.search(r" backupspec-state_local\.service +start waiting", waiting), waiting
        # The same job once more, meanwhile, is the one that runs.
        again = "(sleep 1; touch /var/lib/backupspec/go) & backupspec-run create shop; rm /var/lib/backupspec/go"
        assert "Finished backupspec-shop_local.service" in host.machine.sh(again).output
    finally:
        host.machine.sh(f"mv {dump}.real {dump}; rm /var/lib/backupspec/held")
    run(["systemctl", "start", "backupspec-state_local"])
    # Of one day, prune leaves the newest.
    assert len(set(host.archives("shop_shop")) - set(before)) == 1
    ended, started = (
        int(run(["systemctl", "show", "--value", f"--property=ExecMain{moment}", f"backupspec-{job}_local"]).stdout)
        for job, moment in (("shop", "ExitTimestampMonotonic"), ("state", "StartTimestampMonotonic"))
    )
    assert started >= ended
    archive = host.archives("state")[-1]
    paths = run(["backupspec-run", "list", "local", archive]).stdout
    for live in ("postgresql", "mysql", "redis", "valkey", "ldap"):
        assert f" var/lib/{live}\n" not in paths
    for live in ("srv/app/app.db", "srv/dumps/app", "srv/dumps/wiki"):
        assert f" {live}\n" not in paths
    assert " var/lib/systemd\n" in paths
    assert " srv/dumps\n" in paths
    after = run(["systemctl", "show", "--property=After", "backupspec-state_local.service"]).stdout
    assert all(f"backupspec-{job}_local.service" in after for job in JOBS)


def test_the_account_of_the_jobs_owns_what_they_left(host: Host) -> None:
    assert host.machine.run(["find", "/var/lib/backupspec", "!", "-user", "backupspec"]).stdout == ""
    assert host.machine.sh("ls -A /var/lib/backupspec-stage 2>/dev/null || :").stdout == ""
    assert host.machine.sh("ls -A /var/lib/backupspec/tmp 2>/dev/null || :").stdout == ""
