"""Nothing is ever written into the tree: no repository, nothing of Borg's own, no lockfile, no file beside a plan."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.diagnostics.pinned import Pinned
from tests.migrate.site import Site, inventory
from tests.migrate.test_import import filled

pytestmark = [pytest.mark.root, pytest.mark.borg]


def refused(done: subprocess.CompletedProcess[str]) -> str:
    """Give what was said by a command that made one error of it."""
    assert done.returncode == 1, done.stdout + done.stderr
    assert done.stderr.count("error[BS635]") == done.stderr.count("error[") == 1, done.stderr
    return done.stderr


def written(site: Site) -> dict[str, tuple[int, ...]]:
    """Give all that writing changes in the tree: everything but access times, which looking here moves."""
    return {path: (*state[:6], *state[7:]) for path, state in inventory(site.snapshots).items()}


def as_before(site: Site, before: dict[str, tuple[int, ...]]) -> bool:
    return written(site) == before and not site.lockfile.exists()


def planned(site: Site) -> str:
    done = site.run("plan", "--encryption", "none", "--force")
    assert done.returncode == 0, done.stderr
    return site.plan.read_text()


PLACES = ("snapshots/{host}", "snapshots/daily.0/{host}/repo", "link/{host}", "snapshots", "", "mounted/new/{host}")


@pytest.mark.parametrize("where", PLACES)
@pytest.mark.parametrize("name", ["plan", "rsnapshot"])
def test_a_repository_in_the_tree_or_around_it_is_refused_before_anything_is_made(
    make_site: Callable[..., Site], name: str, where: str, pinned: Pinned
) -> None:
    site = make_site()
    filled(site, 1)
    (site.folder / "link").symlink_to("snapshots/daily.0")
    (site.folder / "mounted").mkdir()
    before = written(site)
    command = site.command(name, "--encryption", "none", repository=f"{site.folder}/{where}".rstrip("/"))
    mount = f'mount --bind {site.snapshots} {site.folder}/mounted; exec "$@"'
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", mount, "sh", *command],
        env=site.environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    said = refused(done)
    assert "lie in each other" in said
    pinned(said)
    assert as_before(site, before)
    assert not site.plan.exists()


def test_a_plan_that_was_edited_to_write_into_the_tree_is_not_carried_out(make_site: Callable[..., Site]) -> None:
    site = make_site()
    filled(site, 1)
    text, before = planned(site), written(site)
    for place in (f"{site.snapshots}/daily.0/web01/repo", f"{site.folder}/link/repo"):
        (site.folder / "link").unlink(missing_ok=True)
        (site.folder / "link").symlink_to(site.snapshots)
        site.plan.write_text(text.replace(f"repository: {site.repo()}\n", f"repository: {place}\n"))
        for name in ("run", "verify"):
            assert place in refused(site.run(name))
        assert as_before(site, before)


def test_a_report_says_no_where_the_repository_would_go_with_the_tree(make_site: Callable[..., Site]) -> None:
    site = make_site()
    filled(site, 1)
    text = planned(site)
    assert site.run("run").returncode == 0
    site.verify()
    assert site.run("report").returncode == 0
    shutil.move(site.repo(), site.snapshots / "web01")
    site.plan.write_text(text.replace(str(site.repo()), f"{site.snapshots}/web01"))
    before = written(site)
    done = site.run("report", "--format", "json")
    verdict = json.loads(done.stdout)["verdict"]
    assert (done.returncode, verdict["safe"]) == (1, False)
    assert any("lie in each other" in because for because in verdict["because"])
    assert as_before(site, before)


@pytest.mark.parametrize("variable", ["BORG_BASE_DIR", "BORG_CACHE_DIR", "HOME"])
def test_what_borg_keeps_for_itself_does_not_go_into_the_tree(make_site: Callable[..., Site], variable: str) -> None:
    site = make_site()
    filled(site, 1)
    planned(site)
    before = written(site)
    environment = {**site.environment(), variable: f"{site.snapshots}/daily.0/borg"}
    if variable == "HOME":
        del environment["BORG_BASE_DIR"]
    for name in ("run", "report"):
        done = subprocess.run(site.command(name), env=environment, capture_output=True, text=True, check=False)
        assert variable in refused(done)
        assert as_before(site, before)


def test_a_lockfile_in_the_tree_is_not_taken_and_that_is_said(make_site: Callable[..., Site], pinned: Pinned) -> None:
    site = make_site()
    filled(site, 1)
    conf = site.conf.read_text()
    site.conf.write_text(conf.replace(f"lockfile\t{site.lockfile}", f"lockfile\t{site.snapshots}/rsnapshot.pid"))
    before = written(site)
    done = site.migrate()
    pinned(done.stderr)
    assert "warning[BS622]" in site.verify().stderr
    assert as_before(site, before)
    (site.snapshots / "rsnapshot.pid").write_text(f"{os.getpid()}\n")
    done = site.run("run")
    assert "error[BS620]" in done.stderr, "somebody else's is heeded all the same"


def test_a_plan_in_the_tree_gets_no_record_beside_it(make_site: Callable[..., Site], place: Path) -> None:
    site = make_site()
    filled(site, 1)
    text = planned(site)
    (place / "to-the-tree").symlink_to(site.snapshots)
    site.conf.write_text(site.conf.read_text().replace(f"{site.snapshots}/", f"{place}/to-the-tree/"))
    (site.snapshots / "plan.yaml").write_text(text.replace(f"root: {site.snapshots}", f"root: {place}/to-the-tree"))
    before = written(site)
    for name in ("run", "verify", "report"):
        command = [*site.command(name)[:-1], str(site.snapshots / "plan.yaml")]
        done = subprocess.run(command, env=site.environment(), capture_output=True, text=True, check=False)
        assert done.returncode == 1
        assert "error[BS696]" in done.stderr, done.stderr
        assert as_before(site, before)
