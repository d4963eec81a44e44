"""A private network of machines that share this one's files copy-on-write: real paths, users and addresses, none left.

Two kinds of machine join a room: `Room.machine` (namespaces only: there in a tenth of a second, no systemd running) and
`demo.lab.container.booted` (a Debian under systemd-nspawn). Each has a link of its own to the room's bridge, so that a
connection comes from the address that the inventory gives. Needs root; nothing is left when the room is closed or
whoever opened it is killed.
"""

import contextlib
import ipaddress
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Self

from demo.lab.command import CLEAN, run
from demo.lab.machine import Machine

_INSIDE = Path(__file__).with_name("inside.py")
_NAMESPACES = ("--mount", "--uts", "--ipc", "--net", "--pid", "--fork", "--kill-child", "--propagation=private")
OWNER = "BACKUPSPEC_LAB_OWNER"
"""In the environment of each process that keeps a machine alive: the process id of whoever opened its room."""
PRISTINE_SSHD_CONFIG = "/usr/share/openssh/sshd_config"


class LabError(Exception):
    """The lab itself could not be built; the message says what was missing."""


@contextlib.contextmanager
def held(argv: Sequence[str], *, patience: float = 10) -> Iterator[int]:
    """Keep `argv` running while the block runs, and give the process id that it prints as soon as it is ready.

    It must end within `patience` seconds when its input does.

    Its own session keeps a Ctrl-C at the terminal from ending it before its users end.
    """
    env = {**CLEAN, OWNER: str(os.getpid())}
    process = subprocess.Popen(
        argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env, start_new_session=True
    )
    try:
        first = _stream(process.stdout).readline().strip()
        if not first:
            raise LabError(f"`{argv[0]}` ended with {process.wait()} before the machine was there")
        yield int(first)
    finally:
        _stream(process.stdin).close()
        try:
            process.wait(timeout=patience)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        _stream(process.stdout).close()


def _stream(stream: IO[str] | None) -> IO[str]:
    if stream is None:
        raise LabError("the process was started without pipes")
    return stream


class Room:
    """A bridge in a network namespace of its own; `with Room() as room:` opens it, the end closes every machine."""

    def __init__(self) -> None:
        """Prepare; nothing runs before the block is entered."""
        self._open = contextlib.ExitStack()
        self._pid = 0
        self._links = 0

    def __enter__(self) -> Self:
        """Make the network namespace and its bridge."""
        pid = self._open.enter_context(held(["unshare", "--net", "--", "sh", "-c", "echo $$; exec cat"]))
        self._pid = pid
        try:
            self._ip("link", "add", "br0", "type", "bridge")
            self._ip("link", "set", "br0", "up")
        except BaseException:
            self._open.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """End every machine, then the network."""
        self._open.close()

    def machine(
        self, name: str, addresses: Sequence[str], *, fresh: Sequence[str] = (), see: Sequence[Path] = ()
    ) -> Machine:
        """Start a machine with the given addresses.

        `fresh` folders start empty; `/etc/ssh` (with the distribution's own sshd_config) and backupspec's own folders
        always do. `see` lists folders of the outside that stay visible, read-only, at their own paths even if they lie
        in a fresh one.
        """
        empty = ["/etc/ssh", "/etc/backupspec", "/var/lib/backupspec", "/var/lib/backupspec-restore", *fresh]
        words = [f"--fresh={path}" for path in empty] + [f"--see={path}" for path in see]
        argv = ["unshare", *_NAMESPACES, "--", sys.executable, "-I", str(_INSIDE), name, *words]
        pid = self._open.enter_context(held(argv))
        machine = Machine(name, pid)
        self.connect(machine.pid, addresses)
        machine.run(["mkdir", "/etc/ssh/sshd_config.d"])
        machine.run(["cp", PRISTINE_SSHD_CONFIG, "/etc/ssh/sshd_config"])
        machine.write("/etc/hostname", f"{name}\n")
        machine.write("/etc/hosts", f"127.0.0.1 localhost\n127.0.1.1 {name}\n::1 localhost\n")
        machine.write("/etc/resolv.conf", "")  # nobody answers in here: asking would cost half a minute each time
        return machine

    def connect(self, pid: int, addresses: Sequence[str]) -> None:
        """Link the network namespace of process `pid` to the bridge under `addresses`; it leads to all others."""
        port = f"port{self._links}"
        self._links += 1
        self._ip("link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", str(pid))
        self._ip("link", "set", port, "master", "br0", "up")
        enter = ["nsenter", f"--target={pid}", "--net", "--", "ip"]
        run([*enter, "link", "set", "lo", "up"])
        run([*enter, "link", "set", "eth0", "up"])
        for address in addresses:
            wide = ipaddress.ip_address(address)
            extra = ["nodad"] if isinstance(wide, ipaddress.IPv6Address) else []
            run([*enter, "address", "add", f"{wide}/{wide.max_prefixlen}", "dev", "eth0", *extra])
        for version in sorted({ipaddress.ip_address(address).version for address in addresses}):
            run([*enter, f"-{version}", "route", "add", "default", "dev", "eth0"])

    def _ip(self, *words: str) -> None:
        run(["nsenter", f"--target={self._pid}", "--net", "--", "ip", *words])
