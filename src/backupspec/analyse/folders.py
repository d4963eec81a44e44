"""Folders that repositories are put into: none that the system or backupspec itself needs as it is."""

from __future__ import annotations

import re
from collections.abc import Iterator

from backupspec.analyse.patterns import below
from backupspec.catalogue import diagnose
from backupspec.diagnostic import Diagnostic, Span
from backupspec.fleet import Fleet
from backupspec.own_folders import CONFIG, RESTORE, STAGE, STATE

# hier(7), file-hierarchy(7). /run/media/USER is where desktops of some systems mount disks.
_WITH_ALL_BELOW = re.compile(
    r"/(bin|boot|dev|etc|lib(?:32|64|x32)?|proc|run(?!/media/[^/]+/)|sbin|sys|usr)(/.*)?", re.DOTALL
)
_ALONE = frozenset(
    {
        *("/", "/home", "/media", "/mnt", "/opt", "/root", "/srv", "/tmp", "/var"),  # noqa: S108 - refused, not used
        *(f"/var/{name}" for name in ("backups", "cache", "lib", "log", "tmp")),
    }
)


def folders_are_their_own(fleet: Fleet) -> Iterator[Diagnostic]:
    """No storage and no local repository is a folder of the system, lies in one that must stay as it is, or is ours."""
    for server in fleet.servers:
        yield from _judged(server.storage, f"the storage of {server.name}", server.span, server.where, "/backup/borg")
    for host in fleet.hosts:
        for repository in host.repositories:
            if repository.local:
                what = f"the repository `{repository.name}`"
                yield from _judged(repository.path, what, repository.span, repository.where, "/var/backups/borg")


def is_kept_as_it_is(path: str) -> bool:
    """Tell whether a folder is the system's with all below, or backupspec's."""
    ours = any(below(path, folder) for folder in (STATE, RESTORE, CONFIG, STAGE))
    return ours or path == "/" or bool(_WITH_ALL_BELOW.fullmatch(path))


def _judged(path: str, what: str, span: Span, where: str, example: str) -> Iterator[Diagnostic]:
    ours = next((folder for folder in (STATE, RESTORE, CONFIG, STAGE) if below(path, folder)), None)
    if ours is None and path not in _ALONE and not _WITH_ALL_BELOW.fullmatch(path):
        return
    whose = "of the system" if ours is None else "that backupspec keeps for itself"
    yield diagnose(
        "BS408",
        f"{what} cannot be `{path}`, a folder {whose}",
        span,
        where=where,
        hint=f"give it a folder of its own, such as {example}",
    )
