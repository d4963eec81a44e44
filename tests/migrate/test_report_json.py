"""The report for machines, and its published schema."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from backupspec.data import data_folder
from backupspec_migrate.report_json import as_json
from backupspec_migrate.standing import CONDITIONS, LOSSES, Standing
from tests.migrate.standings import HOSTILE, hostile, nothing, poorly, well

Node = Mapping[str, Any]
TEXT = (data_folder("schema") / "migration-report.schema.json").read_text(encoding="utf-8")
SCHEMA: Node = json.loads(TEXT)


def _nodes(schema: Node) -> Iterator[Node]:
    yield schema
    for group in ("$defs", "properties"):
        for inner in schema.get(group, {}).values():
            yield from _nodes(inner)
    for inner in schema.get("oneOf", ()):
        yield from _nodes(inner)
    if "items" in schema:
        yield from _nodes(schema["items"])


@pytest.mark.parametrize("make", [well, poorly, hostile, nothing], ids=lambda make: make.__name__)
def test_every_report_fits_the_schema(make: Callable[[], Standing]) -> None:
    text = as_json(make())
    assert text.isascii()
    Draft202012Validator(SCHEMA).validate(json.loads(text))


def test_the_schema_explains_every_value_with_an_example_that_fits() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    assert json.dumps(SCHEMA, indent=2, ensure_ascii=False) + "\n" == TEXT
    for node in _nodes(SCHEMA):
        assert node["description"].endswith("."), node
        if "$ref" not in node:
            alone = Draft202012Validator({**node, "$defs": SCHEMA["$defs"]})
            assert node["examples"]
            assert [example for example in node["examples"] if not alone.is_valid(example)] == []


def test_the_schema_knows_the_words_of_the_report() -> None:
    definitions = SCHEMA["$defs"]
    assert definitions["archive"]["properties"]["condition"]["enum"] == list(CONDITIONS)
    assert definitions["loss"]["properties"]["kind"]["enum"] == list(LOSSES)


def test_no_name_loses_a_byte() -> None:
    report = json.loads(as_json(hostile()))
    names = [archive["folder"] for archive in report["series"][0]["archives"]]
    for name, text in zip(names, HOSTILE, strict=True):
        if isinstance(name, str):
            assert name == text
        elif text.startswith("caf"):
            assert name == {"bytes": base64.b64encode(os.fsencode(text)).decode(), "shown": "caf\\xe9"}
        else:
            assert base64.b64decode(name["bytes"]).decode(errors="surrogatepass") == text
    assert sum(not isinstance(name, str) for name in names) == 2


def test_the_verdict_stands_beside_what_it_was_made_from() -> None:
    report = json.loads(as_json(poorly()))
    assert (report["version"], report["verdict"]["safe"]) == (1, False)
    database = report["series"][1]
    assert (database["planned"], database["verified_whole"], database["remaining"]) == (41, 39, 20)
    assert (report["series"][8]["remaining"], report["series"][8]["archives"][0]["kept"]) == (None, None)
    missing = database["archives"][12]
    assert (missing["id"], missing["condition"], missing["time"]) == (None, "missing", "2021-09-29T02:00:00Z")
