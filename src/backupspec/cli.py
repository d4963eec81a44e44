"""The command line. Results go to standard output, findings about them to standard error.

Exit codes: 0 fine; 1 findings; 2 wrong usage; 3 the environment (a missing extra, a folder that cannot be written).
"""

from __future__ import annotations

import contextlib
import os
import sys
import traceback
from typing import Annotated, Any

import typer
import typer.core

from backupspec import __version__
from backupspec.streams import UnwritableError, give_up_what_is_left, usable_streams
from backupspec.terminal import ENVIRONMENT, EPILOG, err, out

INTERRUPTED = 130


class _Commands(typer.core.TyperGroup):
    """Loads the compiler, or the migration, only when one of its commands is asked for.

    The migration needs borg's Python package, and is to begin without the time that loading the compiler takes.
    """

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ANN401 - typer's own types differ between its versions
        """Give the names, in the order in which the help shows them."""
        return _compiler().list_commands(ctx)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ANN401 - as above
        """Give a command, loaded."""
        if cmd_name == "migrate":
            try:
                from backupspec_migrate.cli import app as migrate_app  # noqa: PLC0415 - see the class
            except ModuleNotFoundError as error:
                if (error.name or "").partition(".")[0] not in {"borg", "backupspec_migrate"}:
                    raise
            else:
                command = typer.main.get_command(migrate_app)
                command.name = cmd_name
                return command
        return _compiler().get_command(ctx, cmd_name)


def _compiler() -> typer.core.TyperGroup:
    from backupspec.commands import app as compiler  # noqa: PLC0415 - see _Commands

    return typer.main.get_group(compiler)


app = typer.Typer(
    cls=_Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # boxes would give each flag a type, and break what one wants to copy
    epilog=EPILOG,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


def main() -> None:
    """Run the command line; ends the process with one of the documented exit codes and never with a traceback."""
    try:
        with usable_streams():
            _run()
    except UnwritableError as error:
        with contextlib.suppress(OSError):  # standard error itself may be the one
            sys.stderr.write(f"{error}; free some space there, or send the output elsewhere\n")
            sys.stderr.flush()
        give_up_what_is_left()  # Python 3.13 would end with 120 where the interpreter cannot flush on its way out
        sys.exit(ENVIRONMENT)


def _run() -> None:
    try:
        app(prog_name="backupspec")
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except UnwritableError:
        raise
    except Exception as error:  # noqa: BLE001 - the last resort: whatever it is, nobody should have to read a traceback
        if os.environ.get("BACKUPSPEC_TRACEBACK"):
            traceback.print_exc()
        else:
            err().print(f"backupspec failed in a way that it should not: {type(error).__name__}: {error}")
            err().print("Please report it. BACKUPSPEC_TRACEBACK=1 shows where it happened.")
        sys.exit(ENVIRONMENT)


def _version(asked: bool) -> None:
    if asked:
        out().print(f"backupspec {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    *,
    _shown: Annotated[
        bool, typer.Option("--version", help="Show the version and exit.", is_eager=True, callback=_version)
    ] = False,
) -> None:
    """Compile one YAML inventory into everything that a fleet's Borg backups need on disk."""
