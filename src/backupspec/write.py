"""The only writer: a tree replaces the output folder in one step, or nothing changes.

Beside `OUT` stands, while a compile runs, `.OUT.backupspec-staging/`: `lock` (held by the writer, and the mark by which
a later run knows the folder as ours), `tree` (the new output, later the old one) and, only where the file system cannot
exchange two folders, `old`. A killed run leaves it behind; the next one cleans up.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import os
import shutil
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from backupspec import diff, earlier, manifest
from backupspec.catalogue import diagnose
from backupspec.diagnostic import Diagnostic, Diagnostics, Span, has_errors
from backupspec.meaning import former_names
from backupspec.tree import File, Tree

Exchange = Callable[[Path, Path], bool]

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2
_MARK = b"backupspec compiles here; this folder goes when it is done\n"
_UNSUPPORTED = frozenset({errno.ENOSYS, errno.EINVAL, errno.ENOTSUP})
_WAYS_OUT = {
    errno.ENOSPC: "make room on that file system and compile again",
    errno.EDQUOT: "make room within your quota and compile again",
    errno.EROFS: "the file system is read-only: choose another place for --output",
    errno.EBUSY: "if it is a mount point, name a folder inside it: a mount point cannot be replaced",
    errno.EXDEV: "if it is a mount point, name a folder inside it: a mount point cannot be replaced",
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a compile did, or would do.

    `written` tells whether the folder is (or would be) replaced, `withheld` what `--host` leaves alone, `vanished`
    which hosts of the earlier output the inventory does not know any more, not even as a former name, and `appeared`
    which it did not hold. `hosts` are those of `--host`.
    """

    tree: Tree
    changes: diff.Changes
    withheld: diff.Changes
    written: bool
    vanished: tuple[str, ...]
    appeared: tuple[str, ...] = ()
    hosts: frozenset[str] = frozenset()

    @property
    def stale(self) -> bool:
        """Tell whether the output is not what the inventory says; with `hosts`, whether it is so for one of them."""
        if not self.hosts:
            return self.written
        return any(change.host in self.hosts for change in self.changes.files)


class _RefusedError(Exception):
    """Carries the one finding that stops a write; never leaves this module."""

    def __init__(self, diagnostic: Diagnostic) -> None:
        super().__init__(diagnostic.message)
        self.diagnostic = diagnostic


def exchange(one: Path, other: Path) -> bool:
    """Swap two paths in one step; False where kernel, C library or file system cannot. Raises OSError for all else."""
    renameat2 = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if renameat2 is None:
        return False
    paths = os.fsencode(one), os.fsencode(other)
    if renameat2(_AT_FDCWD, paths[0], _AT_FDCWD, paths[1], ctypes.c_uint(_RENAME_EXCHANGE)) == 0:
        return True
    number = ctypes.get_errno()
    if number in _UNSUPPORTED:
        return False
    raise OSError(number, os.strerror(number), str(other))


def compare(
    tree: Tree, output: Path, version: str, hosts: frozenset[str] = frozenset()
) -> tuple[Outcome | None, Diagnostics]:
    """Tell what `write` would do, and write nothing."""
    old, found = earlier.earlier(output)
    if has_errors(found):
        return None, found
    return _planned(tree, output, version, hosts, old)


def write(  # noqa: PLR0913 (the inventory's own files and the way to exchange are facts of the caller)
    tree: Tree,
    output: Path,
    version: str,
    *,
    hosts: frozenset[str] = frozenset(),
    sources: tuple[Path, ...] = (),
    exchange: Exchange = exchange,
) -> tuple[Outcome | None, Diagnostics]:
    """Make `output` hold exactly `tree` and its manifest: after a crash at any moment it holds the old tree or the new.

    `hosts` limits the change to these hosts (see `earlier.completed`); `sources` are files that must not lie in the
    output. Nothing is touched when nothing would change. Ownership is never changed, modes do not depend on the umask.
    `exchange` swaps two folders in one step, or says that it cannot.
    """
    done: tuple[Outcome, Diagnostics] | None = None
    place = output
    try:
        place = _checked(output, sources)
        with _parents(place.parent), _lock(place) as staging:
            _recovered(staging, place)
            old, found = earlier.earlier(place)
            if has_errors(found):
                return None, found
            outcome, findings = _planned(tree, place, version, hosts, old)
            if outcome.written:
                _staged(outcome.tree, staging / "tree", _mode_of(place))
                _swapped(staging, place, exchange)
            done = outcome, findings
    except _RefusedError as refused:
        return None, (refused.diagnostic,)
    except OSError as error:
        if done is None:
            return None, (_failed(error, output),)
        return done[0], (*done[1], _left_behind(error, output, _staging_of(place)))
    return done


