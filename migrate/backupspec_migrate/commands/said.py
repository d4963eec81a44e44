"""What every command says, and how it ends."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import typer
from rich.console import Console

from backupspec import show
from backupspec.catalogue import diagnose
from backupspec.diagnostic import Diagnostics, Severity, Span
from backupspec.source import Source
from backupspec_migrate.host_id import settle_host_id
from backupspec_migrate.prepare import StoppedError

FINDINGS, ENVIRONMENT = 1, 3


class Said:
    """Shows findings as they come and remembers how many were errors, or that something else `failed`."""

    def __init__(self, *, log_json: bool = False) -> None:
        self.log_json = log_json
        self.errors = 0
        self.failed = False

    def all(self, found: Diagnostics) -> None:
        """Show some findings."""
        self.errors += sum(one.severity is Severity.ERROR for one in found)
        if found and self.log_json:
            for one in json.loads(show.as_json(found))["diagnostics"]:
                self.json({"type": "finding", **one})
        elif found:
            errors().print(show.as_text(found, _sources(found)), end="")

    def json(self, what: dict[str, Any]) -> None:
        """Show one thing as a line of JSON, for programs; nothing for people."""
        if self.log_json:
            sys.stdout.write(json.dumps(what) + "\n")
            sys.stdout.flush()

    def end(self, good: str, bad: str = "") -> None:
        """Say how it ended, and end with the exit code for that.

        Without errors it fails if something said so in its own words.
        """
        if self.failed and not self.errors:
            if bad and not self.log_json:
                errors().print(bad)
            raise typer.Exit(FINDINGS)
        if self.errors:
            if not self.log_json:
                count = f"{self.errors} error{'' if self.errors == 1 else 's'}"
                errors().print("\n".join(filter(None, (f"NOT complete: {count}, see above", bad))))
            raise typer.Exit(FINDINGS)
        if good and not self.log_json:
            errors().print(good)


@contextmanager
def stopping(say: Said) -> Iterator[None]:
    """Show why nothing can be done, and end."""
    try:
        yield
    except StoppedError as stopped:
        say.all(stopped.found)
        raise typer.Exit(FINDINGS) from stopped


def need_borg() -> None:
    """End with a way out where Borg's package is missing; to be called before anything of it is loaded."""
    if importlib.util.find_spec("borg") is None:
        place = Span("borgbackup", 1, 1, 1, 1)
        missing = diagnose(
            "BS660", "Borg's Python package is not installed here", place, hint="pipx install 'backupspec[migrate]'"
        )
        errors().print(show.as_text((missing,), ()), end="")
        raise typer.Exit(ENVIRONMENT)
    settle_host_id()


def output() -> Console:
    """Give the console for what was asked for."""
    return Console(highlight=False, markup=False, emoji=False, soft_wrap=True)


def errors() -> Console:
    """Give the console for everything else."""
    return Console(stderr=True, highlight=False, markup=False, emoji=False, soft_wrap=True)


def _sources(found: Diagnostics) -> tuple[Source, ...]:
    """Give the texts of the configuration files, inventories and plans that findings point at, to show the lines."""
    names = {one.span.file for one in found if one.span.file.endswith((".conf", ".yaml", ".yml"))}
    return tuple(
        Source(name, Path(name).read_text(encoding="utf-8", errors="backslashreplace"))
        for name in sorted(names)
        if Path(name).is_file()
    )
