"""A drill is two units, because what a dump holds may run while it is restored.

The first has the secrets of the repository: it reads the newest dumps into a folder, starts the second and says what
became of it. The second restores them, as an account that owns nothing, without secrets, repository or network; what it
writes reaches the first through a file of root's. One drill on a host restores at a time, since all have one account.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from backupspec.fleet import DatabaseJob, Host, Repository
from backupspec.plan.commands import Command
from backupspec.plan.hardening import Directive, isolated
from backupspec.plan.kinds import recipe
from backupspec.plan.places import CONFIG, SCRIPTS, STAGE, UNITS, notice, planned
from backupspec.plan.priorities import PRIORITIES, Priority
from backupspec.plan.types import PlannedFile
from backupspec.words import Comment, ConfigToken, ExecProgram, ExecWord, UnitListPath, UnitText

ACCOUNT = "backupspec-drill"
LOCK = "/run/backupspec-drill.lock"


@dataclass(frozen=True, slots=True)
class Scratch:
    """The view of scratch.unit.j2. `hidden`: what is not to be seen beside what the template itself hides."""

    notice: Comment
    description: UnitText
    priority: Priority
    account: ConfigToken
    program: Command
    output: ConfigToken
    dumps: ConfigToken
    work: ConfigToken
    hidden: tuple[UnitListPath, ...]
    directives: tuple[Directive, ...]


def folder(job: DatabaseJob, repository: Repository) -> str:
    """Give the folder of a drill: `dumps`, `work` and `said`. No folder of a job's own dumps is called so."""
    return f"{STAGE}/{job.name}_{repository.name}_drill"


def wanted(host: Host) -> bool:
    """Tell whether a host has a drill, and so needs the account."""
    return any(job.drill is not None for job in host.databases)


def before(job: DatabaseJob, repository: Repository) -> tuple[Command, ...]:
    """Make the folder, and in it one place for each of the two accounts and one for what root alone may replace.

    What the jobs' account puts into `dumps` gets the group of drills from the folder.
    """
    top = folder(job, repository)
    install = "/usr/bin/install"
    return (
        _as_root("/bin/rm", "-rf", "--", top),
        _as_root(install, "-d", "-m", "0711", "--", STAGE, top),
        _as_root(install, "-d", "-o", "backupspec", "-g", ACCOUNT, "-m", "2750", "--", f"{top}/dumps"),
        _as_root(install, "-d", "-o", ACCOUNT, "-g", ACCOUNT, "-m", "0700", "--", f"{top}/work"),
        _as_root(install, "-g", "backupspec", "-m", "0640", "--", "/dev/null", f"{top}/said"),
    )


def programs(job: DatabaseJob, repository: Repository) -> tuple[Command, ...]:
    """Read, restore, and say that it passed: the first that fails ends the row."""
    return (
        _program(job, repository, "fetch"),
        _as_root("/usr/bin/flock", LOCK, "/bin/systemctl", "start", f"{name(job, repository)}.service"),
        _program(job, repository, "passed"),
    )


def after(job: DatabaseJob, repository: Repository) -> tuple[Command, ...]:
    """End what still runs, say that it failed if it did, and take the dumps away, whatever became of the first two."""
    return (
        dataclasses.replace(_as_root("/bin/systemctl", "stop", f"{name(job, repository)}.service"), lenient=True),
        dataclasses.replace(_program(job, repository, "ended"), lenient=True),
        _as_root("/bin/rm", "-rf", "--", folder(job, repository)),
    )


def writable() -> tuple[UnitListPath, ...]:
    """Open where the folders of drills lie, which may not be there yet when the unit starts.

    Of all that, the account may write to what was made for it. The folder itself would be a mount point for the unit's
    own commands, which could not be removed.
    """
    return (UnitListPath(STAGE, optional=True),)


def name(job: DatabaseJob, repository: Repository) -> str:
    """Give the name of the second unit."""
    return f"backupspec-scratch-{job.name}_{repository.name}"


def scratch(host: Host, job: DatabaseJob, repository: Repository) -> PlannedFile:
    """Plan the second unit."""
    top = folder(job, repository)
    words = (ExecWord(f"{top}/dumps"), ExecWord(f"{top}/work"))
    hidden = ["/boot", "/media", "/mnt", "/srv", CONFIG, *([repository.path] if repository.local else [])]
    hidden += [path for path in (*job.data, job.stage) if path is not None]
    view = Scratch(
        notice=notice(job.where),
        description=UnitText(f"Restore dumps of {job.name} of {host.name} from {repository.name} to prove them"),
        priority=PRIORITIES["idle"],
        account=ConfigToken(ACCOUNT),
        program=Command(ExecProgram(f"{SCRIPTS}/databases/{job.name}/scratch"), words),
        output=ConfigToken(f"truncate:{top}/said"),
        dumps=ConfigToken(f"{top}/dumps"),
        work=ConfigToken(f"{top}/work"),
        hidden=tuple(UnitListPath(path, optional=True) for path in sorted(set(hidden))),
        directives=isolated(jit=recipe(job).jit),
    )
    path = f"{UNITS}/{name(job, repository)}.service"
    return planned(host.name, path, "systemd/scratch.unit.j2", view, job.where, host.span)


def _program(job: DatabaseJob, repository: Repository, word: str) -> Command:
    return Command(ExecProgram(f"{SCRIPTS}/jobs/{job.name}_{repository.name}/drill"), (ExecWord(word),))


def _as_root(program: str, *words: str) -> Command:
    return Command(ExecProgram(program), tuple(ExecWord(word) for word in words), root=True)
