"""Parse: Source -> Mapping. Strict YAML, every node knows its place.

The stream of events is walked, not PyYAML's node tree: its composer recurses in C and crashes the interpreter on 60 KB
of nested brackets.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterator
from typing import Any, NoReturn

import yaml

from backupspec.catalogue import diagnose
from backupspec.diagnostic import Diagnostic, Diagnostics, Related, Span
from backupspec.document import Entry, Mapping, Node, Scalar, Sequence
from backupspec.source import Source, check_characters, shortened
from backupspec.suggest import did_you_mean
from backupspec.syntax import explain_syntax

DEEPEST = 64
MOST_NODES = 1_000_000
MOST_EXPANDED = 50_000
_MOST_DIGITS = 18
_MOST_COMPARED = 100_000

_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]*)")
_TWO_READINGS = re.compile(r"[-+]?0[0-9_]+|[-+]?0[xob][0-9A-Fa-f_]+|[-+]?[0-9]+_[0-9_]*|\+[0-9]+")
_WORDS: dict[str, bool | None] = {"true": True, "false": False, "null": None, "~": None, "": None}
# PyYAML's annotations leave out most attributes of its events.
Event = Any
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def parse(source: Source) -> tuple[Mapping | None, Diagnostics]:
    """Give the tree of one file, and everything in it that is not strict YAML; never raises.

    With errors that leave the structure intact (a duplicate key, say) there still is a tree, without what was refused.
    Text stays text but for `true`, `false`, `null`, `~`, nothing, and whole numbers in plain decimal form.
    """
    unfit = check_characters(source)
    if unfit:
        return None, unfit
    walk = _Walk(source)
    root = walk.run()
    if source.name.endswith(".json") and root is not None and not walk.found:
        walk.found.extend(_check_json(source))
    return root, tuple(walk.found)


@dataclasses.dataclass(frozen=True, slots=True)
class _Anchor:
    """What an alias may be replaced by: `size` counts nodes, `height` the levels below."""

    node: Node
    key_span: Span
    size: int
    height: int


class _Refused(Exception):  # noqa: N818 - it ends the walk, the diagnostic is already recorded
    """The rest of the file cannot be read."""


class _Walk:
    """One walk over the events of one file; collects findings. Serves one call of `parse`."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.found: list[Diagnostic] = []
        self.events: Iterator[Any] = yaml.parse(source.text, Loader=_LOADER)
        self.anchors: dict[str, _Anchor] = {}
        self.open: dict[str, Span] = {}
        self.nodes = 0
        self.expanded = 0
        self.highest = 0

    def run(self) -> Mapping | None:
        try:
            return self.document()
        except _Refused:
            return None
        except yaml.YAMLError as error:
            self.found.append(explain_syntax(self.source, error))
            return None

    def document(self) -> Mapping | None:
        next(self.events)  # the start of the stream
        event = next(self.events)
        if isinstance(event, yaml.StreamEndEvent):
            self.refuse("BS007", f"`{self.source.name}` is empty", Span(self.source.name, 1, 1, 1, 1), _HINT_EMPTY)
        if event.version or event.tags:
            place = self.span(event)
            self.say("BS020", "a YAML directive is not allowed", _line(place), "delete the line that starts with `%`")
        root = self.node(next(self.events), 1)
        next(self.events)  # the end of the document
        event = next(self.events)
        if not isinstance(event, yaml.StreamEndEvent):
            hint = "put it into a file of its own and name that under `include`"
            self.say("BS019", "a second YAML document starts here", self.span(event), hint)
        match root:
            case Mapping():
                return root
            case Scalar(value=None):
                self.say("BS007", f"`{self.source.name}` is empty", root.span, _HINT_EMPTY)
            case _:
                hint = "write `hosts:` and indent below it what you have here, for example"
                self.say("BS025", f"expected `key: value` lines, found {_kind(root)}", root.span, hint)
        return None

    def node(self, event: Event, depth: int) -> Node:
        """Give the node that `event` starts; `depth` counts it and its parents."""
        if isinstance(event, yaml.AliasEvent):
            return self.alias(event, depth)
        self.count(event)
        if depth > DEEPEST:
            self.refuse(
                "BS012", f"nested more than {DEEPEST} levels deep", self.span(event), "is a bracket not closed?"
            )
        self.highest = max(self.highest, depth)
        self.check_tag(event)
        anchor: str | None = event.anchor
        if anchor is None:
            return self.untied(event, depth)
        place = self.span(event)
        if anchor in self.anchors or anchor in self.open:
            first = self.anchors[anchor].key_span if anchor in self.anchors else self.open[anchor]
            related = Related("first defined here", first)
            self.say(
                "BS016", f"the anchor `&{shortened(anchor)}` is defined twice", place, "rename one of them", related
            )
        self.open[anchor] = place
        before = self.nodes + self.expanded
        outer, self.highest = self.highest, depth
        node = self.untied(event, depth)
        self.anchors[anchor] = _Anchor(node, place, self.nodes + self.expanded - before + 1, self.highest - depth)
        self.highest = max(outer, self.highest)
        self.open.pop(anchor, None)
        return node

    def untied(self, event: Event, depth: int) -> Node:
        if isinstance(event, yaml.ScalarEvent):
            return Scalar(self.resolve(event), self.span(event))
        if isinstance(event, yaml.SequenceStartEvent):
            return self.sequence(event, depth)
        return self.mapping(event, depth)

    def sequence(self, start: Event, depth: int) -> Sequence:
        items: list[Node] = []
        event = next(self.events)
        while not isinstance(event, yaml.SequenceEndEvent):
            items.append(self.node(event, depth + 1))
            event = next(self.events)
        return Sequence(tuple(items), self.extent(start, event, items[-1] if items else None))

    def mapping(self, start: Event, depth: int) -> Mapping:
        entries: dict[str, Entry] = {}
        last: Node | None = None
        event = next(self.events)
        while not isinstance(event, yaml.MappingEndEvent):
            key = self.key(event, depth)
            key_span = self.span(event)
            last = self.node(next(self.events), depth + 1)
            if key is not None:
                self.add(entries, Entry(key, key_span, last))
            event = next(self.events)
        return Mapping(tuple(entries.values()), self.extent(start, event, last))

    def add(self, entries: dict[str, Entry], entry: Entry) -> None:
        if entry.key not in entries:
            entries[entry.key] = entry
            return
        related = Related("first defined here", entries[entry.key].key_span)
        message = f"the key `{shortened(entry.key)}` is defined twice"
        self.say("BS021", message, entry.key_span, "keep one of them, or merge both", related)

    def key(self, event: Event, depth: int) -> str | None:
        """Give a key's text, or None when it was refused."""
        if not isinstance(event, yaml.ScalarEvent):
            self.node(event, depth + 1)
            self.say(
                "BS022",
                "this cannot be a key",
                self.span(event),
                "a key is text; put it in quotes if it starts with a sign such as `{`, `[` or `*`",
            )
            return None
        if event.value == "<<" and not event.style:
            hint = "put shared settings into `profiles` and name the profile on each host"
            self.say("BS018", "the merge key `<<` is not allowed", self.span(event), hint)
            return None
        before = len(self.found)
        scalar = self.node(event, depth + 1)
        if len(self.found) > before:
            return None
        if isinstance(scalar, Scalar) and (scalar.value is None or isinstance(scalar.value, bool)):
            shown = event.value or "nothing"
            hint = (
                f'put it in quotes if it is a name: `"{event.value}"`'
                if event.value
                else "write a name before the colon"
            )
            self.say(
                "BS022",
                f"`{shown}` cannot be a key" if event.value else "the key is missing",
                self.span(event),
                hint,
            )
            return None
        text: str = event.value
        return text

    def alias(self, event: Event, depth: int) -> Node:
        name: str = event.anchor
        place = self.span(event)
        if name in self.open:
            related = Related("the anchor is still open here", self.open[name])
            self.refuse(
                "BS014", f"the alias `*{shortened(name)}` refers to what it stands in", place, _HINT_ALIAS, related
            )
        anchor = self.anchors.get(name)
        if anchor is None:
            few = (1 + len(self.found)) * len(self.anchors) <= _MOST_COMPARED
            near = did_you_mean(name, self.anchors) if few else ""
            hint = near or f'a pattern that starts with a star must be quoted: `"*{shortened(name)}"`'
            self.say("BS015", f"there is no anchor `&{shortened(name)}` before this line", place, hint)
            return Scalar(None, place)
        self.expanded += anchor.size
        if self.expanded > MOST_EXPANDED or depth + anchor.height > DEEPEST:
            bound = f"{MOST_EXPANDED:,} values" if self.expanded > MOST_EXPANDED else f"{DEEPEST} levels"
            message = f"with the alias `*{shortened(name)}` the aliases of this file add up to more than {bound}"
            self.refuse("BS014", message, place, _HINT_ALIAS, Related("the anchor is defined here", anchor.key_span))
        self.highest = max(self.highest, depth + anchor.height)
        return _placed(anchor.node, place)

    def resolve(self, event: Event) -> str | int | bool | None:
        text: str = event.value
        if event.style:
            return text
        if text in _WORDS:
            return _WORDS[text]
        two_readings = _TWO_READINGS.fullmatch(text)
        if (two_readings or _INTEGER.fullmatch(text)) and len(text) > _MOST_DIGITS:
            self.say("BS024", "the number is too large", self.span(event), "put it in quotes if it is text")
        elif two_readings:
            message = f"`{text}` means different numbers to different readers"
            self.say("BS023", message, self.span(event), _readings(text))
        elif _INTEGER.fullmatch(text):
            return int(text)
        return text

    def check_tag(self, event: Event) -> None:
        if event.tag is not None:
            shown = shortened(event.tag.replace("tag:yaml.org,2002:", "!!"))
            hint = "delete it; a value that starts with `!` must be quoted"
            self.say("BS017", f"the tag `{shown}` is not allowed", self.span(event), hint)

    def count(self, event: Event) -> None:
        self.nodes += 1
        if self.nodes > MOST_NODES:
            self.refuse("BS013", f"more than {MOST_NODES:,} values in one file", self.span(event), "split the file")

    def span(self, event: Event) -> Span:
        start, end = event.start_mark, event.end_mark
        return Span(self.source.name, start.line + 1, start.column + 1, end.line + 1, end.column + 1)

    def extent(self, start: Event, end: Event, last: Node | None) -> Span:
        """Give the place of a collection; in block style it ends with its last value, not at the next token."""
        first, final = self.span(start), self.span(end)
        if start.flow_style or last is None:
            return Span(first.file, first.line, first.column, final.end_line, final.end_column)
        return Span(first.file, first.line, first.column, last.span.end_line, last.span.end_column)

    def say(self, code: str, message: str, span: Span, hint: str, *related: Related) -> None:
        self.found.append(diagnose(code, message, span, hint=hint, related=related))

    def refuse(self, code: str, message: str, span: Span, hint: str, *related: Related) -> NoReturn:
        self.say(code, message, span, hint, *related)
        raise _Refused


