"""Sites for the tests of the migration."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.migrate.site import Kind, Site


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
    return partial(Site, place / "site")


@pytest.fixture(params=["cp-al", "link_dest"])
def kind(request: pytest.FixtureRequest) -> Kind:
    """Run a test on both kinds of tree that rsnapshot makes."""
    return Kind(request.param)
