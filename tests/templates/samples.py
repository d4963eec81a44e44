"""Every template with views to fill it from: those of inventories and of a migration, also with hostile words."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import fields, is_dataclass, replace
from itertools import cycle

from backupspec import words
from backupspec.data import data_folder
from backupspec.diagnostic import Span
from backupspec.pipeline import load_fleet
from backupspec.plan import PlannedFile, plan
from backupspec.plan.hardening import Directive
from backupspec.words import Unrepresentable
from backupspec_migrate.report_html import TEMPLATE, page
from tests.migrate import standings
from tests.templates.hostile import NASTY

INVENTORIES = ("laptop", "small", "infra4", "kvm")


@functools.cache
def planned() -> tuple[PlannedFile, ...]:
    """Give every file of every inventory that is made from a template."""
    files: list[PlannedFile] = []
    for name in INVENTORIES:
        fleet, found = load_fleet(data_folder("inventories") / name)
        assert fleet is not None, found
        files += [file for file in plan(fleet)[0].files if file.template]
    return (*files, *_pages())


def _pages() -> list[PlannedFile]:
    """Give the pages of the migration, which are filled in by it and not by the compiler."""
    span = Span("plan.yaml", 1, 1, 1, 1)
    made = (standings.nothing(), standings.poorly(), standings.hostile())
    return [PlannedFile("report.html", 0o644, "root:root", TEMPLATE, page(standing), "", span) for standing in made]


def of_language(suffix: str) -> tuple[PlannedFile, ...]:
    """Give the planned files of one language: of each template one with little in it, one with much, one between."""
    chosen: list[PlannedFile] = []
    for template in sorted({file.template for file in planned() if file.template.endswith(suffix)}):
        files = sorted((file for file in planned() if file.template == template), key=lambda file: len(repr(file.view)))
        chosen += [files[0], files[len(files) // 2], files[-1]]
    return tuple(chosen)


REMADE: dict[type, Callable[[str], object]] = {
    words.AppArmorFolder: lambda text: words.AppArmorFolder("/" + text),
    words.BorgUrl: lambda text: words.BorgUrl("/" + text),
    words.Comment: words.Comment,
    words.ExecWord: words.ExecWord,
    words.HtmlAttribute: words.HtmlAttribute,
    words.HtmlText: words.HtmlText,
    words.MarkdownCode: words.MarkdownCode,
    words.MarkdownCommand: words.MarkdownCommand.of,
    words.MarkdownLine: words.MarkdownLine,
    words.MarkdownText: words.MarkdownText,
    words.ShellWord: words.ShellWord,
    words.SysusersField: lambda text: words.SysusersField("/home/" + text),
    words.TmpfilesField: lambda text: words.TmpfilesField("/top/" + text),
    words.UnitCredential: lambda text: words.UnitCredential("passphrase-x", "/" + text),
    words.UnitListPath: lambda text: words.UnitListPath("/" + text),
    words.UnitText: words.UnitText,
    words.XmlAttribute: words.XmlAttribute,
    words.XmlText: words.XmlText,
}
"""How a word of each type is made from any text; types that hold only plain words are not here."""


def spoiled(view: object, start: int) -> object:
    """Give the view with every word in it replaced by a hostile one of its type; `start` turns the list of them."""
    return _spoil(view, cycle([*NASTY[start:], *NASTY[:start]]))


def _spoil(value: object, texts: cycle[str]) -> object:
    if isinstance(value, tuple):
        return tuple(_spoil(item, texts) for item in value)
    if remake := _remake(value):
        return next(made for made in (_try(remake, text) for text in texts) if made is not None)
    ours = isinstance(value, Directive) or type(value).__module__.startswith("backupspec.words")
    if is_dataclass(value) and not isinstance(value, type) and not ours:  # a directive holds the compiler's own words
        return replace(value, **{field.name: _spoil(getattr(value, field.name), texts) for field in fields(value)})
    return value


def _remake(value: object) -> Callable[[str], object] | None:
    if isinstance(value, words.BorgPattern):
        return lambda text: words.BorgPattern(value.sign, value.style, "/" + text)
    if isinstance(value, words.KeyOption) and value.name == "command":
        return lambda text: words.KeyOption.command([words.ShellWord("echo"), words.ShellWord(text)])
    return REMADE.get(type(value))


def _try(make: Callable[[str], object], text: str) -> object | None:
    try:
        return make(text)
    except Unrepresentable:
        return None
