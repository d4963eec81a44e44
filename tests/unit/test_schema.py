"""What the published JSON Schemas promise: to editors, to whoever reads them, and to the stages that rely on them."""

from __future__ import annotations

import dataclasses
import json
import posixpath
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from referencing import Registry, Resource

from backupspec.catalogue import explain
from backupspec.check import check
from backupspec.data import data_folder
from backupspec.diagnostic import Severity
from backupspec.document import plain
from backupspec.nodes import seconds, size
from backupspec.parse import parse
from backupspec.read import read_document
from backupspec.resolve.databases import KINDS
from backupspec.resolve.layers import BUILT_IN, LISTS
from backupspec.source import Source
from backupspec.systems import SYSTEMS
from backupspec.words.ssh import KEY_TYPES

Node = Mapping[str, Any]

INVENTORY: Node = json.loads((data_folder("schema") / "inventory.schema.json").read_text(encoding="utf-8"))
FRAGMENT: Node = json.loads((data_folder("schema") / "inventory-fragment.schema.json").read_text(encoding="utf-8"))
DEFS: Node = INVENTORY["$defs"]
REGISTRY: Registry[Any] = Registry().with_resources(
    [(schema["$id"], Resource.from_contents(schema)) for schema in (INVENTORY, FRAGMENT)]
)
INVENTORIES = [
    path
    for path in sorted(data_folder("inventories").glob("*/inventory.yaml"))
    if path.parent.name in {"laptop", "small", "infra4", "kvm"}
]


def nodes(schema: Node, place: str = "") -> Iterator[tuple[str, Node]]:
    """Give every node that describes a value or a key, with its JSON pointer; rules about other nodes are none."""
    yield place or "/", schema
    for group in ("$defs", "properties"):
        for name, inner in schema.get(group, {}).items():
            yield from nodes(inner, f"{place}/{group}/{name}")
    for group in ("oneOf", "prefixItems"):
        for number, inner in enumerate(schema.get(group, ())):
            yield from nodes(inner, f"{place}/{group}/{number}")
    for name in ("items", "additionalProperties", "propertyNames"):
        if isinstance(schema.get(name), dict):
            yield from nodes(schema[name], f"{place}/{name}")


def rules(schema: Node) -> Iterator[Node]:
    """Give every rule about several keys of a mapping."""
    for _, node in nodes(schema):
        for rule in () if "x-kinds" in node else node.get("allOf", ()):
            yield rule.get("then", rule)


def resolved(node: Node) -> Node:
    """Give a node with what it refers to; what stands beside a reference wins."""
    while "$ref" in node:
        inner = DEFS[node["$ref"].rpartition("/")[2]]
        node = {**inner, **{key: value for key, value in node.items() if key != "$ref"}}
    return node


def fits(node: Node, value: object) -> bool:
    # A pointer into the schema would do as well; with $defs beside it every node is a schema that stands alone.
    return Draft202012Validator({**node, "$defs": DEFS}).is_valid(value)


def fits_as(name: str, value: object) -> bool:
    return fits(DEFS[name], value)


ALL = {
    f"{name}{place}": node
    for name, schema in (("inventory", INVENTORY), ("fragment", FRAGMENT))
    for place, node in nodes(schema)
}
RULES = tuple(rules(INVENTORY))


@pytest.mark.parametrize("schema", [INVENTORY, FRAGMENT], ids=["inventory", "fragment"])
def test_schema_is_a_json_schema_2020_12(schema: Node) -> None:
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    Draft202012Validator.check_schema(schema)


@pytest.mark.parametrize("schema", [INVENTORY, FRAGMENT], ids=["inventory", "fragment"])
def test_schema_is_written_in_one_form(schema: Node) -> None:
    text = (data_folder("schema") / schema["$id"]).read_text(encoding="utf-8")
    assert text == json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def test_walk_meets_all_there_is() -> None:
    # Each `description` of the file belongs to one node of the walk: none is passed over.
    text = (data_folder("schema") / "inventory.schema.json").read_text(encoding="utf-8")
    described = [node for _, node in nodes(INVENTORY) if isinstance(node.get("description"), str)]
    assert len(described) == len(re.findall(r'^ *"description": "', text, re.MULTILINE))


