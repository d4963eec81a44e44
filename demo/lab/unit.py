"""Run a compiled unit's command lines as systemd would, on a machine where no systemd runs.

What is taken from the unit file: ExecStartPre=, ExecStart=, ExecStopPost= (with `+` as root, with `!` as root with no
more than CapabilityBoundingSet=), User=, LoadCredential=, RuntimeDirectory=, AmbientCapabilities=. What is not: the
sandbox, which the tests of the fleet run for real.
"""

import shlex
from dataclasses import dataclass

from demo.lab.command import Outcome
from demo.lab.machine import Machine

UNITS = "/etc/systemd/system"


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

    The first program that fails ends the row, as in systemd; what comes after (ExecStopPost=) runs in any case.
    Raises CommandFailedError for any code but 0 if `check`.
    """
    unit = read(machine, name)
    runtime = unit.one("RuntimeDirectory")
    folder = f"/run/{runtime}" if runtime else ""
    if folder:
        machine.run(["install", "-d", "-m", "0700", "-o", unit.one("User"), "-g", unit.one("Group"), folder])
    done: list[Outcome] = []
    try:
        for line in (*unit.all("ExecStartPre"), *unit.all("ExecStart")):
            done.append(_line(machine, unit, line, folder, seconds))
            if done[-1].code:
                break
    finally:
        done.extend(_line(machine, unit, line, folder, seconds) for line in unit.all("ExecStopPost"))
        if folder:
            machine.run(["rm", "-rf", folder])
    code = next((outcome.code for outcome in done if outcome.code), 0)
    outcome = Outcome(code, "".join(one.stdout for one in done), "".join(one.stderr for one in done))
    if check and code:
        raise AssertionError(f"{name} ended with {code}\n{outcome.output}")
    return outcome


def _line(machine: Machine, unit: Unit, line: str, folder: str, seconds: int) -> Outcome:
    # No hostile names here: those are held by the parser of systemd itself.
    argv = [word.replace("%%", "%").replace("$$", "$") for word in shlex.split(line.lstrip("+-!"))]
    env = {"RUNTIME_DIRECTORY": folder, "SERVICE_RESULT": "success"}
    user = "root" if line.startswith("+") else unit.one("User")
    if line.startswith("!"):
        kept = tuple(word.removeprefix("CAP_").lower() for word in unit.one("CapabilityBoundingSet").split())
        bound = "".join(f",+{name}" for name in kept)
        argv = ["setpriv", f"--bounding-set=-all{bound}", "--inh-caps=-all", "--no-new-privs", "--", *argv]
        user = "root"
    capabilities = tuple(word.removeprefix("CAP_").lower() for word in unit.one("AmbientCapabilities").split())
    wanted = tuple(value.partition(":")[0] for value in unit.all("LoadCredential"))
    return machine.as_service(
        user,
        argv,
        check=False,
        env=env,
        capabilities=capabilities,
        only=wanted,
        seconds=seconds,
        owner=unit.one("User"),
    )


def run_for_people(machine: Machine, script: str, *words: str, check: bool = True, seconds: int = 300) -> Outcome:
    """Run a script as root in the way that `backupspec-run` does: with all credentials and a folder in memory."""
    folder = "/run/backupspec-restore-database"
    machine.run(["install", "-d", "-m", "0700", folder])
    try:
        return machine.as_service(
            "root", [script, *words], check=check, env={"RUNTIME_DIRECTORY": folder}, seconds=seconds
        )
    finally:
        machine.run(["rm", "-rf", folder])
