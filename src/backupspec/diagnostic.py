"""What a stage has to say about its input: diagnostics with a place, a code and a way out."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field


class Severity(enum.IntEnum):
    """How bad a finding is; comparable, the worst is the greatest."""

    NOTE = 1
    WARNING = 2
    ERROR = 3

    @property
    def label(self) -> str:
        """The word that users see."""
        return self.name.lower()


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """A stretch of one source file; lines and columns count from 1, `end` is exclusive in columns.

    `file` is the name under which the file was read, relative to the inventory's root folder, always with `/`.
    """

    file: str
    line: int
    column: int
    end_line: int
    end_column: int

    def __str__(self) -> str:
        """Give the form that editors and compilers jump to."""
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True)
class Related:
    """A second place that explains a finding, such as "first defined here"."""

    message: str
    span: Span


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One finding. `code` is stable and stands in the catalogue; `hint` is the way out, as a sentence or a command.

    `where` is the logical path that the finding is about (`hosts.web01.files.www`): an `accept:` entry names it, and it
    does not change with a comment as line numbers do.
    """

    code: str
    severity: Severity
    message: str
    span: Span
    hint: str = ""
    where: str = ""
    related: tuple[Related, ...] = field(default=())


Diagnostics = tuple[Diagnostic, ...]


def has_errors(diagnostics: Diagnostics) -> bool:
    """Tell whether the driver must stop at the next stage boundary."""
    return any(found.severity is Severity.ERROR for found in diagnostics)
