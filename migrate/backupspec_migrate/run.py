"""Carries a plan out: one process per repository, as the account that owns it; what is already there is left alone."""

from __future__ import annotations

import multiprocessing
import os
import resource
import signal
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

from borg.archive import Archive
from borg.helpers import get_keys_dir

from backupspec.catalogue import diagnose
from backupspec.diagnostic import Diagnostic, Diagnostics, Span
from backupspec_migrate.identity import read_comment
from backupspec_migrate.layout import Layout
from backupspec_migrate.lock import interrupt
from backupspec_migrate.plan import Import, Plan, Target
from backupspec_migrate.privilege import account_base, become, die_with_parent, owner_of
from backupspec_migrate.progress import Event, Sink
from backupspec_migrate.repository import (
    Encryption,
    RepositoryError,
    Session,
    create_repository,
    is_local,
    open_repository,
)
from backupspec_migrate.scan import snapshot_folders
from backupspec_migrate.verify import verify_target
from backupspec_migrate.view import View, listings_tell_inodes
from backupspec_migrate.writer import IncompleteError, StorageError, Tally, Writer

Message = Event | Diagnostic
_DEEP = 20_000  # folders within folders; each costs one frame and one descriptor


@dataclass(frozen=True, slots=True)
class Settings:
    """How to run. `encryption` set: a repository that is not there is made, with it."""

    encryption: Encryption | None


def run_plan(plan: Plan, layout: Layout, view: View, settings: Settings, show: Sink) -> Diagnostics:
    """Import all that the plan names and the repositories do not have; errors say what is still missing.

    Each archive is complete or not there. After an interruption of any kind the next run goes on where this one ended.
    """
    found: list[Diagnostic] = []
    for target in plan.targets:
        found += in_process_of_owner(
            target.repository, lambda send, one=target: _import_all(one, layout, view, settings, send), show
        )
    return tuple(found)


def in_process_of_owner(
    repository: str, work: Callable[[Callable[[Message], None]], None], show: Sink
) -> list[Diagnostic]:
    """Run `work` in a process of its own, as the owner of the (local) repository; give the diagnostics that it sent.

    Root writing into an account's repository would leave files that the account's next backup cannot open.
    """
    context = multiprocessing.get_context("fork")
    receiving, sending = context.Pipe(duplex=False)
    process = context.Process(target=_child, args=(repository, work, sending, receiving))
    process.start()
    sending.close()
    found: list[Diagnostic] = []
    try:
        with suppress(EOFError):
            while True:
                message = receiving.recv()
                if isinstance(message, Diagnostic):
                    found.append(message)
                else:
                    show(message)
        process.join()
    finally:
        if process.is_alive():
            process.terminate()
            process.join()
        receiving.close()
    if process.exitcode:
        how = f"killed by signal {-process.exitcode}" if process.exitcode < 0 else f"exit code {process.exitcode}"
        found.append(
            diagnose(
                "BS624",
                f"the work on {repository} ended early ({how})",
                _place(repository),
                hint="start the same command again",
            )
        )
    return found


def _child(
    repository: str, work: Callable[[Callable[[Message], None]], None], sending: Connection, receiving: Connection
) -> None:
    receiving.close()
    die_with_parent()
    # A terminal's ^C reaches both processes: the parent ends this one, in one way for every reason.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, interrupt)
    os.umask(0o077)
    sys.setrecursionlimit(_DEEP)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    try:
        if is_local(repository):
            _as_owner(repository)
        work(sending.send)
    except OSError as error:
        sending.send(diagnose("BS631", f"{repository}: {error.strerror}", _place(repository)))
    except KeyboardInterrupt:
        pass  # the parent knows: it asked for it
    except Exception as error:  # noqa: BLE001 - the last resort of a process: whatever it is becomes a finding, not a traceback
        if os.environ.get("BACKUPSPEC_TRACEBACK"):
            traceback.print_exc()
        what = f"the work on {repository} failed in a way that it should not: {type(error).__name__}: {error}"
        sending.send(diagnose("BS624", what, _place(repository), hint="BACKUPSPEC_TRACEBACK=1 shows where"))
    sending.close()


