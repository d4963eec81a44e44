"""Words of Markdown documents (CommonMark 0.31, with tables)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from backupspec.words.plain import require, require_line
from backupspec.words.shell import ShellWord

_ANYWHERE = re.compile(r"[\\`*_\[\]<>|~&]")
_AT_THE_START = re.compile(r"^([0-9]{0,9})([#+=.)-])")
_LOST_SPACE = re.compile(r"^\s|\s$|(?<=\s)\s")
_PLAIN_CODE = re.compile(r"[^\s`|]+(?:\s[^\s`|]+)*")


def _reference(match: re.Match[str]) -> str:
    return f"&#{ord(match[0])};"


@dataclass(frozen=True, slots=True)
class MarkdownText:
    """Inline text that shows exactly as written; also in a table's cell (CommonMark 2.4, "Backslash escapes")."""

    text: str

    def __post_init__(self) -> None:
        """Refuse a second line, which would begin a new block."""
        require_line(self.text)
        require(self.text, self.text, "is empty")

    def __str__(self) -> str:
        """Give the text with every sign escaped that could begin something, and lost spaces as references."""
        escaped = _AT_THE_START.sub(r"\1\\\2", _ANYWHERE.sub(r"\\\g<0>", self.text))
        return _LOST_SPACE.sub(_reference, escaped)


@dataclass(frozen=True, slots=True)
class MarkdownCode:
    """Code within a line that shows exactly as written; also in a table's cell.

    A code span (CommonMark 6.1) has no escapes: where it would lose a space, end early or split the cell, `<code>` is
    written instead.
    """

    text: str

    def __post_init__(self) -> None:
        """Refuse a second line."""
        require_line(self.text)
        require(self.text, self.text, "is empty")

    def __str__(self) -> str:
        """Give the code, between backticks if it can be."""
        if _PLAIN_CODE.fullmatch(self.text):
            return f"`{self.text}`"
        return "<code>" + re.sub(r"[^A-Za-z0-9]", _reference, self.text) + "</code>"


@dataclass(frozen=True, slots=True)
class MarkdownLine:
    """A line of a fenced code block, to be copied as it stands."""

    text: str

    def __post_init__(self) -> None:
        """Refuse a second line, and one that would end the block (CommonMark 4.5)."""
        require_line(self.text)
        require(not self.text.lstrip().startswith(("```", "~~~")), self.text, "would end the block")

    def __str__(self) -> str:
        """Give the line, without its end."""
        return self.text


@dataclass(frozen=True, slots=True)
class MarkdownCommand:
    """A line of a fenced code block: a shell command to be copied as it stands.

    A line break inside a word is refused, since it could end the block.
    """

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
