"""Reading nodes whose shape the schema has judged.

What is of another shape here was reported there, and reads as nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import TypeVar

from backupspec.diagnostic import Span
from backupspec.document import Entry, Mapping, Node, Scalar, Sequence
from backupspec.inventory import Written

T = TypeVar("T")

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_BYTES = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12, "P": 10**15}
_BYTES_BINARY = {"k": 2**10, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40, "P": 2**50}


def seconds(text: str) -> int:
    """Give a duration such as `1h30m` in seconds; the schema guarantees its form."""
    return sum(int(number) * _SECONDS[unit] for number, unit in re.findall(r"(\d+)([smhdw])", text))


def duration(number: int) -> str:
    """Give a number of seconds as the inventory has it: in the largest unit of which it is a whole number."""
    unit = max((unit for unit, size in _SECONDS.items() if number % size == 0), key=lambda unit: _SECONDS[unit])
    return f"{number // _SECONDS[unit]}{unit}"


def size(text: str) -> int:
    """Give a size such as `200GB` or `1.5TiB` in bytes; the schema guarantees its form."""
    match = re.fullmatch(r"(\d+)(?:\.(\d+))?([kKMGTP]?)(i?)B?(?:/s)?", text)
    if match is None:  # pragma: no cover - the schema's pattern is narrower
        raise ValueError(text)
    whole, part, unit, binary = match.groups()
    factor = _BYTES_BINARY[unit] if binary else _BYTES[unit.replace("K", "k")]
    part = part or ""
    return int(int(whole + part) * factor // 10 ** len(part))


def mapping(node: Node | None) -> Mapping:
    """Give the node if it is a mapping, or else an empty one."""
    return node if isinstance(node, Mapping) else Mapping((), node.span if node is not None else Span("", 1, 1, 1, 1))


def sequence(node: Node | None) -> Iterator[Node]:
    """Walk a list; nothing where it is none."""
    return iter(node) if isinstance(node, Sequence) else iter(())


def entries(node: Mapping, key: str) -> Iterator[Entry]:
    """Walk the entries of the mapping at a key."""
    return iter(mapping(node.get(key)))


def items(node: Mapping, key: str) -> Iterator[Node]:
    """Walk the list at a key."""
    return sequence(node.get(key))


def name_of(entry: Entry) -> Written[str]:
    """Give an entry's key."""
    return Written(entry.key, entry.key_span)


def scalar_text(node: Node) -> Written[str]:
    """Give a scalar as text."""
    value = node.value if isinstance(node, Scalar) else ""
    return Written("" if value is None else str(value), node.span)


def text(node: Node, key: str) -> Written[str]:
    """Give the text at a key, or an empty one."""
    value = mapping(node).get(key)
    return Written("", node.span) if value is None else scalar_text(value)


def texts(node: Mapping, key: str) -> tuple[Written[str], ...]:
    """Give the list of texts at a key."""
    return tuple(scalar_text(item) for item in items(node, key))


def word(node: Mapping, key: str, default: str) -> str:
    """Give the text at a key, or the default."""
    return text(node, key).value or default


def number(node: Mapping, key: str, default: int) -> int:
    """Give the whole number at a key, or the default."""
    value = node.get(key)
    return value.value if isinstance(value, Scalar) and isinstance(value.value, int) else default


def flag(node: Node) -> Written[bool]:
    """Give a scalar as true or false."""
    return Written(isinstance(node, Scalar) and node.value is True, node.span)


def sized(node: Node) -> Written[int]:
    """Give a size such as `200GB` in bytes."""
    return Written(size(scalar_text(node).value), node.span)


def optional(node: Mapping, key: str, read: Callable[[Node], T]) -> T | None:
    """Give what `read` makes of the value at a key, or None where there is none."""
    value = node.get(key)
    return None if value is None else read(value)
