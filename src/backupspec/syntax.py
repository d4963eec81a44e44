"""Turn what the YAML reader says into the words of somebody who writes an inventory."""

from __future__ import annotations

import yaml

from backupspec.catalogue import diagnose
from backupspec.diagnostic import Diagnostic, Related, Span
from backupspec.source import Source

_QUOTE_IT = "a value that starts with {sign} must be quoted: `\"{rest}\"`"
_INDENTATION = "check the indentation of this line and of the line before, and that quotes and brackets are closed"

# (part of the reader's problem, message, hint), the first that fits; the reader's own words are the fallback.
_PROBLEMS = (
    ("found a tab character", "a tab is not allowed in the indentation", "use spaces"),
    ("mapping values are not allowed", "a colon is not expected here", "quote the value if the colon belongs to it; else check the indentation"),
    ("block sequence entries are not allowed", "a list item is not expected here", "start the list on a line of its own, or write `[a, b]`"),
    ("did not find expected '-' indicator", "expected another list item (`- …`) here", _INDENTATION),
    ("could not find expected ':'", "expected a colon after this key", "write `key: value`, with a space after the colon"),
    ("did not find expected ',' or ']'", "this list is not closed", "add `]`, or a comma between its items"),
    ("did not find expected ',' or '}'", "this mapping is not closed", "add `}`, or a comma between its entries"),
    ("did not find expected key", "expected a key here", _INDENTATION),
    ("found unknown escape character", "unknown escape in a quoted text", "write a backslash as `\\\\`, or use single quotes"),
    ("invalid Unicode character escape", "this escape is not a character", "write the character itself, as UTF-8"),
    ("did not find expected hexdecimal", "this escape lacks digits", "write a backslash as `\\\\`, or use single quotes"),
    ("did not find expected node content", "expected a value here", "delete the sign, or quote it if it belongs to the value"),
)
_OPEN_AT_START = ("did not find expected ',' or ']'", "did not find expected ',' or '}'", "found unexpected end of stream")


def explain_syntax(source: Source, error: yaml.YAMLError) -> Diagnostic:
    """Give the diagnostic for an error of the YAML reader, always with a place."""
    problem = str(getattr(error, "problem", None) or error)
    mark = getattr(error, "problem_mark", None)
    context = getattr(error, "context_mark", None)
    if mark is None:
        return diagnose("BS010", f"the YAML reader gives up: {problem.splitlines()[0]}", Span(source.name, 1, 1, 1, 2))
    place = _place(source, mark)
    line = _line(source, mark.line)
    if line[: mark.column + 1].strip() == "" and "\t" in line[: mark.column + 1]:
        column = line.index("\t") + 1
        place = Span(source.name, mark.line + 1, column, mark.line + 1, column + 1)
        return diagnose("BS011", "a tab is not allowed in the indentation", place, hint="use spaces")
    if "found unexpected end of stream" in problem and context is not None:
        return diagnose("BS010", "this quote is not closed", _place(source, context), hint="add the closing quote")
    sign = _special(source, context if context is not None and "alphabetic" in problem else mark)
    if sign and ("cannot start any token" in problem or "alphabetic or numeric" in problem):
        hint = _QUOTE_IT.format(sign=f"`{sign[0]}`", rest=sign)
        at = _place(source, context if "alphabetic" in problem else mark)
        return diagnose("BS010", f"`{sign[0]}` has a meaning of its own in YAML", at, hint=hint)
    for part, message, hint in _PROBLEMS:
        if part in problem:
            related = ()
            if part in _OPEN_AT_START and context is not None:
                related = (Related("the YAML reader could not go on here", place),)
                place = _place(source, context)
            return diagnose("BS010", message, place, hint=hint, related=related)
    return diagnose("BS010", f"not well-formed YAML: {problem}", place, hint=_INDENTATION)


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


def _special(source: Source, mark: yaml.Mark) -> str:
    """Give the text from a sign that starts a value to where the value seems to end."""
    rest = _line(source, mark.line)[mark.column :]
    end = min((at for at in (rest.find(stop) for stop in (",", "]", "}", " ", "\t")) if at > 0), default=len(rest))
    return rest[:end] if rest[:1] in tuple("*&!@`%|>") else ""
