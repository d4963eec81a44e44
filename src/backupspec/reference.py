"""The reference under `docs/reference/`: written from the schema, the codes and the command line, never by hand.

`python -m backupspec.reference` writes the pages, `--check` only says which of them are out of date (exit code 1).
The same schema and code give the same bytes.
"""

from __future__ import annotations

import argparse
import itertools
import json
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import typer.core
import typer.main

from backupspec import cli
from backupspec.catalogue import CATALOGUE, Entry
from backupspec.data import data_folder
from backupspec.reference_accounts import accounts
from backupspec.reference_forms import form_pages
from backupspec.reference_text import NOTICE, WIDTH, Schema, fenced, flow, link, listed, referred

_PARTS = {
    "0": "Reading and parsing",
    "1": "Shape",
    "2": "Names and references",
    "3": "Schedules and retention",
    "4": "Rules of the whole fleet",
    "5": "Output",
    "6": "Migration",
    "7": "Hypervisors",
    "9": "Environment",
}

_RESTORE = (
    "Of every kind: without a database the command shows what there is, by the names that it takes. `--at TIME` takes "
    "the newest dump that was begun by then: TIME as date(1) reads it, in the time zone of the job's schedule unless "
    "it names another; a day without a time of day is meant to its end. The names of archives, and the times that are "
    "shown, are in UTC. `--file PATH` makes a new file, in the folder from which the command was called."
)
_MERGE = """\
Settings may stand in several layers. They combine in one fixed order, in which the later wins:

1. the built-in default, as the tables below state it
2. `defaults`
3. the host's profiles, in the order in which the host lists them
4. the host
5. the job of the same name in each of these layers, in the same order, the host's own last
6. the entry in `to`, for one repository

How a setting combines is said in the table of [settings](#settings):

* *replaces*: the value of the last layer that has one counts, as a whole.
* *adds up*: the lists of all layers are joined.
* *by name*: entries of different names stand side by side, entries of the same name are merged in turn.
* *takes away*: it works on what the layers before it gave.

A key for which the tables state no default is simply not in effect until it is written.

`backupspec explain PATH HOST` shows which line gave each value.
"""
_EDITORS = """\
An editor that knows JSON Schema completes and checks while you type. Let the file begin with the line
`# yaml-language-server: $schema=PATH/inventory.schema.json`, an included one with
`# yaml-language-server: $schema=PATH/inventory-fragment.schema.json`; `backupspec schema` prints both.
"""
_MIGRATE = "Move rsnapshot trees and dated copies into Borg, with their whole history."
_LAYERS = ("defaults", "profile", "host", "job")
_MERGED = {"replace": "replaces", "add": "adds up", "by name": "by name", "apply": "takes away"}


def pages() -> tuple[tuple[str, str], ...]:
    """Give each page of the reference as (file name, text)."""
    schema = json.loads((data_folder("schema") / "inventory.schema.json").read_text(encoding="utf-8"))
    return (
        *command_pages(),
        ("diagnostics.md", diagnostics_page(CATALOGUE)),
        ("inventory.md", inventory_page(schema)),
        *database_pages(schema),
        ("snapshots.md", snapshots_page(schema)),
        *form_pages(),
    )


def command_pages() -> Iterator[tuple[str, str]]:
    """Give the page of the command line, and that of the migration's commands where what they need is installed."""
    program = cast("typer.core.TyperGroup", typer.main.get_command(cli.app))
    context = _context(program, "backupspec", None)
    yield "cli.md", _command_page(program, context, "The command line", "src/backupspec/cli.py")
    migrate = program.get_command(context, "migrate")
    if isinstance(migrate, typer.core.TyperGroup):
        context = _context(migrate, "migrate", context)
        yield "migrate.md", _command_page(migrate, context, "The migration", "migrate/backupspec_migrate/cli.py")


def _command_page(group: Any, context: Any, title: str, source: str) -> str:  # noqa: ANN401 - as in _context
    # The migration has a page of its own: what its commands are depends on what is installed.
    there = {name: group.get_command(context, name) for name in group.list_commands(context)}
    commands = {name: command for name, command in there.items() if name != "migrate"}
    lines = [f"# {title}", "", NOTICE.format(source=source), *_helped(group, context), "", "Commands:", ""]
    for name, command in commands.items():
        lines.append(f"* {link(f'{context.command_path} {name}')}: {' '.join(command.help.split())}")
    if "migrate" in there:
        lines.append(f"* [{context.command_path} migrate](migrate.md): {_MIGRATE}")
    for name, command in commands.items():
        lines += _command_section(command, name, context, "##")
    return "\n".join(lines) + "\n"


