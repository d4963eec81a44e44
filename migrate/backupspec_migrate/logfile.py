"""Reads rsnapshot's logfile: which runs there were, whether they came to their end, and what failed in them."""

from __future__ import annotations

import errno
import gzip
import re
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from pathlib import Path
from typing import Literal

from backupspec_migrate.local_time import after_skipped, readings

Outcome = Literal["completed", "warnings", "errors", "unfinished"]


@dataclass(frozen=True, slots=True)
class Step:
    """One thing done to an interval folder: a move or copy to another one, a removal, or the mark of its completion."""

    what: Literal["move", "copy", "remove", "complete"]
    slot: str
    to: str
    when: int


@dataclass(frozen=True, slots=True)
class Run:
    """One run of rsnapshot; times are in seconds since 1970.

    `touched`: when the snapshot was complete (None: the run filled none, or did not come so far). `limit`: the run was
    over by then. `failed` are sources and scripts with what went wrong, `rolled_back` destinations. `removing`: the
    folder that it was removing when it stopped. `root` is the snapshot root, `configuration` the file that `-c` named;
    None where the lines do not tell. `steps` are what was done to interval folders.
    """

    level: str
    started: int
    touched: int | None
    limit: int | None
    outcome: Outcome
    failed: tuple[tuple[str, str], ...]
    partial: tuple[str, ...]
    rolled_back: tuple[str, ...]
    removing: str | None
    root: str | None = None
    configuration: str | None = None
    steps: tuple[Step, ...] = ()


@dataclass(slots=True)
class _Open:
    """A run that has begun."""

    command: str
    started: int
    touched: int | None = None
    limit: int | None = None
    outcome: Outcome = "unfinished"
    failed: list[tuple[str, str]] = field(default_factory=list)
    partial: list[str] = field(default_factory=list)
    rolled_back: list[str] = field(default_factory=list)
    removing: str | None = None
    root: str | None = None
    steps: list[Step] = field(default_factory=list)

    def closed(self) -> Run:
        level, configuration = _words(self.command)
        return Run(
            level,
            self.started,
            self.touched,
            self.limit,
            self.outcome,
            tuple(self.failed),
            tuple(self.partial),
            tuple(self.rolled_back),
            self.removing,
            self.root,
            configuration,
            tuple(self.steps),
        )


def log_files(path: Path) -> tuple[Path, ...]:
    """Give a logfile with what logrotate made of it (`.1`, `.2.gz`, `-20240131`), the oldest first."""
    numbered, dated = [], []
    for other in path.parent.iterdir() if path.parent.is_dir() else ():
        rest = other.name.removeprefix(path.name)
        if not other.name.startswith(path.name) or not other.is_file():
            continue
        if match := re.fullmatch(r"\.([0-9]+)(\.gz)?", rest):
            numbered.append((-int(match[1]), other))
        elif match := re.fullmatch(r"[-.]([0-9]{8}(?:-[0-9]+)?)(\.gz)?", rest):
            dated.append((match[1], other))
    older = [other for _, other in sorted(numbered)] or [other for _, other in sorted(dated)]
    return (*older, *([path] if path.is_file() else []))


def read_log(files: Iterable[Path], zone: tzinfo | None) -> tuple[Run, ...]:
    """Give the runs, the oldest first; what is no line of rsnapshot's is passed over. OSError when one cannot be read.

    The times are local ones: `zone` None is the machine's own. In the hour that clocks show twice the order of the
    lines decides.
    """
    done: list[_Open] = []
    running: list[_Open] = []
    for when, text in _entries(files, zone):
        _take(when, text, running, done)
    return tuple(one.closed() for one in sorted((*done, *running), key=lambda one: one.started))


_NEVER_BEGAN = re.compile(r"ERROR: (?:Stale lockfile|Lockfile \S+ exists|Did not find .*, refusing to rotate)")
_LINE = re.compile(r"\[([^\]]{19,20})\] (.*)", re.DOTALL)
# With a high loglevel a logfile has all that rsync prints, a line for each file.
_TELLING = re.compile(
    r": started$|: completed|[Ll]ockfile|^touch /|^mv |^mkdir |^/\S* |native_cp_al|rm -rf |returned \d|"
    r"Rolling back|Some files|refusing to rotate"
)


def _entries(files: Iterable[Path], zone: tzinfo | None) -> Iterator[tuple[int, str]]:
    before = 0
    for path in files:
        for line in _content(path).decode("utf-8", "surrogateescape").split("\n"):
            match = _LINE.match(line)
            shown = _shown(match[1]) if match is not None and _TELLING.search(match[2]) else None
            if match is None or shown is None:
                continue
            meant = readings(shown, zone) or (after_skipped(shown, zone),)
            before = next((one for one in meant if one >= before), meant[-1])
            yield before, match[2]


def _content(path: Path) -> bytes:
    raw = path.read_bytes()
    if path.suffix != ".gz":
        return raw
    try:
        return gzip.decompress(raw)
    except (OSError, EOFError, zlib.error) as error:  # the first has neither a number nor a name
        raise OSError(errno.EIO, str(error), str(path)) from error


