"""The arguments and options that several commands take."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Source = Annotated[
    Path,
    typer.Argument(metavar="CONF_OR_ROOT", help="rsnapshot.conf, or the folder that holds the snapshots.", exists=True),
]
PlanFile = Annotated[
    Path, typer.Argument(metavar="PLAN", help="The plan file that `migrate plan` wrote.", exists=True, dir_okay=False)
]
Hosts = Annotated[list[str] | None, typer.Option("--host", metavar="NAME", help="Only this host (again for more).")]
Jobs = Annotated[
    int,
    typer.Option(
        "--jobs",
        metavar="N",
        min=1,
        help="Work on so many repositories at a time. Passphrases must then be in files or variables.",
    ),
]
LogJson = Annotated[bool, typer.Option("--log-json", help="Progress and findings as JSON, one object per line.")]
