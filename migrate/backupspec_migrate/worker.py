"""Runs work on one repository in a process of its own, as the account that the repository belongs to."""

from __future__ import annotations

import multiprocessing
import os
import resource
import signal
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection

from borg.helpers import get_keys_dir

from backupspec.catalogue import diagnose
from backupspec.diagnostic import Diagnostic, Span
from backupspec_migrate.lock import interrupt
from backupspec_migrate.passphrase import PassphraseError, give_passphrase
from backupspec_migrate.plan import Target
from backupspec_migrate.privilege import account_base, become, die_with_parent, owner_of
from backupspec_migrate.progress import Event, Sink
from backupspec_migrate.repository import is_local

Send = Callable[[Event | Diagnostic], None]
_DEEP = 20_000  # folders within folders; each costs one frame and one descriptor


def in_process_of_owner(target: Target, work: Callable[[Send], None], show: Sink) -> list[Diagnostic]:
    """Run `work` in a process of its own, as the owner of the (local) repository; give the diagnostics that it sent.

    Root writing into an account's repository would leave files that the account's next backup cannot open. The
    passphrase of one repository is never in the process that works on another.
    """
    repository = target.repository
    context = multiprocessing.get_context("fork")
    receiving, sending = context.Pipe(duplex=False)
    process = context.Process(target=_child, args=(target, work, sending, receiving))
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
        code = process.exitcode
        how = f"killed by signal {-code}" if code < 0 else f"exit code {code}"
        message = f"the work on {repository} ended early ({how})"
        found.append(diagnose("BS624", message, _place(repository), hint="start the same command again"))
    return found


def _child(target: Target, work: Callable[[Send], None], sending: Connection, receiving: Connection) -> None:
    repository = target.repository
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
        if target.passphrase_file is not None:
            give_passphrase(target.passphrase_file)
        if is_local(repository):
            _as_owner(repository)
        work(sending.send)
    except PassphraseError as error:
        sending.send(diagnose("BS631", f"no passphrase for {repository}: {error}", _place(repository)))
    except OSError as error:
        sending.send(diagnose("BS631", f"{repository}: {error.strerror}", _place(repository)))
    except KeyboardInterrupt:
        pass  # the parent knows: it asked for it
    except Exception as error:  # noqa: BLE001 - the last resort of a process: whatever it is becomes a finding
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


def _place(repository: str) -> Span:
    return Span(repository, 1, 1, 1, 1)
