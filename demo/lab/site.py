"""Bring what an inventory compiles to onto machines of a room, the way an admin does it."""

import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from demo.lab.command import CLEAN, Outcome, run
from demo.lab.machine import CREDENTIALS, Machine

SCRIPTS = "/usr/local/lib/backupspec"
ACCOUNT = "backupspec"
_STAGING = "/var/tmp/compiled"  # noqa: S108 - a machine's own
_ended: Final[dict[tuple[int, str, str], int]] = {}  # when each job's last `create` ended, in whole seconds


@dataclass(frozen=True, slots=True)
class Site:
    """`inventory` is a folder with inventory.yaml and keys/, and gets new keys; `output` is where it compiles to."""

    inventory: Path
    output: Path

    def compile(self) -> Outcome:
        """Run `backupspec compile`; CommandFailedError, with the findings, if it refuses."""
        argv = [sys.executable, "-m", "backupspec", "compile", str(self.inventory), "--output", str(self.output)]
        return run(argv, env={**CLEAN, "HOME": str(self.output.parent)})

    def apply(self, machine: Machine) -> Outcome:
        """Copy the compiled tree of `machine` onto it and run its `apply`, unedited."""
        machine.run(["rm", "-rf", _STAGING])
        machine.copy_in(self.output / "hosts" / machine.name, _STAGING)
        return machine.run([f"{_STAGING}/apply"])

    def learn_host_key(self, server: Machine) -> None:
        """Make the server's ssh host key and put its public half beside the inventory, in place of the one there."""
        server.run(["ssh-keygen", "-A"])
        key = server.read("/etc/ssh/ssh_host_ed25519_key.pub")
        (self.inventory / "keys" / f"{server.name}.hostkey.pub").write_text(key, encoding="utf-8")

    def learn_key(self, host: Machine) -> None:
        """Put the public key that the first `apply` made on `host` beside the inventory, as that `apply` asks for."""
        key = host.read(f"{CREDENTIALS}/ssh_key.pub")
        (self.inventory / "keys" / f"{host.name}.pub").write_text(key, encoding="utf-8")


def repository_script(host: Machine, repository: str, word: str, *words: str, check: bool = True) -> Outcome:
    """Run one of a repository's compiled scripts as its unit or `backupspec-run` would: a restore as root."""
    user = "root" if word == "restore" else ACCOUNT
    return host.as_service(user, [f"{SCRIPTS}/repositories/{repository}/{word}", *words], check=check)


def job_script(host: Machine, job: str, repository: str, word: str, *, check: bool = True) -> Outcome:
    """Run one of a job's compiled scripts as its unit would.

    An archive's name holds the second it was begun in, so a second `create` waits until the last one's second is over.
    """
    while word == "create" and int(time.time()) == _ended.get((host.pid, job, repository)):
        time.sleep(0.05)
    try:
        return host.as_service(ACCOUNT, [f"{SCRIPTS}/jobs/{job}_{repository}/{word}"], check=check)
    finally:
        _ended[host.pid, job, repository] = int(time.time())


def borg_in_environment_of(host: Machine, script: str, command: str, *, check: bool = True) -> Outcome:
    """Run a shell `command` in the environment that the compiled `script` sets up for borg, as an admin would."""
    exports = "\n".join(line for line in host.read(script).splitlines() if line.startswith(("export ", "credential=")))
    return host.as_service(ACCOUNT, ["sh", "-euc", f"{exports}\n{command}"], check=check)


def bytes_below(machine: Machine, folder: str) -> int:
    """Return how many bytes the files below `folder` have."""
    return int(machine.run(["du", "--summarize", "--bytes", folder]).stdout.split()[0])
