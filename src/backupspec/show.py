"""Show: Diagnostics -> text for people, JSON, GitHub annotations, SARIF. Pure: the command line prints what they give.

`folder` is the inventory's root folder as the user named it; it is put before the names of files, so that editors and
code reviews find them.
"""

from __future__ import annotations

import json
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass, field

from rich.cells import cell_len
from rich.text import Text

from backupspec.catalogue import CATALOGUE
from backupspec.diagnostic import Diagnostic, Diagnostics, Severity, Span
from backupspec.source import Sources, shown_lines, unfit_character

FORMAT_VERSION = 1
_WIDEST_EXCERPT = 110
_LAST_ASCII = 0x7F
_BEFORE_CARET = 60
_COLOURS = {Severity.ERROR: "bold red", Severity.WARNING: "bold yellow", Severity.NOTE: "bold cyan"}
_SARIF_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def as_text(diagnostics: Diagnostics, sources: Sources, folder: str = "") -> Text:
    """Give all findings with lines, carets, related places and hints, and a summary; `.plain` is it without colours."""
    page = _Page({source.name: shown_lines(source.text) for source in sources}, folder)
    for found in diagnostics:
        page.add(found)
    return page.whole.append(summary(diagnostics) + "\n")


def summary(diagnostics: Diagnostics) -> str:
    """Count the findings: `3 errors, 1 warning`."""
    counts = [
        (sum(found.severity is severity for found in diagnostics), severity.label)
        for severity in sorted(Severity, reverse=True)
    ]
    return ", ".join(f"{count} {label}{'' if count == 1 else 's'}" for count, label in counts if count) or "no findings"


def as_json(diagnostics: Diagnostics, folder: str = "") -> str:
    """Give the findings in the form of `schema/diagnostics.schema.json`."""
    listed = [
        {
            "code": found.code,
            "severity": found.severity.label,
            "title": _titles().get(found.code, found.code),
            "message": found.message,
            "hint": found.hint,
            "where": found.where,
            "place": _place(found.span, folder),
            "related": [{"message": each.message, "place": _place(each.span, folder)} for each in found.related],
        }
        for found in diagnostics
    ]
    counts = {
        severity.label + "s": sum(found.severity is severity for found in diagnostics)
        for severity in sorted(Severity, reverse=True)
    }
    return (
        json.dumps({"version": FORMAT_VERSION, "summary": counts, "diagnostics": listed}, ensure_ascii=False, indent=2)
        + "\n"
    )


def as_github(diagnostics: Diagnostics, folder: str = "") -> str:
    """Give one workflow command for each finding; `folder` must then be relative to the root of the repository."""
    return "".join(_annotation(found, folder) + "\n" for found in diagnostics)


def as_sarif(diagnostics: Diagnostics, folder: str = "", version: str = "") -> str:
    """Give a SARIF 2.1.0 log with one run; `version` is that of this program."""
    codes = sorted({found.code for found in diagnostics})
    entries = {entry.code: entry for entry in CATALOGUE}
    rules = [
        {
            "id": code,
            "shortDescription": {"text": entries[code].title},
            "fullDescription": {"text": entries[code].explanation},
            "defaultConfiguration": {"level": entries[code].severity.label},
        }
        for code in codes
    ]
    results = []
    for found in diagnostics:
        result = {
            "ruleId": found.code,
            "ruleIndex": codes.index(found.code),
            "level": found.severity.label,
            "message": {"text": found.message + (f"\n{_sentence(found.hint)}" if found.hint else "")},
            "locations": [_location(found.span, folder, found.where)],
        }
        if found.related:
            result["relatedLocations"] = [
                {"id": number, "message": {"text": each.message}, **_location(each.span, folder, "")}
                for number, each in enumerate(found.related, 1)
            ]
        results.append(result)
    driver = {"name": "backupspec", **({"semanticVersion": version} if version else {}), "rules": rules}
    run = {"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": results}
    return (
        json.dumps({"$schema": _SARIF_SCHEMA, "version": "2.1.0", "runs": [run]}, ensure_ascii=False, indent=2) + "\n"
    )


