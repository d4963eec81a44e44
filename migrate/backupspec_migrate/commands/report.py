"""`migrate report`: the sign-off page."""

from __future__ import annotations

from typing import Annotated

import typer

from backupspec.options import one_of
from backupspec_migrate.commands.options import PlanFile
from backupspec_migrate.commands.reporting import report_on
from backupspec_migrate.commands.said import Said
from backupspec_migrate.commands.work import planned


def report(
    plan: PlanFile,
    *,
    form: Annotated[
        str,
        typer.Option(
            "--format",
            help="What goes to standard output; the other two are written all the same.",
            **one_of("text", "json", "html"),
        ),
    ] = "text",
) -> None:
    """Say whether the old tree may be retired, and why: as text, and as JSON and a page to sign beside the plan."""
    say = Said()
    with planned(plan, None, say, lock=False) as prepared:
        last = report_on(prepared, say, form=form)
    say.end(last, last)
