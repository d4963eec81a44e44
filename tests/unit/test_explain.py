from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from backupspec.data import data_folder
from backupspec.diagnostic import Span
from backupspec.explain import explain, overview, suggestion, text
from backupspec.fleet import FilesJob, Fleet, Host, Origin, Repository, Retention, Target
from backupspec.pipeline import compile_inventory
from backupspec.schedule import Schedule, Window

SCHEDULE = Schedule("UTC", Window(60, 61))


def made(kind: type[Any], **known: object) -> Any:  # noqa: ANN401 - whatever kind is
    """Make one with only those fields filled that explain reads."""
    return kind(**({field.name: None for field in fields(kind)} | known))


def origin(layer: str, line: int | None = None) -> Origin:
    return Origin(layer, None if line is None else Span("inventory.yaml", line, 3, line, 9))


def target(repository: str, retention: Retention, *origins: tuple[str, str, Origin]) -> Target:
    found: Target = made(
        Target, repository=made(Repository, name=repository), retention=retention, schedule=SCHEDULE, origins=origins
    )
    return found


WWW = made(
    FilesJob,
    name="www",
    host="web01",
    origins=(
        ("paths", "/srv/www", origin("host", 20)),
        ("compression", "auto,zstd,6", origin("built-in default")),
        ("retention", "standard", origin("host", 2)),
    ),
    targets=(
        target("central", Retention(daily=7), ("retention", "standard", origin("profile linux", 9))),
        target("local", Retention(daily=2), ("retention", "daily 2", origin("host", 24))),
    ),
)
FLEET: Fleet = made(
    Fleet,
    repositories=(("central", Span("inventory.yaml", 5, 3, 5, 9)),),
    servers=(),
    hosts=(
        made(
            Host,
            name="web01",
            origins=(("roaming", "false", origin("built-in default")),),
            files=(WWW,),
            databases=(),
            virtual_machines=(),
            machine_snapshots=(),
        ),
        made(
            Host,
            name="web01.example.org",
            origins=(("roaming", "true", origin("host", 40)),),
            files=(),
            databases=(),
            virtual_machines=(),
            machine_snapshots=(),
        ),
    ),
)


@pytest.mark.parametrize(
    ("asked", "paths"),
    [
        ("web01.files.www.paths", ["web01.files.www.paths"]),
        ("web01.files.www.retention", ["web01.files.www.to.central.retention", "web01.files.www.to.local.retention"]),
        (
            "hosts.web01.files.www.to.local",
            ["web01.files.www.to.local.retention", "web01.files.www.to.local.times"],
        ),
        ("web01.files.www.times", ["web01.files.www.to.central.times", "web01.files.www.to.local.times"]),
        ("web01.quiet", ["web01.quiet"]),
        ("web01.files.www.except", ["web01.files.www.except"]),
        ("web01.example.org", ["web01.example.org.roaming"]),
        ("web01.files.ww", []),
        ("web02", []),
    ],
)
def test_a_path_finds_the_settings_at_and_below_it(asked: str, paths: list[str]) -> None:
    assert [setting.path for setting in explain(FLEET, asked)] == paths


def test_each_value_is_shown_with_its_layer_and_line() -> None:
    shown = [text(setting, "fleet/") for setting in explain(FLEET, "web01.files.www")]
    assert shown == [
        "web01.files.www.paths = /srv/www\n    host, fleet/inventory.yaml:20",
        "web01.files.www.compression = auto,zstd,6\n    built-in default",
        "web01.files.www.to.central.retention = standard (daily 7)\n    profile linux, fleet/inventory.yaml:9",
        "web01.files.www.to.central.times = *-*-* 01:00:00 UTC\n    computed from the schedule",
        "web01.files.www.to.local.retention = daily 2\n    host, fleet/inventory.yaml:24",
        "web01.files.www.to.local.times = *-*-* 01:00:00 UTC\n    computed from the schedule",
    ]


def test_what_nobody_set_says_so() -> None:
    assert [text(setting, "") for setting in explain(FLEET, "web01.files.www.except")] == [
        "web01.files.www.except: not set"
    ]


@pytest.mark.parametrize(
    ("asked", "hint"),
    [
        ("web02", "did you mean `web01`?"),
        ("web01.queit", "did you mean `web01.quiet`?"),
        ("web01.files.nope", "known: web01.files.www"),
        ("web01.files.www.retentoin", "did you mean `web01.files.www.retention`?"),
        ("centrall", "did you mean `central`?"),
    ],
)
def test_a_name_is_suggested_below_what_is_right_so_far(asked: str, hint: str) -> None:
    assert suggestion(FLEET, asked) == hint


def test_all_names_to_ask_for_are_listed() -> None:
    assert list(overview(FLEET)) == ["hosts: web01, web01.example.org", "repositories: central"]


