from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backupspec.diagnostic import Span
from backupspec.manifest import Entry, Manifest, described, host_of, manifest, merged, parsed, safe, written
from backupspec.tree import File, Tree

SCHEMA = json.loads((Path(__file__).parents[2] / "schema/manifest.schema.json").read_text())
PARTS = st.text(st.characters(codec="utf-8", exclude_characters="/\0"), min_size=1, max_size=8)
PATHS = st.lists(PARTS, min_size=1, max_size=4).map("/".join).filter(safe)
TEXTS = st.text(st.characters(codec="utf-8"))
ENTRIES = st.builds(
    Entry, PATHS, st.text("0123456789abcdef", min_size=64, max_size=64), st.integers(0, 0o777), TEXTS, TEXTS
)
FACTS = st.dictionaries(TEXTS, st.dictionaries(TEXTS, TEXTS, max_size=2), max_size=2)


@st.composite
def manifests(draw: st.DrawFn) -> Manifest:
    entries = {entry.path: entry for entry in draw(st.lists(ENTRIES, max_size=5))}
    hosts = {name: json.dumps(facts, sort_keys=True) for name, facts in draw(st.dictionaries(TEXTS, FACTS)).items()}
    return Manifest("backupspec 1", tuple(sorted(hosts.items())), tuple(sorted(entries.values())))


def file(path: str, line: int = 1, text: str = "text") -> File:
    return File(path, 0o755, "root:bs-web01", text, "hosts.web01", Span("inventory.yaml", line, 1, line, 5))


@given(manifests())
def test_what_is_written_is_read_back_and_fits_the_schema(given_: Manifest) -> None:
    text = written(given_).text
    assert parsed(text, "manifest.json") == (given_, ())
    jsonschema.Draft202012Validator(SCHEMA).validate(json.loads(text))


def test_places_in_the_inventory_leave_no_trace() -> None:
    one = Tree((file("a", 1), file("b", 2)), ("web01", "db01"), (("web01", '{"b": 1, "a": 2}'),))
    other = Tree((file("b", 70), file("a", 71)), ("db01", "web01"), (("web01", '{"a":2,"b":1}'),))
    assert manifest(one, "1").text == manifest(other, "1").text


def test_a_manifest_says_all_of_each_file_but_of_itself() -> None:
    content = json.loads(manifest(Tree((file("manifest.json"), file("hosts/web01/apply")), ("web01",)), "0.1.0").text)
    assert content == {
        "format": 1,
        "compiler": "backupspec 0.1.0",
        "hosts": {"web01": {}},
        "files": {
            "hosts/web01/apply": {
                "sha256": "982d9e3eb996f559e633f4d194def3761d909f5a3b647d1a851fead67c32c9d1",
                "mode": "0755",
                "owner": "root:bs-web01",
                "origin": "hosts.web01",
            }
        },
    }


def test_merging_takes_named_hosts_and_if_asked_the_common_files_from_the_new_one() -> None:
    def of(text: str, *paths: str) -> Manifest:
        return described(Tree(tuple(file(path, text=text) for path in paths), ("a", "b"), (("a", "{}"),)), text)

    old = of("old", "README.md", "hosts/a/x", "hosts/b/x", "hosts/b/gone", "hosts/c/x")
    new = of("new", "README.md", "hosts/a/x", "hosts/b/x")
    both = merged(new, old, frozenset({"b", None}))
    expected = {"README.md": new, "hosts/a/x": old, "hosts/b/x": new, "hosts/c/x": old}
    assert {entry.path: entry for entry in both.files} == {path: each.entry(path) for path, each in expected.items()}
    assert merged(new, old, frozenset({"b"})).entry("README.md") == old.entry("README.md")


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"compiler": "another program"}, "BS502"),
        ({"compiler": None}, "BS502"),
        ({"format": 2}, "BS503"),
        ({"format": None}, "BS503"),
        ({"hosts": []}, "BS503"),
        ({"hosts": {"web01": 1}}, "BS503"),
        ({"files": None}, "BS503"),
        ({"files": {"/etc/passwd": {}}}, "BS503"),
        ({"files": {"a": {"sha256": "0" * 63, "mode": "0644", "owner": "", "origin": ""}}}, "BS503"),
        ({"files": {"a": {"sha256": "0" * 64, "mode": "644", "owner": "", "origin": ""}}}, "BS503"),
        ({"files": {"a": {"sha256": "0" * 64, "mode": 420, "owner": "", "origin": ""}}}, "BS503"),
        ({"files": {"../a": {"sha256": "0" * 64, "mode": "0644", "owner": "", "origin": ""}}}, "BS503"),
    ],
)
def test_what_does_not_fit_is_refused_with_a_place_and_a_way_out(change: dict[str, object], code: str) -> None:
    content = {"format": 1, "compiler": "backupspec 1", "hosts": {}, "files": {}} | change
    read, found = parsed(json.dumps(content), "out/manifest.json")
    assert read is None
    assert [(each.code, each.span.file, bool(each.hint)) for each in found] == [(code, "out/manifest.json", True)]
    assert not jsonschema.Draft202012Validator(SCHEMA).is_valid(content)


def test_broken_json_is_shown_where_it_breaks() -> None:
    _, (found,) = parsed('{\n  "format": 1,\n  oops\n}', "out/manifest.json")
    assert (found.code, str(found.span)) == ("BS503", "out/manifest.json:3:3")


@given(st.text())
def test_any_text_is_refused_without_a_crash(text: str) -> None:
    read, found = parsed(text, "manifest.json")
    assert (read is None) == bool(found)


@pytest.mark.parametrize(
    ("path", "host"),
    [("hosts/web01/apply", "web01"), ("hosts/a.b/root/x", "a.b"), ("README.md", None), ("ansible/hosts/x", None)],
)
def test_a_path_tells_its_host(path: str, host: str | None) -> None:
    assert host_of(path) == host
