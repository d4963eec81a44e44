"""The commands below `backupspec migrate`. Borg's package is loaded only when one of them needs it."""

from __future__ import annotations

import typer

from backupspec_migrate.commands.flat import flat
from backupspec_migrate.commands.plan import plan
from backupspec_migrate.commands.rehearse import rehearse
from backupspec_migrate.commands.report import report
from backupspec_migrate.commands.rsnapshot import rsnapshot
from backupspec_migrate.commands.run import run
from backupspec_migrate.commands.scan import scan
from backupspec_migrate.commands.verify import verify

app = typer.Typer(
    add_completion=False,
    help="Move the history of rsnapshot or of dated copies into Borg, and prove that nothing was lost.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
for command in (scan, plan, run, verify, report, rsnapshot, rehearse):
    app.command(command.__name__)(flat(command))