def _command_section(command: Any, name: str, parent: Any, level: str) -> Iterator[str]:  # noqa: ANN401 - as in _context
    """Give the section of a command, and those of the commands below it."""
    context = _context(command, name, parent)
    yield from ["", f"{level} {context.command_path}", "", *_helped(command, context)]
    if isinstance(command, typer.core.TyperGroup):
        for inner in command.list_commands(context):
            yield from _command_section(command.get_command(context, inner), inner, context, f"{level}#")


def diagnostics_page(entries: Sequence[Entry]) -> str:
    """Give the page of all codes, by number."""
    lines = [
        "# Diagnostics",
        "",
        NOTICE.format(source="src/backupspec/catalogue.py"),
        "Each finding carries a code that stays the same. An *error* stops the compile; a *warning* does not, unless",
        "`--strict` says so; a *note* never does. `backupspec explain CODE` shows the same text. A warning that is",
        "known and allowed is named under [`accept`](inventory.md#accepted-finding) in the inventory.",
    ]
    ordered = sorted(entries, key=lambda entry: entry.code)
    for part, group in itertools.groupby(ordered, key=lambda entry: entry.code[2]):
        lines += ["", f"## BS{part}xx: {_PARTS[part]}"]
        for entry in group:
            lines += ["", f"### {entry.code}: {entry.title}", "", f"*{entry.severity.label}.* {entry.explanation}"]
    return "\n".join(lines) + "\n"


def inventory_page(schema: Schema) -> str:
    """Give the page of the inventory language: a table of keys for each concept, in the schema's order."""
    return "\n".join(_Language(schema).lines()) + "\n"


def database_pages(schema: Schema) -> Iterator[tuple[str, str]]:
    """Give a page for each kind of database, with its keys and what its node in the schema says of it."""
    for name, kinds in branches(schema).items():
        page = _Kind(schema, name, kinds)
        yield f"databases/{kinds[0]}.md", "\n".join(page.lines()) + "\n"


def snapshots_page(schema: Schema) -> str:
    """Give the page on snapshots of file systems: what the setting's node in the schema says of them."""
    node = schema["$defs"]["snapshot"]
    lines = ["# Snapshots", "", NOTICE.format(source="schema/inventory.schema.json"), node["description"]]
    lines += ["", *fenced(node["x-example"])]
    for part in (*node["x-parts"], {"title": "Not run in our CI", "text": node["x-not-run"]}):
        lines += ["", f"## {part['title']}", ""]
        told = part["text"]
        lines += [told] if isinstance(told, str) else [f"* {each}" for each in told]
    return "\n".join(lines) + "\n"


def branches(schema: Schema) -> dict[str, list[str]]:
    """Give each definition that a kind of database leads to, with the kinds that do."""
    found: dict[str, list[str]] = {}
    for rule in schema["$defs"]["database"]["allOf"]:
        if "$ref" in rule["then"]:
            found.setdefault(referred(rule["then"]), []).append(rule["if"]["properties"]["kind"]["const"])
    return found


