"""What the compiled README.md says of databases: accounts are made and a lost host comes back by it as it stands."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import pytest

from demo.lab import borgs
from demo.lab.command import Outcome
from tests.databases.house import HOST, REPOSITORY, House, house
from tests.databases.mysql_server import Server as Maria
from tests.databases.postgres import Server as Postgres

pytestmark = [pytest.mark.root, pytest.mark.borg, pytest.mark.databases, pytest.mark.slow]

FAR = "192.0.2.40"
PASSWORD = 'it"s $HOME # secret'
WITH = {"user": 'Mein "Dumper\'s"', "credential": "pw", "address": FAR}
SOCKET = "/run/redis/redis-server.sock"
JOBS = {
    "wiki": {"kind": "postgresql", "drill": {"assert": [{"database": "wiki", "query": "SELECT count(*) > 0 FROM t"}]}},
    "shop": {"kind": "mariadb", "databases": ["shop"]},
    "till": {"kind": "mariadb", "databases": ["shop"], "user": "dumper", "credential": "pw"},
    "farpg": {"kind": "postgresql", "databases": ["wiki"], **WITH},
    "farmy": {"kind": "mariadb", "databases": ["shop"], **WITH},
    "cache": {"kind": "redis", "socket": SOCKET, "credential": "pw"},
}
REDIS = f"""
install -d -o redis -g redis -m 2755 /run/redis
install -d -o redis -g redis /srv/redis
cd /srv/redis
printf 'port 0\\nunixsocket {SOCKET}\\nunixsocketperm 770\\ndir /srv/redis\\nrepl-diskless-sync-delay 0\\n' >conf
chown redis conf
setpriv --reuid=redis --regid=redis --clear-groups -- redis-server ./conf --daemonize yes >/dev/null
for i in $(seq 100); do if redis-cli -s {SOCKET} ping >/dev/null 2>&1; then exit; fi; sleep 0.1; done
exit 1
"""


@dataclass(frozen=True, slots=True)
class Bare(Maria):
    """A MariaDB server that knows nobody but its root."""

    account: ClassVar[str] = ""


def block(of: House, job: str, after: str) -> list[str]:
    """Give the lines of the first block of a job's section that follows some words."""
    page = (of.site.output / "README.md").read_text(encoding="utf-8")
    section = page.split(f"\n### {HOST}: {job}\n")[1].split("\n#")[0]
    found = re.search(r"```\n(.*?)```", section[section.index(after) :], re.DOTALL)
    assert found is not None
    return found[1].splitlines()


def typed(of: House, job: str, machine: House, program: str) -> None:
    """Type what the page says for a program: on that machine, in that program, with the password in its place."""
    lines = block(of, job, f", in `{program}")
    secret = PASSWORD.replace("\\", "\\\\").replace('"', '\\"') if "redis" in program else PASSWORD
    text = "".join(f"{line}\n" for line in lines).replace("SECRET", secret.replace("'", "''"))
    said = machine.machine.run(shlex.split(program), data=text.encode(), env={"PGOPTIONS": ""})
    assert "ERROR" not in said.output.replace("ERR The server", ""), said.output


def servers(of: House) -> tuple[Postgres, Bare]:
    """Start the servers of db01, as empty as their packages make them."""
    postgres, maria = Postgres(of, account=""), Bare(of)
    maria.install()
    of.machine.sh(REDIS)
    of.password("pw", PASSWORD)
    return postgres, maria


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """Give a host with servers that know only their own superusers, and another machine `far` with two more."""
    with house(tmp_path_factory.mktemp("runbook"), JOBS, address="192.0.2.30") as machine:
        postgres, maria = servers(machine)
        postgres.ask("CREATE ROLE owner; CREATE DATABASE wiki OWNER owner; CREATE DATABASE other")
        postgres.ask("SET ROLE owner; CREATE TABLE t AS SELECT generate_series(1, 100) AS n", "wiki")
        maria.ask("CREATE DATABASE shop; CREATE USER clerk@localhost; GRANT SELECT ON shop.* TO clerk@localhost")
        maria.ask("CREATE TABLE t (n int); INSERT INTO t VALUES (7)", "shop")
        yield machine


@pytest.fixture(scope="module")
def far(host: House) -> House:
    """Give another machine, whose servers listen for db01."""
    other = House(host.room.machine("far", [FAR]), host.site, host.room)
    postgres, maria = Postgres(other, account="", listen=FAR), Bare(other, listen=FAR)
    postgres.ask("CREATE ROLE owner; CREATE DATABASE wiki OWNER owner")
    postgres.ask("SET ROLE owner; CREATE TABLE t AS SELECT generate_series(1, 100) AS n", "wiki")
    maria.install()
    maria.ask("CREATE DATABASE shop")
    maria.ask("CREATE TABLE t AS SELECT seq AS n FROM seq_1_to_100", "shop")
    return other


def test_apply_says_whose_account_is_to_be_made_until_its_first_dump(host: House) -> None:
    said = host.site.apply(host.machine).stdout
    assert re.findall(r"next: make the account that dumps (\w+) on its server", said) == [
        "cache",
        "farmy",
        "farpg",
        "shop",
        "till",
        "wiki",
    ]


