"""Every place of the language where a text may stand, as the schema has it, and where a document has one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from backupspec.language import INVENTORY

Node = dict[str, Any]
Steps = tuple[str | int, ...]

KEY = "{name}"
"""The last part of a place that is the key of a mapping, not a value."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a text may stand: a definition of the schema and the keys below it, and what the schema says of it."""

    name: str
    node: Node

    @property
    def closed(self) -> bool:
        """Tell whether the schema lists what may stand here."""
        return "enum" in self.node or "const" in self.node


def places() -> dict[str, Place]:
    """Give every place of the language by its name, such as `storage.path` or `servers.{name}`."""
    found: dict[str, Place] = {}
    for name, node in {"inventory": INVENTORY.schema, **INVENTORY.schema["$defs"]}.items():
        if _own(node):
            found |= {place.name: place for place in _places(node, name) if not place.closed}
    return found


def _own(node: Node) -> bool:
    """Tell whether a definition is a mapping, after which its keys are named; others are named where they are used."""
    return node.get("type") == "object"


def _inner(node: Node, name: str) -> Iterator[tuple[Node, str]]:
    """Give what a node is made of, each with its name."""
    for key, inner in node.get("properties", {}).items():
        if inner is not False:
            yield inner, f"{name}.{key}"
    for number, inner in enumerate(node.get("prefixItems", ())):
        yield inner, f"{name}[{number}]"
    if isinstance(node.get("items"), dict):
        yield node["items"], f"{name}[]"
    if isinstance(node.get("additionalProperties"), dict):
        yield node["additionalProperties"], f"{name}.*"
    if "propertyNames" in node:
        yield {"type": "string", **node["propertyNames"]}, f"{name}.{KEY}"
    for inner in node.get("oneOf", ()):
        yield inner, name


def _at(node: Node, name: str) -> tuple[Node, str]:
    """Follow references; a mapping that has a definition of its own is called like that."""
    while "$ref" in node:
        definition = node["$ref"].rpartition("/")[2]
        inner = INVENTORY.schema["$defs"][definition]
        node = {**inner, **{key: value for key, value in node.items() if key != "$ref"}}
        name = definition if _own(inner) else name
    return node, name


def _places(node: Node, name: str) -> Iterator[Place]:
    if node.get("type") == "string":
        yield Place(name, node)
    for inner, called in _inner(node, name):
        there, place = _at(inner, called)
        if place == called:  # what has a name of its own is walked by itself
            yield from _places(there, called)


def texts(document: Node) -> Iterator[tuple[Steps, str]]:
    """Give the path of every text of a document with the name of its place; the path of a key ends in `KEY`."""
    return _texts(document, INVENTORY.schema, "inventory", ())


def _texts(value: object, node: Node, name: str, path: Steps) -> Iterator[tuple[Steps, str]]:
    if isinstance(value, dict):
        yield from _of_mapping(value, node, name, path)
    elif isinstance(value, list):
        node = _branch(node, "array")
        prefix = node.get("prefixItems", ())
        for number, item in enumerate(value):
            inner = (prefix[number], f"{name}[{number}]") if number < len(prefix) else (node["items"], f"{name}[]")
            yield from _texts(item, *_at(*inner), (*path, number))
    elif isinstance(value, str):
        branches = [node, *(_at(each, name)[0] for each in node.get("oneOf", ()))]
        if not any(value in each.get("enum", [each.get("const")]) for each in branches):
            yield path, name


def _of_mapping(value: Node, node: Node, name: str, path: Steps) -> Iterator[tuple[Steps, str]]:
    for each in node.get("oneOf", ()):
        there, called = _at(each, name)
        if there.get("type") == "object":
            node, name = there, called
    for rule in node.get("allOf", ()):
        kind = rule.get("if", {}).get("properties", {}).get("kind", {}).get("const")
        if kind is not None and kind == value.get("kind") and "$ref" in rule["then"]:
            node, name = _at(rule["then"], name)
    for key, inner in value.items():
        if key in node.get("properties", {}):
            yield from _texts(inner, *_at(node["properties"][key], f"{name}.{key}"), (*path, key))
        else:
            if "propertyNames" in node:
                yield (*path, key, KEY), f"{name}.{KEY}"
            yield from _texts(inner, *_at(node["additionalProperties"], f"{name}.*"), (*path, key))


def _branch(node: Node, kind: str) -> Node:
    branches = [node, *(_at(each, "")[0] for each in node.get("oneOf", ()))]
    return next(each for each in branches if each.get("type") == kind)
