"""What an exclude pattern can match, decided on the pattern and the path alone.

A pattern is shell style as borg reads `sh:` (borg help patterns): `?`, `*` and `[…]` match no `/`, `**/` matches any
number of folders, and what matches a folder also matches all that is below it.
"""

from __future__ import annotations

import fnmatch
import re

_TOKEN = re.compile(r"\*\*/|\*|\[!?\]?[^\]]*\]|.", re.DOTALL)
_ANY_FOLDERS = "**/"
_BELOW = "/**/*"

_State = tuple[int, bool]
"""A place in the tokens, and whether it is inside a folder's name that `**/` has begun to match."""


def below(path: str, folder: str) -> bool:
    """Tell whether `path` is `folder` itself or lies below it; both absolute and normal."""
    return path == folder or path.startswith(folder.rstrip("/") + "/")


def covers(pattern: str, path: str) -> bool:
    """Tell whether the pattern matches the path or a folder above it."""
    tokens = _tokens(pattern)
    return (len(tokens), False) in _follow(tokens, path.strip("/") + "/")


def reaches(pattern: str, folder: str) -> bool:
    """Tell whether the pattern can match the folder, something above it, or something below it."""
    inside = folder.strip("/")
    return bool(_follow(_tokens(pattern), f"{inside}/" if inside else ""))


def _tokens(pattern: str) -> tuple[str, ...]:
    return tuple(_TOKEN.findall(pattern.strip("/") + _BELOW))


def _follow(tokens: tuple[str, ...], text: str) -> frozenset[_State]:
    """Give the states in which the pattern can be after the text."""
    states = _free(tokens, {(0, False)})
    for character in text:
        states = _free(tokens, {found for state in states for found in _step(tokens, state, character)})
    return frozenset(states)


def _step(tokens: tuple[str, ...], state: _State, character: str) -> tuple[_State, ...]:
    place, _ = state
    if place == len(tokens):
        return ()
    token = tokens[place]
    if token == _ANY_FOLDERS:
        return ((place, character != "/"),)
    if token == "*":  # noqa: S105 - a token of a pattern
        return (state,) if character != "/" else ()
    if len(token) > 1 or token == "?":  # noqa: S105 - the same
        return ((place + 1, False),) if character != "/" and fnmatch.fnmatchcase(character, token) else ()
    return ((place + 1, False),) if character == token else ()


def _free(tokens: tuple[str, ...], states: set[_State]) -> set[_State]:
    """Add the states that are reached without a character: `*` and `**/` may stand for nothing."""
    found = set(states)
    for place, inside in states:
        here = place
        while not inside and here < len(tokens) and tokens[here] in {"*", _ANY_FOLDERS}:
            here += 1
            found.add((here, False))
    return found
