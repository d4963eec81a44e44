"""Any other command, for real: what it writes is an archive if it ends with 0, and nothing if it does not."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.databases.house import House, house

pytestmark = [pytest.mark.root, pytest.mark.borg, pytest.mark.databases, pytest.mark.slow]

ARGUMENT = "it's $HOME `id` \\ -é"
EXPORT = """#!/bin/sh
# Half-way it looks what the test wants of it.
id -un >/tmp/who-$1
[ "$2" = "$(cat /srv/argument)" ] || exit 9
head -c 3000000 /srv/$1/data || exit
case $(cat /srv/want) in
    fail) exit 7 ;;
    die) kill -9 $$ ;;
    hang) sleep 300 ;;
esac
tail -c +3000001 /srv/$1/data
"""
IMPORT = """#!/bin/sh
{ id -un; id -Gn; } >/tmp/loader-$1
cat >/srv/$1/data.new && mv /srv/$1/data.new /srv/$1/data
[ "$(cat /srv/want)" != fail ]
"""


def job(name: str, **more: object) -> dict[str, object]:
    """Give a job that dumps and loads what lies in /srv/NAME."""
    return {
        "kind": "command",
        "dump": ["/usr/local/bin/export", name, ARGUMENT],
        "load": ["/usr/local/bin/import", name],
        "time_limit": "10s",
        **more,
    }


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """Give a host with a job of the jobs' account, one of another, and one that knows no way back, each run once."""
    jobs = {
        "plain": job("plain"),
        "tickets": job("tickets", account="tickets"),
        "oneway": {"kind": "command", "dump": ["/bin/echo", ARGUMENT]},
    }
    with house(tmp_path_factory.mktemp("command"), jobs) as host:
        host.machine.write("/usr/local/bin/export", EXPORT, mode=0o755)
        host.machine.write("/usr/local/bin/import", IMPORT, mode=0o755)
        host.machine.write("/srv/argument", ARGUMENT)
        host.machine.write("/srv/want", "work")
        host.machine.sh("useradd -r -U -s /usr/sbin/nologin tickets; groupadd desk; usermod -aG desk tickets")
        for name, account in (("plain", "backupspec"), ("tickets", "tickets")):
            host.machine.sh(
                f"install -d -o {account} -m 0700 /srv/{name}; head -c 6000000 /dev/urandom >/srv/{name}/data\n"
                f"chown {account} /srv/{name}/data; sha256sum </srv/{name}/data >/srv/{name}.sum"
            )
        for name in jobs:
            host.job(name)
        yield host


def unchanged(place: House, name: str) -> bool:
    """Tell whether the data are what they were at the beginning."""
    return place.machine.sh(f"sha256sum </srv/{name}/data").stdout == place.machine.read(f"/srv/{name}.sum")


def test_arguments_arrive_as_written_and_the_output_is_the_dump(place: House) -> None:
    assert place.series() == ("oneway_.all", "plain_.all", "tickets_.all")
    assert place.content("oneway_.all").decode() == f"{ARGUMENT}\n"
    assert len(place.content("plain_.all")) == 6000000


@pytest.mark.parametrize(("name", "account"), [("plain", "backupspec"), ("tickets", "tickets")])
def test_dump_and_load_run_as_their_account_and_bring_everything_back(place: House, name: str, account: str) -> None:
    assert place.machine.read(f"/tmp/who-{name}").strip() == account
    place.machine.sh(f"rm /srv/{name}/data")
    place.restore(name, ".all")
    assert unchanged(place, name)
    loader = place.machine.read(f"/tmp/loader-{name}").splitlines()
    assert loader[0] == account
    assert "root" not in loader[1].split()
    assert ("desk" in loader[1].split()) == (name == "tickets")


@pytest.mark.parametrize("name", ["plain", "tickets"])
@pytest.mark.parametrize("fault", ["fail", "die", "hang"])
def test_a_dump_that_fails_half_way_leaves_nothing_and_is_named(place: House, name: str, fault: str) -> None:
    before = place.archives()
    place.machine.write("/srv/want", fault)
    outcome = place.job(name, check=False)
    place.machine.write("/srv/want", "work")
    assert outcome.code == 1
    assert "backupspec: .all: not dumped" in outcome.stderr
    assert ("longer than time_limit allows (10 seconds)" in outcome.stderr) == (fault == "hang" and name == "plain")
    assert place.archives() == before
    left = place.machine.sh("find /var/lib/backupspec /run/backupspec* -size +100k -name '*.dump*' 2>/dev/null || :")
    assert left.stdout == ""


