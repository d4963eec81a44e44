"""Reads a file that says when each snapshot was made, for a tree that lost its times when it was moved."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, tzinfo
from pathlib import Path

from backupspec import document
from backupspec.catalogue import diagnose
from backupspec.diagnostic import Diagnostic, Diagnostics, Span
from backupspec.parse import parse
from backupspec.source import Source
from backupspec.suggest import did_you_mean
from backupspec_migrate.local_time import readings
from backupspec_migrate.plain_file import read_plain
from backupspec_migrate.snapshot import Snapshot, age

_FORM = "YYYY-MM-DDTHH:MM:SS with +HH:MM or Z"


@dataclass(frozen=True, slots=True)
class GivenTimes:
    """A time for each slot, in seconds since 1970, with the place that says it."""

    file: str
    times: Mapping[str, tuple[int, Span]]


def read_times(path: Path, zone: tzinfo | None) -> tuple[GivenTimes | None, Diagnostics]:
    """Read `SLOT: TIME` for each snapshot; None when there is an error.

    `zone` is for times that do not say theirs; without it they are errors.
    """
    place = Span(str(path), 1, 1, 1, 1)
    try:
        text = read_plain(path).decode("utf-8").replace("\r\n", "\n")
    except OSError as error:
        return None, (diagnose("BS666", f"{path} cannot be read: {error.strerror}", place),)
    except UnicodeDecodeError:
        return None, (diagnose("BS666", f"{path} is not UTF-8", place),)
    tree, said = parse(Source(str(path), text))
    if tree is None or said:
        return None, said
    times: dict[str, tuple[int, Span]] = {}
    found: list[Diagnostic] = []
    for entry in tree:
        when = _moment(entry.value, zone)
        if isinstance(when, int):
            times[entry.key] = (when, entry.key_span)
        else:
            found.append(diagnose("BS666", f"{entry.key}: {when}", entry.value.span, hint=f"write {_FORM}"))
    found += _doubled(times)
    return (None if found else GivenTimes(str(path), times)), tuple(found)


def with_times(snapshots: tuple[Snapshot, ...], given: GivenTimes) -> tuple[tuple[Snapshot, ...], Diagnostics]:
    """Put the given times in the place of those found; what has none, and what names no snapshot, is an error."""
    slots = [one.slot for one in snapshots]
    found = [
        diagnose("BS666", f"there is no snapshot {slot}", place, hint=did_you_mean(slot, slots) or "")
        for slot, (_, place) in given.times.items()
        if slot not in slots
    ]
    found += [
        diagnose("BS666", f"{slot} has no time in {given.file}", Span(given.file, 1, 1, 1, 1), where=slot)
        for slot in slots
        if slot not in given.times
    ]
    timed = [
        replace(one, time=given.times[one.slot][0], time_from="given") if one.slot in given.times else one
        for one in snapshots
    ]
    return tuple(sorted(timed, key=age)), tuple(found)


def _moment(value: document.Node, zone: tzinfo | None) -> int | str:
    """Give the seconds since 1970, or what is wrong."""
    text = value.value if isinstance(value, document.Scalar) else None
    if not isinstance(text, str) or not re.fullmatch(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d)?(Z|[+-]\d\d:\d\d)?", text):
        return "this is no time"
    try:
        shown = datetime.fromisoformat(text)
    except ValueError:
        return "there is no such time"
    if shown.tzinfo is not None:
        return int(shown.timestamp())
    if zone is None:
        return "the time does not say its zone"
    meant = readings(shown, zone)
    if len(meant) != 1:
        return f"that time was {'twice' if meant else 'never'} on the clocks in {zone}: say which is meant"
    return meant[0]


def _doubled(times: Mapping[str, tuple[int, Span]]) -> list[Diagnostic]:
    """Two snapshots of rsnapshot were never made at once; of two hosts they may be."""
    first: dict[tuple[str, int], str] = {}
    found = []
    for slot, (when, place) in times.items():
        folder = slot.rpartition("/")[0]
        other = first.setdefault((folder, when), slot)
        if other != slot:
            found.append(diagnose("BS666", f"{slot} has the time that {other} has", place))
    return found
