"""Reads a plan file, with a place for everything that is wrong with it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

from backupspec.catalogue import diagnose
from backupspec.check import judge
from backupspec.diagnostic import Diagnostic, Diagnostics, Related, Span, has_errors
from backupspec.document import Mapping, Node, Scalar
from backupspec.fleet import Retention
from backupspec.language import Language
from backupspec.nodes import items, mapping, scalar_text, word
from backupspec.parse import parse
from backupspec.schedule import zone
from backupspec.source import Source, Sources
from backupspec_migrate.plain_file import read_plain
from backupspec_migrate.plan import DEFAULT_COMPRESSION
from backupspec_migrate.plan_document import (
    LeftOut,
    PlanDocument,
    PlannedArchive,
    PlannedSeries,
    PlannedSnapshot,
    PlannedSource,
)
from backupspec_migrate.plan_paths import as_path
from backupspec_migrate.scan import Root, TimeFrom

LANGUAGE = Language("migration-plan.schema.json", "the plan")
_LARGEST = 64 * 2**20
_MAKE_ONE = "make one: backupspec migrate plan CONF_OR_ROOT -o plan.yaml"


def read_plan(path: Path) -> tuple[PlanDocument | None, Sources, Diagnostics]:
    """Give the plan in the file at `path` with its text, or None with at least one error.

    Never raises for bad input.
    """
    place = Span(str(path), 1, 1, 1, 1)
    try:
        source = Source(str(path), read_plain(path, _LARGEST).decode("utf-8").replace("\r\n", "\n"))
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        return None, (), (diagnose("BS690", f"{path} is no plan that can be read: {why}", place, hint=_MAKE_ONE),)
    plan, found = read_text(source)
    return plan, (source,), found


def read_text(source: Source) -> tuple[PlanDocument | None, Diagnostics]:
    """Give the plan that a text is, or None with at least one error."""
    root, found = parse(source)
    # The parser's own way out is about inventories.
    found = tuple(replace(one, hint=_MAKE_ONE) if one.code in {"BS007", "BS025"} else one for one in found)
    if root is None or has_errors(found):
        return None, found
    found = (*found, *judge(root, LANGUAGE))
    if has_errors(found):
        return None, found
    binder = _Binder(source.name)
    plan = binder.plan(root)
    found = (*found, *binder.found)
    return None if has_errors(found) else plan, found


class _Binder:
    """Walks a tree that fits the schema; collects findings."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.found: list[Diagnostic] = []
        self.snapshots: dict[str, PlannedSnapshot] = {}

    def plan(self, root: Mapping) -> PlanDocument:
        for node in items(root, "snapshots"):
            self.snapshot(mapping(node))
        left_out = tuple(
            LeftOut(_path(node, "name"), _word(node, "because"), node.span) for node in _mappings(root, "left_out")
        )
        series = tuple(self.series(node) for node in _mappings(root, "series"))
        return PlanDocument(
            self.file, _source(mapping(root.get("source"))), tuple(self.snapshots.values()), left_out, series
        )

    def snapshot(self, node: Mapping) -> None:
        folder, span = _path(node, "folder"), _span(node, "folder")
        if folder in self.snapshots:
            first = Related("first named here", self.snapshots[folder].span)
            message, hint = f"{folder} stands twice in `snapshots`", "take one of the two out"
            self.found.append(diagnose("BS691", message, span, hint=hint, related=(first,)))
            return
        self.snapshots[folder] = PlannedSnapshot(
            folder,
            self.time(node),
            cast("TimeFrom", word(node, "time_from", "folder")),
            _optional(node, "doubt"),
            _optional(node, "accept"),
            span,
            tuple(as_path(scalar_text(one).value) for one in items(node, "doubt_about")),
        )

    def time(self, node: Mapping) -> int:
        text = _word(node, "time")
        try:
            return int(datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC).timestamp())
        except ValueError:
            hint = "write it as 2024-01-31T02:00:00Z"
            self.found.append(diagnose("BS691", f"there is no time {text}", _span(node, "time"), hint=hint))
            return 0

    def series(self, node: Mapping) -> PlannedSeries:
        numeric = word(node, "owners", "names") == "numbers"
        usual = tuple(self.root(one, numeric=numeric) for one in _mappings(node, "content"))
        self.zone(node)
        archives = []
        for one in items(node, "archives"):
            written = mapping(one)
            name = scalar_text(one).value if isinstance(one, Scalar) else _word(written, "snapshot")
            content = tuple(self.root(each, numeric=numeric) for each in _mappings(written, "content")) or usual
            if self.known(name, one.span):
                archives.append(PlannedArchive(as_path(name), content, one.span))
            if not content:
                hint = "add `content` to the series: [{from: FOLDER, path: /}]"
                self.found.append(diagnose("BS691", f"{name} has no content", one.span, hint=hint))
        skip = [
            LeftOut(_path(one, "snapshot"), _word(one, "because"), one.span)
            for one in _mappings(node, "skip")
            if self.known(_word(one, "snapshot"), _span(one, "snapshot"))
        ]
        folder = _path(node, "folder")
        return PlannedSeries(
            _word(node, "host"),
            _word(node, "job"),
            "" if folder == "." else folder,
            _word(node, "repository"),
            _optional(node, "make"),
            _flag(node, "unencrypted"),
            word(node, "compression", DEFAULT_COMPRESSION),
            _optional(node, "passphrase_file"),
            _retention(node.get("retention")),
            _optional(node, "timezone"),
            tuple(archives),
            tuple(skip),
            _span(node, "host"),
        )

    def root(self, node: Mapping, *, numeric: bool) -> Root:
        root = _root(node, numeric=numeric)
        for path in (root.location, root.original, *root.without):
            if "\0" in path or {".", ".."} & set(path.split("/")) or "//" in path:
                hint = "write the path without `.`, `..` and doubled slashes"
                self.found.append(diagnose("BS691", f"{path!r} leads nowhere of its own", node.span, hint=hint))
        return root

    def zone(self, node: Mapping) -> None:
        name = _optional(node, "timezone")
        if name is not None and zone(name) is None:
            hint = "write it as in the tz database: Europe/Berlin, UTC"
            self.found.append(diagnose("BS691", f"there is no time zone {name}", _span(node, "timezone"), hint=hint))

    def known(self, name: str, span: Span) -> bool:
        if as_path(name) in self.snapshots:
            return True
        hint = "name one of those under `snapshots`"
        self.found.append(diagnose("BS691", f"there is no snapshot {name} in this plan", span, hint=hint))
        return False