class _Language:
    """Walks the schema: a concept (a mapping with keys of its own) becomes a section, a kind of text a last entry."""

    page = ""
    """Where the sections are that links lead to: on this page."""

    def __init__(self, schema: Schema) -> None:
        self.schema = schema
        self.defs = cast("Mapping[str, Schema]", schema["$defs"])
        self.branches = branches(schema)
        self.concepts = [
            name
            for name, node in self.defs.items()
            if ("properties" in node or "x-kinds" in node) and name not in self.branches
        ]
        self.host = cast("Mapping[str, Schema]", self.defs["host"]["properties"])
        job = self.defs["job"]["properties"]
        everywhere = set.intersection(*(set(self.defs[name]["properties"]) for name in _LAYERS if name != "job"))
        self.settings = [key for key in self.host if key in everywhere and key in job]
        self.wide = [key for key in self.host if key in everywhere and key not in job]

    def lines(self) -> Iterator[str]:
        titles = [self.defs[name]["title"] for name in self.concepts]
        sections = ["The file", "How settings combine", "Settings", *titles, "Kinds of values"]
        later = ", ".join(f"`{key}`" for key in self.schema["x-later"])
        yield from ["# The inventory", "", NOTICE.format(source="schema/inventory.schema.json")]
        yield from [self.schema["description"], "", *fenced(self.schema["examples"][0]), "", _EDITORS]
        yield from [" ·\n".join(link(title) for title in sections), ""]
        yield from ["## The file", "", *self.table(self.schema, self.schema["properties"]), ""]
        yield from [f"Not yet: {later}. They come in later versions, and are refused until then.", ""]
        yield from ["## How settings combine", "", _MERGE]
        yield from ["## Settings", "", f"In {self.links('defaults', 'profile', 'host', 'job')}:", ""]
        yield from self.table(self.defs["job"], self.taken(self.settings), merge=True)
        yield from ["", "What a snapshot holds, and what it does not change: [snapshots](snapshots.md)."]
        yield from ["", f"In {self.links('defaults', 'profile', 'host')} only, for the whole host:", ""]
        yield from self.table(self.defs["host"], self.taken(self.wide), merge=True)
        for name in self.concepts:
            yield from self.section(name)
        yield from ["", "## Kinds of values"]
        for kind in (node for name, node in self.defs.items() if self.is_kind(name)):
            examples = ", ".join(f"`{flow(example)}`" for example in kind["examples"])
            yield from ["", f"### {kind['title']}", "", kind["description"], "", f"Examples: {examples}"]

    def section(self, name: str) -> Iterator[str]:
        concept = self.defs[name]
        own = self.own(name)
        yield from ["", f"## {concept['title']}", "", concept["description"]]
        users = [link(title) for title, keys in self.owners() if name in self.leads_to({"properties": keys})]
        yield from ["", f"Used in: {', '.join(dict.fromkeys(users))}."]
        if own:
            yield from ["", *self.table(concept, own)]
        if "x-kinds" in concept:
            pages = ((self.defs[each]["title"], kinds) for each, kinds in self.branches.items())
            yield from ["", "Each kind has keys of its own, and a page:", ""]
            for title, kinds in pages:
                said = " or ".join(f"`kind: {kind}`" for kind in kinds)
                yield f"* [{title}](databases/{kinds[0]}.md): {said}"
        if name in _LAYERS:
            yield from ["", "And the [settings](#settings)." if own else "It takes the [settings](#settings)."]
        rules = [rule.get("then", rule)["x-message"] for rule in concept.get("allOf", ()) if "x-kinds" not in concept]
        if rules:
            yield from ["", f"Rules: {'; '.join(rules)}."]
        for example in concept["examples"]:
            yield from ["", *fenced(example)]

    def table(self, concept: Schema, keys: Mapping[str, Schema], *, merge: bool = False) -> Iterator[str]:
        yield "| key | value | default | meaning |" + (" layers |" if merge else "")
        yield "|---|---|---|---|" + ("---|" if merge else "")
        for key, node in keys.items():
            default = self.find(node, "default")
            said = "" if default is None else f"`{flow(default)}`"
            if key in concept.get("required", ()):
                said = "required"
            cells = [f"`{key}`", self.type_of(node), said, self.find(node, "description")]
            if merge:
                cells.append(_MERGED[cast("str", self.find(node, "x-merge"))])
            yield "| " + " | ".join(str(cell).replace("|", "\\|") for cell in cells) + " |"

    def type_of(self, node: Schema) -> str:  # noqa: PLR0911 - one way out for each kind of node
        """Say in a few words what may be written, with links to concepts and kinds."""
        if "$ref" in node:
            name = referred(node)
            target = self.defs[name]
            linked = name in self.concepts or self.is_kind(name)
            return self.link(target["title"], lower=True) if linked else self.type_of(target)
        if "oneOf" in node:
            return " or ".join(self.type_of(branch) for branch in node["oneOf"])
        if "enum" in node:
            return listed([f"`{item}`" for item in node["enum"]])
        if "const" in node:
            return f"`{flow(node['const'])}`"
        match node["type"]:
            case "array":
                return f"list of {self.type_of(node['items'])}"
            case "object":
                return f"mapping of names to {self.type_of(node['additionalProperties'])}"
            case "boolean":
                return "true or false"
            case "integer":
                return f"whole number, {node['minimum']} to {node['maximum']}"
            case _:
                return "text"

    def find(self, node: Schema, keyword: str) -> object:
        """Give a keyword of a node, or of what it refers to."""
        while keyword not in node and "$ref" in node:
            node = self.defs[referred(node)]
        return node.get(keyword)

    def is_kind(self, name: str) -> bool:
        """Tell whether a definition is a kind of text (or a command) that several keys take."""
        node = self.defs[name]
        return "prefixItems" in node or (node.get("type") == "string" and "enum" not in node and "x-merge" not in node)

    def leads_to(self, node: Schema) -> Iterator[str]:
        """Give the concepts that the keys of one node take as values."""
        if "$ref" in node:
            name = referred(node)
            if name in self.concepts:
                yield name
            else:
                yield from self.leads_to(self.defs[name])
        values = (*node.get("properties", {}).values(), *node.get("oneOf", ()))
        for part in (*values, node.get("items"), node.get("additionalProperties")):
            if isinstance(part, dict):
                yield from self.leads_to(part)

    def owners(self) -> Iterator[tuple[str, Mapping[str, Schema]]]:
        """Give each section of the page that has a table, with the keys in it."""
        yield "The file", self.schema["properties"]
        yield "Settings", self.taken([*self.settings, *self.wide])
        for name in self.concepts:
            yield self.defs[name]["title"], self.own(name)
        for name in self.branches:
            yield self.defs["database"]["title"], self.defs[name]["properties"]

    def link(self, title: str, *, lower: bool = False) -> str:
        """Give a link to a section, on the page that has it."""
        return link(title, lower=lower).replace("(#", f"({self.page}#")

    def own(self, name: str) -> Mapping[str, Schema]:
        """Give a concept's keys but for the settings that layers share."""
        shared = {*self.settings, *self.wide} if name in _LAYERS else set[str]()
        return {key: node for key, node in self.defs[name].get("properties", {}).items() if key not in shared}

    def taken(self, keys: Sequence[str]) -> Mapping[str, Schema]:
        return {key: self.host[key] for key in keys}

    def links(self, *names: str) -> str:
        return listed([link(self.defs[name]["title"], lower=True) for name in names], word="and")


