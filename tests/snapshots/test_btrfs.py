"""Files jobs that read btrfs snapshots, on a real btrfs: what they store, and what they leave."""

from __future__ import annotations

import contextlib
import json
import random
import re
import time
from collections.abc import Iterator

import pytest

from demo.lab.site import SCRIPTS, repository_script
from tests.snapshots.ground import VIEWS, Ground, ground

pytestmark = [pytest.mark.root, pytest.mark.borg, pytest.mark.btrfs, pytest.mark.timeout(900)]

RESERVED = ".backupspec-snapshots"
ODD = '/srv/data/it\'s $(a) "path" \\ [x]*'
FILL = """
umount -R /srv/data 2>/dev/null || :
mkdir -p /srv/data
mkfs.btrfs --quiet --force "$0"
mount "$0" /srv/data
cd /srv/data
btrfs subvolume create nested >/dev/null
btrfs subvolume create 'nested/deeper one' >/dev/null
chown 33:34 nested
chmod 2751 nested
mkdir -p plain/.cache scratch marked
echo 'Signature: 8a477f597d28d172789f06886806bc55' >marked/CACHEDIR.TAG
btrfs subvolume create scratch/big >/dev/null
echo a >plain/a
ln plain/a plain/b
ln -s a plain/c
echo x | tee plain/.cache/x nested/n 'nested/deeper one/d' scratch/s scratch/big/b marked/m >/dev/null
head -c 3000000 /dev/urandom >plain/large
sync
"""
TREE = {"paths": ["/srv/data"], "exclude": ["**/.cache", "/srv/data/scratch"]}


@pytest.fixture(scope="module")
def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    """Give the host with one borg; each test brings its own jobs."""
    with ground(tmp_path_factory.mktemp("ground"), {"www": TREE}, borg=getattr(request, "param", "1.2")) as found:
        yield found


both = pytest.mark.parametrize("place", ["1.2", "1.4"], indirect=True, scope="module")
"""What depends on borg's own ways is asked of both generations."""


@pytest.fixture
def here(place: Ground) -> Iterator[Ground]:
    """Give the host with a new file system on /srv/data; after the test nothing of a snapshot is there."""
    place.machine.run(["sh", "-euc", FILL, place.device])
    yield place
    assert place.mounted() == []
    assert place.sh(f"ls {VIEWS} 2>/dev/null || :") == ""
    place.sh("umount -R /srv/data")


def subvolumes(place: Ground) -> list[str]:
    """Give the path of each subvolume."""
    listing = place.sh("btrfs subvolume list /srv/data")
    return sorted(line.partition(" path ")[2] for line in listing.splitlines())


OWN = ["nested", "nested/deeper one", "scratch/big"]


@both
def test_archives_are_the_same_with_and_without(here: Ground) -> None:
    """Of every item: kind, mode, owner, size, time, path, content. Turning it on, or off, stores nothing twice."""
    here.machine.run(["mkdir", f"/srv/data/{RESERVED}"])
    for more in ({}, {"one_file_system": True}):
        found = []
        for snapshot in ("none", "btrfs"):
            here.compiled({"www": TREE | more | {"snapshot": snapshot}})
            here.job("www")
            found.append([line for line in here.items("www") if f" srv/data/{RESERVED} " not in line])
        assert found[0] == found[1]
        assert any(" srv/data/nested/deeper one/d " in line for line in found[1]) != bool(more)
        assert any(line.startswith("d drwxr-s--x 33:34 ") and " srv/data/nested " in line for line in found[1])
        assert not any("scratch" in line or ".cache" in line or line.endswith("marked/m") for line in found[1])
        assert any(" srv/data/marked/CACHEDIR.TAG " in line for line in found[1])
    for name in here.archives("www")[1:]:
        told = json.loads(repository_script(here.machine, "local", "borg", "info", "--json", f"::{name}").stdout)
        assert told["archives"][0]["stats"]["deduplicated_size"] < 100_000
    assert subvolumes(here) == OWN


