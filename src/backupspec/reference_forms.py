"""Pages of the forms that a migration reads and writes: a section for each mapping of a schema, a row for each key."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import cast

from backupspec.data import data_folder
from backupspec.reference_text import NOTICE, Schema, flow, link, listed, referred

_PLAN = """\
`backupspec migrate plan` writes it, `run`, `verify` and `report` read it, and in between it is yours: [the
runbook](../../migrate/README.md#edit-the-plan) says what to edit and when. For completion and checks in an editor save
`backupspec schema --plan` and name it in a first line `# yaml-language-server: $schema=FILE`.

```yaml
version: 1
source:
  layout: rsnapshot
  configuration: /etc/rsnapshot.conf
  root: /backup/snapshots
snapshots:
  - {folder: daily.1, time: '2024-01-02T02:05:00Z'}
  - {folder: daily.0, time: '2024-01-03T02:05:00Z', doubt: rsnapshot left its lockfile behind, accept: it is whole}
left_out:
  - {name: .sync, because: rsnapshot's staging area}
series:
  - host: web01
    job: files
    folder: web01
    repository: /backup/borg/web01/central
    retention: {daily: 7, weekly: 4}
    content:
      - {from: web01/etc, path: /etc}
    archives:
      - daily.0
    skip:
      - {snapshot: daily.1, because: the disk was full that night}
```
"""
_FORMS = {
    "migration-plan": _PLAN,
    "migration-scan": "Names and paths are written without loss: `%` and bytes that are not UTF-8 stand as %XX.\n",
    "migration-report": "`plan.report.json` beside the plan is the same.\n",
}


def form_pages() -> Iterator[tuple[str, str]]:
    """Give each page as (file name, text)."""
    for name, said in _FORMS.items():
        file = f"{name}.schema.json"
        schema = json.loads((data_folder("schema") / file).read_text(encoding="utf-8"))
        yield f"{name}.md", "\n".join(_Form(schema).lines(f"schema/{file}", said)) + "\n"


class _Form:
    """Walks a schema from its root: each mapping with keys of its own becomes a section, once."""

    def __init__(self, schema: Schema) -> None:
        self.schema = schema
        self.sections: dict[str, Schema] = {}

    def lines(self, source: str, said: str) -> Iterator[str]:
        yield from [f"# {self.schema['title']}", "", NOTICE.format(source=source), self.schema["description"], "", said]
        yield from ["## The file", "", *self.table(self.schema)]
        done = 0
        while done < len(self.sections):
            title, node = list(self.sections.items())[done]
            yield from ["", f"## {title}", "", node.get("description", ""), "", *self.table(node)]
            done += 1

    def table(self, mapping: Schema) -> Iterator[str]:
        yield "| key | value | default | meaning |"
        yield "|---|---|---|---|"
        for key, node in mapping["properties"].items():
            default = f"`{flow(node['default'])}`" if "default" in node else ""
            said = "required" if key in mapping.get("required", ()) else default
            meaning = node.get("description") or self.target(node).get("description", "")
            cells = (f"`{key}`", self.type_of(node, key), said, meaning)
            yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"

    def target(self, node: Schema) -> Schema:
        """Follow a reference."""
        return cast("Schema", self.schema["$defs"][referred(node)]) if "$ref" in node else node

    def type_of(self, node: Schema, key: str) -> str:
        """Say in a few words what stands there, with links to sections; `key` names a mapping without a title."""
        key = referred(node) if "$ref" in node else key
        node = self.target(node)
        if "properties" in node:
            return self.section(node, key)
        for word in ("oneOf", "anyOf"):
            if word in node:
                return " or ".join(self.type_of(branch, key) for branch in node[word])
        if "enum" in node:
            return listed([f"`{flow(item)}`" for item in node["enum"]])
        if "const" in node:
            return f"`{flow(node['const'])}`"
        kinds = [node["type"]] if isinstance(node["type"], str) else list(node["type"])
        if "array" in kinds:
            return f"list of {self.type_of(node['items'], key)}"
        return listed([_KINDS[kind] for kind in kinds])

    def section(self, node: Schema, key: str) -> str:
        title = str(node.get("title", key.replace("_", " ").capitalize()))
        if self.sections.setdefault(title, node) is not node:
            title = f"{title}: {key.replace('_', ' ')}"
            self.sections.setdefault(title, node)
        return link(title, lower=True)


_KINDS = {
    "string": "text",
    "integer": "whole number",
    "number": "number",
    "boolean": "true or false",
    "null": "null",
    "object": "mapping",
}
