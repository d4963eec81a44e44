from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from backupspec.catalogue import CATALOGUE
from backupspec.data import data_folder
from backupspec.document import plain
from backupspec.parse import parse
from backupspec.reference import branches, main, pages
from backupspec.reference_text import block, flow
from backupspec.source import Source
from backupspec_migrate.plan_reading import read_plan

PAGES = dict(pages())
SCHEMA = json.loads((data_folder("schema") / "inventory.schema.json").read_text(encoding="utf-8"))
TEXTS = st.text(st.characters(codec="ascii", min_codepoint=32, max_codepoint=126), max_size=12)
VALUES = st.recursive(
    st.booleans() | st.integers(-(10**6), 10**6) | TEXTS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.from_regex(r"[a-z][a-z0-9-]*", fullmatch=True), inner, max_size=3)
    ),
    max_leaves=12,
)


def read(text: str) -> object:
    root, found = parse(Source("example.yaml", text))
    assert found == ()
    assert root is not None
    return plain(root)


def test_pages_are_current(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--check"]) == 0, capsys.readouterr().err


def test_pages_are_written_where_they_are_missing_and_not_touched_otherwise(tmp_path: Path) -> None:
    assert main(["--check", "--output", str(tmp_path)]) == 1
    assert list(tmp_path.iterdir()) == []
    assert main(["--output", str(tmp_path)]) == 0
    written = {path for path in tmp_path.rglob("*") if path.is_file()}
    assert {path.relative_to(tmp_path).as_posix(): path.read_text(encoding="utf-8") for path in written} == PAGES
    assert main(["--check", "--output", str(tmp_path)]) == 0


@pytest.mark.parametrize("name", list(PAGES))
def test_every_link_leads_somewhere(name: str) -> None:
    runbook = (data_folder("migrate") / "README.md").read_text(encoding="utf-8")
    anchors = {
        page: {
            re.sub(r"[^\w\s-]", "", title.lower()).replace(" ", "-")
            for title in re.findall(r"^#+ (.+)$", text, re.MULTILINE)
        }
        for page, text in {**PAGES, "../../migrate/README.md": runbook}.items()
    }
    links = re.findall(r"\]\(([^)#]*)#([^)]+)\)", PAGES[name])
    assert links
    here = posixpath.dirname(name)
    leads = [(posixpath.normpath(posixpath.join(here, page)) if page else name, link) for page, link in links]
    assert [link for page, link in leads if link not in anchors[page]] == []


@pytest.mark.parametrize("name", list(PAGES))
def test_headings_are_unique(name: str) -> None:
    headings = re.findall(r"^#+ (.+)$", PAGES[name], re.MULTILINE)
    assert len(headings) == len(set(headings))


def test_every_key_of_the_language_has_a_row() -> None:
    language = [text for name, text in PAGES.items() if name == "inventory.md" or name.startswith("databases/")]
    rows = {key for text in language for key in re.findall(r"^\| `([^`]+)`", text, re.MULTILINE)}
    keys = {key for node in [SCHEMA, *SCHEMA["$defs"].values()] for key in node.get("properties", {})}
    assert rows == keys


def test_every_table_has_as_many_cells_in_each_row() -> None:
    tables = re.findall(r"(?:^\|.*\|\n)+", PAGES["inventory.md"], re.MULTILINE)
    assert tables
    for table in tables:
        assert len({len(re.findall(r"(?<!\\)\|", row)) for row in table.splitlines()}) == 1


def test_every_concept_says_where_it_is_used() -> None:
    used = re.findall(r"^Used in: (.*)\.$", PAGES["inventory.md"], re.MULTILINE)
    assert len(used) > 20
    assert "" not in used
    drill = PAGES["inventory.md"].split("\n## Drill\n")[1]
    assert "\nUsed in: [Databases job](#databases-job).\n" in drill.split("\n## ")[0]


def test_every_command_has_a_section() -> None:
    named = set(re.findall(r"^## backupspec (\w+)$", PAGES["cli.md"], re.MULTILINE))
    assert named == {"init", "validate", "compile", "diff", "explain", "libvirt", "schema"}


def test_every_code_has_an_entry() -> None:
    entries = re.findall(r"^### (BS\d{3}): ", PAGES["diagnostics.md"], re.MULTILINE)
    assert entries == sorted(entry.code for entry in CATALOGUE)


def test_every_example_reads_back_as_the_schema_has_it() -> None:
    examples = re.findall(r"^```yaml\n(.*?)^```$", PAGES["inventory.md"], re.MULTILINE | re.DOTALL)
    kinds = branches(SCHEMA)
    concepts = {name: node for name, node in SCHEMA["$defs"].items() if "properties" in node or "x-kinds" in node}
    written = [SCHEMA, *(node for name, node in concepts.items() if name not in kinds)]
    assert [read(text) for text in examples] == [example for node in written for example in node["examples"]]


def test_every_kind_of_database_has_a_page_that_says_what_it_holds_and_shows_it() -> None:
    for name, kinds in branches(SCHEMA).items():
        page, node = PAGES[f"databases/{kinds[0]}.md"], SCHEMA["$defs"][name]
        examples = re.findall(r"^```yaml\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
        assert [read(text) for text in examples] == [{"databases": {"NAME": example}} for example in node["examples"]]
        assert all(f"\n## {title}\n" in page for title in ("What a dump holds", "The account that dumps", "Restore"))


def test_every_key_of_the_plan_file_and_of_json_reports_has_a_row() -> None:
    for name in ("migration-plan", "migration-scan", "migration-report"):
        schema = json.loads((data_folder("schema") / f"{name}.schema.json").read_text(encoding="utf-8"))
        assert set(re.findall(r"^\| `([^`]+)`", PAGES[f"{name}.md"], re.MULTILINE)) == set(keys_of(schema)), name


def keys_of(node: object) -> Iterator[str]:
    """Give each key that a schema knows of."""
    if isinstance(node, dict):
        yield from node.get("properties", {})
        for word, inner in node.items():
            yield from keys_of(list(inner.values()) if word in {"properties", "$defs"} else inner)
    elif isinstance(node, list):
        for inner in node:
            yield from keys_of(inner)


def test_the_plan_that_is_shown_can_be_read(tmp_path: Path) -> None:
    shown = re.findall(r"^```yaml\n(.*?)^```$", PAGES["migration-plan.md"], re.MULTILINE | re.DOTALL)
    (tmp_path / "plan.yaml").write_text(shown[0], encoding="utf-8")
    document, _, found = read_plan(tmp_path / "plan.yaml")
    assert document is not None
    assert found == ()


@given(VALUES)
@example("0_")
@example("1e3")
@example("0x1f")
def test_flow_reads_back(value: object) -> None:
    assert read(f"x: {flow(value)}\n") == {"x": value}


@given(st.dictionaries(st.from_regex(r"[a-z][a-z0-9-]*", fullmatch=True), VALUES, min_size=1, max_size=4))
def test_block_reads_back(value: dict[str, object]) -> None:
    assert read("\n".join(block(value)) + "\n") == value
