"""Runs a generator in a process of its own, ahead of the one that takes what it gives: both cores work."""

from __future__ import annotations

import ctypes
import fcntl
import gc
import marshal
import os
import signal
import sys
from collections.abc import Callable, Iterator
from typing import BinaryIO

from backupspec_migrate.lock import ENDING
from backupspec_migrate.privilege import die_with_parent
from backupspec_migrate.results import Result

_PIPE = 1 << 20  # bytes that may wait between the two: the most that the kernel gives to everybody
_PARCEL = 128  # results in one parcel, or
_HEAVY = 1 << 17  # this many bytes
_LENGTH = 8  # bytes of a parcel's length


class ReaderError(Exception):
    """The process that reads ahead died: its part of the memory or of the machine failed, not a file."""


def give_back_memory() -> None:
    """Return to the kernel what was freed and lies between things that are in use, where the C library can do that."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


class Ahead:
    """What `make()` yields, in its order, computed in a forked process. At most a pipe and two parcels of it wait.

    Whoever takes an `urgent` result does not wait for what comes after it.

    Errors of the source must be among the results; ReaderError when the process ends before its work does. It does not
    outlive this one. To be closed.
    """

    def __init__(self, make: Callable[[], Iterator[Result]], urgent: Result) -> None:
        taking, giving = os.pipe2(os.O_CLOEXEC)
        fcntl.fcntl(giving, fcntl.F_SETPIPE_SZ, _PIPE)
        sys.stdout.flush()
        sys.stderr.flush()
        parent = os.getpid()
        # What a signal raises within a fork is lost.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
        self._process = os.fork()
        if self._process == 0:
            _child(make, urgent, taking, giving, parent)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        os.close(giving)
        self._stream = os.fdopen(taking, "rb", buffering=_HEAVY)
        self.results = _results(self._stream)

    def close(self) -> None:
        """End the process, whatever it still has to say."""
        if self._stream.closed:
            return
        self._stream.close()
        os.kill(self._process, signal.SIGKILL)  # not yet waited for: the number is still its own
        os.waitpid(self._process, 0)


def _results(stream: BinaryIO) -> Iterator[Result]:
    while length := int.from_bytes(stream.read(_LENGTH), "little"):
        yield from marshal.loads(stream.read(length))  # noqa: S302 - our own process wrote it
    raise ReaderError("the process that reads the source ended early")


def _child(make: Callable[[], Iterator[Result]], urgent: Result, taking: int, giving: int, parent: int) -> None:
    """Send all results, then wait to be ended; nothing of the parent's (locks, buffers) is touched on the way out."""
    try:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)  # the parent decides
        die_with_parent(parent)
        os.close(taking)
        # What both have in common stays common: a collection would write to all of it.
        gc.freeze()
        gc.disable()
        _send(make(), urgent, giving)
        signal.pause()
    except BrokenPipeError:
        pass
    except BaseException as error:  # noqa: BLE001 - nothing may run on in a second copy of the parent
        os.write(2, f"reading ahead failed: {type(error).__name__}: {error}\n".encode(errors="replace"))
    finally:
        os._exit(1)


def _send(results: Iterator[Result], urgent: Result, giving: int) -> None:
    parcel: list[Result] = []
    heavy = 0
    with os.fdopen(giving, "wb", buffering=0) as stream:
        for result in results:
            parcel.append(result)
            heavy += sum(len(field) for field in result if isinstance(field, bytes))
            if heavy >= _HEAVY or len(parcel) >= _PARCEL or result == urgent:
                _write(stream, parcel)
                parcel, heavy = [], 0
        if parcel:
            _write(stream, parcel)
        # Open until the parent has all of it: an end of the stream means that something went wrong.
        signal.pause()


def _write(stream: BinaryIO, parcel: list[Result]) -> None:
    data = marshal.dumps(parcel)
    for piece in (len(data).to_bytes(_LENGTH, "little"), data):
        at = 0
        while at < len(piece):
            at += stream.write(memoryview(piece)[at:])
