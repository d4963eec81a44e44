"""Decides what goes where: pure data made from a scan and the user's choices, no look at any disk."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, replace

from backupspec.catalogue import diagnose
from backupspec.diagnostic import Diagnostic, Diagnostics, Span
from backupspec_migrate.identity import Identity, archive_name
from backupspec_migrate.layout import NAME
from backupspec_migrate.scan import Image, Root, Scan, Snapshot

DEFAULT_COMPRESSION = "auto,zstd,3"
DEFAULT_JOB = "files"
CHUNKER = ("buzhash", 19, 23, 21, 4095)
"""Borg's own default: the regular job must cut files alike, or its first backup would store all of them again."""


@dataclass(frozen=True, slots=True)
class Goal:
    """Where one host's history goes, when an inventory says it.

    `host` is the name that it has now; its snapshots may know it by a former one.
    """

    repository: str
    job: str
    compression: str
    unencrypted: bool
    numeric_ids: bool = False
    host: str = ""


@dataclass(frozen=True, slots=True)
class Choices:
    """What the user asked for.

    `goals` (by host) come before `template` and `job`; a finding there is why a host has none. They are None without an
    inventory.

    `job` None: the inventory's, or DEFAULT_JOB. `numeric_ids` None: as rsync was told. `compression` None: the job's,
    or Borg's usual one. `passphrase_file` is a path with {host}.
    """

    template: str | None
    goals: Mapping[str, Goal | Diagnostic] | None = None
    hosts: tuple[str, ...] = ()
    job: str | None = None
    accept: frozenset[str] = frozenset()
    skip: frozenset[str] = frozenset()
    numeric_ids: bool | None = None
    compression: str | None = None
    unencrypted: bool = False
    passphrase_file: str | None = None


@dataclass(frozen=True, slots=True)
class Import:
    """One archive to be: name, identity, and the roots (relative to `slot`) that it holds."""

    archive: str
    host: str
    identity: Identity
    slot: str
    roots: tuple[Root, ...]


@dataclass(frozen=True, slots=True)
class Target:
    """One repository and its imports.

    Series by series, the oldest first in each. `unencrypted`: it is meant to be so. `passphrase_file` None: Borg's own
    variables say the passphrase, or its question.
    """

    repository: str
    compression: str
    unencrypted: bool
    imports: tuple[Import, ...]
    passphrase_file: str | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """The whole migration."""

    source: str
    targets: tuple[Target, ...]


def make_plan(scanned: Scan, choices: Choices) -> tuple[Plan, Diagnostics]:
    """Plan the import of every snapshot of every chosen host.

    What cannot go in is an error with the way out, never left out silently.
    """
    wanted, found = _wanted(scanned, choices)
    if choices.template is not None:
        found += _template_fits(choices.template, {_present_name(host, choices) for host in wanted})
    refused, said = _doubtful(scanned, choices)
    found += said
    snapshots = {snapshot.slot: snapshot for snapshot in scanned.snapshots}
    collected: dict[tuple[str, str, bool, str], list[Import]] = {}
    unfit: set[str] = set()
    for image in scanned.images:
        if image.host not in wanted or image.slot in refused or image.slot in choices.skip or image.host in unfit:
            continue
        if not NAME.fullmatch(image.host):
            unfit.add(image.host)
            hint = f"give it a name of small letters, digits, dots and dashes: --rename {image.folder}=NAME"
            found.append(
                diagnose(
                    "BS613", f"{image.host!r} is no host name", _place(scanned, image.slot, image.folder), hint=hint
                )
            )
            continue
        goal = _goal(image.host, choices)
        if isinstance(goal, Diagnostic):
            unfit.add(image.host)
            found.append(goal)
            continue
        if goal is None:
            unfit.add(image.host)
            hint = "add it to the inventory with a files job, or leave it out with --host"
            found.append(
                diagnose(
                    "BS619",
                    f"the inventory has no files job for {image.host}",
                    _place(scanned, image.slot, image.folder),
                    hint=hint,
                )
            )
            continue
        made = _import(image, snapshots[image.slot], goal, scanned, choices)
        compression = choices.compression or goal.compression
        unencrypted = goal.unencrypted or choices.unencrypted
        secret = (choices.passphrase_file or "").replace("{host}", goal.host)
        collected.setdefault((goal.repository, compression, unencrypted, secret), []).append(made)
    targets = tuple(
        Target(
            repository,
            compression,
            unencrypted,
            tuple(sorted(imports, key=lambda one: (one.host, one.identity.dest, one.identity.time))),
            secret or None,
        )
        for (repository, compression, unencrypted, secret), imports in sorted(collected.items())
    )
    found += _collisions(targets, scanned)
    return Plan(scanned.root, targets), tuple(found)


