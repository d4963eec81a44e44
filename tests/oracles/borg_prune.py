"""Ask borg's own prune many times in one process; runs under the Python of the borg that is asked.

Each line of standard input is a case; the lines that `borg prune --dry-run --list` prints for it come back as a line.
The archives are entries of a manifest and nothing else: a dry run looks at no more. With a folder as its argument it
makes, instead, one repository of that borg with the archives of the one case that it reads.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import sys
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, tzinfo
from types import SimpleNamespace
from typing import Any

import borg.archiver
import borg.helpers.misc
from borg.cache import Cache
from borg.helpers import Error
from borg.helpers.manifest import Archives, Manifest
from borg.logger import setup_logging
from borg.repository import Repository


class Clock(datetime):
    """A `datetime` with a present of its own."""

    present: datetime

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]  # borg asks for no other class
        return cls.present.astimezone(tz)


class NoCache:
    """Stands where borg keeps its chunk index, which only a prune that deletes asks."""

    def __init__(self, *args: object, **kwargs: object) -> None:
        pass

    def __enter__(self) -> None:
        pass

    def __exit__(self, *exception: object) -> None:
        pass


class Lines(logging.Handler):
    """What borg lists."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


def entries(archives: Sequence[tuple[str, str]]) -> dict[bytes, dict[bytes, bytes]]:
    """Give archives as a manifest has them once it is read: by name, each with an identity and its time."""
    return {
        name.encode(): {b"id": hashlib.sha256(name.encode()).digest(), b"time": moment.encode()}
        for name, moment in sorted(archives)
    }


class Asked:
    """Borg's prune, ready for the next question."""

    def __init__(self) -> None:
        borg.archiver.Cache = NoCache
        borg.helpers.misc.datetime = Clock
        self._listed = Lines()
        logger = logging.getLogger("borg.output.list")
        logger.setLevel("INFO")
        logger.propagate = False
        logger.addHandler(self._listed)
        self._archiver = borg.archiver.Archiver(lock_wait=1)
        # Made once: it takes longer than all the rest.
        self._parser = self._archiver.build_parser()

    def __call__(self, case: Mapping[str, Any]) -> list[str]:
        """Give what borg lists for a case; nothing if it refuses the options."""
        os.environ["TZ"] = case["zone"]
        time.tzset()
        Clock.present = datetime.fromisoformat(case["now"]).replace(tzinfo=UTC)
        args = self._parser.parse_args(["prune", "--dry-run", "--list", *case["options"]])
        self._parser.common_options.resolve(args)
        manifest = SimpleNamespace(archives=Archives())
        manifest.archives.set_raw_dict(entries(case["archives"]))
        self._listed.lines.clear()
        with contextlib.suppress(Error):
            # Without the decorator that opens a repository.
            borg.archiver.Archiver.do_prune.__wrapped__(
                self._archiver, args, repository=None, manifest=manifest, key=None
            )
        return self._listed.lines


def answer() -> None:
    """Answer line by line."""
    asked = Asked()
    for line in sys.stdin:
        print(json.dumps(asked(json.loads(line))), flush=True)


def make(folder: str) -> None:
    """Put archives into an empty repository and its cache."""
    with Repository(folder, exclusive=True) as repository:
        manifest, key = Manifest.load(repository, Manifest.NO_OPERATION_CHECK)
        # In another order than that of their names: borg sorts them as it writes.
        manifest.archives.set_raw_dict(dict(reversed(entries(json.load(sys.stdin)["archives"]).items())))
        manifest.write()
        repository.commit(compact=False)
        # A cache that is behind the manifest would go and read the archives.
        with Cache(repository, key, manifest, sync=False) as cache:
            cache.begin_txn()
            cache.commit()


if __name__ == "__main__":
    setup_logging(level="warning")
    if len(sys.argv) > 1:
        make(sys.argv[1])
    else:
        answer()
