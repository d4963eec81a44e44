"""Becomes the account that owns a repository, and keeps of root only what reading the source without a trace takes."""

from __future__ import annotations

import ctypes
import os
import pwd
import signal
from pathlib import Path

_PR_SET_PDEATHSIG, _PR_SET_KEEPCAPS, _PR_CAPBSET_DROP, _PR_CAP_AMBIENT, _AMBIENT_RAISE = 1, 8, 24, 47, 2
_CAPABILITY_VERSION_3 = 0x20080522
CAP_DAC_READ_SEARCH, CAP_FOWNER = 2, 3
_KEPT = (CAP_DAC_READ_SEARCH, CAP_FOWNER)


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Sets(ctypes.Structure):
    _fields_ = (("effective", ctypes.c_uint32), ("permitted", ctypes.c_uint32), ("inheritable", ctypes.c_uint32))


def owner_of(repository: str) -> tuple[int, int]:
    """Give (uid, gid) of a local repository, or of the nearest folder above it when it is yet to be made."""
    path = Path(repository)
    while not path.exists() and path != path.parent:
        path = path.parent
    state = path.stat()
    return state.st_uid, state.st_gid


def die_with_parent(parent: int | None = None) -> None:
    """Have the kernel kill this process when its parent dies: nobody writes on behind a killed migration's back.

    At once if `parent` (its number, where known) has died already.
    """
    _prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL))
    if parent is not None and os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)


def become(uid: int, gid: int) -> None:
    """Give up root for good and become `uid`, with CAP_DAC_READ_SEARCH and CAP_FOWNER for it and its children.

    They are what it takes to read everything with O_NOATIME, and no program that is started gets another one. Raises
    OSError when we may not.
    """
    try:
        account = pwd.getpwuid(uid)
        groups = os.getgrouplist(account.pw_name, gid)
        name, home = account.pw_name, account.pw_dir
    except KeyError:
        groups, name, home = [gid], str(uid), "/"
    last = int(Path("/proc/sys/kernel/cap_last_cap").read_text(encoding="ascii"))
    for capability in range(last + 1):
        if capability not in _KEPT:
            _prctl(_PR_CAPBSET_DROP, capability)
    _prctl(_PR_SET_KEEPCAPS, 1)
    os.setgroups(groups)
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)
    mask = sum(1 << capability for capability in _KEPT)
    sets = (_Sets * 2)(_Sets(mask, mask, mask), _Sets(0, 0, 0))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.capset(ctypes.byref(_Header(_CAPABILITY_VERSION_3, 0)), ctypes.byref(sets)) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    for capability in _KEPT:
        _prctl(_PR_CAP_AMBIENT, _AMBIENT_RAISE, capability)
    os.environ.update(USER=name, LOGNAME=name, HOME=home)


def account_base(uid: int) -> Path:
    """Make (as root) the folder for Borg's caches of one account, and give it.

    It stays, so that a rerun is quick and nothing is stranded.
    """
    base = Path(os.environ.get("BORG_BASE_DIR", "/var/lib/backupspec-migrate")) / "accounts" / str(uid)
    base.parent.mkdir(mode=0o711, parents=True, exist_ok=True)
    base.mkdir(mode=0o700, exist_ok=True)
    os.chown(base, uid, -1)
    return base


def _prctl(option: int, *arguments: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    padded = [ctypes.c_ulong(value) for value in (*arguments, 0, 0, 0, 0)][:4]
    if libc.prctl(ctypes.c_int(option), *padded) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
