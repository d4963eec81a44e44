"""Small parts of an inventory whose shape the schema has judged: hooks, alerts, what virtual machines say, and more."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from backupspec.document import Entry, Mapping, Node, Scalar, Sequence
from backupspec.fleet import SHELL, Hook
from backupspec.inventory import Accept, Written, WrittenAlert, WrittenBoot, WrittenJump
from backupspec.nodes import (
    flag,
    items,
    mapping,
    name_of,
    number,
    optional,
    scalar_text,
    seconds,
    sequence,
    sized,
    text,
    word,
)
from backupspec.schedule import Schedule


def jump(node: Node) -> Written[WrittenJump]:
    """Give the machine that ssh goes through."""
    written = mapping(node)
    return Written(
        WrittenJump(
            text(written, "address"), number(written, "port", 22), text(written, "user"), text(written, "host_key")
        ),
        node.span,
    )


def hook(node: Mapping) -> Written[Hook]:
    """Give a hook; a line of shell is wrapped in the shell that runs it."""
    run = node.get("run")
    argv = (
        tuple(scalar_text(item).value for item in run)
        if isinstance(run, Sequence)
        else (*SHELL, text(node, "run").value)
    )
    timeout = optional(node, "timeout", lambda value: seconds(scalar_text(value).value))
    return Written(
        Hook(argv, "root" if word(node, "user", "backupspec") == "root" else "backupspec", timeout), node.span
    )


def alert(entry: Entry) -> WrittenAlert:
    """Give where failures are reported."""
    node = mapping(entry.value)
    command = tuple(scalar_text(item).value for item in items(node, "command"))
    return WrittenAlert(name_of(entry), word(node, "mail", "") or None, command)


def accept(node: Mapping) -> Accept:
    """Give a finding that is allowed."""
    return Accept(
        text(node, "code"),
        text(node, "where"),
        text(node, "because").value,
        optional(node, "until", scalar_text),
        node.span,
    )


_VIRTUAL_MACHINE = frozenset(
    {
        "domain",
        "xml",
        "disks",
        "without",
        "method",
        "full_every",
        "quiesce",
        "chunk_size",
        "scratch_free",
        "keep_free",
        "guest",
        "drill",
    }
)


When = Callable[[Node], Written[str | Schedule]]


def virtual_machine_options(node: Mapping, when: When) -> tuple[tuple[str, Written[object]], ...]:
    """Give what only virtual machines say, by key.

    That is text, a number of bytes or of seconds, a tuple of disks, pairs of a disk and a reason, or a drill.
    """
    return tuple(_virtual_machine_options(node, when))


def _virtual_machine_options(node: Mapping, when: When) -> Iterator[tuple[str, Written[object]]]:
    for entry in node:
        value = entry.value
        if entry.key not in _VIRTUAL_MACHINE:
            continue
        match value:
            case Scalar() if entry.key in {"chunk_size", "scratch_free", "keep_free"}:
                yield entry.key, Written(sized(value).value, value.span)
            case Scalar() if entry.key == "full_every":
                yield entry.key, Written(seconds(scalar_text(value).value), value.span)
            case Scalar():
                yield entry.key, Written(scalar_text(value).value, value.span)
            case Mapping() if entry.key == "drill":
                yield entry.key, Written(_boot(value, when), entry.key_span)
            case Mapping():
                reasons = tuple((name_of(each), scalar_text(each.value).value) for each in value)
                yield entry.key, Written(reasons, value.span)
            case _:
                yield entry.key, Written(tuple(scalar_text(item) for item in sequence(value)), value.span)


def _boot(node: Mapping, when: When) -> WrittenBoot:
    agent = node.get("agent")
    return WrittenBoot(
        schedule=optional(node, "schedule", when),
        agent=agent is not None and flag(agent).value,
        console=word(node, "console", "") or None,
        time_limit=optional(node, "time_limit", lambda value: seconds(scalar_text(value).value)),
    )
