"""The options of commands that decide where archives go, and which."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from backupspec.options import one_of
from backupspec_migrate.commands.options import Hosts
from backupspec_migrate.draft import Choices
from backupspec_migrate.drafting import Request
from backupspec_migrate.plan import DEFAULT_COMPRESSION


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
