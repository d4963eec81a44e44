"""A compiled job over `/`, started by systemd under its hardening, reads what root reads."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from demo.lab.base import SUITES
from demo.lab.container import booted
from demo.lab.machine import Machine
from demo.lab.room import Room
from demo.lab.site import SCRIPTS, Site

pytestmark = [
    pytest.mark.nspawn,
    pytest.mark.borg,
    pytest.mark.sshd,
    pytest.mark.systemd,
    pytest.mark.slow,
    pytest.mark.timeout(900),  # the first run makes the base
]

_INVENTORY = Path(__file__).with_name("inventory.yaml")
_UNIT = "backupspec-everything_central.service"
_GENERATION = {"bookworm": "1.2", "trixie": "1.4"}
_OS = {"bookworm": "debian-12", "trixie": "debian-13"}
_FORMAT = "{type} {mode} {uid}:{gid} {size} {sha256} {path}{NL}"
# What the reference says that no job backs up, with everything below.
_OWN = (
    "etc/backupspec/credentials",
    "etc/credstore",
    "etc/credstore.encrypted",
    "var/lib/backupspec",
    "var/lib/backupspec-restore",
)
_HOOKED = "backupspec-hooked_central.service"
_TOLD = "/var/lib/backupspec/told"
# What the host's job `everything` gets beside it, and the host itself; hooks say as whom they run, and how it ended.
_LAPTOP = f"""\
    on_ac_only: true
    stay_awake: true
    files:
      hooked:
        paths: [/opt/hooked]
        priority: idle
        hooks:
          before:
            - {{run: "id -un >/run/told-before; test ! -e /run/refuse; sleep 5", user: root}}
            - {{run: "{{ id -un; nice; ionice; }} >{_TOLD}"}}
          after:
            - {{run: 'echo "$(id -un) $SERVICE_RESULT" >>{_TOLD}'}}
            - {{run: 'echo "$(id -un) $SERVICE_RESULT" >>/run/told-after', user: root}}
"""
# Where a directive of the sandbox could show an empty folder instead of these, and borg would be content.
_PLANTED = (
    "tmp",
    "var/tmp",
    "home/ada",
    "root",
    "usr/lib/modules/6.1.0",
    "boot",
    "srv",
    "opt",
    "var/log",
    "mnt",
    "media",
)


@dataclass(frozen=True, slots=True)
class Pair:
    """A booted host with its tree applied, and its booted server."""

    suite: str
    host: Machine
    server: Machine
    state_after_apply: str
    site: Site


@pytest.fixture(
    params=[pytest.param(suite, marks=pytest.mark.xdist_group(f"fleet-{suite}")) for suite in SUITES], scope="module"
)
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """Boot a host, bring the compiled trees onto it and its server, make the repository by `backupspec-run init`."""
    suite = request.param
    folder = tmp_path_factory.mktemp("site")
    site = Site(folder / "inventory", folder / "out")
    (site.inventory / "keys").mkdir(parents=True)
    text = _INVENTORY.read_text(encoding="utf-8").replace("@SERVER@", _GENERATION[suite]).replace("@OS@", _OS[suite])
    (site.inventory / "inventory.yaml").write_text(text, encoding="utf-8")
    with (
        Room() as room,
        booted(room, suite, "web01", ["192.0.2.21"], folder / "console") as host,
        booted(room, suite, "bkp01", ["192.0.2.10"], folder / "console-of-the-server") as server,
    ):
        site.learn_host_key(server)
        site.compile()
        site.apply(host)
        site.learn_key(host)
        site.compile()
        site.apply(server)
        site.apply(host)
        state = host.run(["systemctl", "is-active", _UNIT], check=False).stdout.strip()
        for path in _PLANTED:
            host.write(f"/{path}/planted", path, mode=0o600)
        host.sh(
            "mkdir -p /var/lib/private/thing && chmod 0700 /var/lib/private && echo x >/var/lib/private/thing/planted"
        )
        assert "made" in host.run(["backupspec-run", "init"]).stdout
        yield Pair(suite, host, server, state, site)


def test_the_archive_holds_what_an_unconfined_root_reads_but_the_documented_excludes(pair: Pair) -> None:
    host = pair.host
    options = "--one-file-system --noctime --exclude-caches --exclude-if-present .nobackup --keep-exclude-tags"
    unconfined = f"borg init -e none /run/plain; borg create {options} /run/plain::all /"
    environment = {"BORG_BASE_DIR": "/run/plain-base", "BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK": "yes"}
    host.run(["sh", "-euc", unconfined], env=environment)
    expected = host.run(["borg", "list", "--format", _FORMAT, "/run/plain::all"], env=environment).stdout.splitlines()

    found = _listing(host)

    assert sorted(set(found) - set(expected)) == []
    lost = [line for line in expected if line not in set(found)]
    assert [line for line in lost if not _documented(line)] == []
    assert {path for path in _PLANTED if not any(line.endswith(f" {path}/planted") for line in found)} == set()
    assert not any("passphrase-central" in line or line.endswith("/ssh_key") for line in found)


def _archive(host: Machine) -> str:
    """Return the name of the first archive; if there is none yet, run the job's unit, and fail with what it wrote."""
    if not host.run(["backupspec-run", "list", "central"]).stdout.split()[1:]:
        outcome = host.run(["systemctl", "start", _UNIT], check=False)
        assert outcome.code == 0, host.run(["journalctl", f"--unit={_UNIT}", "--output=cat", "--lines=25"]).stdout
    names = host.run(["backupspec-run", "list", "central"]).stdout.split()
    return next(name for name in names if re.fullmatch(r"web01_everything_\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", name))


