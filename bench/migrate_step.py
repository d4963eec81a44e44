"""One step of a migration as a process of its own, for `migrate.py`: STEP TREE REPOSITORY SNAPSHOTS.

STEP is `import`, `verify`, or `open`: what Borg itself holds while that repository is written, and nothing of ours. It
is what `backupspec migrate run` and `verify` do for one repository, without plan and progress.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from borg.archive import Archive

from backupspec.diagnostic import Diagnostic
from backupspec_migrate.identity import Identity, archive_name
from backupspec_migrate.plan import CHUNKER, Import, Target
from backupspec_migrate.repository import Session, open_repository
from backupspec_migrate.scan import Root
from backupspec_migrate.verify import verify_target
from backupspec_migrate.view import listings_tell_inodes, open_view
from backupspec_migrate.writer import Writer

_BUFFERED = 9 * 1024 * 1024  # bytes: Borg buffers 8 MiB of items before it cuts them
_ITEM = 175  # bytes


def imports(tree: str, snapshots: int) -> tuple[Import, ...]:
    """Plan the oldest snapshots of the bench's tree."""
    slots = sorted(Path(tree).iterdir(), key=lambda slot: -int(slot.suffix.removeprefix(".")))
    made = []
    for slot in slots[:snapshots]:
        when = int(slot.stat().st_mtime)
        root = Root("web01", "", numeric_ids=True, own=False)
        made.append(
            Import(archive_name("web01", "files", when), "web01", Identity(tree, "web01", when), slot.name, (root,))
        )
    return tuple(made)


def only_open(session: Session, oldest: str) -> None:
    """Hold what Borg holds: its indexes, and its buffers for items."""
    session.cache.begin_txn()
    archive = Archive(
        session.repository,
        session.key,
        session.manifest,
        "open",
        cache=session.cache,
        create=True,
        chunker_params=CHUNKER,
    )
    entries = sum(len(folders) + len(names) for _, folders, names in os.walk(oldest))
    archive.items_buffer.buffer.write(os.urandom(min(_BUFFERED, entries * _ITEM)))
    archive.items_buffer.flush()
    raise KeyboardInterrupt  # nothing of it is kept


def main(step: str, tree: str, repository: str, snapshots: int) -> None:
    """Do one step."""
    planned = imports(tree, snapshots)
    writing = None if step == "verify" else "lz4"
    with open_view(tree) as view, open_repository(repository, compression=writing, unencrypted=False) as session:
        if step == "verify":
            found: list[object] = []
            target = Target(repository, "lz4", unencrypted=False, imports=planned)
            verify_target(target, session, view, found.append)
            if any(isinstance(one, Diagnostic) for one in found):
                raise SystemExit("archives differ from the tree")
        elif step == "open":
            only_open(session, f"{tree}/{planned[0].slot}")
        else:
            missing = [one for one in planned if one.archive not in session.manifest.archives]
            writer = Writer(session, view, missing, trusted=listings_tell_inodes(tree))
            while writer.waiting:
                writer.write(lambda: True, lambda _: None)
                session.commit()


if __name__ == "__main__":
    try:
        main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]))
    except KeyboardInterrupt:
        sys.exit(0)
