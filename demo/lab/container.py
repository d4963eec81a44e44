"""Machines with a systemd of their own: a Debian base under an overlay, booted by systemd-nspawn, joined to a room."""

import contextlib
import os
import sys
import time
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path

from demo.lab.base import base
from demo.lab.machine import Machine
from demo.lab.room import LabError, Room, held
from demo.lab.traces import groups_called

_BOOT = Path(__file__).with_name("boot.py")
_SECONDS_TO_BOOT = 90
_NAMESPACES = ("--mount", "--pid", "--net", "--fork", "--kill-child", "--propagation=private")


def _numbers(pid: int) -> list[str]:
    """Return the process ids of `pid`, one per pid namespace, outermost first."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    return next(line for line in status.splitlines() if line.startswith("NSpid:")).split()[1:]


def _first_process(holder: int) -> int:
    """Return the process below `holder` that is number 1 of a pid namespace of its own, 0 if there is none yet."""
    depth = len(_numbers(holder))
    waiting = [holder]
    while waiting:
        pid = waiting.pop()
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            numbers = _numbers(pid)
            if len(numbers) > depth and numbers[-1] == "1":
                return pid
            children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="utf-8")
            waiting.extend(map(int, children.split()))
    return 0


@contextlib.contextmanager
def _groups_removed(name: str) -> Iterator[None]:
    """Remove the control groups called `name`, with all below, when the block ends; the kernel leaves them."""
    try:
        yield
    finally:
        for top in groups_called(name):
            for folder, _, _ in os.walk(top, topdown=False):
                with contextlib.suppress(FileNotFoundError):
                    Path(folder).rmdir()


@contextlib.contextmanager
def booted(  # noqa: PLR0913 - what tells one machine from another
    room: Room, suite: str, name: str, addresses: Sequence[str], console: Path, *, extra: Sequence[str] = ()
) -> Iterator[Machine]:
    """Boot a `suite` machine in `room` and wait until systemd says that it runs; power it off at the end of the block.

    What it prints while booting goes to the file `console`. Raises LabError, with the end of that file, when it does
    not come up within a minute and a half or units failed.
    """
    group = f"backupspec-lab-{os.getpid()}-{uuid.uuid4().hex}"
    argv = [
        "unshare",
        *_NAMESPACES,
        "--",
        sys.executable,
        "-I",
        str(_BOOT),
        str(base(suite, extra)),
        name,
        str(console),
        group,
    ]
    with _groups_removed(group), held(argv, patience=30) as pid:
        room.connect(pid, addresses)
        yield _running(name, pid, console)


def _running(name: str, holder: int, console: Path) -> Machine:
    end = time.monotonic() + _SECONDS_TO_BOOT
    state = "no systemd yet"
    while time.monotonic() < end and not state.startswith("degraded"):
        if first := _first_process(holder):
            machine = Machine(name, first)
            state = machine.run(["systemctl", "is-system-running"], check=False).output.strip()
            if state == "running":
                return machine
            if state == "degraded":
                state += "\n" + machine.run(["systemctl", "--failed"]).stdout
        time.sleep(0.2)
    tail = "\n".join(console.read_text(errors="replace").splitlines()[-20:])
    raise LabError(f"{name} did not come up: {state}\n{tail}")
