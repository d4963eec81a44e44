"""systemd's own word on every compiled unit."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from backupspec.database import Command, Kind
from backupspec.fleet import DatabaseJob, Hook
from backupspec.plan.kinds import describe
from backupspec.plan.units import drill_name, unit_name
from demo.lab.room import Room
from tests.golden.trees import INVENTORIES, Compiled
from tests.oracles.machines import SCRIPTS, UNITS, fleet, images, runs, units

pytestmark = pytest.mark.systemd


@pytest.mark.root
@pytest.mark.parametrize("name", INVENTORIES)
def test_systemd_says_nothing_about_any_unit(name: str, compiled: Compiled) -> None:
    """At their real paths, with everything they start in place."""
    hooks = {hook.argv[0] for run in runs(fleet(name)) for hook in (*run.job.before, *run.job.after)}
    with Room() as room:
        machine = room.machine("any", [])
        for program in sorted(hooks):
            machine.sh(f"[ -e {program} ] || install -D -m 0755 /bin/true {program}")
        for image in images(compiled(name)):
            machine.copy_in(image, "/")
            names = [path.name.replace("@.", "@backupspec-any.service.") for path in units(image, "")]
            said = machine.run(["systemd-analyze", "verify", "--man=no", *names], check=False) if names else None
            assert said is None or (said.code, said.output) == (0, ""), image
            machine.sh(f"rm -rf /{UNITS}/backupspec* /{SCRIPTS}")


@pytest.mark.root
def test_that_word_is_heard(compiled: Compiled) -> None:
    """A unit with a mistake in it, so that silence above means something."""
    image = compiled("laptop") / "hosts/laptop/root"
    (service,) = [path.name for path in units(image, "_usb.service")]
    with Room() as room:
        machine = room.machine("any", [])
        machine.copy_in(image, "/")
        for mistake in ("IPAddressAllow=a.name", "ProtectSystem=strickt", "ExecStartPre=/nowhere"):
            machine.sh(f"echo '[Service]\n{mistake}' >>/{UNITS}/{service}")
            assert machine.run(["systemd-analyze", "verify", "--man=no", service], check=False).output
            machine.copy_in(image, "/")


def _understood(dump: str) -> dict[str, list[list[str]]]:
    """Give the words of each command of each unit of ours from systemd's dump, in the order of running."""
    found = {}
    for part in re.split(r"^\t?(?:->|→) Unit ", dump, flags=re.MULTILINE)[1:]:
        unit, _, text = part.partition(":\n")
        if unit.startswith("backupspec") and unit.endswith(".service"):
            lines = re.findall(r"^\t+Command Line: (.*)$", text, flags=re.MULTILINE)
            found[unit] = [_words(line) for line in lines]
    return found


def _words(line: str) -> list[str]:
    """Undo the quotes of the dump, and the `$$` that becomes `$` when the program starts (systemd.service(5))."""
    words = re.findall(r'"((?:\\.|[^"\\])*)"|([^ ]+)', line)
    return [(re.sub(r"\\(.)", r"\1", quoted) or plain).replace("$$", "$") for quoted, plain in words]


@pytest.mark.root
@pytest.mark.parametrize("name", INVENTORIES)
def test_systemd_runs_exactly_what_the_inventory_says(name: str, compiled: Compiled) -> None:
    """Hooks with their arguments, scripts, and who runs them."""
    with Room() as room:
        machine = room.machine("any", [])
        machine.run(["install", "-d", "-o", "nobody", "/run/systemd"])
        for host in fleet(name).hosts:
            image = compiled(name) / "hosts" / host.name / "root"
            machine.copy_in(image, "/")
            wanted = " ".join(path.name for path in units(image, ".service") if "@" not in path.name)
            machine.write(f"/{UNITS}/all.target", f"[Unit]\nDefaultDependencies=no\nWants={wanted}\n")
            env = {"SYSTEMD_LOG_TARGET": "console", "LC_ALL": "C.UTF-8", "HOME": "/"}
            test = ["/lib/systemd/systemd", "--system", "--test", "--unit=all.target"]
            ran = machine.run(["setpriv", "--reuid=nobody", "--clear-groups", *test], env=env)
            said = [line for line in ran.stderr.splitlines() if "backupspec" in line]
            assert said == []
            understood = _understood(ran.stdout)
            for run in runs(fleet(name)):
                if run.host.name == host.name:
                    commands = understood[f"backupspec-{run.name}.service"]
                    before = [_hook(hook) for hook in run.job.before]
                    unless_held_back = ["/bin/sh", "-c", '[ "$SERVICE_RESULT" = exec-condition ] || exec "$@"', "hook"]
                    hooks = [*before, *([*unless_held_back, *_hook(hook)] for hook in run.job.after)]
                    own = [words for words in commands if words[0].startswith(f"/{SCRIPTS}/")]
                    lock = f"/var/lib/backupspec/{run.target.repository.name}.lock"
                    wait = ["/usr/bin/flock", "--shared", lock, "/bin/true"]
                    waits = [] if run.job.snapshot is None else [wait]
                    assert [words for words in commands if words not in own] == [*waits, *hooks]
                    create = [f"/{SCRIPTS}/jobs/{run.name}/create"]
                    take, drop = ([f"/{SCRIPTS}/jobs/{run.name}/snapshot", word] for word in ("take", "drop"))
                    around = [words for words in own if words in (take, create, drop)]
                    assert around == ([create] if run.job.snapshot is None else [take, create, drop, drop])
                    assert [words for words in own if not (image / words[0].lstrip("/")).is_file()] == []
            machine.sh(f"rm -rf /{UNITS}/backupspec* /{SCRIPTS}")


