"""A machine of the lab as the rest sees it: a process id whose namespaces commands enter."""

import shlex
import subprocess
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from demo.lab.command import CLEAN, CommandFailedError, Outcome, run

CREDENTIALS = "/etc/backupspec/credentials"
_NAMESPACES = ("--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup", "--root", "--wd")
_PRIVATE = "/run/lab-credentials"


@dataclass(frozen=True, slots=True)
class Account:
    """One line of a machine's /etc/passwd."""

    name: str
    uid: int
    gid: int
    home: str
    shell: str


@dataclass(frozen=True, slots=True)
class Machine:
    """Commands run in it as root, with a clean environment, `/` as working folder and no terminal.

    `pid` is its first process, seen from outside.
    """

    name: str
    pid: int

    def run(
        self,
        argv: Sequence[str],
        *,
        check: bool = True,
        data: bytes = b"",
        env: Mapping[str, str] | None = None,
        seconds: int = 300,
    ) -> Outcome:
        """Run `argv`; it is killed after `seconds` (code 124).

        Raises CommandFailedError for any code but 0 if `check`.
        """
        enter = ["nsenter", f"--target={self.pid}", *_NAMESPACES, "--", "timeout", "--kill-after=5", str(seconds)]
        outcome = run([*enter, *argv], check=False, data=data, env={**CLEAN, "HOME": "/root", **(env or {})})
        if check and outcome.code:
            raise CommandFailedError(self.name, argv, outcome)
        return outcome

    def sh(self, script: str, *, check: bool = True) -> Outcome:
        """Run a shell script of a few words."""
        return self.run(["sh", "-euc", script], check=check)

    def write(self, path: str, data: str | bytes, *, mode: int = 0o644, owner: str = "root") -> None:
        """Write a file, parents made as needed; no link on the way can lead out of the machine."""
        content = data.encode() if isinstance(data, str) else data
        self.run(["install", "-D", f"--mode={mode:o}", f"--owner={owner}", "/dev/stdin", path], data=content)

    def read(self, path: str) -> str:
        """Return the text of a file."""
        return self.run(["cat", "--", path]).stdout

    def copy_in(self, source: Path, target: str) -> None:
        """Copy the contents of a folder of the outside into `target`, modes and times kept, owned by root."""
        packed = subprocess.run(["tar", "-C", str(source), "-cf", "-", "."], check=True, capture_output=True).stdout
        self.run(["mkdir", "-p", target])
        self.run(["tar", "-C", target, "--no-same-owner", "-xpf", "-"], data=packed)

    def account(self, name: str) -> Account:
        """Return what /etc/passwd says of `name`."""
        fields = self.run(["getent", "passwd", name]).stdout.rstrip("\n").split(":")
        return Account(fields[0], int(fields[2]), int(fields[3]), fields[5], fields[6])

    def as_service(  # noqa: PLR0913 - each sets one thing that a unit can say, and has a default
        self,
        user: str,
        argv: Sequence[str],
        *,
        capabilities: Sequence[str] = ("dac_read_search",),
        env: Mapping[str, str] | None = None,
        check: bool = True,
        only: Sequence[str] | None = None,
        owner: str = "",
        alone: bool = False,
        seconds: int = 300,
    ) -> Outcome:
        """Run `argv` as a unit with User=, AmbientCapabilities= and LoadCredential= would, where no systemd runs.

        Every file of /etc/backupspec/credentials (or `only` those) is copied to a folder that only `user` (or `owner`)
        can read; CREDENTIALS_DIRECTORY names it and it is gone afterwards. Root keeps all capabilities. `alone`:
        without a network.
        """
        account = self.account(user)
        reader = self.account(owner or user)
        folder = f"{_PRIVATE}/{user}-{uuid.uuid4()}"  # two may run at a time
        quoted = shlex.quote(folder)
        self.sh(f"rm -rf {quoted}; mkdir -p {quoted}")
        if only is None:
            self.sh(f"[ ! -d {CREDENTIALS} ] || cp -a {CREDENTIALS}/. {quoted}/")
        elif only:
            self.run(["cp", "-a", "--", *(f"{CREDENTIALS}/{name}" for name in only), folder])
        self.sh(f"chmod -R u=rX,go= {quoted}; chown -R {reader.uid}:{reader.gid} {quoted}")
        wanted = "".join(f",+{name}" for name in capabilities)
        settings = {
            "HOME": account.home,
            "USER": user,
            "LOGNAME": user,
            "SHELL": account.shell,
            "CREDENTIALS_DIRECTORY": folder,
            **(env or {}),
        }
        become = [
            "setpriv",
            f"--reuid={account.uid}",
            f"--regid={account.gid}",
            "--init-groups",
            f"--bounding-set=-all{wanted}",
            f"--inh-caps=-all{wanted}",
            f"--ambient-caps=-all{wanted}",
            "--no-new-privs",
            "--",
        ]
        if user == "root":
            become = []
        if alone:
            become = ["unshare", "--net", "--", *become]
        try:
            return self.run([*become, *argv], check=check, env=settings, seconds=seconds)
        finally:
            self.run(["rm", "-rf", folder])

    def start_sshd(self, *, seconds: float = 10) -> None:
        """Start the machine's sshd with its own /etc/ssh/sshd_config on its own addresses; it dies with the machine.

        Host keys that are missing are made. Raises TimeoutError, with sshd's log, when it does not listen in time.
        """
        self.run(["mkdir", "-p", "-m", "0755", "/run/sshd"])
        self.run(["ssh-keygen", "-A"])
        self.run(["/usr/sbin/sshd", "-t"])
        self.run(["/usr/sbin/sshd", "-E", "/run/sshd.log"])
        end = time.monotonic() + seconds
        while "Server listening" not in self.read("/run/sshd.log"):
            if time.monotonic() > end:
                raise TimeoutError(self.read("/run/sshd.log"))
            time.sleep(0.05)

    def sshd_log(self) -> str:
        """Return what the machine's sshd wrote so far."""
        return self.read("/run/sshd.log")

    def files_below(self, path: str) -> dict[PurePosixPath, str]:
        """Return everything below `path` with kind, mode, owner, time, target and content hash, for comparing trees."""
        folder = shlex.quote(path)
        plain = f"cd {folder}; find . -mindepth 1 -type d -printf '%P\\t%y %m %U:%G\\n'"
        other = "find . ! -type d -printf '%P\\t%y %m %U:%G %s %T@ %l\\n'"
        listing = self.sh(f"{plain}; {other}").stdout
        sums = self.sh(f"cd {folder}; find . -type f -exec sha256sum -- {{}} +").stdout
        found = {PurePosixPath(name): rest for name, _, rest in (line.partition("\t") for line in listing.splitlines())}
        for line in sums.splitlines():
            digest, _, name = line.partition("  ")
            found[PurePosixPath(name)] += f" {digest}"
        return found
