"""The YAML tree as written: every node knows its place.

A `Document` is what `parse` makes of one or more sources. Values are text, whole numbers, true/false or nothing; all
else (dates, floats, octal numbers, tags, merge keys) was refused or left as text by `parse`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from backupspec.diagnostic import Span


@dataclass(frozen=True, slots=True)
class Scalar:
    """One value."""

    value: str | int | bool | None
    span: Span


@dataclass(frozen=True, slots=True)
class Sequence:
    """An ordered list of nodes."""

    items: tuple[Node, ...]
    span: Span

    def __iter__(self) -> Iterator[Node]:
        """Walk the items."""
        return iter(self.items)


@dataclass(frozen=True, slots=True)
class Entry:
    """One `key: value` of a mapping; the key keeps a place of its own."""

    key: str
    key_span: Span
    value: Node


@dataclass(frozen=True, slots=True)
class Mapping:
    """Entries in the order of the file, keys unique."""

    entries: tuple[Entry, ...]
    span: Span

    def get(self, key: str) -> Node | None:
        """Give the value of `key`, or None."""
        entry = self.entry(key)
        return None if entry is None else entry.value

    def entry(self, key: str) -> Entry | None:
        """Give the entry of `key`, or None."""
        return next((entry for entry in self.entries if entry.key == key), None)

    def __iter__(self) -> Iterator[Entry]:
        """Walk the entries."""
        return iter(self.entries)


Node = Scalar | Sequence | Mapping


@dataclass(frozen=True, slots=True)
class Document:
    """The whole inventory: all included files merged into one mapping.

    `folder` is the inventory's root folder; key files are named relative to it. `files` holds the text of the key
    files that `read` found (name -> text, or None where the file is missing or unreadable), so that later stages
    need no I/O.
    """

    root: Mapping
    files: tuple[tuple[str, str | None], ...] = ()

    def file(self, name: str) -> str | None:
        """Give the text of a key file named in the inventory, or None when it is not there."""
        return dict(self.files).get(name)


def plain(node: Node) -> object:
    """Give the node as plain Python data (dict, list, str, int, bool, None), as a schema validator wants it."""
    match node:
        case Scalar():
            return node.value
        case Sequence():
            return [plain(item) for item in node.items]
        case Mapping():
            return {entry.key: plain(entry.value) for entry in node.entries}
