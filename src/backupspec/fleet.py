"""The fleet: the inventory with profiles merged, names replaced by what they name, and nothing missing.

Lists are sorted where the order means nothing, so that a shuffled inventory gives the same fleet but for its spans.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import Literal, TypeAlias

from backupspec.alert import Alert
from backupspec.database import Drill, Kind
from backupspec.diagnostic import Span
from backupspec.domain import Disk
from backupspec.schedule import Quiet, Schedule
from backupspec.ssh_peers import HostKey, Jump, Remote
from backupspec.systems import Borg, System
from backupspec.virtual_machine import BootDrill, NotBackedUp

SHELL = ("/bin/sh", "-ec")
"""How a line of shell is run."""


@dataclass(frozen=True, slots=True)
class Retention:
    """How many archives of each bucket stay (None: the bucket is not used); `within` is as borg writes it."""

    last: int | None = None
    secondly: int | None = None
    minutely: int | None = None
    hourly: int | None = None
    daily: int | None = None
    weekly: int | None = None
    monthly: int | None = None
    yearly: int | None = None
    within: str | None = None
    forever: bool = False

    def buckets(self) -> tuple[tuple[str, int], ...]:
        """Give (name, number) of each bucket in use, in borg's own order."""
        names = ("last", "secondly", "minutely", "hourly", "daily", "weekly", "monthly", "yearly")
        return tuple((name, number) for name in names if (number := getattr(self, name)) is not None)

    def __str__(self) -> str:
        """Say it as the inventory would."""
        if self.forever:
            return "forever"
        parts = [f"{name} {number}" for name, number in self.buckets()]
        if self.within:
            parts.insert(0, f"within {self.within}")
        return ", ".join(parts)


@dataclass(frozen=True, slots=True)
class Hook:
    """A command before or after a job. `argv` runs as it is.

    A line of shell was wrapped in `/bin/sh -c` by `bind`. `timeout` is in seconds.
    """

    argv: tuple[str, ...]
    user: Literal["root", "backupspec"]
    timeout: int | None

    def __str__(self) -> str:
        """Say it in words; a line of shell as it was written."""
        shell = self.argv[:2] == SHELL and len(self.argv) == len(SHELL) + 1
        return f"{self.argv[-1] if shell else shlex.join(self.argv)} (as {self.user})"


@dataclass(frozen=True, slots=True)
class Server:
    """A machine that holds repositories."""

    name: str
    site: str | None
    address: str
    port: int
    host_key: HostKey
    system: System
    borg: Borg
    storage: str
    storage_mounted: tuple[str, ...]
    capacity: int | None
    shared_account: str | None
    span: Span

    @property
    def where(self) -> str:
        """Give the logical path."""
        return f"servers.{self.name}"


@dataclass(frozen=True, slots=True)
class Repository:
    """One repository as one host sees it.

    `path` is on the machine that holds it. `remote` is how to reach that, None for a local one; `server` is set if
    the machine is one of ours, and then `account` is the Unix account there that owns the repository. `credential`
    names the passphrase's credential (None: not encrypted by a passphrase); `credential_generated` tells that
    `apply` makes it.
    """

    name: str
    server: Server | None
    remote: Remote | None
    path: str
    account: str | None
    per_fleet: bool
    encryption: str
    credential: str | None
    credential_generated: bool
    append_only: bool
    quota: int | None
    present_sometimes: bool
    mounted: tuple[str, ...]
    check: Literal["weekly", "monthly", "off"]
    span: Span

    @property
    def where(self) -> str:
        """Give the logical path."""
        return f"repositories.{self.name}"

    @property
    def local(self) -> bool:
        """Tell whether it lies on the host itself."""
        return self.remote is None

    @property
    def foreign(self) -> Remote | None:
        """Give the way to a machine that is not ours: nothing is compiled for its side."""
        return self.remote if self.server is None else None


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a setting's value comes from.

    The layer's name ("profile linux", "host", "built-in default") and, if written, its place.
    """

    layer: str
    span: Span | None


@dataclass(frozen=True, slots=True)
class Target:
    """A job's way into one repository."""

    repository: Repository
    schedule: Schedule
    retention: Retention
    upload_limit: int | None  # bytes per second
    origins: tuple[tuple[str, str, Origin], ...]  # (setting, value as text, origin)
    span: Span


