"""The scripts of databases jobs: of each job those of its kind, of each of its repositories create, prune, restore."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from backupspec.fleet import DatabaseJob, Host, Target
from backupspec.plan import borg, drills, stages
from backupspec.plan.kinds import ENCODING, Encoding, Recipe, Room, recipe
from backupspec.plan.places import DRILLS, RESTORE, SCRIPTS, STATE, notice, script
from backupspec.plan.times import oldest_dump
from backupspec.plan.types import PlannedFile
from backupspec.plan.units import prunes
from backupspec.words import ArchiveStart, BorgUrl, Comment, ShellWord

DAY = 86400
LIST_LIMIT = 600  # seconds


@dataclass(frozen=True, slots=True)
class Create:
    """The view of databases/create.sh.j2.

    `folder` holds the dumps, which this script has made there (`stages`) or another program before it. `owned`: it also
    says whose each database is, and its mode. `forgets`: names of vanished databases, which a prune does elsewhere.
    """

    title: Comment
    notice: Comment
    environment: borg.Environment
    scripts: ShellWord
    start: ArchiveStart
    folder: ShellWord | None
    stages: bool
    owned: bool
    compression: ShellWord
    upload_limit: int | None
    time_limit: int
    list_limit: int
    special: tuple[ShellWord, ...]
    most_series: int
    keep_days: int
    forgets: bool
    known: ShellWord
    stamp: ShellWord
    encoding: Encoding = ENCODING


@dataclass(frozen=True, slots=True)
class Stage:
    """The view of databases/stage.sh.j2. `keep`: the folder that gets what is whole.

    Who dumps: the `owner` of each file, `root`, another account (`writer`), or whoever runs it.
    """

    title: Comment
    notice: Comment
    scripts: ShellWord
    time_limit: int
    list_limit: int
    special: tuple[ShellWord, ...]
    owner: bool
    root: bool
    writer: ShellWord | None
    keep: ShellWord | None
    keep_days: int
    encoding: Encoding = ENCODING


@dataclass(frozen=True, slots=True)
class Prune:
    """The view of databases/prune.sh.j2."""

    title: Comment
    notice: Comment
    environment: borg.Environment
    known: ShellWord
    keep_vanished: int
    starts: tuple[ArchiveStart, ...]
    within: ShellWord | None
    keeps: tuple[borg.Keep, ...]


@dataclass(frozen=True, slots=True)
class Verdict:
    """The view of databases/verdict.sh.j2."""

    title: Comment
    notice: Comment


@dataclass(frozen=True, slots=True)
class Restore:
    """The view of databases/restore.sh.j2."""

    title: Comment
    notice: Comment
    environment: borg.Environment
    serve: ShellWord | None
    served: BorgUrl | None
    job: ShellWord
    scripts: ShellWord
    starts: tuple[ArchiveStart, ...]
    special: tuple[ShellWord, ...]
    aside: ShellWord
    loads: bool
    renames: bool
    peeks: bool
    places: bool
    owned: bool
    encoding: Encoding = ENCODING


@dataclass(frozen=True, slots=True)
class Drill:
    """The view of databases/drill.sh.j2."""

    title: Comment
    notice: Comment
    environment: borg.Environment
    start: ArchiveStart
    known: ShellWord
    folder: ShellWord
    result: ShellWord
    oldest: int  # seconds
    room: Room


def of_kind(host: Host, job: DatabaseJob) -> tuple[PlannedFile, ...]:
    """Plan the scripts of a job's kind, which know nothing of repositories, and the one that dumps into files."""
    made = recipe(job)
    files = [script(host, f"{folder(job)}/{each.word}", each.template, each.view, job.where) for each in made.scripts]
    if job.stage is not None or made.writer is not None:
        view = Stage(
            title=Comment(f"Dump what {job.name} of {host.name} has into files."),
            notice=notice(job.where),
            scripts=ShellWord(folder(job)),
            time_limit=job.time_limit,
            list_limit=_list_limit(job),
            special=_special(made),
            owner=made.writer == "owner",
            root=made.writer == "root",
            writer=None if made.writer in {None, "owner", "root"} else ShellWord(str(made.writer)),
            keep=None if job.kept is None else ShellWord(job.kept),
            keep_days=job.keep_vanished // DAY,
        )
        files.append(script(host, f"{folder(job)}/stage", "databases/stage", view, job.where))
    return tuple(files)


