"""Which directives of systemd.exec(5) a job's unit gets: all that take nothing from the job.

No directive may hide a path under the job's sources: borg would read empty folders there and succeed. So each
directive that hides or replaces paths is listed with these paths, and left out, with a comment, for a job that has one
of them among its sources.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from backupspec.fleet import Host, Repository
from backupspec.ssh_peers import Jump, Remote
from backupspec.words import Comment, ConfigToken, UnitText


@dataclass(frozen=True, slots=True)
class Directive:
    """One line of the unit, with the reason where one is worth telling; without a value only the reason is written."""

    name: ConfigToken | None
    value: UnitText | None
    reason: Comment | None = None


@dataclass(frozen=True, slots=True)
class Touch:
    """What a unit must leave within reach of its job, besides the repository.

    `reads` (with `one_file_system` only what lies on the same one) and `writes` are paths, `addresses` machines that it
    talks to, `groups` and `credentials` names. `reads_all`: it may read what belongs to others. `jit`: its
    programs make code while they run. `elevated`: it is root by number. `hooks`: it runs commands outside of its
    sandbox. `devices`: what such commands open, as DeviceAllow= names it.
    """

    reads: tuple[str, ...] = ()
    one_file_system: bool = False
    reads_all: bool = False
    writes: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    credentials: tuple[str, ...] = ()
    jit: bool = False
    elevated: bool = False
    hooks: bool = False
    devices: tuple[str, ...] = ()


# Directive, value, and the paths that it hides or replaces in the unit's view of the file system.
_HIDING = (
    ("PrivateTmp", "true", ("/tmp", "/var/tmp")),  # noqa: S108 - the paths that the directive hides
    ("PrivateDevices", "true", ("/dev",)),
    ("ProtectKernelModules", "true", ("/usr/lib/modules", "/lib/modules")),
    ("ProtectKernelTunables", "true", ("/proc", "/sys")),
    ("ProtectProc", "invisible", ("/proc",)),
    ("ProcSubset", "pid", ("/proc",)),
)
_OWN_FILE_SYSTEMS = {"/dev", "/proc", "/sys"}
_PLAIN = (
    ("PrivateMounts", "true"),
    ("ProtectClock", "true"),
    ("ProtectControlGroups", "true"),
    ("ProtectHostname", "true"),
    ("ProtectKernelLogs", "true"),
    ("MemoryDenyWriteExecute", "true"),
    ("LockPersonality", "true"),
    ("RestrictNamespaces", "true"),
    ("RestrictRealtime", "true"),
    ("RestrictSUIDSGID", "true"),
    ("RemoveIPC", "true"),
    ("KeyringMode", "private"),
    ("UMask", "0077"),
    ("SystemCallArchitectures", "native"),
    ("SystemCallFilter", "@system-service"),
    ("SystemCallFilter", "~@privileged @resources"),
    ("SystemCallErrorNumber", "EPERM"),
)


def directives(host: Host, touch: Touch, repository: Repository | None) -> tuple[Directive, ...]:
    """Give the directives for a unit that touches this and writes to `repository`, if any, in the order of the file."""
    found = []
    store = None if repository is None or not repository.local else repository.path
    for name, value, hidden in _HIDING:
        read = next((path for path in hidden if _reads(touch, path)), None)
        kept = None if store is None else next((path for path in hidden if _within(store, path)), None)
        if read is not None:
            found.append(_left_out(name, f"it would show {read}, which this job reads, as something else"))
        elif kept is not None:
            found.append(_left_out(name, f"the repository lies in {kept}"))
        else:
            found.append(_directive(name, value))
    for name, value in _PLAIN:
        if touch.jit and name == "MemoryDenyWriteExecute":
            found.append(_left_out(name, "JavaScript programs make code while they run"))
        elif touch.elevated and value == "~@privileged @resources":
            found.append(_directive(name, "~@resources", "Not ~@privileged: it becomes the account of the jobs."))
        else:
            found.append(_directive(name, value))
    for number, device in enumerate(touch.devices):
        reason = "For the snapshot, whose commands run as root; borg itself has no device and may make none."
        found.append(_directive("DeviceAllow", device, "" if number else reason))
    if touch.hooks:
        # These three hold for the whole unit, also for commands that run as root outside of its sandbox.
        found.append(
            Directive(
                None, None, Comment("No PrivateNetwork=, IPAddressDeny=, DevicePolicy=: they would bind the hooks too.")
            )
        )
        return (*found, _directive("RestrictAddressFamilies", "AF_UNIX AF_INET AF_INET6"))
    if any(_within(path, "/dev") for path in touch.reads if touch.elevated):
        found.append(_left_out("DevicePolicy", "a disk is a device of this host"))
    else:
        found.append(_directive("DevicePolicy", "closed"))
    return (*found, *_network(host, touch, repository))


def isolated(*, jit: bool) -> tuple[Directive, ...]:
    """Give the directives of a unit that may touch nothing but what is bound into its view of the file system."""
    plain = (
        _left_out(name, "JavaScript programs make code while they run")
        if jit and name == "MemoryDenyWriteExecute"
        else _directive(name, value)
        for name, value in (*((name, value) for name, value, _ in _HIDING), *_PLAIN, ("PrivateIPC", "true"))
    )
    return (*plain, _directive("DevicePolicy", "closed"), *_NO_NETWORK)


def _network(host: Host, touch: Touch, repository: Repository | None) -> tuple[Directive, ...]:
    """Give the address filters: none but local sockets, or the literal addresses of the machines that it talks to."""
    remote = None if repository is None else repository.remote
    hop = () if remote is None else (first_hop(host, remote).address,)
    addresses = (*hop, *touch.addresses)
    if not addresses:
        what = "The repository is on this machine" if repository is not None else "Snapshots stay on this machine"
        families = _directive("RestrictAddressFamilies", "AF_UNIX", f"{what}: no network at all.")
        return (families, *_NO_NETWORK[1:])
    families = _directive("RestrictAddressFamilies", "AF_UNIX AF_INET AF_INET6")
    literal: list[str] = []
    for address in addresses:
        try:
            literal.append(str(ipaddress.ip_address(address)))
        except ValueError:
            reason = f"{address} is a name, and systemd filters literal addresses only"
            return (families, _left_out("IPAddressDeny", reason))
    allowed = (_directive("IPAddressAllow", address) for address in dict.fromkeys(literal))
    return (families, _directive("IPAddressDeny", "any"), *allowed)


def first_hop(host: Host, remote: Remote) -> Jump | Remote:
    """Give the machine that the host itself connects to: the jump host where there is one."""
    return remote if host.jump is None else host.jump


def _reads(touch: Touch, path: str) -> bool:
    """Tell whether a job sees what lies at `path`.

    It does not if it comes from above and stays within its file system, while `path` is always one of its own.
    """
    if any(_within(source, path) for source in (*touch.reads, *touch.writes)):
        return True
    stays = touch.one_file_system and path in _OWN_FILE_SYSTEMS
    return not stays and any(_within(path, source) for source in touch.reads)


def _within(path: str, folder: str) -> bool:
    return f"{path.rstrip('/')}/".startswith(f"{folder.rstrip('/')}/")


def _directive(name: str, value: str, reason: str = "") -> Directive:
    return Directive(ConfigToken(name), UnitText(value), Comment(reason) if reason else None)


def _left_out(name: str, reason: str) -> Directive:
    return Directive(None, None, Comment(f"{name}= is left out: {reason}."))


_NO_NETWORK = (
    _directive("RestrictAddressFamilies", "AF_UNIX"),
    _directive("PrivateNetwork", "true"),
    _directive("IPAddressDeny", "any"),
)