def _shown(text: str) -> datetime | None:
    try:
        # Until 1.3 the logfile had the form of web servers.
        if "/" in text:
            return datetime.strptime(text, "%d/%b/%Y:%H:%M:%S")  # noqa: DTZ007 - a clock's reading
        return datetime.fromisoformat(text).replace(tzinfo=None)
    except ValueError:
        return None


def _take(when: int, text: str, running: list[_Open], done: list[_Open]) -> None:
    if text.endswith(": started"):
        running.append(_Open(text.removesuffix(": started"), when))
        return
    if match := re.search(
        r"(?:^|ERROR: |WARNING: )(\S.*): completed(?: successfully|, but with (?:some|no) (\w+))", text
    ):
        _end(match[1], match[2], when, running, done)
        return
    if not running:
        return
    one = running[-1]
    if "exists and so does its process" in text or _NEVER_BEGAN.search(text):
        # Another one was at work, or it was told to stop, or (from 1.5 on) there was nothing yet to take over.
        running.pop()
        return
    _note(when, text, one)


def _end(command: str, how: str | None, when: int, running: list[_Open], done: list[_Open]) -> None:
    command = command.removeprefix("ERROR: ").removeprefix("WARNING: ")
    for index in range(len(running) - 1, -1, -1):
        if command.endswith(running[index].command):
            one = running.pop(index)
            one.limit = when
            one.outcome = "completed" if how is None else "warnings" if how == "warnings" else "errors"
            one.removing = None
            done.append(one)
            return


def _note(when: int, text: str, one: _Open) -> None:
    if match := re.search(r"(returned \d+) while processing (.+)$", text):
        one.failed.append((match[2].rstrip(), f"rsync {match[1]}"))
    elif match := re.search(r"backup_script (.+) (returned \d+)$", text):
        one.failed.append((match[1], match[2]))
    elif match := re.search(r"Some files and/or directories in (.+) (?:only transferred partially|vanished)", text):
        one.partial.append(match[1])
    elif match := re.search(r'Rolling back "(.*)"', text):
        one.rolled_back.append(match[1])
    else:
        _step(when, text, one)


_SLOT = r"(\w+\.[0-9]+|\.sync|_delete\.[0-9]+)/?"
_STEPS: tuple[tuple[Literal["move", "copy", "remove", "complete"], str], ...] = (
    ("complete", rf"touch (/.*)/{_SLOT}"),
    ("move", rf"mv\s+(/.*)/{_SLOT}\s+/.*/{_SLOT}"),
    ("copy", rf"/\S*cp -al (/.*)/{_SLOT} /.*/{_SLOT}"),
    ("copy", rf'native_cp_al\("(/.*)/{_SLOT}", "/.*/{_SLOT}"\)'),
    ("remove", rf"\S*rm -rf (/.*)/{_SLOT}"),
)


def _step(when: int, text: str, one: _Open) -> None:
    """Take a line for what it did to an interval folder; any later command means that a removal is over."""
    for what, pattern in _STEPS:
        match = re.fullmatch(pattern, text.rstrip())
        if match is None or match[1] != (one.root or match[1]):
            continue
        to = match[3] if what in {"move", "copy"} else ""
        one.root = match[1]
        one.steps.append(Step(what, match[2], to, when))
        one.removing = match[2] if what == "remove" else None
        one.touched = when if what == "complete" else one.touched
        return
    if match := re.fullmatch(rf"mkdir -m 0755 -p (/.*)/{_SLOT}", text.rstrip()):
        one.root = match[1]
    if re.match(r"(?:mkdir |/\S*(?:cp|rsync) |native_cp_al)", text):
        one.removing = None


def _words(command: str) -> tuple[str, str | None]:
    """Give the first word after the options and the file of `-c`: `rsnapshot -c FILE daily` is of level daily."""
    words = iter(command.split()[1:])
    configuration = None
    for word in words:
        if not word.startswith("-"):
            return word, configuration
        if word.endswith("c"):
            configuration = next(words, None)
    return "", configuration


def runs_of_tree(runs: tuple[Run, ...], root: str, configuration: str) -> tuple[Run, ...]:
    """Leave out the runs of other trees, since several configurations often share one logfile.

    A tree that was moved is known by being the only one that the logfile speaks of.
    """
    roots = {run.root for run in runs if run.root is not None}
    mine = root if root in roots else next(iter(roots)) if len(roots) == 1 else None
    return tuple(
        run
        for run in runs
        if (run.root == mine if run.root is not None else run.configuration in {None, configuration})
    )


def replayed(runs: tuple[Run, ...]) -> dict[str, int]:
    """Give the time of each interval folder that the steps of all runs, one after the other, come to."""
    times: dict[str, int] = {}
    for step in (step for run in runs for step in run.steps):
        if step.what == "complete":
            times[step.slot] = step.when
        elif step.what == "copy":
            if step.slot in times:
                times[step.to] = times[step.slot]
        elif (when := times.pop(step.slot, None)) is not None and step.what == "move":
            times[step.to] = when
    return times
