"""A files job with a btrfs snapshot, started and killed by systemd, under its hardening."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator

import pytest

from demo.lab.base import SUITES
from demo.lab.container import booted
from demo.lab.room import Room
from demo.lab.site import Site
from tests.snapshots.ground import REPOSITORY, VIEWS, Ground, loop, write_inventory

pytestmark = [
    pytest.mark.nspawn,
    pytest.mark.borg,
    pytest.mark.btrfs,
    pytest.mark.systemd,
    pytest.mark.slow,
    pytest.mark.timeout(900),  # the first run makes the base
]

JOBS = {
    "data": {"paths": ["/srv/data"], "snapshot": "btrfs", "retention": {"daily": 7}},
    "plain": {"paths": ["/srv/plain"], "retention": {"daily": 7}},
}
UNIT = "backupspec-data_local.service"


@pytest.fixture(
    params=[pytest.param(suite, marks=pytest.mark.xdist_group(f"fleet-{suite}")) for suite in SUITES], scope="module"
)
def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    """Boot a host with a btrfs on /srv/data, bring the compiled tree onto it, make its repository."""
    folder = tmp_path_factory.mktemp("site")
    write_inventory(folder / "inventory", JOBS, os={"bookworm": "debian-12", "trixie": "debian-13"}[request.param])
    site = Site(folder / "inventory", folder / "compiled")
    site.compile()
    with (
        loop(folder / "image", 256 << 20) as device,
        Room() as room,
        booted(room, request.param, "web01", ["192.0.2.40"], folder / "console") as machine,
    ):
        subprocess.run(["mkfs.btrfs", "--quiet", device], check=True)
        site.apply(machine)
        machine.sh(f"""
            mkdir -p /backup /srv/plain /srv/data
            mknod {device} b 7 {device.removeprefix("/dev/loop")}
            mount {device} /srv/data
            btrfs subvolume create /srv/data/nested
            echo x >/srv/data/nested/x
            touch /srv/plain/y
        """)
        machine.run(["backupspec-run", "init"])
        yield Ground(machine, site, device)
        machine.run(["umount", "/srv/data"])


def left(place: Ground) -> str:
    """Give what there is of a snapshot, mounted or in the file system, in the namespace of process 1."""
    return place.sh(f"grep {VIEWS} /proc/self/mountinfo || :; ls {VIEWS}; btrfs subvolume list -s /srv/data")


def test_a_job_reads_a_snapshot_and_leaves_nothing(place: Ground) -> None:
    done = place.machine.run(["backupspec-run", "create", "data"], check=False)
    assert done.code == 0, done.output
    assert any(" srv/data/nested/x " in line for line in place.items("data"))
    assert left(place) == ""


def test_borg_is_confined_as_without(place: Ground) -> None:
    scores = []
    for unit in (UNIT, "backupspec-plain_local.service"):
        said = place.machine.run(["systemd-analyze", "security", "--no-pager", unit]).stdout
        score = re.search(r"exposure level for \S+: ([0-9.]+)", said)
        assert score is not None
        scores.append(float(score[1]))
    assert scores[0] <= scores[1] + 0.2
    assert scores[0] <= 2.0


def test_a_job_that_is_killed_leaves_nothing(place: Ground) -> None:
    """While borg waits for a lock that somebody else holds on the repository."""
    run = place.machine.run
    words = ["systemd-run", "--quiet", "--unit=holder", "--uid=backupspec", "--setenv=BORG_BASE_DIR=/tmp/holder"]
    words += ["--setenv=BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK=yes", "borg", "with-lock", REPOSITORY]
    run([*words, "sh", "-c", "touch /tmp/held; exec sleep 600"])
    place.sh("until [ -e /tmp/held ]; do sleep 0.1; done")
    run(["systemctl", "start", "--no-block", UNIT])
    place.sh(f'until [ "$(systemctl show --value --property=MainPID {UNIT})" != 0 ]; do sleep 0.1; done')
    assert VIEWS in left(place)
    run(["systemctl", "kill", "--signal=KILL", UNIT])
    place.sh(f"while systemctl is-active {UNIT} | grep -q activating; do sleep 0.1; done")
    assert run(["systemctl", "show", "--value", "--property=Result", UNIT]).stdout == "signal\n"
    assert left(place) == ""
    run(["systemctl", "stop", "holder"])
    run(["systemctl", "reset-failed"])
