"""What the reader knows of the snapshot before: which names stood for which inodes, folder by folder.

The same inode of the same device under the same name of the same folder cannot differ in anything that an item holds.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from typing import Literal, TypeAlias

from backupspec_migrate.listing import Folder

Link = Literal["single", "first", "further"]
"""Whether a thing has one name in its snapshot, or this one is the first of several, or another one."""
Choice: TypeAlias = "array[int] | None"
"""What to do with a folder's entries, in their order: pairs of (start, stop) to write those of the snapshot before
again, or (LOOK, how many) to look at. None: all of the folder again."""
LOOK = -1
Masters: TypeAlias = dict[tuple[int, int], bytes]
"""By device and inode, the path of the first of several names, in the order of the listing."""


@dataclass(frozen=True, slots=True)
class Known:
    """A folder as it was written.

    `names` and `inodes` are those of the listing, but the inode is 0 where the item may not be written again (a further
    name: its item names the first). `masters`: inodes that were written as the first of several names.
    """

    device: int
    numeric: bool
    names: bytes
    inodes: bytes
    masters: frozenset[int]


class Learning:
    """What becomes known of a folder while it is read."""

    def __init__(self, folder: Folder, known: Known | None) -> None:
        self._folder = folder
        self._masters_before = known.masters if known is not None else frozenset()
        self._inodes_before = array("Q", known.inodes) if known is not None and known.masters else array("Q")
        self.inodes = array("Q", folder.inodes)
        self._masters: set[int] = set()

    def again(self, start: int, stop: int) -> None:
        """Note that entries of the snapshot before are written again."""
        if self._masters_before:
            self._masters |= self._masters_before.intersection(self._inodes_before[start:stop])

    def looked(self, number: int, link: Link | None) -> None:
        """Note what an entry turned out to be; None: nothing that has an item."""
        if link is None or link == "further":
            self.inodes[number] = 0
        elif link == "first":
            self._masters.add(self.inodes[number])

    def known(self) -> Known:
        """Give it."""
        folder = self._folder
        inodes = self.inodes.tobytes()
        if inodes == folder.inodes:
            inodes = folder.inodes  # once in memory
        return Known(folder.identity[0], folder.root.numeric_ids, folder.names, inodes, frozenset(self._masters))


def choose(folder: Folder, known: Known | None, shared: frozenset[int], masters: Masters) -> Choice:
    """Decide for every entry whether it is written again or looked at; to be asked in the order of the listing.

    `shared`: the inodes of the folder's device that have several names. `masters` is added to.
    """
    inodes = array("Q", folder.inodes)
    device = folder.identity[0]
    linked = bool(shared) and not shared.isdisjoint(inodes)
    first = _first_names(folder, inodes, shared, masters) if linked else frozenset()
    if known is None or (known.device, known.numeric) != (device, folder.root.numeric_ids):
        return array("i", (LOOK, len(inodes))) if inodes else array("i")
    plain = not linked and not known.masters
    if known.names == folder.names and plain:
        if known.inodes == folder.inodes and 0 not in inodes:
            return None
        there = array("Q", known.inodes)
        places = list(range(len(inodes)))
    else:
        there = array("Q", (*array("Q", known.inodes), 0))
        number_of = {name: number for number, name in enumerate(_names(known.names))}
        places = [number_of.get(name, -1) for name in folder.called()]
    same = [place if there[place] == inode != 0 else LOOK for place, inode in zip(places, inodes, strict=True)]
    if not plain:
        for number, inode in enumerate(inodes):
            # A first name is one again, a single one is single again. A further name refers to the first: looked at.
            if (inode in known.masters) != (inode in shared) or (inode in shared and number not in first):
                same[number] = LOOK
    return _runs(same)


def _first_names(folder: Folder, inodes: array[int], shared: frozenset[int], masters: Masters) -> frozenset[int]:
    """Note which entries are the first of several names, and give their numbers in the folder."""
    first = set()
    device = folder.identity[0]
    for number, (name, inode) in enumerate(zip(folder.called(), inodes, strict=True)):
        if inode in shared and (device, inode) not in masters:
            masters[device, inode] = folder.path_of(name)
            first.add(number)
    return frozenset(first)


def _runs(places: list[int]) -> array[int]:
    """Join neighbours."""
    runs = array("i")
    start = expected = LOOK
    looks = 0
    for place in places:
        if place == LOOK:
            if start != LOOK:
                runs.extend((start, expected))
                start = expected = LOOK
            looks += 1
        elif place != expected or start == LOOK:
            if looks:
                runs.extend((LOOK, looks))
                looks = 0
            if start != LOOK:
                runs.extend((start, expected))
            start, expected = place, place + 1
        else:
            expected += 1
    if looks:
        runs.extend((LOOK, looks))
    elif start != LOOK:
        runs.extend((start, expected))
    return runs


def _names(joined: bytes) -> list[bytes]:
    return joined.split(b"\0") if joined else []
