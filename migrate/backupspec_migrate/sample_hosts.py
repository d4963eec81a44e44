"""What the hosts of a rehearsal hold: little, but of every kind that makes a migration hard."""

from __future__ import annotations

import os
import struct
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_DAY = 86_400  # seconds
_ACL = struct.pack(
    "<I" + "HHI" * 5,
    *(2, *(0x01, 6, 0xFFFFFFFF), *(0x02, 4, 65534), *(0x04, 4, 0xFFFFFFFF), *(0x10, 4, 0xFFFFFFFF)),
    *(0x20, 0, 0xFFFFFFFF),
)
"""user::rw-, user:65534:r--, group::r--, mask::r--, other::--- as the kernel keeps it."""


@dataclass(frozen=True, slots=True)
class SampleHost:
    """A host that is a folder: its name, what of it is backed up, and who owns its data (number, used by root only)."""

    name: str
    paths: tuple[str, ...]
    owner: int


WEB = SampleHost("web01", ("/etc", "/srv/www"), 33)
DATABASE = SampleHost("db01", ("/etc", "/var/backups"), 2_000_000_123)
MAIL = SampleHost("mail01", ("/etc", "/usr/local", "/var/mail"), 8)


def live_until(host: SampleHost, disk: Path, night: int, time: int) -> None:
    """Give the disk of a host its state before the backup of a night, which begins at `time` (seconds since 1970).

    The first night is 0. Nothing on the disk is younger than an hour before: rsync takes a file of the same size and
    second for unchanged.
    """
    data = disk / host.paths[-1].lstrip("/")
    if night == 0:
        _put(disk / "etc/hostname", f"{host.name}\n")
        # Path, size and time are those of the other hosts' file; the bytes are not.
        _put(disk / "etc/secret", f"the password of {host.name[:4]}\n", 0o600)
        _FIRST[host.name](disk, data)
        if os.geteuid() == 0:
            for path in (data, *data.rglob("*")):
                os.chown(path, host.owner, host.owner, follow_symlinks=False)
    _put(disk / "etc/motd", f"Welcome, this is day {night}\n")
    _EACH_NIGHT[host.name](disk, data, night)
    _age(disk, time - 3600 if night else time - 90 * _DAY)


def _put(path: Path, content: str | bytes, mode: int = 0o644) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    path.chmod(mode)
    return path


def _web(_disk: Path, www: Path) -> None:
    """Put pages: a hard link, a symbolic link, holes, names that other tools trip over, a folder marked as cache."""
    page = _put(www / "index.html", "<h1>first</h1>\n")
    (www / "start.html").hardlink_to(page)
    (www / "current").symlink_to("static")
    _put(www / "static/logo.bin", bytes(range(256)) * 1024)
    _put(www / "2024-01-01T00:00:00", "a name that looks like a time\n")
    _put(www / os.fsdecode(b"men\xfc.html"), "a name in Latin-1\n")
    _put(www / "-rf", "a name that looks like an option\n")
    _put(www / "two\nlines", "a name with a line feed\n")
    _put(www / "thumbnails/CACHEDIR.TAG", "Signature: 8a477f597d28d172789f06886806bc55\n")
    _put(www / "thumbnails/1.bin", b"\x01" * 4096)
    with (www / "disk.img").open("wb") as image:
        image.truncate(4 << 20)
        image.seek(2 << 20)
        image.write(b"something in the middle")


def _web_tonight(_disk: Path, www: Path, night: int) -> None:
    _put(www / f"logs/{night}.log", f"{night} visits\n" * 500)
    (www / f"logs/{night - 3}.log").unlink(missing_ok=True)


def _database(_disk: Path, backups: Path) -> None:
    """Put the part of a database's dumps that never changes."""
    _put(backups / "schema.txt", "orders: a number for each\n" * 200, 0o640)


def _database_tonight(_disk: Path, backups: Path, night: int) -> None:
    _put(backups / "orders.txt", "".join(f"order {n}\n" for n in range(9000 + 50 * night)), 0o640)


def _mail(disk: Path, mail: Path) -> None:
    """Put mailboxes, a program that runs as root, a fifo, an access control list and an extended attribute."""
    _put(disk / "usr/local/bin/flush", "#!/bin/sh\nexit 0\n", 0o4755)
    _put(mail / "new/1.eml", "Subject: one\n\nfirst\n", 0o640)
    (mail / "pickup").unlink(missing_ok=True)
    os.mkfifo(mail / "pickup", 0o622)
    shared = _put(mail / "shared.mbox", "From all\n", 0o640)
    for name, value in (("user.comment", b"kept for the auditors"), ("system.posix_acl_access", _ACL)):
        with suppress(OSError):  # not every file system has them
            os.setxattr(shared, name, value)


def _mail_tonight(_disk: Path, mail: Path, night: int) -> None:
    _put(mail / f"new/{night + 2}.eml", f"Subject: {night}\n\nmessage of day {night}\n" * 40, 0o640)


_FIRST = {WEB.name: _web, DATABASE.name: _database, MAIL.name: _mail}
_EACH_NIGHT = {WEB.name: _web_tonight, DATABASE.name: _database_tonight, MAIL.name: _mail_tonight}


def _age(disk: Path, then: int) -> None:
    """Give what was just written a time in the past; folders come after what lies in them."""
    for top, folders, files in os.walk(disk, topdown=False):
        for name in (*files, *folders):
            path = Path(top, name)
            if path.lstat().st_mtime > then:
                os.utime(path, (then, then), follow_symlinks=False)
    os.utime(disk, (then, then))