def _newest(host: Machine) -> str:
    return max(host.run(["backupspec-run", "borg", "central", "list", "--short"]).stdout.splitlines())


def _listing(host: Machine) -> list[str]:
    archive = _archive(host)
    script = host.read(f"{SCRIPTS}/repositories/central/list")
    exports = "\n".join(line for line in script.splitlines() if line.startswith(("export ", "credential=")))
    listing = ["sh", "-euc", f"{exports}\nborg list --format '{_FORMAT}' ::{archive}"]
    return host.as_service("backupspec", listing).stdout.splitlines()


def _documented(line: str) -> bool:
    path = line.split(" ", 5)[5]
    return any(path == own or path.startswith(f"{own}/") for own in _OWN)


def test_a_person_lists_and_restores_with_the_job_s_own_environment(pair: Pair) -> None:
    host = pair.host
    archive = _archive(host)
    names = host.run(["backupspec-run", "list", "central", archive]).stdout
    assert " home/ada/planted\n" in names
    before = host.files_below("/usr/share/doc/borgbackup")
    host.run(["backupspec-run", "restore", "central", "everything", "/srv/restored", "/usr/share/doc/borgbackup"])
    assert host.files_below("/srv/restored/usr/share/doc/borgbackup") == before
    host.run(["install", "-d", "-o", "nobody", "/srv/theirs"])
    theirs = host.run(["backupspec-run", "restore", "central", "everything", "/srv/theirs"], check=False)
    assert theirs.code != 0
    assert "must be a folder that belongs to root" in theirs.stderr
    assert host.run(["ls", "-A", "/srv/theirs"]).stdout == ""
    assert "backupspec-everything_central.timer" in host.run(["backupspec-run", "status"]).stdout
    wrong_owner = host.run(["find", "/var/lib/backupspec", "!", "-user", "backupspec"]).stdout
    assert wrong_owner == ""
    host.run(["backupspec-run", "create", "everything"])  # and the next job can work with what that left


def test_the_other_words_of_backupspec_run_do_what_its_help_says(pair: Pair) -> None:
    host = pair.host
    archive = _archive(host)
    shown = host.run(["backupspec-run", "list"]).stdout
    assert shown.startswith("central:\n")
    assert archive in shown
    host.run(["backupspec-run", "check", "central"])
    assert archive in host.run(["backupspec-run", "borg", "central", "list", "--short"]).stdout.splitlines()
    logged = host.run(["backupspec-run", "log", "everything"]).stdout
    assert f"Archive name: {archive}" in logged


