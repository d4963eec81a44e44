"""Finds out how a tree is laid out: what the user named, what he said of it, and what is in it."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import tzinfo
from pathlib import Path

from backupspec.catalogue import diagnose
from backupspec.diagnostic import Diagnostic, Diagnostics, Span
from backupspec.suggest import did_you_mean
from backupspec_migrate.dated import MARKER, Dated, time_backup
from backupspec_migrate.given_times import read_times
from backupspec_migrate.layout import Layout, layout_of, layout_of_root
from backupspec_migrate.local_time import zone_named
from backupspec_migrate.logfile import log_files, read_log, runs_of_tree
from backupspec_migrate.naming import Kind, Naming
from backupspec_migrate.other_tools import other_tool
from backupspec_migrate.pattern import Pattern, read_pattern
from backupspec_migrate.rsnapshot_conf import read_configuration

_MOST_LOOKED_INTO = 100
_LADDER = re.compile(r"\w+\.[0-9]+")
_TIME_BACKUP = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}-[0-9]{6}")
_DATED = (
    (r"\d{4}-\d\d-\d\d", "%Y-%m-%d"),
    (r"\d{8}", "%Y%m%d"),
    (r"\d{4}-\d\d-\d\d-\d{6}", "%Y-%m-%d-%H%M%S"),
    (r"\d{4}-\d\d-\d\d_\d{4}", "%Y-%m-%d_%H%M"),
    (r"\d{4}-\d\d-\d\d_\d\d-\d\d", "%Y-%m-%d_%H-%M"),
    (r"\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d", "%Y-%m-%d_%H-%M-%S"),
    (r"\d{4}-\d\d-\d\d[T_]\d\d:\d\d:\d\d", "%Y-%m-%d{0}%H:%M:%S"),
    (r"\d{8}[-_T]\d{4}", "%Y%m%d{0}%H%M"),
    (r"\d{8}[-_T]\d{6}", "%Y%m%d{0}%H%M%S"),
    (r"\d{14}", "%Y%m%d%H%M%S"),
    (r"\d{12}", "%Y%m%d%H%M"),
    (r"\d{6}-\d{4}", "%y%m%d-%H%M"),
)
"""Forms in which people write dates, with the pattern to say; {0} is the letter between date and time."""


@dataclass(frozen=True, slots=True)
class SourceWish:
    """What the user said of a tree. `renames`: folder to host name; `paths_of`: host to the path that it had there.

    `pattern`, `timezone` and `name` (the host, if the pattern has none) are for dated folders; `times_file` replaces
    the times of any layout.
    """

    renames: Mapping[str, str] = field(default_factory=dict)
    pattern: str | None = None
    timezone: str | None = None
    name: str | None = None
    times_file: Path | None = None
    paths_of: Mapping[str, str] = field(default_factory=dict)


def find_layout(source: Path, wish: SourceWish) -> tuple[Layout | None, Diagnostics]:
    """Give the layout of `source`, an rsnapshot.conf or the folder that holds the snapshots; None with errors.

    Nothing is run and nothing written. What other programs made is refused by name, what nobody knows by what was
    looked for.
    """
    if sys.getfilesystemencoding().lower() != "utf-8":
        place = Span("LC_ALL", 1, 1, 1, 1)
        message = f"file names are {sys.getfilesystemencoding()} here"
        return None, (diagnose("BS661", message, place, hint="set LC_ALL=C.UTF-8"),)
    zone, found = _zone(wish)
    if found:
        return None, found
    layout, found = _of_folder(source, wish, zone) if source.is_dir() else _of_configuration(source, wish, zone)
    if layout is None:
        return None, found
    paths = {host: path.strip("/") for host, path in wish.paths_of.items()}
    layout = replace(layout, renames=wish.renames, paths=paths, typed_paths=frozenset(paths))
    if wish.times_file is not None:
        given, said = read_times(wish.times_file, zone)
        found = (*found, *said)
        if given is None:
            return None, found
        layout = replace(layout, given=given)
    return layout, found


def detect(root: Path) -> Kind | Diagnostic:
    """Say what a folder is by the names in it: a layout, or the finding that says why it is none."""
    try:
        entries = sorted(os.scandir(root), key=lambda entry: entry.name)
        names = [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
        markers = _destinations(root, names)
        other = other_tool(root)
    except OSError as error:
        hint = "name the folder that holds the snapshots; only root may read every file of every host"
        return diagnose("BS610", f"{root} cannot be read: {error.strerror}", _at(root), hint=hint)
    if any(_LADDER.fullmatch(name) for name in names):
        return "rsnapshot"
    if markers:
        return "rsync-time-backup"
    if other is not None:
        return other
    return _looks_dated(root, names) or _below(root, names) or _unknown(root, names)


def _at(path: Path | str) -> Span:
    return Span(str(path), 1, 1, 1, 1)


def _zone(wish: SourceWish) -> tuple[tzinfo | None, Diagnostics]:
    if wish.timezone is None:
        return None, ()
    zone = zone_named(wish.timezone)
    if zone is None:
        hint = did_you_mean(wish.timezone, ("UTC", "Europe/Berlin", "Europe/London", "America/New_York")) or (
            "write it as in the tz database: Europe/Berlin, UTC (timedatectl list-timezones)"
        )
        return None, (diagnose("BS668", f"there is no time zone {wish.timezone!r}", _at("--timezone"), hint=hint),)
    return zone, ()


def _of_configuration(source: Path, wish: SourceWish, zone: tzinfo | None) -> tuple[Layout | None, Diagnostics]:
    for option, value in (("--pattern", wish.pattern), ("--name", wish.name)):
        if value is not None:
            message = f"{option} is for dated folders, and this is a file"
            return None, (diagnose("BS675", message, _at(source), hint="name the folder that holds them"),)
    configuration, found = read_configuration(source)
    if configuration is None:
        return None, found
    layout, said = layout_of(configuration, wish.renames)
    found = (*found, *said)
    if layout.logfile is None or not Path(layout.logfile).exists():
        return layout, found
    try:
        runs = read_log(log_files(Path(layout.logfile)), zone)
        return replace(layout, runs=runs_of_tree(runs, layout.root, str(source.absolute()))), found
    except OSError as error:
        message = f"{error.filename} cannot be read: {error.strerror}"
        hint = "times come from the folders then, and what was interrupted does not show; remove or mend the file"
        return layout, (*found, diagnose("BS664", message, layout.place, hint=hint))


def _of_folder(source: Path, wish: SourceWish, zone: tzinfo | None) -> tuple[Layout | None, Diagnostics]:
    root = Path(os.path.realpath(source))
    if wish.pattern is not None:
        return _of_pattern(root, wish.pattern, wish, zone)
    kind = detect(root)
    if isinstance(kind, Diagnostic):
        return None, (kind,)
    if kind == "rsnapshot":
        return layout_of_root(str(root)), ()
    if zone is None:
        message = "rsync-time-backup calls its folders by local time"
        return None, (_zone_missing(root, message),)
    several = not (root / MARKER).exists()
    if not several and wish.name is None:
        return None, (_name_missing(root),)
    return layout_of_root(str(root), time_backup(zone, wish.name or "", several=several)), ()


def _of_pattern(root: Path, text: str, wish: SourceWish, zone: tzinfo | None) -> tuple[Layout | None, Diagnostics]:
    pattern = read_pattern(text)
    if not isinstance(pattern, Pattern):
        place = Span("--pattern", 1, 1, 1, len(text) + 1)
        return None, (diagnose("BS667", f"{text!r}: {pattern}", place, hint="such as '{host}/%Y-%m-%d_%H%M'"),)
    if zone is None and not pattern.has_zone:
        return None, (_zone_missing(root, "the names are local times"),)
    if not pattern.has_host and wish.name is None:
        return None, (_name_missing(root),)
    if pattern.has_host and wish.name is not None:
        message = f"both the pattern and --name {wish.name} say the host"
        return None, (diagnose("BS675", message, _at(root), hint="for another name of a folder: --rename FOLDER=NAME"),)
    naming: Naming = Dated(pattern, zone, wish.name or "")
    return layout_of_root(str(root), naming), ()


def _zone_missing(root: Path, message: str) -> Diagnostic:
    hint = "say where the clock stood: --timezone Europe/Berlin, or --timezone UTC"
    return diagnose("BS668", f"{message}, and no zone is given", _at(root), hint=hint)


def _name_missing(root: Path) -> Diagnostic:
    message = "the names do not say which host this is"
    return diagnose("BS675", message, _at(root), hint="say it: --name HOST, or put {host} into the pattern")


def _destinations(root: Path, names: list[str]) -> list[str]:
    """Give the folders that are destinations of rsync-time-backup; the empty text for the root."""
    if (root / MARKER).exists():
        return [""]
    return [name for name in names if (root / name / MARKER).exists()]


def _looks_dated(root: Path, names: list[str]) -> Diagnostic | None:
    hosts = {name: [entry.name for entry in os.scandir(root / name) if entry.is_dir()] for name in names}
    at_top = _form(names)
    below = next((form for inner in hosts.values() if (form := _form(inner)) is not None), None)
    if at_top is not None:
        inside = {name for inner in hosts.values() for name in inner}
        way = f"--pattern '{at_top}' --name HOST, or --pattern '{at_top}/{{host}}' if each has folders of hosts"
        if inside:
            way += f" ({', '.join(sorted(inside)[:5])})"
    elif below is not None:
        way = f"--pattern '{{host}}/{below}'"
    else:
        return None
    message = f"{root} has folders called after dates"
    return diagnose("BS674", message, _at(root), hint=f"{way}, and --timezone ZONE, the zone of their names")


def _below(root: Path, names: list[str]) -> Diagnostic | None:
    """Look one folder deeper, for a folder of repositories."""
    for name in names[:_MOST_LOOKED_INTO]:
        try:
            if (found := other_tool(root / name)) is not None:
                return found
        except OSError:
            continue
    return None


def _form(names: list[str]) -> str | None:
    for expression, form in _DATED:
        if (name := next((one for one in names if re.fullmatch(expression, one)), None)) is not None:
            return form.format(re.sub(r"[0-9:-]", "", name) or "-")
    return None


def _unknown(root: Path, names: list[str]) -> Diagnostic:
    seen = f"it has {', '.join(names[:5])}{' …' if len(names) > 5 else ''}" if names else "it has no folders"  # noqa: PLR2004 - as many as a line takes
    message = f"{root} is no tree of snapshots that is known here: {seen}"
    hint = (
        f"looked for: rsnapshot's NAME.NUMBER, rsync-time-backup's {MARKER}, folders called after dates, and marks of "
        "other programs. For folders with dates in a form of their own: --pattern; for rsnapshot: name rsnapshot.conf"
    )
    return diagnose("BS673", message, _at(root), hint=hint)
