"""The commands below `backupspec migrate`. Borg's package is loaded only when one of them needs it."""

from __future__ import annotations

import importlib.util
import json
import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from backupspec import show
from backupspec.catalogue import diagnose
from backupspec.diagnostic import Diagnostic, Diagnostics, Severity, Span, has_errors
from backupspec.source import Source
from backupspec_migrate.layout import Layout, layout_of, layout_of_root
from backupspec_migrate.lock import Holder, complaint, hold, holder
from backupspec_migrate.plan import DEFAULT_COMPRESSION, Choices, Plan, make_plan
from backupspec_migrate.progress import show_progress
from backupspec_migrate.rsnapshot_conf import read_configuration
from backupspec_migrate.scan import scan
from backupspec_migrate.view import View, open_view

if TYPE_CHECKING:
    from backupspec_migrate.repository import Encryption

FINDINGS, USAGE, ENVIRONMENT = 1, 2, 3

app = typer.Typer(
    help="Move an rsnapshot history into Borg, and prove that nothing was lost.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


class EncryptionChoice(StrEnum):
    """How a repository that is not there is made."""

    NONE = "none"
    REPOKEY_BLAKE2 = "repokey-blake2"


class Ids(StrEnum):
    """Whether archives carry owners by name or by number only."""

    AUTO = "auto"
    NAMES = "names"
    NUMERIC = "numeric"


@dataclass(frozen=True, slots=True)
class _Request:
    """What the command line asked for, checked for form only."""

    source: Path
    choices: Choices
    renames: dict[str, str]
    log_json: bool


Source_ = Annotated[
    Path,
    typer.Argument(
        metavar="CONF_OR_ROOT", help="rsnapshot.conf, or the snapshot root where that file is lost.", exists=True
    ),
]
Repository = Annotated[
    str | None, typer.Option("--repository", metavar="TEMPLATE", help="Path or ssh:// URL; {host} is replaced.")
]
Inventory = Annotated[
    Path | None,
    typer.Option("--inventory", metavar="PATH", help="Take each host's repository and job from this inventory."),
]
Hosts = Annotated[list[str] | None, typer.Option("--host", metavar="NAME", help="Only this host (again for more).")]
Job = Annotated[str, typer.Option("--job", metavar="NAME", help="The job whose series the archives continue.")]
Rename = Annotated[
    list[str] | None,
    typer.Option("--rename", metavar="FOLDER=NAME", help="The host name of a folder in the snapshots."),
]
Accept = Annotated[
    list[str] | None, typer.Option("--accept", metavar="SLOT", help="Import this doubtful snapshot, such as daily.0.")
]
Skip = Annotated[
    list[str] | None,
    typer.Option("--skip", metavar="SLOT", help="Leave out this snapshot, or a file beside the hosts."),
]
IdsOption = Annotated[Ids, typer.Option("--ids", help="Owners by name, or by number only; auto: as rsync was told.")]
Compression = Annotated[str, typer.Option("--compression", metavar="SPEC", help="As in `borg create`.")]
Encryption_ = Annotated[
    EncryptionChoice | None,
    typer.Option("--encryption", help="Make repositories that are not there, encrypted like this."),
]
LogJson = Annotated[bool, typer.Option("--log-json", help="Progress and findings as JSON, one object per line.")]


@app.command("rsnapshot")
def migrate_rsnapshot(  # noqa: PLR0913 - one parameter for each option
    source: Source_,
    repository: Repository = None,
    inventory: Inventory = None,
    host: Hosts = None,
    job: Job = "files",
    rename: Rename = None,
    accept: Accept = None,
    skip: Skip = None,
    ids: IdsOption = Ids.AUTO,
    compression: Compression = DEFAULT_COMPRESSION,
    encryption: Encryption_ = None,
    *,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be imported; open no repository.")
    ] = False,
    log_json: LogJson = False,
) -> None:
    """Import every snapshot that the repositories do not have yet, the oldest first. The source is only read."""
    request = _request(
        source, repository, inventory, host, job, rename, accept, skip, ids, compression, log_json=log_json
    )
    with _prepared(request) as (layout, view, plan, found, lockfile):
        _say(found, request)
        if dry_run:
            _print_plan(plan)
            raise typer.Exit(FINDINGS if has_errors(found) else 0)
        if has_errors(tuple(one for one in found if one.code in _STOPPING)):
            raise typer.Exit(FINDINGS)
        _need_borg()
        from backupspec_migrate.run import Settings, run_plan  # noqa: PLC0415 - needs Borg's package

        wanted: Encryption | None = None if encryption is None else encryption.value
        with hold(lockfile), show_progress(log_json=log_json) as sink:
            problems = run_plan(plan, layout, view, Settings(wanted), sink)
        _say(problems, request)
    _end(
        (*found, *problems),
        request,
        f"imported: {_counted(plan)}",
        f"{_command(sys.argv, 'verify')} compares them with the source",
    )


