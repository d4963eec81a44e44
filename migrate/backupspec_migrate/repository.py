"""Opens Borg repositories through Borg's own package, and says in our words what is wrong with them."""

from __future__ import annotations

import argparse
import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from borg.cache import Cache, SecurityManager
from borg.compress import CompressionSpec
from borg.constants import REPOSITORY_README
from borg.crypto.key import key_creator, tam_required_file
from borg.helpers import Error as BorgError
from borg.helpers import IntegrityError, Location, Manifest, get_cache_dir
from borg.locking import SHARED, Lock, LockRoster
from borg.logger import setup_logging
from borg.remote import RemoteRepository
from borg.repository import Repository

from backupspec.catalogue import diagnose
from backupspec.diagnostic import Diagnostic, Span
from backupspec_migrate.distant import Distant
from backupspec_migrate.leftovers import is_leftover, sweep, sweep_own

BorgObject = Any
"""A thing of Borg's package, which has no annotations."""
Encryption = Literal["none", "repokey-blake2"]
LOCK_WAIT = 10  # seconds
AGAIN = "start the same command again: it goes on where this one ended"
_MEANT = "BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK"
_YES = frozenset({"yes", "y", "1", "true", "YES", "Yes", "Y", "TRUE", "True"})


_WAYS_OUT = {
    "ConnectionClosed": AGAIN,
    "ConnectionClosedWithHint": AGAIN,
    "LockTimeout": f"wait for whoever works on it (a backup, a prune); then {AGAIN}",
    "OSError": f"look at the server's disk; then {AGAIN}",
    "StorageQuotaExceeded": f"raise the quota; then {AGAIN}",
    "InsufficientFreeSpaceError": f"make room; then {AGAIN}",
}
"""By the class of Borg's error."""


class RepositoryError(Exception):
    """A repository that cannot be used; `found` says why."""

    def __init__(self, found: Diagnostic) -> None:
        super().__init__(found.message)
        self.found = found


@dataclass(frozen=True, slots=True)
class Session:
    """An open repository. `cache` is None when it was opened for reading only.

    The types are Borg's, which has no annotations.
    """

    repository: BorgObject
    key: BorgObject
    manifest: BorgObject
    cache: BorgObject

    def commit(self) -> None:
        """Make what was written since the last commit last."""
        self.manifest.write()
        self.repository.commit(compact=False)
        self.cache.commit()

    @contextmanager
    def uncommitted(self) -> Iterator[None]:
        """Keep Borg from committing within the block, where it would by itself.

        Nor does it write its list of archives, for which it waits for the disk to have what was written before.
        """
        self.manifest.write = self.repository.commit = self.cache.commit = _later
        try:
            yield
        finally:
            del self.manifest.write, self.repository.commit, self.cache.commit


def _later(**_: object) -> None:
    """Stand for what `Session.commit` will do."""


def is_local(repository: str) -> bool:
    """Tell a path from an ssh:// URL."""
    return not repository.startswith("ssh://")


@contextmanager
def open_repository(location: str, *, compression: str | None, unencrypted: bool) -> Iterator[Session]:
    """Open a repository that exists, exclusively for writing when `compression` is given.

    RepositoryError when that cannot be.

    An unencrypted repository that this account never saw is opened only when `unencrypted` says that it is meant to be
    so: somebody may have put it in the place of an encrypted one. Whatever was not committed is rolled back when the
    block fails.
    """
    setup_logging(level="warning")
    writing = compression is not None
    locked = [Path(location)] if is_local(location) else []
    opened = None
    try:
        with (opened := _connect(location, exclusive=writing)) as repository:
            operations = (Manifest.Operation.WRITE, Manifest.Operation.READ) if writing else (Manifest.Operation.READ,)
            manifest, key = Manifest.load(repository, operations)
            security = SecurityManager(repository)
            meant = unencrypted or os.environ.get(_MEANT) in _YES
            if not key.logically_encrypted and not security.known() and not meant:
                hint = f"{_MEANT}=yes in the environment says that it should be so"
                raise RepositoryError(
                    diagnose(
                        "BS632", f"{location} is not encrypted, and was never seen before", _place(location), hint=hint
                    )
                )
            if not writing:
                security.assert_secure(manifest, key, warn_if_unencrypted=False, lock_wait=LOCK_WAIT)
                yield Session(repository, key, manifest, None)
                return
            key.compressor = _compressor(compression, location)
            locked.append(Path(get_cache_dir()) / repository.id_str)
            with _cache(repository, key, manifest) as cache:
                sweep(*((Path(location),) if is_local(location) else ()), Path(cache.path), Path(security.dir))
                with _room_given_back():
                    yield Session(repository, key, manifest, cache)
    except (BorgError, IntegrityError, RemoteRepository.RPCError) as error:
        raise RepositoryError(_refusal(location, error)) from error
    finally:
        _let_go(locked, opened)


def _let_go(folders: list[Path], opened: BorgObject | None) -> None:
    """Give up the locks that this process still has: Borg loses sight of one when interrupted at a bad moment."""
    if folders and opened is not None:
        opened.lock = None  # it would look for its lock once more, and complain
    for folder in folders:
        path = str(folder / "lock")
        with suppress(OSError, BorgError):
            if (mine := Lock(path, exclusive=True)).got_exclusive_lock():
                mine.release()
            elif (roster := LockRoster(f"{path}.roster")).id in roster.get(SHARED):
                Lock(path, timeout=LOCK_WAIT).release()
            sweep_own(folder)


