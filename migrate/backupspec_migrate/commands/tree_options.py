"""The options of commands that look at a tree for the first time."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from backupspec_migrate.find_layout import SourceWish


@dataclass(frozen=True, slots=True)
class TreeOptions:
    """What to know about the tree beside its place."""

    rename: Annotated[
        list[str] | None,
        typer.Option("--rename", metavar="FOLDER=NAME", help="The host name of a folder in the snapshots."),
    ] = None
    pattern: Annotated[
        str | None,
        typer.Option(
            "--pattern",
            help="How dated folders are called, with {host} and the codes of strftime: '{host}/%Y-%m-%d'.",
        ),
    ] = None
    timezone: Annotated[
        str | None,
        typer.Option(
            "--timezone",
            metavar="ZONE",
            help="The zone of times in folder names and in the logfile: Europe/Berlin, UTC.",
        ),
    ] = None
    name: Annotated[
        str | None, typer.Option("--name", metavar="HOST", help="Whose snapshots these are, where no folder says it.")
    ] = None
    path_of: Annotated[
        list[str] | None,
        typer.Option(
            "--path-of",
            metavar="HOST=PATH",
            help="What was copied from a host, where the tree does not say it. Default: /.",
        ),
    ] = None
    times: Annotated[
        Path | None,
        typer.Option(
            "--times",
            metavar="FILE",
            help="YAML with a time for each snapshot of a tree that was moved: `daily.0: 2024-01-03T02:05:00+01:00`.",
            exists=True,
            dir_okay=False,
        ),
    ] = None

    @property
    def words(self) -> tuple[str, ...]:
        """Give them as they are typed."""
        options: tuple[tuple[str, tuple[object, ...]], ...] = (
            ("--rename", tuple(self.rename or ())),
            ("--pattern", (self.pattern,)),
            ("--timezone", (self.timezone,)),
            ("--name", (self.name,)),
            ("--path-of", tuple(self.path_of or ())),
            ("--times", (self.times,)),
        )
        return tuple(word for option, values in options for value in values if value for word in (option, str(value)))

    @property
    def wish(self) -> SourceWish:
        """Give what they say; typer.BadParameter where a pair is none."""
        return SourceWish(
            _renames(self.rename),
            self.pattern,
            self.timezone,
            self.name,
            self.times,
            _pairs(self.path_of, "--path-of is HOST=PATH"),
        )


def _renames(given: list[str] | None) -> dict[str, str]:
    """Read FOLDER=NAME: a folder may have `=` in its name, and a host never has."""
    pairs = [pair.rpartition("=") for pair in given or ()]
    if any(not equals or not folder or not name for folder, equals, name in pairs):
        raise typer.BadParameter("--rename is FOLDER=NAME")
    return {folder.strip("/"): name for folder, _, name in pairs}


def _pairs(given: list[str] | None, form: str) -> dict[str, str]:
    pairs = [pair.partition("=") for pair in given or ()]
    if any(not equals or not left or not right for left, equals, right in pairs):
        raise typer.BadParameter(form)
    return {left: right for left, _, right in pairs}
