"""Turn what the YAML reader says into the words of somebody who writes an inventory."""

from __future__ import annotations

import yaml

from backupspec.catalogue import diagnose
from backupspec.diagnostic import Diagnostic, Related, Span
from backupspec.source import Source, shortened

_INDENTATION = "check the indentation of this line and of the line before, and that quotes and brackets are closed"

# (part of the reader's problem, message, hint), the first that fits; the reader's own words are the fallback.
_PROBLEMS = (
    ("found unexpected end of stream", "this quote is not closed", "add the closing quote"),
    ("found a tab character", "a tab is not allowed in the indentation", "use spaces"),
    (
        "mapping values are not allowed",
        "a colon is not expected here",
        "quote the value if the colon belongs to it; else check the indentation",
    ),
    (
        "block sequence entries are not allowed",
        "a list item is not expected here",
        "start the list on a line of its own, or write `[a, b]`",
    ),
    ("did not find expected '-' indicator", "expected another list item (`- …`) here", _INDENTATION),
    (
        "could not find expected ':'",
        "expected a colon after this key",
        "write `key: value`, with a space after the colon",
    ),
    ("did not find expected ',' or ']'", "this list is not closed", "add `]`, or a comma between its items"),
    ("did not find expected ',' or '}'", "this mapping is not closed", "add `}`, or a comma between its entries"),
    ("did not find expected key", "expected a key here", _INDENTATION),
    (
        "found unknown escape character",
        "unknown escape in a quoted text",
        "write a backslash as `\\\\`, or use single quotes",
    ),
    ("invalid Unicode character escape", "this escape is not a character", "write the character itself, as UTF-8"),
    (
        "did not find expected hexdecimal",
        "this escape lacks digits",
        "write a backslash as `\\\\`, or use single quotes",
    ),
    (
        "did not find expected node content",
        "expected a value here",
        "delete the sign, or quote it if it belongs to the value",
    ),
)
_OPEN_AT_START = (
    "did not find expected ',' or ']'",
    "did not find expected ',' or '}'",
    "found unexpected end of stream",
)


def explain_syntax(source: Source, error: yaml.YAMLError) -> Diagnostic:
    """Give the diagnostic for an error of the YAML reader, always with a place."""
    problem = str(getattr(error, "problem", None) or error)
    mark: yaml.Mark | None = getattr(error, "problem_mark", None)
    if mark is None:
        return diagnose("BS010", f"the YAML reader gives up: {problem.splitlines()[0]}", Span(source.name, 1, 1, 1, 2))
    start: yaml.Mark = getattr(error, "context_mark", None) or mark
    before = _line(source, mark.line)[: mark.column + 1]
    if "\t" in before and not before.strip():
        column = before.index("\t") + 1
        place = Span(source.name, mark.line + 1, column, mark.line + 1, column + 1)
        return diagnose("BS011", "a tab is not allowed in the indentation", place, hint="use spaces")
    at = start if "alphabetic or numeric" in problem else mark
    value = _value(source, at)
    if value and ("alphabetic or numeric" in problem or "cannot start any token" in problem):
        sign = "a back quote" if value[0] == "`" else f"`{value[0]}`"
        hint = f'a value that starts with {sign} must be quoted: "{shortened(value)}"'
        return diagnose("BS010", f"{sign} cannot start a value in YAML", _place(source, at), hint=hint)
    message, hint = _in_words(problem, before[:-1].rstrip())
    if any(part in problem for part in _OPEN_AT_START):
        related = (Related("the YAML reader could not go on here", _place(source, mark)),)
        return diagnose("BS010", message, _place(source, start), hint=hint, related=related)
    return diagnose("BS010", message, _place(source, mark), hint=hint)


def _in_words(problem: str, before: str) -> tuple[str, str]:
    """Give message and hint for what the reader says; `before` is the line up to where it stands."""
    if "did not find expected key" in problem and before.endswith(("'", '"')):
        return "the text has ended before this", "inside '…' write '' for a quote, or put \"…\" around the whole text"
    if "did not find expected key" in problem and before.endswith(("]", "}")):
        return "the value has ended before this", "delete what is too much, or put quotes around the whole value"
    for part, message, hint in _PROBLEMS:
        if part in problem:
            return message, hint
    return f"not well-formed YAML: {problem}", _INDENTATION


def _place(source: Source, mark: yaml.Mark) -> Span:
    """Give a place of one character, inside the file even when the reader stands behind its end."""
    lines = source.text.split("\n")
    line, column = mark.line, mark.column
    while line > 0 and (line >= len(lines) or (line == len(lines) - 1 and not lines[line])):
        line = min(line, len(lines)) - 1
        column = max(len(lines[line]) - 1, 0)
    return Span(source.name, line + 1, column + 1, line + 1, column + 2)


def _line(source: Source, number: int) -> str:
    lines = source.text.split("\n")
    return lines[number] if number < len(lines) else ""


def _value(source: Source, mark: yaml.Mark) -> str:
    """Give the text from a sign that means something in YAML to where the value seems to end; none for other signs."""
    rest = _line(source, mark.line)[mark.column :]
    end = min((at for at in map(rest.find, (",", "]", "}", " ", "\t")) if at > 0), default=len(rest))
    return rest[:end] if rest[:1] in tuple("*&!@`%|>") else ""