def _as_owner(repository: str) -> None:
    uid, gid = owner_of(repository)
    if uid == os.geteuid() or os.geteuid() != 0:
        return
    keys, base = get_keys_dir(), account_base(uid)
    become(uid, gid)
    # Death by the parent's death is forgotten when the user changes.
    die_with_parent()
    for name in ("BORG_CACHE_DIR", "BORG_CONFIG_DIR", "BORG_SECURITY_DIR"):
        os.environ.pop(name, None)
    os.environ.update(BORG_BASE_DIR=str(base), BORG_KEYS_DIR=keys)


def _import_all(
    target: Target, layout: Layout, view: View, settings: Settings, send: Callable[[Message], None]
) -> None:
    if (
        settings.encryption is not None
        and is_local(target.repository)
        and not (Path(target.repository) / "config").exists()
    ):
        try:
            create_repository(target.repository, settings.encryption)
        except RepositoryError as error:
            send(error.found)
            return
    pending = list(enumerate(target.imports, start=1))
    while pending:
        try:
            with open_repository(
                target.repository, compression=target.compression, encryption=settings.encryption
            ) as session:
                _import_some(pending, target, session, layout, view, send)
        except IncompleteError as error:
            # What was written for it is rolled back with the transaction, and what the memo knows with it: a new session begins.
            number, failed = pending.pop(0)
            send(Event("failed", target.repository, failed.archive, number, len(target.imports)))
            for problem in error.found:
                send(problem)
        except StorageError as error:
            send(diagnose("BS631", f"{target.repository} cannot be written: {error}", _place(target.repository)))
            return
        except RepositoryError as error:
            send(error.found)
            return


def _import_some(
    pending: list[tuple[int, Import]],
    target: Target,
    session: Session,
    layout: Layout,
    view: View,
    send: Callable[[Message], None],
) -> None:
    """Import what is pending and take each off the list when it is through."""
    trusted = listings_tell_inodes(layout.root)
    before = snapshot_folders(layout, view)
    writer, series = None, None
    while pending:
        number, one = pending[0]
        taken = _taken(one, session)
        if taken is not None:
            if taken:
                send(
                    diagnose(
                        "BS633",
                        f"{one.archive} is in {target.repository} already, and not from {one.identity.source}/{one.identity.dest}",
                        _place(target.repository),
                        where=one.archive,
                    )
                )
            send(Event("failed" if taken else "present", target.repository, one.archive, number, len(target.imports)))
            pending.pop(0)
            continue
        send(Event("start", target.repository, one.archive, number, len(target.imports)))

        def advance(tally: Tally, one: Import = one, number: int = number) -> None:
            send(_event("advance", target, one, number, tally))

        if writer is None or series != (one.host, one.identity.dest):
            writer = Writer(session, view, trusted=trusted)
            series = (one.host, one.identity.dest)
        tally = writer.write(one, lambda: snapshot_folders(layout, view) == before, advance)
        send(_event("done", target, one, number, tally))
        for losses, why in (
            (tally.sockets, "sockets, which Borg does not store"),
            (tally.clamped, "times that Borg cannot hold"),
        ):
            if losses:
                message = f"{one.archive}: {len(losses)} {why}, such as /{losses[0]}"
                send(diagnose("BS641", message, _place(target.repository), where=one.archive))
        pending.pop(0)


def _event(what: str, target: Target, one: Import, number: int, tally: Tally) -> Event:
    known = "done" if what == "done" else "advance"
    return Event(
        known,
        target.repository,
        one.archive,
        number,
        len(target.imports),
        tally.entries,
        tally.inodes_read,
        tally.bytes_read,
    )


def _taken(one: Import, session: Session) -> bool | None:
    """Say what has the archive's name: None nothing, False the very import, True something else."""
    if one.archive not in session.manifest.archives:
        return None
    there = Archive(session.repository, session.key, session.manifest, one.archive)
    return read_comment(there.comment) != one.identity


def _place(repository: str) -> Span:
    return Span(repository, 1, 1, 1, 1)


def verify_plan(plan: Plan, view: View, settings: Settings, show: Sink) -> Diagnostics:
    """Compare all archives of a plan with the source, each repository in a process of its own, as its owner."""
    found: list[Diagnostic] = []
    for target in plan.targets:
        found += in_process_of_owner(
            target.repository, lambda send, one=target: _verify(one, view, settings, send), show
        )
    return tuple(found)


def _verify(target: Target, view: View, settings: Settings, send: Callable[[Message], None]) -> None:
    try:
        with open_repository(target.repository, compression=None, encryption=settings.encryption) as session:
            verify_target(target, session, view, send)
    except RepositoryError as error:
        send(error.found)
