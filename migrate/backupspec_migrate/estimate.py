"""Says how long a migration will take and how large the repositories will be: ranges, and what they are made of."""

from __future__ import annotations

import hashlib
import os
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass

from backupspec_migrate.survey import Survey
from backupspec_migrate.view import View

# Measured on two cores with a local encrypted repository: bench/ makes these figures anew.
_ENTRY_SECONDS = (3e-6, 12e-6)  # each entry of each snapshot
_INODE_SECONDS = (60e-6, 300e-6)  # each distinct file, its content aside
_ENTRY_BYTES = (0.0, 5.0)  # what an entry adds that an earlier snapshot has too
_FIRST_BYTES = (30.0, 350.0)  # what a file or folder adds to the list of the first snapshot that has it
_ARCHIVE_BYTES = (2_000.0, 8_000.0)

_MOST_FILES, _MOST_OF_EACH, _MOST_BYTES, _MOST_SECONDS = 200, 1 << 20, 48 << 20, 3.0
_ENOUGH_FILES = 5
_MARGIN = 0.2  # how far the rest of the tree may differ from the sample


@dataclass(frozen=True, slots=True)
class Range:
    """From `low` to `high`."""

    low: float
    high: float

    def __add__(self, other: Range) -> Range:
        """Add both ends."""
        return Range(self.low + other.low, self.high + other.high)


@dataclass(frozen=True, slots=True)
class Sampled:
    """What reading some files of the tree told.

    `ratio`: bytes after compression for each byte before; `seconds`: reading, hashing and compressing them on one core.
    """

    files: int
    bytes: int
    ratio: Range
    seconds: float
    compression: str


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a migration would take, on one core: ranges in seconds and bytes.

    `content` and `lists` (names, owners, times) add up to `repository`. `sampled` is None when too little could be
    read: then nothing is known about compression. Files of equal content are stored once, which no estimate knows.
    """

    run: Range
    verify: Range
    repository: Range
    content: Range
    lists: Range
    sampled: Sampled | None


def estimate(survey: Survey, view: View) -> Estimate:
    """Estimate from the counts and from some files, which are read: 48 MiB and about 3 seconds at most."""
    sampled = _sampled(survey, view)
    # Each series has its own repository: what two of them share is stored in both.
    counts = [one.counts for one in survey.series]
    files, size = sum(one.files for one in counts), sum(one.bytes for one in counts)
    entries = sum(one.entries for one in counts)
    archives = sum(len(one.images) for one in survey.series)
    first = sum(
        one.files + (one.folders // max(len(series.images), 1)) for series in survey.series for one in [series.counts]
    )
    ratio = Range(0.5, 1.0) if sampled is None else sampled.ratio
    content = Range(size * ratio.low, size * ratio.high)
    lists = _times(first, _FIRST_BYTES) + _times(entries, _ENTRY_BYTES) + _times(archives, _ARCHIVE_BYTES)
    run = _times(entries, _ENTRY_SECONDS) + _times(files, _INODE_SECONDS) + _reading(sampled, files, size)
    return Estimate(run, run, content + lists, content, lists, sampled)


def _times(count: int, each: tuple[float, float]) -> Range:
    return Range(count * each[0], count * each[1])


def _reading(sampled: Sampled | None, files: int, size: int) -> Range:
    """Project the sample onto the tree.

    By its number of files and by its bytes: the truth lies between, as a disk takes time for each file and each byte.
    """
    if sampled is None:
        return Range(size / 200e6, size / 20e6)
    by_files, by_bytes = sampled.seconds * files / sampled.files, sampled.seconds * size / sampled.bytes
    return Range(min(by_files, by_bytes), max(by_files, by_bytes))


def _sampled(survey: Survey, view: View) -> Sampled | None:
    compression, compress = _compressor()
    every = max(-(-len(survey.sample) // _MOST_FILES), 1)
    started = time.monotonic()
    files = before = after = 0
    ratios = 0.0
    for path, _ in survey.sample[::every]:
        if before >= _MOST_BYTES or time.monotonic() - started > _MOST_SECONDS:
            break
        try:
            data = _read(path, view)
        except OSError:
            continue
        if not data:
            continue
        hashlib.blake2b(data).digest()
        packed = min(len(compress(data)), len(data))
        files, before, after = files + 1, before + len(data), after + packed
        ratios += packed / len(data)
    seconds = time.monotonic() - started
    if files < _ENOUGH_FILES:
        return None
    # Large files weigh as much as they do, or all files weigh the same: the rest of the tree is like one of both.
    low, high = sorted((after / before, ratios / files))
    ratio = Range(low * (1 - _MARGIN), min(high * (1 + _MARGIN), 1.0))
    return Sampled(files, before, ratio, seconds, compression)


def _read(path: str, view: View) -> bytes:
    with view.parent(path) as (parent, name):
        fd = view.file(name, parent)
        try:
            return os.read(fd, _MOST_OF_EACH)
        finally:
            os.close(fd)


def _compressor() -> tuple[str, Callable[[bytes], bytes]]:
    """Give what migrations compress with unless told otherwise; without Borg's package something weaker."""
    try:
        from borg.compress import CompressionSpec  # noqa: PLC0415 - the scan works without Borg's package
    except ImportError:
        return "zlib,1", _deflate
    return "zstd,3", CompressionSpec("zstd,3").compressor.compress


def _deflate(data: bytes) -> bytes:
    return zlib.compress(data, 1)