@both
def test_a_second_run_reads_no_file_that_did_not_change(here: Ground) -> None:
    """But the newest of all, which borg itself never trusts."""
    here.compiled({"www": TREE | {"snapshot": "btrfs"}})
    script = f"{SCRIPTS}/jobs/www_local/create"
    here.sh(f"sed -i 's/--filter CE/--filter AMUCE/' {script}; echo newest >/srv/data/plain/newest")
    here.job("www")
    time.sleep(1.1)  # the archive's name holds the second
    here.sh("echo new >/srv/data/plain/new")
    said = here.job("www").output
    states = {path: state for state, path in re.findall(r"^([AMUCE]) (.*)$", said, flags=re.MULTILINE)}
    assert {path for path, state in states.items() if state != "U"} <= {"srv/data/plain/new", "srv/data/plain/newest"}
    assert states["srv/data/plain/large"] == states["srv/data/nested/deeper one/d"] == "U"


WRITER = """
n=0
while [ ! -e /run/enough ]; do
    n=$((n + 1))
    for name in a-first z-second; do
        printf '%09d\\n' "$n" | dd of="/srv/data/$name" conv=notrunc,fsync status=none
    done
    sleep 0.02
done
"""


@contextlib.contextmanager
def written_to(here: Ground) -> Iterator[None]:
    """Have two files changed in lock-step, one right after the other; borg needs a while for what lies between them.

    It reads a folder in the order of the inodes, so they are made in that order and changed in place.
    """
    here.sh("rm -f /run/enough; cd /srv/data && : >a-first && head -c 40000000 /dev/urandom >m-large && : >z-second")
    here.machine.write("/run/writer", WRITER)
    here.sh("setsid sh /run/writer >/dev/null 2>&1 & while [ ! -s /srv/data/z-second ]; do sleep 0.05; done")
    try:
        yield
    finally:
        here.sh("touch /run/enough; while pgrep -f '^sh /run/writer' >/dev/null; do sleep 0.05; done")


def pair(here: Ground) -> tuple[int, int]:
    """Give what the newest archive has of the two."""
    first, second = (int(here.content("www", f"srv/data/{name}") or 0) for name in ("a-first", "z-second"))
    return first, second


def test_an_archive_is_of_one_moment(here: Ground) -> None:
    """Without a snapshot it is not: borg comes by the second file when it has changed many times more."""
    with written_to(here):
        here.compiled({"www": TREE | {"snapshot": "btrfs"}})
        for _ in range(2):
            here.job("www")
            first, second = pair(here)
            assert (first - second in {0, 1}, min(first, second) > 0) == (True, True)
            time.sleep(1.1)
        here.compiled({"www": TREE})
        torn = False
        for _ in range(20):
            here.sh("touch /srv/data/m-large")  # borg reads it again, as it did in the first runs
            here.job("www")
            first, second = pair(here)
            torn = torn or second > first
            if torn:
                break
            time.sleep(1.1)
        assert torn


def test_paths_are_found_whatever_they_are_called_and_lead_through(here: Ground) -> None:
    """A single file, a name full of signs, a path below a symbolic link, an optional path."""
    here.machine.run(["mkdir", "-p", f"{ODD}/below", "/srv/data/real/inside"])
    here.machine.write(f"{ODD}/below/x", "x")
    here.machine.write("/srv/data/real/inside/y", "y")
    here.sh("ln -sfn data/real /srv/link")
    paths = [ODD, "/srv/link/inside", "/srv/data/plain/a"]
    here.compiled({"www": {"paths": paths, "optional_paths": ["/srv/data/perhaps"], "snapshot": "btrfs"}})
    here.job("www")
    held = "\n".join(here.items("www"))
    for path in (f"{ODD}/below/x", "/srv/link/inside/y", "/srv/data/plain/a"):
        assert f" {path[1:]} " in held
    here.sh("rm /srv/link")


