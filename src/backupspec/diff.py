"""What a compile would change: files, and what the change means for the backups."""

from __future__ import annotations

import difflib
import enum
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from backupspec.catalogue import diagnose
from backupspec.diagnostic import Diagnostics, Span
from backupspec.manifest import NAME, host_of
from backupspec.tree import File, Tree

_BUCKETS = ("forever", "within", "last", "secondly", "minutely", "hourly", "daily", "weekly", "monthly", "yearly")
_HOURS = {"H": 1, "d": 24, "w": 24 * 7, "m": 24 * 31, "y": 24 * 365}


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
class Meaning:
    """One sentence on what a change does to a host's backups; `loss` marks what takes protection away."""

    host: str
    text: str
    loss: bool = False

    @property
    def style(self) -> Style:
        """Tell how a line that says it is shown."""
        return Style.LOSS if self.loss else Style.MEANING


@dataclass(frozen=True, slots=True)
class Changes:
    """All differences between two trees: files sorted by path, meanings by host."""

    files: tuple[FileChange, ...] = ()
    meanings: tuple[Meaning, ...] = ()

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
    return Changes(changed, tuple(_meanings(old, new)))


def findings(vanished: tuple[str, ...], place: Span) -> Diagnostics:
    """Warn of each host that just vanishes: nothing would ever stop its timers.

    `place` is where the inventory lists its hosts.
    """
    return tuple(
        diagnose(
            "BS510",
            f"{host} vanishes: it was compiled before and the inventory does not name it any more",
            place,
            hint=f"add it to `retired: [{host}]`, compile and apply once, so that its timers stop and its files go",
            where=f"hosts.{host}",
        )
        for host in vanished
    )


def lines(changes: Changes) -> Iterator[tuple[Style, str]]:
    """Give the changes as lines of text, host by host, common files last; meanings first, then unified diffs."""
    files = changes.by_host()
    meanings: dict[str | None, list[Meaning]] = {}
    for meaning in changes.meanings:
        meanings.setdefault(meaning.host, []).append(meaning)
    for host in sorted({*files, *meanings}, key=lambda host: (host is None, host or "")):
        yield Style.HEADING, f"{host or 'all hosts'}: {counted(files.get(host, ()))}"
        for meaning in meanings.get(host, ()):
            yield meaning.style, f"  {meaning.text}"
        for change in files.get(host, ()):
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


def _meanings(old: Tree, new: Tree) -> Iterator[Meaning]:
    before, after = dict(old.facts), dict(new.facts)
    for host in sorted({*old.hosts, *new.hosts}):
        if host not in new.hosts:
            yield Meaning(host, "vanishes from the inventory; its timers keep running on the machine", loss=True)
        elif host not in old.hosts:
            yield Meaning(host, "new in the inventory")
        else:
            yield from _of_host(host, _facts(before, host), _facts(after, host))


def _of_host(host: str, before: dict[str, object], after: dict[str, object]) -> Iterator[Meaning]:
    for job in sorted({*before, *after}):
        name = " → ".join(job.split("_"))
        old, new = before.get(job), after.get(job)
        if new is None:
            yield Meaning(host, f"job {name} is given up: no new archives are made", loss=True)
        elif old is None:
            yield Meaning(host, f"job {name} is new")
        elif isinstance(old, dict) and isinstance(new, dict):
            for fact in sorted({*old, *new}):
                if old.get(fact) != new.get(fact):
                    yield _of_fact(host, name, fact, old.get(fact), new.get(fact))
        elif old != new:
            yield _of_fact(host, name, "setting", old, new)


def _of_fact(host: str, job: str, fact: str, old: object, new: object) -> Meaning:
    if fact == "retention" and isinstance(old, dict) and isinstance(new, dict):
        return _of_retention(host, job, old, new)
    if isinstance(old, list) and isinstance(new, list):
        gone = [_told(item) for item in old if item not in new]
        come = [_told(item) for item in new if item not in old]
        parts = [f"without {', '.join(gone)}"] * bool(gone) + [f"with {', '.join(come)}"] * bool(come)
        return Meaning(host, f"{fact} of {job}: now {' and '.join(parts) or 'in another order'}", loss=bool(gone))
    return Meaning(host, f"{fact} of {job}: {_told(old)} → {_told(new)}")


def _of_retention(host: str, job: str, old: dict[str, object], new: dict[str, object]) -> Meaning:
    changed = [bucket for bucket in _BUCKETS if old.get(bucket) != new.get(bucket)]
    shorter = not new.get("forever") and any(_worth(new.get(bucket)) < _worth(old.get(bucket)) for bucket in changed)
    longer = not old.get("forever") and any(_worth(new.get(bucket)) > _worth(old.get(bucket)) for bucket in changed)
    word = "changes" if shorter == longer else "gets shorter" if shorter else "gets longer"
    told = ", ".join(f"{bucket} {_told(old.get(bucket))} → {_told(new.get(bucket))}" for bucket in changed)
    return Meaning(host, f"retention {word} on {host} ({job}): {told}", loss=shorter)


def _facts(facts: dict[str, str], host: str) -> dict[str, object]:
    found: object = json.loads(facts.get(host, "{}"))
    return found if isinstance(found, dict) else {}


def _worth(value: object) -> int:
    """Give how much a bucket keeps: its number, or the hours of `within`."""
    if isinstance(value, int):
        return int(value)
    match = re.fullmatch(r"(\d+)([a-zA-Z])", value) if isinstance(value, str) else None
    return int(match[1]) * _HOURS.get(match[2], 0) if match else 0


def _told(value: object) -> str:
    if value is None:
        return "none"
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True, ensure_ascii=False)