@app.command("verify")
def migrate_verify(  # noqa: PLR0913 - one parameter for each option
    source: Source_,
    repository: Repository = None,
    inventory: Inventory = None,
    host: Hosts = None,
    job: Job = "files",
    rename: Rename = None,
    accept: Accept = None,
    skip: Skip = None,
    ids: IdsOption = Ids.AUTO,
    encryption: Encryption_ = None,
    *,
    log_json: LogJson = False,
) -> None:
    """Compare every item of every archive with the source, and the bytes of every file with what the repository gives back."""
    request = _request(
        source, repository, inventory, host, job, rename, accept, skip, ids, DEFAULT_COMPRESSION, log_json=log_json
    )
    with _prepared(request) as (_, view, plan, found, lockfile):
        _say(found, request)
        if has_errors(tuple(one for one in found if one.code in _STOPPING)):
            raise typer.Exit(FINDINGS)
        _need_borg()
        from backupspec_migrate.run import Settings, verify_plan  # noqa: PLC0415 - needs Borg's package

        wanted: Encryption | None = None if encryption is None else encryption.value
        with hold(lockfile), show_progress(log_json=log_json) as sink:
            problems = verify_plan(plan, view, Settings(wanted), sink)
        _say(problems, request)
    _end((*found, *problems), request, f"equal to the source in every item and byte: {_counted(plan)}", "")


_STOPPING = frozenset({"BS601", "BS602", "BS603", "BS604", "BS610", "BS614", "BS617", "BS618", "BS620", "BS661"})
"""Errors that concern everything; others concern one host or snapshot, and the rest is imported all the same."""


def _request(  # noqa: PLR0913, PLR0917 - the options of both commands
    source: Path,
    repository: str | None,
    inventory: Path | None,
    hosts: list[str] | None,
    job: str,
    renames: list[str] | None,
    accept: list[str] | None,
    skip: list[str] | None,
    ids: Ids,
    compression: str,
    *,
    log_json: bool,
) -> _Request:
    if (repository is None) == (inventory is None):
        raise typer.BadParameter("give either --repository or --inventory")
    pairs = [pair.partition("=") for pair in renames or ()]
    if any(not equals or not folder or not name for folder, equals, name in pairs):
        raise typer.BadParameter("--rename is FOLDER=NAME")
    numeric = {Ids.AUTO: None, Ids.NAMES: False, Ids.NUMERIC: True}[ids]
    choices = Choices(
        repository, {}, tuple(hosts or ()), job, frozenset(accept or ()), frozenset(skip or ()), numeric, compression
    )
    return _Request(source, choices, {folder.strip("/"): name for folder, _, name in pairs}, log_json)


@contextmanager
def _prepared(request: _Request) -> Iterator[tuple[Layout, View, Plan, Diagnostics, Path | None]]:
    """Read the configuration and the tree, and plan; the view stays open for the block."""
    layout, found = _layout(request)
    if layout is None:
        _say(found, request)
        raise typer.Exit(FINDINGS)
    lockfile = None if layout.lockfile is None else Path(layout.lockfile)
    there = None if lockfile is None else holder(lockfile)
    if lockfile is not None and there is not None:
        found = (*found, complaint(lockfile, there, stop_on_stale=layout.stop_on_stale_lockfile, place=layout.place))
    with ExitStack() as stack:
        try:
            view = stack.enter_context(open_view(layout.root))
            plan, said = _plan(layout, view, there, request)
        except OSError as error:
            place = Span(layout.root, 1, 1, 1, 1)
            _say((*found, diagnose("BS610", f"{layout.root} cannot be read: {error.strerror}", place)), request)
            raise typer.Exit(FINDINGS) from error
        yield layout, view, plan, (*found, *said), lockfile


