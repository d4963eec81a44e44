"""Drafts a plan: pure data made from a scan and the user's choices, no look at any disk."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from backupspec.catalogue import diagnose
from backupspec.diagnostic import Diagnostic, Diagnostics, Span
from backupspec.fleet import Retention
from backupspec_migrate.figures import typed
from backupspec_migrate.layout import NAME
from backupspec_migrate.plan import DEFAULT_COMPRESSION, DEFAULT_JOB
from backupspec_migrate.plan_document import (
    LeftOut,
    PlanDocument,
    PlannedArchive,
    PlannedSeries,
    PlannedSnapshot,
    PlannedSource,
)
from backupspec_migrate.scan import Image, Root, Scan

ON_REQUEST = "left out on request"


@dataclass(frozen=True, slots=True)
class Goal:
    """Where one host's history goes, when an inventory says it.

    `host` is the name that it has now; its snapshots may know it by a former one. `retention` and `timezone` are those
    of the job, None where they are not known.
    """

    repository: str
    job: str
    compression: str
    unencrypted: bool
    numeric_ids: bool = False
    host: str = ""
    retention: Retention | None = None
    timezone: str | None = None


Goals = Mapping[str, tuple[Goal, ...] | Diagnostic]


@dataclass(frozen=True, slots=True)
class Choices:
    """What the user asked for.

    `goals` (by host) come before `template` and `job`; a finding there is why a host has none. They are None without an
    inventory.

    `job` None: the inventory's, or DEFAULT_JOB. `numeric_ids` None: as rsync was told, or `as_job` does it.
    `compression` None: the job's, or Borg's usual one. `passphrase_file` is a path with {host}. `make`: how
    repositories are made that are not there.
    """

    template: str | None
    goals: Goals | None = None
    hosts: tuple[str, ...] = ()
    job: str | None = None
    accept: frozenset[str] = frozenset()
    skip: frozenset[str] = frozenset()
    numeric_ids: bool | None = None
    compression: str | None = None
    make: Literal["none", "repokey-blake2"] | None = None
    passphrase_file: str | None = None
    as_job: bool = False


def draft(file: str, source: PlannedSource, scanned: Scan, choices: Choices) -> tuple[PlanDocument, Diagnostics]:
    """Plan the import of every snapshot of every chosen host.

    What cannot go in is an error with the way out, never left out silently. Doubtful snapshots go in undecided unless
    the choices decide about them. `file` is where the plan will be written.
    """
    if source.configuration is None and choices.goals is not None and choices.numeric_ids is None:
        # Nobody knows what rsync was told: the job that continues the series decides.
        choices = replace(choices, as_job=True)
    wanted, found = _wanted(scanned, choices)
    found += _slots_there(scanned, choices)
    if choices.template is not None:
        found += _template_fits(choices.template, {_present_name(host, choices) for host in wanted})
    place = Span(file, 1, 1, 1, 1)
    doubts = {doubt.slot: doubt for doubt in scanned.doubts}
    snapshots = tuple(
        PlannedSnapshot(
            one.slot,
            one.time,
            one.time_from,
            doubts[one.slot].why if one.slot in doubts else None,
            "accepted on request" if one.slot in choices.accept else None,
            place,
            doubts[one.slot].folders if one.slot in doubts else (),
        )
        for one in scanned.snapshots
    )
    series: list[PlannedSeries] = []
    for host, job, folder in sorted({(image.host, image.job or "", image.folder) for image in scanned.images}):
        images = [one for one in scanned.images if (one.host, one.job or "", one.folder) == (host, job, folder)]
        if host in wanted and folder not in choices.skip:
            made, said = _series_of(images, scanned, choices, place)
            series += made
            found += said
    found += _strangers(scanned, choices)
    skipped = (
        LeftOut(name, "" if name in scanned.strangers else why, place)
        for name, why in scanned.skipped
        if name not in choices.skip
    )
    said_to_skip = (
        LeftOut(name, ON_REQUEST, place) for name in sorted(choices.skip - {one.slot for one in scanned.snapshots})
    )
    # Hosts that were not asked for are not decided about: a report goes on to say that the tree has them.
    plan = PlanDocument(file, source, snapshots, (*skipped, *said_to_skip), tuple(series))
    return plan, tuple(found)


def _place(scanned: Scan, *names: str) -> Span:
    return Span("/".join([scanned.root, *names]), 1, 1, 1, 1)


def _template_fits(template: str, hosts: set[str]) -> list[Diagnostic]:
    rest = template.replace("{host}", "")
    place = Span("--repository", 1, 1, 1, len(template) + 1)
    if "{" in rest or "}" in rest:
        hint = "only {host} is replaced; Borg's own placeholders are not known here"
        return [diagnose("BS618", f"{template!r} has braces other than {{host}}", place, hint=hint)]
    if not template.startswith(("/", "ssh://")) or template.startswith("ssh://-"):
        hint = "such as /backup/{host} or ssh://USER@SERVER/backup/{host}"
        return [diagnose("BS618", f"{template!r} is neither a full path nor an ssh:// URL", place, hint=hint)]
    if why := _not_the_plain_path(template):
        return [diagnose("BS618", f"{template!r} {why}", place, hint="write the repository's own path, and no archive")]
    if len(hosts) > 1 and "{host}" not in template:
        message = f"{template!r} would put {len(hosts)} hosts into one repository: {', '.join(sorted(hosts))}"
        hint = "write {host} where its name belongs, or choose one with --host"
        return [diagnose("BS618", message, place, hint=hint)]
    return []


def _not_the_plain_path(template: str) -> str:
    """Say what keeps a path from being the one way to write it; empty if nothing does.

    Two ways to write one repository would be two repositories to whoever compares their names.
    """
    path = template.removeprefix("ssh://").partition("/")[2] if template.startswith("ssh://") else template[1:]
    first, *others = path.removesuffix("/").split("/")
    # ssh://HOST/./PATH is Borg's way to say that a path begins in the account's home.
    relative = template.startswith("ssh://") and first == "." and bool(others)
    if {".", ".."} & {*(() if relative else (first,)), *others}:
        return "has a `.` or `..` in it"
    if "::" in path:
        return "names an archive after `::`"
    if not path:
        return "has no path"
    if path.endswith("/"):
        return "ends with a slash"
    return "" if all((first, *others)) else "has a doubled slash in it"


def _wanted(scanned: Scan, choices: Choices) -> tuple[set[str], list[Diagnostic]]:
    present = {image.host for image in scanned.images}
    if not choices.hosts:
        return present, []
    found = []
    for host in choices.hosts:
        if host not in present:
            near = difflib.get_close_matches(host, sorted(present), n=1)
            hint = f"did you mean {near[0]}?" if near else f"there are: {', '.join(sorted(present)) or 'none'}"
            found.append(diagnose("BS617", f"no snapshot holds a host {host!r}", _place(scanned), hint=hint))
    return present & set(choices.hosts), found


def _strangers(scanned: Scan, choices: Choices) -> list[Diagnostic]:
    """Find folders that are no snapshots by their names: whether anybody needs them only people know."""
    found = []
    for name, why in scanned.skipped:
        if name in scanned.strangers and name not in choices.skip:
            hint = f"look at it, then give a reason under `left_out` in the plan, or say --skip {typed(name)}"
            message = f"{name} is taken for no snapshot ({why}), and may hold what somebody needs"
            found.append(diagnose("BS699", message, _place(scanned, name), hint=hint, where=name))
    return found


def _slots_there(scanned: Scan, choices: Choices) -> list[Diagnostic]:
    """Find decisions about snapshots that are not there: a slip of the pen would decide nothing."""
    slots = {one.slot for one in scanned.snapshots}
    found = []
    for slot in sorted(choices.accept - slots):
        near = difflib.get_close_matches(slot, sorted(slots), n=1)
        hint = f"did you mean {near[0]}?" if near else ""
        found.append(diagnose("BS617", f"there is no snapshot {slot!r} to accept", _place(scanned), hint=hint))
    return found


def _series_of(
    images: list[Image], scanned: Scan, choices: Choices, place: Span
) -> tuple[list[PlannedSeries], Diagnostics]:
    first = images[0]
    host, where = first.host, _place(scanned, first.slot, first.folder)
    if not NAME.fullmatch(host):
        hint = f"give it a name of small letters, digits, dots and dashes: --rename {typed(first.folder)}=NAME"
        return [], (diagnose("BS613", f"{host!r} is no host name", where, hint=hint),)
    goals = _goals(host, choices)
    if isinstance(goals, Diagnostic):
        return [], (goals,)
    if not goals:
        hint = f"add it to the inventory with a files job, or leave it out: --skip {typed(first.folder)}"
        return [], (diagnose("BS619", f"the inventory has no files job for {host}", where, hint=hint),)
    goal = next((one for one in goals if one.job == first.job), goals[0])
    found = _owners(first, goal, choices, where)
    times = {one.slot: one.time for one in scanned.snapshots}
    images = sorted(images, key=lambda one: times[one.slot])
    archives = tuple(
        PlannedArchive(one.slot, _roots(one, goal, choices), place) for one in images if one.slot not in choices.skip
    )
    series = PlannedSeries(
        host,
        first.job or goal.job,
        first.folder,
        goal.repository,
        choices.make if goal.repository.startswith("/") else None,
        goal.unencrypted or choices.make == "none",
        choices.compression or goal.compression,
        (choices.passphrase_file or "").replace("{host}", goal.host) or None,
        goal.retention,
        goal.timezone,
        archives,
        tuple(LeftOut(one.slot, ON_REQUEST, place) for one in images if one.slot in choices.skip),
        place,
    )
    return [series], found


def _owners(image: Image, goal: Goal, choices: Choices, where: Span) -> Diagnostics:
    """Find a job that will store owners otherwise than its history has them."""
    numbers = [root.numeric_ids for root in image.roots]
    decided = choices.numeric_ids is not None or choices.as_job
    if choices.goals is None or decided or goal.numeric_ids or image.job is not None or not any(numbers):
        return ()
    message = f"rsync kept owners by number, and the job {goal.job} of {goal.host} stores their names"
    hint = "`numeric_ids: true` in the job keeps one history; or --ids names, if users have the same numbers on both"
    return (diagnose("BS698", message, where, hint=hint, where=image.host),)


def _goals(host: str, choices: Choices) -> tuple[Goal, ...] | Diagnostic:
    if choices.goals is not None:
        return choices.goals.get(host, ())
    if choices.template is None:
        return ()
    repository = choices.template.replace("{host}", host)
    return (Goal(repository, choices.job or DEFAULT_JOB, DEFAULT_COMPRESSION, unencrypted=False, host=host),)


def _present_name(host: str, choices: Choices) -> str:
    goals = (choices.goals or {}).get(host, ())
    return goals[0].host if isinstance(goals, tuple) and goals else host


def _roots(image: Image, goal: Goal, choices: Choices) -> tuple[Root, ...]:
    told = goal.numeric_ids if choices.as_job else choices.numeric_ids
    if told is not None:
        return tuple(replace(root, numeric_ids=told) for root in image.roots)
    return tuple(replace(root, numeric_ids=True) for root in image.roots) if goal.numeric_ids else image.roots
