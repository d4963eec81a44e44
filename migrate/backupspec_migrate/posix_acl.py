"""Reads access control lists in the two forms that a comparison meets: the kernel's attribute and Borg's text."""

from __future__ import annotations

import struct

Acl = frozenset[tuple[str, int | None, str]]
"""Entries (kind, numeric id of a named user or group, permissions such as `r-x`)."""

_KINDS = {0x01: "user", 0x02: "user", 0x04: "group", 0x08: "group", 0x10: "mask", 0x20: "other"}
_NAMED = frozenset({0x02, 0x08})


def from_attribute(value: bytes) -> Acl:
    """Read the value of `system.posix_acl_access` or `_default` (Linux: a version, then tag, permissions, id)."""
    entries = []
    for tag, bits, number in struct.iter_unpack("<HHI", value[4:]):
        permissions = "".join(letter if bits & bit else "-" for letter, bit in (("r", 4), ("w", 2), ("x", 1)))
        entries.append((_KINDS[tag], number if tag in _NAMED else None, permissions))
    return frozenset(entries)


def from_borg(text: bytes) -> Acl | None:
    """Read Borg's text: `user:NAME:rwx:1000` for named entries (the number counts), `mask::r-x` for the others.

    None for a list that says no more than the mode does: the kernel has no attribute for it.
    """
    entries = []
    for line in filter(None, text.decode("utf-8", "surrogateescape").split("\n")):
        # libacl puts white space after permissions that the mask cuts down.
        kind, name, permissions, *number = (field.strip() for field in line.split(":"))
        entries.append((kind, int(number[0]) if name else None, permissions))
    plain = all(number is None and kind != "mask" for kind, number, _ in entries)
    return None if plain else frozenset(entries)
