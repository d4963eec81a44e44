"""Words of SQL: who a user is, as PostgreSQL and the MySQL family read it."""

from __future__ import annotations

from dataclasses import dataclass

from backupspec.words.plain import require, require_line


@dataclass(frozen=True, slots=True)
class SqlName:
    """The name of a role or database of PostgreSQL (its manual, 4.1.1 "Identifiers and Key Words")."""

    text: str

    def __post_init__(self) -> None:
        """Refuse a second line."""
        require_line(self.text)
        require(self.text, self.text, "is empty")

    def __str__(self) -> str:
        """Give the name in double quotes."""
        return '"' + self.text.replace('"', '""') + '"'


@dataclass(frozen=True, slots=True)
class SqlTexts:
    """Texts in a list, as `IN ( )` takes it, in the SQL standard's form, which PostgreSQL and MySQL read alike."""

    texts: tuple[str, ...]

    def __post_init__(self) -> None:
        """Refuse an empty list, a second line, and a backslash, which only some of them take as it is."""
        require(self.texts, "", "is an empty list")
        for text in self.texts:
            require_line(text)
            require("\\" not in text, text, "holds a backslash")

    def __str__(self) -> str:
        """Give the texts in single quotes."""
        return ", ".join("'" + text.replace("'", "''") + "'" for text in self.texts)


@dataclass(frozen=True, slots=True)
class MySqlAccount:
    """An account of MariaDB or MySQL: a user, and the host that it comes from (their manuals, "Account Names")."""

    user: str
    host: str

    def __post_init__(self) -> None:
        """Refuse a second line, and the empty user, who would be anybody."""
        require_line(self.user)
        require_line(self.host)
        require(self.user, self.user, "is empty")

    def __str__(self) -> str:
        """Give 'USER'@'HOST', for the usual sql_mode, in which a backslash begins an escape."""
        return "@".join("'" + part.replace("\\", "\\\\").replace("'", "''") + "'" for part in (self.user, self.host))
