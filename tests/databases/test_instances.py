"""Several servers of one kind on a host, for real: each job goes to its own, and what comes back goes there alone.

PostgreSQL's are in test_postgresql.py.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.databases.house import House, house

pytestmark = [pytest.mark.root, pytest.mark.borg, pytest.mark.databases, pytest.mark.slow]

INSTANCES = ("one", "two")
SHOPS = {
    f"shop-{name}": {"kind": "mariadb", "socket": f"/run/my/{name}.sock", "data": [f"/srv/my/{name}"], "drill": {}}
    for name in INSTANCES
}
CACHES = {
    f"cache-{name}": {"kind": "redis", "socket": f"/run/kv/{name}.sock", "data": [f"/srv/kv/{name}"], "drill": {}}
    for name in INSTANCES
}
START = """
if [ ! -e "/srv/my/$1" ]; then
    install -d -o mysql -g mysql /run/my /srv/my
    install -d -o redis -g redis /run/kv /srv/kv "/srv/kv/$1"
    mariadb-install-db --no-defaults --datadir="/srv/my/$1" --user=mysql --skip-test-db \
        --auth-root-authentication-method=socket >/dev/null
    setpriv --reuid=mysql --regid=mysql --clear-groups -- \
        mariadbd --no-defaults --skip-networking --datadir="/srv/my/$1" --socket="/run/my/$1.sock" \
        >"/srv/my/$1.log" 2>&1 </dev/null &
fi
setpriv --reuid=redis --regid=redis --clear-groups -- \
    redis-server --port 0 --unixsocket "/run/kv/$1.sock" --unixsocketperm 777 --dir "/srv/kv/$1" \
    --repl-diskless-sync-delay 0 --daemonize yes >/dev/null
for _ in $(seq 150); do
    if mariadb --socket="/run/my/$1.sock" -e 'SELECT 1' >/dev/null 2>&1 && redis-cli -s "/run/kv/$1.sock" ping; then
        exit
    fi
    sleep 0.2
done
cat "/srv/my/$1.log"
exit 1
"""
ACCOUNT = """
CREATE USER backupspec@localhost IDENTIFIED VIA unix_socket;
GRANT SELECT, SHOW VIEW, TRIGGER, EVENT ON *.* TO backupspec@localhost;
CREATE DATABASE shop;
"""


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """Give a host on which two servers of each kind run, with the same names and other contents."""
    state = {"state": {"paths": ["/srv"]}}
    with house(tmp_path_factory.mktemp("instances"), SHOPS | CACHES, files=state) as host:
        for name in INSTANCES:
            host.machine.run(["sh", "-euc", START, "start", name])
            sql(host, name, f"{ACCOUNT} CREATE TABLE shop.goods AS SELECT '{name}' AS origin")
            redis(host, name, "set", "origin", name)
        for job in SHOPS | CACHES:
            host.job(job)
        yield host


def sql(host: House, name: str, text: str) -> str:
    """Ask one of the two MariaDB servers as its superuser."""
    words = ["mariadb", "--no-defaults", f"--socket=/run/my/{name}.sock", "--batch", "--skip-column-names"]
    return host.machine.run(words, data=text.encode()).stdout.strip()


def redis(host: House, name: str, *words: str, check: bool = True) -> str:
    """Ask one of the two Redis servers."""
    return host.machine.run(["redis-cli", "-s", f"/run/kv/{name}.sock", *words], check=check).stdout.strip()


def test_each_has_its_own_series(both: House) -> None:
    names = [f"shop-{name}_{series}" for name in INSTANCES for series in (".users", "shop")]
    assert both.series() == tuple(sorted([*names, *(f"cache-{name}_.all" for name in INSTANCES)]))


@pytest.mark.parametrize(("name", "other"), [INSTANCES, INSTANCES[::-1]])
def test_a_database_comes_back_where_it_was_and_nowhere_else(both: House, name: str, other: str) -> None:
    sql(both, name, "DROP DATABASE shop")
    sql(both, other, "INSERT INTO shop.goods VALUES ('new')")
    both.restore(f"shop-{name}", "shop")
    assert sql(both, name, "SELECT origin FROM shop.goods") == name
    assert sql(both, other, "SELECT count(*) FROM shop.goods") == "2"
    sql(both, other, "DELETE FROM shop.goods WHERE origin = 'new'")


@pytest.mark.parametrize(("name", "other"), [INSTANCES, INSTANCES[::-1]])
def test_the_file_of_a_server_goes_into_its_own_folder(both: House, name: str, other: str) -> None:
    redis(both, name, "set", "origin", "changed")
    redis(both, name, "shutdown", "nosave", check=False)
    both.restore(f"cache-{name}", ".all", *(["--replace"] if "dump.rdb" in files(both, name) else []))
    both.machine.run(["sh", "-euc", START, "start", name])
    assert redis(both, name, "get", "origin") == name
    assert redis(both, other, "get", "origin") == other
    assert files(both, other).split() in ([], ["dump.rdb"])


def files(host: House, name: str) -> str:
    """Give what lies in the data folder of one of the Redis servers."""
    return host.machine.run(["ls", f"/srv/kv/{name}"]).stdout


@pytest.mark.parametrize("job", sorted(SHOPS | CACHES))
def test_each_can_be_drilled(both: House, job: str) -> None:
    both.drill(job)
    assert "result=passed" in both.machine.read(f"/var/lib/backupspec/drill/{job}_local")


def test_the_live_data_of_both_are_left_out_of_the_files(both: House) -> None:
    both.job("state")
    (archive,) = (name for name in both.archives() if "_state_" in name)
    inside = both.inside(archive)
    assert "srv/kv" in inside
    assert "srv/my/one.log" in inside
    assert not [path for path in inside if path.startswith(("srv/kv/", "srv/my/one/", "srv/my/two/"))]
