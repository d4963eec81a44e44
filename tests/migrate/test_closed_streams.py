"""A migration that nobody listens to does its work and says by its exit code how that went."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.migrate.site import Site
from tests.migrate.test_commands import planned
from tests.migrate.test_import import filled, name_of

pytestmark = [pytest.mark.root, pytest.mark.borg]


def _code(site: Site, name: str, *words: str) -> int:
    """Run a command with all three standard streams closed."""
    argv = ["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", *site.command(name, *words)]
    return subprocess.run(argv, env=site.environment(), check=False).returncode


@pytest.mark.parametrize("words", [(), ("--log-json",)])
def test_closed_streams_change_no_exit_code(
    make_site: Callable[..., Site], borg14: Path, words: tuple[str, ...]
) -> None:
    site = make_site()
    times = filled(site, 2)
    planned(site)
    assert _code(site, "report") == 1, "nothing was imported yet"
    assert _code(site, "run", *words) == 0
    assert site.archives(borg14) == [name_of(when) for when in times]
    assert _code(site, "verify", *words) == 0
    assert _code(site, "report") == 0
    site.plan.write_text("version: 1\n")
    assert _code(site, "run", *words) == 1
