"""The whole text of the findings that a test provokes is what stands in its snapshots: what a user sees, word for word.

What differs from run to run is put into words first: folders that a test gets are `/HERE`, the tests' own process is
`PID`. They stand in the `.ambr` file of the test's file; `make test ARGS=--snapshot-update` writes it anew.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

from syrupy.assertion import SnapshotAssertion

from backupspec.diagnostic import Diagnostic
from backupspec_migrate.commands.said import Said

_FINDING = re.compile(r"(?m)^(?:error|warning|note)\[(BS\d{3})\]: .*(?:\n.+)*")
_EXCERPT = re.compile(r"(?m)^( *\d+ \| )(.*)\n( *\| )( *)(\^+)$")


class Pinned:
    """Compares findings of some codes with what is pinned; `folders` are asked when there is something to compare."""

    def __init__(self, snapshot: SnapshotAssertion, codes: tuple[str, ...], folders: Callable[[], list[Path]]) -> None:
        self._snapshot, self._codes, self._folders = snapshot, codes, folders
        self._seen: defaultdict[str, list[str]] = defaultdict(list)

    def __call__(self, *said: str | Diagnostic) -> None:
        """Take what a command printed, or findings, which are shown as a command shows them.

        A test may see a finding of one code in several forms: each is pinned once. What is said at once is pinned in
        the order of the alphabet, for folders are listed in any order.
        """
        text = "\n".join(each if isinstance(each, str) else _as_a_command_shows(each) for each in said)
        found = [match for match in _FINDING.finditer(text) if match[1] in self._codes]
        assert found, (
            f"nothing of {', '.join(self._codes) or 'a code that elsewhere.py lists for this test'} in: {text}"
        )
        for finding, code in sorted((_in_words(match[0], self._folders()), match[1]) for match in found):
            seen = self._seen[code]
            if finding not in seen:
                seen.append(finding)
                name = code if len(seen) == 1 else f"{code}-{len(seen)}"
                assert finding == self._snapshot(name=name)


def _as_a_command_shows(found: Diagnostic) -> str:
    with contextlib.redirect_stderr(io.StringIO()) as shown:
        Said().all((found,))
    return shown.getvalue()


def _in_words(text: str, folders: list[Path]) -> str:
    # The longest first: one may lie in another.
    for folder in sorted(map(str, folders), key=len, reverse=True):
        text = _replaced(text, folder.lstrip("/"), "HERE")
        text = text.replace(folder.lstrip("/").replace("/", "-"), "HERE")  # as the name of a key's file has it
    return re.sub(rf"\bprocess {os.getpid()}\b", "process PID", text)


def _replaced(text: str, name: str, word: str) -> str:
    """Replace a name by a word, and let the carets stand below what they stood below."""

    def shifted(match: re.Match[str]) -> str:
        number, line, margin, indent, carets = match.groups()
        assert name not in line or "…" not in line, f"{name} is so long that the line does not show whole: {line}"
        before, marked, after = (
            part.replace(name, word)
            for part in (line[: len(indent)], line[len(indent) :][: len(carets)], line[len(indent) + len(carets) :])
        )
        return f"{number}{before}{marked}{after}\n{margin}{' ' * len(before)}{'^' * max(len(marked), 1)}"

    return _EXCERPT.sub(shifted, text).replace(name, word)


def pinned_in(file: Path) -> Iterator[tuple[str, str]]:
    """Give the test and the code of each finding that is pinned for the tests of a file."""
    snapshots = file.parent / "__snapshots__" / f"{file.stem}.ambr"
    if snapshots.exists():
        text = snapshots.read_text(encoding="utf-8")
        yield from re.findall(r"(?m)^# name: (\w+)(?:\[.*\])?\[(BS\d{3})(?:-\d+)?\]$", text)
