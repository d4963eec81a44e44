"""How every command talks and ends: results to standard output, findings about them to standard error, an exit code."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Never

import typer
from rich.console import Console

from backupspec.diagnostic import Severity, has_errors

FINDINGS, ENVIRONMENT = 1, 3
EPILOG = (
    "Exit codes: 0 fine; 1 findings (errors; with --strict also warnings; with --check and --exit-code a change); "
    "2 wrong usage; 3 the environment (a missing program or extra, a folder that cannot be written); 130 Ctrl-C."
)
"""What the help of every command ends with."""
_OF_THE_ENVIRONMENT = frozenset({"BS507", "BS508", "BS509"})


def exit_code(found: Iterable[Any], *, strict: bool) -> int:
    """Give the exit code for some findings."""
    found = tuple(found)
    if any(each.severity is Severity.ERROR and each.code in _OF_THE_ENVIRONMENT for each in found):
        return ENVIRONMENT
    warned = any(each.severity is Severity.WARNING for each in found)
    return FINDINGS if has_errors(found) or (strict and warned) else 0


def fail(message: str, code: int) -> Never:
    """End the command with a message."""
    err().print(message)
    raise typer.Exit(code)


def out() -> Console:
    """Give standard output, which takes text as it is."""
    return Console(highlight=False, markup=False, emoji=False, soft_wrap=True)


def err() -> Console:
    """Give standard error, the same way."""
    return Console(stderr=True, highlight=False, markup=False, emoji=False, soft_wrap=True)
