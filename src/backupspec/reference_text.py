"""Pieces of the reference's pages: values as YAML, links, lists, fenced examples."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

Schema = Mapping[str, Any]
"""One node of a JSON Schema."""

WIDTH = 100
"""Of help and examples, in characters."""
NOTICE = "<!-- Written by `python -m backupspec.reference` from {source}: edit that, not this. -->\n"
_QUOTED = re.compile(r"true|false|null|~|[0-9+.-][0-9_.+-]*([eE][0-9_+-]*)?|0[box][0-9a-fA-F_]*|")
_PLAIN = re.compile(r"[A-Za-z0-9/_]([A-Za-z0-9/._@+ -]*[A-Za-z0-9/._@+-])?")


def flow(value: object) -> str:
    """Give a value as YAML on one line, quoted where a reader of YAML 1.1 or 1.2 would not take it for text."""
    match value:
        case dict():
            return "{" + ", ".join(f"{key}: {flow(item)}" for key, item in value.items()) + "}"
        case list():
            return "[" + ", ".join(flow(item) for item in value) + "]"
        case bool():
            return "true" if value else "false"
        case str() if _PLAIN.fullmatch(value) and not _QUOTED.fullmatch(value):
            return value
        case _:
            return json.dumps(value, ensure_ascii=False)


def block(value: object, indent: int = 0) -> list[str]:
    """Give a value as lines of YAML: on one line as far as the width allows, else one entry a line."""
    space = " " * indent
    match value:
        case dict() if value:
            lines: list[str] = []
            for key, item in value.items():
                line = f"{space}{key}: {flow(item)}"
                deep = isinstance(item, dict) and item and (len(line) > WIDTH or not indent)
                lines += [f"{space}{key}:", *block(item, indent + 2)] if deep else [line]
            return lines
        case _:
            return [space + flow(value)]


def referred(node: Schema) -> str:
    """Give the name of the definition that a node refers to."""
    return str(node["$ref"]).rpartition("/")[2]


def link(title: str, *, lower: bool = False) -> str:
    """Give a link to a section of the same page."""
    shown = title.lower() if lower else title
    return f"[{shown}](#{title.lower().replace(' ', '-')})"


def listed(items: Sequence[str], word: str = "or") -> str:
    """Join words as one says them."""
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} {word} {items[-1]}"


def fenced(example: object) -> list[str]:
    """Give a value as a block of YAML."""
    return ["```yaml", *block(example), "```"]
