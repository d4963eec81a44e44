"""Words of AppArmor's policy language (apparmor.d(5))."""

from __future__ import annotations

import re
from dataclasses import dataclass

from backupspec.words.plain import require, require_path

_SPECIAL = re.compile(r'["\\*?\[\]{}^@,\x00-\x1f\x7f-\x9f]')


@dataclass(frozen=True, slots=True)
class AppArmorFolder:
    """A folder with all below it, as the path of a file rule."""

    text: str

    def __post_init__(self) -> None:
        """Refuse signs of the language of globs and variables, which no quotes protect."""
        require_path(self.text)
        require(not _SPECIAL.search(self.text), self.text, "holds a sign that is special to AppArmor")

    def __str__(self) -> str:
        """Give the quoted path."""
        return f'"{self.text.rstrip("/")}/**"'
