"""`migrate plan`: a file that says what would be imported, to be read and edited."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from backupspec.catalogue import diagnose
from backupspec.diagnostic import Severity, Span
from backupspec_migrate.commands.goal_options import GoalOptions
from backupspec_migrate.commands.options import LogJson, Source
from backupspec_migrate.commands.said import Said, output, stopping
from backupspec_migrate.commands.tree_options import TreeOptions
from backupspec_migrate.commands.work import in_repositories, next_command, outside_of, write_or_stop
from backupspec_migrate.drafting import drafted
from backupspec_migrate.figures import counted
from backupspec_migrate.paper import remains
from backupspec_migrate.plan_yaml import plan_text
from backupspec_migrate.prepare import Prepared, StoppedError, opened
from backupspec_migrate.source import layout_at, planned_source

_UNDECIDED = "BS612"
"""What waits for a decision in the plan itself."""


def plan(  # noqa: PLR0913 - one parameter for each option
    source: Source,
    tree: TreeOptions,
    goal: GoalOptions,
    *,
    file: Annotated[
        Path, typer.Option("--output", "-o", metavar="PLAN", help="The file to write; `-` shows it instead.")
    ] = Path("plan.yaml"),
    force: Annotated[bool, typer.Option("--force", help="Replace a plan that is there, with all edits in it.")] = False,
    log_json: LogJson = False,
) -> None:
    """Write down what would be imported and what would not, to be reviewed and edited. No repository is opened."""
    request, say = goal.request, Said(log_json=log_json)
    shown = str(file) == "-"
    with stopping(say):
        if file.exists() and not force and not shown:
            hint = "edit it, write to another file, or replace it with --force"
            message = f"{file} is there already, perhaps with edits in it"
            raise StoppedError((diagnose("BS695", message, Span(str(file), 1, 1, 1, 1), hint=hint),))
        layout, said = layout_at(source, tree.wish)
        if not shown:
            outside_of(layout.root, file, "name another folder with -o")
        with opened(layout, said, lock=False) as opened_tree:
            made, found = drafted(opened_tree, str(file), planned_source(source, tree.wish, layout), request)
        say.all(found)
        if any(one.severity is Severity.ERROR and one.code != _UNDECIDED for one in found):
            say.end("", "nothing was written: mend that, or leave it out with --skip or --host")
        left = remains(made.document, int(time.time()))
        text = plan_text(made.document, left)
        if shown:
            sys.stdout.write(text)
        else:
            write_or_stop(file, text)
    undecided = made.settled.undecided
    if not shown and not log_json:
        _tell(made, file, left)
    say.json({"type": "plan", "file": str(file), "undecided": list(undecided)})
    open_ = f"next: edit {file}, then backupspec migrate run {file}" if undecided else next_command("run", file)
    say.end("" if shown else next_command("run", file), "" if shown else open_)


def _tell(made: Prepared, file: Path, left: dict[tuple[str, str], str]) -> None:
    out, document = output(), made.document
    archives = sum(len(one.archives) for one in document.series)
    out.print(f"{file}: {in_repositories(archives, made.settled.plan)}; nothing was written to any of them")
    for series in document.series:
        skipped = f", {len(series.skip)} skipped" if series.skip else ""
        out.print(
            f"  {series.host} {series.job}: {counted(len(series.archives), 'archive')}{skipped} in {series.repository}"
        )
        if said := left.get((series.host, series.job)):
            out.print(f"      {said}")
