"""Remembers which walk met an inode last, in few bytes for each."""

from __future__ import annotations

from array import array

_PAGE, _PAGE_BITS = 64, 6  # XFS makes inodes by 64
_MOST_IN_TWO_BYTES = 65_535


class SeenInodes:
    """The inodes of one file system, each with the number of the last walk that met it; walks count from 1.

    Takes 5 to 10 bytes for each where numbers lie close together, as they do on local file systems, and never more
    than 350.
    """

    __slots__ = ("_kind", "_odd", "_pages")

    def __init__(self, walks: int) -> None:
        self._kind = "H" if walks <= _MOST_IN_TWO_BYTES else "L"
        self._pages: dict[int, array[int]] = {}
        self._odd: set[int] = set()

    def meet(self, number: int, walk: int) -> int:
        """Meet an inode, and give the walk that met it last before; 0 when there was none."""
        page = self._pages.get(number >> _PAGE_BITS)
        if page is None:
            page = self._pages[number >> _PAGE_BITS] = array(self._kind, (0,)) * _PAGE
        at = number & _PAGE - 1
        last, page[at] = page[at], walk
        return last

    def meet_again(self, number: int, walk: int, first: int) -> int:
        """Meet an inode only if it was met in walk `first` or later and is not odd; else give 0 and leave it alone."""
        page = self._pages.get(number >> _PAGE_BITS)
        if page is None:
            return 0
        at = number & _PAGE - 1
        last = page[at]
        if last < first or number in self._odd:
            return 0
        page[at] = walk
        return last

    def call_odd(self, number: int) -> None:
        """Have an inode looked at each time it is met."""
        self._odd.add(number)
