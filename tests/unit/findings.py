"""What the tests of the front stages share: an input and its findings, both as text."""

from __future__ import annotations

import textwrap
from pathlib import Path

from backupspec.check import check
from backupspec.diagnostic import Diagnostics
from backupspec.document import Document
from backupspec.parse import parse
from backupspec.read import read
from backupspec.show import as_text
from backupspec.source import Source


def written(text: str) -> str:
    """Give a test's indented text as the file that it stands for."""
    return textwrap.dedent(text).removeprefix("\n")


def expected(text: str) -> str:
    """Give a test's indented text as what a user is expected to see."""
    return written(text).removesuffix("\n")


def parsed(text: str, name: str = "inventory.yaml") -> str:
    """Give what a user sees after parsing a text, without the empty line and the summary at the end."""
    source = Source(name, written(text))
    return _shown(parse(source)[1], (source,))


def checked(text: str) -> str:
    """Give what a user sees after parsing and checking a text."""
    source = Source("inventory.yaml", written(text))
    root, found = parse(source)
    assert root is not None
    assert not found
    return _shown(check(Document(root)), (source,))


def read_from(folder: Path, files: dict[str, str | bytes], path: str = "") -> str:
    """Write files into a folder, and give what a user sees after reading the inventory there."""
    for name, content in files.items():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content if isinstance(content, bytes) else written(content).encode())
    reading, found = read(folder / path)
    return _shown(found, reading.sources)


def _shown(found: Diagnostics, sources: tuple[Source, ...]) -> str:
    whole = as_text(found, sources).plain
    return "\n".join(line.rstrip() for line in whole.split("\n")[:-3]) if found else ""
