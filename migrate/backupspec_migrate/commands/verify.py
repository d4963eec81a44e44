"""`migrate verify`: the proof."""

from __future__ import annotations

from typing import Annotated

import typer

from backupspec_migrate.commands.options import Hosts, Jobs, LogJson, PlanFile
from backupspec_migrate.commands.said import Said
from backupspec_migrate.commands.work import next_command, planned, verify_all

WHOLE = 100.0


def verify(  # noqa: PLR0913 - one parameter for each option
    plan: PlanFile,
    host: Hosts = None,
    jobs: Jobs = 1,
    *,
    sample: Annotated[
        float | None,
        typer.Option(
            "--sample",
            metavar="PERCENT",
            min=0,
            max=100,
            help="Compare the bytes of so many of the files only, drawn anew each time; all else is compared.",
        ),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Pass over archives that were compared as a whole before and are the same.")
    ] = False,
    log_json: LogJson = False,
) -> None:
    """Compare every item of every archive with the source, and the bytes of every file."""
    say = Said(log_json=log_json)
    with planned(plan, host, say) as prepared:
        done = verify_all(prepared, jobs, say, percent=WHOLE if sample is None else sample, resume=resume)
    say.end(f"{done}\n{next_command('report', plan)}", "keep the old tree")
