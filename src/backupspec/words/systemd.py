r"""Words of systemd units, sysusers.d and tmpfiles.d, as systemd 252 and later read them.

All of them expand `%` specifiers (systemd.unit(5), "Specifiers"), so `%` is doubled everywhere. Quoted words
(systemd.syntax(7), "Quoting") are read in two ways: most settings undo C escapes such as `\x20`, but
RequiresMountsFor=, sysusers.d and tmpfiles.d take the character after a backslash as it is. Only `\\` and `\"` mean the
same in both, so nothing else is ever written and control characters are refused.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from backupspec.words.plain import require, require_line, require_path, require_trimmed

_BARE = re.compile(r"[A-Za-z0-9_./:@,+=-]+")
_CREDENTIAL = re.compile(r"[A-Za-z0-9_.-]+")
_CALENDAR = re.compile(r"[A-Za-z0-9*,.:/~_+-]+(?: [A-Za-z0-9*,.:/~_+-]+)*")
_LONGEST_NAME = 255


def _doubled(text: str) -> str:
    return text.replace("%", "%%")


def _word(text: str) -> str:
    if _BARE.fullmatch(text):
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


@dataclass(frozen=True, slots=True)
class UnitText:
    """All that stands after `Description=` or another setting that takes the rest of the line as text.

    There is no quoting: systemd strips white space and joins a line that ends with an odd number of backslashes to the
    next one.
    """

    text: str

    def __post_init__(self) -> None:
        """Refuse what a line without quoting cannot hold."""
        require_line(self.text)
        require_trimmed(self.text)
        require(not self.text.endswith("\\"), self.text, "ends with a backslash, which would join the next line")

    def __str__(self) -> str:
        """Give the text with `%` doubled."""
        return _doubled(self.text)


@dataclass(frozen=True, slots=True)
class UnitWord:
    """One word of a setting that takes a list of words, such as `Environment=`."""

    text: str

    def __post_init__(self) -> None:
        """Refuse control characters, which not every list can hold."""
        require_line(self.text)
        require(self.text, self.text, "is empty, which systemd drops or takes for a reset")

    def __str__(self) -> str:
        """Give the word, quoted where needed."""
        return _word(_doubled(self.text))


@dataclass(frozen=True, slots=True)
class UnitListPath:
    """One path of `ReadWritePaths=`, `RequiresMountsFor=` and their like (systemd.exec(5)).

    `optional` writes the `-` that lets it be missing, where the setting knows it (`RequiresMountsFor=` does not).
    """

    text: str
    optional: bool = False

    def __post_init__(self) -> None:
        """Refuse a path that systemd would refuse or rewrite."""
        require_path(self.text)

    def __str__(self) -> str:
        """Give the word; the prefix belongs inside the quotes."""
        return _word(("-" if self.optional else "") + _doubled(self.text))


@dataclass(frozen=True, slots=True)
class UnitPath:
    """All that stands after a setting that takes one path unquoted, such as `WorkingDirectory=` (systemd.exec(5))."""

    text: str

    def __post_init__(self) -> None:
        """Refuse a path that the line cannot hold."""
        require_path(self.text)
        require_trimmed(self.text)
        require(not self.text.endswith("\\"), self.text, "ends with a backslash, which would join the next line")

    def __str__(self) -> str:
        """Give the path with `%` doubled."""
        return _doubled(self.text)


@dataclass(frozen=True, slots=True)
class UnitCredential:
    """All that stands after `LoadCredential=`: `NAME:PATH`, the path unquoted (systemd.exec(5))."""

    name: str
    path: str

    def __post_init__(self) -> None:
        """Refuse a name that is no file name and a path that the line cannot hold."""
        require(
            _CREDENTIAL.fullmatch(self.name) and self.name not in {".", ".."}, self.name, "is not a credential's name"
        )
        require(len(self.name) <= _LONGEST_NAME, self.name, "is too long for a credential's name")
        UnitPath(self.path)

    def __str__(self) -> str:
        """Give both, joined."""
        return f"{self.name}:{_doubled(self.path)}"


@dataclass(frozen=True, slots=True)
class UnitCalendar:
    """All that stands after `OnCalendar=` (systemd.time(7)); whether it is a calendar expression is asked elsewhere."""

    text: str

    def __post_init__(self) -> None:
        """Refuse every character that the calendar grammar does not have."""
        require(_CALENDAR.fullmatch(self.text), self.text, "holds characters that no calendar expression has")

    def __str__(self) -> str:
        """Give the expression."""
        return self.text


@dataclass(frozen=True, slots=True)
class ExecProgram:
    """The program of `ExecStart=` and its like: an absolute path (systemd.service(5), "Command lines").

    systemd refuses quotes and backslashes there, and as `argv[0]` it is expanded like an argument, but the path that is
    executed is not.
    """

    text: str

    def __post_init__(self) -> None:
        """Refuse what systemd refuses, and `$`."""
        require_path(self.text)
        require(not set(self.text) & set("\"'\\$"), self.text, "holds a quote, a backslash or a dollar sign")
        require(self.text != "/", self.text, "is a folder")

    def __str__(self) -> str:
        """Give the word, quoted where needed."""
        return _word(_doubled(self.text))


@dataclass(frozen=True, slots=True)
class ExecWord:
    """One argument of `ExecStart=` (systemd.service(5), "Command lines"): `$` is doubled too, and `;` quoted."""

    text: str

    def __post_init__(self) -> None:
        """Refuse control characters."""
        require_line(self.text)

    def __str__(self) -> str:
        """Give the argument; an empty one is a pair of quotes."""
        return _word(_doubled(self.text).replace("$", "$$"))


def _require_field(text: str) -> None:
    require_line(text)
    require(text not in {"", "-"}, text, "means 'the default' there")


@dataclass(frozen=True, slots=True)
class SysusersField:
    """One field of a line in sysusers.d(5); no field may hold a colon, since it lands in passwd(5)."""

    text: str

    def __post_init__(self) -> None:
        """Refuse what passwd cannot hold, and the sign for a field that is not set."""
        _require_field(self.text)
        require(":" not in self.text, self.text, "holds a colon, which separates the fields of passwd")

    def __str__(self) -> str:
        """Give the field, quoted where needed."""
        return _word(_doubled(self.text))


@dataclass(frozen=True, slots=True)
class TmpfilesField:
    """One field of a line in tmpfiles.d(5) but the last.

    In lines of the types that take patterns (`z`, `Z`, `r`, `x` …) the signs `*?[` keep their meaning.
    """

    text: str

    def __post_init__(self) -> None:
        """Refuse the sign for a field that is not set."""
        _require_field(self.text)
        if self.text.startswith("/"):
            require_path(self.text)

    def __str__(self) -> str:
        """Give the field, quoted where needed."""
        return _word(_doubled(self.text))