def test_the_job_is_confined_as_promised(pair: Pair) -> None:
    said = pair.host.run(["systemd-analyze", "security", "--no-pager", _UNIT]).stdout
    score = re.search(r"exposure level for \S+: ([0-9.]+)", said)
    assert score is not None
    assert float(score[1]) <= 2.0


def test_a_time_that_was_missed_is_made_up_for_by_the_timer(pair: Pair) -> None:
    """The host was off when the last night's backup was due: systemd starts the job when it is on again."""
    host = pair.host
    _archive(host)
    before = _newest(host)
    (last,) = _asked(host, _UNIT, "InvocationID")
    timer = _UNIT.replace(".service", ".timer")
    host.run(["systemctl", "stop", timer])
    host.run(["touch", "--date=2 days ago", f"/var/lib/systemd/timers/stamp-{timer}"])
    host.run(["systemctl", "start", timer])
    show = f"systemctl show --property=InvocationID,ActiveState {_UNIT}"
    through = f"{{ ! grep -q {last}; }} && {show} | grep -qx ActiveState=inactive"
    host.sh(f"for _ in $(seq 120); do {show} | {through} && break; sleep 0.5; done")
    assert _asked(host, _UNIT, "Result", "ActiveState") == ["success", "inactive"]
    assert _asked(host, timer, "ActiveState") == ["active"]
    assert _newest(host) > before


def test_the_server_is_what_its_own_systemd_made_of_it(pair: Pair) -> None:
    """Its sshd was not started by us: `apply` made the service read what it put in place."""
    server = pair.server
    assert _asked(server, "ssh.service", "ActiveState") == ["active"]
    assert "Reload" in server.run(["journalctl", "--unit=ssh.service", "--output=cat"]).stdout
    assert "bs-web01:x:" in server.read("/etc/passwd")
    assert server.run(["systemctl", "is-system-running"]).stdout == "running\n"
    again = pair.site.apply(server).stdout
    assert "bkp01: 0 files changed" in again
    pair.host.run(["backupspec-run", "list", "central"])


def test_timers_wait_for_their_time_and_a_failure_is_reported(pair: Pair) -> None:
    host = pair.host
    timers = host.run(["systemctl", "list-timers", "--all", "--no-legend", "backupspec-*"]).stdout
    assert len(timers.splitlines()) == 2
    assert pair.state_after_apply == "inactive"
    pair.server.run(["mv", "/backup", "/backup-away"])
    failed = host.run(["systemctl", "start", _UNIT], check=False)
    pair.server.run(["mv", "/backup-away", "/backup"])
    assert failed.code != 0
    journal = host.sh("for i in 1 2 3 4 5 6 7 8 9 10; do journalctl -t backupspec --output=cat; sleep 0.5; done").stdout
    assert f"{_UNIT} failed on web01" in journal
    host.run(["systemctl", "reset-failed"])


@pytest.fixture(scope="module")
def laptop(pair: Pair) -> Machine:
    """Compile and apply more to the host: what a laptop wants, and a job with hooks. No test above may come after."""
    if pair.host.run(["systemd-analyze", "condition", "ConditionACPower=true"], check=False).code:
        pytest.skip("this machine runs on its battery: the jobs of this test wait for power")
    file = pair.site.inventory / "inventory.yaml"
    file.write_text(file.read_text(encoding="utf-8").replace("    files:\n", _LAPTOP), encoding="utf-8")
    pair.site.compile()
    pair.site.apply(pair.host)
    pair.host.write("/opt/hooked/file", "x")
    return pair.host


def _asked(host: Machine, unit: str, *names: str) -> list[str]:
    return [host.run(["systemctl", "show", "--value", f"--property={name}", unit]).stdout.strip() for name in names]


