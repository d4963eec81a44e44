"""What a migrated archive is called, and the note in it that tells a later run where it came from."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import parse_qsl, quote, urlencode

_MARK = "backupspec-migrate:1?"


@dataclass(frozen=True, slots=True)
class Identity:
    """Which snapshot of which folder of which tree an archive holds.

    `time` is in seconds; `dest` is relative to a snapshot.
    """

    source: str
    dest: str
    time: int


def archive_name(host: str, job: str, time: int) -> str:
    """Give the name that continues the job's series: `HOST_JOB_2024-01-31T02:00:00Z`."""
    return f"{host}_{job}_{utc(time)}"


def time_of(archive: str, host: str, job: str) -> int | None:
    """Give the time in the name of an archive of this series; None for any other name."""
    head, _, time = archive.rpartition("_")
    try:
        moment = datetime.strptime(time, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    except ValueError:
        return None
    return int(moment.timestamp()) if head == f"{host}_{job}" else None


def comment(identity: Identity, slot: str) -> str:
    """Write the identity as an archive's comment.

    `slot` is only for people. It has no braces, which Borg would take for placeholders.
    """
    fields = {"source": identity.source, "dest": identity.dest, "time": utc(identity.time), "slot": slot}
    return _MARK + urlencode(fields, safe="/:", quote_via=quote, errors="surrogateescape")


def read_comment(text: str) -> Identity | None:
    """Read the identity from a comment; None when it is not one of ours."""
    if not text.startswith(_MARK):
        return None
    fields = dict(parse_qsl(text.removeprefix(_MARK), keep_blank_values=True, errors="surrogateescape"))
    try:
        time = datetime.strptime(fields["time"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
        return Identity(fields["source"], fields["dest"], int(time.timestamp()))
    except (KeyError, ValueError):
        return None


def utc(time: int) -> str:
    """Write seconds since 1970 as 2024-01-31T02:00:00Z."""
    return datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