_HINT_ALIAS = "write it out, or share settings by a profile"
_HINT_EMPTY = "`backupspec init` writes one to start from; an included file without content can be deleted"


def _placed(node: Node, place: Span) -> Node:
    """Give a copy of what an anchor holds, all of it placed at the alias."""
    match node:
        case Scalar():
            return Scalar(node.value, place)
        case Sequence():
            return Sequence(tuple(_placed(item, place) for item in node), place)
        case Mapping():
            return Mapping(tuple(Entry(entry.key, place, _placed(entry.value, place)) for entry in node), place)


def _readings(text: str) -> str:
    digits = text.lstrip("+-")
    sign = "-" if text.startswith("-") else ""
    if re.fullmatch(r"0[0-7]+", digits):
        ten, eight = int(digits), int(digits, 8)
        numbers = f"`{sign}{ten}`" if ten == eight else f"`{sign}{eight}` or `{sign}{ten}`"
        return f'write {numbers}, or `"{text}"` if it is text'
    try:
        return f'write `{int(text, 0)}`, or `"{text}"` if it is text'
    except ValueError:
        return f'write it in plain decimal form, or `"{text}"` if it is text'


def _kind(node: Node) -> str:
    return "a list" if isinstance(node, Sequence) else "a single value"


def _line(place: Span) -> Span:
    return dataclasses.replace(place, column=1, end_column=max(place.end_column, 2))


def _check_json(source: Source) -> Diagnostics:
    """Refuse what only YAML readers accept; the walk has bounded depth and numbers before."""
    try:
        json.loads(source.text, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        place = Span(source.name, error.lineno, error.colno, error.lineno, error.colno + 1)
        reason = error.msg[:1].lower() + error.msg[1:]
    except ValueError as error:
        place, reason = Span(source.name, 1, 1, 1, 2), str(error)
    else:
        return ()
    return (diagnose("BS026", f"not valid JSON: {reason}", place, hint="correct it, or name the file `.yaml`"),)


def _refuse_constant(name: str) -> NoReturn:
    message = f"`{name}` is not JSON"
    raise ValueError(message)
