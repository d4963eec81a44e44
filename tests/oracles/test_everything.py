from __future__ import annotations

import json
from collections.abc import Iterator

import yaml

from backupspec.pipeline import compile_inventory
from tests.golden.trees import INVENTORIES, ROOT


def _keys(schema: object) -> Iterator[tuple[str, str]]:
    """Give each key of the language with the definition that has it; those that come in later versions are false."""
    assert isinstance(schema, dict)
    definitions = {"": schema, **schema["$defs"]}
    for name, definition in definitions.items():
        for key, value in definition.get("properties", {}).items():
            if value is not False:
                yield name, key


def _used(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield str(key)
            yield from _used(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _used(inner)


def test_the_inventory_called_everything_uses_every_key_of_the_language() -> None:
    schema = json.loads((ROOT / "schema/inventory.schema.json").read_text(encoding="utf-8"))
    folder = INVENTORIES["everything"]
    files = [*folder.rglob("*.yaml"), *folder.rglob("*.json")]
    used = {key for path in files for key in _used(yaml.safe_load(path.read_text(encoding="utf-8")))}
    keys = dict.fromkeys(key for _, key in _keys(schema))
    assert len(keys) > 60
    assert [key for key in keys if key not in used] == []


def test_no_inventory_that_is_kept_as_an_example_has_an_error() -> None:
    for folder in INVENTORIES.values():
        compiled = compile_inventory(folder)
        assert compiled.tree is not None, compiled.diagnostics
