from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from backupspec.diagnostic import Diagnostic
from backupspec.pipeline import load_fleet
from backupspec_migrate.draft import Goal
from backupspec_migrate.goals import Wish, goals_of, lies_here
from tests.diagnostics.pinned import Pinned
from tests.migrate.site import Site
from tests.migrate.test_import import filled

TWO_JOBS = "    files:\n      www: {paths: [/srv/www]}\n"


def written(checkout: Path, folder: Path, storage: str, web: str) -> Path:
    """Write an inventory: the small office, with its storage at `storage` and other jobs for the host web."""
    shutil.copytree(checkout / "inventories/small", folder)
    path = folder / "inventory.yaml"
    text = path.read_text().replace("path: /backup,", f"path: {storage},")
    path.write_text(text.replace("    files:\n      www: {paths: [/srv/www]}\n", web))
    return path


def goals(path: Path, is_here: bool, wish: Wish = Wish()) -> dict[str, Goal | Diagnostic]:  # noqa: FBT001, B008 - said by name below; frozen
    fleet, found = load_fleet(path)
    assert fleet is not None, found
    found_goals = goals_of(fleet, wish, lambda _: is_here)
    assert all(isinstance(goal, Diagnostic) or len(goal) == 1 for goal in found_goals.values())
    return {host: goal if isinstance(goal, Diagnostic) else goal[0] for host, goal in found_goals.items()}


def test_the_only_files_job_of_a_host_is_the_one_that_is_continued(checkout: Path, tmp_path: Path) -> None:
    goal = goals(written(checkout, tmp_path / "in", "/backup", ""), is_here=True)["web"]
    assert isinstance(goal, Goal)
    assert (goal.repository, goal.job, goal.unencrypted) == ("/backup/web/central", "system", False)


def test_of_several_jobs_the_marked_one_is_continued(checkout: Path, tmp_path: Path) -> None:
    marked = "    files:\n      www: {paths: [/srv/www], history: true}\n"
    goal = goals(written(checkout, tmp_path / "in", "/backup", marked), is_here=True)["web"]
    assert isinstance(goal, Goal)
    assert goal.job == "www"


def test_several_jobs_without_a_mark_are_a_question(checkout: Path, tmp_path: Path, pinned: Pinned) -> None:
    goal = goals(written(checkout, tmp_path / "in", "/backup", TWO_JOBS), is_here=True)["web"]
    assert isinstance(goal, Diagnostic)
    assert goal.code == "BS619"
    pinned(goal)


def test_a_repository_elsewhere_is_reached_as_its_account(checkout: Path, tmp_path: Path) -> None:
    goal = goals(written(checkout, tmp_path / "in", "/backup", ""), is_here=False)["web"]
    assert isinstance(goal, Goal)
    assert goal.repository == "ssh://bs-web@192.0.2.10:22/backup/web/central"


def test_a_job_can_be_named_instead_of_marked(checkout: Path, tmp_path: Path) -> None:
    path = written(checkout, tmp_path / "in", "/backup", TWO_JOBS)
    goal = goals(path, is_here=True, wish=Wish(job="www"))["web"]
    assert isinstance(goal, Goal)
    assert goal.job == "www"
    refused = goals(path, is_here=True, wish=Wish(job="files"))["web"]
    assert isinstance(refused, Diagnostic)
    assert (refused.code, refused.hint) == ("BS619", "there are: system, www")


def test_a_template_gives_the_place_and_the_inventory_the_job(checkout: Path, tmp_path: Path) -> None:
    path = written(checkout, tmp_path / "in", "/backup", "    formerly: [oldweb]\n")
    found = goals(path, is_here=False, wish=Wish(template="/old/{host}/here"))
    goal = found["web"]
    assert isinstance(goal, Goal)
    assert (goal.repository, goal.job) == ("/old/web/here", "system")
    assert found["oldweb"] == goal, "a host's former name goes where its present one does"


def test_a_path_is_a_repository_here_when_borg_made_it_or_its_account_owns_the_folder(
    checkout: Path, tmp_path: Path
) -> None:
    fleet, found = load_fleet(written(checkout, tmp_path / "in", str(tmp_path / "storage"), ""))
    assert fleet is not None, found
    repository = next(host for host in fleet.hosts if host.name == "web").jobs[0].targets[0].repository
    path = Path(repository.path)
    path.mkdir(parents=True)
    assert not lies_here(repository), "an empty folder, and no such account"
    mine = replace(repository, account=pwd.getpwuid(os.geteuid()).pw_name)
    assert lies_here(mine)
    (path / "config").write_text("[repository]\n")
    (path / "data").mkdir()
    assert lies_here(repository)