def test_every_node_has_a_description_and_an_example() -> None:
    bare = [place for place, node in ALL.items() if not resolved(node).get("description", "").endswith(".")]
    assert bare == []
    assert [place for place, node in ALL.items() if not resolved(node).get("examples")] == []


def test_every_example_and_default_fits_its_own_node() -> None:
    for place, node in ALL.items():
        alone = node if place.startswith("fragment") else {**node, "$defs": DEFS}
        for value in (*node.get("examples", ()), *([node["default"]] if "default" in node else [])):
            found = Draft202012Validator(alone, registry=REGISTRY).iter_errors(value)
            assert [(place, error.message) for error in found] == []


def test_every_mapping_says_which_keys_it_takes() -> None:
    for place, node in ALL.items():
        if node.get("type") == "object" and "properties" in node:
            assert node["additionalProperties"] is False, place
        elif node.get("type") == "object" and "x-kinds" not in node:
            assert isinstance(node["additionalProperties"], dict), place
            assert resolved(node["propertyNames"])["pattern"] == DEFS["name"]["pattern"], place


def test_every_kind_of_database_leads_to_a_mapping_that_has_it() -> None:
    node = DEFS["database"]
    branches = {
        rule["if"]["properties"]["kind"]["const"]: resolved(rule["then"])
        for rule in node["allOf"]
        if "properties" in rule["if"]
    }
    assert list(branches) == node["x-kinds"] == DEFS["database_kind"]["enum"] == list(KINDS)
    for kind, branch in branches.items():
        assert kind in branch["properties"]["kind"]["enum"]
        assert "kind" in branch["required"]


def test_every_node_tells_the_way_out() -> None:
    values = {place: resolved(node) for place, node in ALL.items() if place not in {"inventory/", "fragment/"}}
    assert [place for place, node in values.items() if not node.get("x-hint", "").endswith(".")] == []


def test_every_rule_about_several_keys_words_itself() -> None:
    assert len(RULES) > 10
    for rule in RULES:
        assert rule["x-message"]
        assert rule["x-hint"].endswith(".")
        assert set(rule.get("x-keys", ())) <= set(re.findall(r"`(\w+)`", rule["x-message"]))


def test_every_code_is_an_error_of_the_catalogue() -> None:
    codes = {node["x-code"] for node in (*ALL.values(), *RULES) if "x-code" in node}
    assert {entry.severity for code in codes if (entry := explain(code))} == {Severity.ERROR}
    assert [code for code in codes if explain(code) is None] == []


def test_branches_differ_by_type() -> None:
    # An error can then be told for the branch that was meant, and an editor completes that one.
    for place, node in ALL.items():
        types = [resolved(branch)["type"] for branch in node.get("oneOf", ())]
        assert len(types) == len(set(types)), place


def test_no_pattern_lets_a_line_end_through() -> None:
    for place, node in ((place, resolved(node)) for place, node in ALL.items()):
        if "pattern" in node:
            assert node["pattern"].startswith("^"), place
            assert not any(fits(node, f"{example}\n") or fits(node, f"\n{example}") for example in node["examples"]), (
                place
            )


def test_every_definition_is_used() -> None:
    text = json.dumps([INVENTORY, FRAGMENT])
    assert [name for name in DEFS if f'#/$defs/{name}"' not in text] == []


