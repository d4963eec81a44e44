"""What a job leaves out, as lines of a pattern file (borg help patterns)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Literal

from backupspec.fleet import FilesJob
from backupspec.own_folders import OWN_SECRETS
from backupspec.words import BorgPattern, Comment


@dataclass(frozen=True, slots=True)
class Patterns:
    """The view of job.patterns.j2."""

    notice: Comment
    patterns: tuple[BorgPattern, ...]


def patterns_of(job: FilesJob) -> tuple[BorgPattern, ...]:
    """Give the pattern lines in borg's order of judgement, the first match wins.

    Secrets, deeper jobs, live databases, exceptions, excludes.

    An exclude without any exception is not descended into; with one, borg must look inside.
    """
    sign: Literal["-", "!"] = "-" if job.except_ else "!"
    return (
        *(BorgPattern("!", "pp", path) for path in OWN_SECRETS),
        *(BorgPattern("!", "pp", path) for path in job.inner),
        *(BorgPattern("!", "pp", path) for path in job.live),
        *(BorgPattern("+", "pf", folder) for folder in _above(job)),
        *(BorgPattern("+", "sh", pattern) for pattern in job.except_),
        *(BorgPattern(sign, "sh", pattern) for pattern in job.exclude),
    )


def _above(job: FilesJob) -> tuple[str, ...]:
    """Give the folders between a job's paths and its literal exceptions.

    An excluded folder above an exception would be restored without its owner and mode; it is kept, and nothing
    else in it.
    """
    sources = (*job.paths, *job.optional_paths)
    found: set[str] = set()
    for pattern in job.except_:
        if not set(pattern) & set("*?[]\\"):
            parents = [str(parent) for parent in PurePosixPath(pattern).parents]
            found.update(
                path for path in parents if any(path.startswith(f"{source.rstrip('/')}/") for source in sources)
            )
    return tuple(sorted(found))
