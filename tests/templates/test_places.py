"""Every value of every compiled file stands at a place that is made for its type, which the lint cannot know."""

from __future__ import annotations

import functools
import re
from dataclasses import fields

import pytest
from markupsafe import Markup

from backupspec.data import data_folder
from backupspec.render import LANGUAGES, Language, environment, language_of
from tests.templates.samples import of_language

VALUE = re.compile("\ue001([A-Za-z]+)\ue002([^\ue003]*)\ue003")
WHOLE = {
    "UnitText": {"Description"},
    "UnitCalendar": {"OnCalendar"},
    "UnitCredential": {"LoadCredential"},
    "UnitPath": {"WorkingDirectory", "ConditionPathExists", "ConditionPathIsMountPoint"},
}
LISTS = {"ReadWritePaths", "ReadOnlyPaths", "InaccessiblePaths", "RequiresMountsFor"}


def marked(template: str, view: object) -> str:
    """Give the file with each printed value between marks, after the name of its type."""
    language = language_of(template)
    made = environment(language, functools.partial(_read, language))
    accepts = made.finalize
    assert accepts is not None

    def finalize(value: object) -> Markup:
        return Markup("\ue001{}\ue002{}\ue003").format(type(value).__name__, accepts(value))

    made.finalize = finalize
    variables = {field.name: getattr(view, field.name) for field in fields(view)}  # type: ignore[arg-type]
    return made.get_template(template).render(variables)


def _read(language: Language, name: str) -> str | None:
    return (data_folder("templates") / name).read_text() if name.endswith(language.suffix) else None


def _misplaced_in_unit(line: str) -> list[str]:
    key, _, value = VALUE.sub("\ue000", line).partition("=")
    bad = []
    for number, (kind, _) in enumerate(VALUE.findall(line)):
        first = value.lstrip("-+!@:|").startswith("\ue000") and number == 0
        alone = value == "\ue000"
        right = {
            "Comment": line.startswith("\ue001") and VALUE.fullmatch(line) is not None,
            "UnitListPath": key in LISTS,
            "UnitWord": key in {"Environment", *LISTS},
            "ExecProgram": key.startswith("Exec") and first,
            "ExecWord": key.startswith("Exec") and not first,
            "ConfigToken": not key.startswith("Exec"),
            "int": not key.startswith("Exec"),
        }.get(kind, alone and key in WHOLE.get(kind, ()))
        bad += [] if right or key == "\ue000" else [line]
    return bad


def _misplaced_elsewhere(line: str, *, fenced: bool) -> list[str]:
    kinds = [kind for kind, _ in VALUE.findall(line)]
    if "Comment" in kinds and not VALUE.fullmatch(line):
        return [line]
    if "PublicKey" in kinds and (
        kinds.count("PublicKey") != 1 or not line.endswith("\ue003") or kinds[-1] != "PublicKey"
    ):
        return [line]
    if any(kind.startswith("Markdown") and (kind in {"MarkdownCommand", "MarkdownLine"}) != fenced for kind in kinds):
        return [line]
    if "MarkdownLine" in kinds and not VALUE.fullmatch(line):
        return [line]
    return []


ATTRIBUTES = {
    "HtmlAttribute": {"aria-label", "title"},
    "HtmlTokens": {"class", "datetime"},
    "SvgNumber": {"x", "x1", "x2", "y", "y1", "y2"},
    "SvgPath": {"d"},
}


def _misplaced_in_page(line: str) -> list[str]:
    bad = []
    for found in VALUE.finditer(line):
        attribute = re.search(r"(?<![^ ])([a-z0-9-]+)=$", line[: found.start()])
        name, kind = attribute[1] if attribute else "", found[1]
        right = name in ATTRIBUTES[kind] if kind in ATTRIBUTES else not name and kind in {"HtmlText", "int"}
        bad += [] if right else [line]
    return bad


def _misplaced_in_xml(line: str) -> list[str]:
    bad = []
    for found in VALUE.finditer(line):
        attribute = re.search(r"<[a-z][^>]* [a-z]+=$", line[: found.start()])
        between = re.search(r"<([a-z]+)>$", line[: found.start()])
        right = {
            "XmlAttribute": attribute is not None,
            "XmlComment": VALUE.fullmatch(line) is not None,
            "XmlText": between is not None and line[found.end() :].startswith(f"</{between[1]}>"),
        }
        bad += [] if right[found[1]] else [line]
    return bad


@pytest.mark.parametrize("suffix", [language.suffix for language in LANGUAGES])
def test_every_value_stands_at_a_place_made_for_its_type(suffix: str) -> None:
    files = of_language(suffix)
    assert files
    for file in files:
        fenced = False
        text = marked(file.template, file.view)
        for line in re.split(r"\n(?![^\ue001]*\ue003)", text):
            fenced ^= suffix == ".md.j2" and line.startswith("```")
            if suffix == ".html.j2":
                found = _misplaced_in_page(line)
            elif suffix == ".xml.j2":
                found = _misplaced_in_xml(line)
            else:
                found = _misplaced_in_unit(line) if suffix == ".unit.j2" else _misplaced_elsewhere(line, fenced=fenced)
            assert not found, (file.path, found)
