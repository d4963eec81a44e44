from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from backupspec.diagnostic import Diagnostic
from backupspec.pipeline import load_fleet
from backupspec_migrate.goals import goals_of
from backupspec_migrate.plan import Goal
from tests.migrate.site import Site
from tests.migrate.test_import import filled


def written(checkout: Path, folder: Path, storage: str, web: str) -> Path:
    """Write an inventory: the small office, with its storage at `storage` and other jobs for the host web."""
    shutil.copytree(checkout / "inventories/small", folder)
    path = folder / "inventory.yaml"
    text = path.read_text().replace("path: /backup,", f"path: {storage},")
    path.write_text(text.replace("    files:\n      www: {paths: [/srv/www]}\n", web))
    return path


def goals(path: Path, is_here: bool) -> dict[str, Goal | Diagnostic]:  # noqa: FBT001 - said by name below
    fleet, found = load_fleet(path)
    assert fleet is not None, found
    return goals_of(fleet, None, lambda _: is_here)


def test_the_only_files_job_of_a_host_is_the_one_that_is_continued(checkout: Path, tmp_path: Path) -> None:
    goal = goals(written(checkout, tmp_path / "in", "/backup", ""), is_here=True)["web"]
    assert isinstance(goal, Goal)
    assert (goal.repository, goal.job, goal.unencrypted) == ("/backup/web/central", "system", False)


def test_of_several_jobs_the_marked_one_is_continued(checkout: Path, tmp_path: Path) -> None:
    marked = "    files:\n      www: {paths: [/srv/www], history: true}\n"
    goal = goals(written(checkout, tmp_path / "in", "/backup", marked), is_here=True)["web"]
    assert isinstance(goal, Goal)
    assert goal.job == "www"


def test_several_jobs_without_a_mark_are_a_question(checkout: Path, tmp_path: Path) -> None:
    goal = goals(
        written(checkout, tmp_path / "in", "/backup", "    files:\n      www: {paths: [/srv/www]}\n"), is_here=True
    )["web"]
    assert isinstance(goal, Diagnostic)
    assert goal.code == "BS619"


def test_a_repository_elsewhere_is_reached_as_its_account(checkout: Path, tmp_path: Path) -> None:
    goal = goals(written(checkout, tmp_path / "in", "/backup", ""), is_here=False)["web"]
    assert isinstance(goal, Goal)
    assert goal.repository == "ssh://bs-web@192.0.2.10:22/backup/web/central"


@pytest.mark.root
@pytest.mark.borg
def test_an_inventory_says_repository_and_job(make_site: Callable[..., Site], checkout: Path, borg14: Path) -> None:
    site = make_site(lines=[("web01/", "web/", ""), ("web01/", "nobody/", "")])
    filled(site, 2)
    path = written(checkout, site.folder / "in", str(site.folder / "repos"), "")
    (site.repo("web")).mkdir()
    site.borg(borg14, "init", "-e", "repokey-blake2", str(site.repo("web") / "central"))
    common = [str(site.conf), "--inventory", str(path)]
    for name in ("rsnapshot", "verify"):
        done = migrate(site, name, *common, "--host", "web")
        assert done.returncode == 0, done.stderr
    listed = site.borg(borg14, "list", "--short", str(site.repo("web") / "central")).split()
    assert [name.rpartition("_")[0] for name in listed] == ["web_system", "web_system"]
    done = migrate(site, "verify", *common)
    assert done.returncode == 1
    assert "the inventory has no files job for nobody" in done.stderr


def migrate(site: Site, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "backupspec", "migrate", *arguments]
    return subprocess.run(command, env=site.environment(), capture_output=True, text=True, check=False)
