"""Findings that the inventory accepts: known, allowed, and with a reason."""

from __future__ import annotations

from collections.abc import Iterable

from backupspec.catalogue import diagnose, explain
from backupspec.diagnostic import Diagnostic, Diagnostics, Severity
from backupspec.inventory import Accept


def accepted(found: Iterable[Diagnostic], accepts: Iterable[Accept], today: str | None = None) -> Diagnostics:
    """Drop the warnings and notes that an entry of `accept:` names, with its code, at its `where` or below.

    Errors stay. With `today` (an ISO date) an entry whose `until` lies before that day drops nothing and is BS492.
    """
    remaining = tuple(found)
    late: list[Diagnostic] = []
    for accept in accepts:
        if accept.until is not None and today is not None and accept.until.value < today:
            message = f"this acceptance of {accept.code.value} ended on {accept.until.value}"
            hint = "solve what it accepted, or give it a later `until`"
            late.append(diagnose("BS492", message, accept.until.span, hint=hint, where=accept.where.value))
        else:
            remaining = tuple(each for each in remaining if each.severity is Severity.ERROR or not _names(accept, each))
    return (*remaining, *late)


def unused(found: Iterable[Diagnostic], accepts: Iterable[Accept]) -> Diagnostics:
    """Report each entry of `accept:` that names no finding, or an error, or no code that there is.

    `found` must be what a whole run found, before anything was dropped. Codes of the output (BS5xx) and of
    hypervisors (BS7xx) depend on what else is there and are not judged.
    """
    everything = tuple(found)
    told: list[Diagnostic] = []
    for accept in accepts:
        code, where = accept.code.value, accept.where.value
        named = [each for each in everything if _names(accept, each)]
        if explain(code) is None:
            hint = "`backupspec validate` shows the code of each finding"
            told.append(diagnose("BS490", f"there is no code {code}", accept.code.span, hint=hint, where=where))
        elif any(each.severity is Severity.ERROR for each in named):
            message = f"{code} at {where} is an error, which cannot be accepted"
            told.append(diagnose("BS491", message, accept.span, hint="solve it, and delete this entry", where=where))
        elif not named and not code.startswith(("BS5", "BS7")):
            message = f"nothing is left to accept: there is no {code} at {where}"
            told.append(diagnose("BS490", message, accept.span, hint="delete this entry", where=where))
    return tuple(told)


def _names(accept: Accept, found: Diagnostic) -> bool:
    where = accept.where.value
    return found.code == accept.code.value and (found.where == where or found.where.startswith(f"{where}."))
