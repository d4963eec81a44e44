"""Redis, and Valkey where there is one, for real: the compiled job against a server on a socket of its own."""

from __future__ import annotations

import contextlib
import hashlib
import shutil
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from demo.lab.command import Outcome
from tests.databases.house import House, house

pytestmark = [pytest.mark.root, pytest.mark.borg, pytest.mark.databases, pytest.mark.slow]

PASSWORD = 'it\'s "s3cret" $HOME \\ é'
KEYS = 2000


class Server:
    """A server inside the machine, configured and started as Debian's own would be, with other rights."""

    def __init__(self, house: House, product: str) -> None:
        self.house, self.product = house, product
        self.machine = house.machine
        self.folder, self.run = f"/var/lib/{product}", f"/run/{product}"
        self.socket = f"{self.run}/{product}-server.sock"
        owner = f"-o {product} -g {product}"
        self.machine.sh(
            f"rm -rf {self.folder}; install -d {owner} -m 0750 {self.folder}; install -d {owner} -m 2755 {self.run}\n"
            f"usermod -aG {product} backupspec"
        )
        hashed = hashlib.sha256(PASSWORD.encode()).hexdigest()
        self.settings = {
            "port": "0",
            "unixsocket": self.socket,
            "unixsocketperm": "770",
            "dir": self.folder,
            "repl-diskless-sync-delay": "0",
            "enable-debug-command": "local",
            "user": f"backupspec on #{hashed} resetkeys resetchannels -@all +sync +replconf",
        }
        self.start()

    def start(self, **settings: str) -> None:
        """Write the configuration and start; wait until the data are loaded."""
        self.settings |= {name.replace("_", "-"): value for name, value in settings.items()}
        text = "".join(f"{name} {value}\n" for name, value in self.settings.items())
        conf = f"/etc/{self.product}/{self.product}.conf"
        self.machine.write(conf, text, owner=self.product)
        become = f"setpriv --reuid={self.product} --regid={self.product} --init-groups --"
        self.machine.sh(f"{become} {self.product}-server {conf} --daemonize yes >/dev/null")
        self.until(lambda: "PONG" in self.ask("ping", check=False))

    def stop(self) -> None:
        """Stop it as systemd does: it may write its data first."""
        self.ask("shutdown", check=False)
        self.until(lambda: "PONG" not in self.ask("ping", check=False))

    def until(self, true: Callable[[], bool]) -> None:
        """Wait for something, at most a minute."""
        end = time.monotonic() + 60
        while not true():
            assert time.monotonic() < end, self.machine.sh(f"ls -la {self.folder} {self.run}").stdout
            time.sleep(0.05)

    def ask(self, *words: str, check: bool = True) -> str:
        """Ask as root, who may do everything."""
        outcome = self.machine.run([f"{self.product}-cli", "-s", self.socket, *words], check=check)
        return outcome.stdout.strip()

    def digest(self) -> str:
        """Give the server's own digest of all keys, values and expiry times."""
        return self.ask("debug", "digest")

    def dump_meanwhile(self, act: Callable[[], object], *, microseconds: int = 1000) -> Outcome:
        """Run the job so slowly that something can be done half-way through the dump."""
        self.ask("config", "set", "rdb-key-save-delay", str(microseconds))
        try:
            with ThreadPoolExecutor() as pool:
                running = pool.submit(self.house.job, "cache", check=False)
                self.until(lambda: "rdb_bgsave_in_progress:1" in self.ask("info", "persistence"))
                time.sleep(0.5)
                act()
                return running.result()
        finally:
            self.ask("config", "set", "rdb-key-save-delay", "0", check=False)


PRODUCTS = [product for product in ("redis", "valkey") if shutil.which(f"{product}-server")]