def _planned(
    tree: Tree, output: Path, version: str, hosts: frozenset[str], old: earlier.Earlier | None
) -> tuple[Outcome, Diagnostics]:
    before = old.tree if old else Tree((), ())
    after = earlier.completed(tree, version, old, hosts)
    changes = diff.diff(before, after)
    whole = diff.diff(before, earlier.completed(tree, version, old, frozenset())) if hosts else changes
    mine = {change.path for change in changes.files} | {manifest.NAME}
    withheld = diff.Changes(tuple(change for change in whole.files if change.path not in mine))
    findings = (*earlier.edits(old, output), *earlier.left_out(tree, old, hosts, output))
    gone, come = sorted(set(before.hosts) - set(tree.hosts)), sorted(set(tree.hosts) - set(before.hosts))
    renamed = former_names(tree)
    vanished = tuple(host for host in gone if host not in renamed)
    return Outcome(after, changes, withheld, bool(changes.files), vanished, tuple(come), hosts), findings


def _checked(output: Path, sources: tuple[Path, ...]) -> Path:
    """Give the output as an absolute path with no link above it, or refuse it."""
    if not output.name or output.name == "..":
        output = output.resolve()
    place = output.parent.resolve() / output.name
    if place.is_symlink():
        _refuse("BS505", f"{output} is a symbolic link", output, f"name the folder that it leads to: {place.resolve()}")
    inside = next((source for source in sources if place in {source.resolve(), *source.resolve().parents}), None)
    if inside:
        hint = "choose a folder that holds nothing else, such as one beside the inventory"
        _refuse("BS506", f"{inside} lies in the output folder {output}", output, hint)
    here = Path.cwd()
    if place == here or place in here.parents:
        hint = "change to a folder outside of it first: it is replaced, and you would stand in the old one"
        _refuse("BS506", f"{output} is the current folder or holds it", output, hint)
    return place


@contextlib.contextmanager
def _parents(folder: Path) -> Iterator[None]:
    """Make the folders above the output; those made here go again if the write fails."""
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    done = False
    try:
        yield
        done = True
    finally:
        with contextlib.suppress(OSError):
            for path in missing if not done else []:
                path.rmdir()


@contextlib.contextmanager
def _lock(output: Path) -> Iterator[Path]:
    """Give the staging folder, held against every other writer of this output; on leaving, all of it is removed."""
    staging = _staging_of(output)
    handle = _acquired(staging, output)
    try:
        yield staging
    finally:
        try:
            _removed(staging / "tree")
            if not (staging / "old").exists():  # else: it is the only copy, and the next run puts it back
                (staging / "lock").unlink()
                with contextlib.suppress(OSError):  # a writer that waits for the lock may have entered already
                    staging.rmdir()
        finally:
            os.close(handle)


def _staging_of(output: Path) -> Path:
    return output.parent / f".{output.name}.backupspec-staging"


def _acquired(staging: Path, output: Path) -> int:
    while True:
        staging.mkdir(exist_ok=True)
        _owned(staging, output)
        try:
            handle = os.open(staging / "lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
        except FileNotFoundError:  # the writer before us has just removed the folder
            continue
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is_at(handle, staging / "lock"):
                os.pwrite(handle, _MARK, 0)
                return handle
        except BlockingIOError:
            os.close(handle)
            hint = "wait until it is done and compile again"
            _refuse("BS507", f"another compile is writing to {output}", output, hint)
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)