def test_hooks_run_as_whom_they_name_and_know_how_the_job_ended(pair: Pair, laptop: Machine) -> None:
    ended = laptop.run(["systemctl", "start", _HOOKED], check=False)
    assert ended.code == 0, laptop.run(["journalctl", f"--unit={_HOOKED}", "--output=cat"]).stdout
    assert laptop.read("/run/told-before") == "root\n"
    assert laptop.read(_TOLD).splitlines() == ["backupspec", "19", "idle", "backupspec success"]
    assert laptop.read("/run/told-after") == "root success\n"
    assert "web01_hooked_" in laptop.run(["backupspec-run", "list", "central"]).stdout

    pair.server.run(["mv", "/backup", "/backup-away"])
    failed = laptop.run(["systemctl", "start", _HOOKED], check=False)
    pair.server.run(["mv", "/backup-away", "/backup"])
    assert failed.code != 0
    assert laptop.read("/run/told-after") == "root success\nroot exit-code\n"
    assert laptop.read(_TOLD).splitlines()[-1] == "backupspec exit-code"

    archives = laptop.run(["backupspec-run", "list", "central"]).stdout
    laptop.write("/run/refuse", "")
    refused = laptop.run(["systemctl", "start", _HOOKED], check=False)
    laptop.run(["rm", "/run/refuse"])
    assert refused.code != 0
    assert laptop.read("/run/told-after").splitlines()[-1] == "root exit-code"
    assert laptop.run(["backupspec-run", "list", "central"]).stdout == archives, "a before-hook that fails ends the job"
    laptop.run(["systemctl", "reset-failed"])


def test_sleep_is_held_off_while_a_job_runs_and_no_longer(laptop: Machine) -> None:
    """Until the before-hook of five seconds is over, that is; then logind forgets about it."""
    held = ["systemd-inhibit", "--list", "--no-legend", "--no-pager"]
    assert "backupspec" not in laptop.run(held).stdout
    laptop.run(["systemctl", "start", "--no-block", _HOOKED])
    during = laptop.sh(f"for _ in 1 2 3 4 5 6 7 8; do {' '.join(held)} | grep backupspec && break; sleep 0.5; done")
    assert re.search(r"backupspec .* sleep +backup +block", during.stdout), during.output
    waiting = f"while systemctl is-active {_HOOKED} | grep -q activating; do sleep 0.5; done; sleep 1"
    laptop.run(["sh", "-c", waiting])
    assert _asked(laptop, _HOOKED, "Result") == ["success"]
    assert "backupspec" not in laptop.run(held).stdout
    assert _asked(laptop, "backupspec-awake.service", "ActiveState") == ["inactive"]


def test_power_and_priority_are_what_systemd_understood(laptop: Machine) -> None:
    names = ("Nice", "IOSchedulingClass", "IOSchedulingPriority")
    assert _asked(laptop, _HOOKED, *names) == ["19", "3", "7"]  # 3 is idle
    assert _asked(laptop, _UNIT, *names) == ["10", "2", "7"]  # 2 is best-effort
    for unit in (_HOOKED, _UNIT, "backupspec-check-central.service"):
        asked = laptop.run(["systemd-analyze", "condition", f"--unit={unit}"])
        assert "ConditionACPower=true succeeded" in asked.output


def test_a_host_that_retires_is_stopped_and_keeps_its_key(pair: Pair, laptop: Machine) -> None:
    file = pair.site.inventory / "inventory.yaml"
    lines = file.read_text(encoding="utf-8").splitlines(keepends=True)
    host = lines.index("  web01:\n")
    file.write_text("".join([*lines[: host - 1], "retired: [web01]\n"]), encoding="utf-8")
    pair.site.compile()
    said = pair.site.apply(laptop).stdout
    assert "stopped backupspec-everything_central.timer\n" in said
    assert laptop.run(["systemctl", "list-unit-files", "--no-legend", "backupspec*"], check=False).stdout == ""
    assert laptop.run(["systemctl", "list-timers", "--all", "--no-legend", "backupspec-*"]).stdout == ""
    assert laptop.read("/etc/backupspec/credentials/ssh_key.pub").startswith("ssh-ed25519 ")
    assert laptop.run(["systemctl", "is-system-running"]).stdout == "running\n"
