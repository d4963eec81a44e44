"""Read: a URI -> Hypervisor. The only module that needs libvirt's Python package, and it only ever reads.

The connection is read-only: libvirt itself refuses whatever would change something, and gives no secrets.
"""

from __future__ import annotations

from typing import Any

from backupspec.domain import Domain, read_domain
from backupspec.hypervisor.machine import Hypervisor, Machine
from backupspec.virtual_machine import DRILL_COPY

_PACKAGE = (
    "libvirt's Python package is not here: on Debian `apt install python3-libvirt` and "
    "`pipx install --system-site-packages backupspec`; elsewhere `pipx install 'backupspec[libvirt]'`, which builds it "
    "(it needs a compiler, pkg-config and the headers of libvirt and Python)"
)
_REFUSED = "libvirt lets this account read nothing there: run this as root, or name another account in the URI"


class UnreadableError(Exception):
    """The hypervisor cannot be read; the message says why and what to do, in one line."""


def read_hypervisor(uri: str) -> Hypervisor:
    """Give what a hypervisor has, but for the copies that drills boot.

    UnreadableError when it cannot be asked, or stops answering.
    """
    libvirt = _package()
    libvirt.registerErrorHandler(lambda _context, _error: None, None)  # it would write to standard error by itself
    try:
        connection = libvirt.openReadOnly(uri)
        try:
            machines = [_machine(libvirt, domain) for domain in connection.listAllDomains()]
            hostname = str(connection.getHostname())
        finally:
            connection.close()
    except libvirt.libvirtError as error:
        raise UnreadableError(_why(libvirt, error, uri)) from error
    known = [machine for machine in machines if machine is not None and not _is_of_a_drill(machine)]
    return Hypervisor(uri, hostname, tuple(sorted(known, key=lambda machine: machine.name)))


def _package() -> Any:  # noqa: ANN401 - it has no annotations
    try:
        import libvirt  # noqa: PLC0415 - it is an extra, and only these commands need it
    except ModuleNotFoundError:
        raise UnreadableError(_PACKAGE) from None
    except ImportError as error:
        raise UnreadableError(f"libvirt's Python package cannot be used: {error}") from None
    return libvirt


def _machine(libvirt: Any, domain: Any) -> Machine | None:  # noqa: ANN401 - as above
    """Give one machine, or None where it is gone since it was listed."""
    try:
        definition = str(domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE))
        now = str(domain.XMLDesc(0)) if domain.isActive() else None
        persistent = bool(domain.isPersistent())
        name, uuid = str(domain.name()), str(domain.UUIDString())
    except libvirt.libvirtError as error:
        if error.get_error_code() == libvirt.VIR_ERR_NO_DOMAIN:
            return None
        raise
    defined = read_domain(definition)
    running = None if now is None else read_domain(now)
    trouble = next((said for said in (defined, running) if isinstance(said, str)), "")
    bare = Domain(name, (), uuid)
    defined = bare if isinstance(defined, str) else defined
    running = bare if isinstance(running, str) else running
    targets = dict.fromkeys(disk.target for known in (defined, running) if known is not None for disk in known.disks)
    sizes = {target: size for target in targets if (size := _size(libvirt, domain, target)) is not None}
    return Machine(definition, defined, running, persistent, sizes, trouble)


def _is_of_a_drill(machine: Machine) -> bool:
    return machine.name.startswith(DRILL_COPY) and not machine.persistent


def _size(libvirt: Any, domain: Any, target: str) -> int | None:  # noqa: ANN401 - as above
    """Give the bytes that a guest sees of a disk, or None where libvirt cannot tell (the image is gone, say)."""
    try:
        return int(domain.blockInfo(target)[0])
    except libvirt.libvirtError:
        return None


def _why(libvirt: Any, error: Any, uri: str) -> str:  # noqa: ANN401 - as above
    said = str(error.get_error_message() or error)
    refused = {libvirt.VIR_ERR_AUTH_UNAVAILABLE, libvirt.VIR_ERR_AUTH_CANCELLED, libvirt.VIR_ERR_AUTH_FAILED}
    refused |= {libvirt.VIR_ERR_ACCESS_DENIED, libvirt.VIR_ERR_OPERATION_DENIED}
    way_out = "is libvirt running there, and is the URI right?"
    if error.get_error_code() in refused or "ermission denied" in said:
        way_out = _REFUSED
    return f"{uri} cannot be read: {said}; {way_out}"
