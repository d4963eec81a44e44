"""Words that borg reads: archive names, repository locations, lines of pattern files (borg 1.2 and 1.4)."""

from __future__ import annotations

import posixpath
import re
import warnings
from dataclasses import dataclass
from typing import Literal

from backupspec.words.plain import require, require_line, require_path
from backupspec.words.shell import ShellWord
from backupspec.words.ssh import is_host

_NAME = re.compile(r"[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?")
_URL = re.compile(
    r"ssh://(?:(?P<user>[^@:/]+)@)?(?P<host>\[[0-9A-Fa-f:.]+\]|[^@:/\[\]]+)(?::(?P<port>[1-9][0-9]{0,4}))?(?P<path>/.+)"
)
_USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]*")
_LAST_PORT = 65535


def _require_series(host: str, job: str) -> None:
    for name in (host, job):
        require(_NAME.fullmatch(name) and ".." not in name, name, "is not a name of [a-z0-9] with . and - inside")


@dataclass(frozen=True, slots=True)
class ArchiveName:
    """The name of a new archive of one series, `HOST_JOB_YYYY-MM-DDTHH:MM:SSZ`, as a shell word.

    borg fills in the time (UTC). `::` before it means the repository of `$BORG_REPO`.
    """

    host: str
    job: str

    def __post_init__(self) -> None:
        """Refuse a name with `_` (it separates the parts) or a brace (borg would expand it)."""
        _require_series(self.host, self.job)

    @property
    def text(self) -> str:
        """The argument that borg gets."""
        return f"::{self.host}_{self.job}_{{utcnow:%Y-%m-%dT%H:%M:%SZ}}"

    def __str__(self) -> str:
        """Give the shell word."""
        return str(ShellWord(self.text))


@dataclass(frozen=True, slots=True)
class ArchiveGlob:
    """A glob, as a shell word, that matches the archives of one series and no others.

    Its length is fixed, so that it matches no `.partial` either.
    """

    host: str
    job: str

    def __post_init__(self) -> None:
        """Refuse a name with `_` or a sign of the glob language."""
        _require_series(self.host, self.job)

    @property
    def text(self) -> str:
        """The argument that borg gets."""
        return f"{self.host}_{self.job}_????-??-??T??:??:??Z"

    def __str__(self) -> str:
        """Give the shell word."""
        return str(ShellWord(self.text))


@dataclass(frozen=True, slots=True)
class ArchiveStart:
    """How the names of a job's archives begin, `HOST_JOB_`, as a shell word: what follows is found when the job runs.

    That is a time, or a database's encoded name (which has no `_` and no sign of the glob language), `_` and a time.
    The two cannot be confused: the glob of a series has a fixed length.
    """

    host: str
    job: str

    def __post_init__(self) -> None:
        """Refuse a name with `_` or a sign of the glob language."""
        _require_series(self.host, self.job)

    def __str__(self) -> str:
        """Give the shell word."""
        return str(ShellWord(f"{self.host}_{self.job}_"))


@dataclass(frozen=True, slots=True)
class BorgUrl:
    """A repository's location as a shell word: an absolute local path, or `ssh://[USER@]HOST[:PORT]/PATH`.

    See "Repository URLs" in borg's documentation. Braces are refused: borg 1.2 and 1.4 fill in placeholders once or
    twice, depending on the command, so doubling them does not help. `/./` at the beginning of an ssh path means
    "relative to the home folder" and `/~` somebody's home; both are kept.
    """

    text: str

    def __post_init__(self) -> None:
        """Refuse what borg would read as something else, and what ssh would take for an option."""
        require_line(self.text)
        require(not set(self.text) & set("{}"), self.text, "holds a brace, where borg expects a placeholder")
        require("::" not in self.text, self.text, "holds '::', where borg expects the archive's name")
        if self.text.startswith("/"):
            require_path(self.text)
            require(self.text != "/", self.text, "is the root folder")
            return
        match = _URL.fullmatch(self.text)
        require(match, self.text, "is neither an absolute path nor ssh://[USER@]HOST[:PORT]/PATH")
        if match is not None:
            require(match["user"] is None or _USER.fullmatch(match["user"]), self.text, "names an impossible user")
            require(is_host(match["host"].strip("[]")), self.text, "names an impossible host")
            require(int(match["port"] or "1") <= _LAST_PORT, self.text, "names an impossible port")
            path = match["path"].removeprefix("/.") if match["path"].startswith("/./") else match["path"]
            require_path(path)
            require(path != "/", self.text, "ends where the repository's path should stand")

    def __str__(self) -> str:
        """Give the shell word."""
        return str(ShellWord(self.text))


@dataclass(frozen=True, slots=True)
class BorgPattern:
    """One line of a file for `--patterns-from` (borg help patterns).

    `sign`: `+` include, `-` exclude, `!` exclude and do not descend. `style`: `sh` a shell pattern (`*` stays within a
    folder, `**/` crosses), `pp` a path with all below it, `pf` exactly this path. borg strips each line, and normalises
    each pattern before it matches.
    """

    sign: Literal["+", "-", "!"]
    style: Literal["sh", "pp", "pf"]
    text: str

    def __post_init__(self) -> None:
        """Refuse what borg would strip or rewrite, and a bracket expression that it would choke on."""
        require(self.sign in {"+", "-", "!"}, self.sign, "is not a sign of a pattern line")
        require(self.style in {"sh", "pp", "pf"}, self.style, "is not a style of pattern that is used here")
        require_line(self.text)
        require(self.text, self.text, "is empty")
        require(self.text == self.text.rstrip(), self.text, "ends with white space, which borg strips")
        body = self.text.removesuffix("/") if self.style == "sh" else self.text
        normal = posixpath.normpath(body)
        require(
            normal == body and not body.startswith(("//", "../")) and body not in {".", ".."},
            self.text,
            "is not a normal path",
        )
        require(self.style == "sh" or self.text.startswith("/"), self.text, "is not an absolute path")
        if self.style == "sh":
            _require_brackets(self.text)

    def __str__(self) -> str:
        """Give the line, without its end."""
        return f"{self.sign} {self.style}:{self.text}"


def _require_brackets(pattern: str) -> None:
    """Refuse a `[…]` that Python's `re`, to which borg hands it, would not take, or that holds a slash."""
    for inside in re.findall(r"\[(!?\]?[^\]]*)\]", pattern):
        require("/" not in inside, pattern, "has a slash between brackets, which no part of a path can match")
        escaped = inside.replace("\\", "\\\\")
        escaped = (
            "^" + escaped[1:] if escaped.startswith("!") else "\\" + escaped if escaped.startswith("^") else escaped
        )
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            try:
                re.compile(f"[{escaped}]")
            except (re.error, FutureWarning):
                valid = False
            else:
                valid = True
        require(valid, pattern, f"has the bracket expression [{inside}], which is not valid")
