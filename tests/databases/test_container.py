"""Servers in containers, for real: podman's, and the same ones by the words of docker, dumped by the compiled jobs."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from demo.lab import unit
from tests.databases.house import House, house

pytestmark = [
    pytest.mark.root,
    pytest.mark.borg,
    pytest.mark.databases,
    pytest.mark.containers,
    pytest.mark.slow,
]

NASTY = "Mein 'S\"hop $HOME `id`\n-é"
PASSWORD = 'it\'s "s3cret": $HOME \\ é'
PODMAN = {"engine": "podman", "name": "box"}
WATCHER = """
rm -f /run/enough /run/looks /run/seen
while [ ! -e /run/enough ]; do
    grep -lsF -f /etc/backupspec/credentials/secret /proc/[0-9]*/cmdline /proc/[0-9]*/environ >>/run/seen || :
    echo look >>/run/looks
    sleep 0.05
done >/dev/null 2>&1 &
"""
DOCKER_OF_PODMAN = """
getent group docker >/dev/null || groupadd --system docker
podman system service --time 0 unix:///run/docker.sock >/dev/null 2>&1 </dev/null &
printf '#!/bin/sh\\nHOME=/tmp exec podman --remote --url unix:///run/docker.sock "$@"\\n' >/usr/local/bin/docker
chmod 755 /usr/local/bin/docker
until [ -e /run/docker.sock ]; do sleep 0.1; done
chgrp docker /run/docker.sock
chmod 660 /run/docker.sock
"""
DOCKER = {"engine": "docker", "name": "box"}
ONE = {"databases": ["wiki"], "accounts": "none"}
JOBS = {
    "wiki": {"kind": "postgresql", "container": PODMAN},
    "vault": {"kind": "postgresql", "container": PODMAN, "user": "keeper", "credential": "secret", **ONE},
    "ship": {"kind": "postgresql", "container": DOCKER, **ONE},
    "shop": {"kind": "mariadb", "container": PODMAN, "databases": ["shop"]},
    "till": {
        "kind": "mariadb",
        "container": PODMAN,
        "user": "keeper",
        "credential": "secret",
        "databases": ["shop"],
        "accounts": False,
    },
    "cache": {"kind": "redis", "container": PODMAN, "credential": "secret"},
    "kept": {"kind": "postgresql", "container": PODMAN, "stage": "/srv/dumps", **ONE},
}

# A container of the machine's own programs, and of nothing else of it. No control groups: there may be none to have.
CONTAINER = """
umount /sys/fs/cgroup/unified 2>/dev/null || :
install -d /etc/containers
printf '[storage]\\ndriver = "vfs"\\ngraphroot = "/run/podman/root"\\nrunroot = "/run/podman/run"\\n' \\
    >/etc/containers/storage.conf
cd /srv/box
mkdir -p usr etc proc sys dev tmp run var/lib var/tmp srv
chmod 1777 tmp var/tmp
for folder in bin sbin lib lib64; do ln -s "usr/$folder" "$folder"; done
ln -s /run var/run
cp -a /etc/passwd /etc/group /etc/nsswitch.conf /etc/alternatives /etc/ld.so.cache /etc/postgresql-common etc/
podman --runtime crun run --detach --name box --network none --cgroups=disabled \\
    --ulimit nofile=1024:1024 --ulimit nproc=4096:4096 --volume /usr:/usr:ro --rootfs /srv/box sh /start 2>&1
"""
START = """
as() { account=$1; shift; setpriv --reuid="$account" --regid="$account" --init-groups -- "$@"; }
rm -f /ready
install -d -o postgres -g postgres /run/postgresql /srv/pg
install -d -o mysql -g mysql /run/mysqld /srv/my
install -d -o redis -g redis /srv/redis
bin=$(dirname "$(ls /usr/lib/postgresql/*/bin/initdb | tail -n 1)")
cd /srv/pg
if [ ! -e data ]; then
    as postgres "$bin/initdb" -D data --auth-local=peer -U postgres --no-sync -E UTF8 --locale=C.UTF-8
    sed -i '1i local all keeper scram-sha-256' data/pg_hba.conf
    mariadb-install-db --no-defaults --datadir=/srv/my/data --user=mysql --skip-test-db \\
        --auth-root-authentication-method=socket