def test_a_path_that_is_missing_fails_the_job_and_costs_the_others_nothing(here: Ground) -> None:
    here.sh("ln -s plain /srv/data/alias")
    here.compiled({"www": {"paths": ["/srv/data/plain", "/srv/data/gone", "/srv/data/alias"], "snapshot": "btrfs"}})
    ended = here.job("www", check=False)
    assert ended.code == 1
    assert "backupspec: /srv/data/gone is missing" in ended.output
    assert "backupspec: /srv/data/alias is a symbolic link" in ended.output
    assert any(" srv/data/plain/a " in line for line in here.items("www"))


def test_what_is_no_btrfs_is_said_before_anything_is_read(here: Ground) -> None:
    """Also if it is only mounted somewhere below, unless the job leaves it out or stays on one file system."""
    before = here.archives("www")
    for folder in ("/srv/other", "/srv/data/plain/mem"):
        here.sh(f"mkdir -p {folder}; mount -t tmpfs none {folder}")
    here.compiled({"www": {"paths": ["/srv/data/nested", "/srv/other"], "snapshot": "btrfs"}})
    ended = here.job("www", check=False)
    assert (ended.code, "backupspec: /srv/other is on tmpfs, not on btrfs\n" in ended.output) == (1, True)
    here.compiled({"www": TREE | {"snapshot": "btrfs"}})
    ended = here.job("www", check=False)
    assert ended.code == 1
    assert "backupspec: /srv/data/plain/mem is on tmpfs, not on btrfs: exclude it, or let the job" in ended.output
    assert here.archives("www") == before
    assert subvolumes(here) == OWN
    for way in ({"exclude": ["/srv/data/plain/mem"]}, {"one_file_system": True}):
        here.compiled({"www": {"paths": ["/srv/data"], "snapshot": "btrfs", **way}})
        here.job("www")
        assert any(" srv/data/plain/a " in line for line in here.items("www"))
    here.sh("umount /srv/other /srv/data/plain/mem")


def test_subvolumes_that_are_mounted_below_a_path_are_read_too(here: Ground) -> None:
    """One at a place of its own, and a folder of another one; not what another mount hides."""
    here.sh(f"""
        mkdir /srv/data/plain/at /srv/data/plain/part
        mount -o subvol='nested/deeper one' {here.device} /srv/data/plain/at
        mount --bind /srv/data/scratch /srv/data/plain/part
        mount --bind /srv/data/plain/.cache /srv/data/nested
    """)
    here.compiled({"www": {"paths": ["/srv/data/plain", "/srv/data/nested"], "snapshot": "btrfs"}})
    here.job("www")
    held = "\n".join(here.items("www"))
    for path in ("plain/at/d", "plain/part/s", "plain/part/big/b", "nested/x"):
        assert f" srv/data/{path} " in held
    assert "srv/data/nested/n " not in held


def test_a_disk_that_is_not_mounted_fails_the_job(here: Ground) -> None:
    here.compiled({"www": TREE | {"snapshot": "btrfs", "mounted": ["/srv/data/plain"]}})
    ended = here.job("www", check=False)
    assert (ended.code, "/srv/data/plain is not mounted; nothing was read" in ended.output) == (75, True)


def test_hooks_prepare_the_snapshot_and_come_after_it(here: Ground) -> None:
    seen = f"ls {VIEWS} >/run/after"
    hooks = {
        "before": [{"run": "echo quiet >/srv/data/plain/state", "user": "root"}],
        "after": [{"run": seen, "user": "root"}],
    }
    here.compiled({"www": TREE | {"snapshot": "btrfs", "hooks": hooks}})
    here.job("www")
    assert here.content("www", "srv/data/plain/state") == "quiet\n"
    assert here.machine.read("/run/after") == ""


