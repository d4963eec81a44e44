"""The commands below `backupspec migrate`. One is loaded when it is asked for, Borg's package when it needs that."""

from __future__ import annotations

import importlib
from typing import Any

import typer
import typer.core

from backupspec_migrate.commands.flat import flat

_NAMES = ("scan", "plan", "run", "verify", "report", "rsnapshot", "rehearse")


class _Commands(typer.core.TyperGroup):
    """Knows the names of the commands; what a command does is in the module of `commands` that is called like it."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ANN401, ARG002 - typer's own types differ between its versions
        """Give the names, in the order of a migration."""
        return list(_NAMES)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ANN401, ARG002 - as above
        """Give a command, loaded."""
        if cmd_name not in _NAMES:
            return None
        module = importlib.import_module(f"backupspec_migrate.commands.{cmd_name}")
        single = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
        single.command(cmd_name)(flat(getattr(module, cmd_name)))
        return typer.main.get_command(single)


app = typer.Typer(
    cls=_Commands,
    add_completion=False,
    help="Move the history of rsnapshot or of dated copies into Borg, and prove that nothing was lost.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


@app.callback()
def _root() -> None:
    """Make it a group, though no command is registered."""
