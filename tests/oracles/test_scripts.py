"""The compiled scripts: judged by shellcheck and every shell, then run with a borg that writes down its words."""

from __future__ import annotations

import re
import shutil
import subprocess
import zoneinfo
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from backupspec.fleet import Fleet
from demo.lab.machine import Machine
from demo.lab.room import Room
from tests.golden.trees import INVENTORIES, Compiled
from tests.oracles.machines import SCRIPTS, Run, fleet, images, record, recorded, runs

SHELLS = (["dash", "-n"], ["bash", "-n"], ["bash", "--posix", "-n"], ["busybox", "sh", "-n"])
_PERL = re.compile("perl -e '([^']*)'")
FAKE_DATE = '#!/bin/sh\nexec /bin/date -d "@$NOW" "$@"\n'


def _scripts(tree: Path) -> list[Path]:
    """Give every script of a compiled tree, one of those that are the same."""
    found = {path.read_bytes(): path for path in tree.rglob("*") if path.is_file()}
    return sorted(path for data, path in found.items() if data.startswith(b"#!/bin/sh\n"))


@pytest.mark.parametrize("name", INVENTORIES)
def test_shellcheck_finds_nothing(name: str, compiled: Compiled) -> None:
    scripts = _scripts(compiled(name))
    assert scripts
    # There, values hold `$` and quotes on purpose, which shellcheck takes for what somebody forgot.
    meant = ["--exclude=SC2016,SC2089,SC2090"] if name == "everything" else []
    said = subprocess.run(["shellcheck", "--format=gcc", *meant, *scripts], capture_output=True, text=True, check=False)
    assert said.stdout + said.stderr == ""
    assert said.returncode == 0


@pytest.mark.parametrize("name", INVENTORIES)
def test_every_shell_can_read_every_script(name: str, compiled: Compiled) -> None:
    there = [shell for shell in SHELLS if shutil.which(shell[0])]
    assert {"dash", "bash"} <= {shell[0] for shell in there}
    for script in _scripts(compiled(name)):
        assert script.stat().st_mode & 0o7777 == 0o755
        for shell in there:
            said = subprocess.run([*shell, script], capture_output=True, text=True, check=False)
            assert (said.returncode, said.stderr) == (0, ""), script


def test_perl_can_read_what_scripts_give_it(compiled: Compiled) -> None:
    programs = {
        program for script in _scripts(compiled("everything")) for program in _PERL.findall(script.read_text("utf-8"))
    }
    assert programs
    for program in programs:
        said = subprocess.run(["perl", "-wc", "-e", program], capture_output=True, text=True, check=False)
        assert (said.returncode, said.stderr) == (0, "-e syntax OK\n"), program


@pytest.fixture(scope="module")
def machine() -> Iterator[Machine]:
    """Start a machine with room for all that jobs read."""
    with Room() as room:
        machine = room.machine("any", [], fresh=["/srv", "/media", "/mnt", "/usr/local"])
        machine.write("/run/credentials-of-a-job/ssh_key", "none")
        yield machine


def _script(machine: Machine, path: str, *, env: dict[str, str] | None = None) -> tuple[int, str]:
    """Run a script as a unit would; give its code and output."""
    settings = {"CREDENTIALS_DIRECTORY": "/run/credentials-of-a-job", "HOME": "/var/lib/backupspec", **(env or {})}
    ran = machine.run([path], env=settings, check=False)
    return ran.code, ran.output


def _prepare(machine: Machine, compiled: Compiled, name: str, host: str) -> None:
    """Put a host's tree in place of the last one's, and make what its jobs want to read."""
    machine.sh(f"rm -rf /{SCRIPTS} /etc/backupspec/jobs")
    machine.copy_in(compiled(name) / "hosts" / host / "root", "/")
    found = fleet(name).host(host)
    assert found is not None
    for job in found.files:
        machine.run(["mkdir", "-p", "--", *job.paths, *job.optional_paths])
        for target in job.targets if job.snapshot is not None else ():
            view = f"/run/backupspec/snapshots/{job.name}_{target.repository.name}/files"
            machine.run(["mkdir", "-p", "--", *(f"{view}{path}" for path in job.paths)])
    record(machine, found.borg.path)


def _each_host(of: Fleet) -> list[str]:
    return [host.name for host in of.hosts]


