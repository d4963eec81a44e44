"""Reports to look at: a site as it is after a weekend, and one whose names are hostile."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from backupspec_migrate.standing import ArchiveLine, Loss, SeriesLine, SkippedLine, Standing

NOW = 1_706_752_800  # 2024-02-01 02:00:00 UTC
DAY = 86_400
RETENTION = "daily 7, weekly 4, monthly 6, yearly 3"
HOSTILE = (
    "<script>alert(1)</script>",
    '" onmouseover="alert(1)',
    "</title></style><img src=x onerror=alert(1)>",
    "a & b &lt; &amp;amp;",
    "caf\udce9",
    "exe\u202egnp.txt",
    "]]> --> {{ now }} {% raw %}",
    "\x1b[2J\x00\r\nnew line\ttab",
    "\u2066isolated\u2028lines\ufeff",
    "javascript:alert(1)",
    "'; DROP TABLE snapshots; --",
    "\ud800 alone",
    "  three   spaces  ",
    "zero\u200bwidth\u00ad\u061c\u00a0\U000e0041",
)


def ladder() -> Iterator[tuple[str, int]]:
    """Give folder and time of 41 snapshots, the oldest first: seven days, four weeks, twelve months and 18 quarters."""
    steps = [("yearly", 18, 91, 400), ("monthly", 12, 30, 36), ("weekly", 4, 7, 8), ("daily", 7, 1, 0)]
    for name, count, gap, start in steps:
        for number in reversed(range(count)):
            yield f"{name}.{number}", NOW - (start + number * gap) * DAY


def series(host: str, number: int = 0, archives: int = 41) -> SeriesLine:
    """Give a series that was imported and verified whole; `number` makes its sizes differ from others'."""
    lines = tuple(
        ArchiveLine(
            archive=f"{host}_files_{_name(time)}",
            folder=folder,
            time=time,
            id=f"{(number + 1) * 7919 * (at + 1) * 2654435761 % 2**64:016x}" * 4,
            entries=900_000 + 12_345 * number + 731 * at,
            inodes=810_000 + 11_111 * number if not at else 4_210 + 97 * (at * 7 % 11) + number,
            bytes=(40 + 9 * number) * 1_000_000_000 if not at else 310_000_000 + 77_000_000 * (at * 5 % 13),
            losses=(Loss("socket", 2, ("run/mysqld/mysqld.sock", "var/spool/postfix/public/pickup")),),
            verified="whole",
            verified_at=NOW + 9 * 3600,
            kept=_kept(folder),
        )
        for at, (folder, time) in enumerate(ladder())
    )
    return SeriesLine(host, "files", f"/backup/borg/{host}/central", RETENTION, lines[-archives:])


def _name(time: int) -> str:
    from backupspec_migrate.figures import utc  # noqa: PLC0415 - only the name of an archive needs it

    return utc(time)


def _kept(folder: str) -> tuple[str, ...]:
    rung, _, number = folder.partition(".")
    most = {"daily": 7, "weekly": 4, "monthly": 6, "yearly": 3}[rung]
    return (f"{rung} #{int(number) + 1}",) if int(number) < most else ()


def well() -> Standing:
    """Give ten hosts of which nothing is missing."""
    names = ("backup01", "db01", "db02", "git", "mail", "ns1", "vpn", "web01", "web02", "wiki")
    lines = [series(name, number) for number, name in enumerate(names)]
    lines[5] = series("ns1", 5, archives=1)
    return Standing(
        made_at=NOW + 10 * 3600,
        source="/backup/snapshots",
        layout="rsnapshot",
        zone="Europe/Berlin",
        version="backupspec 0.1.0",
        series=tuple(lines),
        left_out=(
            SkippedLine(".sync", None, None, "rsnapshot's staging area"),
            SkippedLine("_delete.31337", NOW - 3 * DAY, None, "a snapshot that rsnapshot was removing"),
        ),
    )


def poorly() -> Standing:
    """Give the same ten hosts with everything that can be wrong."""
    standing = well()
    lines = list(standing.series)
    bad = list(lines[1].archives)
    bad[37] = replace(bad[37], verified="differs", differences=("etc/shadow: mode 0640, in the archive 0644",))
    bad[12] = replace(bad[12], id=None, verified="no", verified_at=None, entries=None, inodes=None, bytes=None)
    lines[1] = replace(lines[1], archives=tuple(bad))
    lines[2] = replace(
        lines[2],
        archives=tuple(replace(line, verified="sample") for line in lines[2].archives[:20])
        + tuple(replace(line, verified="no", verified_at=None) for line in lines[2].archives[20:]),
    )
    lines[4] = replace(
        lines[4],
        archives=(*lines[4].archives[:-2], *(replace(line, changed_since=True) for line in lines[4].archives[-2:])),
        skipped=(SkippedLine("weekly.9", NOW - 70 * DAY, "mail", "interrupted; the same files are in weekly.8"),),
    )
    lines[6] = SeriesLine("vpn", "files", "/backup/borg/vpn/central", "", ())
    lines[8] = replace(lines[8], retention="", archives=tuple(replace(line, kept=None) for line in lines[8].archives))
    return replace(
        standing,
        series=tuple(lines),
        unplanned=(SkippedLine("daily.0", NOW + DAY, "web01", "newer than the plan"),),
        undecided=(SkippedLine("daily.8", NOW - 8 * DAY, "wiki", "rsnapshot left its lockfile behind"),),
        problems=("/backup/borg/wiki/central: the repository could not be opened: wrong passphrase",),
    )


def hostile() -> Standing:
    """Give a standing in which every text that a tree or a repository can have a say in is hostile."""
    lines = tuple(
        ArchiveLine(
            archive=text,
            folder=text,
            time=NOW - at * DAY,
            id=text,
            losses=(Loss("clamped time", 1, (text,)), Loss("split symlink", 5, (text, "b"))),
            verified="differs",
            differences=(f"{text}: content differs",),
            kept=(text,),
        )
        for at, text in enumerate(HOSTILE)
    )
    skipped = tuple(SkippedLine(text, NOW, text, text) for text in HOSTILE)
    return Standing(
        made_at=NOW,
        source="".join(HOSTILE),
        layout=HOSTILE[0],
        zone="UTC",
        version=HOSTILE[3],
        series=tuple(SeriesLine(text, text, text, text, lines, skipped) for text in HOSTILE),
        left_out=skipped,
        unplanned=skipped,
        undecided=skipped,
        problems=HOSTILE,
    )


def nothing() -> Standing:
    """Give a standing without anything."""
    return Standing(NOW, "/backup", "rsnapshot", "UTC", "backupspec 0.1.0", ())