def _source(node: Mapping) -> PlannedSource:
    def path(key: str) -> str | None:
        return None if node.get(key) is None else _path(node, key)

    return PlannedSource(
        _word(node, "layout"),
        _path(node, "root"),
        path("configuration"),
        _optional(node, "pattern"),
        _optional(node, "timezone"),
        _optional(node, "host"),
        path("times"),
    )


def _root(node: Mapping, *, numeric: bool) -> Root:
    location, owners = _path(node, "from"), _optional(node, "owners")
    return Root(
        "" if location == "." else location.strip("/"),
        _path(node, "path").strip("/"),
        numeric if owners is None else owners == "numbers",
        own=node.get("top") is None or _flag(node, "top"),
        without=tuple(as_path(scalar_text(one).value).strip("/") for one in items(node, "without")),
    )


def _retention(node: Node | None) -> Retention | None:
    if node is None:
        return None
    values = {entry.key: entry.value.value for entry in mapping(node) if isinstance(entry.value, Scalar)}
    within = values.pop("within", None)
    forever = values.pop("forever", False) is True
    numbers = {key: value for key, value in values.items() if isinstance(value, int)}
    return Retention(**numbers, within=None if within is None else str(within), forever=forever)


def _mappings(node: Mapping, key: str) -> tuple[Mapping, ...]:
    return tuple(mapping(one) for one in items(node, key))


def _word(node: Mapping, key: str) -> str:
    return word(node, key, "")


def _path(node: Mapping, key: str) -> str:
    return as_path(_word(node, key))


def _optional(node: Mapping, key: str) -> str | None:
    return None if node.get(key) is None else _word(node, key)


def _flag(node: Mapping, key: str) -> bool:
    value = node.get(key)
    return isinstance(value, Scalar) and value.value is True


def _span(node: Mapping, key: str) -> Span:
    value = node.get(key)
    return node.span if value is None else value.span
