"""Any other command: what it writes is the dump, and another one reads it again."""

from __future__ import annotations

from dataclasses import dataclass

from backupspec.database import Command
from backupspec.fleet import DatabaseJob
from backupspec.plan.kinds.recipe import Recipe, Script, note, title
from backupspec.words import Comment, ShellWord

JOBS = "backupspec"
"""The account of the jobs."""


@dataclass(frozen=True, slots=True)
class View:
    """The view of the templates of a command: its words, and who runs it in a restore."""

    title: Comment
    notice: Comment
    words: tuple[ShellWord, ...]
    account: ShellWord


def recipe(job: DatabaseJob, kind: Command) -> Recipe:
    """Give the recipe. What a command needs is not known, so the filters of addresses and devices are not for it."""

    def view(text: str, words: tuple[str, ...]) -> View:
        return View(
            title=title(job, text),
            notice=note(job),
            words=tuple(ShellWord(word) for word in words),
            account=ShellWord(kind.account or JOBS),
        )

    scripts = [
        Script("names", "databases/command/names", view("Name what a command dumps", ())),
        Script("dump", "databases/command/dump", view("Dump what a command writes", kind.dump)),
    ]
    if kind.load:
        scripts.append(Script("load", "databases/command/load", view("Give a dump to a command", kind.load)))
    return Recipe(
        scripts=tuple(scripts),
        special=(".all",),
        aside="what the command has done",
        writer=None if kind.account in {None, JOBS} else kind.account,
        anything=True,
        peeks=True,
        renames=False,
    )
