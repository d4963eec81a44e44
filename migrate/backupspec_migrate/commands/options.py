"""The options that several commands take, in groups."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from backupspec.options import one_of
from backupspec_migrate.draft import Choices
from backupspec_migrate.find_layout import SourceWish
from backupspec_migrate.plan import DEFAULT_COMPRESSION
from backupspec_migrate.prepare import Request

Source = Annotated[
    Path,
    typer.Argument(metavar="CONF_OR_ROOT", help="rsnapshot.conf, or the folder that holds the snapshots.", exists=True),
]
PlanFile = Annotated[
    Path, typer.Argument(metavar="PLAN", help="The plan file that `migrate plan` wrote.", exists=True, dir_okay=False)
]
Hosts = Annotated[list[str] | None, typer.Option("--host", metavar="NAME", help="Only this host (again for more).")]
Jobs = Annotated[
    int,
    typer.Option(
        "--jobs",
        metavar="N",
        min=1,
        help="Work on so many repositories at a time. Passphrases must then be in files or variables.",
    ),
]
LogJson = Annotated[bool, typer.Option("--log-json", help="Progress and findings as JSON, one object per line.")]


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


@dataclass(frozen=True, slots=True)
class GoalOptions:
    """Where the archives go, and which."""

    inventory: Annotated[
        Path | None,
        typer.Option(
            "--inventory",
            metavar="PATH",
            help="Take each host's job, and its repository unless --repository says it, from this inventory.",
        ),
    ] = None
    repository: Annotated[
        str | None,
        typer.Option(
            "--repository",
            metavar="TEMPLATE",
            help="Path or ssh:// URL; {host} is replaced. With --inventory: the place instead of the inventory's.",
        ),
    ] = None
    to: Annotated[
        str | None,
        typer.Option("--to", metavar="NAME", help="Which of the inventory's repositories, where a job has several."),
    ] = None
    host: Hosts = None
    job: Annotated[
        str | None,
        typer.Option(
            "--job",
            metavar="NAME",
            help="The job whose series the archives continue. Default: the inventory's; without one `files`.",
        ),
    ] = None
    split: Annotated[
        bool,
        typer.Option("--split", help="Divide each host's history among its jobs in the inventory, by their paths."),
    ] = False
    accept: Annotated[
        list[str] | None,
        typer.Option("--accept", metavar="SLOT", help="Import this doubtful snapshot, such as daily.0."),
    ] = None
    skip: Annotated[
        list[str] | None,
        typer.Option("--skip", metavar="SLOT", help="Leave out this snapshot, or a file beside the hosts."),
    ] = None
    ids: Annotated[
        str,
        typer.Option(
            "--ids",
            help="Owners by name, or by number only; auto: as rsync was told.",
            **one_of("auto", "names", "numeric"),
        ),
    ] = "auto"
    compression: Annotated[
        str | None,
        typer.Option(
            "--compression",
            metavar="SPEC",
            help=f"As in `borg create`. Default: the inventory's; without one {DEFAULT_COMPRESSION}.",
        ),
    ] = None
    encryption: Annotated[
        str | None,
        typer.Option(
            "--encryption",
            help="Make local repositories that are not there, encrypted like this.",
            **one_of("none", "repokey-blake2"),
        ),
    ] = None
    passphrase_file: Annotated[
        str | None,
        typer.Option(
            "--passphrase-file",
            metavar="TEMPLATE",
            help="Full path of each host's passphrase, in a file that root alone may read; {host} is replaced.",
        ),
    ] = None

    @property
    def request(self) -> Request:
        """Give what they ask for; typer.BadParameter where they contradict each other."""
        if self.repository is None and self.inventory is None:
            raise typer.BadParameter("give --repository, --inventory, or both")
        for name, value in (("--to", self.to), ("--split", self.split)):
            if value and self.inventory is None:
                raise typer.BadParameter(f"{name} is about the jobs of the inventory: give --inventory, too")
        if self.split and self.job is not None:
            raise typer.BadParameter("--split takes all jobs, --job one of them")
        secret = self.passphrase_file
        if secret is not None and (not secret.startswith("/") or set("{}") & set(secret.replace("{host}", ""))):
            raise typer.BadParameter("--passphrase-file is a full path, and only {host} is replaced in it")
        choices = Choices(
            self.repository,
            None,
            tuple(self.host or ()),
            self.job,
            frozenset(self.accept or ()),
            frozenset(self.skip or ()),
            {"auto": None, "names": False, "numeric": True}[self.ids],
            self.compression,
            None if self.encryption is None else ("none" if self.encryption == "none" else "repokey-blake2"),
            self.passphrase_file,
        )
        return Request(self.inventory, self.to, choices, self.split)
