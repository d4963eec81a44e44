"""What findings of names and times suggest, and what they keep to themselves."""

from __future__ import annotations

from pathlib import Path

import pytest

from backupspec.diagnostic import Diagnostics
from backupspec.pipeline import compile_inventory

HEAD = "version: 1\nfleet: test\nrepositories: {one: {path: /backup/one}}\n"


def found(folder: Path, body: str) -> Diagnostics:
    (folder / "inventory.yaml").write_text(HEAD + body)
    return compile_inventory(folder).diagnostics


def hint(folder: Path, schedule: str) -> str:
    body = f"hosts: {{web: {{to: [one], schedule: {{{schedule}}}, files: {{www: {{paths: [/srv]}}}}}}}}\n"
    (only,) = [each for each in found(folder, body) if each.code in {"BS301", "BS303"}]
    return only.hint


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("CEST", "write `REGION/CITY`, such as `Europe/Berlin`, or `UTC`"),
        ("Europe/Berlln", "did you mean `Europe/Berlin`?"),
        ("UTZ", "did you mean `UTC`?"),
    ],
)
def test_no_zone_is_suggested_that_only_looks_like_the_abbreviation(tmp_path: Path, name: str, expected: str) -> None:
    assert hint(tmp_path, f'window: "01:00-05:00", timezone: {name}') == expected


@pytest.mark.parametrize(
    ("every", "expected"),
    [
        ("5h", "write `4h` or `6h`, or use `calendar`"),
        ("7m", "write `6m` or `8m`, or use `calendar`"),
        ("50m", "write `48m` or `1h`, or use `calendar`"),
        ("90s", "write `1m` or `2m`, or use `calendar`"),
        ("2d", "write `24h`, or use `calendar`"),
    ],
)
def test_the_nearest_parts_of_a_day_are_offered(tmp_path: Path, every: str, expected: str) -> None:
    assert hint(tmp_path, f"every: {every}, timezone: UTC") == expected


def test_a_profile_that_is_not_there_is_one_finding(tmp_path: Path) -> None:
    body = """\
profiles:
  linux: {to: [one], files: {system: {paths: [/etc], exclude: [/etc/x]}}}
hosts:
  web:
    profiles: [linx]
    files: {www: {paths: [/srv]}, system: off}
    remove: {exclude: [/etc/x]}
"""
    told = [(each.code, each.span.line) for each in found(tmp_path, body) if each.severity.label == "error"]
    assert told == [("BS201", 8)]


def test_findings_are_in_the_order_of_the_file_whatever_the_host_is_called(tmp_path: Path) -> None:
    body = """\
hosts:
  web: {retention: nope, to: [one], files: {www: {paths: [/srv]}}}
  db: {retention: neither, to: [one], files: {www: {paths: [/srv]}}}
"""
    assert [each.span.line for each in found(tmp_path, body)] == [5, 6]


@pytest.mark.parametrize(
    ("job", "expected"),
    [
        ("kind: redis, databases: [a]", "`databases` is for `kind`: `postgresql`, `mariadb`, `mysql`, "),
        ("kind: openldap, credential: a", "`credential` is for `kind`: `postgresql`, "),
        ("kind: openldap, user: a", "`user` is for `kind`: `postgresql`, "),
        ("kind: postgresql, datbases: [a]", "did you mean `databases`?"),
        ("kind: postgresql, paths: [/a]", "`paths` belongs in a job (`files: {JOB: …}`)"),
        ("kind: postgresql, Passwd: abc", "no inventory holds a secret: write `credential: NAME`"),
    ],
)
def test_a_key_of_another_kind_of_database_is_placed(tmp_path: Path, job: str, expected: str) -> None:
    (only,) = found(tmp_path, f"hosts: {{web: {{to: [one], databases: {{it: {{{job}}}}}}}}}\n")
    assert only.hint.startswith(expected)


@pytest.mark.parametrize(
    ("first", "second", "shared"),
    [
        ("kind: postgresql", "kind: postgresql, databases: [a, b]", "a, b of"),
        ("kind: postgresql, exclude: [b]", "kind: postgresql, databases: [a, b]", "a of"),
        ("kind: postgresql, exclude: [b]", "kind: postgresql, databases: [b]", ""),
        ("kind: postgresql", "kind: postgresql, port: 5433", ""),
        ("kind: redis, socket: /run/a.sock", "kind: valkey, socket: /run/a.sock", "all databases of"),
        ("kind: sqlite, files: [/a, /b]", "kind: sqlite, files: [/b]", "/b of"),
        ("kind: openldap", "kind: openldap", "all databases of"),
        ("kind: command, dump: [/a]", "kind: command, dump: [/a]", ""),
    ],
)
def test_two_jobs_that_dump_the_same_are_told_what_it_is(tmp_path: Path, first: str, second: str, shared: str) -> None:
    body = f"hosts: {{web: {{to: [one], databases: {{x: {{{first}}}, y: {{{second}}}}}}}}}\n"
    said = [each.message for each in found(tmp_path, body) if each.code == "BS448"]
    assert said == ([f"`x` and `y` of web both dump {shared} the same server"] if shared else [])