@pytest.fixture(scope="module", params=PRODUCTS)
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Give a host with a server that has some data, dumped once."""
    product = request.param
    jobs = {
        "cache": {
            "kind": product,
            "socket": f"/run/{product}/{product}-server.sock",
            "credential": "cache",
            "drill": {},
        }
    }
    with house(tmp_path_factory.mktemp("redis"), jobs) as machine:
        server = Server(machine, product)
        machine.password("cache", PASSWORD)
        fill = f"for n = 1, {KEYS} do redis.call('set', 'key' .. n, string.rep(tostring(n), 50)) end"
        server.ask("eval", fill, "0")
        server.ask("-n", "3", "zadd", "it's $HOME\n\xe9", "1", "a b", "2", "-dash")
        server.ask("set", "ends", "later", "EX", "360000")
        server.ask("function", "load", "#!lua name=mine\nredis.register_function('mine', function() return 1 end)")
        machine.job("cache")
        yield server


@pytest.fixture(autouse=True)
def _clean(server: Server) -> Iterator[None]:
    """See that no test leaves anything of a dump, a restore or a drill."""
    yield
    assert server.house.left() == ""


def test_all_databases_of_a_server_are_one_series(server: Server) -> None:
    assert server.house.series() == ("cache_.all",)
    assert server.house.content("cache_.all").startswith(b"REDIS")


def test_what_was_destroyed_comes_back_key_by_key(server: Server) -> None:
    before = server.digest()
    server.ask("flushall")
    server.stop()
    server.machine.sh(f"rm -rf {server.folder}/*")
    restored = server.house.restore("cache", ".all")
    assert f"wrote {server.folder}/dump.rdb" in restored.stderr
    owner = server.machine.sh(f"stat -c %U:%G:%a {server.folder}/dump.rdb").stdout.strip()
    assert owner == f"{server.product}:{server.product}:660"
    server.start()
    assert server.digest() == before
    assert int(server.ask("ttl", "ends")) > 350000
    assert server.ask("fcall", "mine", "0") == "1"


def test_nothing_is_written_under_a_server_that_runs(server: Server) -> None:
    for words in ([".all", "--replace"], [".all", "--as", f"{server.folder}/other.rdb", "--replace"]):
        refused = server.house.restore("cache", *words, check=False)
        assert refused.code == 1
        assert f"the {server.product} server is running: stop it first" in refused.stderr
        assert "Traceback" not in refused.stderr
    assert "other.rdb" not in server.machine.run(["ls", server.folder]).stdout


def test_a_file_that_exists_is_replaced_only_on_demand_and_only_by_a_whole_one(server: Server) -> None:
    before = server.digest()
    server.ask("set", "new", "value")
    changed = server.digest()
    server.stop()
    refused = server.house.restore("cache", ".all", check=False)
    assert refused.code == 1
    assert ".all exists; choose another name (--as), or --replace it" in refused.stderr
    with broken_archive(server):
        failed = server.house.restore("cache", ".all", "--replace", check=False)
        assert failed.code == 1
        assert "the dump is not whole" in failed.stderr
        assert ".all is what it was before" in failed.stderr
    server.start()
    assert server.digest() == changed
    server.stop()
    server.house.restore("cache", ".all", "--replace")
    server.start()
    assert server.digest() == before
    assert "backupspec" not in server.machine.run(["ls", server.folder]).stdout


def test_a_server_that_keeps_a_log_of_all_changes_starts_with_the_restored_data(server: Server) -> None:
    before = server.digest()
    server.stop()
    server.start(appendonly="yes")
    server.ask("config", "set", "appendonly", "yes")
    server.ask("flushall")
    server.stop()
    server.house.restore("cache", ".all", "--replace")
    server.start()
    assert server.digest() == before
    # On a new machine nothing but the configuration tells that there is one.
    server.stop()
    server.machine.sh(f"rm -rf {server.folder}/*")
    server.house.restore("cache", ".all")
    server.start()
    assert server.digest() == before
    server.stop()
    server.machine.sh(f"rm -rf {server.folder}/appendonly*")
    server.start(appendonly="no")
    assert server.digest() == before


def test_the_dump_is_one_moment_while_the_server_is_written_to(server: Server) -> None:
    program = (
        "for n = 1, 50 do redis.call('incr', 'left'); redis.call('set', 'k' .. n, n); redis.call('incr', 'right') end"
    )
    words = f'-s {server.socket} -r 100000 eval "{program}" 0 >/dev/null 2>&1 & echo $!'
    writer = server.machine.sh(f"{server.product}-cli {words}").stdout.strip()
    outcome = server.dump_meanwhile(lambda: None, microseconds=200)
    server.machine.run(["kill", writer])
    assert outcome.code == 0, outcome.output
    written = int(server.ask("get", "left"))
    server.stop()
    server.house.restore("cache", ".all", "--replace")
    server.start()
    left, right = int(server.ask("get", "left")), int(server.ask("get", "right"))
    assert left == right
    assert 0 < left < written


@pytest.mark.parametrize("way", ["connection", "child", "client"])
def test_a_dump_that_is_cut_half_way_leaves_no_archive_and_is_named(server: Server, way: str) -> None:
    ways = {
        "connection": lambda: server.ask("client", "kill", "type", "replica"),
        "child": lambda: end(server, f"{server.product}-rdb-to-"),
        "client": lambda: end(server, f"{server.product}-cli -s {server.socket} --user backupspec --askpass --rdb"),
    }
    before = server.house.archives()
    outcome = server.dump_meanwhile(ways[way])
    assert outcome.code == 1
    assert "backupspec: .all: not dumped" in outcome.stderr
    assert server.house.archives() == before


def test_the_password_is_in_no_argument_and_no_environment_and_a_wrong_one_leaves_no_archive(server: Server) -> None:
    watcher = (
        "while [ ! -e /run/enough ]; do grep -lsF -f /etc/backupspec/credentials/cache"
        " /proc/[0-9]*/cmdline /proc/[0-9]*/environ >>/run/seen || :; echo look >>/run/looks; done >/dev/null 2>&1 &"
    )
    server.machine.sh(watcher)
    outcome = server.dump_meanwhile(lambda: None)
    server.machine.sh("touch /run/enough; sleep 0.3")
    assert outcome.code == 0, outcome.output
    assert server.machine.read("/run/looks").count("look") > 5
    assert server.machine.read("/run/seen") == ""
    assert PASSWORD not in outcome.output

    before = server.house.archives()
    server.house.password("cache", "wrong")
    outcome = server.house.job("cache", check=False)
    server.house.password("cache", PASSWORD)
    assert outcome.code == 1
    assert "WRONGPASS" in outcome.stderr
    assert "backupspec: .all: not dumped" in outcome.stderr
    assert server.house.archives() == before


def test_a_server_that_is_down_fails_the_job_and_leaves_no_archive(server: Server) -> None:
    before = server.house.archives()
    server.stop()
    outcome = server.house.job("cache", check=False)
    server.start()
    assert outcome.code == 1
    assert "backupspec: .all: not dumped" in outcome.stderr
    assert server.house.archives() == before


def test_the_drill_loads_the_newest_dump_and_fails_with_a_broken_one(server: Server) -> None:
    drilled = server.house.drill("cache")
    assert "db3:keys=1" in drilled.stderr
    assert "result=passed" in server.machine.read("/var/lib/backupspec/drill/cache_local")
    with broken_archive(server):
        assert server.house.drill("cache", check=False).code == 1
    assert "result=failed" in server.machine.read("/var/lib/backupspec/drill/cache_local")


FAKE = """
import socket, sys
listening = socket.socket(socket.AF_UNIX)
listening.bind(sys.argv[1])
listening.listen()
print("listens", flush=True)
while True:
    there, _ = listening.accept()
    while got := there.recv(1000):
        if b"SYNC" in got.upper():
            there.sendall(b"$5\\r\\nhello")
        else:
            there.sendall(b"+OK\\r\\n")
