"""How findings reach whoever asked: in one of the forms of `show`, each file under the name by which he finds it."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from rich.text import Text

from backupspec import __version__, show
from backupspec.diagnostic import Diagnostics, Span
from backupspec.pipeline import Compiled

FORMATS = ("text", "json", "github", "sarif")


def rendered(run: Compiled, found: Diagnostics, form: str) -> Text:
    """Give findings in one of FORMATS; only text has colours.

    Paths are as the inventory was named. GitHub's annotations want them relative to the checkout: to GITHUB_WORKSPACE,
    or else to the current folder, where a file lies below it.
    """
    names = {source.name: str(run.folder / source.name) for source in run.sources}

    def placed(span: Span) -> Span:
        name = names.get(span.file, span.file)
        return replace(span, file=_relative(name) if form == "github" else name)

    moved = tuple(
        replace(
            each,
            span=placed(each.span),
            related=tuple(replace(other, span=placed(other.span)) for other in each.related),
        )
        for each in found
    )
    match form:
        case "json":
            return Text(show.as_json(moved))
        case "github":
            return Text(show.as_github(moved))
        case "sarif":
            return Text(show.as_sarif(moved, version=__version__))
        case _:
            return show.as_text(moved, tuple(replace(source, name=names[source.name]) for source in run.sources))


def _relative(name: str) -> str:
    """Give a path relative to the checkout; one that lies elsewhere stays as it is."""
    path, top = Path(name).resolve(), Path(os.environ.get("GITHUB_WORKSPACE") or ".").resolve()
    return str(path.relative_to(top)) if path.is_relative_to(top) else name
