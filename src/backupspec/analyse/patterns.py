"""What an exclude pattern can match, decided on the pattern and the path alone.

A pattern is shell style (borg's `sh:`): `*`, `?` and `[…]` stay within one component, `**/` stands for any number of
them, and what matches a folder also matches all that is below it.
"""

from __future__ import annotations

import fnmatch


def below(path: str, folder: str) -> bool:
    """Tell whether `path` is `folder` itself or lies below it; both absolute and normal."""
    return path == folder or path.startswith(folder.rstrip("/") + "/")


def covers(pattern: str, path: str) -> bool:
    """Tell whether the pattern matches the path or a folder above it."""
    return _walk(_parts(pattern), _parts(path))[0]


def reaches(pattern: str, folder: str) -> bool:
    """Tell whether the pattern can match the folder, something above it, or something below it."""
    done, alive = _walk(_parts(pattern), _parts(folder))
    return done or alive


def _parts(path: str) -> tuple[str, ...]:
    return tuple(part for part in path.split("/") if part)


def _walk(pattern: tuple[str, ...], path: tuple[str, ...]) -> tuple[bool, bool]:
    """Follow the path through the pattern: tell if the end was reached on the way, and if it can go on."""
    end = len(pattern)
    states = _rest(pattern, {0})
    for part in path:
        if end in states:
            return True, False
        following = {state for state in states if pattern[state] == "**"}
        following |= {
            state + 1 for state in states if pattern[state] != "**" and fnmatch.fnmatchcase(part, pattern[state])
        }
        states = _rest(pattern, following)
    return end in states, bool(states)


def _rest(pattern: tuple[str, ...], states: set[int]) -> set[int]:
    """Add the states that are reached without a component: `**` may stand for none, but for the last."""
    found = set(states)
    for state in sorted(states):
        here = state
        while here < len(pattern) - 1 and pattern[here] == "**":
            here += 1
            found.add(here)
    return found
