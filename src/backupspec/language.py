"""The languages that people write, each with the schema that judges it."""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass
from typing import Any

from jsonschema import Draft202012Validator

from backupspec.data import data_folder

Schema = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Language:
    """A language that people write: the file of its schema, and what a whole text in it is called."""

    file: str
    whole: str

    @property
    def schema(self) -> Schema:
        """Give the schema."""
        return _read(self.file)

    @property
    def kinds(self) -> dict[str, Schema]:
        """Give the mapping that each kind of a databases job is."""
        rules = self.schema["$defs"].get("database", {}).get("allOf", ())
        return {
            rule["if"]["properties"]["kind"]["const"]: self.schema["$defs"][rule["then"]["$ref"].rpartition("/")[2]]
            for rule in rules
            if "$ref" in rule["then"]
        }

    @property
    def validator(self) -> Draft202012Validator:
        """Give the validator of the schema."""
        return _validator(self.file)


INVENTORY = Language("inventory.schema.json", "the inventory")


@functools.cache
def _read(file: str) -> Schema:
    schema: Schema = json.loads((data_folder("schema") / file).read_text(encoding="utf-8"))
    return schema


@functools.cache
def _validator(file: str) -> Draft202012Validator:
    return Draft202012Validator(_read(file))
