"""The text of one file of the inventory, and the rule that says which characters a source may hold."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from backupspec.catalogue import diagnose
from backupspec.diagnostic import Diagnostic, Diagnostics, Span

# libyaml ends a line (and so a comment) at NEL, U+2028 and U+2029, where editors and diffs show nothing; bidirectional
# controls make a reviewer see another order than the compiler reads; the rest cannot be seen at all.
_UNFIT = "\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff\ufffe\uffff\ud800-\udfff"
_UNFIT_IN_SOURCE = re.compile(f"[{_UNFIT}]")
_UNFIT_IN_VALUE = re.compile(f"[{_UNFIT}\t\n]")
_KEY_TEXT = re.compile(r"(?:ssh|ecdsa|sk)-[^\s/]+\s")
# A private key begins with its frame, with OpenSSH's magic, or with the DER of PKCS #1, SEC 1 or PKCS #8.
_PRIVATE = re.compile(
    r"PRIVATE KEY|PuTTY-User-Key-File|b3BlbnNzaC1rZXk"
    r"|(?<![A-Za-z0-9+=])(?:MII[A-P].[AQgw]IBA|MI[EFGH].AgE[AB]|M[A-P].CAQ[AE]|MI[A-Za-z0-9+/]{2,8}(?:BgkqhkiG9w0BBQ|GCSqGSIb3DQEF))"
    r"[A-Za-z0-9+/]{16}"
)
_BLOB = re.compile(r"(?!AAAA|/)(?=.*[a-z])(?=.*[A-Z])(?=.*[0-9])[A-Za-z0-9+/]{40,}={0,2}")
_BASE64 = re.compile(r"[A-Za-z0-9+/]+={0,2}")
# Keys that a passphrase may stand at, with the values that are none.
_PASSPHRASE = re.compile(
    r"""(?i)(?:^|[\s{,"'])(?P<key>[\w-]*(?:phrase|pass?[hpw])[\w-]*|credential|secret|pass|pw)["']?\s*:(?=\s|$)\s*"""
)
_NO_PASSPHRASE = re.compile(r"""(?:per-host|\{\s*["']?credential\b.*)(?=[\s"',}#]|$)|$""")
_CREDENTIAL = re.compile(r"""["']?[a-z0-9][a-z0-9.-]*["']?\s*(?=[,}#]|$)|$""")
_MOST_SHOWN = 20
_LONGEST_SHOWN = 60


@dataclass(frozen=True, slots=True)
class Source:
    """One file as text, lines ended by a line feed; `name` is relative to the inventory's root folder, with `/`."""

    name: str
    text: str


Sources = tuple[Source, ...]


def check_characters(source: Source) -> Diagnostics:
    """Refuse every character that a reviewer could not see, each with its place (the first twenty of a file)."""
    found: list[Diagnostic] = []
    for match in _UNFIT_IN_SOURCE.finditer(source.text):
        if len(found) == _MOST_SHOWN:
            break
        line = source.text.count("\n", 0, match.start()) + 1
        column = match.start() - source.text.rfind("\n", 0, match.start())
        found.append(
            diagnose(
                "BS006",
                f"the character {character_name(match.group())} is not allowed here",
                Span(source.name, line, column, line, column + 1),
                hint=_way_out(match.group()),
            )
        )
    return tuple(found)


def unfit_character(value: str) -> str | None:
    """Give the first character that no value may hold (any control character, line breaks and tabs too), or None."""
    match = _UNFIT_IN_VALUE.search(value)
    return None if match is None else match.group()


def character_name(character: str) -> str:
    """Name a character so that it can be looked up: `U+2028 (line separator)`."""
    name = _CONTROL_NAMES.get(character) or unicodedata.name(character, "control character").lower()
    return f"U+{ord(character):04X} ({name})"


def shortened(text: str) -> str:
    """Give a text as it may stand in a message: its first sixty characters at most, nothing of what may be a key."""
    if is_secret(text):
        return "…"
    return text if len(text) <= _LONGEST_SHOWN else text[: _LONGEST_SHOWN - 1] + "…"


def holds_private_key(text: str) -> bool:
    """Tell whether a text holds a private key, with its frame or without."""
    return _PRIVATE.search(text) is not None


def is_secret(text: str) -> bool:
    """Tell whether a text must not be repeated: a private key, or so much base64 that it may be a part of one."""
    return holds_private_key(text) or any(_BLOB.fullmatch(word.strip("\"'")) for word in text.split())


def names_key_file(value: str) -> bool:
    """Tell whether the value of `ssh_key` or `host_key` names a file, rather than being the key itself."""
    return (
        bool(value)
        and not _KEY_TEXT.match(value)
        and "\n" not in value
        and "-----BEGIN" not in value
        and not is_secret(value)
    )


def shown_lines(text: str) -> list[str]:
    """Give the lines of a file as they may be shown: empty where a private key is, cut where a passphrase is."""
    shown: list[str] = []
    hidden = False  # the line before belongs to a private key
    deeper: int | None = None  # a value that is left out goes on while lines are indented by more than this
    for line in text.split("\n"):
        bare = line.strip()
        indent = len(line) - len(line.lstrip())
        if deeper is not None and bare and indent <= deeper:
            deeper = None
        hidden = is_secret(line) or (hidden and _BASE64.fullmatch(bare) is not None)
        if hidden or not bare or (deeper is not None and not bare.lstrip("\"'{").startswith("credential")):
            shown.append("")
            continue
        cut = None
        for found in _PASSPHRASE.finditer(line):
            value = line[found.end() :]
            if not value or value[0] in "|>#":
                deeper = indent
            if cut is None and not _is_harmless(found["key"], value.strip("\"'")):
                cut = found.end()
        shown.append(line if cut is None else line[:cut] + "…")
    return shown


def _is_harmless(key: str, value: str) -> bool:
    """Tell whether the rest of a line, after a key that a passphrase may stand at, is surely none."""
    if key == "credential":
        return _CREDENTIAL.match(value) is not None
    return _NO_PASSPHRASE.match(value) is not None or (key != "passphrase" and value.startswith("{"))


def _way_out(character: str) -> str:
    if character == "\r":
        return "end lines with a line feed, or with carriage return and line feed; not with a carriage return alone"
    if character == "\ufeff":
        return "save the file as UTF-8 without a byte order mark"
    return "delete it; an editor that shows invisible characters helps to find it"


_CONTROL_NAMES = {
    "\x00": "null",
    "\x07": "bell",
    "\x08": "backspace",
    "\t": "tab",
    "\n": "line feed",
    "\r": "carriage return",
    "\x1b": "escape",
    "\x7f": "delete",
    "\x85": "next line",
    "\ufeff": "byte order mark",
}