NAMES = "/usr/local/lib/backupspec/databases/{}/names"
HOSTILE = r"""#!/bin/sh
printf '../../../../srv/volume/x\0.all\0*\0.other\0=\0\0=ok\0.all/../../x\0'
printf '\033]0;=title\n\0=%s\0' "$(head -c 200000 /dev/zero | tr '\0' x)"
"""


@pytest.mark.parametrize("name", ["plain", "tickets"])
def test_what_is_no_name_is_refused_and_named_and_the_others_are_dumped(place: House, name: str) -> None:
    machine, names = place.machine, NAMES.format(name)
    compiled, before = machine.read(names), place.series()
    machine.sh(
        "install -d -m 0777 /srv/volume; echo precious >/root/precious; echo precious >/srv/volume/x.dump\n"
        "ln -sfn /root/precious /srv/volume/x.new"
    )
    machine.write(names, HOSTILE, mode=0o755)
    outcome = place.job(name, check=False)
    machine.write(names, compiled, mode=0o755)
    assert outcome.code == 1
    refused = ("*", "../../../../srv/volume/x", ".all/../../x", ".other", "=", "?]0;=title?", f"={'x' * 59}")
    for text in refused:
        assert f"backupspec: {text}: this is no name of a database, and was not dumped\n" in outcome.stderr
    assert "backupspec: ok: " in outcome.stderr  # a name, but no command dumps it
    listed = outcome.stderr.partition("backupspec: not backed up: ")[2].partition("\n")[0].split("; ")
    assert set(listed) == {*refused, "ok"}
    assert place.series() == tuple(sorted((*before, f"{name}_.all")))
    assert machine.sh("cat /root/precious /srv/volume/x.dump").stdout == "precious\nprecious\n"
    known = machine.read(f"/var/lib/backupspec/databases/{name}_local.now")
    assert known == ".all\nok\n"
    place.job(name)


@pytest.mark.parametrize("name", ["plain", "tickets"])
def test_a_list_without_an_end_fills_nothing(place: House, name: str) -> None:
    machine, names = place.machine, NAMES.format(name)
    compiled, before = machine.read(names), place.series()
    machine.write(names, "#!/bin/sh\nyes =x | tr '\\n' '\\0'\n", mode=0o755)
    outcome = place.job(name, check=False)
    machine.write(names, "#!/bin/sh\nprintf '.all\\0=cut'\n", mode=0o755)
    cut = place.job(name, check=False)
    machine.write(names, compiled, mode=0o755)
    for one in (outcome, cut):
        assert one.code == 1
        assert "be listed; nothing was dumped" in one.stderr
    assert place.series() == before


def test_a_command_that_fails_to_load_fails_the_restore_and_says_that_it_may_have_begun(place: House) -> None:
    place.machine.write("/srv/want", "fail")
    outcome = place.restore("plain", ".all", check=False)
    place.machine.write("/srv/want", "work")
    assert outcome.code == 1
    assert "what the command has done until then is still there" in outcome.stderr
    other = place.restore("plain", ".all", "--as", "other", check=False)
    assert (other.code, other.stderr) == (1, "backupspec: what this kind dumps has one name: without --as\n")


def test_a_dump_that_cannot_be_read_to_its_end_never_reaches_the_command(place: House) -> None:
    place.machine.sh(
        "export BORG_BASE_DIR=/root/other BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK=yes\n"
        "echo no | borg create --stdin-name other /backup/borg::db01_plain_.all_2099-01-01T00:00:00Z -\n"
        "chown -R backupspec: /backup/borg; echo kept >/srv/plain/data"
    )
    outcome = place.restore("plain", ".all", check=False)
    assert outcome.code == 1
    assert "the dump cannot be read to its end; the command was not run" in outcome.stderr
    assert place.machine.read("/srv/plain/data") == "kept\n"
    place.restore("plain", ".all", "--at", "2090-01-01")
    assert unchanged(place, "plain")


def test_without_a_way_back_a_restore_writes_a_file(place: House) -> None:
    refused = place.restore("oneway", ".all", check=False)
    assert refused.code == 1
    assert "use --file" in refused.stderr
    place.restore("oneway", ".all", "--file", "/root/dump")
    assert place.machine.read("/root/dump") == f"{ARGUMENT}\n"
