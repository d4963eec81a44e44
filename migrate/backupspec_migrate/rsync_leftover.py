"""Knows the files that rsync leaves behind when it is killed in the middle of one."""

from __future__ import annotations

import re

_LEFTOVER = re.compile(r"\..+\.([A-Za-z0-9]{6})", re.DOTALL)
# What people and programs write after the last dot: `.env.sample`, `.profile.BACKUP`, `.dump.202401`, `.list.sha256`.
# Chance gives such six characters to one temporary file in sixty.
_WORD = re.compile(r"[A-Z]?[a-z]{5,6}|[A-Z]{6}|[0-9]{6}|sha(?:256|384|512)")


def is_rsync_leftover(name: str) -> bool:
    """Tell whether a file's name is one that rsync gives to a file it is still receiving: `.NAME.XXXXXX`.

    Names that end in a word or a number (`.env.sample`) are not counted, although chance can make them.
    """
    found = _LEFTOVER.fullmatch(name)
    return found is not None and _WORD.fullmatch(found[1]) is None
