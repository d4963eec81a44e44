from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from backupspec.diagnostic import Span
from backupspec.fleet import Retention
from backupspec.language import INVENTORY
from backupspec.show import as_text as shown
from backupspec_migrate.plan_document import (
    LeftOut,
    PlanDocument,
    PlannedArchive,
    PlannedSeries,
    PlannedSnapshot,
    PlannedSource,
)
from backupspec_migrate.plan_paths import as_path, as_text
from backupspec_migrate.plan_reading import LANGUAGE, read_plan
from backupspec_migrate.plan_yaml import plan_text
from backupspec_migrate.scan import Root
from tests.diagnostics.pinned import Pinned

NOWHERE = Span("plan.yaml", 1, 1, 1, 1)
HOSTILE = "we\nird \udcff %41 {now} ' \" #: - \u202e ü"


def document() -> PlanDocument:
    snapshots = (
        PlannedSnapshot("daily.1", 1_704_161_100, "folder", None, None, NOWHERE),
        PlannedSnapshot("daily.0", 1_704_247_500, "logfile", "half of it", "looked: whole", NOWHERE, ("db01",)),
    )
    usual = (Root("web01/etc", "etc", numeric_ids=False), Root("web01", "", numeric_ids=False, own=False))
    other = (Root(f"web01/{HOSTILE}", HOSTILE, numeric_ids=True, without=("srv/db", HOSTILE)),)
    archives = (PlannedArchive("daily.1", usual, NOWHERE), PlannedArchive("daily.0", other, NOWHERE))
    series = PlannedSeries(
        host="web01",
        job="files",
        folder="",
        repository="/backup/borg/web01",
        make="repokey-blake2",
        unencrypted=True,
        compression="lz4",
        passphrase_file="/root/passphrases/web01",
        retention=Retention(daily=7, within="2d"),
        timezone="Europe/Berlin",
        archives=archives,
        skip=(LeftOut("daily.1", "yes: 'no' # really", NOWHERE),),
        span=NOWHERE,
    )
    plain = replace(series, job="other", make=None, unencrypted=False, retention=None, archives=archives[:1], skip=())
    source = PlannedSource("dated", f"/backup/{HOSTILE}", None, "{host}/%Y-%m-%d", "Europe/Berlin", "web01", "/t.yaml")
    return PlanDocument("plan.yaml", source, snapshots, (LeftOut(HOSTILE, "a file", NOWHERE),), (series, plain))


def without_places(plan: PlanDocument) -> PlanDocument:
    """Give the plan as if it had been written by hand nowhere."""
    return replace(
        plan,
        file="",
        snapshots=tuple(replace(one, span=NOWHERE) for one in plan.snapshots),
        left_out=tuple(replace(one, span=NOWHERE) for one in plan.left_out),
        series=tuple(
            replace(
                one,
                span=NOWHERE,
                archives=tuple(replace(each, span=NOWHERE) for each in one.archives),
                skip=tuple(replace(each, span=NOWHERE) for each in one.skip),
            )
            for one in plan.series
        ),
    )


def written(folder: Path, text: str) -> Path:
    file = folder / "plan.yaml"
    file.write_text(text, encoding="utf-8")
    return file


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    plan = document()
    read, _, found = read_plan(written(tmp_path, plan_text(plan, {("web01", "files"): "1 of 2 remain"})))
    assert found == ()
    assert read is not None
    assert without_places(read) == without_places(plan)


def test_a_written_plan_fits_its_schema_and_is_yaml_to_others_too() -> None:
    text = plan_text(document(), {})
    LANGUAGE.validator.validate(yaml.safe_load(text))


@given(st.binary(max_size=40).filter(lambda name: b"\0" not in name))
@settings(deadline=None)
def test_any_path_can_be_written_in_a_plan(name: bytes) -> None:
    path = name.decode("utf-8", "surrogateescape")
    text = as_text(path)
    assert as_path(text) == path
    assert text.isprintable() or all(letter.isprintable() or letter == " " for letter in text if ord(letter) < 128)


def test_every_node_of_the_schema_is_described_with_an_example_that_fits() -> None:
    def nodes(schema: dict[str, object], where: str) -> list[tuple[str, dict[str, object]]]:
        found = [(where, schema)] if {"type", "enum", "anyOf"} & schema.keys() else []
        for key in ("properties", "$defs"):
            inner = schema.get(key, {})
            assert isinstance(inner, dict)
            found += [each for name, one in inner.items() for each in nodes(one, f"{where}.{name}")]
        items = schema.get("items")
        return found + (nodes(items, f"{where}[]") if isinstance(items, dict) else [])

    whole = LANGUAGE.schema
    Draft202012Validator.check_schema(whole)
    for where, node in nodes(whole, ""):
        assert node.get("description") or node.get("title"), where
        for example in node.get("examples", ()):  # type: ignore[attr-defined]
            Draft202012Validator({**node, "$defs": whole["$defs"]}).validate(example)


