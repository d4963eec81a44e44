from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from backupspec.words import MarkdownCode, MarkdownCommand, MarkdownLine, MarkdownText
from tests.templates.hostile import NASTY, accepted, texts

PARSER = MarkdownIt("commonmark").enable("table")


def _inline(document: str) -> list[Token]:
    return [child for token in PARSER.parse(document) for child in token.children or ()]


def _shown(document: str) -> str:
    """Give the text that a reader sees; anything but text and code in it fails the test."""
    tokens = [token for token in _inline(document) if token.content not in {"<code>", "</code>"}]
    assert {token.type for token in tokens} <= {"text", "code_inline", "text_special"}, document
    return "".join(token.content for token in tokens)


@given(values=st.lists(texts, min_size=1, max_size=10))
def test_text_shows_as_written_wherever_it_stands(values: list[str]) -> None:
    for value, word in accepted(MarkdownText, values):
        assert _shown(f"{word}\n") == value
        assert _shown(f"before {word} after\n") == f"before {value} after"
        assert _shown(f"| a |\n| --- |\n| {word} |\n") == f"a{value}"
        assert _shown(f"- {word}\n") == value


@given(values=st.lists(texts, min_size=1, max_size=10))
def test_code_shows_as_written_wherever_it_stands(values: list[str]) -> None:
    for value, word in accepted(MarkdownCode, values):
        assert _shown(f"{word}\n") == value
        assert _shown(f"| a |\n| --- |\n| {word} |\n") == f"a{value}"


@given(values=st.lists(texts, min_size=1, max_size=10))
def test_a_command_stays_in_its_block(values: list[str]) -> None:
    for _, command in accepted(lambda value: MarkdownCommand.of(value, "end"), values):
        (block,) = PARSER.parse(f"```sh\n{command}\n```\n")
        assert (block.type, block.content) == ("fence", f"{command}\n")


@given(values=st.lists(texts | st.just("```") | st.just(" ~~~~"), min_size=1, max_size=10))
def test_a_line_stays_in_its_block(values: list[str]) -> None:
    for value, line in accepted(MarkdownLine, values):
        (block,) = PARSER.parse(f"```\n{line}\nend\n```\n")
        assert (block.type, block.content) == ("fence", f"{value}\nend\n")


def test_only_a_second_line_is_refused() -> None:
    for make in (MarkdownText, MarkdownCode, MarkdownCommand.of, MarkdownLine):
        refused = set(NASTY) - {value for value, _ in accepted(make, list(NASTY))}
        assert refused == {"new\nline", "car\rriage", "tab\there", "line\u2028separator"}


def test_what_is_plain_stays_readable() -> None:
    assert str(MarkdownText("web01, nightly at 02:30 (UTC)")) == "web01, nightly at 02:30 (UTC)"
    assert str(MarkdownCode("/srv/www data")) == "`/srv/www data`"
    assert str(MarkdownCommand.of("backupspec-run", "restore", "it's")) == "backupspec-run restore 'it'\\''s'"
