"""Words of XML documents (XML 1.0, fifth edition)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from backupspec.words.plain import require, require_line

_UNFIT = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


@dataclass(frozen=True, slots=True)
class XmlAttribute:
    """The value of an attribute, in its quotes: what a parser gives back is exactly the text (2.3, 3.3.3)."""

    text: str

    def __post_init__(self) -> None:
        """Refuse control characters: most cannot stand in XML at all, and white space would become a space."""
        require(not _UNFIT.search(self.text), self.text, "holds a character that XML cannot hold")

    def __str__(self) -> str:
        """Give the value with its quotes."""
        escaped = _escaped(self.text).replace('"', "&quot;")
        return f'"{escaped}"'


@dataclass(frozen=True, slots=True)
class XmlText:
    """All that stands between two tags: what a parser gives back is exactly the text (2.4)."""

    text: str

    def __post_init__(self) -> None:
        """Refuse control characters, as in attributes."""
        require(not _UNFIT.search(self.text), self.text, "holds a character that XML cannot hold")

    def __str__(self) -> str:
        """Give the text as it stands in the document."""
        return _escaped(self.text)


@dataclass(frozen=True, slots=True)
class XmlComment:
    """A whole comment (2.5)."""

    text: str

    def __post_init__(self) -> None:
        """Refuse what would end the comment, and a second line."""
        require_line(self.text)
        require(not _UNFIT.search(self.text), self.text, "holds a character that XML cannot hold")
        require("--" not in self.text and not self.text.endswith("-"), self.text, "holds '--', which ends a comment")

    def __str__(self) -> str:
        """Give the comment."""
        return f"<!-- {self.text} -->"


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
