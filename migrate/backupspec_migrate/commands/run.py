"""`migrate run`: the import."""

from __future__ import annotations

from backupspec_migrate.commands.options import Hosts, Jobs, LogJson, PlanFile
from backupspec_migrate.commands.said import Said
from backupspec_migrate.commands.work import import_all, next_command, planned


def run(plan: PlanFile, host: Hosts = None, jobs: Jobs = 1, *, log_json: LogJson = False) -> None:
    """Import every archive of the plan that is not there yet, the oldest first. The source is only read."""
    say = Said(log_json=log_json)
    with planned(plan, host, say) as prepared:
        done = import_all(prepared, jobs, say)
    say.end(f"{done}\n{next_command('verify', plan)}", f"{done}\nstart the same command again when that is mended")
