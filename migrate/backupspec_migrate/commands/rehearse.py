"""`migrate rehearse`: do it once before it counts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from backupspec_migrate.commands.said import Said, need_borg, output
from backupspec_migrate.rehearse import rehearse as rehearse_in


def rehearse(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="An empty folder, or one that is not there yet.")],
) -> None:
    """Make hosts and rsnapshot trees in a folder and migrate them, showing each command that the day itself needs."""
    need_borg()
    say = Said()
    say.all(rehearse_in(folder, output()))
    say.end("")