# Text -----------------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Page:
    """A text that grows by one finding after the other."""

    lines: dict[str, list[str]]
    folder: str
    whole: Text = field(default_factory=lambda: Text(no_wrap=True))

    def add(self, found: Diagnostic) -> None:
        colour = _COLOURS[found.severity]
        self.whole.append(f"{found.severity.label}[{found.code}]", style=colour)
        self.whole.append(f": {visible(found.message)}\n", style="bold")
        margin = " " * max(len(str(span.line)) for span in (found.span, *(each.span for each in found.related)))
        self.add_place(found.span, margin, "-->", colour, found.message)
        for each in found.related:
            self.whole.append(f"{margin} = ", style="blue")
            self.whole.append(f"{visible(each.message)}:\n")
            self.add_place(each.span, margin, ":::", "bold blue")
        if found.hint:
            self.whole.append(f"{margin} = ", style="blue")
            self.whole.append("hint: ", style="bold")
            self.whole.append(f"{visible(found.hint)}\n")
        self.whole.append("\n")

    def add_place(self, span: Span, margin: str, arrow: str, colour: str, message: str = "") -> None:
        whole = span.file not in self.lines and span == Span(span.file, 1, 1, 1, 1)  # no text that has lines
        if whole and (span.file.startswith("-") or span.file in message):
            return
        position = "" if whole or span.file.startswith("-") else f":{span.line}:{span.column}"
        self.whole.append(f"{margin}{arrow} ", style="blue")
        self.whole.append(f"{visible(_path(span.file, self.folder))}{position}\n")
        lines = self.lines.get(span.file, [])
        line = lines[span.line - 1] if span.line <= len(lines) else ""
        if not line:
            return
        excerpt, indent, width = _excerpt(line, span)
        self.whole.append(f"{margin} |\n{span.line:>{len(margin)}} | ", style="blue")
        self.whole.append(f"{excerpt}\n")
        self.whole.append(f"{margin} | ", style="blue")
        self.whole.append(f"{' ' * indent}{'^' * width}\n", style=colour)


def _excerpt(line: str, span: Span) -> tuple[str, int, int]:
    """Give the line as shown, and where its caret starts and how wide it is in terminal cells; a long line is cut."""
    start = min(span.column - 1, len(line))
    end = min(span.end_column - 1, len(line)) if span.end_line == span.line else len(line.rstrip())
    cut = max(start - _BEFORE_CARET, 0) if len(line) > _WIDEST_EXCERPT else 0
    before = ("…" if cut else "") + visible(line[cut:start])
    marked = visible(line[start : max(end, start)])
    after = visible(line[max(end, start) : cut + _WIDEST_EXCERPT])
    if len(line) > _WIDEST_EXCERPT:
        room = max(cut + _WIDEST_EXCERPT - start, 1)
        marked = marked[:room]
        after += "…" if cut + _WIDEST_EXCERPT < len(line) else ""
    return (before + marked + after).rstrip(), cell_len(before), max(cell_len(marked), 1)


def visible(text: str) -> str:
    """Give text that moves no cursor and hides nothing: a tab as four spaces, other control characters as escapes."""
    if unfit_character(text) is None:
        return text
    return "".join(_visible_characters(text))


def _visible_characters(text: str) -> Iterator[str]:
    for character in text:
        if character == "\t":
            yield "    "
        elif unfit_character(character) is None:
            yield character
        else:
            wide = ord(character) > _LAST_ASCII
            yield f"\\u{ord(character):04x}" if wide else f"\\x{ord(character):02x}"


# Other forms ----------------------------------------------------------------------------------------------------------


def _titles() -> dict[str, str]:
    return {entry.code: entry.title for entry in CATALOGUE}


def _path(name: str, folder: str) -> str:
    folder = folder.replace("\\", "/").rstrip("/") or ("/" if folder.startswith("/") else "")
    return name if folder in ("", ".") else f"{folder.rstrip('/')}/{name}"


def _place(span: Span, folder: str) -> dict[str, str | int]:
    return {
        "file": _path(span.file, folder),
        "line": span.line,
        "column": span.column,
        "end_line": span.end_line,
        "end_column": span.end_column,
    }


def _sentence(hint: str) -> str:
    return f"Hint: {hint}"


def _annotation(found: Diagnostic, folder: str) -> str:
    span = found.span
    level = "notice" if found.severity is Severity.NOTE else found.severity.label
    properties = {"file": _path(span.file, folder), "line": span.line, "endLine": span.end_line}
    if span.line == span.end_line:  # columns are only allowed within one line
        properties |= {"col": span.column, "endColumn": span.end_column}
    properties["title"] = f"{found.code}: {_titles().get(found.code, found.code)}"
    listed = ",".join(
        f"{key}={_escaped(str(value)).replace(':', '%3A').replace(',', '%2C')}" for key, value in properties.items()
    )
    message = found.message + (f"\n{_sentence(found.hint)}" if found.hint else "")
    return f"::{level} {listed}::{_escaped(message)}"


def _escaped(text: str) -> str:
    """Escape what ends a workflow command; other control characters are shown as escapes."""
    shown = "\n".join(visible(line) for line in text.split("\n"))
    return shown.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _location(span: Span, folder: str, where: str) -> dict[str, object]:
    region = {
        "startLine": span.line,
        "startColumn": span.column,
        "endLine": span.end_line,
        "endColumn": span.end_column,
    }
    artifact = {"uri": urllib.parse.quote(_path(span.file, folder))}
    location: dict[str, object] = {"physicalLocation": {"artifactLocation": artifact, "region": region}}
    if where:
        location["logicalLocations"] = [{"fullyQualifiedName": where}]
    return location
