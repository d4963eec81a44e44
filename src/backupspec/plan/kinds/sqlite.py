"""SQLite: a copy of each file that SQLite itself makes, as the account that owns the file."""

from __future__ import annotations

from dataclasses import dataclass

from backupspec.database import SQLite
from backupspec.fleet import DatabaseJob
from backupspec.plan.kinds.recipe import ENCODING, Encoding, Question, Recipe, Script, note, questions, title
from backupspec.words import Comment, ShellWord

LONGEST_WAIT = 2**31 - 1
"""Milliseconds that SQLite can wait for a lock (sqlite3_busy_timeout takes an int)."""


@dataclass(frozen=True, slots=True)
class View:
    """The view of the templates of SQLite."""

    title: Comment
    notice: Comment
    names: tuple[ShellWord, ...]
    lock_wait: int  # milliseconds
    questions: tuple[Question, ...]
    encoding: Encoding = ENCODING


def recipe(job: DatabaseJob, kind: SQLite) -> Recipe:
    """Give the recipe."""

    def view(text: str) -> View:
        return View(
            title=title(job, text),
            notice=note(job),
            names=tuple(ShellWord(f"={file}") for file in kind.files),
            lock_wait=min(kind.lock_wait * 1000, LONGEST_WAIT),
            questions=questions(job),
        )

    scripts = [
        Script("names", "databases/sqlite/names", view("Name the SQLite files")),
        Script("dump", "databases/sqlite/dump", view("Copy one SQLite file while its program goes on")),
        Script("load", "databases/sqlite/load", view("Make a SQLite file from a dump")),
    ]
    if job.drill is not None:
        scripts.append(Script("scratch", "databases/sqlite/scratch", view("Judge copies of SQLite files and ask them")))
    return Recipe(
        scripts=tuple(scripts),
        aside="the file of the same name with .backupspec-aside behind it",
        tools=(("setpriv", "util-linux"), ("sqlite3", "sqlite3")),
        writer="owner",
        restores=tuple(sorted({file.rsplit("/", 1)[0] or "/" for file in kind.files})),
        named_by_path=True,
        offline=True,
    )
