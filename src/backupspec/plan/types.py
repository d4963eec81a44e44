"""The plan: every file with all decisions taken, ready to be filled into a template."""

from __future__ import annotations

from dataclasses import dataclass

from backupspec.diagnostic import Span


@dataclass(frozen=True, slots=True)
class PlannedFile:
    """One output file. `path` is relative to the output folder.

    `view` is a frozen dataclass whose fields, typed for the target language, are the template's names; with an
    empty `template` it is the file's text, serialised already. `origin` is the logical path of the setting behind
    the file, `span` its place.
    """

    path: str
    mode: int
    owner: str
    template: str
    view: object
    origin: str
    span: Span


@dataclass(frozen=True, slots=True)
class Plan:
    """All files of all machines; `facts` (JSON text by host) is what `diff` explains changes with."""

    files: tuple[PlannedFile, ...]
    hosts: tuple[str, ...]
    facts: tuple[tuple[str, str], ...]
