"""MongoDB: the compiled job with stand-ins for its tools that keep to their reference (see mongodb_tools)."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from demo.lab.machine import Machine
from demo.lab.site import Site
from tests.databases import mongodb_tools
from tests.databases.house import House, house

pytestmark = [pytest.mark.root, pytest.mark.borg, pytest.mark.databases, pytest.mark.slow]

PASSWORD = 'it\'s "s3cret" $HOME \\ é'
ODD = "-it's*a&é"
DATABASES: dict[str, Any] = {
    "wiki": {"pages": [{"n": number, "text": "x" * 50} for number in range(1000)], "users": []},
    ODD: {"one": [{"n": 1}]},
    "admin": {"system.users": [{"_id": "admin.backupspec"}]},
    "tmp-1": {"gone": []},
}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """Give a host with a job for each database and one for all together, each run once."""
    more = {"kind": "mongodb", "credential": "mongo", "drill": {}}
    jobs: dict[str, Any] = {"each": {**more, "exclude": ["tmp*"]}, "whole": {**more, "oplog": True}}
    apply = Site.apply

    def with_tools(site: Site, machine: Machine) -> object:
        tools = f"#!/usr/bin/python3 -I\n{Path(mongodb_tools.__file__).read_text(encoding='utf-8')}"
        for name in ("mongod", "mongodump", "mongorestore", "mongosh"):
            machine.write(f"/usr/local/bin/{name}", tools, mode=0o755)
        return apply(site, machine)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Site, "apply", with_tools)
        with house(tmp_path_factory.mktemp("mongodb"), jobs) as host:
            host.machine.sh("install -d -o backupspec /srv/mongo")
            host.machine.write("/srv/account", f"backupspec:{PASSWORD}\n")
            host.machine.write("/srv/fault", "none")
            host.machine.write("/srv/oplog", "")
            for name, content in DATABASES.items():
                host.machine.write(f"/srv/mongo/{quote(name, safe='')}", json.dumps(content))
            host.password("mongo", PASSWORD)
            host.job("each")
            host.job("whole")
            yield host


def content(place: House, name: str) -> Any:  # noqa: ANN401 - whatever JSON there is
    """Give what a database holds."""
    return json.loads(place.machine.read(f"/srv/mongo/{quote(name, safe='')}"))


def databases(place: House) -> str:
    """Give the files of all databases."""
    return place.machine.run(["ls", "/srv/mongo"]).stdout


@contextlib.contextmanager
def fault(place: House, name: str) -> Iterator[None]:
    """Let the server have a fault."""
    place.machine.write("/srv/fault", name)
    try:
        yield
    finally:
        place.machine.write("/srv/fault", "none")


@pytest.fixture(autouse=True)
def _clean(place: House) -> Iterator[None]:
    """See that no test leaves anything of a dump, a restore or a drill."""
    yield
    assert place.left() == ""


def test_each_database_has_a_series_or_all_have_one(place: House) -> None:
    odd = "each_.2dit.27s.2aa.26.c3.a9"
    assert place.series() == tuple(sorted((odd, "each_admin", "each_wiki", "whole_.all")))


@pytest.mark.parametrize("name", ["wiki", ODD])
def test_a_database_that_was_destroyed_comes_back(place: House, name: str) -> None:
    place.machine.run(["rm", f"/srv/mongo/{quote(name, safe='')}"])
    place.restore("each", name)
    assert content(place, name) == DATABASES[name]


def test_one_that_exists_is_left_alone_and_replaced_only_on_demand_and_by_a_whole_one(place: House) -> None:
    place.machine.write("/srv/mongo/wiki", '{"other": []}')
    refused = place.restore("each", "wiki", check=False)
    assert refused.code == 1
    assert "wiki exists; choose another name (--as), or --replace it" in refused.stderr
    with fault(place, "refuse"):
        failed = place.restore("each", "wiki", "--replace", check=False)
    assert failed.code == 1
    assert "wiki is what it was before" in failed.stderr
    with broken_archive(place):
        cut = place.restore("each", "wiki", "--replace", check=False)
    assert cut.code == 1
    assert "the dump is not whole" in cut.stderr
    assert content(place, "wiki") == {"other": []}
    place.restore("each", "wiki", "--as", "copy*of")
    assert content(place, "copy*of") == DATABASES["wiki"]
    place.machine.run(["rm", f"/srv/mongo/{quote('copy*of', safe='')}"])
    place.restore("each", "wiki", "--replace")
    assert content(place, "wiki") == DATABASES["wiki"]
    assert "backupspec-restore" not in databases(place)


def test_all_together_go_only_into_a_server_that_has_none(place: House) -> None:
    before = databases(place)
    for words in ((".all",), (".all", "--replace")):
        assert place.restore("whole", *words, check=False).code == 1
    assert databases(place) == before
    place.machine.sh("rm /srv/mongo/*")
    place.restore("whole", ".all")
    assert {name: content(place, name) for name in DATABASES} == DATABASES


def test_what_is_written_during_a_dump_of_all_is_in_it(place: House) -> None:
    late: dict[str, Any] = {"pages": [], "late": [{"n": 1}]}
    with ThreadPoolExecutor() as pool, fault(place, "held"):
        running = pool.submit(place.job, "whole")
        place.machine.sh("until [ -e /tmp/half ]; do sleep 0.05; done")
        place.machine.write("/srv/mongo/wiki", json.dumps({**DATABASES["wiki"], **late}), owner="backupspec")
        place.machine.write("/srv/oplog", json.dumps({"wiki": late}))
        place.machine.sh("touch /srv/go")
        running.result()
    assert b'"late"' not in place.content("whole_.all").splitlines()[0]
    place.machine.sh("rm /srv/mongo/*")
    place.restore("whole", ".all")
    assert content(place, "wiki") == {"users": [], **late}
    assert "\nwiki 3\n" in place.drill("whole").stderr
    place.machine.write("/srv/mongo/wiki", json.dumps(DATABASES["wiki"]), owner="backupspec")


def test_the_drill_loads_the_newest_dumps_and_fails_with_a_broken_one(place: House) -> None:
    result = "/var/lib/backupspec/drill/each_local"
    assert "\nwiki 2\n" in place.drill("each").stderr
    assert "result=passed" in place.machine.read(result)
    with broken_archive(place):
        assert place.drill("each", check=False).code == 1
    assert "message=wiki cannot be restored" in place.machine.read(result)


def test_users_and_roles_are_not_replaced(place: House) -> None:
    refused = place.restore("each", "admin", "--replace", check=False)
    assert refused.code == 1
    assert "users and roles are not replaced" in refused.stderr
    assert content(place, "admin") == DATABASES["admin"]


def test_a_dump_that_is_cut_leaves_no_archive_is_named_and_costs_the_others_nothing(place: House) -> None:
    before = place.archives()
    with fault(place, "cut wiki"):
        outcome = place.job("each", check=False)
    assert outcome.code == 1
    assert "backupspec: wiki: not dumped" in outcome.stderr
    after = place.archives()
    assert [each for each in after if "_wiki_" in each] == [each for each in before if "_wiki_" in each]
    assert [each for each in after if "_admin_" in each] != [each for each in before if "_admin_" in each]


def test_the_password_is_in_no_argument_and_no_environment(place: House) -> None:
    place.machine.sh(
        "while [ ! -e /run/enough ]; do grep -lsF -f /etc/backupspec/credentials/mongo"
        " /proc/[0-9]*/cmdline /proc/[0-9]*/environ >>/run/seen || :; echo look >>/run/looks; done >/dev/null 2>&1 &"
    )
    with fault(place, "slow"):
        outcome = place.job("each", check=False)
    place.machine.sh("touch /run/enough; sleep 0.3")
    assert outcome.code == 0, outcome.output
    assert place.machine.read("/run/looks").count("look") > 5
    assert place.machine.read("/run/seen") == ""
    assert PASSWORD not in outcome.output


def test_a_wrong_password_and_a_server_that_is_down_fail_the_job_and_leave_no_archive(place: House) -> None:
    before = place.archives()
    place.password("mongo", "wrong")
    refused = [place.job(job, check=False) for job in ("each", "whole")]
    place.password("mongo", PASSWORD)
    with fault(place, "down"):
        down = [place.job(job, check=False) for job in ("each", "whole")]
    for outcome in (*refused, *down):
        assert outcome.code == 1
    assert "the databases cannot be listed" in refused[0].stderr
    assert "backupspec: .all: not dumped" in down[1].stderr
    assert place.archives() == before


@contextlib.contextmanager
def broken_archive(place: House) -> Iterator[None]:
    """Put an archive with a cut dump behind the last one of the series."""
    name = "db01_each_wiki_2099-01-01T00:00:00Z"
    last = max(each for each in place.archives() if "each_wiki_" in each)
    borg = "export BORG_BASE_DIR=/root/other BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK=yes"
    repository = "/backup/borg"
    place.machine.sh(
        f"{borg}; borg extract --stdout {repository}::{last} | head -c 10000 |"
        f" borg create --stdin-name wiki.dump {repository}::{name} -; chown -R backupspec: {repository}"
    )
    try:
        yield
    finally:
        place.machine.sh(f"{borg}; borg delete {repository}::{name}; chown -R backupspec: {repository}")