def of_target(host: Host, job: DatabaseJob, target: Target) -> tuple[PlannedFile, ...]:
    """Plan what a job runs against one repository."""
    made, repository = recipe(job), target.repository
    name = f"{job.name}_{repository.name}"
    where = f"{SCRIPTS}/jobs/{name}"
    mounts = () if repository.present_sometimes else repository.mounted
    environment = borg.environment(host, repository, target.schedule.timezone, mounts)
    known = ShellWord(f"{STATE}/databases/{name}")
    starts = tuple(ArchiveStart(series, job.name) for series in job.series)
    stage = stages.staged(job, target)
    create = Create(
        title=Comment(f"Back up the databases {job.name} of {host.name} to {repository.name}."),
        notice=notice(job.where),
        environment=environment,
        scripts=ShellWord(folder(job)),
        start=starts[0],
        folder=None if stage is None else ShellWord(stage),
        stages=stage is not None and made.writer is None,
        owned=made.writer == "owner",
        compression=ShellWord(job.compression),
        upload_limit=borg.upload_limit(target),
        time_limit=job.time_limit,
        list_limit=_list_limit(job),
        special=_special(made),
        most_series=job.most_series,
        keep_days=job.keep_vanished // DAY,
        forgets=not prunes(target),
        known=known,
        stamp=ShellWord(f"{STATE}/done/{name}"),
    )
    files = [script(host, f"{where}/create", "databases/create", create, job.where)]
    verdict = Verdict(
        Comment(f"Tell whether all databases {job.name} of {host.name} were backed up."), notice(job.where)
    )
    files.append(script(host, f"{where}/verdict", "databases/verdict", verdict, job.where))
    files += borg.due_of_job(host, job, target)
    if prunes(target):
        said = f"Thin out the archives of the databases {job.name} of {host.name} in {repository.name}"
        prune = Prune(
            title=Comment(f"{said}: {target.retention}."),
            notice=notice(job.where),
            environment=environment,
            known=known,
            keep_vanished=job.keep_vanished,
            starts=starts,
            within=None if target.retention.within is None else ShellWord(target.retention.within),
            keeps=borg.keeps(target),
        )
        files.append(script(host, f"{where}/prune", "databases/prune", prune, job.where))
    files.append(script(host, f"{where}/restore", "databases/restore", _restore(host, job, target, made), job.where))
    if job.drill is not None:
        drill = Drill(
            title=Comment(
                f"Prove that the databases {job.name} of {host.name} can be restored from {repository.name}."
            ),
            notice=notice(job.where),
            environment=environment,
            start=starts[0],
            known=known,
            folder=ShellWord(drills.folder(job, repository)),
            result=ShellWord(f"{DRILLS}/{name}"),
            oldest=oldest_dump(host, job, target),
            room=made.room,
        )
        files.append(script(host, f"{where}/drill", "databases/drill", drill, job.where))
    return tuple(files)


def folder(job: DatabaseJob) -> str:
    """Give where the scripts of a job's kind lie."""
    return f"{SCRIPTS}/databases/{job.name}"


def _special(made: Recipe) -> tuple[ShellWord, ...]:
    return tuple(ShellWord(word) for word in made.special)


def _list_limit(job: DatabaseJob) -> int:
    """Give the seconds after which a server that is asked for its databases has not answered."""
    return min(job.time_limit, LIST_LIMIT)


def _restore(host: Host, job: DatabaseJob, target: Target, made: Recipe) -> Restore:
    repository = target.repository
    environment = borg.environment(host, repository, target.schedule.timezone, ())
    return Restore(
        title=Comment(f"Bring databases of {job.name} of {host.name} back from {repository.name}."),
        notice=notice(job.where),
        environment=dataclasses.replace(environment, base=ShellWord(RESTORE)),
        serve=borg.serve(repository),
        served=borg.served(repository),
        job=ShellWord(job.name),
        scripts=ShellWord(folder(job)),
        starts=tuple(ArchiveStart(series, job.name) for series in job.series),
        special=_special(made),
        aside=ShellWord(made.aside),
        loads=any(each.word == "load" for each in made.scripts),
        renames=made.renames,
        peeks=made.peeks,
        places=made.places,
        owned=made.writer == "owner",
    )
