"""What is known of the snapshot before: its packed items, to be written again without a look at the files.

The same inode of the same device under the same name of the same folder cannot differ in anything that an item holds.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from struct import Struct
from typing import Literal, TypeAlias

from borg.compress import CompressionSpec

from backupspec_migrate.listing import Folder, Listing

_lz4 = CompressionSpec("lz4").compressor
_SQUEEZED, _PLAIN = b"z", b"p"
_MOST = 1 << 26  # bytes; Borg's lz4 gives back at most twice as many
_LENGTHS = Struct("<4Q")

Link = Literal["single", "first", "further"]
"""Whether a thing has one name in its snapshot, or this one is the first of several, or another one."""


@dataclass(frozen=True, slots=True)
class Contents:
    """Packed `items` one after the other, and the `ids` of their chunks; where each entry's end, in bytes."""

    items: bytes
    ids: bytes
    item_ends: array[int]
    id_ends: array[int]

    def squeezed(self) -> bytes:
        """Give all of it in few bytes: items of one folder are much alike."""
        parts = (self.items, self.ids, self.item_ends.tobytes(), self.id_ends.tobytes())
        whole = b"".join((_LENGTHS.pack(*map(len, parts)), *parts))
        return _PLAIN + whole if len(whole) > _MOST else _SQUEEZED + bytes(_lz4.compress(whole))


@dataclass(frozen=True, slots=True)
class Block:
    """The items of all in one folder that is no folder itself, in the order of its names.

    `names` and `inodes` are those of the listing, but the inode is 0 where the item may not be written again
    (a further name: its item names the first). `squeezed` are the Contents.

    `masters`: inodes that were written as the first of several names. `clamped`: entries (by number) whose time Borg
    could not hold. `others`: those that are no regular files. `entries` and `files` count the items.
    """

    device: int
    numeric: bool
    names: bytes
    inodes: bytes
    squeezed: bytes
    masters: frozenset[int]
    clamped: frozenset[int]
    others: frozenset[int]
    entries: int

    @property
    def files(self) -> int:
        """Count the regular files that are not a further name of another."""
        return self.entries - len(self.others)

    def contents(self) -> Contents:
        """Give items and ids as they were."""
        whole = memoryview(self.squeezed)[1:]
        if self.squeezed[:1] == _SQUEEZED:
            whole = memoryview(_lz4.decompress(whole))
        at = _LENGTHS.size
        parts = []
        for length in _LENGTHS.unpack_from(whole):
            parts.append(whole[at : at + length])
            at += length
        items, ids, item_ends, id_ends = parts
        return Contents(bytes(items), bytes(ids), array("I", item_ends.tobytes()), array("I", id_ends.tobytes()))


class Growing:
    """A block in the making; entries come in the order of their names."""

    def __init__(self, folder: Folder, known: Block | None) -> None:
        self._folder, self._known = folder, known
        self._contents = known.contents() if known is not None else None
        self._known_inodes = array("Q", known.inodes if known is not None else b"")
        self._inodes = array("Q", folder.inodes)
        self._items: list[bytes] = []
        self._ids: list[bytes] = []
        self._item_ends, self._id_ends = array("I"), array("I")
        self._item_end = self._id_end = 0
        self._masters: set[int] = set()
        self._clamped: set[int] = set()
        self._others: set[int] = set()
        self._without = 0

    def again(self, start: int, stop: int) -> bytes:
        """Take over the entries from `start` to before `stop` of the known block; give the ids of their chunks."""
        known, old = self._known, self._contents
        if known is None or old is None:
            raise ValueError(start)
        item_start, id_start = (old.item_ends[start - 1], old.id_ends[start - 1]) if start else (0, 0)
        item_stop, id_stop = old.item_ends[stop - 1], old.id_ends[stop - 1]
        number = len(self._item_ends)
        ids = old.ids[id_start:id_stop]
        self._items.append(old.items[item_start:item_stop])
        self._ids.append(ids)
        _extend(self._item_ends, old.item_ends[start:stop], self._item_end - item_start)
        _extend(self._id_ends, old.id_ends[start:stop], self._id_end - id_start)
        self._item_end += item_stop - item_start
        self._id_end += id_stop - id_start
        if known.masters:
            self._masters |= known.masters.intersection(self._known_inodes[start:stop])
        for theirs, ours in ((known.clamped, self._clamped), (known.others, self._others)):
            if theirs:
                ours.update(place - start + number for place in theirs.intersection(range(start, stop)))
        return ids

    def add(self, packed: bytes, ids: bytes | None, link: Link, *, clamped: bool) -> None:
        """Add a new entry; `ids` is None for what is no regular file with chunks of its own."""
        number = len(self._item_ends)
        self._append(packed, ids or b"")
        if link == "further":
            self._inodes[number] = 0
        elif link == "first":
            self._masters.add(self._inodes[number])
        if clamped:
            self._clamped.add(number)
        if ids is None:
            self._others.add(number)

    def nothing(self) -> None:
        """Add an entry that has no item."""
        self._inodes[len(self._item_ends)] = 0
        self._without += 1
        self._append(b"", b"")

    def _append(self, packed: bytes, ids: bytes) -> None:
        self._items.append(packed)
        self._ids.append(ids)
        self._item_end += len(packed)
        self._id_end += len(ids)
        self._item_ends.append(self._item_end)
        self._id_ends.append(self._id_end)

    def whole(self) -> tuple[Block, Contents]:
        """Give the block, and what is in it."""
        contents = Contents(b"".join(self._items), b"".join(self._ids), self._item_ends, self._id_ends)
        block = Block(
            self._folder.identity[0],
            self._folder.root.numeric_ids,
            self._folder.names,
            self._inodes.tobytes(),
            contents.squeezed(),
            frozenset(self._masters),
            frozenset(self._clamped),
            frozenset(self._others),
            len(self._item_ends) - self._without,
        )
        return block, contents


Choice: TypeAlias = "array[int] | None"
"""What to do with a folder's entries, in their order: pairs of (start, stop) to write those of the known block again,
or (LOOK, how many) to look at. None: the whole known block again."""
LOOK = -1


@dataclass(frozen=True, slots=True)
class Choices:
    """What to do with each folder of a listing.

    `masters`: by device and inode, the path of the first of several names; whoever looks at things on other devices
    adds to it in the order of the listing.
    """

    by_folder: list[Choice]
    masters: dict[tuple[int, int], bytes]


def choose(listing: Listing, memo: dict[str, Block]) -> Choices:
    """Decide for every entry whether it is written again from the memo (by path) or looked at."""
    choices = Choices([], {})
    for folder in listing.folders:
        shared = listing.shared.get(folder.identity[0], frozenset())
        choices.by_folder.append(_choose(folder, memo.get(folder.path), shared, choices.masters))
    return choices


def _choose(
    folder: Folder, known: Block | None, shared: frozenset[int], masters: dict[tuple[int, int], bytes]
) -> Choice:
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


def _first_names(
    folder: Folder, inodes: array[int], shared: frozenset[int], masters: dict[tuple[int, int], bytes]
) -> frozenset[int]:
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


def _extend(ends: array[int], more: array[int], shift: int) -> None:
    ends.extend(array("I", [end + shift for end in more]) if shift else more)


def _names(joined: bytes) -> list[bytes]:
    return joined.split(b"\0") if joined else []