@dataclass(frozen=True, slots=True)
class Snapshot:
    """How a job's file systems are snapshotted; `space` is in bytes, for what is written meanwhile (None: a tenth)."""

    kind: Literal["btrfs", "lvm", "zfs"]
    space: int | None


@dataclass(frozen=True, slots=True)
class FilesJob:
    """A job that backs up files of one host.

    `inner` are paths of deeper jobs of the same host, left out here because those jobs have them; `live` is what a
    databases job of the host dumps, left out because a copy of files that are written to is worth nothing. `series`
    are the host names under which archives of this job exist: the present one first, then the former ones.
    """

    name: str
    host: str
    series: tuple[str, ...]
    paths: tuple[str, ...]
    optional_paths: tuple[str, ...]
    mounted: tuple[str, ...]
    exclude: tuple[str, ...]
    except_: tuple[str, ...]
    inner: tuple[str, ...]
    live: tuple[str, ...]
    compression: str
    one_file_system: bool
    snapshot: Snapshot | None
    honour_markers: bool
    numeric_ids: bool
    priority: Literal["low", "normal", "idle"]
    before: tuple[Hook, ...]
    after: tuple[Hook, ...]
    history: bool
    description: str
    targets: tuple[Target, ...]
    origins: tuple[tuple[str, str, Origin], ...]
    path_spans: tuple[tuple[str, Span], ...]  # place of each path, optional path, exclude and exception
    span: Span

    @property
    def where(self) -> str:
        """Give the logical path."""
        return f"hosts.{self.host}.files.{self.name}"


@dataclass(frozen=True, slots=True)
class DatabaseJob:
    """A job that dumps databases of one server, each into a series of its own.

    `time_limit` bounds one dump, `keep_vanished` is how long the archives of a database live that is no longer there
    (both in seconds). Above `most_series` databases one archive for each run holds all dumps. `stage`: a folder that
    keeps the newest dumps as files. `data`: folders and files of the live server, which files jobs leave out.
    """

    name: str
    host: str
    series: tuple[str, ...]
    kind: Kind
    data: tuple[str, ...]
    compression: str
    priority: Literal["low", "normal", "idle"]
    before: tuple[Hook, ...]
    after: tuple[Hook, ...]
    description: str
    time_limit: int
    keep_vanished: int
    most_series: int
    stage: str | None
    drill: Drill | None
    targets: tuple[Target, ...]
    origins: tuple[tuple[str, str, Origin], ...]
    span: Span

    @property
    def where(self) -> str:
        """Give the logical path."""
        return f"hosts.{self.host}.databases.{self.name}"

    @property
    def kept(self) -> str | None:
        """Give the folder that keeps the newest dumps: one of its own in `stage`, which several jobs may share."""
        return None if self.stage is None else f"{self.stage.rstrip('/')}/{self.name}"

    @property
    def own(self) -> tuple[str, ...]:
        """Give what files jobs of the host leave to this one."""
        return self.data if self.kept is None else (*self.data, self.kept)


@dataclass(frozen=True, slots=True)
class VirtualMachineJob:
    """A job that backs up the disks of one libvirt domain.

    `domain` is libvirt's own name. `known` are the disks of its definition (empty where none was given), `disks` the
    targets that are backed up, `without` those that are not, each with the reason. `guest`: the host of the inventory
    that runs in it; the method `guest` reads nothing and has no targets. Sizes are in bytes, `full_every` in seconds.
    """

    name: str
    host: str
    series: tuple[str, ...]
    domain: str
    known: tuple[Disk, ...]
    disks: tuple[str, ...]
    without: tuple[tuple[str, str], ...]
    method: Literal["pull", "incremental", "guest"]
    full_every: int
    quiesce: Literal["required", "preferred", "off"]
    chunk_size: int
    scratch: str | None
    scratch_free: int
    guest: str | None
    drill: BootDrill | None
    compression: str
    priority: Literal["low", "normal", "idle"]
    before: tuple[Hook, ...]
    after: tuple[Hook, ...]
    description: str
    targets: tuple[Target, ...]
    origins: tuple[tuple[str, str, Origin], ...]
    span: Span

    @property
    def where(self) -> str:
        """Give the logical path."""
        return f"hosts.{self.host}.virtual_machines.{self.name}"