@pytest.mark.root
@pytest.mark.borg
def test_an_inventory_says_repository_and_job(make_site: Callable[..., Site], checkout: Path, borg14: Path) -> None:
    site = make_site(lines=[("web01/", "web/", ""), ("web01/", "nobody/", "")])
    filled(site, 2)
    system = '    files:\n      system: {paths: [/], compression: "lzma,1"}\n'
    path = written(checkout, site.folder / "in", str(site.folder / "repos"), system)
    (site.repo("web")).mkdir()
    site.borg(borg14, "init", "-e", "repokey-blake2", str(site.repo("web") / "central"))
    common = [str(site.conf), "--inventory", str(path)]
    for words in (("rsnapshot", *common, "--host", "web"), ("verify",)):
        done = migrate(site, *words)
        assert done.returncode == 0, done.stderr
    assert "compression: lzma,1\n" in site.plan.read_text()
    listed = site.borg(borg14, "list", "--short", str(site.repo("web") / "central")).split()
    assert [name.rpartition("_")[0] for name in listed] == ["web_system", "web_system"]
    done = migrate(site, "plan", *common)
    assert done.returncode == 1
    assert "the inventory has no files job for nobody" in done.stderr


@pytest.mark.root
@pytest.mark.borg
def test_the_commands_of_the_readme_continue_the_series_of_the_hosts_own_job(
    make_site: Callable[..., Site], checkout: Path, borg14: Path
) -> None:
    """On the backup server itself: the place from the template, job and owners from the inventory."""
    site = make_site(lines=[("web01/", "web/", "")])
    filled(site, 2)
    numeric = "    files:\n      www: {paths: [/srv/www], history: true, numeric_ids: true}\n"
    path = written(checkout, site.folder / "in", "/nowhere", numeric)
    repository = site.repo("web") / "central"
    repository.parent.mkdir()
    account = pwd.getpwnam("games")
    os.chown(repository.parent, account.pw_uid, account.pw_gid)
    place = ["--inventory", str(path), "--repository", f"{site.template}/central"]
    dry = migrate(site, "rsnapshot", str(site.conf), *place, "--dry-run")
    assert dry.returncode == 0, dry.stderr
    assert "owners by number" in dry.stdout
    assert "continues" not in dry.stderr, "the inventory says the job: nothing to warn of"
    done = migrate(site, "rsnapshot", str(site.conf), *place, "--encryption", "repokey-blake2")
    assert done.returncode == 0, done.stderr
    assert f"borg key export {repository}" in done.stderr
    verified = migrate(site, "verify")
    assert verified.returncode == 0, verified.stderr
    assert "next: backupspec migrate report" in verified.stderr
    listed = site.borg(borg14, "list", "--short", str(repository)).split()
    assert [name.rpartition("_")[0] for name in listed] == ["web_www", "web_www"]
    assert repository.stat().st_uid == account.pw_uid


@pytest.mark.root
@pytest.mark.borg
def test_each_host_can_have_a_passphrase_of_its_own(
    make_site: Callable[..., Site], checkout: Path, borg14: Path
) -> None:
    site = make_site(lines=[("web01/", "web/", ""), ("office/", "office/", "")])
    site.put("office/letters/one", "Dear")
    filled(site, 1)
    path = written(checkout, site.folder / "in", str(site.folder / "repos"), "")
    for host in ("web", "office"):
        secret = site.folder / f"passphrase-{host}"
        secret.write_text(f"the secret of {host}\n")
        secret.chmod(0o600)
    common = [str(site.conf), "--inventory", str(path), "--repository", f"{site.template}"]
    ours = ["--passphrase-file", f"{site.folder}/passphrase-{{host}}"]
    made = migrate(site, "rsnapshot", *common, "--job", "system", *ours, "--encryption", "repokey-blake2")
    assert made.returncode == 0, made.stderr
    again = migrate(site, "verify")
    assert again.returncode == 0, again.stderr
    for host in ("web", "office"):
        environment = {**site.environment(), "BORG_PASSPHRASE": f"the secret of {host}"}
        listed = subprocess.run([borg14, "list", site.repo(host)], env=environment, capture_output=True, check=False)
        assert listed.returncode == 0
    with_secrets = site.plan.read_text()
    lines = with_secrets.splitlines(keepends=True)
    site.plan.write_text("".join(line for line in lines if "passphrase_file" not in line))
    wrong = migrate(site, "verify")
    assert wrong.returncode == 1
    assert "--passphrase-file" in wrong.stderr
    (site.folder / "passphrase-web").chmod(0o644)
    site.plan.write_text(with_secrets)
    refused = migrate(site, "verify")
    assert refused.returncode == 1
    assert "others may read or change" in refused.stderr
    assert "the secret of" not in refused.stderr


def migrate(site: Site, name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command; those that make a plan leave it where the others look for it."""
    plan = {"rsnapshot": ["--plan", str(site.plan), "--no-verify"], "plan": ["--force", "-o", str(site.plan)]}
    words = [*arguments, *plan[name]] if name in plan else [str(site.plan), *arguments]
    command = [sys.executable, "-m", "backupspec", "migrate", name, *words]
    return subprocess.run(command, env=site.environment(), capture_output=True, text=True, check=False)
