"""The command line. Results go to standard output, findings about them to standard error.

Exit codes: 0 fine; 1 findings; 2 wrong usage; 3 the environment (a missing extra, a folder that cannot be written).
"""

from __future__ import annotations

import contextlib
import datetime as dt
import enum
import os
import sys
import textwrap
import traceback
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Never

import typer
import typer.core
from rich.console import Console
from rich.text import Text

from backupspec import __version__, catalogue, diff, explain, init, show
from backupspec.data import data_folder
from backupspec.diagnostic import Diagnostics, Severity, Span, has_errors
from backupspec.pipeline import Compiled, compile_inventory
from backupspec.suggest import did_you_mean
from backupspec.summary import summary
from backupspec.write import Outcome, compare, write

FINDINGS, ENVIRONMENT, INTERRUPTED = 1, 3, 130
_OF_THE_ENVIRONMENT = frozenset({"BS507", "BS508", "BS509"})
_COLOURS = {
    diff.Style.HEADING: "bold",
    diff.Style.MEANING: "cyan",
    diff.Style.LOSS: "bold yellow",
    diff.Style.FILE: "bold",
    diff.Style.PLACE: "cyan",
    diff.Style.MINUS: "red",
    diff.Style.PLUS: "green",
    diff.Style.CONTEXT: "",
}
_WIDTH = 88
_EPILOG = (
    "Exit codes: 0 fine; 1 findings (errors; with --strict also warnings; with --check a change); 2 wrong usage; "
    "3 the environment (a missing program or extra, a folder that cannot be written)."
)


class Format(enum.StrEnum):
    """How findings are shown."""

    TEXT = "text"
    JSON = "json"
    GITHUB = "github"
    SARIF = "sarif"


class Example(enum.StrEnum):
    """The inventories to start from."""

    LAPTOP = "laptop"
    SMALL = "small"


class _Commands(typer.core.TyperGroup):
    """Loads the migration's commands only when they are asked for: they need borg's Python package."""

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ANN401 - typer's own types differ between its versions
        if cmd_name == "migrate":
            try:
                from backupspec_migrate.cli import app as migrate_app  # noqa: PLC0415 - see the class
            except ModuleNotFoundError as error:
                if (error.name or "").partition(".")[0] not in {"borg", "backupspec_migrate"}:
                    raise
            else:
                return typer.main.get_command(migrate_app)
        return super().get_command(ctx, cmd_name)