@pytest.mark.parametrize(
    ("job", "program"),
    [("wiki", "runuser -u postgres -- psql"), ("shop", "mariadb"), ("till", "mariadb")],
)
def test_the_account_of_a_server_on_the_host_dumps(host: House, job: str, program: str) -> None:
    typed(host, job, host, program)
    host.job(job)
    assert f"dumps {job} " not in host.site.apply(host.machine).stdout
    # It changes nothing.
    tried = {
        "wiki": ("psql -d wiki -c", "permission denied"),
        "shop": ("mariadb shop -e", "command denied"),
        "till": (f"mariadb --user=dumper --password={shlex.quote(PASSWORD)} shop -e", "command denied"),
    }
    program, said = tried[job]
    for sql in ("INSERT INTO t VALUES (8)", "DELETE FROM t", "CREATE TABLE mine (n int)", "DROP TABLE t"):
        refused = host.machine.run(["runuser", "-u", "backupspec", "--", *shlex.split(program), sql], check=False)
        assert refused.code != 0
        assert said in refused.stderr or "must be owner" in refused.stderr, refused.stderr


def test_the_user_of_redis_is_made_at_its_prompt(host: House) -> None:
    host.machine.sh("\n".join(block(host, "cache", "as root:")))
    typed(host, "cache", host, f"redis-cli -s {SOCKET}")
    host.job("cache")
    # It changes nothing, and reads nothing but the whole.
    for words in ("set mine 1", "flushall", "get mine", "config get dir"):
        client = ["redis-cli", "-s", SOCKET, "--user", "backupspec", *words.split()]
        assert "NOPERM" in host.machine.run(client, env={"REDISCLI_AUTH": PASSWORD}).stdout


@pytest.mark.parametrize(("job", "program"), [("farpg", "runuser -u postgres -- psql"), ("farmy", "mariadb")])
def test_the_account_of_a_server_elsewhere_lets_the_host_in_and_back(
    host: House, far: House, job: str, program: str
) -> None:
    """It dumps; and it restores once the page's last line is typed too."""
    typed(host, job, far, program)
    if job == "farpg":
        (line,) = [line for line in block(host, job, ", in `") if line.startswith("-- host ")]
        line = line.removeprefix("-- ")
        far.machine.run(["sed", "-i", f"1i {line}", "/srv/pg/data/pg_hba.conf"])
        far.machine.run(["runuser", "-u", "postgres", "--", "psql", "-c", "SELECT pg_reload_conf()"])
    host.job(job)
    name = {"farpg": "wiki", "farmy": "shop"}[job]
    assert host.restore(job, name, "--as", "copy", check=False).code == 1
    lines = block(host, job, f", in `{program}")
    last = lines[lines.index("-- only to restore as this user:") + 1 :]
    grants = "".join(
        line.removeprefix("-- ").replace("GRANT name", "GRANT owner") + "\n" for line in last if line.endswith(";")
    )
    far.machine.run(shlex.split(program), data=grants.encode())
    host.restore(job, name, "--as", "copy")
    count = b"SELECT count(*) FROM copy.t;" if job == "farmy" else b"\\c copy\nSELECT count(*) FROM t;"
    assert re.search(r"^ *100$", far.machine.run(shlex.split(program), data=count).stdout, re.MULTILINE)


def command(of: House, line: str) -> Outcome:
    """Run a line of the page, as far as no systemd is needed for it."""
    program, word, job, *words = shlex.split(line)
    assert program == "backupspec-run"
    if word == "restore-database":
        return of.restore(job, *words)
    return of.job(job) if word == "create" else of.drill(job)


def test_a_lost_host_comes_back_as_the_page_says(host: House) -> None:
    # A new machine of that name, with an empty disk and the repository.
    machine = host.room.machine(HOST, ["192.0.2.31"])
    borgs.give(machine, "1.2")
    new = House(machine, host.site, host.room)
    new.site.apply(machine)
    packed = host.machine.sh(f"tar -C {REPOSITORY} -cf - . | base64").stdout
    machine.sh(f"install -d -o backupspec -g backupspec -m 0700 {REPOSITORY}")
    machine.run(["sh", "-c", f"base64 -d | tar -C {REPOSITORY} -xf - --owner=backupspec"], data=packed.encode())
    postgres, maria = servers(new)
    for job in ("wiki", "shop"):
        first, *lines = block(new, job, "**On a new host.**")
        there = [name for name in re.findall(r"^\S+", command(new, first).stdout, re.MULTILINE) if name[0] != "."]
        assert {"wiki": "other", "shop": "shop"}[job] in there
        for line in lines:
            # The server has `postgres` by itself.
            for name in there if "DATABASE" in line else ("",):
                if name != "postgres":
                    command(new, line.replace("DATABASE", name))
        for line in block(new, job, "the proof:"):
            command(new, line)
    assert postgres.ask("SELECT sum(n) FROM t", "wiki") == "5050"
    assert postgres.ask("SELECT datdba::regrole FROM pg_database WHERE datname = 'wiki'") == "owner"
    assert maria.ask("SELECT n FROM shop.t") == "7\n"
    assert "ON `shop`.*" in maria.ask("SHOW GRANTS FOR clerk@localhost")
