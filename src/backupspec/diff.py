"""What a compile would change: files, and what the change means for the backups."""

from __future__ import annotations

import difflib
import enum
from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass

from backupspec.catalogue import diagnose
from backupspec.diagnostic import Diagnostics, Span
from backupspec.manifest import NAME, host_of
from backupspec.meaning import Meaning, meanings
from backupspec.tree import File, Tree


class Kind(enum.StrEnum):
    """What happens to a file."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"


class Style(enum.Enum):
    """What a line of the rendering is, for whoever gives it a colour."""

    HEADING = enum.auto()
    MEANING = enum.auto()
    LOSS = enum.auto()
    FILE = enum.auto()
    PLACE = enum.auto()
    MINUS = enum.auto()
    PLUS = enum.auto()
    CONTEXT = enum.auto()


@dataclass(frozen=True, slots=True)
class FileChange:
    """One file that differs; `old` is None when it is added, `new` when it is removed."""

    path: str
    old: File | None
    new: File | None

    @property
    def kind(self) -> Kind:
        """Tell what happens to the file."""
        if self.old is None:
            return Kind.ADDED
        return Kind.REMOVED if self.new is None else Kind.CHANGED

    @property
    def host(self) -> str | None:
        """Name the host whose tree it belongs to, or None for a common file."""
        return host_of(self.path)


@dataclass(frozen=True, slots=True)
class Changes:
    """All differences between two trees: files sorted by path, meanings by host."""

    files: tuple[FileChange, ...] = ()
    meanings: tuple[Meaning, ...] = ()

    def of(self, hosts: Container[str | None]) -> Changes:
        """Give only those of some hosts."""
        return Changes(
            tuple(change for change in self.files if change.host in hosts),
            tuple(meaning for meaning in self.meanings if meaning.host in hosts),
        )

    def by_host(self) -> dict[str | None, list[FileChange]]:
        """Give the changed files of each host that has some, the common ones under None."""
        found: dict[str | None, list[FileChange]] = {}
        for change in self.files:
            found.setdefault(change.host, []).append(change)
        return found


def diff(old: Tree, new: Tree) -> Changes:
    """Compare two trees by path, text, mode and owner; places in the inventory do not count."""
    before = {file.path: file for file in old.files}
    after = {file.path: file for file in new.files}
    changed = tuple(
        FileChange(path, before.get(path), after.get(path))
        for path in sorted({*before, *after})
        if not _same(before.get(path), after.get(path))
    )
    return Changes(changed, tuple(meanings(old, new)))


def findings(vanished: tuple[str, ...], appeared: tuple[str, ...], place: Span) -> Diagnostics:
    """Warn of each host that just vanishes: nothing would ever stop its timers.

    `place` is where the inventory lists its hosts. One that appears while one vanishes is most likely the same machine.
    """
    new = appeared[0] if len(appeared) == len(vanished) == 1 else None
    return tuple(
        diagnose(
            "BS510",
            f"{host} vanishes: it was compiled before and the inventory does not name it any more",
            place,
            hint=f"renamed? say `formerly: [{host}]` in {new or 'its new entry'}, which keeps its history; given up? "
            f"add it to `retired: [{host}]`, compile and apply once: its timers stop, its files go",
            where=f"hosts.{host}",
        )
        for host in vanished
    )


def style(meaning: Meaning) -> Style:
    """Tell how a line that says it is shown."""
    return Style.LOSS if meaning.loss else Style.MEANING


def lines(changes: Changes, *, texts: bool = True) -> Iterator[tuple[Style, str]]:
    """Give the changes as lines of text, host by host, common files last; meanings first, then unified diffs.

    Without `texts` there are no unified diffs.
    """
    files = changes.by_host()
    said: dict[str | None, list[Meaning]] = {}
    for meaning in changes.meanings:
        said.setdefault(meaning.host, []).append(meaning)
    for host in sorted({*files, *said}, key=lambda host: (host is None, host or "")):
        yield Style.HEADING, f"{host or 'all hosts'}: {counted(files.get(host, ()))}"
        for meaning in said.get(host, ()):
            yield style(meaning), f"  {meaning.text}"
        for change in files.get(host, ()) if texts else ():
            yield from _unified(change)


def counted(files: Iterable[FileChange]) -> str:
    """Give numbers as people read them: `2 files changed, 1 added`."""
    kinds = [change.kind for change in files]
    numbers = [(kinds.count(kind), kind) for kind in (Kind.CHANGED, Kind.ADDED, Kind.REMOVED)]
    told = [f"{number} {kind}" for number, kind in numbers if number]
    return ", ".join(told) if told else "no file changed"


def _same(old: File | None, new: File | None) -> bool:
    return bool(old and new and (old.text, old.mode, old.owner) == (new.text, new.mode, new.owner))


def _unified(change: FileChange) -> Iterator[tuple[Style, str]]:
    old, new = change.old, change.new
    if change.path == NAME:
        yield Style.FILE, f"    {NAME} is {change.kind} (hashes and summaries of the above)"
        return
    yield Style.FILE, f"--- {change.path if old else '/dev/null'}"
    yield Style.FILE, f"+++ {change.path if new else '/dev/null'}"
    if old and new and old.mode != new.mode:
        yield Style.PLACE, f"mode {old.mode:04o} -> {new.mode:04o}"
    if old and new and old.owner != new.owner:
        yield Style.PLACE, f"owner {old.owner} -> {new.owner}"
    before, after = _lines(old), _lines(new)
    for line in list(difflib.unified_diff(before, after, lineterm="", n=3))[2:]:
        style = {"@": Style.PLACE, "-": Style.MINUS, "+": Style.PLUS}.get(line[0], Style.CONTEXT)
        yield style, line
    if old and new and before == after and old.text != new.text:
        yield Style.PLACE, "the end of the last line differs"


def _lines(file: File | None) -> list[str]:
    """Split at line feeds only: a form feed or U+2028 inside a line is part of that line."""
    if file is None or not file.text:
        return []
    return [_shown(line) for line in file.text.removesuffix("\n").split("\n")]


def _shown(line: str) -> str:
    """Show control characters as escapes, so that a hostile file cannot drive the terminal."""
    return "".join(c if c.isprintable() or c == "\t" else c.encode("unicode_escape").decode() for c in line)