def test_the_retention_of_a_plan_is_the_inventorys_word_for_word() -> None:
    assert json.dumps(LANGUAGE.schema["$defs"]["retention"]) == json.dumps(INVENTORY.schema["$defs"]["retention"])


GOOD = """\
version: 1
source: {layout: rsnapshot, root: /backup}
snapshots:
  - {folder: daily.1, time: 2024-01-02T02:05:00Z}
  - {folder: daily.0, time: 2024-01-03T02:05:00Z}
series:
  - host: web01
    job: files
    folder: web01
    repository: /borg/web01
    content: [{from: web01, path: /}]
    archives: [daily.1, daily.0]
"""


def test_a_plan_can_be_as_short_as_this(tmp_path: Path) -> None:
    plan, _, found = read_plan(written(tmp_path, GOOD))
    assert found == ()
    assert plan is not None
    assert plan.series[0].compression == "auto,zstd,3"
    assert plan.series[0].archives[1].content == (Root("web01", "", numeric_ids=False),)


@pytest.mark.parametrize(
    ("old", "new", "code", "says"),
    [
        ("archives: [daily.1, daily.0]", "archives: [daily.1, daily.7]", "BS691", "no snapshot daily.7"),
        ("archives: [daily.1, daily.0]", "archives: [daily.1, daily.1]", "BS108", "stands twice"),
        ("daily.0, time: 2024", "daily.1, time: 2024", "BS691", "stands twice in `snapshots`"),
        ("2024-01-03T02:05:00Z", "2024-02-30T02:05:00Z", "BS691", "no time 2024-02-30"),
        ("2024-01-03T02:05:00Z", "yesterday", "BS105", "2024-01-31T02:00:00Z"),
        ("    job: files\n", "    jobs: files\n", "BS101", "did you mean `job`"),
        ("    content: [{from: web01, path: /}]\n", "", "BS691", "has no content"),
        ("/borg/web01", "borg/web01", "BS105", "ssh://"),
        ("version: 1", "version: 2", "BS104", "version"),
        ("job: files", "job: FILES", "BS105", "small letters"),
        ("layout: rsnapshot", "layout: zfs", "BS104", "rsync-time-backup"),
        ("version: 1\n", "", "BS103", "version"),
        ("series:\n", "series:\n  -\n", "BS102", "must be a mapping"),
    ],
)
def test_a_mistake_in_a_plan_is_shown_at_its_place(  # noqa: PLR0913 - a row of the table, and what it is held against
    tmp_path: Path, old: str, new: str, code: str, says: str, pinned: Pinned
) -> None:
    assert old in GOOD
    file = written(tmp_path, GOOD.replace(old, new))
    plan, sources, found = read_plan(file)
    assert plan is None
    page = shown(found, sources).plain
    assert any(one.code.startswith(code) for one in found), page
    assert says in page
    assert all(one.span.file == str(file) for one in found)
    if code == "BS691":
        pinned(page)


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"- a\n- b\n", b"\0", b"{" * 100_000])
def test_what_is_no_plan_is_refused_without_a_traceback(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "plan.yaml"
    file.write_bytes(content)
    plan, _, found = read_plan(file)
    assert plan is None
    assert found


def test_a_plan_that_is_not_there_or_is_a_folder_is_said(tmp_path: Path, pinned: Pinned) -> None:
    for path in (tmp_path / "none.yaml", tmp_path):
        plan, _, found = read_plan(path)
        assert plan is None
        assert [one.code for one in found] == ["BS690"]
        pinned(*found)


@pytest.mark.parametrize(
    ("said", "lie", "code"),
    [
        ("from: web01/etc", "from: ../../etc", "BS691"),
        ("from: web01/etc", "from: web01/../web02", "BS691"),
        ("from: web01/etc", "from: web01/%2E%2E/etc", "BS691"),
        ("from: web01/etc", "from: web01/etc%00", "BS691"),
        ("path: /etc", "path: /../etc", "BS691"),
        ("timezone: Europe/Berlin", "timezone: ../../etc/passwd", "BS691"),
        ("timezone: Europe/Berlin", "timezone: Nowhere/Else", "BS691"),
        ("compression: lz4", "compression: zstd,99", "BS105"),
        ("repository: /backup/borg/web01", "repository: ssh://-oProxyCommand=reboot/x", "BS105"),
    ],
)
def test_paths_that_climb_zones_that_are_none_and_options_in_a_url_are_refused(
    tmp_path: Path, said: str, lie: str, code: str
) -> None:
    text = plan_text(document(), {})
    start = text.index("series:")
    assert said in text[start:]
    file = tmp_path / "plan.yaml"
    file.write_text(text[:start] + text[start:].replace(said, lie, 1), encoding="utf-8")
    plan, _, found = read_plan(file)
    assert plan is None
    assert {one.code for one in found} == {code}
    assert all(one.hint for one in found)
