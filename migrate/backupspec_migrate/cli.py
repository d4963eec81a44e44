"""The commands below `backupspec migrate`. Borg's package is loaded only when one of them needs it."""

from __future__ import annotations

import importlib.util
import json
import shlex
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from backupspec import show
from backupspec.catalogue import diagnose
from backupspec.diagnostic import Diagnostics, Severity, Span
from backupspec.source import Source
from backupspec_migrate.host_id import settle_host_id
from backupspec_migrate.plan import DEFAULT_COMPRESSION, DEFAULT_JOB, Choices, Plan
from backupspec_migrate.prepare import Request, StoppedError, prepared
from backupspec_migrate.progress import Event, Sink, show_progress

FINDINGS, ENVIRONMENT = 1, 3

app = typer.Typer(
    add_completion=False,
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


Source_ = Annotated[
    Path,
    typer.Argument(
        metavar="CONF_OR_ROOT", help="rsnapshot.conf, or the snapshot root where that file is lost.", exists=True
    ),
]
Repository = Annotated[
    str | None,
    typer.Option(
        "--repository",
        metavar="TEMPLATE",
        help="Path or ssh:// URL; {host} is replaced. With --inventory: the place instead of the inventory's.",
    ),
]
Inventory = Annotated[
    Path | None,
    typer.Option(
        "--inventory",
        metavar="PATH",
        help="Take each host's job, and its repository unless --repository says it, from this inventory.",
    ),
]
To = Annotated[
    str | None,
    typer.Option("--to", metavar="NAME", help="Which of the inventory's repositories, where a job has several."),
]
Hosts = Annotated[list[str] | None, typer.Option("--host", metavar="NAME", help="Only this host (again for more).")]
Job = Annotated[
    str | None,
    typer.Option(
        "--job",
        metavar="NAME",
        help="The job whose series the archives continue. Default: the inventory's; without one `files`.",
    ),
]
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
Compression = Annotated[
    str | None,
    typer.Option(
        "--compression",
        metavar="SPEC",
        help=f"As in `borg create`. Default: the inventory's; without one {DEFAULT_COMPRESSION}.",
    ),
]
PassphraseFile = Annotated[
    str | None,
    typer.Option(
        "--passphrase-file",
        metavar="TEMPLATE",
        help="Full path of each host's passphrase, in a file that root alone may read; {host} is replaced.",
    ),
]
Make = Annotated[
    EncryptionChoice | None,
    typer.Option("--encryption", help="Make repositories that are not there, encrypted like this."),
]
LogJson = Annotated[bool, typer.Option("--log-json", help="Progress and findings as JSON, one object per line.")]


@app.command("rsnapshot")
def migrate_rsnapshot(  # noqa: PLR0913 - one parameter for each option
    source: Source_,
    repository: Repository = None,
    inventory: Inventory = None,
    to: To = None,
    host: Hosts = None,
    job: Job = None,
    rename: Rename = None,
    accept: Accept = None,
    skip: Skip = None,
    ids: IdsOption = Ids.AUTO,
    compression: Compression = None,
    encryption: Make = None,
    passphrase_file: PassphraseFile = None,
    *,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be imported; open no repository.")
    ] = False,
    log_json: LogJson = False,
) -> None:
    """Import every snapshot that the repositories do not have yet, the oldest first. The source is only read."""
    choices = Choices(
        repository,
        None,
        tuple(host or ()),
        job,
        frozenset(accept or ()),
        frozenset(skip or ()),
        _NUMERIC[ids],
        compression,
        unencrypted=encryption is EncryptionChoice.NONE,
        passphrase_file=passphrase_file,
    )
    request = _request(source, inventory, to, rename, choices)
    say = _Said(log_json=log_json)
    with _stopping(say), prepared(request, lock=not dry_run) as ready:
        say.all(ready.found)
        if dry_run:
            _print_plan(ready.plan)
            say.end(_series(request))
            return
        _need_borg()
        from backupspec_migrate.run import run_plan  # noqa: PLC0415 - needs Borg's package

        with show_progress(log_json=log_json) as sink:
            counting = _Counting(sink)
            say.all(run_plan(ready, None if encryption is None else encryption.value, counting))
        done = _did(ready.plan, counting.ends)
    say.end("\n".join(filter(None, (done, _series(request), f"next: {_verify_command(request, ids)}"))))


@app.command("verify")
def migrate_verify(  # noqa: PLR0913 - one parameter for each option
    source: Source_,
    repository: Repository = None,
    inventory: Inventory = None,
    to: To = None,
    host: Hosts = None,
    job: Job = None,
    rename: Rename = None,
    accept: Accept = None,
    skip: Skip = None,
    ids: IdsOption = Ids.AUTO,
    passphrase_file: PassphraseFile = None,
    *,
    log_json: LogJson = False,
) -> None:
    """Compare every item of every archive with the source, and the bytes of every file."""
    choices = Choices(
        repository,
        None,
        tuple(host or ()),
        job,
        frozenset(accept or ()),
        frozenset(skip or ()),
        _NUMERIC[ids],
        passphrase_file=passphrase_file,
    )
    request = _request(source, inventory, to, rename, choices)
    say = _Said(log_json=log_json)
    with _stopping(say), prepared(request, lock=True) as ready:
        say.all(ready.found)
        _need_borg()
        from backupspec_migrate.run import verify_plan  # noqa: PLC0415 - needs Borg's package

        with show_progress(log_json=log_json) as sink:
            say.all(verify_plan(ready, sink))
        counted = _counted(ready.plan)
    say.end(f"equal to the source in every item and byte: {counted}")


