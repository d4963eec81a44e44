"""What options say must be what a plan may say: none makes a plan that nobody can carry out, or a repository first."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from backupspec_migrate.figures import typed
from tests.migrate.site import Site
from tests.migrate.test_import import filled, name_of

pytestmark = [pytest.mark.root, pytest.mark.borg]

REFUSED = {
    "a job that no archive can be called after": ("BS105", "--job", "Bad_Job"),
    "a job of more than one word": ("BS105", "--job", "two words"),
    "a compression that Borg does not have": ("BS105", "--compression", "foo,9"),
    "a level that the compression does not have": ("BS105", "--compression", "zstd,23"),
    "a passphrase file whose name cannot be shown": ("BS110", "--passphrase-file", "/root/\x1b{host}"),
    "an archive": ("BS618", "--repository", "{folder}/repos/{host}::x"),
    "a way up": ("BS618", "--repository", "{folder}/repos/../other/{host}"),
    "a way nowhere": ("BS618", "--repository", "{folder}/./repos/{host}"),
    "a slash at the end": ("BS618", "--repository", "{folder}/repos/{host}/"),
    "a doubled slash": ("BS618", "--repository", "{folder}//repos/{host}"),
    "a machine without a path": ("BS618", "--repository", "ssh://backup.example"),
    "a name that cannot be shown": ("BS110", "--repository", "{folder}/repos/\x1b{host}"),
}


@pytest.mark.parametrize("name", ["plan", "rsnapshot"])
@pytest.mark.parametrize("case", REFUSED)
def test_an_option_that_no_plan_may_say_is_refused_where_it_stands(
    make_site: Callable[..., Site], name: str, case: str
) -> None:
    site = make_site()
    filled(site, 1)
    code, option, value = REFUSED[case]
    value = value.replace("{folder}", str(site.folder))
    repository = value if option == "--repository" else None
    more = () if repository else (option, value)
    done = site.run(name, "--encryption", "none", *more, repository=repository)
    assert done.returncode == 1, done.stderr
    assert done.stderr.count("error[") == 1, done.stderr
    assert f"error[{code}]" in done.stderr
    assert f" --> {option}\n" in done.stderr
    assert not site.plan.exists()
    assert sorted(path.name for path in (site.folder / "repos").iterdir()) == []
    assert not (site.folder / "other").exists()


def test_a_plan_is_written_by_any_name_that_a_file_may_have(make_site: Callable[..., Site]) -> None:
    site = make_site()
    filled(site, 1)
    plan = site.folder / "a\nseries: []\n"
    assert site.run("plan", "--encryption", "none", "-o", str(plan)).returncode == 0
    command = [*site.command("run")[:-1], str(plan)]
    done = subprocess.run(command, env=site.environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "folder", [b"two words", b"it's", b"caf\xe9", b"two\nlines", b"a=b", b"\xe2\x80\x8b$(touch ran)\\"]
)
def test_a_folder_that_is_no_host_is_renamed_by_the_very_words_of_the_hint(
    make_site: Callable[..., Site], borg14: Path, folder: bytes
) -> None:
    site = make_site()
    when = filled(site, 1)[0]
    os.rename(site.snapshots / "daily.0/web01", os.fsencode(site.snapshots / "daily.0") + b"/" + folder)  # noqa: PTH104 - names that are not text
    os.utime(site.snapshots / "daily.0", (when, when))
    site.conf.write_text(site.conf.read_text().replace("\tweb01/", "\telsewhere/"))
    done = site.run("plan", "--encryption", "none", source=site.snapshots)
    assert "error[BS613]" in done.stderr
    _, _, words = done.stderr.partition("dots and dashes: ")
    words = words.splitlines()[0].replace("=NAME", "=web01")
    command = site.command("rsnapshot", "--encryption", "none", source=site.snapshots)
    done = subprocess.run(
        ["bash", "-c", f'"$@" {words}', "bash", *command],
        env=site.environment(),
        cwd=site.folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert site.archives(borg14) == [name_of(when)]
    assert not (site.folder / "ran").exists()


def test_a_word_to_be_typed_is_as_short_as_it_may_be() -> None:
    assert [typed(name) for name in ("web01", "daily.0", "two words", "caf\udce9'")] == [
        "web01",
        "daily.0",
        "'two words'",
        "$'caf\\xe9\\''",
    ]


@pytest.mark.parametrize("configured", [False, True], ids=["a folder", "rsnapshot.conf"])
@pytest.mark.parametrize("name", ["run", "verify", "report"])
def test_a_tree_that_is_gone_is_one_finding_that_asks_for_its_disk(
    make_site: Callable[..., Site], name: str, *, configured: bool
) -> None:
    site = make_site()
    filled(site, 1)
    done = site.run("plan", "--encryption", "none", source=site.conf if configured else site.snapshots)
    assert done.returncode == 0, done.stderr
    shutil.rmtree(site.snapshots)
    done = site.run(name)
    assert done.returncode == 1
    assert done.stderr.count("error[BS610]") == done.stderr.count("error[") == 1, done.stderr
    assert "is its disk mounted?" in done.stderr


def test_a_configuration_that_is_gone_is_one_finding_of_a_plan(make_site: Callable[..., Site]) -> None:
    site = make_site()
    filled(site, 1)
    assert site.run("plan", "--encryption", "none").returncode == 0
    site.conf.unlink()
    done = site.run("run")
    assert done.stderr.count("error[BS604]") == done.stderr.count("error[") == 1, done.stderr
