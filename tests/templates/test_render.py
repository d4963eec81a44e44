from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import pytest
from jinja2 import TemplateNotFound
from jinja2.exceptions import UndefinedError

from backupspec.diagnostic import Span
from backupspec.plan.types import Plan, PlannedFile
from backupspec.render import LANGUAGES, Untyped, environment, fill, language_of, render
from backupspec.words import Comment, ConfigToken, HtmlAttribute, HtmlText, ShellWord, UnitText
from tests.diagnostics.pinned import Pinned

SPAN = Span("inventory.yaml", 3, 5, 3, 8)


def _planned(path: str, view: object, template: str = "") -> PlannedFile:
    return PlannedFile(path, 0o644, "root:root", template, view, f"hosts.{path}", SPAN)


def _fill(suffix: str, source: str, **names: object) -> str:
    return environment(language_of(f"x{suffix}"), {f"x{suffix}": source}.get).get_template(f"x{suffix}").render(names)


class Louder(ShellWord):
    """A subclass could print anything."""

    def __str__(self) -> str:
        return "; id"


@pytest.mark.parametrize(
    "value", ["text", True, None, 1.5, b"bytes", ("a",), UnitText("text"), ConfigToken("x"), Louder("x")], ids=repr
)
def test_a_value_that_is_not_typed_for_the_language_is_never_printed(value: object) -> None:
    with pytest.raises(Untyped):
        _fill(".sh.j2", "echo {{ value }}\n", value=value)


@pytest.mark.parametrize("language", LANGUAGES, ids=lambda language: language.suffix)
def test_no_language_takes_text(language: object) -> None:
    assert str not in getattr(language, "accepts")  # noqa: B009 - pytest's parameters are objects
    with pytest.raises(Untyped):
        _fill(getattr(language, "suffix"), "{{ value }}\n", value="text")  # noqa: B009 - pytest's parameters are objects


@pytest.mark.parametrize("tag", ["{{ 'text' }}", "{{ word.text }}", "{{ word ~ word }}", "{{ word.text[0] }}"])
def test_text_cannot_be_made_inside_a_template(tag: str) -> None:
    with pytest.raises(Untyped):
        _fill(".sh.j2", f"echo {tag}\n", word=ShellWord("a"))


@pytest.mark.parametrize(
    "tag", ["{{ missing }}", "{{ word.missing }}", "{% if missing %}{% endif %}", "{% for x in missing %}{% endfor %}"]
)
def test_an_undefined_name_is_an_error(tag: str) -> None:
    with pytest.raises((UndefinedError, Untyped)):
        _fill(".sh.j2", tag, word=ShellWord("a"))


@pytest.mark.parametrize(
    "tag", ["{{ word | upper }}", "{{ range(3) }}", "{{ word is string }}", "{{ lipsum() }}", "{{ word | safe }}"]
)
def test_there_are_no_filters_functions_or_tests(tag: str) -> None:
    with pytest.raises(Exception, match=r"No filter|No test|undefined"):
        _fill(".sh.j2", tag, word=ShellWord("a"))


def test_an_include_cannot_cross_over_to_another_language() -> None:
    with pytest.raises(TemplateNotFound):
        environment(language_of("x.sh.j2"), {"x.sh.j2": "{% include 'y.unit.j2' %}"}.get).get_template(
            "x.sh.j2"
        ).render()
    with pytest.raises(LookupError):
        fill("x.css.j2", SPAN)


def test_a_page_is_escaped_twice_over_by_word_and_by_the_environment_and_yet_once() -> None:
    made = environment(language_of("x.html.j2"), {"x.html.j2": "<p title={{ a }}>{{ b }}{{ n }}</p>\n"}.get)
    assert made.autoescape is True
    names = {"a": HtmlAttribute('"<&'), "b": HtmlText("<b>&lt;"), "n": 7}
    wanted = '<p title="&quot;&lt;&amp;">&lt;b&gt;&amp;lt;7</p>\n'
    assert made.get_template("x.html.j2").render(names) == wanted
    made.finalize = None  # were the check of types lost, text would still not become markup
    assert made.from_string("{{ text }}").render(text="<b>") == "&lt;b&gt;"


def test_lines_with_only_a_tag_vanish_and_the_last_line_end_stays() -> None:
    loop = "{% for word in words %}\n    {% if word is not none %}\nrun {{ word }}\n    {% endif %}\n{% endfor %}\n"
    source = "{{ title }}\n" + loop
    names = {"title": Comment("what it does"), "words": (ShellWord("a b"), None, 7)}
    assert _fill(".sh.j2", source, **names) == "# what it does\nrun 'a b'\nrun 7\n"


@dataclass(frozen=True, slots=True)
class _NoTemplateForThis:
    text: str


def test_files_come_out_sorted_with_their_text_and_origin() -> None:
    tree, found = render(Plan((_planned("b", "{}\n"), _planned("a", "x: 1\n")), ("web01",), (("web01", "{}"),)))
    assert found == ()
    assert [(file.path, file.text, file.origin, file.span) for file in tree.files] == [
        ("a", "x: 1\n", "hosts.a", SPAN),
        ("b", "{}\n", "hosts.b", SPAN),
    ]
    assert (tree.hosts, tree.facts) == (("web01",), (("web01", "{}"),))


def test_two_files_at_one_path_are_a_finding_that_names_both(pinned: Pinned) -> None:
    tree, (finding,) = render(Plan((_planned("a", "1"), _planned("a", "2")), (), ()))
    assert [file.text for file in tree.files] == ["1"]
    assert (finding.code, finding.span, finding.related[0].span) == ("BS590", SPAN, SPAN)
    assert "`a`" in finding.message
    pinned(finding)


@pytest.mark.parametrize(
    "render_it",
    [
        partial(render, Plan((_planned("a", _NoTemplateForThis("x")),), (), ())),
        partial(fill, "x.sh.j2", "text"),
        partial(fill, "x.sh.j2", Span),
    ],
)
def test_a_view_is_a_dataclass_or_with_no_template_the_text(render_it: Callable[[], object]) -> None:
    with pytest.raises(Untyped):
        render_it()