_NUMERIC = {Ids.AUTO: None, Ids.NAMES: False, Ids.NUMERIC: True}


def _request(
    source: Path, inventory: Path | None, to: str | None, renames: list[str] | None, choices: Choices
) -> Request:
    if choices.template is None and inventory is None:
        raise typer.BadParameter("give --repository, --inventory, or both")
    if to is not None and inventory is None:
        raise typer.BadParameter("--to names a repository of the inventory: give --inventory, too")
    secret = choices.passphrase_file
    if secret is not None and (not secret.startswith("/") or set("{}") & set(secret.replace("{host}", ""))):
        raise typer.BadParameter("--passphrase-file is a full path, and only {host} is replaced in it")
    pairs = [pair.partition("=") for pair in renames or ()]
    if any(not equals or not folder or not name for folder, equals, name in pairs):
        raise typer.BadParameter("--rename is FOLDER=NAME")
    return Request(source, inventory, to, {folder.strip("/"): name for folder, _, name in pairs}, choices)


class _Counting:
    """Counts how the archives ended while it shows the progress."""

    def __init__(self, sink: Sink) -> None:
        self.sink = sink
        self.ends: Counter[str] = Counter()

    def __call__(self, event: Event) -> None:
        """Show one event."""
        self.ends[event.what] += 1
        self.sink(event)


class _Said:
    """Shows findings as they come and remembers how many were errors."""

    def __init__(self, *, log_json: bool) -> None:
        self.log_json = log_json
        self.errors = 0

    def all(self, found: Diagnostics) -> None:
        """Show some findings."""
        self.errors += sum(one.severity is Severity.ERROR for one in found)
        if found and self.log_json:
            for one in json.loads(show.as_json(found))["diagnostics"]:
                sys.stdout.write(json.dumps({"type": "finding", **one}) + "\n")
            sys.stdout.flush()
        elif found:
            _err().print(show.as_text(found, _sources(found)), end="")

    def end(self, good: str) -> None:
        """Say how it ended, and end with the exit code for that."""
        if self.errors:
            if not self.log_json:
                _err().print(f"NOT complete: {self.errors} error{'' if self.errors == 1 else 's'}, see above")
            raise typer.Exit(FINDINGS)
        if good and not self.log_json:
            _err().print(good)


@contextmanager
def _stopping(say: _Said) -> Iterator[None]:
    try:
        yield
    except StoppedError as stopped:
        say.all(stopped.found)
        raise typer.Exit(FINDINGS) from stopped


def _need_borg() -> None:
    if importlib.util.find_spec("borg") is None:
        place = Span("borgbackup", 1, 1, 1, 1)
        missing = diagnose(
            "BS660", "Borg's Python package is not installed here", place, hint="pipx install 'backupspec[migrate]'"
        )
        _err().print(show.as_text((missing,), ()), end="")
        raise typer.Exit(ENVIRONMENT)
    settle_host_id()


def _sources(found: Diagnostics) -> tuple[Source, ...]:
    """Give the texts of the configuration files and inventories that findings point at, to show the lines."""
    names = {one.span.file for one in found if one.span.file.endswith((".conf", ".yaml", ".yml"))}
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


def _did(plan: Plan, ends: Counter[str]) -> str:
    """Say what an import did, and what it found done."""
    new, old = ends["done"], ends["present"]
    if not new:
        there = "1 archive is" if old == 1 else f"{old} archives are"
        return f"nothing new: {there} there already"
    earlier = f"; {old} {'was' if old == 1 else 'were'} there already" if old else ""
    return f"imported: {_in(new, plan)}{earlier}"


def _series(request: Request) -> str:
    """Say which job the archives belong to when nobody said it."""
    if request.inventory is not None or request.choices.job is not None:
        return ""
    return (
        f"the archives are HOST_{DEFAULT_JOB}_TIME: only a job called `{DEFAULT_JOB}` continues and prunes them\n"
        "(for another: --job NAME, or --inventory PATH, which knows each host's job)"
    )


def _verify_command(request: Request, ids: Ids) -> str:
    """Give the command that verifies what this request imported."""
    choices = request.choices
    options = (
        ("--inventory", (request.inventory,)),
        ("--repository", (choices.template,)),
        ("--to", (request.to,)),
        ("--host", choices.hosts),
        ("--job", (choices.job,)),
        ("--rename", tuple(f"{folder}={name}" for folder, name in request.renames.items())),
        ("--accept", tuple(sorted(choices.accept))),
        ("--skip", tuple(sorted(choices.skip))),
        ("--ids", (None if ids is Ids.AUTO else ids.value,)),
        ("--passphrase-file", (choices.passphrase_file,)),
    )
    words = ["backupspec", "migrate", "verify", str(request.source)]
    for option, values in options:
        for value in values:
            if value is not None:
                words += [option, str(value)]
    return shlex.join(words)


def _counted(plan: Plan) -> str:
    return _in(sum(len(target.imports) for target in plan.targets), plan)


def _in(archives: int, plan: Plan) -> str:
    repositories = len({target.repository for target in plan.targets})
    places = f"{repositories} repositor{'y' if repositories == 1 else 'ies'}"
    return f"{archives} archive{'' if archives == 1 else 's'} in {places}"


def _err() -> Console:
    return Console(stderr=True, highlight=False, markup=False, emoji=False, soft_wrap=True)