def _compressor(specification: str | None, location: str) -> BorgObject:
    try:
        return CompressionSpec(specification).compressor
    except (argparse.ArgumentTypeError, ValueError) as error:
        hint = "write it as borg does: none, lz4, zstd,3, auto,zstd,3"
        message = f"there is no compression {specification!r}: {error}"
        raise RepositoryError(diagnose("BS631", message, _place(location), hint=hint)) from error


def _cache(repository: BorgObject, key: BorgObject, manifest: BorgObject) -> BorgObject:
    """Open Borg's cache of a locked repository; one that a full disk, a kill or the power left unreadable is made anew.

    Borg does not wait until the copies of its files that it would go back to are on the disk.
    """
    options = {"lock_wait": LOCK_WAIT, "warn_if_unencrypted": False}
    try:
        return Cache(repository, key, manifest, **options)
    except FileNotFoundError:
        pass
    except (OSError, BorgError, IntegrityError, RemoteRepository.RPCError):
        raise
    except Exception:  # noqa: BLE001, S110 - Borg reads its own files without care: they end in whatever their readers raise
        pass
    shutil.rmtree(Path(get_cache_dir()) / repository.id_str, ignore_errors=True)
    return Cache(repository, key, manifest, **options)


@contextmanager
def _room_given_back() -> Iterator[None]:
    """Turn whatever a full disk led to into its OSError: only then Borg removes what it wrote since the last commit."""
    try:
        yield
    except Exception as error:
        cause = error.__cause__
        if not isinstance(error, OSError) and isinstance(cause, OSError) and cause.errno == errno.ENOSPC:
            raise cause from None
        raise


def create_repository(location: str, encryption: Encryption) -> bool:
    """Make a local repository, as `borg init` does, or finish one whose making was interrupted; False if one is there.

    RepositoryError when that cannot be. Only what has never held anything is taken for unfinished.
    """
    setup_logging(level="warning")
    folder = Path(location)
    if any(folder.glob("index.*")):
        return False  # something was committed
    _remove_unfinished(folder)
    locked = [folder]
    opened = None
    try:
        with (opened := _connect(location, exclusive=True, create=not (folder / "config").exists())) as repository:
            if len(repository):
                return False
            sweep(folder)
            if repository.get_transaction_id() is None:
                # Borg would write over what an interrupted first transaction has left, and may not.
                for segment in folder.glob("data/*/*"):
                    segment.unlink()
            key = key_creator(repository, argparse.Namespace(encryption=encryption))
            manifest = Manifest(key, repository)
            manifest.key = key
            manifest.write()
            repository.commit(compact=False)
            locked.append(Path(get_cache_dir()) / repository.id_str)
            with _cache(repository, key, manifest):
                pass
            if key.tam_required:
                os.close(os.open(tam_required_file(repository), os.O_CREAT | os.O_WRONLY, 0o600))
    except BorgError as error:
        raise RepositoryError(_refusal(location, error)) from error
    finally:
        _let_go(locked, opened)
    return True


def _remove_unfinished(folder: Path) -> None:
    """Take away what Borg makes of a repository before its configuration, if there is nothing else."""
    readme = folder / "README"
    if (folder / "config").exists() or not readme.is_file():
        return
    if not REPOSITORY_README.encode().startswith(readme.read_bytes()):
        return
    rest = [path for path in folder.iterdir() if path.name not in {"README", "data"} and not is_leftover(path)]
    if rest or ((folder / "data").exists() and any((folder / "data").iterdir())):
        return
    sweep(folder)
    readme.unlink()
    if (folder / "data").exists():
        (folder / "data").rmdir()


def _connect(location: str, *, exclusive: bool, create: bool = False) -> BorgObject:
    if is_local(location):
        return Repository(location, create=create, exclusive=exclusive, lock_wait=LOCK_WAIT, make_parent_dirs=create)
    arguments = argparse.Namespace(upload_ratelimit=0, upload_buffer=0, debug_topics=[], remote_path=None, rsh=None)
    return Distant(Location(location), create=create, exclusive=exclusive, lock_wait=LOCK_WAIT, args=arguments)


def _refusal(location: str, error: Exception) -> Diagnostic:
    text = str(error)
    if isinstance(error, (BorgError, RemoteRepository.RPCError)):
        text = str(error.get_message()).strip()
    if _name(error) in {"DoesNotExist", "InvalidRepository"}:
        hint = (
            "make it first (a compiled `init`, or `borg init`), or say --encryption none|repokey-blake2 to have it made"
        )
        return diagnose("BS630", f"no repository at {location}", _place(location), hint=hint)
    if _name(error) == "AtticRepository":
        return diagnose(
            "BS631", f"{location} is an Attic repository", _place(location), hint=f"borg upgrade {location}"
        )
    hint = _WAYS_OUT.get(_name(error), "")
    if _name(error) in {"PassphraseWrong", "NoPassphraseFailure", "PasscommandFailure"}:
        hint = (
            "BORG_PASSPHRASE and BORG_PASSCOMMAND serve a whole run: where each host has a passphrase of its own, go "
            "host by host with --host, or say --passphrase-file with {host} in it"
        )
    return diagnose("BS631", f"{location}: {text}", _place(location), hint=hint)


def _name(error: Exception) -> str:
    remote = getattr(error, "exception_class", None)
    return str(remote) if isinstance(remote, str) else type(error).__name__


def _place(location: str) -> Span:
    return Span(location, 1, 1, 1, 1)
