"""Layers of settings merged into one, in the language's one order; every value keeps its origin."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from backupspec.fleet import Origin, Retention
from backupspec.inventory import Settings, Written, WrittenJump, WrittenTarget
from backupspec.resolve.tables import Tables
from backupspec.schedule import Schedule, Window
from backupspec.suggest import did_you_mean

BUILT_IN: Mapping[str, object] = {
    "compression": "auto,zstd,3",
    "one_file_system": False,
    "snapshot": "none",
    "honour_markers": True,
    "numeric_ids": False,
    "priority": "low",
    "schedule": Schedule(timezone="UTC", window=Window(60, 300)),
    "retention": Retention(daily=7, weekly=4, monthly=6),
    "roaming": False,
    "on_ac_only": False,
    "stay_awake": False,
    "history": False,
    "description": "",
}
LISTS = ("paths", "optional_paths", "mounted", "exclude", "except_", "before", "after")


@dataclass(frozen=True, slots=True)
class Merged:
    """The result of merging layers.

    The winning scalar of each field, the sum of each list, and where each value came from.
    """

    scalars: Mapping[str, tuple[Written[object], str]]
    lists: Mapping[str, tuple[tuple[Written[object], str], ...]]

    def scalar(self, field: str) -> Written[object] | None:
        """Give the winning value as written, or None where every layer is silent."""
        found = self.scalars.get(field)
        return None if found is None else found[0]

    def values(self, field: str) -> tuple[object, ...]:
        """Give a list's values without repetitions; hooks keep their order, all else is sorted."""
        seen = tuple(dict.fromkeys(value.value for value, _ in self.lists.get(field, ())))
        return seen if field in {"before", "after"} else tuple(sorted(seen, key=str))

    def texts(self, field: str) -> tuple[str, ...]:
        """Give a list of texts."""
        return tuple(str(value) for value in self.values(field))

    def origins(self) -> tuple[tuple[str, str, Origin], ...]:
        """Give (setting, value as text, origin) of everything that counts, sorted."""
        said = [
            (_key(field), _said(field, value.value), Origin(layer, value.span))
            for field, (value, layer) in self.scalars.items()
        ]
        said += [
            (_key(field), _said(field, value), Origin("built-in default", None))
            for field, value in BUILT_IN.items()
            if field not in self.scalars and value != ""
        ]
        said += [
            (_key(field), _said(field, value.value), Origin(layer, value.span))
            for field, items in self.lists.items()
            for value, layer in items
        ]
        return tuple(sorted(said, key=lambda item: (item[0], item[1])))


def merge(tables: Tables, layers: list[tuple[str, Settings]], where: str) -> Merged:
    """Merge layers, each a name and its settings, in the order given; a `remove` of nothing is reported."""
    scalars: dict[str, tuple[Written[object], str]] = {}
    lists: dict[str, list[tuple[Written[object], str]]] = {field: [] for field in LISTS}
    for layer, settings in layers:
        for field, items in settings.remove:
            if field in lists:
                _remove(tables, lists[field], items, field, where)
            if field == "to" and "to" in scalars:
                given, origin = cast(tuple[Written[tuple[WrittenTarget, ...]], str], scalars["to"])
                gone = {item.value for item in items}
                left = tuple(target for target in given.value if target.repository.value not in gone)
                scalars["to"] = (Written(left, given.span), origin)
        for item in dataclasses.fields(settings):
            value = getattr(settings, item.name)
            if item.name in lists:
                lists[item.name] += [(entry, layer) for entry in value]
            elif item.name != "remove" and value is not None:
                scalars[item.name] = (value, layer)
    return Merged(scalars, {field: tuple(items) for field, items in lists.items()})


def _remove(
    tables: Tables, given: list[tuple[Written[object], str]], items: tuple[Written[str], ...], field: str, where: str
) -> None:
    for item in items:
        left = [entry for entry in given if entry[0].value != item.value]
        if len(left) == len(given):
            known = [str(entry[0].value) for entry in given]
            tables.report(
                "BS203",
                f"`remove` names `{item.value}`, which no earlier layer gives",
                item.span,
                f"{where}.{_key(field)}",
                did_you_mean(item.value, known) or "delete it from `remove`",
            )
        given[:] = left


def value(merged: Merged, field: str) -> object:
    """Give the winning value of a scalar, or the built-in default."""
    found = merged.scalar(field)
    return BUILT_IN.get(field) if found is None else found.value


def _key(field: str) -> str:
    return {"except_": "except", "before": "hooks.before", "after": "hooks.after"}.get(field, field)


def _said(field: str, value: object) -> str:
    match value:
        case int() if field == "upload_limit":
            return f"{value} bytes per second"
        case int() if field == "snapshot_space":
            return f"{value} bytes"
        case bool():
            return "true" if value else "false"
        case tuple():
            return ", ".join(item.repository.value for item in value)
        case WrittenJump():
            return f"{value.user.value}@{value.address.value}:{value.port}"
        case _:
            return str(value)