def _place(scanned: Scan, *names: str) -> Span:
    return Span("/".join([scanned.root, *names]), 1, 1, 1, 1)


def _template_fits(template: str, hosts: set[str]) -> list[Diagnostic]:
    rest = template.replace("{host}", "")
    place = Span("--repository", 1, 1, 1, len(template) + 1)
    if "{" in rest or "}" in rest:
        hint = "only {host} is replaced; Borg's own placeholders are not known here"
        return [diagnose("BS618", f"{template!r} has braces other than {{host}}", place, hint=hint)]
    if not template.startswith(("/", "ssh://")):
        return [diagnose("BS618", f"{template!r} is neither a full path nor an ssh:// URL", place)]
    if len(hosts) > 1 and "{host}" not in template:
        message = f"{template!r} would put {len(hosts)} hosts into one repository: {', '.join(sorted(hosts))}"
        hint = "write {host} where its name belongs, or choose one with --host"
        return [diagnose("BS618", message, place, hint=hint)]
    return []


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


def _doubtful(scanned: Scan, choices: Choices) -> tuple[set[str], list[Diagnostic]]:
    """Give the snapshots that may not go in, with an error for each that nobody decided about."""
    refused, found = set(), []
    for doubt in scanned.doubts:
        if doubt.slot in choices.skip or doubt.slot in choices.accept:
            continue
        refused.add(doubt.slot)
        hint = f"look at it, then --skip {doubt.slot} or --accept {doubt.slot}"
        found.append(
            diagnose(
                "BS612",
                f"{doubt.slot} is doubtful: {doubt.why}",
                _place(scanned, doubt.slot),
                hint=hint,
                where=doubt.slot,
            )
        )
    return refused, found


def _goal(host: str, choices: Choices) -> Goal | Diagnostic | None:
    if choices.goals is not None:
        return choices.goals.get(host)
    if choices.template is None:
        return None
    return Goal(
        choices.template.replace("{host}", host),
        choices.job or DEFAULT_JOB,
        DEFAULT_COMPRESSION,
        unencrypted=False,
        host=host,
    )


def _present_name(host: str, choices: Choices) -> str:
    goal = (choices.goals or {}).get(host)
    return goal.host if isinstance(goal, Goal) else host


def _import(image: Image, snapshot: Snapshot, goal: Goal, scanned: Scan, choices: Choices) -> Import:
    roots = image.roots
    if choices.numeric_ids is not None:
        roots = tuple(replace(root, numeric_ids=choices.numeric_ids) for root in roots)
    elif goal.numeric_ids:
        roots = tuple(replace(root, numeric_ids=True) for root in roots)
    job = goal.job if image.job is None else image.job
    identity = Identity(scanned.root, image.folder, snapshot.time)
    return Import(archive_name(image.host, job, snapshot.time), image.host, identity, image.slot, roots)


def _collisions(targets: tuple[Target, ...], scanned: Scan) -> list[Diagnostic]:
    found = []
    for target in targets:
        taken: dict[str, Import] = {}
        for one in target.imports:
            other = taken.setdefault(one.archive, one)
            if other is not one:
                message = (
                    f"{other.slot}/{other.identity.dest} and {one.slot}/{one.identity.dest} would both be {one.archive}"
                )
                hint = "skip one of the snapshots, or give the hosts different names with --rename"
                found.append(diagnose("BS614", message, _place(scanned, one.slot, one.identity.dest), hint=hint))
    return found
