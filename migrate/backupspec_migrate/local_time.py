"""Reads local times, which some hours have twice and some hours not at all."""

from __future__ import annotations

import os
import re
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError


def zone_named(name: str) -> tzinfo | None:
    """Give a zone by its name in the tz database (`Europe/Berlin`, `UTC`), or None."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


def readings(local: datetime, zone: tzinfo | None) -> tuple[int, ...]:
    """Give the seconds since 1970 that a clock's reading may mean, the earlier first; none where clocks skipped it.

    `zone` None is the machine's own.
    """
    first, second = _moment(local, 0, zone), _moment(local, 1, zone)
    if first == second:
        return (first,)
    return tuple(moment for moment in (first, second) if _shown(moment, zone) == local.replace(fold=0))


def after_skipped(local: datetime, zone: tzinfo | None) -> int:
    """Give the moment that a clock which was not put forward would have meant, for an hour that clocks skipped."""
    return _moment(local, 0, zone)


def fixed_offset(text: str) -> tzinfo | None:
    """Read `+0100`, `-05:30` or `Z`."""
    if text == "Z":
        return UTC
    match = re.fullmatch(r"([+-])([01][0-9]|2[0-3]):?([0-5][0-9])", text)
    if match is None:
        return None
    offset = timedelta(hours=int(match[2]), minutes=int(match[3]))
    return timezone(-offset if match[1] == "-" else offset)


def _moment(local: datetime, fold: int, zone: tzinfo | None) -> int:
    return int(local.replace(fold=fold, tzinfo=zone).timestamp())


def _shown(moment: int, zone: tzinfo | None) -> datetime:
    return datetime.fromtimestamp(moment, zone).replace(tzinfo=None, fold=0)


def machine_zone() -> str:
    """Give the name of this machine's zone in the tz database, UTC where it has none."""
    name = os.environ.get("TZ", "").removeprefix(":") or os.path.realpath("/etc/localtime").rpartition("/zoneinfo/")[2]
    return name if zone_named(name) is not None else "UTC"
