"""The work to be done: one archive for each snapshot of a series, grouped by repository. Pure data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Literal

from backupspec_migrate.identity import Identity
from backupspec_migrate.scan import Root

DEFAULT_COMPRESSION = "auto,zstd,3"
DEFAULT_JOB = "files"
CHUNKER = ("buzhash", 19, 23, 21, 4095)
"""Borg's own default: the regular job must cut files alike, or its first backup would store all of them again."""

Make = Literal["none", "repokey-blake2"]
"""How a repository that is not there is made."""


@dataclass(frozen=True, slots=True)
class Import:
    """One archive to be: name, identity, and the roots (relative to `slot`) that it holds.

    `slot` is the snapshot's folder as it is called now. `gone`: it is not there any more (`slot` is its last known
    name), and the archive should be there already. `before` is the folder of the snapshot before it, if there is one.
    `accepted`: somebody looked at the snapshot and wrote down why it is imported all the same.
    """

    archive: str
    host: str
    identity: Identity
    slot: str
    roots: tuple[Root, ...]
    gone: bool = False
    before: str | None = None
    accepted: bool = False

    @property
    def mark(self) -> str:
        """Tell one content from another: the same mark means the same paths of the same snapshot of the same tree."""
        roots = sorted(
            (one.original, one.location, one.numeric_ids, one.own, sorted(one.without)) for one in self.roots
        )
        said = repr((self.identity.source, self.identity.dest, self.identity.time, roots))
        return blake2b(said.encode("utf-8", "backslashreplace"), digest_size=16).hexdigest()


@dataclass(frozen=True, slots=True)
class Target:
    """One repository and its imports.

    Series by series, the oldest first in each. `unencrypted`: it is meant to be so. `passphrase_file` None: Borg's own
    variables say the passphrase, or its question. `make` None: it must be there.
    """

    repository: str
    compression: str
    unencrypted: bool
    imports: tuple[Import, ...]
    passphrase_file: str | None = None
    make: Make | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """The whole migration, one target for each repository."""

    source: str
    targets: tuple[Target, ...]

    @property
    def marks(self) -> Mapping[tuple[str, str], str]:
        """Give what each archive is to hold, by (repository, name)."""
        return {(target.repository, one.archive): one.mark for target in self.targets for one in target.imports}
