"""What every test shares: what it may ask of the machine, and that a skip in CI is a failure."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Generator
from pathlib import Path

import hypothesis
import pytest
from syrupy.assertion import SnapshotAssertion

from tests.diagnostics.elsewhere import codes_of
from tests.diagnostics.pinned import Pinned

ROOT = Path(__file__).resolve().parent.parent
CI = os.environ.get("CI", "").lower() in {"1", "true", "yes"}

hypothesis.settings.register_profile("ci", derandomize=True, database=None, deadline=None, print_blob=True)
hypothesis.settings.register_profile("laptop", deadline=None)
hypothesis.settings.load_profile("ci" if CI else "laptop")


# A real MySQL is in no stable Debian. Whoever has run setup/mysql has these tests; CI has not: the reference says so.
# A kernel with LVM and ZFS is made by setup/guest, for the tests of these.
_BY_HAND = {".mysql": "databases/test_mysql.py", ".guest": "snapshots/test_guest.py"}
# No Debian has CouchDB. What setup/couchdb brings takes its place, in the tests that carry `by_hand` with its folder.
_PARTLY_BY_HAND = {".couchdb": "databases/test_couchdb.py against pouchdb-server"}
_LACKING = tuple(folder for folder in _BY_HAND | _PARTLY_BY_HAND if not (ROOT / folder / ".complete").exists())
collect_ignore = [_BY_HAND[folder] for folder in _LACKING if folder in _BY_HAND]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what carries `by_hand` with a folder that is not there; pytest counts it as deselected."""
    wants = {item: [mark.args[0] for mark in item.iter_markers("by_hand")] for item in items}
    config.hook.pytest_deselected(items=[item for item in items if not {*wants[item]}.isdisjoint(_LACKING)])
    items[:] = [item for item in items if {*wants[item]}.isdisjoint(_LACKING)]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say aloud that a green run of somebody without root has proven less."""
    if os.geteuid() != 0:
        terminalreporter.write_line(
            "without root, all tests that need it were left out: `sudo make test` runs them too", yellow=True
        )


def pytest_configure() -> None:
    """Keep the borg settings of whoever runs the tests away from them."""
    for name in [name for name in os.environ if name.startswith("BORG_")]:
        del os.environ[name]


def pytest_report_header() -> list[str]:
    """Say which tests are left out for what only a command of its own brings."""
    left = _BY_HAND | _PARTLY_BY_HAND
    return [f"left out, since {folder} was not made (CONTRIBUTING.md): {left[folder]}" for folder in _LACKING]


def _in_chroot() -> bool:
    """Tell whether `/` is not the root of this mount namespace: whoever enters the namespace lands elsewhere then."""
    entered = ["nsenter", "--mount=/proc/self/ns/mnt", "stat", "--format=%d:%i", "/"]
    done = subprocess.run(entered, capture_output=True, text=True, check=False)
    here = Path("/").stat()
    return done.returncode == 0 and done.stdout.strip() != f"{here.st_dev}:{here.st_ino}"


def _makes_user_namespaces() -> bool:
    return subprocess.run(["unshare", "--user", "true"], capture_output=True, check=False).returncode == 0


def _lacking(marker: str) -> str | None:
    """Say what this machine lacks of what the marker stands for, or None."""
    if marker in {"root", "btrfs", "nspawn"} and os.geteuid() != 0:
        return "this test needs root"
    tools = {
        "borg": (ROOT / ".borg/1.2/borg", ROOT / ".borg/1.4/borg"),
        "btrfs": ("btrfs", "mkfs.btrfs", "losetup"),
        "sshd": ("/usr/sbin/sshd", "ssh", "ssh-keygen"),
        "systemd": ("systemd-analyze", "systemd-sysusers", "systemd-tmpfiles"),
        "nspawn": ("systemd-nspawn", "debootstrap"),
        "containers": ("podman",),
        "libvirt": (
            "/usr/sbin/libvirtd",
            "virsh",
            "qemu-system-x86_64",
            "qemu-nbd",
            "nbdcopy",
            "xsltproc",
            "virt-xml-validate",
        ),
        "apparmor": ("/usr/sbin/apparmor_parser", "/usr/sbin/libvirtd"),
        "databases": ("psql", "mariadbd", "redis-server", "/usr/sbin/slapd", "sqlite3"),
    }
    if marker == "containers" and _in_chroot():
        return "podman exec lands outside of the container inside a chroot"
    if marker == "user_namespaces" and not _makes_user_namespaces():
        return "no user namespace can be made here (inside a chroot none can)"
    absent = [str(tool) for tool in tools.get(marker, ()) if shutil.which(tool) is None]
    return f"`make setup` would bring what is missing here: {', '.join(absent)}" if absent else None


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test whose marker asks for more than the machine has."""
    for marker in item.iter_markers():
        if reason := _lacking(marker.name):
            pytest.skip(reason)


def _refuse_skip(report: pytest.TestReport | pytest.CollectReport) -> None:
    if CI and report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        report.outcome = "failed"
        report.longrepr = f"in CI a skip is a failure: {reason}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn a skipped test into a failed one in CI."""
    report = yield
    _refuse_skip(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Turn a skipped file into a failed one in CI."""
    report = yield
    _refuse_skip(report)
    return report


def _borg(generation: str) -> Path:
    if reason := _lacking("borg"):
        pytest.skip(reason)
    return ROOT / ".borg" / generation / "borg"


@pytest.fixture(scope="session")
def borg12() -> Path:
    """Give borg 1.2's program."""
    return _borg("1.2")


@pytest.fixture(scope="session")
def borg14() -> Path:
    """Give borg 1.4's program."""
    return _borg("1.4")


@pytest.fixture(scope="session")
def checkout() -> Path:
    """Give the root of this checkout."""
    return ROOT


@pytest.fixture
def pinned(request: pytest.FixtureRequest, snapshot: SnapshotAssertion) -> Pinned:
    """Give what compares the findings that elsewhere.py lists for this test, whole, with what is pinned of them."""
    file = request.path.relative_to(ROOT).as_posix()

    def folders() -> list[Path]:
        given: dict[str, object] = request.node.funcargs
        return [path for name in ("place", "public", "tmp_path") if isinstance(path := given.get(name), Path)]

    return Pinned(snapshot, codes_of(file, request.node.originalname), folders)
