"""The standard streams of a process, whatever it was started with: closed, full, or with a reader that goes away."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO, cast

_NAMES = ("stdin", "stdout", "stderr")


class UnwritableError(Exception):
    """What there was to say cannot be written; the message says which stream, and why."""


@contextlib.contextmanager
def usable_streams() -> Iterator[None]:
    """Give a block three streams that can be used, and flush what it wrote.

    A closed one leads to the null device. UnwritableError when a disk is full, or the like; a reader that went away had
    all that it wanted, and is no error.
    """
    for name in _NAMES:
        if getattr(sys, name) is None:
            setattr(sys, name, _null(name))
    given = sys.stdout, sys.stderr
    for stream in given:
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # a terminal that knows no arrow still shows the message
    sys.stdout = cast(TextIO, _Told(given[0], "standard output"))
    sys.stderr = cast(TextIO, _Told(given[1], "standard error"))
    try:
        try:
            yield
        finally:
            for stream in (sys.stdout, sys.stderr):
                with contextlib.suppress(BrokenPipeError):
                    stream.flush()
    finally:
        sys.stdout, sys.stderr = given
        give_up_what_is_left()


def _null(name: str) -> TextIO:
    """Open the null device: it takes the lowest free number, which is that of the closed stream.

    Nothing that is opened later can then be taken for a standard stream, here or in a program that is started.
    """
    null = Path(os.devnull).open("r" if name == "stdin" else "w", encoding="utf-8")  # noqa: SIM115 - it stays open as long as the process
    os.set_inheritable(null.fileno(), True)  # noqa: FBT003 - takes it by position only
    return null


def give_up_what_is_left() -> None:
    """Flush once more, and lead elsewhere what cannot be written: the interpreter would complain on its way out."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            with contextlib.suppress(OSError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


class _Told:
    """A stream that says when it is the one that cannot be written, so that no other file is thought to be."""

    def __init__(self, stream: TextIO, name: str) -> None:
        self._stream, self._name = stream, name

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the stream has
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        with self._failing():
            return self._stream.write(text)

    def flush(self) -> None:
        with self._failing():
            self._stream.flush()

    @contextlib.contextmanager
    def _failing(self) -> Iterator[None]:
        try:
            yield
        except BrokenPipeError:
            raise
        except OSError as error:
            raise UnwritableError(f"{self._name} cannot be written: {error.strerror}") from error
