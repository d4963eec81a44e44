"""Knows by their files the backups of other programs, and says what to do with each."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from backupspec.catalogue import diagnose
from backupspec.diagnostic import Diagnostic, Span

_MAGIC = 8


@dataclass(frozen=True, slots=True)
class _Other:
    """A program: how its folder is known by the names in it, and the way from there to Borg."""

    name: str
    known: Callable[[Path, frozenset[str]], bool]
    way: str


_RESTORE = (
    "restore what is needed with {program} into folders called after their time, and import those: "
    "--pattern '{{host}}/%Y-%m-%d'"
)


def other_tool(folder: Path) -> Diagnostic | None:
    """Name the program that made a folder that no layout here can read, with the way out; None when none is known."""
    names = _names(folder)
    place = Span(str(folder), 1, 1, 1, 1)
    if (borg := _borg_family(folder, names, place)) is not None:
        return borg
    for other in _OTHERS:
        if other.known(folder, names):
            return diagnose("BS671", f"{folder} belongs to {other.name}", place, hint=other.way)
    return None


def _borg_family(folder: Path, names: frozenset[str], place: Span) -> Diagnostic | None:
    """Tell Attic's repositories from Borg's: they differ in the first bytes of their segments only."""
    if not {"config", "data"} <= names or "[repository]" not in _text(folder / "config"):
        return None
    magic = _segment_magic(folder / "data")
    if magic.startswith(b"ATTICSEG") or (not magic and "Attic" in _text(folder / "README")):
        word = shlex.quote(str(folder))
        commands = (
            f"cp -a {word} {shlex.quote(f'{folder}.attic')}",
            f"borg upgrade {word}",
            f"borg upgrade --archives-tam {word}",
            f"borg check --verify-data {word}",
        )
        hint = (
            "Borg 1.2 and 1.4 make it one of theirs, on the machine that has it and with the account that has the key "
            "(--archives-tam: 1.2.5 and later): " + "; ".join(commands)
        )
        return diagnose("BS672", f"{folder} is an Attic repository", place, hint=hint)
    return diagnose(
        "BS671",
        f"{folder} is a Borg repository already",
        place,
        hint="name it in the inventory: nothing is to be moved",
    )


def _segment_magic(data: Path) -> bytes:
    segments = sorted(path for path in data.glob("*/*") if path.name.isdigit())
    try:
        with segments[0].open("rb") as stream:
            return stream.read(_MAGIC)
    except (OSError, IndexError):
        return b""


def _text(path: Path) -> str:
    try:
        return path.read_bytes()[:4096].decode("utf-8", "replace") if path.is_file() else ""
    except OSError:
        return ""


def _names(folder: Path) -> frozenset[str]:
    return frozenset(path.name for path in folder.iterdir())


def _has(*wanted: str) -> Callable[[Path, frozenset[str]], bool]:
    return lambda _, names: set(wanted) <= names


def _like(pattern: str) -> Callable[[Path, frozenset[str]], bool]:
    return lambda _, names: any(re.fullmatch(pattern, name) for name in names)


def _below(pattern: str) -> Callable[[Path, frozenset[str]], bool]:
    return lambda folder, _: next(folder.glob(pattern), None) is not None


def _dirvish(folder: Path, _: frozenset[str]) -> bool:
    return any(
        next(folder.glob(pattern), None) is not None
        for pattern in ("dirvish/default.conf", "*/dirvish/default.conf", "*/tree", "*/*/tree")
    ) and any(next(folder.glob(pattern), None) is not None for pattern in ("*/summary", "*/*/summary"))


_OTHERS = (
    _Other(
        "restic",
        _has("config", "data", "index", "keys", "snapshots"),
        _RESTORE.format(program="`restic restore SNAPSHOT --target`"),
    ),
    _Other("Kopia", _like(r"kopia\.repository(\.f)?"), _RESTORE.format(program="kopia")),
    _Other(
        "duplicity",
        _like(r"duplicity-(full|inc|new)[.-].*"),
        _RESTORE.format(program="`duplicity restore --time TIME`"),
    ),
    _Other("Duplicati", _like(r"duplicati-.*\.(dblock|dindex|dlist)\..*"), _RESTORE.format(program="Duplicati")),
    _Other(
        "rdiff-backup",
        _has("rdiff-backup-data"),
        "restore each increment (`rdiff-backup restore --at TIME`) into a folder called after its time, and import "
        "those: --pattern '{host}/%Y-%m-%d'; hard links between them (rsync --link-dest) save reading a file twice",
    ),
    _Other(
        "BackupPC",
        lambda _, names: "pc" in names and bool({"cpool", "pool"} & names),
        _RESTORE.format(program="`BackupPC_tarCreate`"),
    ),
    _Other(
        "dirvish",
        _dirvish,
        "its images are dated folders: name the bank and the form of its image names, such as "
        "--pattern '{host}/%Y%m%d/tree' (`image-default` in its configuration)",
    ),
    _Other(
        "Time Machine",
        lambda _, names: "Backups.backupdb" in names or any(name.endswith(".sparsebundle") for name in names),
        "on the Mac itself the dated folders of Backups.backupdb can be imported: SOURCE Backups.backupdb/NAME with "
        "--pattern '%Y-%m-%d-%H%M%S' --name HOST; macOS attributes and folder hard links are not kept",
    ),
    _Other(
        "ZFS",
        lambda folder, _: (folder / ".zfs" / "snapshot").is_dir(),
        "name the folder of its snapshots and the form of their names, such as SOURCE/.zfs/snapshot with "
        "--pattern 'autosnap_%Y-%m-%d_%H:%M:%S_daily' --name HOST; each file is read once for each snapshot",
    ),
    _Other(
        "Snapper",
        lambda folder, _: any(next(path.glob("*/info.xml"), None) for path in (folder, folder / ".snapshots")),
        "its snapshots are called by numbers: mount each (`mount --bind`) at a folder called after the date in its "
        "info.xml, and import those: --pattern '%Y-%m-%d' --name HOST",
    ),
    _Other(
        "UrBackup",
        lambda _, names: "urbackup_backup_folder" in names or "urbackup_tmp_files" in names,
        "its file backups are dated folders: --pattern '{host}/%y%m%d-%H%M'",
    ),
    _Other("Borg 2 or another program with pack files", _has("packs"), "export it with the program that made it"),
)
