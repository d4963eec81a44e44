"""Standing -> JSON in the form of `schema/migration-report.schema.json`; nothing is lost, names are exact."""

from __future__ import annotations

import base64
import json

from backupspec_migrate.figures import shown, utc
from backupspec_migrate.standing import ArchiveLine, SeriesLine, SkippedLine, Standing, condition
from backupspec_migrate.verdict import remaining, verdict

FORMAT_VERSION = 1
Json = str | int | bool | list["Json"] | dict[str, "Json"] | None


def as_json(standing: Standing) -> str:
    """Give the whole report; ASCII alone, so that no terminal and no pager is led astray by a name in it."""
    judged = verdict(standing)
    report: dict[str, Json] = {
        "version": FORMAT_VERSION,
        "made_at": utc(standing.made_at),
        "made_by": standing.version,
        "source": _exact(standing.source),
        "layout": standing.layout,
        "zone": standing.zone,
        "verdict": {"safe": judged.safe, "because": list(judged.because), "remarks": list(judged.remarks)},
        "series": [_series(series) for series in standing.series],
        "left_out": _skipped(standing.left_out),
        "unplanned": _skipped(standing.unplanned),
        "undecided": _skipped(standing.undecided),
        "problems": [_exact(problem) for problem in standing.problems],
    }
    return json.dumps(report, indent=2) + "\n"


def _exact(text: str) -> Json:
    """Give text as it is; where JSON cannot hold its bytes, these in base64 beside what can be shown."""
    try:
        text.encode()
    except UnicodeEncodeError:
        # Surrogates other than those for bytes come from nowhere in the kernel; `surrogatepass` keeps even them.
        try:
            data = text.encode(errors="surrogateescape")
        except UnicodeEncodeError:
            data = text.encode(errors="surrogatepass")
        return {"bytes": base64.b64encode(data).decode(), "shown": shown(text)}
    return text


def _texts(texts: tuple[str, ...]) -> Json:
    return [_exact(text) for text in texts]


def _time(time: int | None) -> Json:
    return None if time is None else utc(time)


def _skipped(lines: tuple[SkippedLine, ...]) -> Json:
    return [
        {
            "folder": _exact(line.folder),
            "time": _time(line.time),
            "host": None if line.host is None else _exact(line.host),
            "because": _exact(line.because),
        }
        for line in lines
    ]


def _series(series: SeriesLine) -> Json:
    return {
        "host": _exact(series.host),
        "job": _exact(series.job),
        "repository": _exact(series.repository),
        "retention": series.retention,
        "planned": len(series.archives),
        "verified_whole": sum(condition(line) == "whole" for line in series.archives),
        "remaining": remaining(series),
        "archives": [_archive(line) for line in series.archives],
        "skipped": _skipped(series.skipped),
    }


def _archive(line: ArchiveLine) -> Json:
    return {
        "archive": _exact(line.archive),
        "folder": _exact(line.folder),
        "time": utc(line.time),
        "id": line.id,
        "condition": condition(line),
        "verified": line.verified,
        "verified_at": _time(line.verified_at),
        "changed_since": line.changed_since,
        "differences": _texts(line.differences),
        "entries": line.entries,
        "inodes": line.inodes,
        "bytes": line.bytes,
        "losses": [{"kind": loss.kind, "count": loss.count, "paths": _texts(loss.paths)} for loss in line.losses],
        "kept": None if line.kept is None else list(line.kept),
    }