def _owned(staging: Path, output: Path) -> None:
    """Refuse a staging folder that holds anything and not our mark."""
    names = {entry.name for entry in staging.iterdir()}
    if names and (not names <= {"lock", "tree", "old"} or "lock" not in names):
        message = f"{staging} is in the way: it does not come from an earlier compile"
        _refuse("BS508", message, output, "move it elsewhere")


def _is_at(handle: int, path: Path) -> bool:
    """Tell whether the open file is still the one under that name."""
    try:
        return os.path.samestat(os.fstat(handle), path.lstat())
    except FileNotFoundError:
        return False


def _recovered(staging: Path, output: Path) -> None:
    """Bring the output to the state before a run that was killed between two renames, and clear what it had staged."""
    old = staging / "old"
    if old.exists():
        if output.exists():
            _removed(old)
        else:
            old.rename(output)
    _removed(staging / "tree")


def _staged(tree: Tree, folder: Path, mode: int) -> None:
    """Write all files of a tree, and have the file system confirm that they are on the disk."""
    folder.mkdir()
    made = {""}
    for file in tree.files:
        if not manifest.safe(file.path):
            message = f"a compiled path leaves the output folder: {file.path!r}"
            raise ValueError(message)
        parts = file.path.split("/")
        for parent in ("/".join(parts[:depth]) for depth in range(1, len(parts))):
            if parent not in made:
                (folder / parent).mkdir()
                (folder / parent).chmod(0o755)
                made.add(parent)
        _one(folder / file.path, file)
    folder.chmod(mode)
    _synced(folder)


def _one(target: Path, file: File) -> None:
    handle = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with open(handle, "wb", closefd=False) as stream:
            stream.write(file.text.encode(errors="surrogateescape"))
        os.fchmod(handle, file.mode)
    finally:
        os.close(handle)


def _synced(folder: Path) -> None:
    """Flush the folder's whole file system: one wait instead of one per file, thousands of them in a large fleet."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        syncfs = getattr(ctypes.CDLL(None, use_errno=True), "syncfs", None)
        if syncfs is None:
            os.sync()
        elif syncfs(handle) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), str(folder))
    finally:
        os.close(handle)


def _swapped(staging: Path, output: Path, exchange: Exchange) -> None:
    new, old = staging / "tree", staging / "old"
    if not output.exists() or not any(output.iterdir()):
        new.rename(output)  # rename(2) replaces an empty folder in one step
    elif not exchange(new, output):
        output.rename(old)
        try:
            new.rename(output)
        except OSError:
            old.rename(output)
            raise
        _removed(old)
    for folder in (output.parent, staging):
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _mode_of(output: Path) -> int:
    """Keep the mode that somebody gave the output folder; 0755 for a new one."""
    try:
        return stat.S_IMODE(output.stat().st_mode)
    except FileNotFoundError:
        return 0o755


def _removed(folder: Path) -> None:
    if folder.exists():
        shutil.rmtree(folder)


def _refuse(code: str, message: str, place: Path, hint: str) -> NoReturn:
    raise _RefusedError(diagnose(code, message, Span(str(place), 1, 1, 1, 1), hint=hint))


def _failed(error: OSError, output: Path) -> Diagnostic:
    number = error.errno or 0
    hint = _WAYS_OUT.get(number, "check the permissions, or choose another place for --output")
    named = Path(str(error.filename or output))
    at = "" if named.parent == output.parent.resolve() else f" at {named}"
    message = f"cannot write {output}: {error.strerror or error}{at}; nothing was changed"
    return diagnose("BS508", message, Span(str(output), 1, 1, 1, 1), hint=hint)


def _left_behind(error: OSError, output: Path, staging: Path) -> Diagnostic:
    message = f"{output} is new, but the old tree beside it could not be removed: {error.strerror}"
    return diagnose("BS513", message, Span(str(output), 1, 1, 1, 1), hint=f"remove {staging}")