@dataclass(frozen=True, slots=True)
class MachineSnapshots:
    """Snapshots of a libvirt domain in its own images, for a quick way back: no backup, and so no `Job`.

    `firmware`: its variables are where no snapshot can be. `keep_free`: bytes that stay free beside the images.
    """

    name: str
    host: str
    domain: str
    known: tuple[Disk, ...]
    firmware: bool
    keep_free: int
    schedule: Schedule
    retention: Retention
    priority: Literal["low", "normal", "idle"]
    before: tuple[Hook, ...]
    after: tuple[Hook, ...]
    description: str
    origins: tuple[tuple[str, str, Origin], ...]
    span: Span

    @property
    def where(self) -> str:
        """Give the logical path."""
        return f"hosts.{self.host}.virtual_machines.{self.name}"


Job: TypeAlias = FilesJob | DatabaseJob | VirtualMachineJob


@dataclass(frozen=True, slots=True)
class Host:
    """A machine that is backed up. `key` is the text of its public ssh key file (None: not there yet)."""

    name: str
    site: str | None
    address: str | None
    system: System
    borg: Borg
    key: str | None
    key_file: str
    key_span: Span
    formerly: tuple[str, ...]
    quiet: Quiet | None
    roaming: bool
    on_ac_only: bool
    stay_awake: bool
    jump: Jump | None
    files: tuple[FilesJob, ...]
    databases: tuple[DatabaseJob, ...]
    virtual_machines: tuple[VirtualMachineJob, ...]
    machine_snapshots: tuple[MachineSnapshots, ...]
    not_backed_up: tuple[NotBackedUp, ...]
    origins: tuple[tuple[str, str, Origin], ...]
    span: Span

    @property
    def where(self) -> str:
        """Give the logical path."""
        return f"hosts.{self.name}"

    @property
    def jobs(self) -> tuple[Job, ...]:
        """Give all jobs that run here: databases first, as they run."""
        return (*self.databases, *(job for job in self.virtual_machines if job.method != "guest"), *self.files)

    @property
    def runs(self) -> bool:
        """Tell whether anything runs here by a timer."""
        return bool(self.jobs or self.machine_snapshots)

    @property
    def repositories(self) -> tuple[Repository, ...]:
        """Give each repository that a job of this host writes to, once, by name."""
        found = {target.repository.name: target.repository for job in self.jobs for target in job.targets}
        return tuple(found[name] for name in sorted(found))


@dataclass(frozen=True, slots=True)
class Retired:
    """A host that was given up: its machine is cleaned by its own `apply`."""

    name: str
    span: Span


@dataclass(frozen=True, slots=True)
class Fleet:
    """All machines, complete. `hosts` and `servers` are sorted by name; one machine may stand in both."""

    name: str
    sites: tuple[str, ...]
    servers: tuple[Server, ...]
    repositories: tuple[tuple[str, Span], ...]  # all declared, used or not
    hosts: tuple[Host, ...]
    retired: tuple[Retired, ...]
    alerts: tuple[Alert, ...]
    profiles: tuple[tuple[str, Span], ...]  # all declared
    used_profiles: tuple[str, ...]
    span: Span

    def server(self, name: str) -> Server | None:
        """Give the server of that name."""
        return next((server for server in self.servers if server.name == name), None)

    def host(self, name: str) -> Host | None:
        """Give the host of that name."""
        return next((host for host in self.hosts if host.name == name), None)
