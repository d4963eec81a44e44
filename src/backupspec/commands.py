"""The commands of the compiler, each from its arguments to what is shown; `cli` has the way in and out."""

from __future__ import annotations

import datetime as dt
import re
import sys
import textwrap
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Never

import typer
from rich.text import Text

from backupspec import __version__, catalogue, diff, explain, findings, init
from backupspec.data import data_folder
from backupspec.diagnostic import Diagnostics, Severity
from backupspec.hypervisor.cli import app as libvirt_app
from backupspec.options import Form, Hosts, Inventory, Strict, one_of
from backupspec.pipeline import compile_inventory
from backupspec.read import ROOT_FILE
from backupspec.suggest import did_you_mean
from backupspec.summary import summary
from backupspec.terminal import ENVIRONMENT, EPILOG, FINDINGS, err, exit_code, fail, out
from backupspec.tree import Tree
from backupspec.write import Outcome, compare, write

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
_COMPILED = "for --against, name a folder that `backupspec compile` wrote"
_WIDTH = 88
_CODE = re.compile(r"(?i)BS\d+")
app = typer.Typer(rich_markup_mode=None)


@app.command("init")
def _init(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where to put it.", show_default="here")] = Path(),
    example: Annotated[
        str, typer.Option(help="A laptop with a disk, or a small office.", **one_of(*init.EXAMPLES))
    ] = "laptop",
) -> None:
    """Write a first inventory to start from; overwrites nothing."""
    try:
        made = init.first_inventory(example, folder)
    except FileExistsError as error:
        fail(f"{error} is there already; nothing was written. Choose another folder.", FINDINGS)
    except OSError as error:
        fail(f"cannot write {error.filename or folder}: {error.strerror}", ENVIRONMENT)
    for path in made:
        out().print(f"wrote {path}")
    if any(path.suffix == ".pub" for path in made):
        out().print("\nThe keys are examples: replace them by your own before you roll anything out.")
    out().print(f"\nNext: edit {made[0].parent / 'inventory.yaml'}, then\n  backupspec validate {folder}")
    out().print(f"  backupspec compile {folder} --output {folder / 'compiled'}")


@app.command("validate", epilog=EPILOG)
def _validate(
    path: Inventory = None,
    form: Form = "text",
    strict: Strict = False,
    today: Annotated[
        str | None,
        typer.Option(metavar="DATE", help="Judge `until` of accepted findings by this day, such as 2027-01-31."),
    ] = None,
) -> None:
    """Check an inventory and show all findings at once; writes nothing."""
    run = compile_inventory(_here(path), _date(today))
    out().print(findings.rendered(run, run.diagnostics, form), end="")
    raise typer.Exit(exit_code(run.diagnostics, strict=strict))


@app.command("compile", epilog=EPILOG)
def _compile(
    path: Inventory = None,
    *,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="DIR", help="The folder to write; replaced as a whole.")
    ],
    hosts: Hosts = None,
    check: Annotated[bool, typer.Option("--check", help="Write nothing; exit 1 if the output would change.")] = False,
    strict: Strict = False,
    form: Form = "text",
) -> None:
    """Compile an inventory into the tree of files that each machine gets.

    DIR is replaced in one step: killed at any moment, the old tree stands there or the new one. Where the file system
    cannot exchange two folders (most network file systems), it may be neither, until the next compile puts one back.

    With --host, README.md and ansible/ in DIR stay as they are until every other machine is up to date, too: they
    describe what is in DIR. With --check as well, only the named machines decide.
    """
    told = _Told(path, form, strict=strict)
    outcome = told.compared(output, hosts or [])
    if not check and outcome.written:
        tree = told.run.tree
        done, found = (
            write(tree, output, __version__, hosts=outcome.hosts, sources=told.run.paths) if tree else (None, ())
        )
        if done is None:
            told.stop(found)
        told.found += tuple(each for each in found if each.code == "BS513")
        outcome = done
    told.show()
    told.lines(summary(outcome, output, check=check))
    if check and outcome.stale:
        raise typer.Exit(FINDINGS)


@app.command("diff", epilog=EPILOG)
def _diff(
    path: Inventory = None,
    *,
    against: Annotated[Path, typer.Option("--against", metavar="DIR", help="An output folder of an earlier compile.")],
    hosts: Hosts = None,
    short: Annotated[
        bool, typer.Option("--summary", help="Only what the changes mean, not the changed lines.")
    ] = False,
    exit_code: Annotated[bool, typer.Option("--exit-code", help="Exit with 1 when there are changes.")] = False,
    strict: Strict = False,
    form: Form = "text",
) -> None:
    """Show what a compile would change in DIR, and what that means for the backups."""
    if not against.is_dir():
        raise typer.BadParameter(f"{against} is not a folder", param_hint="--against")
    told = _Told(path, form, strict=strict)
    changes = told.compared(against, [], writes=False).changes
    if hosts and told.run.tree:
        changes = changes.of(_hosts(told.run.tree, hosts))
    told.show()
    told.lines(diff.lines(changes, texts=not short))
    if not changes.files:
        told.lines([(diff.Style.CONTEXT, f"{against} is up to date: nothing would change")])
    raise typer.Exit(FINDINGS if exit_code and changes.files else 0)


