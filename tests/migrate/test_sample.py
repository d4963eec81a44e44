from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from backupspec_migrate.sample import DAY, FIRST_NIGHT, make_sample_tree
from tests.migrate.site import Kind, Site, inventory

pytestmark = [pytest.mark.root, pytest.mark.borg]


def test_the_sample_tree_can_be_migrated_and_continued(
    make_site: Callable[..., Site], kind: Kind, borg14: Path
) -> None:
    site = make_site()
    conf = make_sample_tree(site.folder / "sample", link_dest=kind is Kind.LINK_DEST)
    times = sorted(path.stat().st_mtime for path in (conf.parent / "snapshots").iterdir())
    assert times == [FIRST_NIGHT + day * DAY for day in range(4)]
    site.migrate(source=conf)
    site.verify(source=conf)
    last = site.archives(borg14)[-1]
    create = ["create", "--noctime", "--nobirthtime", f"{site.repo()}::regular", str(conf.parent / "source")]
    site.borg(borg14, *create)
    assert site.borg(borg14, "diff", f"{site.repo()}::{last}", "regular") == ""


def test_a_given_source_is_only_read(place: Path) -> None:
    source = place / "data"
    source.mkdir()
    (source / "file").write_text("content")
    before = {path: (*state[:6], *state[7:]) for path, state in inventory(source).items()}
    make_sample_tree(place / "sample", snapshots=2, source=source, host="db01")
    assert {path: (*state[:6], *state[7:]) for path, state in inventory(source).items()} == before
    assert (place / f"sample/snapshots/daily.1/db01{source}/file").read_text() == "content"
