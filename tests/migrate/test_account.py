"""Repositories that belong to an account: whoever works on them has two of root's capabilities and no more."""

from __future__ import annotations

import json
import os
import pwd
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from backupspec_migrate.standing import LOSSES
from tests.migrate.mounted import Mounted, mounted
from tests.migrate.site import Site, inventory, make_atimes_tell
from tests.migrate.test_faults import await_that, children, history, planned, started
from tests.migrate.test_import import filled, name_of
from tests.migrate.test_writer import differences, extracted

pytestmark = [pytest.mark.root, pytest.mark.borg]

ACCOUNT = pwd.getpwnam("games")
READS, OWNS = "+dac_read_search", "+fowner"


def given_away(folder: Path) -> None:
    """Give a folder and all in it to the account."""
    for path in (folder, *folder.rglob("*")):
        os.chown(path, ACCOUNT.pw_uid, ACCOUNT.pw_gid)


def as_account(*capabilities: str) -> tuple[str, ...]:
    """Give what to put before a command that is to run as the account, with nothing but these capabilities."""
    become = (f"--reuid={ACCOUNT.pw_uid}", f"--regid={ACCOUNT.pw_gid}", "--clear-groups")
    held = ",".join(capabilities)
    limits = (f"--inh-caps=-all,{held}", f"--ambient-caps=-all,{held}", f"--bounding-set=-all,{held}")
    return "setpriv", *become, *limits, "--"


@pytest.fixture
def strict(place: Path) -> Iterator[Mounted]:
    """Mount what the snapshots lie on so that every reading moves an access time."""
    snapshots = place / "site/snapshots"
    snapshots.mkdir(parents=True)
    with mounted("-t", "tmpfs", "-o", "strictatime", "none", snapshots) as mount:
        yield mount


@pytest.mark.parametrize("name", ["run", "verify"])
def test_a_process_at_work_on_it_has_two_capabilities_and_no_way_to_more(
    make_site: Callable[..., Site], name: str
) -> None:
    site = make_site()
    history(site)
    given_away(site.folder / "repos")
    planned(site, "--encryption", "none")
    if name == "verify":
        assert site.run("run").returncode == 0
    with started(site, name, "--log-json") as process:
        assert process.stdout is not None
        assert any('"start"' in line for line in process.stdout)
        found: list[str] = []

        def at_work() -> bool:
            with suppress(FileNotFoundError, ProcessLookupError):
                found[:] = [Path(f"/proc/{one}/status").read_text() for one in children(process.pid)]
            return len(found) == (2 if name == "run" else 1)  # one reads, one writes

        await_that(at_work, "they were never seen")
        process.stdout.read()
        assert process.wait() == 0
    both = f"{1 << 2 | 1 << 3:016x}"  # CAP_DAC_READ_SEARCH and CAP_FOWNER
    for status in found:
        assert re.findall(r"^Uid:\t(.*)$", status, re.MULTILINE) == ["\t".join([str(ACCOUNT.pw_uid)] * 4)]
        sets = dict(re.findall(r"^Cap(\w+):\t(\w+)$", status, re.MULTILINE))
        assert sets == dict.fromkeys(("Inh", "Prm", "Eff", "Bnd", "Amb"), both)


@pytest.mark.parametrize("rights", [(), ("setpriv", "--bounding-set=-sys_admin")], ids=["sealed", "not sealed"])
def test_the_source_keeps_its_access_times_where_every_reading_moves_them(
    make_site: Callable[..., Site], strict: Mounted, rights: tuple[str, ...]
) -> None:
    """Also where root may not seal the source, so that each opening has to ask for it: that takes CAP_FOWNER."""
    site = make_site(among=(*strict.among, *rights))
    os.chown(site.put("web01/etc/somebody's", "x"), 4_000, 4_000)
    site.put("web01/etc/shadow", "secret").chmod(0o600)
    filled(site, 2)
    given_away(site.folder / "repos")
    tree = strict.seen(site.snapshots)
    before = make_atimes_tell(tree)
    site.migrate()
    site.verify()
    assert inventory(tree) == before
    (tree / "daily.0/web01" / site.original() / "etc/motd").read_bytes()
    assert inventory(tree) != before, "here a reading is seen"