def test_layers_take_the_same_settings() -> None:
    defaults, profile, host, job = (DEFS[name]["properties"] for name in ("defaults", "profile", "host", "job"))
    settings = [key for key in job if key in defaults]
    assert defaults == profile
    assert {key: host[key] for key in defaults} == defaults
    assert {key: job[key] for key in settings} == {key: defaults[key] for key in settings}
    assert sorted(set(defaults) - set(settings)) == [
        "databases",
        "files",
        "jump",
        "on_ac_only",
        "quiet",
        "roaming",
        "scratch",
        "stay_awake",
        "virtual_machines",
    ]
    assert all(resolved(node)["x-merge"] in {"replace", "add", "by name", "apply"} for node in defaults.values())


def test_fragment_takes_what_the_inventory_takes_but_what_concerns_all_of_it() -> None:
    expected = {
        key: node["$ref"]
        for key, node in INVENTORY["properties"].items()
        if key not in {"fleet", "include", "defaults"}
    }
    given_refs = {
        key: node["$ref"].removeprefix("inventory.schema.json") for key, node in FRAGMENT["properties"].items()
    }
    assert given_refs == expected
    assert "required" not in FRAGMENT


# What the other stages rely on ----------------------------------------------------------------------------------------


def test_defaults_are_those_of_the_compiler() -> None:
    job, host = DEFS["job"]["properties"], DEFS["host"]["properties"]
    for key, value in BUILT_IN.items():
        if key in {"schedule", "retention", "description"}:
            continue
        assert resolved(job.get(key, host.get(key)))["default"] == value
    retention = dataclasses.asdict(BUILT_IN["retention"])  # type: ignore[call-overload]
    assert DEFS["retention_choice"]["default"] == {key: value for key, value in retention.items() if value}
    schedule = DEFS["schedule_choice"]["default"]
    assert str(BUILT_IN["schedule"]) == f"daily in {schedule['window']} ({schedule['timezone']})"


def test_merge_is_that_of_the_compiler() -> None:
    stated = {key for key, node in DEFS["job"]["properties"].items() if resolved(node).get("x-merge") == "add"}
    compiled = {field.rstrip("_") for field in LISTS} - {"before", "after"}
    assert stated == compiled | {"hooks"}


def test_operating_systems_are_those_of_the_compiler() -> None:
    assert DEFS["os"]["enum"] == list(SYSTEMS)


@pytest.mark.parametrize("algorithm", sorted(KEY_TYPES))
def test_key_types_are_those_of_the_compiler(algorithm: str) -> None:
    assert fits_as("public_key", f"{algorithm} AAAAC3NzaC1lZDI1NTE5AAAAIKdh comment with words")


@given(st.from_regex(DEFS["size"]["pattern"]))
def test_every_size_can_be_read(text: str) -> None:
    assert size(text) >= 0


@given(st.from_regex(DEFS["duration"]["pattern"]))
def test_every_duration_can_be_read(text: str) -> None:
    assert seconds(text) > 0


