"""Knows the files that rsync leaves behind when it is killed in the middle of one."""

from __future__ import annotations

import re
import stat

from backupspec.catalogue import diagnose
from backupspec.diagnostic import Diagnostic, Span
from backupspec_migrate.figures import listed
from backupspec_migrate.plan import Import
from backupspec_migrate.view import View

_LEFTOVER = re.compile(r"\..+\.([A-Za-z0-9]{6})", re.DOTALL)
# What people and programs write after the last dot: `.env.sample`, `.profile.BACKUP`, `.dump.202401`, `.list.sha256`.
# Chance gives such six characters to one temporary file in sixty.
_WORD = re.compile(r"[A-Z]?[a-z]{5,6}|[A-Z]{6}|[0-9]{6}|sha(?:256|384|512)")


def is_rsync_leftover(name: str) -> bool:
    """Tell whether a file's name is one that rsync gives to a file it is still receiving: `.NAME.XXXXXX`.

    Names that end in a word or a number (`.env.sample`) are not counted, although chance can make them.
    """
    found = _LEFTOVER.fullmatch(name)
    return found is not None and _WORD.fullmatch(found[1]) is None


def is_left_by_the_run(view: View, location: str, before: str | None) -> bool:
    """Tell whether what is called like such a file is one, and was not there in the snapshot before.

    A file that stays was decided about when it was new: programs give such names to files of their own, too. `before`
    is where it would lie in the snapshot before, None if there is none.
    """
    try:
        state = view.stat(location)
        return state is not None and stat.S_ISREG(state.st_mode) and (before is None or view.stat(before) is None)
    except OSError:
        return True  # whoever decides has to look


def nobody_decided(one: Import, left: list[str]) -> Diagnostic:
    """Say that a snapshot with such files waits for a decision; `left` are their paths on the host."""
    paths = listed([f"/{path}" for path in left])
    message = f"{one.slot} is doubtful: rsync was killed while it filled {one.host}, and left {paths}"
    hint = (
        "look at it, then add `accept: WHY` to its line under `snapshots` in the plan, or move it from `archives` to "
        "`skip` there"
    )
    place = Span(f"{one.identity.source}/{one.slot}", 1, 1, 1, 1)
    return diagnose("BS612", message, place, hint=hint, where=one.archive)
