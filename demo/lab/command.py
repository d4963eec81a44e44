"""Run one command and say plainly how it ended."""

import os
import shlex
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
CLEAN = {"PATH": SYSTEM_PATH, "LANG": "C.UTF-8"}


class CommandFailedError(Exception):
    """A command ended with another exit code than zero."""

    def __init__(self, where: str, argv: Sequence[str], outcome: "Outcome") -> None:
        """Keep what a reader needs to see why."""
        tail = "\n".join(outcome.output.strip().splitlines()[-30:])
        super().__init__(f"{where}: `{shlex.join(argv)}` ended with {outcome.code}\n{tail}")
        self.outcome = outcome


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a command left: its exit code and what it wrote (bytes that are not UTF-8 as surrogates)."""

    code: int
    stdout: str
    stderr: str

    @property
    def output(self) -> str:
        """Both streams, for people."""
        return self.stdout + self.stderr


def run(argv: Sequence[str], *, check: bool = True, data: bytes = b"", env: Mapping[str, str] | None = None) -> Outcome:
    """Run `argv` without a terminal, `data` on its standard input and nothing but `env` in its environment.

    Raises CommandFailedError unless it ends with 0 or `check` is false.
    """
    settings = CLEAN if env is None else dict(env)
    done = subprocess.run(argv, input=data, capture_output=True, check=False, env=settings)
    outcome = Outcome(done.returncode, os.fsdecode(done.stdout), os.fsdecode(done.stderr))
    if check and outcome.code:
        raise CommandFailedError("here", argv, outcome)
    return outcome
