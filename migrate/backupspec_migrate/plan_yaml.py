"""Writes a plan file: YAML under schema/migration-plan.schema.json, with comments that say how to edit it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from backupspec.fleet import Retention
from backupspec_migrate.figures import typed
from backupspec_migrate.identity import utc
from backupspec_migrate.plan_document import LeftOut, PlanDocument, PlannedArchive, PlannedSeries, PlannedSource
from backupspec_migrate.plan_paths import as_text
from backupspec_migrate.scan import Root

_HEAD = """\
# What `backupspec migrate run` will import. Nothing has been written to any repository yet.
#
# Edit it: take lines away to leave hosts or snapshots out (a `skip` with a reason is repeated in the report), and
# write `accept: WHY` beside each `doubt` that you looked into. Then:
#
#     backupspec migrate run {file}
#     backupspec migrate verify {file}
#     backupspec migrate report {file}
#
# docs/reference/migration-plan.md explains each key; `backupspec schema --plan` prints the schema for editors.
"""
_SNAPSHOTS = """
# The tree, the oldest first. A snapshot is known again by its time, also when rsnapshot has rotated meanwhile.
"""
_UNDECIDED = """\
  # {folder} needs a decision. Look at it, then add `accept: WHY` to its line to import it, or move it from
  # `archives` to `skip` below.
"""
_LEFT_OUT = """
# Names in the tree that belong to no host.
"""
_STRANGERS = """\
# These may hold what somebody needs. Look at them; to leave them out, take the # away and say why.
"""
_SERIES = """
# One entry for each series of archives, which are called HOST_JOB_TIME.
"""


class _Flow(dict[str, Any]):
    """A mapping on one line."""


class _FlowList(list[Any]):
    """A list on one line."""


class _Dumper(yaml.SafeDumper):
    """Writes the plain YAML that the parser of this house reads: a time is text."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002, FBT001, FBT002 - PyYAML's own way to indent lists
        """Indent the items of a list below their key."""
        super().increase_indent(flow, False)  # noqa: FBT003 - as above


_TIMESTAMP = "tag:yaml.org,2002:timestamp"
_Dumper.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != _TIMESTAMP]
    for first, resolvers in yaml.SafeDumper.yaml_implicit_resolvers.items()
}
_Dumper.add_representer(
    _Flow, lambda dumper, data: dumper.represent_mapping("tag:yaml.org,2002:map", data, flow_style=True)
)
_Dumper.add_representer(
    _FlowList, lambda dumper, data: dumper.represent_sequence("tag:yaml.org,2002:seq", data, flow_style=True)
)


def plan_text(plan: PlanDocument, remains: Mapping[tuple[str, str], str]) -> str:
    """Give the file's text. `remains` says, for (host, job), what the series' retention would leave of it."""
    return "".join(_pieces(plan, remains))


def _pieces(plan: PlanDocument, remains: Mapping[tuple[str, str], str]) -> Iterator[str]:
    yield _HEAD.format(file=typed(plan.file))
    yield _dumped({"version": 1, "source": _source(plan.source)})
    yield _SNAPSHOTS
    yield "snapshots:\n" if plan.snapshots else "snapshots: []\n"
    skipped = {one.name for series in plan.series for one in series.skip}
    for snapshot in plan.snapshots:
        if snapshot.doubt and not snapshot.accept and snapshot.folder not in skipped:
            yield _UNDECIDED.format(folder=as_text(snapshot.folder))
        line = {
            "folder": as_text(snapshot.folder),
            "time": utc(snapshot.time),
            "time_from": snapshot.time_from,
            "doubt": snapshot.doubt,
            "doubt_about": _FlowList(map(as_text, snapshot.doubt_about)) or None,
            "accept": snapshot.accept,
        }
        yield _item(_Flow(_said(line)))
    yield from _left_out(plan)
    yield _SERIES
    yield "series:\n" if plan.series else "series: []\n"
    for series in plan.series:
        if said := remains.get((series.host, series.job)):
            yield f"  # {said}\n"
        yield _item(_series(series))


def _left_out(plan: PlanDocument) -> Iterator[str]:
    decided = [one for one in plan.left_out if one.because]
    open_ = [one for one in plan.left_out if not one.because]
    if plan.left_out:
        yield _LEFT_OUT
    if decided:
        yield "left_out:\n"
    for one in decided:
        yield _item(_Flow({"name": as_text(one.name), "because": one.because}))
    if open_:
        yield _STRANGERS + ("" if decided else "# left_out:\n")
    for one in open_:
        yield f"#{_item(_Flow({'name': as_text(one.name), 'because': 'WHY'}))[1:]}"


def _source(source: PlannedSource) -> dict[str, Any]:
    return _said(
        {
            "layout": source.layout,
            "configuration": _path(source.configuration),
            "root": as_text(source.root),
            "pattern": source.pattern,
            "timezone": source.timezone,
            "host": source.host,
            "times": _path(source.times),
        }
    )


def _path(path: str | None) -> str | None:
    return None if path is None else as_text(path)


def _series(series: PlannedSeries) -> dict[str, Any]:
    usual = Counter(archive.content for archive in series.archives).most_common(1)
    content = usual[0][0] if usual else ()
    numeric = bool(content) and all(root.numeric_ids for root in content)
    return _said(
        {
            "host": series.host,
            "job": series.job,
            "folder": as_text(series.folder) or ".",
            "repository": series.repository,
            "make": series.make,
            "unencrypted": True if series.unencrypted else None,
            "compression": series.compression,
            "owners": "numbers" if numeric else "names",
            "passphrase_file": series.passphrase_file,
            "timezone": series.timezone,
            "retention": _retention(series.retention),
            "content": [_content(root, numeric=numeric) for root in content] or None,
            "archives": [_archive(one, content, numeric=numeric) for one in series.archives],
            "skip": [_skip(one) for one in series.skip] or None,
        }
    )


def _retention(retention: Retention | None) -> _Flow | None:
    if retention is None:
        return None
    within = {} if retention.within is None else {"within": retention.within}
    forever = {"forever": True} if retention.forever else {}
    return _Flow({**within, **dict(retention.buckets()), **forever})


def _content(root: Root, *, numeric: bool) -> _Flow:
    return _Flow(
        _said(
            {
                "from": as_text(root.location) or ".",
                "path": as_text(f"/{root.original}"),
                "owners": None if root.numeric_ids == numeric else ("numbers" if root.numeric_ids else "names"),
                "top": None if root.own else False,
                "without": _FlowList(as_text(f"/{path}") for path in root.without) or None,
            }
        )
    )


def _archive(one: PlannedArchive, usual: tuple[Root, ...], *, numeric: bool) -> str | dict[str, Any]:
    if one.content == usual:
        return as_text(one.snapshot)
    return {"snapshot": as_text(one.snapshot), "content": [_content(root, numeric=numeric) for root in one.content]}


def _skip(one: LeftOut) -> _Flow:
    return _Flow({"snapshot": as_text(one.name), "because": one.because})


def _said(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def _dumped(value: object) -> str:
    return str(yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=1_000_000))


def _item(value: object) -> str:
    """Give one item of a list that is the value of a key at the top."""
    return "".join(f"  {line}" for line in _dumped([value]).splitlines(keepends=True))