app = typer.Typer(
    cls=_Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    epilog=_EPILOG,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Inventory = Annotated[
    Path, typer.Argument(metavar="PATH", help="The inventory: a YAML file, or a folder with inventory.yaml.")
]
Strict = Annotated[bool, typer.Option("--strict", help="Treat warnings as errors.")]


def main() -> None:
    """Run the command line; ends the process with one of the documented exit codes and never with a traceback."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # a terminal that knows no arrow still shows the message
    try:
        app(prog_name="backupspec")
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except Exception as error:  # noqa: BLE001 - the last resort: whatever it is, nobody should have to read a traceback
        if os.environ.get("BACKUPSPEC_TRACEBACK"):
            traceback.print_exc()
        else:
            _err().print(f"backupspec failed in a way that it should not: {type(error).__name__}: {error}")
            _err().print("Please report it. BACKUPSPEC_TRACEBACK=1 shows where it happened.")
        sys.exit(ENVIRONMENT)
    finally:
        _flush()


def _version(asked: bool) -> None:
    if asked:
        _out().print(f"backupspec {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    *,
    _shown: Annotated[
        bool, typer.Option("--version", help="Show the version and exit.", is_eager=True, callback=_version)
    ] = False,
) -> None:
    """Compile one YAML inventory into everything that a fleet's Borg backups need on disk."""


@app.command("init")
def _init(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where to put it.", show_default="here")] = Path(),
    example: Annotated[Example, typer.Option(help="A laptop with a disk, or a small office.")] = Example.LAPTOP,
) -> None:
    """Write a first inventory to start from; overwrites nothing."""
    try:
        made = init.first_inventory(example.value, folder)
    except FileExistsError as error:
        _fail(f"{error} is there already; nothing was written. Choose another folder.", FINDINGS)
    except OSError as error:
        _fail(f"cannot write {error.filename or folder}: {error.strerror}", ENVIRONMENT)
    for path in made:
        _out().print(f"wrote {path}")
    if any(path.suffix == ".pub" for path in made):
        _out().print("\nThe keys are examples: replace them by your own before you roll anything out.")
    _out().print(f"\nNext: edit {made[0].parent / 'inventory.yaml'}, then\n  backupspec validate {folder}")
    _out().print(f"  backupspec compile {folder} --output {folder / 'compiled'}")


@app.command("validate", epilog=_EPILOG)
def _validate(
    path: Inventory,
    form: Annotated[Format, typer.Option("--format", help="How to show the findings.")] = Format.TEXT,
    strict: Strict = False,
    today: Annotated[
        str | None,
        typer.Option(metavar="DATE", help="Judge `until` of accepted findings by this day, such as 2027-01-31."),
    ] = None,
) -> None:
    """Check an inventory and show all findings at once; writes nothing."""
    run = compile_inventory(path, _date(today))
    folder = str(run.folder)
    match form:
        case Format.TEXT:
            _out().print(show.as_text(run.diagnostics, run.sources, folder), end="")
        case Format.JSON:
            _raw(show.as_json(run.diagnostics, folder))
        case Format.GITHUB:
            _raw(show.as_github(run.diagnostics, folder))
        case Format.SARIF:
            _raw(show.as_sarif(run.diagnostics, folder, __version__))
    raise typer.Exit(_code(run.diagnostics, strict=strict))


@app.command("compile", epilog=_EPILOG)
def _compile(
    path: Inventory,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="DIR", help="The folder to write; replaced as a whole.")
    ],
    hosts: Annotated[
        list[str] | None,
        typer.Option("--host", metavar="NAME", help="Only this host (may be repeated); the others stay as they are."),
    ] = None,
    check: Annotated[bool, typer.Option("--check", help="Write nothing; exit 1 if the output would change.")] = False,
    strict: Strict = False,
) -> None:
    """Compile an inventory into the tree of files that each machine gets."""
    run, outcome = _compared(path, output, hosts or [], strict=strict)
    if not check and outcome.written:
        tree = run.tree
        written, found = (
            write(tree, output, __version__, hosts=_hosts(run, hosts or []), sources=run.paths) if tree else (None, ())
        )
        if written is None:
            _findings(run, found)
            raise typer.Exit(_code(found, strict=strict))
        _findings(run, tuple(each for each in found if each.code == "BS513"))
        outcome = written
    _lines(summary(outcome, output, check=check))
    if check and outcome.written:
        raise typer.Exit(FINDINGS)


@app.command("diff", epilog=_EPILOG)
def _diff(
    path: Inventory,
    against: Annotated[Path, typer.Option("--against", metavar="DIR", help="An output folder of an earlier compile.")],
    strict: Strict = False,
) -> None:
    """Show what a compile would change in DIR, and what that means for the backups."""
    if not against.is_dir():
        raise typer.BadParameter(f"{against} is not a folder", param_hint="--against")
    _, outcome = _compared(path, against, [], strict=strict)
    _lines(diff.lines(outcome.changes))
    if not outcome.written:
        _out().print(f"{against} is what the inventory says: nothing would change")


@app.command("explain", epilog=_EPILOG)
def _explain(
    first: Annotated[
        str, typer.Argument(metavar="PATH|CODE", help="An inventory, or the code of a finding such as BS104.")
    ],
    setting: Annotated[
        str | None, typer.Argument(metavar="HOST.SETTING", help="Such as web01, or web01.files.www.retention.")
    ] = None,
) -> None:
    """Say which line of the inventory gave each value of a host, or what the code of a finding means."""
    if setting is None:
        entry = catalogue.explain(first)
        if entry is None:
            hint = did_you_mean(first.upper(), (known.code for known in catalogue.CATALOGUE))
            hint = hint or "to explain a host: backupspec explain PATH HOST"
            raise typer.BadParameter(f"there is no code {first!r}; {hint}")
        _out().print(Text(f"{entry.code}: {entry.title} ({entry.severity.label})", style="bold"))
        _out().print("\n" + textwrap.fill(entry.explanation, _WIDTH))
        return
    path = Path(first)
    run = compile_inventory(path)
    if run.fleet is None:
        _findings(run, run.diagnostics)
        raise typer.Exit(_code(run.diagnostics, strict=False))
    settings = explain.explain(run.fleet, setting)
    if not settings:
        every = [(host.name, each) for host in run.fleet.hosts for each in explain.settings(host)]
        hint = did_you_mean(setting, {name for host, each in every for name in (host, each.path, each.short)})
        raise typer.BadParameter("; ".join(filter(None, (f"nothing is called {setting!r} here", hint))))
    folder = path if path.is_dir() else path.parent
    for each in settings:
        _out().print(explain.text(each, "" if folder == Path() else f"{folder}/"))


