"""Runs work on repositories in processes of their own, as the accounts that the repositories belong to."""

from __future__ import annotations

import errno
import multiprocessing
import os
import resource
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from types import FrameType
from typing import cast

from borg.helpers import get_base_dir, get_keys_dir

from backupspec.catalogue import diagnose
from backupspec.diagnostic import Diagnostic, Diagnostics, Span
from backupspec_migrate.lock import ENDING, interrupt
from backupspec_migrate.messages import Message
from backupspec_migrate.passphrase import PassphraseError, ask_nobody, give_passphrase
from backupspec_migrate.plan import Target
from backupspec_migrate.privilege import account_base, become, die_with_parent, owner_of
from backupspec_migrate.progress import Event, Sink
from backupspec_migrate.repository import AGAIN, is_local

Send = Callable[[Event | Diagnostic | Message], None]
Work = Callable[[Send], None]
_MOMENT = 0.01  # seconds
_DEEP = 20_000  # folders within folders; each costs one frame and one descriptor


@dataclass(slots=True)
class _Worker:
    target: Target
    process: BaseProcess
    receiving: Connection


class Crew:
    """Runs the work on several repositories, `size` at a time, each in a process of its own as the repository's owner.

    Root writing into an account's repository would leave files that the account's next backup cannot open. The
    passphrase of one repository is never in the process that works on another.
    """

    def __init__(self, size: int, show: Sink, note: Callable[[Message], None]) -> None:
        self._size, self._show, self._note = size, show, note
        self._found: list[Diagnostic] = []
        self._working: dict[Connection, _Worker] = {}

    def all(self, work: Iterable[tuple[Target, Work]]) -> Diagnostics:
        """Do all of it, and give the diagnostics that were sent; none of the processes outlives the call."""
        waiting = list(work)
        try:
            while True:
                self._start_some(waiting)
                if not self._working:
                    return tuple(self._found)
                for ready in wait(list(self._working)):
                    self._receive(self._working[cast("Connection", ready)])
        finally:
            for worker in self._working.values():
                worker.process.terminate()
            for worker in self._working.values():
                worker.process.join()
                worker.receiving.close()

    def _start_some(self, waiting: list[tuple[Target, Work]]) -> None:
        """Start what there is room for; two pieces of work on one repository would only wait for its lock."""
        for piece in tuple(waiting):
            target, one = piece
            busy = {worker.target.repository for worker in self._working.values()}
            if len(self._working) < self._size and target.repository not in busy:
                waiting.remove(piece)
                self._start(target, one)

    def _start(self, target: Target, work: Work) -> None:
        context = multiprocessing.get_context("fork")
        receiving, sending = context.Pipe(duplex=False)
        # What the others send must not be held open by this one.
        theirs = (receiving, *self._working)
        alone = self._size == 1
        process = context.Process(target=_child, args=(target, work, sending, theirs), kwargs={"alone": alone})
        # Whoever is interrupted here would not know what it has started; the child waits until it has its own ways.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
        try:
            process.start()
            self._working[receiving] = _Worker(target, process, receiving)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        sending.close()

    def _receive(self, worker: _Worker) -> None:
        try:
            message = worker.receiving.recv()
        except EOFError:
            self._ended(worker)
            return
        match message:
            case Diagnostic():
                self._found.append(message)
            case Event():
                self._show(message)
            case _:
                self._note(message)

    def _ended(self, worker: _Worker) -> None:
        del self._working[worker.receiving]
        worker.process.join()
        worker.receiving.close()
        if code := worker.process.exitcode:
            how = f"killed by signal {-code}" if code < 0 else f"exit code {code}"
            message = f"the work on {worker.target.repository} ended early ({how})"
            place = _place(worker.target.repository)
            self._found.append(diagnose("BS624", message, place, hint=AGAIN))


