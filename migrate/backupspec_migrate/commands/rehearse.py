"""`migrate rehearse`: the whole migration once, before it counts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from backupspec_migrate import rehearse as rehearsal
from backupspec_migrate.commands.said import ENVIRONMENT, Said, need_borg, output


def rehearse(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="An empty folder, or one that is not there yet.")],
) -> None:
    """Make trees with real rsnapshot in FOLDER and migrate them, step by step, with the commands of the day itself."""
    need_borg()
    say = Said()
    found = rehearsal.rehearse(folder, output())
    say.all(found)
    if any(one.code == "BS680" for one in found):
        raise typer.Exit(ENVIRONMENT)
    say.end("")