def _layout(request: _Request) -> tuple[Layout | None, Diagnostics]:
    if sys.getfilesystemencoding().lower() != "utf-8":
        place = Span("LC_ALL", 1, 1, 1, 1)
        return None, (
            diagnose("BS661", f"file names are {sys.getfilesystemencoding()} here", place, hint="set LC_ALL=C.UTF-8"),
        )
    if request.source.is_dir():
        return layout_of_root(os.path.realpath(request.source)), ()
    configuration, found = read_configuration(request.source)
    if configuration is None:
        return None, found
    layout, said = layout_of(configuration, request.renames)
    return layout, (*found, *said)


def _plan(layout: Layout, view: View, there: Holder | None, request: _Request) -> tuple[Plan, Diagnostics]:
    scanned, found = scan(layout, view, interrupted=there is not None and there.interrupted_rsnapshot)
    plan, said = make_plan(scanned, request.choices)
    kept = tuple(one for one in found if not (one.code == "BS616" and one.where in request.choices.skip))
    return plan, (*kept, *said)


def _need_borg() -> None:
    if importlib.util.find_spec("borg") is None:
        place = Span("borgbackup", 1, 1, 1, 1)
        missing = diagnose(
            "BS660", "Borg's Python package is not installed here", place, hint="pipx install 'backupspec[migrate]'"
        )
        _err().print(show.as_text((missing,), ()), end="")
        raise typer.Exit(ENVIRONMENT)


def _say(found: Diagnostics, request: _Request) -> None:
    if not found:
        return
    if request.log_json:
        for one in json.loads(show.as_json(found))["diagnostics"]:
            sys.stdout.write(json.dumps({"type": "finding", **one}) + "\n")
        sys.stdout.flush()
        return
    _err().print(show.as_text(found, _sources(found)), end="")


def _sources(found: Diagnostics) -> tuple[Source, ...]:
    """Give the texts of the configuration files that findings point at, to show the lines."""
    names = {one.span.file for one in found if one.code.startswith("BS60")}
    return tuple(
        Source(name, Path(name).read_text(encoding="utf-8", errors="backslashreplace"))
        for name in sorted(names)
        if Path(name).is_file()
    )


def _print_plan(plan: Plan) -> None:
    out = Console(highlight=False, markup=False, emoji=False, soft_wrap=True)
    for target in plan.targets:
        out.print(target.repository)
        for one in target.imports:
            out.print(f"  {one.archive}  from {one.slot}/{one.identity.dest}")
            for root in one.roots:
                out.print(f"      /{root.original}" + ("  (owners by number)" if root.numeric_ids else ""))
    out.print(f"{_counted(plan)}; nothing was written")


def _counted(plan: Plan) -> str:
    archives = sum(len(target.imports) for target in plan.targets)
    repositories = len(plan.targets)
    return f"{archives} archive{'' if archives == 1 else 's'} in {repositories} repositor{'y' if repositories == 1 else 'ies'}"


def _end(found: tuple[Diagnostic, ...], request: _Request, good: str, then: str) -> None:
    errors = [one for one in found if one.severity is Severity.ERROR]
    if errors:
        if not request.log_json:
            _err().print(f"NOT complete: {len(errors)} error{'' if len(errors) == 1 else 's'}, see above")
        raise typer.Exit(FINDINGS)
    if not request.log_json:
        _err().print(good + (f"\n{then}" if then else ""))


def _command(argv: list[str], command: str) -> str:
    """Name the command that follows, with the arguments that both have in common."""
    return f"`backupspec migrate {command} {argv[argv.index('rsnapshot') + 1] if 'rsnapshot' in argv else 'CONF'} …`"


def _err() -> Console:
    return Console(stderr=True, highlight=False, markup=False, emoji=False, soft_wrap=True)
