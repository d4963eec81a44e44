"""Names, times and numbers as a report shows them."""

from __future__ import annotations

import os
import shlex
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

_STEP = 1000
_BYTE, _LAST_BYTE = 0xDC80, 0xDCFF
_LAST_ASCII, _LAST_SHORT = 0x7F, 0xFFFF


def shown(text: str) -> str:
    r"""Give a name in which nothing is hidden, moves a cursor or turns the order around; a harmless one as it is.

    A byte that is no UTF-8 becomes `\xe9`, a control character, one without width or a space that is none `\x1b` or
    `\u200b`; beside one, `\` becomes `\\`.
    """
    if text.isprintable():
        return text
    return "".join(_escaped(character) for character in text)


def _escaped(character: str) -> str:
    code = ord(character)
    if _BYTE <= code <= _LAST_BYTE:
        return f"\\x{code - 0xDC00:02x}"
    if character.isprintable():
        return character.replace("\\", "\\\\")
    if code <= _LAST_ASCII:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= _LAST_SHORT else f"\\U{code:08x}"


def typed(text: str) -> str:
    r"""Give a name as a word that can be typed in bash: as it is, `'two words'`, or `$'caf\xe9'` for what hides."""
    if text.isprintable():
        return shlex.quote(text)
    return "$'" + "".join(_typed(character) for character in text) + "'"


def _typed(character: str) -> str:
    if character in "\\'":
        return f"\\{character}"
    if character.isprintable():
        return character
    return "".join(f"\\x{byte:02x}" for byte in os.fsencode(character))


def utc(time: int) -> str:
    """Give `2024-01-31T02:00:00Z`, or `@SECONDS` for a time outside of the years 1 to 9999."""
    try:
        return datetime.fromtimestamp(time, UTC).isoformat().replace("+00:00", "Z")
    except (OverflowError, ValueError, OSError):
        return f"@{time}"


def local(time: int, zone: str) -> str:
    """Give `2024-01-31 03:00 +01:00`, or `@SECONDS` as `utc` does."""
    try:
        moment = datetime.fromtimestamp(time, ZoneInfo(zone)).isoformat(" ", "minutes")
        return f"{moment[:-6]} {moment[-6:]}"
    except (OverflowError, ValueError, OSError):
        return f"@{time}"


def day(time: int, zone: str) -> str:
    """Give `2024-01-31`, or `@SECONDS` as `utc` does."""
    return local(time, zone).split(" ", 1)[0]


def size(number: int) -> str:
    """Give a size as Borg does, in powers of 1000: `1.23 GB`."""
    value, units = float(number), ["B", "kB", "MB", "GB", "TB", "PB"]
    while value >= _STEP and len(units) > 1:
        value, units = value / _STEP, units[1:]
    return f"{number} B" if units[0] == "B" else f"{value:.2f} {units[0]}"


def counted(number: int, noun: str) -> str:
    """Give `1 archive`, `1,024 archives`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def listed(names: list[str], most: int = 3) -> str:
    """Give the first few names and how many more there are; hidden characters show."""
    shown_names = [shown(name) for name in names[:most]]
    more = len(names) - len(shown_names)
    return ", ".join(shown_names) + (f" and {more:,} more" if more else "")