"""


def test_what_is_no_rdb_file_is_no_dump(server: Server) -> None:
    before = server.house.archives()
    server.stop()
    server.machine.write("/srv/fake", FAKE)
    server.machine.sh(
        f"rm -f {server.socket}; python3 /srv/fake {server.socket} >/srv/said 2>&1 </dev/null & echo $! >/srv/pid\n"
        f"while [ ! -s /srv/said ]; do sleep 0.1; done; chmod 0777 {server.socket}"
    )
    try:
        ran = server.house.job("cache", check=False)
    finally:
        server.machine.sh(f"kill $(cat /srv/pid); rm -f {server.socket}")
        server.start()
    assert ran.code == 1
    assert "what the server sent is no RDB file" in ran.stderr
    assert server.house.archives() == before


def test_without_a_socket_and_a_password_it_is_the_usual_port(server: Server) -> None:
    server.stop()
    server.start(port="6379")
    server.house.written({"cache": {"kind": server.product}})
    server.house.job("cache")
    assert server.house.content("cache_.all").startswith(b"REDIS")


def end(server: Server, beginning: str) -> None:
    """End the process whose command line begins so, inside the machine."""
    server.machine.write("/run/wanted", beginning)
    script = """
        for process in /proc/[0-9]*; do
            line=$(tr '\\0' ' ' <"$process/cmdline" 2>/dev/null) || continue
            case $line in "$(cat /run/wanted)"*) kill -9 "${process##*/}"; echo "$line" ;; esac
        done
    """
    assert server.machine.sh(script).stdout


@contextlib.contextmanager
def broken_archive(server: Server) -> Iterator[None]:
    """Put an archive with a cut dump behind the last one of the series."""
    name = "db01_cache_.all_2099-01-01T00:00:00Z"
    borg = "export BORG_BASE_DIR=/root/other BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK=yes"
    repository = "/backup/borg"
    last = server.house.archives()[-1]
    server.machine.sh(
        f"{borg}; borg extract --stdout {repository}::{last} | head -c 20000 |"
        f" borg create --stdin-name .all.dump {repository}::{name} -; chown -R backupspec: {repository}"
    )
    try:
        yield
    finally:
        server.machine.sh(f"{borg}; borg delete {repository}::{name}; chown -R backupspec: {repository}")
