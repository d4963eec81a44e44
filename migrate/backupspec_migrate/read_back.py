"""Holds a plan that was drafted to what plans must be: what cannot be read back is neither written nor carried out."""

from __future__ import annotations

from dataclasses import replace

from backupspec.diagnostic import Diagnostic, Diagnostics, Severity, Span
from backupspec.source import Source
from backupspec_migrate.draft import Choices
from backupspec_migrate.plan_document import PlanDocument, PlannedSource
from backupspec_migrate.plan_reading import read_text
from backupspec_migrate.plan_yaml import plan_text


def read_back(document: PlanDocument, choices: Choices) -> Diagnostics:
    """Give what a reader of the plan's text would refuse, at the option that says it, each once."""
    _, found = read_text(Source(document.file, plan_text(document, {})))
    said = _said_by(document.source, choices)
    errors = [_placed(one, said, document.file) for one in found if one.severity is Severity.ERROR]
    return tuple({(one.code, one.message, one.span): one for one in errors}.values())


def _said_by(source: PlannedSource, choices: Choices) -> dict[str, tuple[str, str]]:
    """Give the option and what it says for each key of a plan that an option fills, by the place without numbers."""
    options = {
        "source.host": ("--name", source.host),
        "source.pattern": ("--pattern", source.pattern),
        "source.times": ("--times", source.times),
        "source.timezone": ("--timezone", source.timezone),
        "series.compression": ("--compression", choices.compression),
        "series.job": ("--job", choices.job),
        "series.passphrase_file": ("--passphrase-file", choices.passphrase_file),
        "series.repository": ("--repository", choices.template),
    }
    return {place: (option, value) for place, (option, value) in options.items() if value is not None}


def _placed(found: Diagnostic, said: dict[str, tuple[str, str]], file: str) -> Diagnostic:
    """Move a finding from a text that nobody has seen to the option behind it, or else to the file as a whole."""
    list_, _, rest = found.where.partition("[")
    place = f"{list_}{rest.partition(']')[2]}"
    option, value = said.get(place, (file, ""))
    return replace(found, span=Span(option, 1, 1, 1, len(value) + 1), related=())
