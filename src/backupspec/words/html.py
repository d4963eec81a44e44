"""Words of HTML pages (the HTML standard, 13.1) with SVG in them; what stands in an attribute brings its quotes along.

`__html__` is what Jinja asks for when it escapes by itself, so that these words are escaped once and all else at least
once.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from html import escape

from backupspec.source import unfit_character
from backupspec.words.plain import require

_TOKENS = re.compile(r"[A-Za-z0-9][A-Za-z0-9:._+-]*(?: [A-Za-z0-9][A-Za-z0-9:._+-]*)*")
_DRAWN = re.compile(r"M[-0-9. MHVLAZmhvlaz]+")
_FARTHEST = 100_000


def _require_shown(value: str) -> None:
    """Refuse what a browser drops, shows to nobody or shows in another order."""
    character = unfit_character(value)
    require(character is None, value, f"holds the character U+{ord(character or ' '):04X}")


@dataclass(frozen=True, slots=True)
class HtmlText:
    """Text between tags that shows exactly as written, where style sheets keep white space.

    The text of a `<title>` counts, that of scripts and style sheets does not.
    """

    text: str

    def __post_init__(self) -> None:
        """Refuse control characters (tabs and line breaks too), bidirectional controls and lone surrogates."""
        _require_shown(self.text)

    def __str__(self) -> str:
        """Give the text with every sign escaped that means something to HTML."""
        return escape(self.text)

    def __html__(self) -> str:
        """Give the same to Jinja."""
        return str(self)


@dataclass(frozen=True, slots=True)
class HtmlAttribute:
    """The value of an attribute that is read by people (`title`, `aria-label`), in quotes."""

    text: str

    def __post_init__(self) -> None:
        """Refuse control characters (tabs and line breaks too), bidirectional controls and lone surrogates."""
        _require_shown(self.text)

    def __str__(self) -> str:
        """Give the value with its quotes."""
        return f'"{escape(self.text)}"'

    def __html__(self) -> str:
        """Give the same to Jinja."""
        return str(self)


@dataclass(frozen=True, slots=True)
class HtmlTokens:
    """The value of an attribute that is read by programs (`class`, `id`, `datetime`), in quotes.

    Words of `[A-Za-z0-9:._+-]`, with one space between two.
    """

    text: str

    def __post_init__(self) -> None:
        """Refuse every other character."""
        require(_TOKENS.fullmatch(self.text), self.text, "is not a list of plain words")

    def __str__(self) -> str:
        """Give the value with its quotes."""
        return f'"{self.text}"'

    def __html__(self) -> str:
        """Give the same to Jinja."""
        return str(self)


@dataclass(frozen=True, slots=True)
class SvgNumber:
    """A place or length in a drawing, in quotes; a tenth of a unit is the smallest step."""

    number: float

    def __post_init__(self) -> None:
        """Refuse what is no number, or lies outside of every drawing."""
        require(-_FARTHEST < self.number < _FARTHEST, str(self.number), "is no place in a drawing")

    def __str__(self) -> str:
        """Give the number with its quotes."""
        return f'"{round(self.number, 1):g}"'

    def __html__(self) -> str:
        """Give the same to Jinja."""
        return str(self)


@dataclass(frozen=True, slots=True)
class SvgPath:
    """The outline of a shape (SVG 2, 9.3 "Path data"), in quotes."""

    text: str

    def __post_init__(self) -> None:
        """Refuse everything but numbers and the commands for lines and arcs."""
        require(_DRAWN.fullmatch(self.text), self.text, "is no outline of lines and arcs")

    def __str__(self) -> str:
        """Give the outline with its quotes."""
        return f'"{self.text}"'

    def __html__(self) -> str:
        """Give the same to Jinja."""
        return str(self)
