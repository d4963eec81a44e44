"""`python -m backupspec.lint_templates [DIR]`: refuse templates in which a value could stand in a wrong place.

A word type is right between the words of a command, not inside a string, a comment or another word. This reads the
sources alone; whether each value has the type for its place is checked by `render` and by the tests that run every
template.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from jinja2 import Environment
from jinja2.exceptions import TemplateSyntaxError

from backupspec.data import data_folder
from backupspec.render import Language, language_of
from backupspec.template_places import HOLE, misplaced

if TYPE_CHECKING:
    from collections.abc import Iterator

_LEXER = Environment(keep_trailing_newline=True, autoescape=False)  # noqa: S701  it never renders anything
_NAME = re.compile(r"[a-z][a-z0-9_]*")
_STATEMENTS = frozenset({"if", "elif", "else", "endif", "for", "endfor", "with", "endwith", "set", "include"})
_CONTROL = re.compile(r"\{[{%#][-+]|[-+][}%#]\}|\r")
_INCLUDE = re.compile(r"""\{%\s*include\s+["']([^"']+)["']""")
_SHELL_HEADER = re.compile(r"#!/bin/sh\n(?:#.*\n|\n|\{[{#%].*[}#%]\}\n)*set -eu\n")


@dataclass(frozen=True, slots=True)
class Complaint:
    """One finding in a template's source; line and column count from 1."""

    file: str
    line: int
    column: int
    message: str

    def __str__(self) -> str:
        """Give the line that compilers print."""
        return f"{self.file}:{self.line}:{self.column}: {self.message}"


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    start: int


def lint(folder: Path) -> tuple[Complaint, ...]:
    """Check every file below `folder`; a file without the suffix of a target language is a complaint too."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    sources = {path.relative_to(folder).as_posix(): path.read_text(encoding="utf-8") for path in paths}
    included = {name for source in sources.values() for name in _INCLUDE.findall(source)}
    return tuple(
        complaint for name, source in sources.items() for complaint in lint_source(name, source, part=name in included)
    )


def lint_source(name: str, source: str, *, part: bool = False) -> tuple[Complaint, ...]:
    """Check one template; `name` is its path below the template folder, `part` says that others include it."""
    if control := _CONTROL.search(source):
        return (_at(name, source, control.start(), "white space control; lines with only a tag vanish anyway"),)
    try:
        language = language_of(name)
        tokens = _tokens(source)
        _LEXER.parse(source)
    except LookupError:
        return (Complaint(name, 1, 1, "no target language has this suffix"),)
    except TemplateSyntaxError as error:
        return (Complaint(name, error.lineno, 1, f"not a template: {error.message}"),)
    found = [*_tags(tokens, language), *misplaced(*_flat(tokens), language.suffix)]
    if language.suffix == ".sh.j2" and not part and not _SHELL_HEADER.match(source):
        found.append((0, "a script begins with `#!/bin/sh`, comments, `set -eu`"))
    return tuple(_at(name, source, offset, message) for offset, message in sorted(set(found)))


def _at(name: str, source: str, offset: int, message: str) -> Complaint:
    before = source[:offset]
    return Complaint(name, before.count("\n") + 1, offset - before.rfind("\n"), message)


def _tokens(source: str) -> list[_Token]:
    tokens, start = [], 0
    for _, kind, text in _LEXER.lex(source):
        tokens.append(_Token(kind, text, start))
        start += len(text)
    return tokens


def _flat(tokens: list[_Token]) -> tuple[str, list[int]]:
    """Give the text with each printed value as one `HOLE` and all other tags left out, and each character's place."""
    text, places, tag = "", list[int](), False
    for token in tokens:
        if token.kind == "variable_begin":
            text, places = text + HOLE, [*places, token.start]
        if token.kind.endswith("_begin"):
            tag = True
        if not tag:
            text += token.text
            places += range(token.start, token.start + len(token.text))
        if token.kind.endswith("_end"):
            tag = False
    return text, places


def _tags(tokens: list[_Token], language: Language) -> Iterator[tuple[int, str]]:
    """Check what stands inside the tags."""
    start, inside = 0, list[_Token]()
    for token in tokens:
        if token.kind in {"variable_begin", "block_begin", "raw_begin"}:
            start, inside = token.start, []
        if token.kind == "raw_begin":
            yield start, "`{% raw %}`: what a template prints must be visible to this check"
        elif token.kind == "variable_end" and not _is_name(inside):
            yield (
                start,
                "`{{ }}` takes a name such as `job.path` and nothing else: no literal, filter, call or calculation",
            )
        elif token.kind == "block_end":
            yield from ((start, message) for message in _statement(inside, language))
        elif token.kind not in {"whitespace", "data"} and not token.kind.endswith("_begin"):
            inside.append(token)


def _is_name(tokens: list[_Token]) -> bool:
    """Tell whether the tokens are `name`, `name.name` and so on; names with a leading underscore are Python's."""
    names, dots = tokens[::2], tokens[1::2]
    return (
        len(tokens) % 2 == 1
        and all(token.kind == "name" and _NAME.fullmatch(token.text) for token in names)
        and all(token.text == "." for token in dots)
    )


def _statement(tokens: list[_Token], language: Language) -> Iterator[str]:
    word, rest = tokens[0].text, tokens[1:]
    texts = [token.text for token in rest]
    if word not in _STATEMENTS:
        yield f"`{{% {word} %}}`: only {', '.join(sorted(_STATEMENTS))} are used here"
    if "|" in texts:
        yield "a filter; the plan makes values ready, templates only print them"
    if any(
        left.kind == "name" and right.text == "(" and left.text not in {"and", "or", "not", "in", "if"}
        for left, right in zip(tokens, rest, strict=False)
    ):
        yield "a call; the plan makes values ready, templates only print them"
    if any(token.kind == "name" and token.text.startswith("_") for token in rest):
        yield "a name with a leading underscore"
    if word in {"set", "with"} and any(token.kind in {"string", "integer", "float"} for token in rest):
        yield f"a literal in `{{% {word} %}}`; fixed text stands in the template itself"
    if word == "include":
        literal = len(rest) == 1 and rest[0].kind == "string"
        if not literal or not rest[0].text[1:-1].endswith(language.suffix):
            yield f"`{{% include %}}` takes the name of one *{language.suffix}, in quotes"


def main(arguments: list[str]) -> int:
    """Print all complaints, one a line; 1 if there are any, 2 for a wrong call."""
    if len(arguments) > 1:
        print("usage: python -m backupspec.lint_templates [DIR]", file=sys.stderr)
        return 2
    folder = Path(arguments[0]) if arguments else data_folder("templates")
    if not folder.is_dir():
        print(f"{folder}: not a folder", file=sys.stderr)
        return 2
    complaints = lint(folder)
    for complaint in complaints:
        print(complaint)
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
