"""What all languages share: why a value is refused, the checks behind it, tokens and comments."""

from __future__ import annotations

import posixpath
import re
import unicodedata
from dataclasses import dataclass

LONGEST_PATH = 4095
"""Bytes of the longest path that the kernel takes (PATH_MAX without its NUL)."""

_TOKEN = re.compile(r"[A-Za-z0-9_./@+:=-]+")
_LINE_BREAKERS = frozenset({"Cc", "Cs", "Zl", "Zp"})


class Unrepresentable(ValueError):  # noqa: N818 - says what the value is; "Error" at the end would add nothing
    """The language of the target has no way to hold this value; the message says why."""

    def __init__(self, value: str, reason: str) -> None:
        """Keep the value and the reason; the message holds both."""
        super().__init__(f"{value!r} {reason}")
        self.value = value
        self.reason = reason


def require(condition: object, value: str, reason: str) -> None:
    """Raise `Unrepresentable(value, reason)` unless `condition` holds."""
    if not condition:
        raise Unrepresentable(value, reason)


def require_line(value: str) -> None:
    """Refuse what some program may take for the end of a line or show to nobody, and what is not UTF-8.

    These are the control characters (tab too), U+2028, U+2029 and lone surrogates.
    """
    if value.isascii() and value.isprintable():
        return
    for character in value:
        require(
            unicodedata.category(character) not in _LINE_BREAKERS,
            value,
            f"holds the control character U+{ord(character):04X}",
        )


def require_trimmed(value: str) -> None:
    """Refuse an empty value and white space at either end: a reader of lines strips it."""
    require(value, value, "is empty")
    require(value == value.strip(), value, "begins or ends with white space, which would be lost")


def require_path(value: str) -> None:
    """Refuse a path that is not absolute and normal: `//`, `/./`, `..` and a last slash get rewritten somewhere."""
    require_line(value)
    require(value.startswith("/"), value, "is not an absolute path")
    require(not value.startswith("//"), value, "begins with two slashes")
    require(posixpath.normpath(value) == value, value, f"is not a normal path (write {posixpath.normpath(value)!r})")
    require(len(value.encode()) <= LONGEST_PATH, value, f"is longer than {LONGEST_PATH} bytes")


@dataclass(frozen=True, slots=True)
class ConfigToken:
    """A word that means itself in every configuration language here.

    It is `[A-Za-z0-9_./@+:=-]+`, and does not begin with `-`, `+`, `@`, `:` or `=`. For names of units, accounts and
    hosts, for modes, times and sizes.
    """

    text: str

    def __post_init__(self) -> None:
        """Refuse every character that some language treats as special."""
        require(_TOKEN.fullmatch(self.text), self.text, "is not a plain word of A-Z a-z 0-9 _ . / @ + : = -")
        require(self.text[0] not in "-+@:=", self.text, f"begins with {self.text[0]!r}")

    def __str__(self) -> str:
        """Give the word."""
        return self.text


@dataclass(frozen=True, slots=True)
class Comment:
    """A whole comment line of any language here that comments with `#`; the sign is part of it."""

    text: str

    def __post_init__(self) -> None:
        """Refuse a second line."""
        require_line(self.text)
        require_trimmed(self.text)

    def __str__(self) -> str:
        """Give the line, without its end."""
        return f"# {self.text}"