fi
rm -f data/postmaster.pid
as postgres "$bin/pg_ctl" -w -D data -l log -o '-k /run/postgresql -c listen_addresses= -c fsync=off' start
as mysql mariadbd --no-defaults --datadir=/srv/my/data --socket=/run/mysqld/mysqld.sock --skip-networking \\
    --innodb-flush-log-at-trx-commit=0 &
as redis redis-server /redis.conf &
until mariadb-admin --no-defaults ping && redis-cli ping; do sleep 0.1; done
touch /ready
exec sleep 1000000
"""
REDIS = """
bind 127.0.0.1
save ""
dir /srv/redis
repl-diskless-sync-delay 0
user backupspec on #{hashed} resetkeys resetchannels -@all +sync +replconf
"""


class Box:
    """The container `box` with its servers."""

    def __init__(self, of: House) -> None:
        """Make it, and give its servers something to lose."""
        self.house, self.machine = of, of.machine
        hashed = hashlib.sha256(PASSWORD.encode()).hexdigest()
        self.machine.write("/srv/box/start", START)
        self.machine.write("/srv/box/redis.conf", REDIS.format(hashed=hashed))
        self.machine.sh(CONTAINER)
        self.ready()

    def ready(self) -> None:
        """Wait for the servers."""
        self.machine.sh(
            "for i in $(seq 300); do [ ! -e /srv/box/ready ] || exit 0; sleep 0.1; done\n"
            "podman logs --tail 30 box; exit 1"
        )

    def stop(self) -> None:
        """Stop it at once."""
        self.machine.sh("rm -f /srv/box/ready; podman stop --time 0 box 2>&1")

    def start(self) -> None:
        """Start it again, with what it had."""
        self.machine.sh("podman start box 2>&1")
        self.ready()

    def inside(self, *words: str, data: str = "", user: str = "root", check: bool = True) -> str:
        """Run something in it."""
        argv = ["podman", "exec", "--interactive", "--user", user, "box", *words]
        return self.machine.run(argv, data=data.encode(), check=check).stdout.removesuffix("\n")

    def ask(self, sql: str, database: str = "postgres") -> str:
        """Ask PostgreSQL as its superuser."""
        words = ["env", f"PGDATABASE={database}", "psql", "-XAtq", "-v", "ON_ERROR_STOP=1"]
        return self.inside(*words, data=sql, user="postgres")

    def until_dumping(self) -> None:
        """Wait until a dump copies rows."""
        end = time.monotonic() + 60
        while "COPY" not in self.ask("SELECT query FROM pg_stat_activity WHERE application_name = 'backupspec'"):
            assert time.monotonic() < end

    def maria(self, sql: str) -> str:
        """Ask MariaDB as root."""
        return self.inside("mariadb", "--no-defaults", "-NB", "--default-character-set=utf8mb4", data=sql)


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Box]:
    """Give a host with a container that has servers with some data."""
    with house(tmp_path_factory.mktemp("container"), JOBS) as machine:
        box = Box(machine)
        machine.password("secret", PASSWORD)
        quoted = NASTY.replace('"', '""')
        literal = PASSWORD.replace("'", "''")
        box.ask(
            f"CREATE ROLE keeper LOGIN SUPERUSER PASSWORD '{literal}'; CREATE DATABASE wiki OWNER keeper;"
            f'CREATE DATABASE "{quoted}"'
        )
        box.ask("CREATE TABLE pages AS SELECT n, md5(n::text) AS text FROM generate_series(1, 1000) n", "wiki")
        escaped = PASSWORD.replace("\\", "\\\\").replace("'", "''")
        box.maria(f"GRANT ALL ON *.* TO keeper@localhost IDENTIFIED BY '{escaped}'")
        rows = "SELECT seq AS n, md5(seq) AS text FROM seq_1_to_1000"
        box.maria(f"CREATE DATABASE shop; USE shop; CREATE TABLE pages AS {rows}")
        box.inside("redis-cli", data="".join(f"set key{n} {n}\n" for n in range(100)))
        yield box


def test_postgresql_in_a_container_comes_back_row_by_row(box: Box) -> None:
    box.house.job("wiki")
    nasty = "wiki_.4dein.20.27.53.22hop.20.24.48.4f.4d.45.20.60id.60.0a-.c3.a9"
    assert set(box.house.series()) >= {"wiki_.users", nasty, "wiki_postgres", "wiki_wiki"}
    rows = box.ask("SELECT * FROM pages ORDER BY n", "wiki")
    box.ask("DROP DATABASE wiki")
    box.house.restore("wiki", "wiki")
    assert box.ask("SELECT * FROM pages ORDER BY n", "wiki") == rows
    assert box.ask("SELECT datdba::regrole FROM pg_database WHERE datname = 'wiki'") == "keeper"


@pytest.mark.parametrize(("job", "name"), [("vault", "wiki"), ("till", "shop")])
def test_with_a_password_too_what_is_lost_comes_back(box: Box, job: str, name: str) -> None:
    def ask(sql: str) -> str:
        return box.ask(sql, "wiki") if name == "wiki" else box.maria(f"USE shop; {sql}")

    box.machine.sh(WATCHER)
    box.house.job(job)
    rows = ask("SELECT * FROM pages ORDER BY n")
    ask("DELETE FROM pages WHERE n > 500")
    refused = box.house.restore(job, name, check=False)
    assert refused.code == 1
    assert f"{name} exists" in refused.stderr
    box.house.restore(job, name, "--replace")
    box.machine.sh("touch /run/enough; sleep 0.5; rm -f /run/enough")
    assert ask("SELECT * FROM pages ORDER BY n") == rows
    assert box.machine.read("/run/looks").count("look") > 10
    assert box.machine.read("/run/seen") == ""
    assert "tmp." not in box.inside("ls", "-A", "/dev/shm")


def test_mariadb_and_redis_are_dumped_too(box: Box) -> None:
    box.house.job("shop")
    assert box.house.content("shop_shop").rstrip().endswith(b"-- Dump completed")
    box.house.job("cache")
    box.house.restore("cache", ".all", "--file", "/srv/dump.rdb")
    assert "RDB looks OK" in box.machine.run(["redis-check-rdb", "/srv/dump.rdb"]).stdout


def _restored_through_the_socket(box: Box) -> None:
    """Restore, again where podman's service hung up as the program in the container ended: it does so now and then."""
    for _ in range(5):
        ran = box.house.restore("ship", "wiki", "--replace", check=False)
        if ran.code == 0:
            return
        assert "connection reset by peer" in ran.output
        assert "wiki is what it was before" in ran.output
    pytest.fail("podman's service hangs up each time")


