"""Words of Markdown documents (CommonMark 0.31, with tables)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise

from backupspec.words.plain import require, require_line, require_trimmed
from backupspec.words.shell import ShellWord

_ANYWHERE = re.compile(r"[\\`*_\[\]<>|~&]")
_AT_THE_START = re.compile(r"^([0-9]{0,9})([#+=.)-])")


@dataclass(frozen=True, slots=True)
class MarkdownText:
    """Inline text that shows exactly as written; also in a table's cell (CommonMark 2.4, "Backslash escapes")."""

    text: str

    def __post_init__(self) -> None:
        """Refuse a second line, which would begin a new block."""
        require_line(self.text)
        require_trimmed(self.text)
        require(
            all(pair != (" ", " ") for pair in pairwise(self.text)),
            self.text,
            "has two spaces in a row, which show as one",
        )

    def __str__(self) -> str:
        """Give the text with every sign escaped that could begin something."""
        return _AT_THE_START.sub(r"\1\\\2", _ANYWHERE.sub(r"\\\g<0>", self.text))


@dataclass(frozen=True, slots=True)
class MarkdownCode:
    """A code span that shows exactly as written (CommonMark 6.1); a `|` is refused, since a table would split it even there."""

    text: str

    def __post_init__(self) -> None:
        """Refuse a second line, and what a code span strips."""
        require_line(self.text)
        require_trimmed(self.text)
        require("|" not in self.text, self.text, "holds '|', which would split a table's cell")

    def __str__(self) -> str:
        """Give the span, fenced with more backticks than it holds in a row."""
        fence = "`" * (1 + max((len(run) for run in re.findall("`+", self.text)), default=0))
        space = " " if "`" in self.text else ""
        return f"{fence}{space}{self.text}{space}{fence}"


@dataclass(frozen=True, slots=True)
class MarkdownCommand:
    """A line of a fenced code block: a shell command to be copied as it stands. A line break inside a word is refused: it could end the block."""

    words: tuple[ShellWord, ...]

    def __post_init__(self) -> None:
        """Refuse an empty command and a second line."""
        require(self.words, "the command", "is empty")
        require_line(str(self))

    @classmethod
    def of(cls, *words: str) -> MarkdownCommand:
        """Make a command from what its words mean."""
        return cls(tuple(map(ShellWord, words)))

    def __str__(self) -> str:
        """Give the line, without its end."""
        return " ".join(map(str, self.words))
