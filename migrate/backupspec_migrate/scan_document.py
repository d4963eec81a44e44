"""Gives what a scan found as JSON, in the form of `schema/migration-scan.schema.json`."""

from __future__ import annotations

import json
from dataclasses import asdict

from backupspec.diagnostic import Diagnostics
from backupspec_migrate.estimate import Estimate, Range
from backupspec_migrate.figures import shown, utc
from backupspec_migrate.scan import Scan
from backupspec_migrate.scan_page import ScanAbout, next_command
from backupspec_migrate.survey import ImageSurvey, SeriesSurvey, Survey

FORMAT_VERSION = 1
_BYTES = range(0xDC80, 0xDD00)  # how Python stands for bytes of a name that are no UTF-8


def as_json(scanned: Scan, surveyed: Survey, guess: Estimate | None, about: ScanAbout, found: Diagnostics = ()) -> str:
    """Give the whole document, in ASCII: a name can hold what turns a terminal's or a reader's order around."""
    document = {
        "version": FORMAT_VERSION,
        "source": {
            "given": quoted(about.source),
            "layout": about.layout,
            "root": quoted(scanned.root),
            "lockfile": None if about.lockfile is None else shown(about.lockfile),
            "logfile": None if about.logfile is None else shown(about.logfile),
            "timezone": about.zone,
        },
        "snapshots": _snapshots(scanned),
        "skipped": [{"name": quoted(name), "why": shown(why)} for name, why in scanned.skipped],
        "gaps": [
            {"of": quoted(gap.of), "after": utc(gap.after), "before": utc(gap.before), "missing": gap.missing}
            for gap in scanned.gaps
        ],
        "series": [_series(series) for series in surveyed.series],
        "total": asdict(surveyed.total),
        "estimate": None if guess is None else _estimate(guess),
        "findings": [
            {
                "code": one.code,
                "severity": one.severity.label,
                "message": shown(one.message),
                "hint": shown(one.hint),
                "where": shown(one.where),
            }
            for one in found
        ],
        "next": shown(next_command(about)),
    }
    return json.dumps(document, ensure_ascii=True, indent=2) + "\n"


def quoted(name: str) -> str:
    """Give a name without loss: `%` as `%25`, each byte that is no UTF-8 as `%E9`, all else as it is."""
    if "%" not in name and name.isascii():
        return name
    return "".join(_quoted(character) for character in name)


def _quoted(character: str) -> str:
    if character == "%":
        return "%25"
    return f"%{ord(character) - 0xDC00:02X}" if ord(character) in _BYTES else character


def _snapshots(scanned: Scan) -> list[dict[str, object]]:
    doubts = {doubt.slot: doubt for doubt in scanned.doubts}
    made: list[dict[str, object]] = []
    for one in scanned.snapshots:
        doubt = doubts.get(one.slot)
        made.append(
            {
                "folder": quoted(one.slot),
                "time": utc(one.time),
                "seconds": one.time,
                "time_from": one.time_from,
                "rung": None if one.rung is None else {"name": quoted(one.rung[0]), "number": one.rung[1]},
                "confirmed": one.slot in scanned.confirmed,
                "doubt": None
                if doubt is None
                else {"kind": doubt.kind, "why": shown(doubt.why), "folders": [quoted(one) for one in doubt.folders]},
            }
        )
    return made


def _series(series: SeriesSurvey) -> dict[str, object]:
    return {
        "host": quoted(series.host),
        "job": None if series.job is None else quoted(series.job),
        "folder": quoted(series.folder),
        "counts": asdict(series.counts),
        "snapshots": [_image(image) for image in series.images],
    }


def _image(image: ImageSurvey) -> dict[str, object]:
    return {
        "folder": quoted(image.slot),
        "counts": asdict(image.counts),
        "examples": [{"what": one.what, "path": quoted(one.path), "why": one.why} for one in image.examples],
    }


def _estimate(guess: Estimate) -> dict[str, object]:
    sampled = guess.sampled
    return {
        "run_seconds": _range(guess.run),
        "verify_seconds": _range(guess.verify),
        "repository_bytes": _range(guess.repository),
        "content_bytes": _range(guess.content),
        "list_bytes": _range(guess.lists),
        "sample": None
        if sampled is None
        else {
            "files": sampled.files,
            "bytes": sampled.bytes,
            "compression": sampled.compression,
            "ratio": {"low": round(sampled.ratio.low, 3), "high": round(sampled.ratio.high, 3)},
        },
    }


def _range(of: Range) -> dict[str, int]:
    return {"low": round(of.low), "high": round(of.high)}
