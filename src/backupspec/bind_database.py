"""What only databases jobs say: the options of their kinds, read by what the schema lets stand there."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from backupspec.database import Assertion, Container
from backupspec.document import Mapping, Node, Scalar
from backupspec.inventory import Written, WrittenDrill
from backupspec.nodes import items, mapping, optional, scalar_text, seconds, sequence, word
from backupspec.schedule import Schedule

DURATIONS = frozenset({"time_limit", "keep_vanished", "lock_wait"})

_SHARED = frozenset(
    {"kind", "to", "schedule", "retention", "compression", "upload_limit", "priority", "hooks", "description"}
)
"""Keys that `bind` reads for jobs of all kinds."""

When = Callable[[Node], Written[str | Schedule]]


def options(node: Mapping, when: When) -> tuple[tuple[str, Written[object]], ...]:
    """Give each option with its value: text, number, true or false, seconds, a tuple of texts, or one of our types."""
    return tuple(_options(node, when))


def _options(node: Mapping, when: When) -> Iterator[tuple[str, Written[object]]]:
    for entry in node:
        value = entry.value
        if entry.key in _SHARED:
            continue
        match value:
            case Scalar() if entry.key in DURATIONS:
                yield entry.key, Written(seconds(scalar_text(value).value), value.span)
            case Scalar():
                yield entry.key, Written(value.value, value.span)
            case Mapping() if entry.key == "container":
                yield entry.key, Written(_container(value), entry.key_span)
            case Mapping() if entry.key == "drill":
                yield entry.key, Written(_drill(value, when), entry.key_span)
            case _:
                yield entry.key, Written(tuple(scalar_text(item).value for item in sequence(value)), value.span)


def _container(node: Mapping) -> Container:
    podman = word(node, "engine", "docker") == "podman"
    return Container("podman" if podman else "docker", word(node, "name", ""))


def _drill(node: Mapping, when: When) -> WrittenDrill:
    return WrittenDrill(
        schedule=optional(node, "schedule", when),
        oldest=optional(node, "oldest", lambda value: seconds(scalar_text(value).value)),
        assertions=tuple(
            Assertion(word(item, "database", ""), word(item, "query", ""))
            for item in map(mapping, items(node, "assert"))
        ),
    )