@given(
    st.lists(
        st.sampled_from(["/", ".", "..", "a", "-x", " ", "é", "$(x)", "\t", "\x85", "\u2028", "*"]), max_size=6
    ).map("".join)
)
def test_a_path_fits_exactly_if_it_is_absolute_and_normal(path: str) -> None:
    normal = path.startswith("/") and posixpath.normpath(path) == path and not path.startswith("//")
    assert fits_as("absolute_path", path) == (normal and not re.search("[\x00-\x1f\x7f-\x9f\u2028\u2029]", path))


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        (
            "name",
            ["a", "web01", "www.example.org", "two-places", "2024"],
            ["", "Web", "a_b", "a..b", "-a", "a.", "a/b", "é", "a" * 65],
        ),
        (
            "pattern",
            ["/a", "**/.cache", "/home/*/x", "/srv/**/y", "/[ab]?"],
            ["", "/", "a", "*/a", "**", "/a/", "/a//b", "/../a", "/a/."],
        ),
        ("duration", ["90m", "1h30m", "2d", "1w2d3h4m5s"], ["", "90", "m", "30m1h", "1h1h", "1.5h", "0m", "1 h", "1H"]),
        (
            "size",
            ["200GB", "1.5TB", "500GiB", "0.5kB"],
            ["", "200", "200 GB", "200G", "0GB", "0.0GB", "-1GB", "010GB", "1e3GB", "200gb"],
        ),
        ("rate", ["20MB/s", "1.5MiB/s"], ["20MB", "20Mbit/s", "/s", "20 MB/s"]),
        (
            "window",
            ["01:00-05:00", "22:30-04:00", "18:00-24:00"],
            ["1:00-5:00", "01:00", "25:00-26:00", "24:00-05:00", "01:00 - 05:00"],
        ),
        (
            "timezone",
            ["UTC", "Europe/Berlin", "America/Argentina/Ushuaia", "Etc/GMT+5"],
            ["", "/etc", "Europe/", "../x", "Europe Berlin"],
        ),
        (
            "address",
            ["192.0.2.1", "2001:db8::1", "::1", "web.example.org", "a", "xn--bcher-kva.example"],
            ["", "192.0.2.256", "1.2.3", "user@host", "host:22", "-a", "a_b", "[::1]", "a..b", "ssh://a", "é.example"],
        ),
        ("port", [1, 65535], [0, 65536, True, "22", -1]),
        ("account", ["borg", "_x", "u123"], ["", "Root", "1a", "a.b", "-a", "a" * 32]),
        (
            "public_key",
            ["keys/web01.pub", "web01.pub", "keys/a/b.pub"],
            [
                "",
                "/etc/key",
                "../key",
                "keys/../x",
                "./x",
                "ssh-dss AAAA",
                "restrict ssh-ed25519 AAAAC3",
                "a\\b",
            ],
        ),
        (
            "compression",
            ["none", "lz4", "zstd", "zstd,22", "auto,zstd,6", "lzma,9"],
            ["zstd,23", "lz4,1", "auto", "auto,none", "gzip", "zstd, 3", ""],
        ),
        ("text", ["a", "the shop's é files"], ["", "a\tb", "a\nb", "x" * 301]),
    ],
)
def test_kind_takes_and_refuses(kind: str, good: list[object], bad: list[object]) -> None:
    assert [value for value in good if not fits_as(kind, value)] == []
    assert [value for value in bad if fits_as(kind, value)] == []


def test_a_private_key_is_refused_by_name() -> None:
    errors = list(
        Draft202012Validator({**DEFS["public_key"], "$defs": DEFS}).iter_errors("-----BEGIN OPENSSH PRIVATE KEY-----")
    )
    assert [error.schema["x-code"] for error in errors if isinstance(error.schema, dict)] == ["BS111"]


