"""Snapshots of virtual machines in their own images: the unit that takes and thins them out, and the way back."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from backupspec.fleet import Host, MachineSnapshots, Retention
from backupspec.plan.commands import Command
from backupspec.plan.hardening import Touch, directives
from backupspec.plan.libvirt import Libvirt
from backupspec.plan.places import RESTORE, RUN, SCRIPTS, STATE, notice, planned, script
from backupspec.plan.priorities import PRIORITIES
from backupspec.plan.times import snapshot_times
from backupspec.plan.types import PlannedFile
from backupspec.plan.units import Service, hook_after, hook_command, pair, quiet_condition, timer_of
from backupspec.words import Comment, ExecProgram, ExecWord, ShellWord, UnitListPath, UnitText, XmlComment

SHEET = f"{SCRIPTS}/virtual-machines/snapshot.xsl"
TOOLS = {"flock": "util-linux", "virsh": "libvirt-clients", "xsltproc": "xsltproc"}
"""Programs that a host with snapshots of virtual machines must have, each with Debian's package."""
_SECONDS = {"H": 3600, "d": 86400, "w": 7 * 86400, "m": 31 * 86400, "y": 365 * 86400}


@dataclass(frozen=True, slots=True)
class Plain:
    """The view of snapshot.xml.j2."""

    notice: XmlComment


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The view of snapshot.sh.j2; `thin`: the script that says which snapshots go (None: all stay)."""

    title: Comment
    notice: Comment
    libvirt: Libvirt
    sheet: ShellWord
    pending: ShellWord
    keep_free: int
    thin: ShellWord | None
    stamp: ShellWord


@dataclass(frozen=True, slots=True)
class Rollback:
    """The view of rollback.sh.j2; `definitions`: a folder for those that a way back replaces."""

    title: Comment
    notice: Comment
    libvirt: Libvirt
    sheet: ShellWord
    pending: ShellWord
    keep_free: int
    definitions: ShellWord
    timezone: ShellWord


@dataclass(frozen=True, slots=True)
class Thin:
    """The view of thin.sh.j2: `rules` are names and numbers in borg's order, `within` is in seconds (0: not said)."""

    title: Comment
    notice: Comment
    timezone: ShellWord
    within: int
    rules: ShellWord


def name_of(job: MachineSnapshots) -> str:
    """Give the name of a job's folder; no repository of its can be called so, since it has none."""
    return f"{job.name}_snapshots"


def unit_of(job: MachineSnapshots) -> str:
    """Give a job's unit name without its suffix."""
    return f"backupspec-{name_of(job)}"


def of_host(host: Host) -> tuple[PlannedFile, ...]:
    """Plan all that a host has for snapshots of its virtual machines."""
    if not host.machine_snapshots:
        return ()
    sheet = Plain(XmlComment(notice(host.where).text))
    return (
        planned(host.name, SHEET, "virtual-machines/snapshot.xml.j2", sheet, host.where, host.span),
        *(file for job in host.machine_snapshots for file in (*_scripts(host, job), *_units(host, job))),
    )


def thin(policy: Retention, timezone: str, title: str, where: str) -> Thin:
    """Give the view of the script that thins out by a policy, with days as in a time zone."""
    rules = dict(policy.buckets())
    if "secondly" in rules:
        rules.pop("last", None)  # to borg the two are one option
    return Thin(
        title=Comment(title),
        notice=notice(where),
        timezone=ShellWord(timezone),
        within=0 if policy.within is None else int(policy.within[:-1]) * _SECONDS[policy.within[-1]],
        rules=ShellWord(" ".join(f"{name} {number}" for name, number in rules.items())),
    )


def _scripts(host: Host, job: MachineSnapshots) -> tuple[PlannedFile, ...]:
    folder = f"{SCRIPTS}/jobs/{name_of(job)}"
    lock = hashlib.sha256(job.domain.encode()).hexdigest()
    libvirt = Libvirt(ShellWord(job.domain), ShellWord(_work(job)), ShellWord(f"{RUN}/lock/{lock}"))
    pending = ShellWord(f"{STATE}/snapshot/{job.name}")
    snapshot = Snapshot(
        title=Comment(f"Take a snapshot of {job.name} of {host.name}, and thin out the earlier ones: {job.retention}."),
        notice=notice(job.where),
        libvirt=libvirt,
        sheet=ShellWord(SHEET),
        pending=pending,
        keep_free=job.keep_free,
        thin=None if job.retention.forever else ShellWord(f"{folder}/thin"),
        stamp=ShellWord(f"{STATE}/done/{name_of(job)}"),
    )
    rollback = Rollback(
        title=Comment(f"Put {job.name} of {host.name} back to one of its snapshots."),
        notice=notice(job.where),
        libvirt=libvirt,
        sheet=ShellWord(SHEET),
        pending=pending,
        keep_free=job.keep_free,
        definitions=ShellWord(f"{RESTORE}/{job.name}"),
        timezone=ShellWord(job.schedule.timezone),
    )
    files = [
        script(host, f"{folder}/create", "virtual-machines/snapshot", snapshot, job.where),
        script(host, f"{folder}/rollback", "virtual-machines/rollback", rollback, job.where),
    ]
    if not job.retention.forever:
        title = f"Say which snapshots of {job.name} of {host.name} go: {job.retention}."
        view = thin(job.retention, job.schedule.timezone, title, job.where)
        files.append(script(host, f"{folder}/thin", "virtual-machines/thin", view, job.where))
    return tuple(files)


def _units(host: Host, job: MachineSnapshots) -> tuple[PlannedFile, ...]:
    description = f"Take a snapshot of the virtual machine {job.name} of {host.name}"
    description += job.description and f": {job.description}"
    images = tuple(disk.source for disk in job.known if disk.source.startswith("/"))
    touch = Touch(reads=images, elevated=True, hooks=bool(job.before or job.after))
    service = Service(
        notice=notice(job.where),
        description=UnitText(description),
        network=False,
        after_units=(),
        mounted=(),
        stay_awake=host.stay_awake,
        on_ac_only=host.on_ac_only,
        priority=PRIORITIES[job.priority],
        groups=(),
        runtime=None,
        reads_all=False,
        elevated=True,
        stop_seconds=None,
        credentials=(),
        conditions=quiet_condition(host),
        waits=(),
        before=(
            *(hook_command(hook) for hook in job.before),
            _as_root("/usr/bin/install", "-d", "-m", "0755", "--", RUN, f"{RUN}/lock", f"{RUN}/queue"),
            _as_root("/usr/bin/install", "-d", "-m", "0700", "--", _work(job)),
        ),
        programs=(Command(ExecProgram(f"{SCRIPTS}/jobs/{name_of(job)}/create"), elevated=True),),
        after=(*(hook_after(hook) for hook in job.after), _as_root("/bin/rm", "-rf", "--", _work(job))),
        writable=(UnitListPath(RUN, optional=True),),
        directives=directives(host, touch, None),
    )
    timer = timer_of(job.where, description, snapshot_times(host, job))
    return pair(host, unit_of(job), service, timer, job.where)


def _work(job: MachineSnapshots) -> str:
    return f"{RUN}/{name_of(job)}"


def _as_root(program: str, *words: str) -> Command:
    return Command(ExecProgram(program), tuple(ExecWord(word) for word in words), root=True)
