"""Values that nobody should write into an inventory, and what becomes of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from hypothesis import strategies as st

from backupspec.words import Unrepresentable

Value = TypeVar("Value")

SIGNS = " \t\n\r\0\x01\x7f'\"\\$%{}[]*?!#;&|<>()`~^=+-:,./@éß漢😀\u00a0\u0085\u2028\u202eabnxu20"
NASTY = (
    "plain",
    "two words",
    " leading",
    "trailing ",
    "it's",
    'a "quoted" one',
    "back\\slash",
    "ends with\\",
    "\\x41\\n\\u0041",
    "$HOME ${HOME} $(id) `id`",
    "%h %% %i %n",
    "{hostname} {{now}} {",
    "-leading-dash",
    "--option=value",
    "a;b",
    ";",
    "#comment",
    "*?[a-z]!",
    "~root",
    "Übergröße/漢字/😀",
    "new\nline",
    "car\rriage",
    "tab\there",
    "line\u2028separator",
    "@+!:-x",
    "no\u00a0break\u00a0",
)

texts = st.one_of(
    st.sampled_from(NASTY),
    st.text(st.one_of(st.sampled_from(SIGNS), st.characters(exclude_categories=["Cs"])), max_size=24),
)
paths = texts.map(lambda text: "/" + text)


def accepted(make: Callable[[str], Value], values: list[str]) -> list[tuple[str, Value]]:
    """Give those values that can be made, each with what was made of it."""
    made = []
    for value in dict.fromkeys(values):
        try:
            made.append((value, make(value)))
        except Unrepresentable:
            continue
    return made