@pytest.mark.root
@pytest.mark.parametrize("name", INVENTORIES)
def test_borg_gets_exactly_the_paths_and_settings_of_the_inventory(
    name: str, compiled: Compiled, machine: Machine
) -> None:
    for host in _each_host(fleet(name)):
        _prepare(machine, compiled, name, host)
        for run in runs(fleet(name)):
            repository = run.target.repository
            if run.host.name != host or run.job.mounted or repository.mounted or repository.present_sometimes:
                continue
            code, output = _script(machine, f"/{SCRIPTS}/jobs/{run.name}/create")
            assert code == 0, output
            creates = [call for call in recorded(machine) if "create" in call]
            assert len(creates) == 1
            _is_create(creates[0], run, [*run.job.paths, *run.job.optional_paths])
            if run.job.optional_paths:
                machine.run(["rmdir", "--ignore-fail-on-non-empty", "--", *run.job.optional_paths])
                left = [
                    path for path in run.job.optional_paths if machine.run(["test", "-e", path], check=False).code == 0
                ]
                code, output = _script(machine, f"/{SCRIPTS}/jobs/{run.name}/create")
                assert code == 0, output
                _is_create(recorded(machine)[0], run, [*run.job.paths, *left])
                machine.run(["mkdir", "-p", "--", *run.job.optional_paths])
            if not repository.append_only and not run.target.retention.forever:
                code, output = _script(machine, f"/{SCRIPTS}/jobs/{run.name}/prune")
                assert code == 0, output
                _are_prunes([call for call in recorded(machine) if "prune" in call], run)


def _is_create(words: list[str], run: Run, paths: list[str]) -> None:
    assert words[:2] == [run.host.borg.path, "create"]
    archive = words.index(f"::{run.host.name}_{run.job.name}_{{utcnow:%Y-%m-%dT%H:%M:%SZ}}")
    given = paths if run.job.snapshot is None else [f".{path}" for path in paths]
    assert words[archive + 1 :] == given
    options = words[2:archive]
    assert options[options.index("--compression") + 1] == run.job.compression
    assert ("--one-file-system" in options) == run.job.one_file_system
    assert ("--exclude-caches" in options) == run.job.honour_markers
    assert ("--exclude-if-present .nobackup" in " ".join(options)) == run.job.honour_markers
    assert ("--numeric-ids" in options) == run.job.numeric_ids
    assert options[options.index("--patterns-from") + 1] == f"/etc/backupspec/jobs/{run.name}.patterns"
    limited = run.target.upload_limit is not None and not run.target.repository.local
    assert ("--upload-ratelimit" in options) == limited
    if limited:
        assert int(options[options.index("--upload-ratelimit") + 1]) == (run.target.upload_limit or 0) // 1024


def _are_prunes(calls: list[list[str]], run: Run) -> None:
    globs = [call[call.index("--glob-archives") + 1] for call in calls]
    assert globs == [f"{series}_{run.job.name}_????-??-??T??:??:??Z" for series in run.job.series]
    for call in calls:
        kept = {word.removeprefix("--keep-"): call[at + 1] for at, word in enumerate(call) if word.startswith("--keep")}
        retention = run.target.retention
        expected = {name: str(number) for name, number in retention.buckets()}
        assert kept == expected | ({"within": retention.within} if retention.within else {})


@pytest.mark.root
def test_nothing_is_read_where_a_disk_is_not_mounted(compiled: Compiled, machine: Machine) -> None:
    """The source of `shares` must be a mount point: a bind mount of a folder of the same device is not one for borg."""
    _prepare(machine, compiled, "small", "office")
    script = f"/{SCRIPTS}/jobs/shares_central/create"
    assert _script(machine, script)[0] == 75
    assert recorded(machine) == []
    machine.run(["mount", "-t", "tmpfs", "tmpfs", "/srv/shares"])
    assert _script(machine, script)[0] == 0
    assert [call[1] for call in recorded(machine)] == ["create"]
    machine.run(["umount", "/srv/shares"])


@pytest.mark.root
@pytest.mark.parametrize("name", ["laptop", "everything"])
def test_an_unmounted_disk_becomes_no_repository(name: str, compiled: Compiled, machine: Machine) -> None:
    """Neither a job of any kind nor `init` writes into the plain folder that is there instead of the disk.

    Where the disk is there at times only, it is `due` that holds the job back.
    """
    tried = set()
    for host in fleet(name).hosts:
        lacking = [repository for repository in host.repositories if repository.mounted]
        if lacking:
            _prepare(machine, compiled, name, host.name)
        for repository in lacking:
            first = "due" if repository.present_sometimes else "create"
            machine.run(["mkdir", "-p", "--", "/run/of-a-job", *repository.mounted, repository.path])
            before = machine.run(["find", *repository.mounted]).stdout
            there = f"jobs/*_{repository.name}/{first} repositories/{repository.name}/init"
            for script in machine.sh(f"cd /{SCRIPTS}; ls -d {there}").stdout.splitlines():
                code, output = _script(machine, f"/{SCRIPTS}/{script}", env={"RUNTIME_DIRECTORY": "/run/of-a-job"})
                assert (code, "is not mounted; nothing was read or written" in output) == (75, True), (script, output)
                tried.add(script.rsplit("/", 1)[1])
            by_hand = machine.run(["/usr/local/sbin/backupspec-run", "init", repository.name], check=False)
            assert by_hand.code == 2
            assert "the repository's disk is not mounted" in by_hand.stderr
            assert machine.run(["find", *repository.mounted]).stdout == before
            assert recorded(machine) == []
            machine.run(["rm", "-r", "--", *repository.mounted])
    assert tried >= {"due", "init"}