def test_docker_is_talked_to_by_the_job_itself_which_is_in_its_group(box: Box) -> None:
    box.machine.sh(DOCKER_OF_PODMAN)
    refused = box.house.job("ship", check=False)
    assert refused.code == 1
    box.machine.run(["usermod", "--append", "--groups", "docker", "backupspec"])
    box.house.job("ship")
    assert box.house.content("ship_wiki").startswith(b"PGDMP")
    assert unit.read(box.machine, "backupspec-ship_local").all("SupplementaryGroups") == ("docker",)
    assert unit.read(box.machine, "backupspec-wiki_local").all("SupplementaryGroups") == ()
    _restored_through_the_socket(box)
    assert box.ask("SELECT count(*) FROM pages", "wiki") == "1000"


def test_the_newest_dump_is_kept_where_only_the_job_can_read_it(box: Box) -> None:
    box.house.job("kept")
    found = box.machine.sh("cd /srv/dumps; find . -mindepth 1 -printf '%p %U:%g %m\\n' | sort").stdout
    assert found == "./kept 0:backupspec 2750\n./kept/wiki.dump 0:backupspec 640\n"


def test_a_container_that_is_killed_meanwhile_leaves_no_archive_and_one_that_is_down_neither(box: Box) -> None:
    before = box.house.archives()
    box.ask("CREATE TABLE wide AS SELECT repeat(md5(n::text), 1000) AS text FROM generate_series(1, 4000) n", "wiki")
    with ThreadPoolExecutor() as pool:
        running = pool.submit(box.house.job, "kept", check=False)
        box.until_dumping()
        box.stop()
        killed = running.result()
    assert killed.code == 1
    assert "backupspec: wiki: the dump failed" in killed.stderr
    down = box.house.job("wiki", check=False)
    assert down.code == 1
    assert "backupspec: in the container box this ended with" in down.stderr
    assert "the databases could not be listed" in down.stderr
    refused = box.house.restore("wiki", "wiki", "--replace", check=False)
    assert refused.code != 0
    box.start()
    assert box.house.archives() == before
    assert box.ask("SELECT count(*) FROM pages", "wiki") == "1000"
    assert box.machine.sh("ls -A /var/lib/backupspec-stage; ls -d /run/backupspec* 2>/dev/null || :").stdout == ""
