"""The inventory as written: names are still names, settings may be missing.

`bind` makes it from a document; only `resolve` reads it. What is resolved is a `fleet.Fleet`, a different type, so
that no later stage can be handed a name that nobody looked up.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

from backupspec.database import Assertion
from backupspec.diagnostic import Span
from backupspec.fleet import Hook, Retention
from backupspec.schedule import Quiet, Schedule

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Written(Generic[T]):
    """A value and the place where it stands."""

    value: T
    span: Span


@dataclass(frozen=True, slots=True)
class WrittenTarget:
    """One entry of `to`: the repository's name and what this entry alone says."""

    repository: Written[str]
    settings: Settings


@dataclass(frozen=True, slots=True)
class WrittenJump:
    """A machine that ssh goes through."""

    address: Written[str]
    port: int
    user: Written[str]
    host_key: Written[str]


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that layers can say: one class for defaults, profiles, hosts, jobs and `to` entries.

    The schema limits which key stands where.

    A scalar is None where the layer is silent. A tuple adds up over the layers; `remove` names what an earlier
    layer gave and this one takes away.
    """

    to: Written[tuple[WrittenTarget, ...]] | None = None
    schedule: Written[str | Schedule] | None = None
    retention: Written[str | Retention] | None = None
    compression: Written[str] | None = None
    one_file_system: Written[bool] | None = None
    snapshot: Written[str] | None = None
    snapshot_space: Written[int] | None = None
    honour_markers: Written[bool] | None = None
    numeric_ids: Written[bool] | None = None
    upload_limit: Written[int] | None = None
    priority: Written[str] | None = None
    quiet: Written[Quiet] | None = None
    roaming: Written[bool] | None = None
    on_ac_only: Written[bool] | None = None
    stay_awake: Written[bool] | None = None
    jump: Written[WrittenJump] | None = None
    scratch: Written[str] | None = None
    history: Written[bool] | None = None
    description: Written[str] | None = None
    paths: tuple[Written[str], ...] = ()
    optional_paths: tuple[Written[str], ...] = ()
    mounted: tuple[Written[str], ...] = ()
    exclude: tuple[Written[str], ...] = ()
    except_: tuple[Written[str], ...] = ()
    before: tuple[Written[Hook], ...] = ()
    after: tuple[Written[Hook], ...] = ()
    remove: tuple[tuple[str, tuple[Written[str], ...]], ...] = ()


@dataclass(frozen=True, slots=True)
class WrittenDrill:
    """A drill as written: its schedule may be a name."""

    schedule: Written[str | Schedule] | None
    oldest: int | None  # seconds
    assertions: tuple[Assertion, ...]


@dataclass(frozen=True, slots=True)
class WrittenDatabase:
    """A databases job: the settings that all jobs have, and what only jobs of its kind say, by key."""

    kind: Written[str]
    settings: Settings
    options: tuple[tuple[str, Written[object]], ...]


@dataclass(frozen=True, slots=True)
class WrittenBoot:
    """A drill of a virtual machine as written: its schedule may be a name."""

    schedule: Written[str | Schedule] | None
    agent: bool
    console: str | None
    time_limit: int | None


@dataclass(frozen=True, slots=True)
class WrittenVirtualMachine:
    """How a virtual machine is backed up: the settings that all jobs have, and what only this section says, by key."""

    settings: Settings
    options: tuple[tuple[str, Written[object]], ...]


@dataclass(frozen=True, slots=True)
class Layer:
    """One named layer of settings and the jobs that it brings; a job that is None was turned `off`."""

    name: str
    span: Span
    settings: Settings
    files: tuple[tuple[Written[str], Settings | None], ...] = ()
    databases: tuple[tuple[Written[str], WrittenDatabase | None], ...] = ()
    virtual_machines: tuple[tuple[Written[str], WrittenVirtualMachine | None], ...] = ()


@dataclass(frozen=True, slots=True)
class WrittenBorg:
    """A machine's borg, where it differs from its system's."""

    version: str | None
    path: str | None
    span: Span


@dataclass(frozen=True, slots=True)
class Machine:
    """What servers and hosts both say of a machine."""

    name: Written[str]
    site: Written[str] | None
    address: Written[str] | None
    os: Written[str] | None
    borg: WrittenBorg | None


@dataclass(frozen=True, slots=True)
class WrittenServer:
    """A machine that holds repositories."""

    machine: Machine
    port: int
    host_key: Written[str]
    storage: Written[str]
    storage_mounted: tuple[Written[str], ...]
    capacity: Written[int] | None
    accounts: Literal["per-host", "shared"]
    account: Written[str] | None


@dataclass(frozen=True, slots=True)
class WrittenRepository:
    """A repository, or one for each host."""

    name: Written[str]
    server: Written[str] | None
    path: Written[str] | None
    url: Written[str] | None
    per_fleet: bool
    encryption: Written[str]
    credential: Written[str] | None
    append_only: Written[bool]
    quota: Written[int] | None
    host_key: Written[str] | None
    remote_borg: Written[str] | None
    present_sometimes: bool
    mounted: tuple[Written[str], ...]
    check: Literal["weekly", "monthly", "off"]


@dataclass(frozen=True, slots=True)
class WrittenHost:
    """A machine that is backed up. `quotas` overrides a repository's quota for this host.

    `not_backed_up`: what is left out, and why.
    """

    machine: Machine
    profiles: tuple[Written[str], ...]
    ssh_key: Written[str] | None
    formerly: tuple[Written[str], ...]
    quotas: tuple[tuple[Written[str], Written[int]], ...]
    not_backed_up: tuple[tuple[Written[str], str], ...]
    layer: Layer


@dataclass(frozen=True, slots=True)
class WrittenAlert:
    """Where a failure is reported: a mail address or a command (argv)."""

    name: Written[str]
    mail: str | None
    command: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Accept:
    """A finding that is known and allowed; `until` is an ISO date that only `validate --today` judges."""

    code: Written[str]
    where: Written[str]
    because: str
    until: Written[str] | None
    span: Span


@dataclass(frozen=True, slots=True)
class Inventory:
    """The whole document, bound to types. `files` are the key files' texts by name (None: missing)."""

    fleet: Written[str]
    sites: tuple[Written[str], ...]
    retentions: tuple[tuple[Written[str], Retention], ...]
    schedules: tuple[tuple[Written[str], Schedule], ...]
    servers: tuple[WrittenServer, ...]
    repositories: tuple[WrittenRepository, ...]
    defaults: Layer | None
    profiles: tuple[Layer, ...]
    hosts: tuple[WrittenHost, ...]
    retired: tuple[Written[str], ...]
    alerts: tuple[WrittenAlert, ...]
    accepts: tuple[Accept, ...]
    files: tuple[tuple[str, str | None], ...]
