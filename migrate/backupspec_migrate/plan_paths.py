"""Writes paths so that a plan file can hold any of them, and reads them back.

What the strict YAML of this house refuses (control characters, bytes that are no UTF-8) and `%` itself become %XX.
"""

from __future__ import annotations

import os
from urllib.parse import unquote_to_bytes

from backupspec.source import unfit_character


def as_text(path: str) -> str:
    """Write a path as text without characters that cannot be shown; `as_path` gives the same path back."""
    return "".join(_escaped(letter) if letter == "%" or unfit_character(letter) else letter for letter in path)


def as_path(text: str) -> str:
    """Read a path that `as_text` wrote."""
    return os.fsdecode(unquote_to_bytes(text)) if "%" in text else text


def _escaped(letter: str) -> str:
    return "".join(f"%{byte:02X}" for byte in os.fsencode(letter))