def _hook(hook: Hook) -> list[str]:
    return [*([] if hook.timeout is None else ["/usr/bin/timeout", str(hook.timeout)]), *hook.argv]


def _kinds(name: str, image: Path) -> dict[str, str]:
    """Give what kind of unit each service of an image is."""
    found = {}
    for path in units(image, ".service"):
        if "@" in path.name or path.name == "backupspec-awake.service":
            found[path.name] = path.stem.removeprefix("backupspec-").rstrip("@")
        elif path.name.startswith("backupspec-check-"):
            found[path.name] = "check"
        elif path.name.startswith("backupspec-scratch-"):
            found[path.name] = "databases, scratch server of a drill"
    for run in runs(fleet(name)):
        if run.host.name == image.parent.name:
            place = "local" if run.target.repository.local else "remote"
            hooks = ", with hooks" if run.job.before or run.job.after else ""
            snapshot = "" if run.job.snapshot is None else f", {run.job.snapshot.kind} snapshot"
            found[f"backupspec-{run.name}.service"] = f"job, {place}{hooks}{snapshot}"
    return found | _kinds_of_databases(name, image)


def _kinds_of_databases(name: str, image: Path) -> dict[str, str]:
    found = {}
    for host in fleet(name).hosts:
        for job in host.databases if host.name == image.parent.name else ():
            kind = "command" if isinstance(job.kind, Command) else re.split("[: ]", describe(job))[0]
            for target in job.targets:
                found[f"{unit_name(job, target.repository)}.service"] = f"databases, {kind}{_freedom(job)}"
                if job.drill is not None:
                    found[f"{drill_name(job, target.repository)}.service"] = "databases, drill"
    return found


def _freedom(job: DatabaseJob) -> str:
    """Say what makes a job of databases need more than others of its kind."""
    inside = getattr(getattr(job.kind, "endpoint", None), "container", None)
    if inside is not None:
        return f" in a container of {inside.engine}"
    return ", with hooks" if job.before or job.after else ""


def test_a_job_that_only_reads_files_is_hardly_exposed(compiled: Compiled) -> None:
    """At most 2.0 of 10 in systemd's own reckoning; `pytest -rP` shows the scores of every kind of unit."""
    scores: dict[str, set[float]] = {}
    for name in INVENTORIES:
        for image in images(compiled(name)):
            for unit, kind in _kinds(name, image).items():
                argv = ["systemd-analyze", "security", "--offline=yes", "--no-pager", str(image / UNITS / unit)]
                ran = subprocess.run(argv, capture_output=True, text=True, check=True, env={"LC_ALL": "C.UTF-8"})
                match = re.search(r"exposure level for \S+: ([0-9.]+)", ran.stdout)
                assert match, ran.stdout
                scores.setdefault(kind, set()).add(float(match[1]))
    print("exposure of the units, from 0 to 10:")
    for kind, values in sorted(scores.items()):
        print(f"    {kind}: {min(values)}" + (f" to {max(values)}" if len(values) > 1 else ""))
    assert max(scores["job, remote"]) <= 2.0
    assert max(scores["job, local"]) <= 2.0
    assert max(score for kind, found in scores.items() if "snapshot" in kind for score in found) <= 2.0
    assert max(scores["check"]) <= 2.0
    dumps = {kind: found for kind, found in scores.items() if kind.startswith("databases, ")}
    assert len(dumps) >= len(Kind.__args__)
    assert max(score for kind, found in dumps.items() if "hooks" not in kind for score in found) <= 2.0
