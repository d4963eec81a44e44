"""Carries a plan out: what is already there is left alone, what is missing is added, the oldest first."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from itertools import takewhile
from typing import Literal

from borg.archive import Archive

from backupspec.catalogue import diagnose
from backupspec.diagnostic import Diagnostic, Diagnostics, Span
from backupspec_migrate.hidden import Hidden
from backupspec_migrate.identity import read_comment
from backupspec_migrate.messages import Compared, LossKind, Message, Present, Written
from backupspec_migrate.plan import Import, Target
from backupspec_migrate.prepare import Prepared, Tree
from backupspec_migrate.progress import Event, Sink
from backupspec_migrate.repository import (
    AGAIN,
    RepositoryError,
    Session,
    create_repository,
    is_local,
    open_repository,
)
from backupspec_migrate.scan import folders_now
from backupspec_migrate.verify import gone, verify_target
from backupspec_migrate.view import listings_tell_inodes
from backupspec_migrate.worker import Crew, Send, foreign_owner
from backupspec_migrate.writer import IncompleteError, StorageError, Tally, Writer

Note = Callable[[Message], None]
_Through = tuple[Event, Import, Tally]
"""An archive that is written and not yet committed."""
# Archives wait for a commit as long as this many commits take, or this many seconds if that is longer: so much work is
# lost when a run is killed.
_TOGETHER = 10
_LEAST = 2.0


def run_plan(prepared: Prepared, crew: int, show: Sink, note: Note) -> Diagnostics:
    """Import all that the plan names and the repositories do not have; errors say what is still missing.

    Each archive is complete or not there. After an interruption of any kind the next run goes on where this one ended.
    `crew` repositories are worked on at a time.
    """
    return Crew(crew, show, note).all(
        (target, partial(_import_all, target, prepared.tree)) for target in prepared.settled.plan.targets
    )


def verify_plan(  # noqa: PLR0913 - all are facts of the caller
    prepared: Prepared, crew: int, show: Sink, note: Note, *, share: float, done: frozenset[tuple[str, str, str]]
) -> Diagnostics:
    """Compare all archives of a plan with the source, each repository in a process of its own, as its owner.

    Of the distinct files of an archive `share` have their bytes compared. Archives in `done` (repository, name, id) are
    passed over.
    """
    beside = _Beside(prepared, note)
    found = Crew(crew, show, beside.note).all(
        (target, partial(_verify, target, prepared.tree, share, done)) for target in prepared.settled.plan.targets
    )
    return (*found, *beside.found)


def look_at_archives(prepared: Prepared, show: Sink, note: Note) -> Diagnostics:
    """Say of each archive of a planned series that is in its repository under which id; nothing is read of it."""
    return Crew(1, show, note).all((target, partial(_look, target)) for target in prepared.settled.plan.targets)


def _look(target: Target, send: Send) -> None:
    try:
        with open_repository(target.repository, compression=None, unencrypted=target.unencrypted) as session:
            series = {one.archive.rpartition("_")[0] for one in target.imports}
            for name in session.manifest.archives:
                if name.rpartition("_")[0] in series:
                    send(Present(target.repository, name, session.manifest.archives[name].id.hex()))
    except RepositoryError as error:
        send(error.found)


def _verify(target: Target, tree: Tree, share: float, done: frozenset[tuple[str, str, str]], send: Send) -> None:
    try:
        with open_repository(target.repository, compression=None, unencrypted=target.unencrypted) as session:
            there = session.manifest.archives
            open_ = tuple(
                one
                for one in target.imports
                if one.archive not in there or (target.repository, one.archive, there[one.archive].id.hex()) not in done
            )
            verify_target(replace(target, imports=open_), session, tree.view, send, share=share)
    except RepositoryError as error:
        send(error.found)


class _Beside:
    """Adds, as root, to what a process that is none says of an archive; `found` says it to the user."""

    def __init__(self, prepared: Prepared, note: Note) -> None:
        self._note, self.found = note, []  # type: tuple[Note, list[Diagnostic]]
        self._imports = {
            (target.repository, one.archive): one
            for target in prepared.settled.plan.targets
            if foreign_owner(target.repository) is not None
            for one in target.imports
        }
        tree = prepared.tree
        self._hidden = Hidden(tree.view, len(self._imports), trusted=listings_tell_inodes(tree.layout.root))

    def note(self, message: Message) -> None:
        """Pass a message on, completed."""
        one = self._imports.get((message.repository, message.archive))
        if one is not None and isinstance(message, Compared) and (paths := self._hidden.paths(one)):
            message = replace(message, lost=(*message.lost, ("trusted attribute", paths)))
            why = "stored without trusted.* attributes, which only root sees"
            self.found.append(_loss(message.repository, one, paths, why))
        self._note(message)


def _loss(repository: str, one: Import, paths: Sequence[str], why: str) -> Diagnostic:
    message = f"{one.archive}: {len(paths)} {why} (/{paths[0]})"
    return diagnose("BS641", message, Span(repository, 1, 1, 1, 1), where=one.archive)


def _import_all(target: Target, tree: Tree, send: Send) -> None:
    repository = target.repository
    pending = list(enumerate(target.imports, start=1))
    through: list[_Through] = []
    try:
        made = target.make is not None and is_local(repository) and create_repository(repository, target.make)
        if made and target.make != "none":
            send(_key_to_export(repository))
        while pending:
            try:
                with open_repository(
                    repository, compression=target.compression, unencrypted=target.unencrypted
                ) as session:
                    _Run(target, session, tree, send, through).until_empty(pending)
            except IncompleteError as error:
                # What was written for it is rolled back, and all since the last commit; what the memo knows goes with
                # it: a new session begins.
                number, failed = pending.pop(0)
                pending[:0] = [(event.number, one) for event, one, _ in through]
                through.clear()
                send(Event("failed", repository, failed.archive, number, len(target.imports)))
                for problem in error.found:
                    send(problem)
    except StorageError as error:
        place = Span(repository, 1, 1, 1, 1)
        send(diagnose("BS631", f"{repository} cannot be written: {error}", place, hint=AGAIN))
    except RepositoryError as error:
        send(error.found)


def _key_to_export(repository: str) -> Diagnostic:
    """Say what belongs into the safe, now that a repository was made whose only key lies in it."""
    message = f"{repository} was made, and its only key lies in it: whoever loses that or the passphrase loses all"
    file = f"/root/{repository.strip('/').replace('/', '-')}.key"
    hint = f"`{shlex.join(['borg', 'key', 'export', repository, file])}`; this file and the passphrase go into the safe"
    return diagnose("BS634", message, Span(repository, 1, 1, 1, 1), hint=hint)


class _Run:
    """The import into one open repository."""

    def __init__(self, target: Target, session: Session, tree: Tree, send: Send, through: list[_Through]) -> None:
        self.target, self.session, self.tree, self.send = target, session, tree, send
        self.trusted = listings_tell_inodes(tree.layout.root)
        self.through = through
        self.committed = time.monotonic()
        self.commit_takes = 0.0  # seconds, as the last one did

    def until_empty(self, pending: list[tuple[int, Import]]) -> None:
        """Import what is pending and take each off the list when it is through, though not yet committed."""
        writer: Writer | None = None
        try:
            while pending:
                number, one = pending[0]
                event = Event(
                    "start", self.target.repository, one.archive, number, len(self.target.imports), snapshot=one.slot
                )
                if one.archive in self.session.manifest.archives:
                    if self.through:
                        self.commit()  # whatever is the matter with this one
                    self.send(replace(event, what="present" if self.is_ours(one) else "failed"))
                elif one.gone:
                    self.send(replace(event, what="failed"))
                    self.send(gone(one))
                else:
                    self.send(event)
                    started = time.monotonic()
                    if writer is None or not writer.waiting:
                        writer = Writer(self.session, self.tree.view, self.series(pending), trusted=self.trusted)
                    report = partial(self.report, event)
                    tally = writer.write(self.still_there, report)
                    report(tally)
                    self.through.append((event, one, tally))
                    now = time.monotonic()
                    # The next one takes about as long as this one did, if it is of the same series.
                    wait = max(_LEAST, _TOGETHER * self.commit_takes)
                    if not writer.waiting or now - self.committed + now - started > wait:
                        self.commit()
                pending.pop(0)
        finally:
            if writer is not None:
                writer.close()

    def commit(self) -> None:
        """Make what was written last, and say so."""
        started = time.monotonic()
        self.session.commit()
        self.commit_takes = time.monotonic() - started
        for event, one, tally in self.through:
            self.send(self.written(one, tally))
            self.send(_counted(event, "done", tally))
            self.declare_losses(one, tally)
        self.through.clear()
        self.committed = time.monotonic()

    def series(self, pending: list[tuple[int, Import]]) -> list[Import]:
        """Give what will be written from here on, as far as it is of the same series."""
        first = pending[0][1]
        same = takewhile(
            lambda one: (one.host, one.identity.dest) == (first.host, first.identity.dest), (one for _, one in pending)
        )
        return [one for one in same if not one.gone and one.archive not in self.session.manifest.archives]

    def still_there(self) -> bool:
        """Tell whether the snapshots stand as they did when the plan was made."""
        return folders_now(self.tree.layout, self.tree.view) == self.tree.folders

    def report(self, event: Event, tally: Tally) -> None:
        """Say how far one archive is."""
        self.send(_counted(event, "advance", tally))

    def written(self, one: Import, tally: Tally) -> Written:
        """Say what was written, by the id that the archive has now."""
        identity = self.session.manifest.archives[one.archive].id.hex()
        lost: tuple[tuple[LossKind, tuple[str, ...]], ...] = (
            ("socket", tuple(tally.sockets)),
            ("clamped time", tuple(tally.clamped)),
        )
        counts = (tally.entries, tally.inodes_read, tally.bytes_read)
        return Written(self.target.repository, one.archive, identity, *counts, tuple(one for one in lost if one[1]))

    def is_ours(self, one: Import) -> bool:
        """Tell whether the archive of that name is this very import; say so when it is not."""
        there = Archive(self.session.repository, self.session.key, self.session.manifest, one.archive)
        if read_comment(there.comment) == one.identity:
            self.send(Present(self.target.repository, one.archive, there.id.hex()))
            return True
        source = f"{one.identity.source}/{one.identity.dest}"
        message = f"{one.archive} is in {self.target.repository} already, and not from {source}"
        hint = "look at it with `borg info`; then rename it there, or name another repository in the plan"
        place = Span(self.target.repository, 1, 1, 1, 1)
        self.send(diagnose("BS633", message, place, hint=hint, where=one.archive))
        return False

    def declare_losses(self, one: Import, tally: Tally) -> None:
        """Say what Borg cannot hold."""
        for losses, why in (
            (tally.sockets, "not stored: a socket"),
            (tally.clamped, "stored with another time: before 1970 or after January 2038"),
        ):
            if losses:
                self.send(_loss(self.target.repository, one, losses, why))


def _counted(event: Event, what: Literal["advance", "done"], tally: Tally) -> Event:
    event = replace(event, what=what, expected=tally.expected, entries=tally.entries)
    return replace(event, inodes=tally.inodes_read, bytes=tally.bytes_read)
