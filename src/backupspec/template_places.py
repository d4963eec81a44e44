"""Where a printed value may stand in the text of each target language, judged from a template's text with holes in it.

A hole stands for one `{{ }}`. The readers below follow quotes, comments and here-documents just far enough to tell for
each hole whether it is a word of its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

HOLE = "\ue000"
"""Stands for one printed value; a private-use character, which no template holds."""

Finding = tuple[int, str]

_SPACE = frozenset(" \t\n")
_ASSIGNMENT = re.compile(r"(?:^|[\s;&|(])(?:--[a-z][a-z-]*=)?(?:[A-Za-z_][A-Za-z0-9_]*=)?$")
_CODE = re.compile(
    rf"""(?P<escape>\\.?)|(?P<single>'[^']*'?)|(?P<open>"|\$?\()|(?P<close>\))|(?P<comment>(?<![^\s;(])\#.*)
    |(?P<here><<-?[ \t]*['"\\]?(?P<end>[A-Za-z_]\w*)['"]?)|(?P<hole>{HOLE})|(?P<tick>`)|(?P<newline>\n)""",
    re.VERBOSE,
)
_QUOTED = re.compile(rf"""(?P<escape>\\.?)|(?P<open>\$\()|(?P<close>")|(?P<hole>{HOLE})|(?P<tick>`)""")
_KEY = re.compile(rf"^(?:[A-Z][A-Za-z0-9]*|{HOLE})=[-+!@:|]*$")
_FENCE = re.compile(r"^ {0,3}(?:```|~~~)")
_MARKUP = re.compile(
    rf"""(?P<remark><!--.*?(?:-->|\Z))|(?P<end></(?P<ended>[^\s>]*)[^>]*>?)
    |(?P<tag><(?P<named>[A-Za-z][^\s>/{HOLE}]*)(?:"[^"]*"|'[^']*'|[^"'>])*>?)|(?P<doctype><![A-Za-z][^>]*>)
    |(?P<reference>&[#A-Za-z0-9]*{HOLE})|(?P<open><)""",
    re.VERBOSE | re.DOTALL,
)
_ELEMENT = re.compile(
    r"""(?P<remark><!--.*?(?:-->|\Z))|(?P<data><!\[CDATA\[.*?(?:\]\]>|\Z))|(?P<tag><(?:"[^"]*"|'[^']*'|[^"'>])*>?)""",
    re.VERBOSE | re.DOTALL,
)
_XML_PLACE = re.compile(rf"\s*({HOLE}|<([a-z]+)>{HOLE}</\2>)\s*")
_XML_VALUE = re.compile(r"\s[A-Za-z][A-Za-z0-9_.:-]*=$")
_TAG_NAME = re.compile(rf"<[^\s>/{HOLE}]+")
_ATTRIBUTE = re.compile(
    rf"""(?P<key>[^\s"'<>/={HOLE}]+)(?:\s*=\s*(?P<value>"[^"]*"?|'[^']*'?|(?:[^\s"'>/]|/(?!>))+))?""", re.DOTALL
)
_AFTER = frozenset(" \t\n>/")
_RAW = frozenset({"script", "style", "iframe", "noembed", "noframes", "noscript", "plaintext", "xmp"})
_ATTRIBUTES = frozenset(
    {
        "aria-label",
        "class",
        "cx",
        "cy",
        "d",
        "datetime",
        "height",
        "r",
        "title",
        "width",
        "x",
        "x1",
        "x2",
        "y",
        "y1",
        "y2",
    }
)
_QUOTES = "the value stands inside quotes, which it brings itself"
_NO_NAME = "the value stands in a tag, but not as the value of an attribute"
_COMMENTED = "a value in a comment; print a Comment on a line of its own"
_CLOSED = {"escape": "the value stands behind a backslash", "single": _QUOTES, "comment": _COMMENTED}
_GLUED = "the value is glued to its neighbour; around it may stand white space and `NAME=`"


def misplaced(text: str, places: list[int], suffix: str) -> Iterator[Finding]:
    """Give the holes of `text` that are in a wrong place, as (place in the source, message)."""
    reader = _READERS.get(suffix, _plain)
    return ((places[min(at, len(places) - 1)], message) for at, message in reader(text))


def _lines(text: str) -> Iterator[tuple[int, str]]:
    start = 0
    for line in text.splitlines(keepends=True):
        yield start, line.rstrip("\n")
        start += len(line)


def _holes(line: str) -> Iterator[int]:
    return (at for at, character in enumerate(line) if character == HOLE)


def _shell(text: str) -> Iterator[Finding]:
    """Follow a script: quotes, command substitutions (also within double quotes), comments, here-documents."""
    stack: list[str] = []  # what is open: " or (
    ends: list[str] = []  # the last lines of the here-documents that begin after this line
    at = 0
    while at < len(text):
        quoted = stack[-1:] == ['"']
        token = (_QUOTED if quoted else _CODE).match(text, at)
        kind, found = (token.lastgroup, token[0]) if token else ("", text[at])
        if kind == "newline" and ends:
            found = _until(text[at:], ends.pop(0))
            yield from _inside(found, at, "a value in a here-document, where no quoting protects it")
        elif kind in _CLOSED:
            yield from _inside(found, at, _CLOSED[kind])
        elif kind == "tick":
            yield at, "a backtick; write `$( )`"
        elif kind == "hole" and (quoted or not _separate(text, at)):
            yield at, _QUOTES if quoted else _GLUED
        elif kind == "here" and token:
            ends.append(token["end"])
        elif kind == "open":
            stack.append(found[-1])
        elif kind == "close" and stack:
            stack.pop()
        at += len(found)
    if '"' in stack:
        yield len(text) - 1, "a quote is not closed in this file"


def _until(text: str, end: str) -> str:
    """Give the here-document that begins `text` with the line that ends it."""
    found = re.search(rf"^\t*{end}$", text, re.MULTILINE)
    return text[: found.end()] if found else text


def _inside(text: str, start: int, message: str) -> Iterator[Finding]:
    return ((start + at, message) for at in _holes(text))


def _separate(text: str, at: int) -> bool:
    """Tell whether the hole is a word of its own, or all that follows `NAME=` or `--option=`."""
    left, right = text[:at][-80:], text[at + 1 : at + 2]
    free = not left or left[-1] in " \t\n>(" or bool(_ASSIGNMENT.search(left))
    return free and (not right or right in " \t\n;)")


def _unit(text: str) -> Iterator[Finding]:
    """Read a unit: words of a value, or a whole value after `Key=`, or a comment's whole line."""
    for start, line in _lines(text):
        for at in _holes(line):
            before, after = line[:at], line[at + 1 :]
            if before.lstrip().startswith(("#", ";")):
                yield start + at, _COMMENTED
            elif before.count('"') % 2 or before.count("'") % 2:
                yield start + at, _QUOTES
            elif (before and before[-1] not in _SPACE and not _KEY.match(before)) or (
                after and after[0] not in _SPACE and line != f"{HOLE}={HOLE}"
            ):
                yield start + at, "the value is glued to its neighbour; around it may stand white space and `Key=`"


def _plain(text: str) -> Iterator[Finding]:
    """Read fields between white space."""
    return _fields(text, "")


def _listed(text: str) -> Iterator[Finding]:
    """Read fields between white space and commas: options of a key, names of a known host."""
    return _fields(text, ",")


def _fields(text: str, separators: str) -> Iterator[Finding]:
    for start, line in _lines(text):
        for at in _holes(line):
            before, after = line[:at], line[at + 1 :]
            if before.lstrip().startswith("#"):
                yield start + at, _COMMENTED
            elif before.count('"') % 2:
                yield start + at, _QUOTES
            elif (before and before[-1] not in " \t" + separators) or (after and after[0] not in " \t" + separators):
                yield (
                    start + at,
                    "the value is glued to its neighbour; around it may stand white space"
                    + (" and commas" if separators else ""),
                )


def _whole_lines(text: str) -> Iterator[Finding]:
    """Read lines that are one value each: borg strips lines, so nothing may stand beside it."""
    for start, line in _lines(text):
        if HOLE in line and line != HOLE:
            yield start + line.index(HOLE), "the value must be the whole line"


def _markdown(text: str) -> Iterator[Finding]:
    """Read a document: values stand in running text, or as words in a fenced block.

    Never in a code span, in an HTML tag or in a link's target.
    """
    fenced = False
    for start, line in _lines(text):
        if _FENCE.match(line):
            fenced = not fenced
            yield from ((start + at, "a value on the line of a fence") for at in _holes(line))
            continue
        for at in _holes(line):
            before, after = line[:at], line[at + 1 :]
            if fenced:
                if not _separate(line, at):
                    yield start + at, _GLUED
            elif before.count("`") % 2 or before.endswith("`") or after.startswith("`"):
                yield start + at, "the value stands inside a code span, which it brings itself"
            elif before.endswith(("](", "<", "\\", HOLE)):
                yield start + at, "the value stands in a link, a tag or an escape, or is glued to another one"


def _html(text: str) -> Iterator[Finding]:
    """Read a page: values stand in the text between tags, or are the whole value of an attribute made for people.

    There is no script, and no value in a style sheet, a comment, a tag's or an attribute's name, or an address.
    """
    raw = ""  # the element whose text has no escapes
    at = 0
    while at < len(text):
        token = _MARKUP.match(text, at)
        kind, found = (token.lastgroup, token[0]) if token else ("", text[at])
        if raw and not (kind == "end" and token and token["ended"].lower() == raw):
            found = text[at]
            yield from _inside(found, at, f"a value in `<{raw}>`, where nothing can be escaped")
        elif kind == "remark":
            yield from _inside(found, at, "a value in a comment")
        elif kind == "reference":
            yield from _inside(found, at, "the value is glued to a `&`")
        elif kind == "end":
            raw = ""
            yield from _inside(found, at, _NO_NAME)
        elif kind == "tag" and token:
            raw = token["named"].lower() if token["named"].lower() in _RAW else ""
            yield from ((at + place, message) for place, message in _tag(found, raw))
        elif kind == "open":
            yield at, "a `<` that begins no tag; write `&lt;`"
        at += len(found)


def _xml(text: str) -> Iterator[Finding]:
    """Read a document: values are the whole value of an attribute, all of an element, or a comment on its own line."""
    at = 0
    while at < len(text):
        token = _ELEMENT.match(text, at)
        kind, found = (token.lastgroup, token[0]) if token else ("", text[at])
        if kind == "tag":
            for place in _holes(found):
                if not _XML_VALUE.search(found[:place]) or found[place + 1 : place + 2] not in _AFTER:
                    yield at + place, "the value is not all that follows `name=`"
        elif kind in {"remark", "data"}:
            yield from _inside(found, at, "a value in a comment or unparsed text")
        elif found == HOLE and not _XML_PLACE.fullmatch(text[text.rfind("\n", 0, at) + 1 :].partition("\n")[0]):
            yield at, "between tags stands a comment on a line of its own, or all of an element"
        at += len(found)


def _tag(tag: str, raw: str) -> Iterator[Finding]:
    """Check one tag with its attributes."""
    if raw == "script":
        yield 0, "a page has no script"
    name = _TAG_NAME.match(tag)
    at = name.end() if name else 1
    while at < len(tag):
        attribute = _ATTRIBUTE.match(tag, at)
        if attribute is None:
            yield from _inside(tag[at], at, _NO_NAME)
            at += 1
            continue
        key, value = attribute["key"], attribute["value"] or ""
        start = attribute.start("value")
        if key.lower().startswith("on"):
            yield at, f"`{key}` is a script; a page has none"
        if value[:1] in {'"', "'"}:
            yield from _inside(value, start, _QUOTES)
        elif HOLE in value and (value != HOLE or tag[attribute.end() : attribute.end() + 1] not in _AFTER):
            yield start + value.index(HOLE), "the value is glued to its neighbour; it is all that follows `name=`"
        elif value == HOLE and key not in _ATTRIBUTES:
            yield start, f"`{key}` takes no value of a template"
        at = attribute.end()


_READERS = {
    ".sh.j2": _shell,
    ".unit.j2": _unit,
    ".authorized_keys.j2": _listed,
    ".known_hosts.j2": _listed,
    ".patterns.j2": _whole_lines,
    ".md.j2": _markdown,
    ".html.j2": _html,
    ".xml.j2": _xml,
}
