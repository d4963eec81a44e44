"""What several commands take."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from backupspec.findings import FORMATS
from backupspec.suggest import did_you_mean


def one_of(*names: str) -> dict[str, Any]:
    """Give what makes an option take one of these words; an enum would name its Python error to the user."""

    def checked(value: str | None) -> str | None:
        if value is not None and value not in names:
            hint = did_you_mean(value, names)
            raise typer.BadParameter(f"{value!r} is none of {', '.join(names)}" + (f"; {hint}" if hint else ""))
        return value

    return {"metavar": "|".join(names), "callback": checked, "autocompletion": lambda: list(names)}


Inventory = Annotated[
    Path | None,
    typer.Argument(
        metavar="PATH",
        help="The inventory: a YAML file, or a folder with inventory.yaml. Without it: the current folder.",
        show_default=False,
    ),
]
Strict = Annotated[bool, typer.Option("--strict", help="Treat warnings as errors.")]
Form = Annotated[
    str,
    typer.Option(
        "--format",
        help="How to show the findings; those of no text go to standard output, and what else there is to say to "
        "standard error.",
        **one_of(*FORMATS),
    ),
]
Hosts = Annotated[
    list[str] | None,
    typer.Option("--host", metavar="NAME", help="Only this machine (may be repeated); the others stay as they are."),
]
