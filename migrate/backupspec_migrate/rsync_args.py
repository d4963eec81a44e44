"""What rsync was told for one backup line, and what that means for the tree that it wrote."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Transfer:
    """The options that decide how to read the tree.

    `short_args` and `long_args` are rsync's arguments as rsnapshot passes them.
    """

    short_args: str
    long_args: tuple[str, ...]
    relative: bool
    numeric_ids: bool
    one_fs: bool
    hard_links: bool
    acls: bool
    xattrs: bool
    inplace: bool
    fake_super: bool


_SWITCHES = {
    "relative": ("R", "--relative", ("--no-relative", "--no-R")),
    "numeric_ids": ("", "--numeric-ids", ("--no-numeric-ids",)),
    "hard_links": ("H", "--hard-links", ("--no-hard-links", "--no-H")),
    "acls": ("A", "--acls", ("--no-acls", "--no-A")),
    "xattrs": ("X", "--xattrs", ("--no-xattrs", "--no-X")),
    "inplace": ("", "--inplace", ("--no-inplace",)),
    "fake_super": ("", "--fake-super", ()),
}


def transfer(short_args: str, long_args: tuple[str, ...], *, one_fs: bool) -> Transfer:
    """Say what the arguments mean; the last of two that contradict each other counts, as in rsync."""
    short = short_args + ("x" if one_fs else "")
    means = {
        name: _last_word(short, long_args, letter, positive, negatives)
        for name, (letter, positive, negatives) in _SWITCHES.items()
    }
    return Transfer(
        short,
        long_args,
        relative=means["relative"],
        numeric_ids=means["numeric_ids"],
        one_fs="x" in short or "--one-file-system" in long_args,
        hard_links=means["hard_links"],
        acls=means["acls"],
        xattrs=means["xattrs"],
        inplace=means["inplace"],
        fake_super=means["fake_super"],
    )


def _last_word(short: str, long_args: tuple[str, ...], letter: str, positive: str, negatives: tuple[str, ...]) -> bool:
    on = bool(letter) and letter in short
    for argument in long_args:
        bundled = re.fullmatch(r"-\w+", argument) is not None and bool(letter) and letter in argument
        if argument == positive or bundled:
            on = True
        elif argument in negatives:
            on = False
    return on


def split_long_args(text: str) -> tuple[str, ...] | None:
    """Split `rsync_long_args` at white space outside quotes, as rsnapshot does.

    None when quotes are nested or left open.
    """
    words, quote = [""], ""
    for character in text:
        if character in "'\"":
            if quote and quote != character:
                return None
            quote = "" if quote else character
        elif character.isspace() and not quote:
            words.append("")
        else:
            words[-1] += character
    return None if quote else tuple(word for word in words if word)
