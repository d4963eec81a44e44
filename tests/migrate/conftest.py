"""Sites for the tests of the migration."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.migrate.site import Site


@pytest.fixture
def place() -> Iterator[Path]:
    """Give a folder that other accounts can reach, unlike pytest's own."""
    folder = Path(tempfile.mkdtemp(prefix="backupspec-migrate-test-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def make_site(place: Path) -> Callable[..., Site]:
    """Give a maker of sites."""

    def make(**options: Any) -> Site:
        return Site(place / "site", **options)

    return make


@pytest.fixture(params=[False, True], ids=["cp-al", "link_dest"])
def link_dest(request: pytest.FixtureRequest) -> bool:
    """Run a test on both kinds of tree that rsnapshot makes."""
    return bool(request.param)
