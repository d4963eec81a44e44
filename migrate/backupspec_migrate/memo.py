"""What the writer keeps of the snapshot before: its packed items, to be written again without a look at the files."""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from struct import Struct

from borg.compress import CompressionSpec

_lz4 = CompressionSpec("lz4").compressor
_SQUEEZED, _PLAIN = b"z", b"p"
_MOST = 1 << 26  # bytes; Borg's lz4 gives back at most twice as many
_LENGTHS = Struct("<4Q")


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

    `squeezed` are the Contents. `clamped`: the paths of those (by number) whose time Borg could not hold. `others`:
    those that are no regular files, or a further name of one. `entries` and `files` count the items.
    """

    squeezed: bytes
    clamped: dict[int, str]
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

    def __init__(self, known: Block | None) -> None:
        self._known = known
        self._contents = known.contents() if known is not None else None
        self._items: list[bytes] = []
        self._ids: list[bytes] = []
        self._item_ends, self._id_ends = array("I"), array("I")
        self._item_end = self._id_end = 0
        self._clamped: dict[int, str] = {}
        self._others: set[int] = set()
        self._without = 0

    def again(self, start: int, stop: int) -> bytes:
        """Take over the entries from `start` to before `stop` of the known block; give the ids of their chunks."""
        known, old = self._known, self._contents
        if known is None or old is None:
            raise ValueError(start)
        item_start, id_start = (old.item_ends[start - 1], old.id_ends[start - 1]) if start else (0, 0)
        item_stop, id_stop = old.item_ends[stop - 1], old.id_ends[stop - 1]
        shift = len(self._item_ends) - start
        ids = old.ids[id_start:id_stop]
        self._items.append(old.items[item_start:item_stop])
        self._ids.append(ids)
        _extend(self._item_ends, old.item_ends[start:stop], self._item_end - item_start)
        _extend(self._id_ends, old.id_ends[start:stop], self._id_end - id_start)
        self._item_end += item_stop - item_start
        self._id_end += id_stop - id_start
        if known.clamped:
            self._clamped |= {at + shift: path for at, path in known.clamped.items() if start <= at < stop}
        if known.others:
            self._others.update(at + shift for at in known.others if start <= at < stop)
        return ids

    def add(self, packed: bytes, ids: bytes | None, clamped: str | None) -> None:
        """Add a new entry; `ids` is None for what is no regular file with chunks of its own."""
        number = len(self._item_ends)
        self._append(packed, ids or b"")
        if clamped is not None:
            self._clamped[number] = clamped
        if ids is None:
            self._others.add(number)

    def nothing(self) -> None:
        """Add an entry that has no item."""
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
        entries = len(self._item_ends) - self._without
        return Block(contents.squeezed(), self._clamped, frozenset(self._others), entries), contents


def _extend(ends: array[int], more: array[int], shift: int) -> None:
    ends.extend(array("I", [end + shift for end in more]) if shift else more)