@app.command("schema")
def _schema(
    fragment: Annotated[bool, typer.Option("--fragment", help="The schema of an included file.")] = False,
) -> None:
    """Print the inventory's JSON Schema, for editors."""
    name = "inventory-fragment.schema.json" if fragment else "inventory.schema.json"
    _raw((data_folder("schema") / name).read_text(encoding="utf-8"))


@app.command(
    "migrate",
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []},
)
def _migrate() -> None:
    """Move rsnapshot trees and dated copies into Borg, with their whole history."""
    _fail("`migrate` needs borg's Python package: pipx install 'backupspec[migrate]'", ENVIRONMENT)


def _compared(path: Path, output: Path, hosts: list[str], *, strict: bool) -> tuple[Compiled, Outcome]:
    """Compile and compare with the output; ends the command when that finds errors, or warnings that count as such."""
    run = compile_inventory(path)
    if run.tree is None:
        _findings(run, run.diagnostics)
        raise typer.Exit(_code(run.diagnostics, strict=strict))
    outcome, found = compare(run.tree, output, __version__, _hosts(run, hosts))
    if outcome:
        found = (*found, *run.accepted(diff.findings(outcome.vanished, run.hosts_place)))
    told = (*run.diagnostics, *found)
    _findings(run, tuple(each for each in told if each.severity is not Severity.NOTE))
    notes = sum(each.severity is Severity.NOTE for each in told)
    if notes:
        _err().print(f"{notes} note{'s' if notes > 1 else ''}: `backupspec validate {path}` shows them\n")
    code = _code(told, strict=strict)
    if outcome is None or code:
        raise typer.Exit(code or FINDINGS)
    return run, outcome


def _hosts(run: Compiled, hosts: list[str]) -> frozenset[str]:
    known = run.tree.hosts if run.tree else ()
    for host in hosts:
        if host not in known:
            parts = (f"there is no host {host!r} in the inventory", did_you_mean(host, known))
            raise typer.BadParameter("; ".join(filter(None, parts)), param_hint="--host")
    return frozenset(hosts)


def _findings(run: Compiled, found: Diagnostics) -> None:
    """Show findings on standard error, each file under the name by which whoever started this finds it."""
    if not found:
        return
    names = {source.name: str(run.folder / source.name) for source in run.sources}

    def placed(span: Span) -> Span:
        return replace(span, file=names.get(span.file, span.file))

    moved = tuple(
        replace(
            each,
            span=placed(each.span),
            related=tuple(replace(other, span=placed(other.span)) for other in each.related),
        )
        for each in found
    )
    sources = tuple(replace(source, name=names[source.name]) for source in run.sources)
    _err().print(show.as_text(moved, sources), end="")


def _code(found: Iterable[Any], *, strict: bool) -> int:
    found = tuple(found)
    if any(each.severity is Severity.ERROR and each.code in _OF_THE_ENVIRONMENT for each in found):
        return ENVIRONMENT
    warned = any(each.severity is Severity.WARNING for each in found)
    return FINDINGS if has_errors(found) or (strict and warned) else 0


def _date(text: str | None) -> str | None:
    if text is None:
        return None
    try:
        return dt.date.fromisoformat(text).isoformat()
    except ValueError:
        raise typer.BadParameter("write a day such as 2027-01-31", param_hint="--today") from None


def _fail(message: str, code: int) -> Never:
    _err().print(message)
    raise typer.Exit(code)


def _lines(lines: Iterable[tuple[diff.Style, str]]) -> None:
    console = _out()
    for style, line in lines:
        console.print(Text(line, style=_COLOURS[style]))


def _raw(text: str) -> None:
    sys.stdout.write(text)


def _out() -> Console:
    return Console(highlight=False, markup=False, emoji=False, soft_wrap=True)


def _err() -> Console:
    return Console(stderr=True, highlight=False, markup=False, emoji=False, soft_wrap=True)


def _flush() -> None:
    """Flush while a broken pipe can still be caught; the interpreter would complain about it on its way out."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        with contextlib.suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