def test_two_jobs_have_a_snapshot_of_one_subvolume_at_a_time(here: Ground) -> None:
    """Each its own, which nobody can write to, and a job that reads what is there sees neither."""
    jobs = {
        "nested": {"paths": ["/srv/data/nested"], "snapshot": "btrfs"},
        "plain": {"paths": ["/srv/data/plain"], "snapshot": "btrfs"},
        "rest": {"paths": ["/srv/data"], "exclude": ["/srv/data/scratch"]},
    }
    here.compiled(jobs)
    here.snapshot("plain", "take")
    here.snapshot("nested", "take")
    view = f"{VIEWS}/nested_local/files/srv/data/nested"
    refused = here.machine.run(["touch", f"{view}/n"], check=False)
    assert "Read-only file system" in refused.output
    here.job("rest")
    assert not any(RESERVED in line for line in here.items("rest"))
    here.job("plain")
    assert here.machine.read(f"{view}/n") == "x\n"
    here.snapshot("nested", "drop")
    assert subvolumes(here) == OWN


def test_a_snapshot_of_somebody_else_is_never_touched(here: Ground) -> None:
    """Whatever it is called, and where it lies: without our mark the job fails and says so."""
    here.compiled({"www": TREE | {"snapshot": "btrfs"}})
    folder = f"/srv/data/{RESERVED}"
    here.sh(f"mkdir {folder}; btrfs subvolume snapshot -r /srv/data {folder}/web01_home_local; mkdir {folder}/1")
    kept = [*OWN, f"{RESERVED}/web01_home_local"]
    here.job("www")
    assert subvolumes(here) == sorted(kept)
    here.sh(f"mkdir {folder}/web01_www_local; btrfs subvolume snapshot -r /srv/data {folder}/web01_www_local/1")
    kept.append(f"{RESERVED}/web01_www_local/1")
    for mark in (None, "backupspec web01_www_local\n"):
        if mark is not None:
            here.machine.write(f"{folder}/web01_www_local.mark", mark)
        ended = here.job("www", check=False)
        assert ended.code == 1
        assert f"{RESERVED}/web01_www_local in this file system is not of backupspec's making" in ended.output
        assert subvolumes(here) == sorted(kept)


def test_a_run_that_is_killed_at_any_moment_is_cleared_up_by_the_next(here: Ground) -> None:
    """Also when what it leaves is cleared up twice, and the clearing is killed too."""
    here.compiled({"www": TREE | {"snapshot": "btrfs"}})
    script = f"{SCRIPTS}/jobs/www_local/snapshot"
    here.snapshot("www", "take")
    begun = time.monotonic()
    here.snapshot("www", "take")
    length = time.monotonic() - begun
    # The same moments in every run of the test, as shares of what it takes here and now.
    moments = random.Random(19)  # noqa: S311 - no secret
    for turn in range(24):
        word = "drop" if turn % 4 == 3 else "take"
        after = f"{moments.random() * length:.3f}"
        here.sh(f"setsid {script} {word} >/dev/null 2>&1 & sleep {after}; kill -KILL -- -$! 2>/dev/null || :; wait")
        if turn % 3 == 2:
            here.snapshot("www", "take")
            assert here.machine.read(f"{VIEWS}/www_local/files/srv/data/nested/n") == "x\n"
            assert len(subvolumes(here)) == len(OWN) + 3  # what is left out needs none
            here.snapshot("www", "drop")
            assert here.mounted() == []
            assert subvolumes(here) == OWN
    here.snapshot("www", "drop")
    here.job("www")


def test_a_machine_that_lost_power_is_cleared_up_by_the_next_run(here: Ground) -> None:
    """What was mounted is gone by itself, and the snapshot is there, in a file system that is mounted elsewhere now."""
    here.compiled({"www": {"paths": ["/srv/data/nested"], "snapshot": "btrfs"}})
    here.snapshot("www", "take")
    assert len(subvolumes(here)) > len(OWN)
    here.sh(f"umount -R {VIEWS}/www_local/files/srv/data/nested; rm -rf {VIEWS}")
    here.sh(f"umount /srv/data; mount {here.device} /srv/data")
    here.job("www")
    assert subvolumes(here) == OWN
