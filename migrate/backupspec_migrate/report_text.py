"""Standing -> text for a terminal or a pipe; the same with and without colours."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from rich.cells import cell_len, set_cell_size
from rich.text import Text

from backupspec_migrate.figures import counted, local, shown, size
from backupspec_migrate.standing import CONDITIONS, LOSSES, ArchiveLine, SeriesLine, SkippedLine, Standing, condition
from backupspec_migrate.verdict import remaining, verdict

_NARROWEST = 80
_WIDE = 110
_MOST_PATHS = 10
_GOOD, _BAD, _SOFT = "bold green", "bold red", "dim"
_SIGNS = {"whole": "+", "sample": "~", "no": "?", "changed": "!", "differs": "X", "missing": "X"}


def as_text(standing: Standing, width: int = 80) -> Text:
    """Give the report with no line wider than `width` cells (80 at least) but for names that are longer themselves.

    `.plain` is it without colours: all that colours say is said in words or signs as well.
    """
    lines = _Lines(max(width, _NARROWEST))
    lines.head(standing)
    for series in standing.series:
        lines.series(series, standing.zone)
    lines.folders("Not in the plan, or undecided", (*standing.unplanned, *standing.undecided), standing.zone)
    lines.folders("In the tree, but no snapshots", standing.left_out, standing.zone)
    return lines.whole


@dataclass(slots=True)
class _Lines:
    """A text that grows line by line."""

    width: int
    whole: Text = field(default_factory=lambda: Text(no_wrap=True))

    def add(self, line: str = "", style: str = "") -> None:
        self.whole.append(line, style=style).append("\n")

    def wrapped(self, first: str, text: str, style: str = "") -> None:
        """Add a sentence; `first` stands before it, and the following lines begin below its end."""
        rest = " " * cell_len(first)
        for number, part in enumerate(_broken(text, self.width - len(rest))):
            self.add((rest if number else first) + part, style)

    def head(self, standing: Standing) -> None:
        judged = verdict(standing)
        self.whole.append("Safe to retire the old tree: ", style="bold")
        self.add("yes" if judged.safe else "NO", _GOOD if judged.safe else _BAD)
        for sentence in judged.because:
            self.wrapped("  - ", sentence)
        if judged.remarks:
            self.add()
            self.add("To know before:")
            for sentence in judged.remarks:
                self.wrapped("  - ", sentence)
        self.add()
        self.wrapped("Old tree   ", f"{shown(standing.source)} ({shown(standing.layout)})")
        self.wrapped("Report of  ", local(standing.made_at, standing.zone))
        self.wrapped("Times      ", f"{shown(standing.zone)}; in the names of archives UTC")
        self.wrapped("Made by    ", shown(standing.version))

    def series(self, series: SeriesLine, zone: str) -> None:
        self.add()
        self.wrapped("", f"{shown(series.host)}, {shown(series.job)}", "bold")
        self.wrapped("  ", shown(series.repository), _SOFT)
        if series.retention:
            self.wrapped("  ", f"new retention: {shown(series.retention)}", _SOFT)
        archives = sorted(series.archives, key=lambda line: line.time)
        whole = sum(condition(line) == "whole" for line in archives)
        left = remaining(series)
        said = f"{whole:,} of {counted(len(archives), 'archive')} verified whole" if archives else "no archive planned"
        if left is not None and archives:
            said += f"; {left:,} remain after the first prune"
        self.wrapped("  ", said)
        if archives:
            self.table(archives, zone)
        for line in archives:
            for text in line.differences:
                self.wrapped("  X ", f"{shown(line.archive)}: {shown(text)}")
        for skipped in series.skipped:
            self.wrapped("  - ", f"{shown(skipped.folder)} is skipped: {shown(skipped.because)}")
        for sentence in _losses(series):
            self.wrapped("  - ", sentence)

    def table(self, archives: list[ArchiveLine], zone: str) -> None:
        wide = self.width >= _WIDE
        rows = [_cells(line, zone, wide=wide) for line in archives]
        head = ("  archive" if wide else "  time", "snapshot", "verified", "entries", "new data", "kept as")
        widths = [max(cell_len(row[at]) for row in (head, *rows)) for at in range(len(head))]
        # Names that are too long for their column are whole in the other forms of the report.
        widths[0] = min(widths[0], 50 if wide else 24)
        room = self.width - widths[0] - sum(widths[2:-1]) - 2 * (len(widths) - 1)
        widths[1] = min(widths[1], 24 if wide else 14, max(room - len("monthly #1"), len("snapshot")))
        widths[-1] = max(room - widths[1], len(head[-1]))
        self.add(_row(head, widths), _SOFT)
        for line, row in zip(archives, rows, strict=True):
            self.add(_row(row, widths), "" if condition(line) == "whole" else _BAD)

    def folders(self, title: str, lines: Iterable[SkippedLine], zone: str) -> None:
        listed = tuple(lines)
        if listed:
            self.add()
            self.add(title, "bold")
        for line in listed:
            when = "" if line.time is None else f" ({local(line.time, zone)})"
            self.wrapped("  - ", f"{shown(line.folder)}{when}: {shown(line.because)}")


def _cells(line: ArchiveLine, zone: str, *, wide: bool) -> tuple[str, ...]:
    state = condition(line)
    when = shown(line.archive) if wide else local(line.time, zone).rsplit(" ", 1)[0]
    kept = "?" if line.kept is None else ", ".join(map(shown, line.kept)) or "goes"
    return (
        f"{_SIGNS[state]} {when}",
        shown(line.folder),
        CONDITIONS[state],
        "-" if line.entries is None else f"{line.entries:,}",
        "-" if line.bytes is None else size(line.bytes),
        kept,
    )


def _row(cells: tuple[str, ...], widths: list[int]) -> str:
    numbers = {3, 4}
    parts = [
        " " * (width - cell_len(cell)) + cell if at in numbers else set_cell_size(_cut(cell, width), width)
        for at, (cell, width) in enumerate(zip(cells, widths, strict=True))
    ]
    return "  ".join(parts).rstrip()


def _cut(text: str, width: int) -> str:
    return text if cell_len(text) <= width else set_cell_size(text, width - 1).rstrip() + "…"


def _broken(text: str, width: int) -> Iterator[str]:
    """Break a text at its spaces into lines of at most `width` cells; a word that is wider has its own line."""
    line = ""
    for word in text.split(" "):
        if line and cell_len(line) + 1 + cell_len(word) > width:
            yield line
            line = word
        else:
            line = f"{line} {word}" if line else word
    yield line


def _losses(series: SeriesLine) -> Iterator[str]:
    for kind, sentence in LOSSES.items():
        found = [loss for line in series.archives for loss in line.losses if loss.kind == kind]
        if found:
            paths = sorted({path for loss in found for path in loss.paths})
            more = len(paths) - _MOST_PATHS
            rest = f" and {more:,} more paths" if more > 0 else ""
            names = ", ".join(map(shown, paths[:_MOST_PATHS]))
            count = sum(loss.count for loss in found)
            yield f"{sentence}: {count:,} in {counted(len(found), 'archive')}: {names}{rest}"
