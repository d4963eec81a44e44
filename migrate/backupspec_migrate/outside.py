"""Keeps all that is written out of the tree, which is only read."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from backupspec.catalogue import diagnose
from backupspec.diagnostic import Diagnostics, Span
from backupspec_migrate.figures import listed
from backupspec_migrate.plan_document import PlanDocument

_FOLDERS = ("BORG_BASE_DIR", "BORG_CACHE_DIR", "BORG_CONFIG_DIR", "BORG_KEYS_DIR", "BORG_SECURITY_DIR")
"""What tells Borg where its own files go."""


def lies_in(path: str | Path, folder: str | Path) -> bool:
    """Tell whether a path is a folder or lies below it, whatever links or mounts lead there.

    Neither needs to be there.
    """
    real, other = Path(os.path.realpath(path)), Path(os.path.realpath(folder))
    return any(one == other or _are_one(one, other) for one in (real, *real.parents))


def is_in_the_tree(repository: str, root: str) -> bool:
    """Tell whether a repository would be written where the tree is: one of the two lies in the other."""
    return repository.startswith("/") and (lies_in(repository, root) or lies_in(root, repository))


def repositories_in_the_tree(document: PlanDocument) -> Diagnostics:
    """Find, as one error, the repositories that an import would write into the tree."""
    root = document.source.root
    series = [one for one in document.series if is_in_the_tree(one.repository, root)]
    if not series:
        return ()
    names = sorted({one.repository for one in series})
    message = f"{listed(names)} and the tree {root} lie in each other, and the tree is only read"
    hint = "name a place elsewhere, best on another disk: --repository, or `repository` in the plan"
    return (diagnose("BS635", message, series[0].span, hint=hint),)


def borg_in_the_tree(root: str) -> Diagnostics:
    """Find the first folder of Borg's own (caches, keys) that lies in the tree."""
    hint = "BORG_BASE_DIR=FOLDER in the environment puts what Borg keeps for itself elsewhere"
    for name, value in _borgs_own():
        if lies_in(value, root):
            message = f"{name}={value} lies in the tree {root}, which is only read"
            return (diagnose("BS635", message, Span(name, 1, 1, 1, 1), hint=hint),)
    return ()


def _borgs_own() -> Iterator[tuple[str, str]]:
    """Give the folders that Borg makes for itself, each with the variable that says so."""
    yield from ((name, os.environ[name]) for name in _FOLDERS if os.environ.get(name))
    if not os.environ.get("BORG_BASE_DIR"):
        for name in ("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "HOME"):
            if os.environ.get(name):
                yield name, os.environ[name]


def _are_one(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:
        return False