def test_repositories_and_servers_are_explained_and_nothing_is_shown_as_python_has_it() -> None:
    run = compile_inventory(Path(__file__).parents[1] / "oracles/everything")
    assert run.fleet is not None
    assert run.document is not None
    root = run.document.root
    names = [host.name for host in run.fleet.hosts] + [server.name for server in run.fleet.servers]
    for name in [*names, *(name for name, _ in run.fleet.repositories)]:
        shown = [text(setting, "") for setting in explain(run.fleet, name, root)]
        assert shown
        assert not re.search(r"\w+\(\w+=|/bin/sh -ec", "\n".join(shown)), name


INVENTORY = """\
version: 1
fleet: tried
sites: {north: {}}
retention: {long: {daily: 30}}
servers:
  vault: {address: 192.0.2.10, host_key: keys/vault.hostkey.pub, os: debian-13, storage: {path: /backup}}
repositories: {central: {server: vault}, local: {path: /mnt/borg}}
profiles: {linux: {to: [central], retention: {daily: 3}}}
hosts:
  web:
    site: north
    address: 192.0.2.21
    os: ubuntu-24.04
    borg: {version: "1.4"}
    ssh_key: keys/of-web.pub
    profiles: [linux]
    formerly: [www]
    repositories: {central: {quota: 1kB}}
    retention: long
    files:
      www: {paths: [/srv/www]}
      mail: {paths: [/srv/mail], to: {central: {retention: {daily: 5}}, local: {}}}
  bare: {files: {all: {paths: [/srv]}}, to: [local]}
  vault: {files: {etc: {paths: [/etc]}}, to: [local]}
"""


def asked(folder: Path, name: str, inventory: str = INVENTORY) -> list[str]:
    """Explain a name of an inventory, each setting in one line."""
    (folder / "inventory.yaml").write_text(inventory)
    (folder / "keys").mkdir(exist_ok=True)
    key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKdhj+FDbx3fHEIloZfekV/Tav1dO65soufSmfz2M9gN\n"
    (folder / "keys/vault.hostkey.pub").write_text(key)
    run = compile_inventory(folder)
    assert run.fleet is not None, run.diagnostics
    assert run.document is not None
    return [text(each, "").replace("\n    ", " <- ") for each in explain(run.fleet, name, run.document.root)]


def test_what_a_host_says_of_itself_is_explained_with_its_line(tmp_path: Path) -> None:
    assert [line for line in asked(tmp_path, "web") if ".files." not in line] == [
        "web.site = north <- host, inventory.yaml:11",
        "web.address = 192.0.2.21 <- host, inventory.yaml:12",
        "web.os = ubuntu-24.04 <- host, inventory.yaml:13",
        "web.borg = 1.4, /usr/bin/borg <- host, inventory.yaml:14",
        "web.ssh_key = keys/of-web.pub <- host, inventory.yaml:15",
        "web.profiles = linux <- host, inventory.yaml:16",
        "web.formerly = www <- host, inventory.yaml:17",
        "web.repositories.central.quota = 1000 bytes <- host, inventory.yaml:18",
        "web.on_ac_only = false <- built-in default",
        "web.roaming = false <- built-in default",
        "web.stay_awake = false <- built-in default",
    ]
    assert asked(tmp_path, "web.address") == ["web.address = 192.0.2.21 <- host, inventory.yaml:12"]


def test_what_a_host_does_not_say_of_itself_is_explained_by_what_stands_in_for_it(tmp_path: Path) -> None:
    assert asked(tmp_path, "bare.os") == ["bare.os = debian-12 <- built-in default"]
    assert asked(tmp_path, "bare.borg") == ["bare.borg = 1.2, /usr/bin/borg <- operating system debian-12"]
    assert asked(tmp_path, "bare.ssh_key") == ["bare.ssh_key = keys/bare.pub <- built-in default"]
    assert asked(tmp_path, "bare.address") == ["bare.address: not set"]
    assert asked(tmp_path, "hosts.vault.os") == ["vault.os = debian-13 <- servers.vault, inventory.yaml:6"]


def test_a_setting_of_a_host_leads_to_its_jobs(tmp_path: Path) -> None:
    assert asked(tmp_path, "web.retention") == [
        "web.files.mail.to.central.retention = daily 5 <- to central, inventory.yaml:22",
        "web.files.mail.to.local.retention = long (daily 30) <- host, inventory.yaml:19",
        "web.files.www.to.central.retention = long (daily 30) <- host, inventory.yaml:19",
    ]
    assert asked(tmp_path, "web.to.local.retention") == [
        "web.files.mail.to.local.retention = long (daily 30) <- host, inventory.yaml:19"
    ]
    assert [line.partition(" = ")[0] for line in asked(tmp_path, "web.schedule")] == [
        "web.files.mail.to.central.schedule",
        "web.files.mail.to.local.schedule",
        "web.files.www.to.central.schedule",
    ]
    assert [line for line in asked(tmp_path, "web.to") if ".to =" in line] == [
        "web.files.mail.to = central, local <- host, job mail, inventory.yaml:22",
        "web.files.www.to = central <- profile linux, inventory.yaml:8",
    ]


