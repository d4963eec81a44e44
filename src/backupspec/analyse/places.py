"""Where a merged setting stands: place and logical path, so that a profile's mistake is reported at the profile."""

from __future__ import annotations

from backupspec.diagnostic import Span
from backupspec.fleet import Host, Job, MachineSnapshots, Origin, Target

Origins = tuple[tuple[str, str, Origin], ...]
_SECTIONS = {"databases": "databases", "virtual machine": "virtual_machines"}
"""Where a layer that is a job stands, by what it calls itself; others are files jobs."""


def host_place(host: Host, setting: str) -> tuple[Span, str]:
    """Give place and logical path of a setting of the whole host."""
    return _place(host.origins, setting, None, host.name, host.span, host.where)


def job_place(job: Job | MachineSnapshots, setting: str, text: str | None = None) -> tuple[Span, str]:
    """Give place and logical path of a job's setting; with `text`, of that entry of a list (`exclude`, `paths`, …)."""
    return _place(job.origins, setting, text, job.host, job.span, job.where)


def target_place(job: Job | MachineSnapshots, target: Target | MachineSnapshots, setting: str) -> tuple[Span, str]:
    """Give place and logical path of `schedule`, `retention` or `upload_limit` of a job's way into one repository.

    Snapshots, which go nowhere, stand for both.
    """
    return _place(target.origins, setting, None, job.host, target.span, job.where)


def _place(origins: Origins, setting: str, text: str | None, host: str, span: Span, where: str) -> tuple[Span, str]:  # noqa: PLR0913 - what is known of one setting
    for name, said, origin in origins:
        if name == setting and text in {None, said} and origin.span is not None:
            return origin.span, _logical(origin.layer, host) or where
    return span, where


def _logical(layer: str, host: str) -> str | None:
    """Turn a layer's name (`profile linux, job system`) into a logical path (`profiles.linux.files.system`)."""
    owner, _, rest = layer.partition(", ")
    word, _, job = rest.rpartition(" ")
    section = _SECTIONS.get(word, "files")
    kind, _, name = owner.partition(" ")
    match kind:
        case "defaults":
            path = "defaults"
        case "profile":
            path = f"profiles.{name}"
        case "host":
            path = f"hosts.{host}"
        case _:
            return None
    return f"{path}.{section}.{job}" if job else path
