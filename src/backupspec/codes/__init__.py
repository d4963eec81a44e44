"""The entries of the catalogue of codes, one module for each part of the compiler."""

from __future__ import annotations

from dataclasses import dataclass

from backupspec.diagnostic import Severity


@dataclass(frozen=True, slots=True)
class Entry:
    """One code: `title` names the rule in a few words, `explanation` says what, why it matters and what to do."""

    code: str
    title: str
    explanation: str
    severity: Severity = Severity.ERROR