def test_a_databases_job_is_explained_with_all_that_holds_for_it(tmp_path: Path) -> None:
    text = """\
version: 1
fleet: tried
repositories: {local: {path: /mnt/borg}}
hosts:
  db:
    to: [local]
    databases:
      wiki: {kind: postgresql, time_limit: 90m, drill: {assert: [{database: wiki, query: SELECT true}]}}
      cache: {kind: valkey}
"""
    lines = [line for line in asked(tmp_path, "db.databases.wiki", text) if ".to" not in line]
    assert lines == [
        "db.databases.wiki.accounts = without-passwords <- built-in default",
        "db.databases.wiki.compression = auto,zstd,3 <- built-in default",
        "db.databases.wiki.data = /var/lib/postgresql <- built-in default",
        "db.databases.wiki.databases = all <- built-in default",
        (
            "db.databases.wiki.drill = daily in 01:00-05:00 on Sun (UTC), 1 assertion"
            " <- host, databases wiki, inventory.yaml:8"
        ),
        "db.databases.wiki.keep_vanished = 26w <- built-in default",
        "db.databases.wiki.kind = postgresql <- host, databases wiki, inventory.yaml:8",
        "db.databases.wiki.lock_wait = 10m <- built-in default",
        "db.databases.wiki.most_series = 50 <- built-in default",
        "db.databases.wiki.priority = low <- built-in default",
        "db.databases.wiki.time_limit = 90m <- host, databases wiki, inventory.yaml:8",
        "db.databases.wiki.user = backupspec <- built-in default",
    ]
    assert asked(tmp_path, "db.databases.wiki.port", text) == ["db.databases.wiki.port: not set"]
    assert asked(tmp_path, "db.databases.cache.data", text) == [
        "db.databases.cache.data = /var/lib/valkey <- built-in default"
    ]
    assert asked(tmp_path, "db.databases.cache.accounts", text) == []


def test_disks_that_only_the_definition_names_are_explained() -> None:
    run = compile_inventory(data_folder("inventories") / "kvm")
    assert run.fleet is not None
    said = [text(each, "") for each in explain(run.fleet, "kvm01.virtual_machines.web02.disks")]
    assert said == ["kvm01.virtual_machines.web02.disks = vda, vdb\n    found in the definition"]


def test_a_virtual_machine_is_explained_with_its_defaults_and_with_what_a_drill_does(tmp_path: Path) -> None:
    text = """\
version: 1
fleet: tried
repositories: {local: {path: /mnt/borg}}
hosts:
  kvm:
    to: [local]
    scratch: /srv/scratch
    virtual_machines:
      web: {disks: [vda], drill: {agent: true, console: "login:"}}
      shop: {disks: [vda], drill: {}, chunk_size: 256KiB, method: incremental, full_every: 14d}
      news: {disks: [vda], method: incremental}
      web-back: {domain: web, method: snapshot, retention: {daily: 3}}
      mail: {method: guest, guest: mail}
  mail: {to: [local], files: {etc: {paths: [/etc]}}}
"""
    lines = [line.removeprefix("kvm.virtual_machines.") for line in asked(tmp_path, "kvm.virtual_machines", text)]
    checked = "daily in 01:00-05:00 on Sun (UTC): compares the disks, checks their file systems"
    for line in (
        "web.chunk_size = 1048576 bytes <- built-in default",
        "web.method = pull <- built-in default",
        "web.quiesce = preferred <- built-in default",
        "web.scratch_free = 1000000000 bytes <- built-in default",
        "web-back.keep_free = 10000000000 bytes <- built-in default",
        "mail.method = guest <- host, virtual machine mail, inventory.yaml:13",
        "mail.guest = mail <- host, virtual machine mail, inventory.yaml:13",
        "shop.full_every = 2w <- host, virtual machine shop, inventory.yaml:10",
        "news.full_every = 4w <- built-in default",
        "shop.chunk_size = 262144 bytes <- host, virtual machine shop, inventory.yaml:10",
        f"shop.drill = {checked} <- host, virtual machine shop, inventory.yaml:10",
        (
            f'web.drill = {checked}, boots a copy until its guest agent answers and its console shows "login:", for 10m'
            " at most <- host, virtual machine web, inventory.yaml:9"
        ),
    ):
        assert line in lines
    assert asked(tmp_path, "kvm.virtual_machines.web.full_every", text) == [
        "kvm.virtual_machines.web.full_every: not set"
    ]
    assert sorted(line.partition(" = ")[0] for line in lines if line.startswith("mail.")) == [
        "mail.guest",
        "mail.method",
    ]