def _child(target: Target, work: Work, sending: Connection, theirs: tuple[Connection, ...], *, alone: bool) -> None:
    repository = target.repository
    interruption = _settle(theirs, alone=alone)
    try:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)
        if target.passphrase_file is not None:
            give_passphrase(target.passphrase_file)
        if (owner := foreign_owner(repository)) is not None:
            _become(owner)
        work(interruption.heeding(sending.send))
    except PassphraseError as error:
        sending.send(diagnose("BS631", f"no passphrase for {repository}: {error}", _place(repository)))
    except OSError as error:
        sending.send(_refused(repository, error))
    except KeyboardInterrupt:
        pass  # the parent knows: it asked for it
    except Exception as error:  # noqa: BLE001 - the last resort of a process: whatever it is becomes a finding
        if os.environ.get("BACKUPSPEC_TRACEBACK"):
            traceback.print_exc()
        what = f"the work on {repository} failed in a way that it should not: {type(error).__name__}: {error}"
        sending.send(diagnose("BS624", what, _place(repository), hint="BACKUPSPEC_TRACEBACK=1 shows where"))
    sending.close()


def _settle(theirs: tuple[Connection, ...], *, alone: bool) -> _Interruption:
    """Make this process a worker with its own descriptors, terminal, signals and limits; give what interrupts it."""
    for connection in theirs:
        connection.close()
    die_with_parent(_parent())
    if not alone:
        # Several questions for a passphrase at one terminal could not be told apart: there is no terminal, so that Borg
        # (and ssh) say what is missing instead.
        os.setsid()
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    if not _has_terminal():
        ask_nobody()
    # A terminal's ^C and end reach both processes: the parent ends this one, in one way for every reason.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    interruption = _Interruption()
    signal.signal(signal.SIGTERM, interruption)
    os.umask(0o077)
    sys.setrecursionlimit(_DEEP)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return interruption


class _Interruption:
    """Takes SIGTERM for ^C, once: a service manager tells every process, and the parent tells again.

    Python swallows what is raised in some places (a finaliser); `send` then raises it where it is heard.
    """

    def __init__(self) -> None:
        self._asked = False

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """Take a signal; while a folder is being made whose name nobody knows yet, a moment later."""
        if _makes_folder(frame):
            signal.signal(signal.SIGALRM, self)
            signal.setitimer(signal.ITIMER_REAL, _MOMENT)
        elif not self._asked:
            self._asked = True
            # What Borg was just making is not whole when it goes, and its finaliser would complain of that.
            sys.unraisablehook = _overlook
            interrupt(number, frame)

    def heeding(self, send: Send) -> Send:
        """Give `send` for the time of the work: it ends the work that should have ended."""

        def heed(message: Event | Diagnostic | Message) -> None:
            if self._asked:
                raise KeyboardInterrupt
            send(message)

        return heed


def _makes_folder(frame: FrameType | None) -> bool:
    """Tell whether a folder with a random name is being made: Borg's lock is one before it is in its place.

    Interrupted between the making and the name, it would stay, empty, and nobody could tell whose it is.
    """
    while frame is not None and frame.f_code is not tempfile.mkdtemp.__code__:
        frame = frame.f_back
    return frame is not None


def _overlook(_: object) -> None:
    """Let an exception that nobody can catch go unsaid."""


def _refused(repository: str, error: OSError) -> Diagnostic:
    where = f" ({os.fsdecode(error.filename)})" if isinstance(error.filename, (str, bytes)) else ""
    hint = AGAIN
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        hint = f"make room for the repository, or for Borg's caches in {get_base_dir()}; then {AGAIN}"
    return diagnose("BS631", f"{repository}: {error.strerror or error}{where}", _place(repository), hint=hint)


def _has_terminal() -> bool:
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC))
    except OSError:
        return False
    return True


def _parent() -> int | None:
    parent = multiprocessing.parent_process()
    return None if parent is None else parent.pid


def foreign_owner(repository: str) -> tuple[int, int] | None:
    """Give (uid, gid) of the account that a process of root's becomes to work on a repository; None: none."""
    if not is_local(repository) or os.geteuid() != 0:
        return None
    uid, gid = owner_of(repository)
    return None if uid == 0 else (uid, gid)


def _become(owner: tuple[int, int]) -> None:
    uid, gid = owner
    keys, base = get_keys_dir(), account_base(uid)
    become(uid, gid)
    # Death by the parent's death is forgotten when the user changes.
    die_with_parent(_parent())
    for name in ("BORG_CACHE_DIR", "BORG_CONFIG_DIR", "BORG_SECURITY_DIR"):
        os.environ.pop(name, None)
    os.environ.update(BORG_BASE_DIR=str(base), BORG_KEYS_DIR=keys)


def _place(repository: str) -> Span:
    return Span(repository, 1, 1, 1, 1)