_CHANGED = "/srv/x: file changed while we backed it up\nC /srv/x\n"
_REMARKS = "The files cache can't be read. [any]\nContinuing without files cache - expect lower performance.\n"
_FIGURES = f"{'-' * 78}\nTime (end):   Sun, 2026-11-22 03:00:01\n\nThis archive:    1 B    1 B    1 B\n{'-' * 78}\n"


@pytest.mark.root
@pytest.mark.parametrize(
    ("code", "said", "expected"),
    [
        pytest.param(0, "", 0, id="whole"),
        pytest.param(1, _CHANGED, 0, id="changed, on 1.2 or with legacy codes"),
        pytest.param(100, _CHANGED, 0, id="changed, with modern codes"),
        pytest.param(1, "Remote: Welcome to bkp01\n" + _CHANGED, 0, id="changed, and the server has a greeting"),
        pytest.param(1, _REMARKS + _CHANGED, 0, id="changed, and the cache was not there yet"),
        pytest.param(1, _REMARKS, 1, id="a warning of which the log says nothing"),
        pytest.param(1, "/srv/x: read: [Errno 5] Input/output error\nE /srv/x\n", 1, id="unreadable"),
        pytest.param(1, _CHANGED + "/srv/y: open: [Errno 13] Permission denied: 'y'\nE /srv/y\n", 1, id="both"),
        pytest.param(1, _CHANGED + "/srv: stat: [Errno 2] No such file or directory\n", 1, id="a path went, without E"),
        pytest.param(1, "Unknown file type: /srv/z\n", 1, id="another warning"),
        pytest.param(1, "Unknown file type: /srv/z\n" + _CHANGED, 1, id="another warning beside a change"),
        pytest.param(1, "", 1, id="a warning without a word"),
        pytest.param(104, "/srv/x: read: [Errno 5] Input/output error\nE /srv/x\n", 1, id="unreadable, modern codes"),
        pytest.param(107, _CHANGED, 1, id="a code that says more than the log"),
        pytest.param(2, _CHANGED, 2, id="an error"),
        pytest.param(73, "", 73, id="an error with modern codes"),
        pytest.param(143, "", 143, id="killed"),
    ],
)
def test_a_warning_is_forgiven_only_if_all_of_it_is_understood(
    code: int, said: str, expected: int, compiled: Compiled, machine: Machine
) -> None:
    """By a borg that says what it is told; the real ones are asked in tests/endtoend."""
    _prepare(machine, compiled, "everything", "store")
    machine.write("/run/said", said + _FIGURES)
    machine.write("/opt/borg 1.4's/borg", f"#!/bin/sh\ncat /run/said >&2\nexit {code}\n", mode=0o755)
    machine.sh("rm -rf /var/lib/backupspec/done")
    ended, output = _script(machine, f"/{SCRIPTS}/jobs/system_common/create")
    assert (ended, "the archive is not whole" in output) == (expected, expected == 1), output
    assert ("backupspec: whole" in output) == (expected == 0 and code != 0)
    assert machine.run(["test", "-e", "/var/lib/backupspec/done/system_common"], check=False).code == min(expected, 1)


def _moments(zone: zoneinfo.ZoneInfo) -> list[datetime]:
    """Give every quarter of an hour, and a minute before it, of a winter's day and of one on which clocks change."""
    found = []
    for year, month, day in ((2026, 1, 15), (2026, 3, 8), (2026, 11, 1)):
        start = datetime(year, month, day, tzinfo=zone).astimezone(UTC)
        quarters = [start + timedelta(minutes=15 * count) for count in range(4 * 24)]
        found += [moment - timedelta(minutes=early) for moment in quarters for early in (0, 1)]
    return found


