"""Combine: the mappings of all files of an inventory -> one mapping."""

from __future__ import annotations

from backupspec.catalogue import diagnose
from backupspec.diagnostic import Diagnostic, Diagnostics, Related
from backupspec.document import Entry, Mapping, Node, Scalar, Sequence
from backupspec.source import shortened

VERSION = 1
_ROOT_ONLY = ("fleet", "include", "defaults")


def combine(root: Mapping, fragments: tuple[Mapping, ...]) -> tuple[Mapping, Diagnostics]:
    """Give one mapping that holds the sections of all files: mappings join name by name, lists join end to end.

    Nothing overrides anything: a name that stands in two files is an error that shows both places. The order is that of
    the arguments.
    """
    found: list[Diagnostic] = []
    sections = {entry.key: entry for entry in root}
    _check_version(root, found)
    for fragment in fragments:
        _check_version(fragment, found)
        for entry in fragment:
            if entry.key == "version":
                continue
            if entry.key in _ROOT_ONLY:
                hint = "move it there"
                message = f"`{entry.key}` belongs in the root file"
                found.append(diagnose("BS036", message, entry.key_span, hint=hint, where=entry.key))
            elif entry.key not in sections:
                sections[entry.key] = entry
            else:
                sections[entry.key] = _join(sections[entry.key], entry, found)
    return Mapping(tuple(sections.values()), root.span), tuple(found)


def _join(first: Entry, second: Entry, found: list[Diagnostic]) -> Entry:
    """Give `first` with what `second` adds; both are sections of one name."""
    match first.value, second.value:
        case Mapping() as before, Mapping() as after:
            known = {entry.key: entry for entry in before}
            for entry in after:
                if entry.key in known:
                    related = (Related("first defined here", known[entry.key].key_span),)
                    where = f"{first.key}.{entry.key}"
                    message = f"`{shortened(entry.key)}` stands under `{shortened(first.key)}` in two files"
                    hint = (
                        "a host stands in one file: put what both say of it under one of them, and delete the other"
                        if first.key == "hosts"
                        else "rename or delete one of them"
                    )
                    found.append(diagnose("BS037", message, entry.key_span, hint=hint, where=where, related=related))
                else:
                    known[entry.key] = entry
            return Entry(first.key, first.key_span, Mapping(tuple(known.values()), before.span))
        case Sequence() as before, Sequence() as after:
            return Entry(first.key, first.key_span, Sequence(before.items + after.items, before.span))
        case _:
            pass
    message = f"`{shortened(second.key)}` is {_kind(second.value)} here and {_kind(first.value)} in another file"
    related = (Related("the other one", first.key_span),)
    hint = "write the section in the same form in both files"
    found.append(diagnose("BS038", message, second.key_span, hint=hint, where=second.key, related=related))
    return first


def _check_version(mapping: Mapping, found: list[Diagnostic]) -> None:
    node = mapping.get("version")
    if node is None:
        return
    value = node.value if isinstance(node, Scalar) else None
    if value is True or value != VERSION:
        hint = (
            f"write `version: {VERSION}`"
            if not isinstance(value, int) or value <= VERSION
            else "use a newer backupspec"
        )
        message = f"this program knows version {VERSION} of the inventory language"
        found.append(diagnose("BS039", message, node.span, hint=hint, where="version"))


def _kind(node: Node) -> str:
    match node:
        case Mapping():
            return "a mapping"
        case Sequence():
            return "a list"
        case Scalar(value=None):
            return "empty"
        case _:
            return "a single value"
