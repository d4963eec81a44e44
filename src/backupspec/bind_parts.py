"""Small parts of an inventory whose shape the schema has judged: hooks, jump hosts, alerts, accepted findings."""

from __future__ import annotations

from backupspec.document import Entry, Mapping, Node, Sequence
from backupspec.fleet import SHELL, Hook
from backupspec.inventory import Accept, Written, WrittenAlert, WrittenJump
from backupspec.nodes import items, mapping, name_of, number, optional, scalar_text, seconds, text, word


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
