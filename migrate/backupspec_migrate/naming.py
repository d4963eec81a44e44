"""How snapshots are found in a tree: what every layout can do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

from backupspec.diagnostic import Diagnostics
from backupspec_migrate.snapshot import Doubt, Snapshot
from backupspec_migrate.view import View

Kind = Literal["rsnapshot", "dated", "rsync-time-backup"]
"""The layouts that can be read."""


@dataclass(frozen=True, slots=True)
class Sight:
    """What a look at the tree gives: snapshots with the oldest first, and what is none, as (name, reason).

    `strangers`: folders among these whose names do not say what they are, so that they may be somebody's copies.
    `hosts`: the folder name of the one host that a snapshot is all about; not there, a snapshot holds several hosts.
    """

    snapshots: tuple[Snapshot, ...]
    skipped: tuple[tuple[str, str], ...]
    hosts: Mapping[str, str] = field(default_factory=dict)
    strangers: frozenset[str] = frozenset()
    doubts: tuple[Doubt, ...] = ()
    found: Diagnostics = ()


class Naming(Protocol):
    """The names that one layout gives to its snapshots."""

    @property
    def kind(self) -> Kind:
        """The layout's name."""

    @property
    def filling(self) -> frozenset[str]:
        """The commands of rsnapshot that fill a snapshot; none where it is another program."""

    def look(self, view: View, root: str) -> Sight:
        """Find the snapshots; only folders above their content are listed. `root` is for messages."""

    def doubts(self, snapshots: tuple[Snapshot, ...], *, interrupted: bool, now: int) -> tuple[Doubt, ...]:
        """Say which snapshots are doubtful by their names and times alone, the gravest reason of each first."""

    def regular(self, snapshots: tuple[Snapshot, ...]) -> Mapping[str, tuple[Snapshot, ...]]:
        """Give those that are made at regular times, by what they are of: a rung, or a host."""