@pytest.mark.parametrize(
    ("concept", "value"),
    [
        ("retention", {}),
        ("retention", {"daily": 0}),
        ("retention", {"forever": True, "daily": 7}),
        ("retention", {"forever": False}),
        ("retention", {"within": "2h"}),
        ("schedule", {"timezone": "UTC"}),
        ("schedule", {"window": "01:00-05:00"}),
        ("schedule", {"calendar": "daily", "window": "01:00-05:00", "timezone": "UTC"}),
        ("schedule", {"calendar": "daily", "every": "1h", "timezone": "UTC"}),
        ("schedule", {"every": "1h", "days": ["mon"], "timezone": "UTC"}),
        ("schedule", {"calendar": "daily; reboot", "timezone": "UTC"}),
        ("repository", {}),
        ("repository", {"server": "a", "path": "/b"}),
        ("repository", {"path": "/b", "quota": "1GB"}),
        ("repository", {"path": "/b", "append_only": True}),
        ("repository", {"path": "/b/{hostname}"}),
        ("repository", {"path": "/b/{"}),
        ("repository", {"server": "a", "present": "sometimes"}),
        ("repository", {"server": "a", "remote_borg": "borg"}),
        ("repository", {"server": "a", "keeper": {}}),
        ("repository", {"url": "ssh://u@h/x"}),
        ("repository", {"url": "ssh://h/x", "host_key": "k"}),
        ("repository", {"url": "ssh://u@h:0/x", "host_key": "k"}),
        ("repository", {"url": "ssh://u@h:65536/x", "host_key": "k"}),
        ("repository", {"url": "sftp://u@h/x", "host_key": "k"}),
        ("repository", {"url": "ssh://-oProxyCommand=x@h/x", "host_key": "k"}),
        ("repository", {"url": "ssh://u@-h/x", "host_key": "k"}),
        ("repository", {"url": "ssh://u@h/x/../y", "host_key": "k"}),
        ("alert", {}),
        ("alert", {"mail": "a@b.c", "command": ["/x"]}),
        ("alert", {"mail": "-t@b.c"}),
        ("alert", {"command": ["x"]}),
        ("hook", {"user": "root"}),
        ("hook", {"run": []}),
        ("hook", {"run": ["dump"]}),
        ("hook", {"run": "a\nb"}),
        ("remove", {}),
        ("files", {"job": "on"}),
        ("files", {"a_b": "off"}),
        ("to", []),
        ("to", ["a", "a"]),
        ("to", {}),
        ("paths", []),
        ("passphrase", "swordfish"),
        ("acceptance", {"code": "BS412", "where": "hosts.a"}),
        ("acceptance", {"code": "BS412", "where": "hosts.a", "because": "x", "until": "soon"}),
    ],
)
def test_concept_refuses(concept: str, value: object) -> None:
    assert not fits_as(concept, value)


@pytest.mark.parametrize(
    "url",
    [
        "ssh://u@h/x",
        "ssh://u123-sub1@box.example.net:23/./backups/{host}",
        "ssh://u@[2001:db8::1]:2222/x",
        "ssh://u@h/~/x",
    ],
)
def test_url_takes(url: str) -> None:
    assert fits_as("repository", {"url": url, "host_key": "keys/h.pub"})


def test_keys_of_later_versions_are_accepted_nowhere() -> None:
    assert [place for place, node in ALL.items() if set(INVENTORY["x-later"]) & set(node.get("properties", {}))] == []


# Real inventories -----------------------------------------------------------------------------------------------------


def test_there_are_inventories() -> None:
    assert [path.parent.name for path in INVENTORIES] == ["infra4", "kvm", "laptop", "small"]


@pytest.mark.parametrize("path", INVENTORIES, ids=lambda path: path.parent.name)
def test_inventory_fits(path: Path) -> None:
    document, found = read_document(path)
    assert found == ()
    assert document is not None
    assert check(document) == ()


@pytest.mark.parametrize(
    "path",
    [
        path
        for inventory in INVENTORIES
        for pattern in ("*/*.yaml", "*/*.json")
        for path in sorted(inventory.parent.glob(pattern))
    ],
    ids=lambda path: f"{path.parent.parent.name}-{path.stem}",
)
def test_included_file_fits_the_schema_that_it_names(path: Path) -> None:
    root, found = parse(Source(path.name, path.read_text(encoding="utf-8")))
    assert found == ()
    assert root is not None
    assert [error.message for error in Draft202012Validator(FRAGMENT, registry=REGISTRY).iter_errors(plain(root))] == []


@pytest.mark.parametrize("inventory", INVENTORIES, ids=lambda path: path.parent.name)
def test_every_file_tells_editors_its_schema(inventory: Path) -> None:
    for path in inventory.parent.rglob("*.yaml"):
        first = path.read_text(encoding="utf-8").partition("\n")[0]
        match = re.fullmatch(r"# yaml-language-server: \$schema=(\S+)", first)
        assert match is not None, path
        schema = INVENTORY if path == inventory else FRAGMENT
        assert (path.parent / match[1]).resolve() == data_folder("schema").resolve() / schema["$id"]
