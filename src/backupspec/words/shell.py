"""Words of POSIX shell scripts."""

from __future__ import annotations

import re
from dataclasses import dataclass

from backupspec.words.plain import require

_BARE = re.compile(r"[A-Za-z0-9_./:@%,+-]+")


@dataclass(frozen=True, slots=True)
class ShellWord:
    """One word of a shell command, whatever it holds but NUL; also right after `NAME=` (POSIX.1-2017, XCU 2.2.2).

    Nothing is special between single quotes but the single quote. A leading dash is kept: `--` before it is the
    template's business.
    """

    text: str

    def __post_init__(self) -> None:
        """Refuse NUL, which no argument can hold, and lone surrogates, which no UTF-8 file can."""
        require("\0" not in self.text, self.text, "holds NUL")
        require(self.text.isascii() or not re.search("[\ud800-\udfff]", self.text), self.text, "holds a lone surrogate")

    def __str__(self) -> str:
        """Give the word, quoted unless every character is plain."""
        if _BARE.fullmatch(self.text):
            return self.text
        return "'" + self.text.replace("'", "'\\''") + "'"


@dataclass(frozen=True, slots=True)
class ShellPattern:
    """A pattern of `case` (XCU 2.13) in which `*` and `?` alone are special: all other signs mean themselves."""

    text: str

    def __post_init__(self) -> None:
        """Refuse what no argument can hold."""
        ShellWord(self.text)
        require(self.text, self.text, "is empty")

    def __str__(self) -> str:
        """Give the pattern, all but its special signs quoted."""
        parts = re.split(r"([*?]+)", self.text)
        return "".join(part if number % 2 else str(ShellWord(part)) for number, part in enumerate(parts) if part)
