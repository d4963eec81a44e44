"""`migrate rsnapshot`: plan, run, verify and report in one go."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from backupspec.catalogue import diagnose
from backupspec.diagnostic import Span
from backupspec_migrate.commands.goal_options import GoalOptions
from backupspec_migrate.commands.options import Jobs, LogJson, Source
from backupspec_migrate.commands.reporting import report_on
from backupspec_migrate.commands.said import Said, need_borg, output, stopping
from backupspec_migrate.commands.tree_options import TreeOptions
from backupspec_migrate.commands.work import (
    import_all,
    in_repositories,
    outside_of,
    verify_all,
    write_or_stop,
)
from backupspec_migrate.drafting import drafted
from backupspec_migrate.paper import remains
from backupspec_migrate.plan import DEFAULT_JOB
from backupspec_migrate.plan_yaml import plan_text
from backupspec_migrate.prepare import Prepared, StoppedError, opened
from backupspec_migrate.source import layout_at, planned_source

_OURS = (
    "# Made by `backupspec migrate rsnapshot`, which makes it anew each time: take this line away before you edit it.\n"
)


def rsnapshot(  # noqa: PLR0913 - one parameter for each option
    source: Source,
    tree: TreeOptions,
    goal: GoalOptions,
    *,
    plan: Annotated[
        Path, typer.Option("--plan", metavar="PLAN", help="Where the plan goes, and beside it record and report.")
    ] = Path("migration/plan.yaml"),
    jobs: Jobs = 1,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be imported; write nothing.")] = False,
    verify: Annotated[
        bool, typer.Option("--verify/--no-verify", help="Compare everything afterwards, and report.")
    ] = True,
    log_json: LogJson = False,
) -> None:
    """Plan, import, verify and report in one go. A rerun adds what is missing. The source is only read."""
    if not dry_run:
        need_borg()
    request, say = goal.request, Said(log_json=log_json)
    with stopping(say):
        layout, found = layout_at(source, tree.wish)
        outside_of(layout.root, plan, "name another folder with --plan")
        with opened(layout, found, lock=not dry_run) as opened_tree:
            made, found = drafted(opened_tree, str(plan), planned_source(source, tree.wish, layout), request)
            say.all(found)
            if dry_run:
                _show(made, say)
                say.end(_series(request.inventory, request.choices.job))
                return
            _keep_edits(plan)
            write_or_stop(plan, _OURS + plan_text(made.document, remains(made.document, int(time.time()))))
            steps: list[Callable[[], str]] = [lambda: import_all(made, jobs, say)]
            if verify:
                steps += [
                    lambda: verify_all(made, jobs, say, percent=100, resume=True),
                    lambda: report_on(made, say),
                ]
            done = [step() for step in steps]
    say.end("\n".join(filter(None, (*done, _series(request.inventory, request.choices.job)))), "\n".join(done))


def _keep_edits(plan: Path) -> None:
    """Stop where a plan lies that somebody may have edited."""
    try:
        ours = plan.read_text(encoding="utf-8", errors="replace").startswith(_OURS)
    except OSError:
        return  # not there, or nothing that can be replaced: writing says which
    if not ours:
        hint = f"backupspec migrate run {plan}, or name another file with --plan"
        place = Span(str(plan), 1, 1, 1, 1)
        raise StoppedError((diagnose("BS695", f"{plan} is a plan of its own", place, hint=hint),))


def _show(made: Prepared, say: Said) -> None:
    out, work = output(), made.settled.plan
    for target in work.targets:
        if not say.log_json:
            out.print(target.repository)
        for one in target.imports:
            roots = [f"/{root.original}" + ("  (owners by number)" if root.numeric_ids else "") for root in one.roots]
            source = f"{one.slot}/{one.identity.dest}"
            say.json({"type": "archive", "repository": target.repository, "archive": one.archive, "from": source})
            if not say.log_json:
                out.print(f"  {one.archive}  from {source}")
                for root in roots:
                    out.print(f"      {root}")
    archives = sum(len(target.imports) for target in work.targets)
    if not say.log_json:
        out.print(f"{in_repositories(archives, work)}; nothing was written")


def _series(inventory: Path | None, job: str | None) -> str:
    """Say which job the archives belong to when nobody said it."""
    if inventory is not None or job is not None:
        return ""
    return (
        f"the archives are HOST_{DEFAULT_JOB}_TIME: only a job called `{DEFAULT_JOB}` continues and prunes them\n"
        "(for another: --job NAME, or --inventory PATH, which knows each host's job)"
    )