class _Kind(_Language):
    """The page of one kind of database."""

    page = "../inventory.md"

    def __init__(self, schema: Schema, name: str, kinds: list[str]) -> None:
        super().__init__(schema)
        self.name, self.node, self.kinds = name, self.defs[name], kinds

    def lines(self) -> Iterator[str]:
        """Give the page."""
        node = self.node
        yield from [f"# {node['title']}", "", NOTICE.format(source="schema/inventory.schema.json")]
        yield node["description"]
        for example in node["examples"]:
            yield from ["", *fenced({"databases": {"NAME": example}})]
        yield from ["", "## What a dump holds", "", node["x-consistency"]]
        yield from ["", "## The account that dumps", "", node["x-account"], *accounts(self.name)]
        yield from ["", "## Restore", "", node["x-restore"], "", _RESTORE]
        yield from ["", "## What a restore trusts", "", node["x-trust"]]
        if "x-not-run" in node:
            yield from ["", "## Not run in our CI", "", node["x-not-run"]]
        yield from ["", "## Keys", "", *self.table(node, node["properties"])]


def _context(command: Any, name: str, parent: Any) -> Any:  # noqa: ANN401 - typer's own types differ between its versions
    command.rich_markup_mode = None  # boxes and colours are for terminals
    if parent is not None:
        command.epilog = None  # the exit codes stand at the top of the page once
    return command.make_context(name, [], parent=parent, resilient_parsing=True, terminal_width=WIDTH)


def _helped(command: Any, context: Any) -> list[str]:  # noqa: ANN401 - as above
    """Give a command's help as it shows it, but for the list of commands below it: each has a section of its own."""
    text = re.sub(r"\nCommands:\n(?:  .*\n)*", "", command.get_help(context) + "\n")
    return ["```text", text.strip(), "```"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the pages, or with `--check` only compare them; 1 when one is out of date."""
    parser = argparse.ArgumentParser(prog="python -m backupspec.reference", description="Write docs/reference/.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 when a page is out of date")
    parser.add_argument(
        "--output", type=Path, default=data_folder("docs") / "reference", help="the folder of the pages"
    )
    options = parser.parse_args(arguments)
    folder: Path = options.output
    stale = [
        (folder / name, text)
        for name, text in pages()
        if not (folder / name).is_file() or (folder / name).read_text(encoding="utf-8") != text
    ]
    for path, text in stale:
        if options.check:
            sys.stderr.write(f"{path} is out of date: run `python -m backupspec.reference`\n")
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    return 1 if options.check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