@app.command("explain", epilog=EPILOG)
def _explain(
    first: Annotated[
        str, typer.Argument(metavar="PATH|CODE", help="An inventory, or the code of a finding such as BS104.")
    ],
    setting: Annotated[
        str | None,
        typer.Argument(metavar="NAME", help="A host, server or repository, or a setting: web01.files.www.retention."),
    ] = None,
) -> None:
    """Say which line of the inventory gave each value, or what the code of a finding means; a PATH alone lists names.

    Where the current folder holds the inventory, a NAME alone will do.
    """
    entry = catalogue.explain(first) if setting is None else None
    if entry is not None:
        out().print(Text(f"{entry.code}: {entry.title} ({entry.severity.label})", style="bold"))
        out().print("\n" + textwrap.fill(entry.explanation, _WIDTH))
        return
    path = Path(first)
    if setting is None and (_CODE.fullmatch(first) or not path.exists()):
        if _CODE.fullmatch(first) or not Path(ROOT_FILE).is_file():
            hint = "docs/reference/diagnostics.md lists all codes" if _CODE.fullmatch(first) else "no such file either"
            raise typer.BadParameter(f"there is no code {first!r}; {hint}")
        path, setting = Path(), first
    run = compile_inventory(path)
    if run.fleet is None:
        err().print(findings.rendered(run, run.diagnostics, "text"), end="")
        raise typer.Exit(exit_code(run.diagnostics, strict=False))
    if setting is None:
        out().print("\n".join(explain.overview(run.fleet)))
        out().print(f"\nbackupspec explain {first} NAME explains one of them, and NAME.SETTING one setting.")
        return
    settings = explain.explain(run.fleet, setting, run.document.root if run.document else None)
    if not settings:
        hint = explain.suggestion(run.fleet, setting)
        raise typer.BadParameter("; ".join(filter(None, (f"nothing is called {setting!r} here", hint))))
    folder = path if path.is_dir() else path.parent
    for each in settings:
        out().print(explain.text(each, "" if folder == Path() else f"{folder}/"))


@app.command("schema")
def _schema(
    fragment: Annotated[bool, typer.Option("--fragment", help="The schema of an included file.")] = False,
    plan: Annotated[bool, typer.Option("--plan", help="The schema of a migration plan.")] = False,
) -> None:
    """Print the inventory's JSON Schema, for editors."""
    name = "migration-plan" if plan else ("inventory-fragment" if fragment else "inventory")
    _raw((data_folder("schema") / f"{name}.schema.json").read_text(encoding="utf-8"))


@app.command(
    "migrate",
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []},
)
def _migrate() -> None:
    """Move rsnapshot trees and dated copies into Borg, with their whole history."""
    fail("`migrate` needs borg's Python package: pipx install 'backupspec[migrate]'", ENVIRONMENT)


app.add_typer(libvirt_app, name="libvirt")


class _Told:
    """One compiled inventory, what was found of it and its output, and the way in which all that is told."""

    def __init__(self, path: Path | None, form: str, *, strict: bool) -> None:
        self.path, self.form, self.strict = _here(path), form, strict
        self.run = compile_inventory(self.path)
        self.found = self.run.diagnostics
        if self.run.tree is None:
            self.stop(())

    def compared(self, output: Path, hosts: list[str], *, writes: bool = True) -> Outcome:
        """Compare with the output; ends the command when that finds errors, or warnings that count as such."""
        tree = self.run.tree
        if tree is None:
            self.stop(())
        outcome, found = compare(tree, output, __version__, _hosts(tree, hosts))
        if not writes:
            found = tuple(replace(each, hint=_COMPILED) if "--output" in each.hint else each for each in found)
        if outcome:
            vanished = diff.findings(outcome.vanished, outcome.appeared, self.run.hosts_place)
            found = (*found, *self.run.accepted(vanished))
        if outcome is None or exit_code((*self.found, *found), strict=self.strict):
            self.stop(found)
        self.found += found
        return outcome

    def stop(self, found: Diagnostics) -> Never:
        """End the command for what was found."""
        self.found += found
        self.show()
        raise typer.Exit(exit_code(self.found, strict=self.strict) or FINDINGS)

    def show(self) -> None:
        """Show the findings; of notes, text only says how many there are."""
        if self.form != "text":
            out().print(findings.rendered(self.run, self.found, self.form), end="")
            return
        worse = tuple(each for each in self.found if each.severity is not Severity.NOTE)
        if worse:
            err().print(findings.rendered(self.run, worse, self.form), end="")
        notes = len(self.found) - len(worse)
        if notes:
            err().print(f"{notes} note{'s' if notes > 1 else ''}: `backupspec validate {self.path}` shows them\n")

    def lines(self, lines: Iterable[tuple[diff.Style, str]]) -> None:
        """Show what else there is to say, beside the findings."""
        console = out() if self.form == "text" else err()
        for style, line in lines:
            console.print(Text(line, style=_COLOURS[style]))


def _here(path: Path | None) -> Path:
    if path is None and not Path(ROOT_FILE).is_file():
        raise typer.BadParameter(f"there is no {ROOT_FILE} in the current folder; name one", param_hint="PATH")
    return path or Path()


def _hosts(tree: Tree, hosts: list[str]) -> frozenset[str]:
    for host in hosts:
        if host not in tree.hosts:
            parts = (f"there is no host {host!r} in the inventory", did_you_mean(host, tree.hosts))
            raise typer.BadParameter("; ".join(filter(None, parts)), param_hint="--host")
    return frozenset(hosts)


def _date(text: str | None) -> str | None:
    if text is None:
        return None
    try:
        return dt.date.fromisoformat(text).isoformat()
    except ValueError:
        raise typer.BadParameter("write a day such as 2027-01-31", param_hint="--today") from None


def _raw(text: str) -> None:
    sys.stdout.write(text)