@pytest.mark.parametrize(
    ("name", "host"),
    [("infra4", "files01"), ("everything", "store"), ("everything", "plain"), ("everything", "laptop")],
)
def test_nothing_starts_in_quiet_hours(name: str, host: str, compiled: Compiled, tmp_path: Path) -> None:
    """Through the two days on which clocks change, by a date(1) that believes what it is told."""
    found = fleet(name).host(host)
    assert found is not None
    assert found.quiet is not None
    script = compiled(name) / "hosts" / host / "root" / SCRIPTS / "quiet-hours"
    date = tmp_path / "date"
    date.write_text(FAKE_DATE, encoding="utf-8")
    date.chmod(0o755)
    zone = zoneinfo.ZoneInfo(found.quiet.timezone)
    quiet = set(found.quiet.window.minutes())
    moments = _moments(zone)
    loop = f'for NOW; do export NOW; if sh {script}; then echo go; else echo "stay $?"; fi; done'
    stamps = [str(int(moment.timestamp())) for moment in moments]
    env = {"PATH": f"{tmp_path}:/usr/bin:/bin"}
    ran = subprocess.run(["sh", "-c", loop, "sh", *stamps], capture_output=True, text=True, check=True, env=env)
    local = [moment.astimezone(zone) for moment in moments]
    expected = ["stay 1" if moment.hour * 60 + moment.minute in quiet else "go" for moment in local]
    assert ran.stdout.splitlines() == expected
    assert ran.stderr == ""


@pytest.mark.root
def test_a_machine_that_travels_tries_again_until_it_has_succeeded(compiled: Compiled, machine: Machine) -> None:
    """Not due: out of reach, or done less than a day ago; a backup that failed leaves it due."""
    _prepare(machine, compiled, "everything", "laptop")
    folder = f"/{SCRIPTS}/jobs/home_usb"
    machine.sh("rm -rf /media/usb /var/lib/backupspec/done; mkdir -p /media/usb")
    machine.run(["mount", "-t", "tmpfs", "tmpfs", "/media/usb"])
    machine.sh("mountpoint -q /home || mount --bind /dev/shm /home")
    assert _script(machine, f"{folder}/due")[0] == 1
    machine.run(["mkdir", "/media/usb/borg"])
    assert _script(machine, f"{folder}/due") == (0, "")
    machine.write("/usr/bin/borg", "#!/bin/sh\nexit 2\n", mode=0o755)
    assert _script(machine, f"{folder}/create")[0] == 2
    assert _script(machine, f"{folder}/due")[0] == 0
    record(machine, "/usr/bin/borg")
    code, output = _script(machine, f"{folder}/create")
    assert code == 0, output
    assert _script(machine, f"{folder}/due")[0] == 1
    machine.sh("touch -d '-25 hours' /var/lib/backupspec/done/home_usb")
    assert _script(machine, f"{folder}/due")[0] == 0
    machine.sh("umount /media/usb /home")


@pytest.mark.root
def test_everybody_hears_of_a_failure(compiled: Compiled, machine: Machine) -> None:
    """The log, each mail address, each command with its own words and the unit's name last."""
    _prepare(machine, compiled, "everything", "plain")
    mail = "#!/bin/sh\nprintf '%s\\n' \"$*\" >>/run/mail\ncat >>/run/mail\n"
    machine.write("/usr/sbin/sendmail", mail, mode=0o755)
    for program in ("/usr/bin/logger", "/usr/local/bin/page"):
        record(machine, program)
    machine.write("/usr/bin/systemctl", '#!/bin/sh\necho "asked for: $*"\n', mode=0o755)
    unit = "backupspec-srv_central.service"
    ran = machine.run([f"/{SCRIPTS}/alert", unit], check=False)
    assert ran.code == 0, ran.output
    calls = {call[0].rsplit("/", 1)[1]: call[1:] for call in recorded(machine)}
    assert calls["page"] == ["--team", 'it\'s 100% "ops" & $USER', unit]
    assert unit in calls["logger"][-1]
    sent = machine.read("/run/mail")
    assert sent.startswith("-t\nTo: ops+backup@example.org\nSubject: ")
    head, _, body = sent.partition("\n\n")
    assert unit in head
    assert "plain" in head
    assert body.startswith("asked for: status ")
    assert unit in body


def test_every_kind_of_script_was_looked_at(compiled: Compiled) -> None:
    """Nothing that a tree holds is called a script in another place than those looked at above."""
    for name in INVENTORIES:
        for image in images(compiled(name)):
            executable = {path for path in image.rglob("*") if path.is_file() and path.stat().st_mode & 0o111}
            assert {path for path in executable if not path.read_bytes().startswith(b"#!/bin/sh\n")} == set()
