"""Names of jobs for virtual machines, whose own names may be anything."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

_FIT = re.compile(r"(?!.*\.\.)[a-z0-9]([a-z0-9.-]*[a-z0-9])?")
_LONGEST = 60
"""Letters that are taken of a name; four are left for a number."""


def is_fit(name: str) -> bool:
    """Tell whether the inventory takes this for a name of its own."""
    return len(name) <= _LONGEST and _FIT.fullmatch(name) is not None


def job_names(names: Iterable[str]) -> dict[str, str]:
    """Give each machine's name a job's name, no two the same; one that is fit keeps its own."""
    sorted_names = sorted(names, key=lambda name: (not is_fit(name), name))
    given: dict[str, str] = {}
    for name in sorted_names:
        stem = name if is_fit(name) else _stem(name)
        taken = set(given.values())
        given[name] = next(each for each in _numbered(stem) if each not in taken)
    return given


def _stem(name: str) -> str:
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    stem = re.sub(r"\.\.+", ".", re.sub(r"[^a-z0-9.]+", "-", plain))
    return stem.strip("-.")[:_LONGEST].strip("-.") or "vm"


def _numbered(stem: str) -> Iterable[str]:
    yield stem
    number = 2
    while True:
        yield f"{stem}-{number}"
        number += 1
