"""All diagnostic codes: each has one entry, with a title and a paragraph for `backupspec explain CODE`.

Ranges: BS0xx reading and parsing, BS1xx shape, BS2xx names and references, BS3xx schedules and retention, BS4xx rules
of the whole fleet, BS5xx output, BS6xx migration, BS7xx hypervisors, BS9xx environment. A code is never reused and
never changes its meaning.
"""

from __future__ import annotations

from backupspec.codes import Entry
from backupspec.codes.fleet import FLEET
from backupspec.codes.hypervisors import HYPERVISORS
from backupspec.codes.input import INPUT
from backupspec.codes.migration import MIGRATION
from backupspec.codes.names import NAMES
from backupspec.codes.output import OUTPUT
from backupspec.codes.trees import TREES
from backupspec.codes.virtual_machines import VIRTUAL_MACHINES
from backupspec.diagnostic import Diagnostic, Related, Span

__all__ = ["CATALOGUE", "Entry", "diagnose", "explain"]


def explain(code: str) -> Entry | None:
    """Give the entry of a code (in either case of letters), or None when there is no such code."""
    return _BY_CODE.get(code.upper())


def diagnose(  # noqa: PLR0913 - one argument for each field of a diagnostic, all but three by name
    code: str,
    message: str,
    span: Span,
    *,
    hint: str = "",
    where: str = "",
    related: tuple[Related, ...] = (),
) -> Diagnostic:
    """Make a diagnostic whose severity is the catalogue's; a code that is not in the catalogue is a KeyError."""
    return Diagnostic(code, _BY_CODE[code].severity, message, span, hint=hint, where=where, related=related)


CATALOGUE: tuple[Entry, ...] = (
    *INPUT,
    *NAMES,
    *FLEET,
    *VIRTUAL_MACHINES,
    *OUTPUT,
    *MIGRATION,
    *TREES,
    *HYPERVISORS,
)

_BY_CODE = {entry.code: entry for entry in CATALOGUE}
