"""Repositories behind ssh: what is said when a connection ends."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable

import pytest

from tests.migrate.site import Site
from tests.migrate.test_faults import history

pytestmark = [pytest.mark.root, pytest.mark.borg]


def test_what_ssh_says_last_is_passed_on(make_site: Callable[..., Site]) -> None:
    """Borg itself does not read on once its side of the connection has ended."""
    site = make_site()
    history(site, nights=1)
    ssh = site.folder / "ssh"
    ssh.write_text("#!/bin/sh\nexec >&-; sleep 0.3; echo 'bs-web01: Permission denied (publickey).' >&2; exit 255\n")
    ssh.chmod(0o755)
    assert site.run("plan", repository=f"ssh://bs-web01@backup.example{site.repo()}").returncode == 0
    environment = {**site.environment(), "BORG_RSH": os.fspath(ssh)}
    done = subprocess.run(site.command("run"), env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "Remote: bs-web01: Permission denied (publickey)." in done.stderr
    assert done.stderr.count("error[BS631]") == done.stderr.count("error[") == 1, done.stderr
    assert "Traceback" not in done.stderr
