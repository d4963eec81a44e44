"""What a databases job compiles to beside its scripts: when it runs, before what, and with which rights."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from backupspec.data import data_folder
from backupspec.meaning import meanings
from backupspec.plan import plan
from backupspec.plan.facts import facts
from backupspec.render import text_of
from backupspec.resolve.databases import DATA
from backupspec.tree import Tree

from .fleets import resolved

HOST = "hosts: {{web: {{to: [one], {host}databases: {{wiki: {{kind: postgresql{job}}}}}{files}}}}}"
DEFS: Any = json.loads((data_folder("schema") / "inventory.schema.json").read_text(encoding="utf-8"))["$defs"]
BRANCHES = {
    rule["if"]["properties"]["kind"]["const"]: DEFS[rule["then"]["$ref"].rpartition("/")[2]]
    for rule in DEFS["database"]["allOf"]
    if "properties" in rule["if"]
}
FILES = ", files: {www: {paths: [/srv]}}"


def compiled(job: str = "", *, files: str = FILES, host: str = "", repository: str = "") -> dict[str, str]:
    fleet, found = resolved(HOST.format(job=job, files=files, host=host), repository)
    assert [item for item in found if item.severity.label == "error"] == []
    planned, found = plan(fleet)
    assert found == ()
    prefix = "hosts/web/root"
    return {file.path.removeprefix(prefix): text_of(file) for file in planned.files if file.path.startswith(prefix)}


def unit(files: dict[str, str], name: str) -> str:
    return files[f"/etc/systemd/system/backupspec-{name}"]


def minute(files: dict[str, str], name: str) -> int:
    found = re.search(r"OnCalendar=.* (\d\d):(\d\d)", unit(files, f"{name}_one.timer"))
    assert found is not None
    return int(found[1]) * 60 + int(found[2])


def test_databases_have_the_first_third_of_a_window_and_files_the_rest() -> None:
    for number in range(20):
        files = compiled(files=FILES.replace("www", f"www{number}"))
        assert 60 <= minute(files, "wiki") < 60 + 80 <= minute(files, f"www{number}") < 300


def test_a_host_without_databases_keeps_its_minutes() -> None:
    fleet, _ = resolved("hosts: {web: {to: [one], files: {www: {paths: [/srv]}}}}")
    alone = {file.path: text_of(file) for file in plan(fleet)[0].files}
    timer = alone["hosts/web/root/etc/systemd/system/backupspec-www_one.timer"]
    assert timer != unit(compiled(), "www_one.timer") or minute(compiled(), "www") >= 60 + 80


def test_files_wait_for_dumps_that_are_being_made() -> None:
    files = compiled()
    assert "\nAfter=backupspec-wiki_one.service\n" in unit(files, "www_one.service")
    assert "After=backupspec" not in unit(files, "wiki_one.service")


def test_a_dump_has_no_capability_and_no_network_where_it_needs_none() -> None:
    service = unit(compiled(), "wiki_one.service")
    assert "\nCapabilityBoundingSet=\n" in service
    assert "AmbientCapabilities" not in service
    assert "\nPrivateNetwork=true\n" in service


def test_a_server_over_the_network_is_the_only_other_address() -> None:
    service = unit(compiled(", address: 192.0.2.30, user: dumper, credential: far-db"), "wiki_one.service")
    assert re.findall(r"IPAddress\w+=(\S+)", service) == ["any", "192.0.2.30"]
    assert "\nLoadCredential=far-db:/etc/backupspec/credentials/far-db\n" in service


def test_a_socket_below_a_folder_that_a_directive_replaces_keeps_the_directive_out() -> None:
    service = unit(compiled(", socket: /tmp"), "wiki_one.service")
    assert "# PrivateTmp= is left out: it would show /tmp, which this job reads, as something else.\n" in service


def test_whoever_may_talk_to_an_engine_is_said_to_be_as_good_as_root() -> None:
    service = unit(compiled(", container: {name: wiki-db}"), "wiki_one.service")
    assert "can be root" in service
    assert "\nSupplementaryGroups=docker\n" in service


@pytest.mark.parametrize(
    ("job", "host", "days"),
    [
        ("", "", 4),
        ("schedule: {window: 01:00-05:00, timezone: UTC, days: [mon, fri]}", "", 16),
        ("schedule: {every: 2h, timezone: UTC}", "", 2),
        ("schedule: {every: 2h, window: 08:00-18:00, timezone: UTC}", "", 4),
        ("schedule: {calendar: monthly, timezone: UTC}", "", 4 * 31),
        ("schedule: {calendar: 'Mon *-*-* 03:00', timezone: UTC}", "", 28),
        ("", "roaming: true, ", 28),
        ("drill: {oldest: 9d}", "roaming: true, ", 9),
    ],
)
def test_a_drill_takes_no_dumps_that_are_older_than_the_schedule_explains(job: str, host: str, days: int) -> None:
    drilled = job if "drill" in job else f"drill: {{}}{job and f', {job}'}"
    files = compiled(f", {drilled}", host=host)
    script = files["/usr/local/lib/backupspec/jobs/wiki_one/drill"]
    assert f'if [ "$age" -gt {days * 86400} ]; then' in script
    stop = "ExecStopPost=+/bin/rm -rf -- /var/lib/backupspec-stage/wiki_one_drill\n"
    assert stop in unit(files, "drill-wiki_one.service")


def test_live_data_is_left_out_of_the_files_above_it() -> None:
    files = compiled(files=", files: {state: {paths: [/var/lib]}}")
    assert "! pp:/var/lib/postgresql\n" in files["/etc/backupspec/jobs/state_one.patterns"]
    files = compiled(", data: [/srv/pg]", files=", files: {state: {paths: [/var/lib, /srv]}}")
    patterns = files["/etc/backupspec/jobs/state_one.patterns"]
    assert "! pp:/srv/pg\n" in patterns
    assert "postgresql" not in patterns


def test_a_later_layer_adds_to_a_job_of_the_same_kind() -> None:
    text = "profiles: {{p: {{databases: {{wiki: {{kind: postgresql, exclude: [a]}}}}}}}}\n{host}"
    host = "hosts: {web: {to: [one], profiles: [p], databases: {wiki: {kind: postgresql, lock_wait: 1m}}}}"
    fleet, found = resolved(text.format(host=host))
    assert [item for item in found if item.severity.label == "error"] == []
    ((job,),) = (host.databases for host in fleet.hosts)
    assert job.kind.choice.exclude == ("a",)  # type: ignore[union-attr]
    assert job.kind.lock_wait == 60  # type: ignore[union-attr]


def trees(settings: dict[str, object]) -> dict[str, str]:
    """Give what a host with one databases job of these settings gets."""
    fleet, found = resolved(f"hosts: {{web: {{to: [one], databases: {{it: {json.dumps(settings)}}}}}}}")
    assert [item for item in found if item.severity.label == "error"] == []
    return {file.path: text_of(file) for file in plan(fleet)[0].files}


def whole(node: dict[str, object]) -> dict[str, object]:
    """Give a node with all that it refers to."""
    while "$ref" in node:
        node = {**DEFS[str(node["$ref"]).rpartition("/")[2]], **{key: node[key] for key in node if key != "$ref"}}
    return node


@pytest.mark.parametrize("kind", BRANCHES)
def test_what_the_schema_calls_a_default_changes_nothing_when_it_is_said(kind: str) -> None:
    branch = BRANCHES[kind]
    least = {key: branch["examples"][0][key] for key in branch["required"]} | {"kind": kind}
    nodes = {key: whole(node) for key, node in branch["properties"].items()}
    defaults = {key: node["default"] for key, node in nodes.items() if "default" in node}
    assert "time_limit" in defaults
    for key, default in defaults.items():
        assert trees({**least, key: default}) == trees(least), key


SILENT = {"kind", "description", "priority"}
"""Keys that `diff` says nothing of: one that makes another job (BS223), and two that change no backup."""
OTHER: dict[str, object] = {
    "account": "other",
    "accounts": "none",
    "address": "192.0.2.9",
    "compression": "lz4",
    "configuration": "/srv/slapd.d",
    "container": {"name": "box"},
    "credential": "other",
    "data": ["/srv/data"],
    "databases": ["one"],
    "dump": ["/usr/local/bin/export-tickets", "--all"],
    "exclude": ["test*"],
    "files": ["/srv/app/other.db"],
    "hooks": {"after": [{"run": "true"}]},
    "keep_vanished": "1w",
    "load": ["/usr/local/bin/import-tickets"],
    "lock_wait": "1m",
    "most_series": 7,
    "oplog": True,
    "port": 7,
    "retention": "long",
    "schedule": "day",
    "socket": "/srv/socket",
    "stage": "/srv/dumps",
    "time_limit": "1h",
    "to": ["two"],
    "upload_limit": "1MB/s",
    "user": "other",
}
DRILL: dict[str, object] = {
    "assert": [{"database": "wiki", "query": "SELECT true"}],
    "oldest": "9d",
    "schedule": "day",
}


def meant(old: dict[str, object], new: dict[str, object]) -> list[str]:
    """Give what `diff` says of one databases job that changes."""
    found = []
    for settings in (old, new):
        fleet, _ = resolved(f"hosts: {{web: {{to: [one], databases: {{it: {json.dumps(settings)}}}}}}}")
        found.append(Tree((), ("web",), facts(fleet)))
    return [each.text for each in meanings(*found)]


@pytest.mark.parametrize("kind", BRANCHES)
def test_diff_tells_what_a_change_of_each_key_means(kind: str) -> None:
    branch = BRANCHES[kind]
    least = {key: branch["examples"][0][key] for key in branch["required"]} | {"kind": kind}
    for key in branch["properties"].keys() - SILENT - {"drill"}:
        other = False if (kind, key) in {("mariadb", "accounts"), ("mysql", "accounts")} else OTHER[key]
        assert meant(least, {**least, key: other}), key
        assert meant({**least, key: other}, least), key
    if "drill" in branch["properties"]:
        drilled = {**least, "drill": {}}
        assert meant(least, drilled)
        for key in whole(branch["properties"]["drill"])["properties"]:  # type: ignore[attr-defined]
            assert meant(drilled, {**least, "drill": {key: DRILL[key]}}), key


def test_the_schema_names_the_folders_that_files_jobs_leave_out() -> None:
    folders = {folder for folders in DATA.values() for folder in folders}
    assert {folder for folder in folders if folder not in DEFS["live_data"]["description"]} == set()
