"""One inventory in, a backed-up host and a restored file out, for every pair of borg generations."""

import contextlib
import json
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import pytest

from demo.lab import borgs
from demo.lab.machine import Machine
from demo.lab.room import Room
from demo.lab.site import (
    ACCOUNT,
    SCRIPTS,
    Site,
    borg_in_environment_of,
    bytes_below,
    job_script,
    repository_script,
)

pytestmark = [pytest.mark.root, pytest.mark.borg, pytest.mark.sshd, pytest.mark.systemd, pytest.mark.slow]

_INVENTORY = Path(__file__).with_name("inventory.yaml")
_CREATE = f"{SCRIPTS}/jobs/data_central/create"
_GUARDED = f"{SCRIPTS}/jobs/data_guarded/create"
_SOURCES = r"""
mkdir -p /srv/data/sub/empty /srv/data/cache /srv/disk; cd /srv/data
printf hello >'with space'; printf x >"quote'\"\$HOME"; printf y >zähler; printf z >-dash
dd if=/dev/urandom of=random bs=1M count=4 status=none
ln -s ../nowhere dangling; ln random sub/hard; mkfifo sub/pipe; truncate -s 5M sparse
printf secret >sub/root-only; chmod 0600 sub/root-only
printf other >sub/other; chown 4321:8765 sub/other; chmod 4751 sub/other
setfattr -n user.lab -v value 'with space' && setfacl -m u:4321:r zähler
printf junk >cache/junk
mkdir sub/skipped; touch sub/skipped/.nobackup sub/skipped/file
"""


@dataclass(frozen=True, slots=True)
class Fleet:
    """A server and two hosts with everything applied, sshd running and every repository made."""

    server: Machine
    web01: Machine
    db01: Machine


_PAIRS = [
    pytest.param((client, server), id=f"{client}-to-{server}", marks=pytest.mark.xdist_group(f"{client}-to-{server}"))
    for client in borgs.GENERATIONS
    for server in borgs.GENERATIONS
]


