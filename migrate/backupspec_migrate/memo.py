"""What is known of each inode that was read.

Its chunks and its packed item, to be written again without a look at the file.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Known:
    """One inode as Borg packs it.

    `head` and `tail` are the packed item before and after the value of `path`; `chunks` are chunk ids.

    `master`: it was written as the first of several names within one snapshot.
    """

    head: bytes
    tail: bytes
    chunks: tuple[bytes, ...]
    master: bool


class Memo:
    """Inodes by device and number: numbers repeat across file systems.

    Only what the snapshot at hand and the one before it hold is kept, so that memory does not grow with the number of
    snapshots. An inode that comes back later is read again, which costs time and nothing else.
    """

    __slots__ = ("_earlier", "_now")

    def __init__(self) -> None:
        self._earlier: dict[int, dict[int, Known]] = {}
        self._now: dict[int, dict[int, Known]] = {}

    def next_snapshot(self) -> None:
        """Forget what only the snapshot before the last one held."""
        self._earlier, self._now = self._now, {}

    def on(self, device: int) -> tuple[dict[int, Known], dict[int, Known]]:
        """Give the inodes of one device: those of the earlier snapshot to look up, those of this one to add to."""
        return self._earlier.get(device, {}), self._now.setdefault(device, {})
