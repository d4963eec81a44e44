"""Run a compiled unit's command lines as systemd would, on a machine where no systemd runs.

What is taken from the unit file: ExecStartPre=, ExecStart=, ExecStopPost= (with `+` as root, with `!` as root with no
more than CapabilityBoundingSet=, with `-` whatever its code), User=, LoadCredential=, RuntimeDirectory=,
AmbientCapabilities=, StandardOutput=truncate:, PrivateNetwork= where no line runs as root. A line that starts another
unit runs that one.
What is not: the rest of the sandbox, which the tests of the fleet run for real.
"""

import shlex
import time
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from demo.lab.command import CommandFailedError, Outcome
from demo.lab.machine import Machine

UNITS = "/etc/systemd/system"
_ended: Final[dict[tuple[int, str], int]] = {}  # when each service's last run ended, in whole seconds


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit file, read line by line."""

    name: str
    lines: tuple[tuple[str, str], ...]

    def all(self, key: str) -> tuple[str, ...]:
        """Return every value of a key, in the order of the file."""
        return tuple(value for name, value in self.lines if name == key)

    def one(self, key: str) -> str:
        """Return the last value of a key, or nothing."""
        return (*("",), *self.all(key))[-1]


def read(machine: Machine, name: str) -> Unit:
    """Return the unit file of a service."""
    text = machine.read(f"{UNITS}/{name}.service")
    pairs = (line.partition("=") for line in text.splitlines() if "=" in line and not line.startswith("#"))
    return Unit(name, tuple((key, value) for key, _, value in pairs))


def run(machine: Machine, name: str, *, check: bool = True, seconds: int = 300) -> Outcome:
    """Run a service to its end and return the last code and all output.

    The first program that fails ends the row, as in systemd; what comes after (ExecStopPost=) runs in any case, and is
    a row of its own. An archive's name holds the second it was begun in, so a second run waits until the last one's is
    over.
    Raises CommandFailedError for any code but 0 if `check`.
    """
    while int(time.time()) == _ended.get((machine.pid, name)):
        time.sleep(0.05)
    unit = read(machine, name)
    runtime = unit.one("RuntimeDirectory")
    folder = f"/run/{runtime}" if runtime else ""
    if folder:
        machine.run(["install", "-d", "-m", "0700", "-o", unit.one("User"), "-g", unit.one("Group"), folder])
    done: list[Outcome] = []
    try:
        done += _row(machine, unit, (*unit.all("ExecStartPre"), *unit.all("ExecStart")), folder, seconds)
    finally:
        done += _row(machine, unit, unit.all("ExecStopPost"), folder, seconds)
        if folder:
            machine.run(["rm", "-rf", folder])
        _ended[machine.pid, name] = int(time.time())
    code = next((outcome.code for outcome in done if outcome.code), 0)
    outcome = Outcome(code, "".join(one.stdout for one in done), "".join(one.stderr for one in done))
    if check and code:
        raise AssertionError(f"{name} ended with {code}\n{outcome.output}")
    return outcome


def _row(machine: Machine, unit: Unit, lines: Iterable[str], folder: str, seconds: int) -> Iterator[Outcome]:
    for line in lines:
        outcome = _line(machine, unit, line, folder, seconds)
        if "-" in _flags(line):
            outcome = Outcome(0, outcome.stdout, outcome.stderr)
        yield outcome
        if outcome.code:
            break


def _flags(line: str) -> str:
    return line[: len(line) - len(line.lstrip("+-!"))]


def _line(machine: Machine, unit: Unit, line: str, folder: str, seconds: int) -> Outcome:
    # No hostile names here: those are held by the parser of systemd itself.
    flags = _flags(line)
    argv = [word.replace("%%", "%").replace("$$", "$") for word in shlex.split(line.removeprefix(flags))]
    match argv:
        case [*_, "/bin/systemctl", "start", other]:
            return run(machine, other.removesuffix(".service"), check=False, seconds=seconds)
        case ["/bin/systemctl", "stop", _]:
            return Outcome(0, "", "")  # it has ended, or has been ended after its time
        case _:
            pass
    env = {"RUNTIME_DIRECTORY": folder, "SERVICE_RESULT": "success"}
    user = "root" if "+" in flags else unit.one("User")
    if "!" in flags:
        kept = tuple(word.removeprefix("CAP_").lower() for word in unit.one("CapabilityBoundingSet").split())
        bound = "".join(f",+{name}" for name in kept)
        argv = ["setpriv", f"--bounding-set=-all{bound}", "--inh-caps=-all", "--no-new-privs", "--", *argv]
        user = "root"
    capabilities = tuple(word.removeprefix("CAP_").lower() for word in unit.one("AmbientCapabilities").split())
    wanted = tuple(value.partition(":")[0] for value in unit.all("LoadCredential"))
    alone = unit.one("PrivateNetwork") == "true" and not any({"+", "!"} & set(_flags(value)) for _, value in unit.lines)
    outcome = machine.as_service(
        user,
        argv,
        check=False,
        env=env,
        capabilities=capabilities,
        only=wanted,
        owner=unit.one("User"),
        alone=alone,
        seconds=seconds,
    )
    if file := unit.one("StandardOutput").removeprefix("truncate:"):
        machine.run(["tee", file], data=outcome.output.encode())  # as it is made before: whose it is stays
        return Outcome(outcome.code, "", "")
    return outcome


def run_for_people(
    machine: Machine, script: str, *words: str, check: bool = True, seconds: int = 300, undo: bool = True
) -> Outcome:
    """Run a script as root in the way that `backupspec-run` does: with all credentials and a folder in memory.

    Afterwards it is called with `--undo` if that is what its unit does.
    """
    folder = f"/run/backupspec-restore-database_{uuid.uuid4()}"
    machine.run(["install", "-d", "-m", "0700", folder])
    env = {"RUNTIME_DIRECTORY": folder}
    after: list[Outcome] = []
    try:
        outcome = machine.as_service("root", [script, *words], check=False, env=env, seconds=seconds)
    finally:
        if undo:
            after.append(machine.as_service("root", [script, "--undo"], check=False, env=env, seconds=seconds))
        machine.run(["rm", "-rf", folder])
    said = Outcome(outcome.code, outcome.stdout, outcome.stderr + "".join(one.output for one in after))
    if check and outcome.code:
        raise CommandFailedError(machine.name, [script, *words], said)
    return said