@pytest.fixture(params=_PAIRS, scope="module")
def fleet(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """Compile for one pair of generations and bring it onto machines, which the tests share."""
    client, serving = request.param
    folder = tmp_path_factory.mktemp("site")
    site = Site(folder / "inventory", folder / "out")
    (site.inventory / "keys").mkdir(parents=True)
    text = _INVENTORY.read_text(encoding="utf-8").replace("@CLIENT@", client).replace("@SERVER@", serving)
    (site.inventory / "inventory.yaml").write_text(text, encoding="utf-8")
    with Room() as room:
        server = room.machine("bkp01", ["192.0.2.10"], fresh=["/backup"])
        web01 = room.machine("web01", ["192.0.2.21"], fresh=["/root", "/srv"])
        db01 = room.machine("db01", ["192.0.2.22"], fresh=["/root", "/srv"])
        assert borgs.give(server, serving).startswith(f"borg {serving}.")
        site.learn_host_key(server)
        site.compile()
        for host in (web01, db01):
            assert borgs.give(host, client).startswith(f"borg {client}.")
            host.sh(_SOURCES)
            said = site.apply(host).output
            site.learn_key(host)
            assert host.read("/etc/backupspec/credentials/ssh_key.pub") in said
        site.compile()
        for machine in (server, web01, db01):
            site.apply(machine)
        server.start_sshd()
        for host, repository in ((web01, "central"), (db01, "guarded")):
            repository_script(host, repository, "init")
        yield Fleet(server, web01, db01)


def _archives(host: Machine, repository: str = "central") -> list[str]:
    names = [line.split()[0] for line in repository_script(host, repository, "list").stdout.splitlines()]
    return [name for name in names if name.startswith(f"{host.name}_data_")]


def test_back_up_thin_out_check_and_restore(fleet: Fleet) -> None:
    host, server = fleet.web01, fleet.server
    assert "there already" in repository_script(host, "central", "init").stdout

    left = -time.time() % 86400
    time.sleep(left if left < 150 else 0)  # the three shall be of one day
    for _ in range(3):
        host.sh("dd if=/dev/urandom of=/srv/data/random bs=1M count=4 status=none")
        job_script(host, "data", "central", "create")
    first, second, third = _archives(host)
    assert re.fullmatch(r"web01_data_\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", first)

    assert first[:21] == second[:21] == third[:21]
    job_script(host, "data", "central", "prune")
    assert _archives(host) == [first, third]  # borg keeps the oldest one too while a rule is not full
    full = bytes_below(server, "/backup/web01/central")
    repository_script(host, "central", "compact")
    assert bytes_below(server, "/backup/web01/central") < full - 3_000_000
    repository_script(host, "central", "check")

    owners = server.run(["find", "/backup/web01/central", "!", "-user", "bs-web01"]).stdout
    assert owners == ""

    before = {path: what for path, what in host.files_below("/srv/data").items() if path.parts[0] != "cache"}
    del before[PurePosixPath("sub/skipped/file")]  # and the marker beside it is kept
    said = repository_script(host, "central", "restore", "data", "/root/restored").stdout
    assert third in said
    assert host.files_below("/root/restored/srv/data") == before
    attributes = host.sh("cd /root/restored/srv/data; getfattr -n user.lab 'with space'; getfacl -c zähler").stdout
    assert 'user.lab="value"' in attributes
    assert "user:4321:r--" in attributes
    again = repository_script(host, "central", "restore", "data", "/root/restored", check=False)
    assert again.code == 1
    assert "never overwrites" in again.stderr
    repository_script(host, "central", "restore", third, "/root/one", "/srv/data/with space")
    assert list(map(str, host.files_below("/root/one"))) == ["srv", "srv/data", "srv/data/with space"]


def test_what_cannot_be_whole_fails_and_says_why(fleet: Fleet) -> None:
    host = fleet.web01
    unmounted = job_script(host, "disk", "central", "create", check=False)
    assert unmounted.code == 75
    assert "/srv/disk is not mounted" in unmounted.stderr
    host.run(["mount", "-t", "tmpfs", "tmpfs", "/srv/disk"])
    job_script(host, "disk", "central", "create")
    missing = job_script(host, "gone", "central", "create", check=False)
    assert missing.code not in (0, 75)
    assert "/srv/gone" in missing.stderr
    host.run(["mkdir", "/srv/gone"])
    job_script(host, "gone", "central", "create")
    archives = repository_script(host, "central", "list").stdout
    host.sh("rmdir /srv/gone && ln -s /srv/data /srv/gone")
    linked = job_script(host, "gone", "central", "create", check=False)
    assert linked.code == 1
    assert "/srv/gone is a symbolic link" in linked.stderr
    host.sh("rm /srv/gone && mkdir /srv/gone && touch /srv/gone/.nobackup /srv/gone/file")
    marked = job_script(host, "gone", "central", "create", check=False)
    assert marked.code == 1
    assert "/srv/gone itself is marked" in marked.stderr
    assert repository_script(host, "central", "list").stdout == archives
    host.sh("rm -r /srv/gone")


@contextlib.contextmanager
def _changing(host: Machine, path: str) -> Iterator[None]:
    """Change a file all the time, so that it surely does while it is read."""
    loop = f"(while :; do touch {path}; sleep 0.01; done) </dev/null >/dev/null 2>&1 & echo $!"
    pid = host.sh(loop).stdout.strip()
    try:
        yield
    finally:
        host.run(["kill", pid])


def test_a_file_that_changes_is_a_warning_and_one_that_cannot_be_read_is_a_failure(fleet: Fleet) -> None:
    host = fleet.web01
    host.sh("mkdir /srv/gone && touch /srv/gone/locked && head -c 48M /dev/urandom >/srv/gone/busy")
    with _changing(host, "/srv/gone/busy"):
        changed = job_script(host, "gone", "central", "create", check=False)
        host.run(["mount", "--bind", "/proc/1/mem", "/srv/gone/locked"])  # not even a capability opens that
        both = job_script(host, "gone", "central", "create", check=False)
    unreadable = job_script(host, "gone", "central", "create", check=False)
    host.sh("umount /srv/gone/locked && rm -r /srv/gone")

    assert (changed.code, _marked(changed.stderr)) == (0, {"C /srv/gone/busy"}), changed.stderr
    assert "backupspec: whole; files marked C above changed while they were read" in changed.stderr
    assert (both.code, _marked(both.stderr)) == (1, {"C /srv/gone/busy", "E /srv/gone/locked"})
    assert (unreadable.code, _marked(unreadable.stderr)) == (1, {"E /srv/gone/locked"})
    for outcome in (both, unreadable):
        assert "backupspec: the archive is not whole, see above" in outcome.stderr


def _marked(said: str) -> set[str]:
    return set(re.findall(r"(?m)^[A-Z?] /.*$", said))


def test_jobs_of_one_repository_wait_for_each_other_and_do_not_fail(fleet: Fleet) -> None:
    """While the lock is held two jobs wait for it; then both do their work, one after the other."""
    host = fleet.web01
    host.sh("mkdir /srv/gone && head -c 48M /dev/urandom >/srv/gone/new")
    job = f"{SCRIPTS}/jobs/%s_central/create 8>&- >/dev/null 2>&1 & %s=$!"
    held = f"""
        exec 8>>/var/lib/backupspec/central.lock
        flock 8
        {job % ("data", "one")}
        {job % ("gone", "two")}
        for _ in 1 2 3 4 5 6 7 8 9 10; do [ "$(pgrep -xc flock)" = 2 ] || sleep 0.5; done
        sleep 1
        pgrep -xc flock
        if pgrep -x borg; then exit 9; fi
        flock -u 8
        wait $one && wait $two && echo both
    """
    said = host.as_service(ACCOUNT, ["sh", "-euc", held]).stdout
    asked = borg_in_environment_of(host, _CREATE, "borg info --json --last 2").stdout
    host.sh("rm -r /srv/gone")
    assert said.split() == ["2", "both"]
    first, second = sorted(json.loads(asked)["archives"], key=lambda archive: str(archive["start"]))
    assert {archive["name"].split("_")[1] for archive in (first, second)} == {"data", "gone"}
    assert first["end"] <= second["start"]


def test_a_stolen_key_opens_its_own_host_s_repositories_from_its_own_address_and_nothing_else(fleet: Fleet) -> None:
    host, server, thief = fleet.web01, fleet.server, fleet.db01
    own = next(line for line in thief.read(_GUARDED).splitlines() if line.startswith("export BORG_REPO="))
    assert "db01" in own

    other_path = own.replace("/db01/guarded", "/web01/central")
    said = borg_in_environment_of(thief, _GUARDED, f"{other_path}\nborg list", check=False)
    assert said.code >= 2
    assert "not allowed" in said.stderr

    login = "ssh -F /etc/backupspec/ssh_config bs-web01@backupspec-guarded </dev/null"
    said = borg_in_environment_of(thief, _GUARDED, login, check=False)
    assert said.code == 255
    assert "Permission denied (publickey)" in said.stderr

    stolen = "export CREDENTIALS_DIRECTORY=/srv/stolen"
    thief.write("/srv/stolen/ssh_key", host.read("/etc/backupspec/credentials/ssh_key"), mode=0o600, owner=ACCOUNT)
    said = borg_in_environment_of(thief, _GUARDED, f"{stolen}\n{login}", check=False)
    assert said.code == 255
    assert "Permission denied (publickey)" in said.stderr
    assert "correct key but not from a permitted host" in server.sshd_log()


def test_no_shell_no_terminal_and_no_tunnel(fleet: Fleet) -> None:
    host = fleet.web01
    ssh = f"ssh -F /etc/backupspec/ssh_config {_destination(host)}"
    said = borg_in_environment_of(host, _CREATE, f"{ssh} id </dev/null", check=False)
    assert "uid=" not in said.output
    said = borg_in_environment_of(host, _CREATE, f"{ssh} -tt </dev/null", check=False)
    assert "$ " not in said.stdout
    said = borg_in_environment_of(host, _CREATE, f"{ssh} -W 127.0.0.1:22 </dev/null", check=False)
    assert said.code != 0
    assert "SSH-2.0" not in said.stdout
    said = borg_in_environment_of(
        host, _CREATE, f"sftp -F /etc/backupspec/ssh_config {_destination(host)} </dev/null", check=False
    )
    assert said.code != 0


def test_append_only_keeps_the_bytes_of_what_a_host_deletes(fleet: Fleet) -> None:
    host, server = fleet.db01, fleet.server
    assert host.run(["ls", f"{SCRIPTS}/jobs/data_guarded/prune"], check=False).code == 2
    assert host.run(["ls", f"{SCRIPTS}/repositories/guarded/compact"], check=False).code == 2
    job_script(host, "data", "guarded", "create")
    full = bytes_below(server, "/backup/db01/guarded/data")
    borg_in_environment_of(host, _GUARDED, "borg delete --glob-archives '*'; borg compact")
    assert _archives(host, "guarded") == []
    assert bytes_below(server, "/backup/db01/guarded/data") >= full


def test_nobody_but_the_job_s_account_reads_its_secrets(fleet: Fleet) -> None:
    host = fleet.web01
    listing = host.run(["find", "/etc/backupspec/credentials", "-type", "f", "!", "-name", "*.pub", "-perm", "/077"])
    assert listing.stdout == ""
    assert host.run(["stat", "-c", "%a %U", "/etc/backupspec/credentials"]).stdout == "700 root\n"
    assert host.account(ACCOUNT).shell.endswith("nologin")


def _destination(host: Machine) -> str:
    """Return ACCOUNT@SERVER as the compiled script reaches it."""
    line = next(line for line in host.read(_CREATE).splitlines() if line.startswith("export BORG_REPO="))
    return line.partition("ssh://")[2].partition("/")[0]