def test_without_the_right_to_keep_access_times_nothing_is_read(
    make_site: Callable[..., Site], strict: Mounted, borg14: Path
) -> None:
    site = make_site(among=strict.among)
    times = filled(site, 2)
    planned(site, "--encryption", "none")
    os.chown(site.folder, ACCOUNT.pw_uid, ACCOUNT.pw_gid)
    for name in ("repos", "base", "migration"):
        given_away(site.folder / name)
    tree = strict.seen(site.snapshots)
    before = make_atimes_tell(tree)
    site.among = (*strict.among, *as_account(READS))
    done = site.run("run")
    assert done.returncode == 1
    assert f"{site.snapshots} cannot be read: Operation not permitted" in done.stderr
    assert inventory(tree) == before
    before = make_atimes_tell(tree)
    site.among = (*strict.among, *as_account(READS, OWNS))
    for name in ("run", "verify"):
        done = site.run(name)
        assert done.returncode == 0, done.stderr
    assert inventory(tree) == before
    assert site.archives(borg14) == [name_of(when) for when in times]


# --- attributes that only root sees ----------------------------------------------------------------------------------


def with_trusted_attributes(site: Site) -> list[str]:
    """Give two things such attributes, one of them under two names, and give the paths in the archives."""
    layer = site.put("web01/layer/etc/motd", "x").parent.parent
    (layer / "second").hardlink_to(layer / "etc/motd")
    os.setxattr(layer / "etc/motd", "trusted.overlay.metacopy", b"")
    os.setxattr(layer / "etc", "trusted.overlay.opaque", b"y")
    # As XFS shows an ACL to root, beside the ACL itself.
    os.setxattr(site.put("web01/layer/acl", "x"), "trusted.SGI_ACL_FILE", b"acl")
    os.setxattr(site.put("web01/layer/plain", "x"), "user.colour", b"blue")
    return [f"{site.original()}/layer/{name}" for name in ("etc", "etc/motd", "second")]


def losses(site: Site) -> list[list[dict[str, object]]]:
    """Give what each archive is said to lack, as the report for programs has it."""
    done = site.run("report", "--format", "json")
    assert done.returncode == 0, done.stderr
    return [one["losses"] for series in json.loads(done.stdout)["series"] for one in series["archives"]]


def test_a_repository_of_root_has_the_attributes_that_only_root_sees(
    make_site: Callable[..., Site], borg14: Path, place: Path
) -> None:
    site = make_site()
    with_trusted_attributes(site)
    when = site.night()
    site.migrate()
    assert "BS641" not in site.verify().stderr
    assert losses(site) == [[]]
    out = extracted(site, borg14, when, place)
    assert os.getxattr(out / "layer/etc", "trusted.overlay.opaque") == b"y"
    assert differences(site, "daily.0", out) == b""


def test_attributes_that_only_root_sees_are_said_to_be_missing_where_an_account_wrote(
    make_site: Callable[..., Site], borg14: Path
) -> None:
    site = make_site()
    paths = with_trusted_attributes(site)
    times = [site.night(), site.night()]
    given_away(site.folder / "repos")
    site.migrate()
    done = site.verify()
    for when in times:
        assert f"{name_of(when)}: 3 stored without trusted.* attributes" in done.stderr
        stored = [item.get("xattrs") for item in site.items(borg14, name_of(when)).values()]
        assert [one for one in stored if one] == [{"user.colour": "blue"}]
    assert losses(site) == [[{"kind": "trusted attribute", "count": 3, "paths": paths}]] * 2
    assert f"{LOSSES['trusted attribute']}: 6 in all archives together, on web01" in " ".join(
        site.run("report").stdout.split()
    )
