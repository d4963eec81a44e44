"""What a process that works on one repository tells the one that started it, beside progress and findings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

LossKind = Literal["socket", "clamped time", "split symlink", "trusted attribute"]


@dataclass(frozen=True, slots=True)
class Written:
    """An archive was written. `id` is Borg's, in hex; `lost` are the paths that it does not hold as they are."""

    repository: str
    archive: str
    id: str
    entries: int
    inodes: int
    bytes: int
    lost: tuple[tuple[LossKind, tuple[str, ...]], ...]


@dataclass(frozen=True, slots=True)
class Present:
    """An archive was there already."""

    repository: str
    archive: str
    id: str


@dataclass(frozen=True, slots=True)
class Compared:
    """An archive was compared: all its items, and the bytes of `share` of its distinct files (1.0: of all).

    `mark` tells what it was compared with. `entries`, `inodes` and `bytes` were compared now; `differences` names the
    first of `count`.
    """

    repository: str
    archive: str
    id: str
    entries: int
    inodes: int
    bytes: int
    mark: str
    share: float
    count: int
    differences: tuple[str, ...]
    lost: tuple[tuple[LossKind, tuple[str, ...]], ...]


Message = Written | Present | Compared
