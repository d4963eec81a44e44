"""CouchDB: the compiled job against servers that speak its HTTP interface (see couchdb_servers), but CouchDB itself."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import quote

import pytest

from demo.lab.command import Outcome
from tests.databases.couchdb_servers import PASSWORD, PORT, PouchDB, Server, StandIn
from tests.databases.house import house

pytestmark = [pytest.mark.root, pytest.mark.borg, pytest.mark.databases, pytest.mark.slow]

JOBS = {
    "couch": {
        "kind": "couchdb",
        "port": PORT,
        "user": "backupspec",
        "credential": "couch",
        "exclude": ["tmp*"],
        "drill": {},
    }
}
faults = pytest.mark.parametrize("server", [StandIn], indirect=True)
"""What no server does on demand is asked of the stand-in alone."""


@pytest.fixture(scope="module", params=[StandIn, pytest.param(PouchDB, marks=pytest.mark.by_hand(".couchdb"))])
def server(
    tmp_path_factory: pytest.TempPathFactory, checkout: Path, request: pytest.FixtureRequest
) -> Iterator[Server]:
    """Give a host with a server that has some databases, dumped once."""
    with house(tmp_path_factory.mktemp("couchdb"), JOBS) as host:
        server: Server = request.param(host, checkout)
        server.fill()
        host.password("couch", PASSWORD)
        host.job("couch")
        yield server


def meanwhile(server: Server, act: Callable[[], object]) -> Outcome:
    """Run the job so slowly that something can be done half-way through the first large dump."""
    with server.slow(), ThreadPoolExecutor() as pool:
        running = pool.submit(server.house.job, "couch", check=False)
        end = time.monotonic() + 20
        while "_bulk_get" not in server.machine.sh("cat /proc/[0-9]*/cmdline 2>/dev/null || :").stdout:
            assert time.monotonic() < end
        act()
        return running.result()


@pytest.fixture(autouse=True)
def _clean(server: Server) -> Iterator[None]:
    """See that no test leaves anything of a dump, a restore or a drill."""
    yield
    assert server.house.left() == ""


def test_each_database_has_a_series_and_what_is_left_out_has_none(server: Server) -> None:
    odd = "".join(each if each.isalpha() or each == "-" else f".{ord(each):02x}" for each in server.odd)
    own = [name.replace("_", ".5f") for name in server.own]
    assert server.house.series() == tuple(sorted(f"couch_{name}" for name in (*own, odd, "parts", "wiki")))


@pytest.mark.parametrize("which", ["wiki", "odd", "parts"])
def test_a_database_that_was_destroyed_comes_back_with_every_leaf_and_every_digit(server: Server, which: str) -> None:
    name = server.odd if which == "odd" else which
    before = server.state(name)
    assert which != "wiki" or len(before["documents"]) == 454
    server.ask(quote(name, safe=""), "DELETE")
    assert name not in server.ask("_all_dbs")
    server.house.restore("couch", name)
    assert server.state(name) == before


def test_one_that_exists_is_left_alone_and_replaced_only_on_demand(server: Server) -> None:
    before = server.state("wiki")
    server.edit("wiki", {"_id": "page1", "new": True})
    refused = server.house.restore("couch", "wiki", check=False)
    assert refused.code == 1
    assert "wiki exists; choose another name (--as), or --replace it" in refused.stderr
    server.house.restore("couch", "wiki", "--as", "copy/of")
    assert server.state("copy/of") == before
    server.house.restore("couch", "wiki", "--replace")
    assert server.state("wiki") == before
    server.ask("copy%2Fof", "DELETE")
    assert "backupspec-restore" not in server.ask("_all_dbs")


@faults
def test_a_replacement_that_is_refused_leaves_the_old_one(server: StandIn) -> None:
    before = server.state("wiki")
    with server.fault("refuse"):
        refused = server.house.restore("couch", "wiki", "--replace", check=False)
        assert server.house.restore("couch", "wiki", "--as", "other", check=False).code == 1
    assert refused.code == 1
    assert "wiki is what it was before" in refused.stderr
    assert server.state("wiki") == before
    assert set(server.ask("_all_dbs")).isdisjoint({"backupspec-restore", "other"})


def test_a_replacement_by_a_dump_that_is_not_whole_leaves_the_old_one(server: Server) -> None:
    before = server.state("wiki")
    with broken_archive(server):
        cut = server.house.restore("couch", "wiki", "--replace", check=False)
    assert cut.code == 1
    assert "the dump is not whole" in cut.stderr
    assert server.state("wiki") == before
    assert "backupspec-restore" not in server.ask("_all_dbs")


@faults
@pytest.mark.parametrize("name", ["cut", "close"])
def test_an_answer_that_breaks_off_leaves_no_archive_and_is_named(server: StandIn, name: str) -> None:
    before = server.house.archives()
    with server.fault(name):
        outcome = server.house.job("couch", check=False)
    assert outcome.code == 1
    assert "backupspec: wiki: not dumped" in outcome.stderr
    assert [each for each in server.house.archives() if "_wiki_" in each] == [
        each for each in before if "_wiki_" in each
    ]
    assert not [each for each in server.house.archives() if "partial" in each or "checkpoint" in each]


def test_a_client_that_is_killed_leaves_no_archive_and_costs_the_others_nothing(server: Server) -> None:
    before = server.house.archives()
    outcome = meanwhile(server, lambda: end_of(server, "wiki/_bulk_get"))
    assert outcome.code == 1
    assert "backupspec: wiki: not dumped" in outcome.stderr
    assert "not backed up: wiki" in outcome.stderr
    after = server.house.archives()
    assert [each for each in after if "_wiki_" in each] == [each for each in before if "_wiki_" in each]
    assert [each for each in after if "_parts_" in each] != [each for each in before if "_parts_" in each]


def test_what_is_written_meanwhile_is_in_the_dump_or_as_it_was_and_never_half(server: Server) -> None:
    def write() -> None:
        for number in range(20):
            for name in ("page1", "page449", f"new{number}"):
                server.edit("wiki", {"_id": name, "both": [number, number]})

    outcome = meanwhile(server, write)
    assert outcome.code == 0, outcome.output
    server.house.restore("couch", "wiki", "--as", "later")
    restored = server.state("later")["documents"]
    assert set(server.state("wiki")["documents"]) >= set(restored) >= {f"page{n}" for n in range(450)}
    for leaves in restored.values():
        assert all(leaf["both"][0] == leaf["both"][1] for leaf in leaves if "both" in leaf)
    assert len(restored["page1"]) == 1
    server.ask("later", "DELETE")


def test_one_that_vanishes_is_named_and_comes_back_from_its_last_dump(server: Server) -> None:
    server.house.job("couch")
    names = ("wiki", server.odd)
    before = {name: server.state(name) for name in names}
    server.ask(quote(server.odd, safe=""), "DELETE")
    outcome = meanwhile(server, lambda: server.ask("wiki", "DELETE"))
    assert outcome.code == 1
    assert "backupspec: wiki: not dumped" in outcome.stderr
    assert f"the database {server.odd} is gone" in outcome.stderr
    assert "the database wiki is gone" in server.house.job("couch").stderr
    for name in names:
        server.house.restore("couch", name)
    assert {name: server.state(name) for name in names} == before


def test_the_password_is_in_no_argument_and_no_environment(server: Server) -> None:
    server.machine.sh(
        "while [ ! -e /run/enough ]; do grep -lsF -f /etc/backupspec/credentials/couch"
        " /proc/[0-9]*/cmdline /proc/[0-9]*/environ >>/run/seen || :; echo look >>/run/looks; done >/dev/null 2>&1 &"
    )
    outcome = meanwhile(server, lambda: None)
    server.machine.sh("touch /run/enough; sleep 0.3")
    assert outcome.code == 0, outcome.output
    assert server.machine.read("/run/looks").count("look") > 5
    assert server.machine.read("/run/seen") == ""
    assert PASSWORD not in outcome.output


def test_the_drill_reads_the_newest_dumps_to_their_ends_and_fails_with_a_broken_one(server: Server) -> None:
    drilled = server.house.drill("couch")
    assert "parts: 1 revisions" in drilled.stderr
    with broken_archive(server):
        assert server.house.drill("couch", check=False).code == 1
    state = server.machine.read("/var/lib/backupspec/drill/couch_local")
    assert "result=failed" in state
    assert "the dump of wiki is not whole" in state


def test_a_wrong_password_and_a_server_that_is_down_fail_the_job_and_leave_no_archive(server: Server) -> None:
    before = server.house.archives()
    server.house.password("couch", "wrong")
    refused = server.house.job("couch", check=False)
    server.house.password("couch", PASSWORD)
    server.stop()
    down = server.house.job("couch", check=False)
    for outcome in (refused, down):
        assert outcome.code == 1
        assert "the databases cannot be listed" in outcome.stderr
    assert "401" in refused.stderr
    assert server.house.archives() == before


def end_of(server: Server, part: str) -> None:
    """End the curl that asks for this, inside the machine."""
    script = """
        for process in /proc/[0-9]*; do
            line=$(tr '\\0' ' ' <"$process/cmdline" 2>/dev/null) || continue
            case $line in *"curl "*"$PART"*) kill -9 "${process##*/}"; echo "$line" ;; esac
        done
    """
    end = time.monotonic() + 20
    while not server.machine.run(["sh", "-euc", script], env={"PART": part}).stdout:
        assert time.monotonic() < end


@contextlib.contextmanager
def broken_archive(server: Server) -> Iterator[None]:
    """Put an archive with a cut dump behind the last one of the series."""
    name = "db01_couch_wiki_2099-01-01T00:00:00Z"
    last = max(each for each in server.house.archives() if "_wiki_" in each)
    borg = "export BORG_BASE_DIR=/root/other BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK=yes"
    repository = "/backup/borg"
    server.machine.sh(
        f"{borg}; borg extract --stdout {repository}::{last} | head -n 100 |"
        f" borg create --stdin-name wiki.dump {repository}::{name} -; chown -R backupspec: {repository}"
    )
    try:
        yield
    finally:
        server.machine.sh(f"{borg}; borg delete {repository}::{name}; chown -R backupspec: {repository}")
