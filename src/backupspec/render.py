"""The stage that turns a plan into text: one Jinja environment per language, and no value that is not typed for it.

Templates hold shape only. `finalize` refuses every value whose type the language does not list, strings always;
filters, globals and all but one test are taken away; an undefined name is an error. So text from the inventory can
reach a file only through `backupspec.words`.
"""

from __future__ import annotations

import functools
import posixpath
from dataclasses import dataclass, fields, is_dataclass
from typing import TYPE_CHECKING

from jinja2 import Environment, FunctionLoader, StrictUndefined
from jinja2.tests import TESTS

from backupspec import words
from backupspec.catalogue import diagnose
from backupspec.data import data_folder
from backupspec.diagnostic import Diagnostic, Diagnostics, Related
from backupspec.tree import File, Tree

if TYPE_CHECKING:
    from collections.abc import Callable

    from backupspec.plan.types import Plan, PlannedFile


class Untyped(TypeError):  # noqa: N818 - says what the value is
    """A template tried to print a value that is not typed for its language: our mistake, never an inventory's."""


@dataclass(frozen=True, slots=True)
class Language:
    """A target language: the suffix of its templates, and the types whose `str()` is right somewhere in it.

    Whole numbers are right everywhere. `markup`: Jinja escapes for HTML whatever is not marked as escaped already.
    """

    suffix: str
    accepts: tuple[type, ...]
    markup: bool = False


LANGUAGES: tuple[Language, ...] = (
    Language(
        ".unit.j2",
        (
            words.Comment,
            words.ConfigToken,
            words.ExecProgram,
            words.ExecWord,
            words.UnitCalendar,
            words.UnitCredential,
            words.UnitListPath,
            words.UnitPath,
            words.UnitText,
            words.UnitWord,
        ),
    ),
    Language(
        ".sh.j2",
        (
            words.ArchiveGlob,
            words.ArchiveName,
            words.ArchiveStart,
            words.BorgUrl,
            words.Comment,
            words.ShellPattern,
            words.ShellWord,
        ),
    ),
    Language(".authorized_keys.j2", (words.Comment, words.KeyOption, words.PublicKey)),
    Language(".sshconfig.j2", (words.Comment, words.ConfigToken, words.SshConfigValue)),
    Language(".known_hosts.j2", (words.Comment, words.KnownHost, words.PublicKey)),
    Language(".sysusers.j2", (words.Comment, words.ConfigToken, words.SysusersField)),
    Language(".tmpfiles.j2", (words.Comment, words.ConfigToken, words.TmpfilesField)),
    Language(".xml.j2", (words.XmlAttribute, words.XmlComment, words.XmlText)),
    Language(".apparmor.j2", (words.AppArmorFolder, words.Comment)),
    Language(".patterns.j2", (words.BorgPattern, words.Comment)),
    Language(".md.j2", (words.MarkdownCode, words.MarkdownCommand, words.MarkdownLine, words.MarkdownText)),
    Language(
        ".html.j2",
        (words.HtmlAttribute, words.HtmlText, words.HtmlTokens, words.SvgNumber, words.SvgPath),
        markup=True,
    ),
)
"""All target languages. JSON and YAML are not among them: they are serialised."""


def language_of(template: str) -> Language:
    """Give the language of a template by its suffix; a name without a known one is a `LookupError`."""
    found = next((language for language in LANGUAGES if template.endswith(language.suffix)), None)
    if found is None:
        message = f"{template}: no target language has this suffix"
        raise LookupError(message)
    return found


def render(plan: Plan) -> tuple[Tree, Diagnostics]:
    """Give the tree of the plan, files sorted by path; two files at one path are BS590.

    The same plan gives the same bytes. Reads the templates once and nothing else.
    """
    found: list[Diagnostic] = []
    files: dict[str, File] = {}
    for planned in plan.files:
        earlier = files.get(planned.path)
        if earlier is None:
            files[planned.path] = File(
                planned.path, planned.mode, planned.owner, text_of(planned), planned.origin, planned.span
            )
        else:
            message = f"two files would be written to `{planned.path}`"
            related = (Related(f"first planned for `{earlier.origin}`", earlier.span),)
            found.append(diagnose("BS590", message, planned.span, where=planned.origin, related=related))
    return Tree(tuple(files[path] for path in sorted(files)), plan.hosts, plan.facts), tuple(found)


def text_of(planned: PlannedFile) -> str:
    """Give the text of one file: its template filled in from its view, or the view itself if that is text already."""
    if not planned.template:
        if not isinstance(planned.view, str):
            message = (
                f"{planned.path}: without a template the view is the text itself, not {type(planned.view).__name__}"
            )
            raise Untyped(message)
        return planned.view
    return fill(planned.template, planned.view)


def fill(template: str, view: object) -> str:
    """Fill in one template of the data folder; the fields of `view`, a dataclass, are the names that it may use."""
    if not is_dataclass(view) or isinstance(view, type):
        message = f"{template}: a view is a dataclass, not {type(view).__name__}"
        raise Untyped(message)
    variables = {field.name: getattr(view, field.name) for field in fields(view)}
    return _environment(language_of(template)).get_template(template).render(variables)


@functools.cache
def _environment(language: Language) -> Environment:
    return environment(language, functools.partial(_source, language))


def _source(language: Language, name: str) -> str | None:
    """Read a template of this language; others do not exist for it, so that no include can cross over."""
    path = data_folder("templates") / posixpath.normpath(name)
    return path.read_text(encoding="utf-8") if name.endswith(language.suffix) and path.is_file() else None


def environment(language: Language, source: Callable[[str], str | None]) -> Environment:
    """Make the environment of a language; `source` gives a template's text by its name, or None."""
    made = Environment(
        loader=FunctionLoader(source),
        undefined=StrictUndefined,
        finalize=functools.partial(_finalize, language),
        autoescape=language.markup,  # noqa: S701 - on for HTML; `_finalize` refuses every string in all languages
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        auto_reload=False,
    )
    made.globals.clear()
    made.filters.clear()
    made.tests.clear()
    made.tests["none"] = TESTS["none"]
    return made


def _finalize(language: Language, value: object) -> object:
    """Let a value through whose exact type the language accepts.

    Exact, because a subclass could write anything; and a bool is an int.
    """
    if type(value) is int or type(value) in language.accepts:
        return value
    message = f"a template *{language.suffix} cannot print {type(value).__name__}: {value!r}"
    raise Untyped(message)
