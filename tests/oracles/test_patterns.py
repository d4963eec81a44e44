"""Which files a job takes: a real borg with the compiled patterns, over folders made for the purpose."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

import pytest

from demo.lab import borgs
from demo.lab.machine import Machine
from demo.lab.room import Room
from tests.golden.trees import Compiled
from tests.oracles.machines import Run, fleet, runs

pytestmark = [pytest.mark.root, pytest.mark.borg]


@pytest.fixture(
    scope="module",
    params=[pytest.param(item, marks=pytest.mark.xdist_group(f"borg {item}")) for item in ("1.2", "1.4")],
)
def machine(request: pytest.FixtureRequest) -> Iterator[Machine]:
    with Room() as room:
        machine = room.machine("any", [], fresh=["/srv", "/home", "/root", "/usr/local"])
        borgs.give(machine, request.param)
        machine.sh("borg init --encryption none /run/repository")
        yield machine


def _make(machine: Machine, files: list[str]) -> None:
    """Make files, and the folders above them."""
    machine.sh("rm -rf /srv/* /home/*")
    names = " ".join(shlex.quote(name) for name in files)
    machine.sh(f'for name in {names}; do mkdir -p -- "${{name%/*}}"; echo x >"$name"; done')


def _taken(machine: Machine, compiled: Compiled, name: str, host: str, run_name: str) -> set[str]:
    """Back up a job's paths with its patterns, and give the files (no folders) of the archive."""
    run: Run = next(run for run in runs(fleet(name)) if run.host.name == host and run.name == run_name)
    patterns = f"/etc/backupspec/jobs/{run_name}.patterns"
    machine.copy_in(compiled(name) / "hosts" / host / "root/etc/backupspec", "/etc/backupspec")
    markers = ["--exclude-caches", "--exclude-if-present", ".nobackup", "--keep-exclude-tags"]
    options = [*(markers if run.job.honour_markers else []), *(["--one-file-system"] * run.job.one_file_system)]
    paths = [
        path
        for path in (*run.job.paths, *run.job.optional_paths)
        if machine.run(["test", "-e", path], check=False).code == 0
    ]
    env = {"BORG_REPO": "/run/repository", "BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK": "yes", "BORG_BASE_DIR": "/run"}
    machine.run(["borg", "create", *options, "--patterns-from", patterns, "::one", *paths], env=env)
    listing = machine.run(["borg", "list", "--format", "{type}{path}{NUL}", "::one"], env=env).stdout
    machine.run(["borg", "delete", "::one"], env=env)
    return {f"/{item[1:]}" for item in listing.split("\0") if item.startswith("-")}


def test_a_job_inside_another_takes_its_part_and_the_outer_one_the_rest(machine: Machine, compiled: Compiled) -> None:
    data, deep = "/srv/data", "/srv/data/deep one"
    outside = {"/srv/top", "/srv/database/a", "/srv/data.old/a", "/srv/other/data/a"}
    middle = {f"{data}/a", f"{data}/deep/a", f"{data}/deep one more/a", f"{data}/deep one.old"}
    inner = {f"{deep}/a", f"{deep}/data/deep one/a", f"{deep}/other/scratch/a"}
    left_out = {f"{deep}/scratch/a", "/srv/x.tmp", f"{data}/x.tmp", f"{deep}/.cache/a", "/srv/.cache/a/b"}
    _make(machine, sorted(outside | middle | inner | left_out))
    for job, expected in (("srv", outside), ("data", middle), ("deep", inner)):
        assert _taken(machine, compiled, "everything", "plain", f"{job}_central") == expected


def test_an_exception_brings_back_what_an_exclude_would_drop_and_no_more(machine: Machine, compiled: Compiled) -> None:
    odd = "/srv/odd"
    kept = {
        f"{odd}/with space/a",
        f"{odd}/with space/keep/a",
        f"{odd}/with space/keep/x.tmp",
        f"{odd}/with space/keep/.cache/deep/a",
        f"{odd}/it's/not that",
        f"{odd}/it's/it's [not] this",
        f"{odd}/it's/deeper/not this",
        f'{odd}/"quoted"/a',
        f"{odd}/$HOME and `id`/a",
        f"{odd}/100%/a",
        f"{odd}/%h/a",
        f"{odd}/back\\slash/a",
        f"{odd}/Größe 漢字/a",
        f"{odd}/Größe 漢字/deeper/a.bak",
        f"{odd}/-dash/a",
        f"{odd}/{{a,b}}/a",
        f"{odd}/#hash/a",
        f"{odd}/a;b&c|d/.nobackup",
        f"{odd}/a;b&c|d/a",
        f"{odd}/perhaps $(not)/a",
    }
    left_out = {
        f"{odd}/with space/x.tmp",
        f"{odd}/with space/.cache/keep/a",
        f"{odd}/it's/not this",
        f"{odd}/it's/it's n this",
        f"{odd}/Größe 漢字/a.bak",
        f"{odd}/not asked for",
    }
    _make(machine, sorted(kept | left_out))
    assert _taken(machine, compiled, "everything", "new.example.org", "odd_central") == kept


def test_a_star_stays_within_one_folder(machine: Machine, compiled: Compiled) -> None:
    kept = {"/home/bob/a", "/home/bob/customers/acme/Downloads/a", "/home/bob/Downloads.old/a", "/home/Downloads/a"}
    _make(machine, sorted(kept | {"/home/bob/Downloads/a", "/home/eve/Downloads/deep/a", "/home/bob/.cache/a"}))
    taken = _taken(machine, compiled, "infra4", "web01", "system_central")
    assert {path for path in taken if path.startswith("/home/")} == kept


def test_a_marked_folder_keeps_its_marker_only(machine: Machine, compiled: Compiled) -> None:
    kept = {"/srv/www/a", "/srv/www/shop/cache/keep/a", "/srv/www/shop/b", "/srv/www/build/.nobackup"}
    _make(machine, sorted(kept | {"/srv/www/build/a", "/srv/www/shop/cache/a", "/srv/www/other/cache/keep/a"}))
    assert _taken(machine, compiled, "infra4", "web01", "www_central") == kept


def test_no_job_takes_its_own_keys_and_passphrases(machine: Machine, compiled: Compiled) -> None:
    secrets = ["/etc/backupspec/credentials/ssh_key", "/etc/credstore/a", "/etc/credstore.encrypted/a"]
    for path in secrets:
        machine.write(path, "secret")
    taken = _taken(machine, compiled, "infra4", "web01", "system_central")
    assert "/etc/passwd" in taken
    assert "/etc/backupspec/ssh_config" in taken
    assert taken.isdisjoint(secrets)
