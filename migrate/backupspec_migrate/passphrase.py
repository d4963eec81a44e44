"""Reads a repository's passphrase from a file that only root can read."""

from __future__ import annotations

import getpass
import os
import stat
from pathlib import Path

_LONGEST = 4096  # bytes


class PassphraseError(Exception):
    """A file that gives no passphrase; the message says why."""


def passphrase_from(path: Path) -> str:
    """Give the first line of a file that its owner, we or root, alone may read; PassphraseError otherwise."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise PassphraseError(f"{path} cannot be read: {error.strerror}") from error
    try:
        state = os.fstat(fd)
        if not stat.S_ISREG(state.st_mode):
            raise PassphraseError(f"{path} is not a file")
        if state.st_uid not in {0, os.geteuid()} or state.st_mode & 0o077:
            raise PassphraseError(f"others may read or change {path}: make it root's own, with mode 0600")
        text = os.read(fd, _LONGEST).split(b"\n")[0].decode()
    except UnicodeDecodeError:
        raise PassphraseError(f"{path} holds no text in UTF-8") from None  # the error would show what it holds
    finally:
        os.close(fd)
    if "\0" in text:
        raise PassphraseError(f"{path} holds no text in UTF-8")
    if not text:
        raise PassphraseError(f"{path} is empty")
    return text


def ask_nobody() -> None:
    """Let Borg say that there is no passphrase instead of asking for one."""
    getpass.getpass = _no_answer


def _no_answer(*_: object, **__: object) -> str:
    raise EOFError


def give_passphrase(path: str) -> None:
    """Let Borg find the passphrase in the environment of this process, in the place of what was there."""
    text = passphrase_from(Path(path))
    os.environ.pop("BORG_PASSCOMMAND", None)
    os.environ.pop("BORG_PASSPHRASE_FD", None)
    os.environ["BORG_PASSPHRASE"] = text
