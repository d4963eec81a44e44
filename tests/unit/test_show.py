"""How findings are shown: text with carets, JSON, GitHub annotations, SARIF."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from rich.cells import cell_len
from rich.console import Console

from backupspec.data import data_folder
from backupspec.diagnostic import Diagnostic, Diagnostics, Related, Severity, Span
from backupspec.show import as_github, as_json, as_sarif, as_text, summary
from backupspec.source import Source
from tests.unit.findings import expected

TEXT = "hosts:\n  web01: {}\n  web01: {}\n"
TWICE = Diagnostic(
    "BS021",
    Severity.ERROR,
    "the key `web01` is defined twice",
    Span("inventory.yaml", 3, 3, 3, 8),
    hint="keep one of them, or merge both",
    where="hosts.web01",
    related=(Related("first defined here", Span("inventory.yaml", 2, 3, 2, 8)),),
)
NOTE = Diagnostic("BS100", Severity.NOTE, "a: b, 100%\nnext", Span("a b/ü,1:2.yaml", 1, 1, 2, 1))


def shown(line: str, column: int, end: int) -> str:
    """Give the excerpt and the caret under a stretch of one line."""
    found = Diagnostic("BS100", Severity.ERROR, "x", Span("f", 1, column, 1, end))
    return "\n".join(as_text((found,), (Source("f", line),)).plain.split("\n")[3:5])


def test_a_finding_has_place_line_caret_related_places_and_hint() -> None:
    text = as_text((TWICE,), (Source("inventory.yaml", TEXT),), "fleet/").plain
    assert (
        text
        == expected(
            """
        error[BS021]: the key `web01` is defined twice
         --> fleet/inventory.yaml:3:3
          |
        3 |   web01: {}
          |   ^^^^^
          = first defined here:
         ::: fleet/inventory.yaml:2:3
          |
        2 |   web01: {}
          |   ^^^^^
          = hint: keep one of them, or merge both

        1 error
        """
        )
        + "\n"
    )


def test_a_place_whose_text_was_not_read_is_named_without_a_line() -> None:
    assert (
        as_text((NOTE,), ()).plain
        == expected(
            """
        note[BS100]: a: b, 100%\\x0anext
         --> a b/ü,1:2.yaml:1:1

        1 note
        """
        )
        + "\n"
    )


def test_line_numbers_share_one_margin() -> None:
    related = (Related("there", Span("f", 100, 1, 100, 2)),)
    found = Diagnostic("BS100", Severity.WARNING, "x", Span("f", 9, 1, 9, 2), related=related)
    assert (
        as_text((found,), (Source("f", "a\n" * 100),)).plain
        == expected(
            """
        warning[BS100]: x
           --> f:9:1
            |
          9 | a
            | ^
            = there:
           ::: f:100:1
            |
        100 | a
            | ^

        1 warning
        """
        )
        + "\n"
    )


def test_a_caret_counts_cells_not_characters() -> None:
    assert shown("日本: /データ # x", 5, 9) == "1 | 日本: /データ # x\n  |       ^^^^^^^"


def test_a_combining_mark_takes_no_cell() -> None:
    assert shown("u\u0308: x", 5, 6) == "1 | u\u0308: x\n  |    ^"


def test_a_tab_is_four_spaces() -> None:
    assert shown("\ta: \tb", 6, 7) == "1 |     a:     b\n  |            ^"


def test_a_place_of_no_width_has_one_caret() -> None:
    assert shown("a:", 3, 3) == "1 | a:\n  |   ^"


def test_a_caret_behind_the_end_of_the_line_stays_at_its_end() -> None:
    assert shown("ab", 90, 99) == "1 | ab\n  |   ^"


def test_a_stretch_of_several_lines_is_marked_to_the_end_of_the_first() -> None:
    found = Diagnostic("BS100", Severity.ERROR, "x", Span("f", 1, 4, 3, 2))
    lines = as_text((found,), (Source("f", "a: {b,  \n c\n }"),)).plain.split("\n")
    assert lines[3:5] == ["1 | a: {b,", "  |    ^^^"]


def test_a_long_line_is_cut_around_the_caret() -> None:
    excerpt, caret = shown("x" * 5000 + "HERE" + "y" * 5000, 5001, 5005).split("\n")
    assert len(excerpt) < 125
    assert excerpt[caret.index("^") : caret.rindex("^") + 1] == "HERE"
    assert excerpt.endswith("y…")
    assert excerpt[4] == "…"


def test_control_characters_reach_no_terminal() -> None:
    found = Diagnostic("BS100", Severity.ERROR, "\x1b[2J", Span("\x1b]0;f", 1, 1, 1, 2), hint="\u202e\x9b")
    text = as_text((found,), (Source("\x1b]0;f", "\x1b[2J\u2028"),)).plain
    assert (
        text
        == expected(
            """
        error[BS100]: \\x1b[2J
         --> \\x1b]0;f:1:1
          |
        1 | \\x1b[2J\\u2028
          | ^^^^
          = hint: \\u202e\\u009b

        1 error
        """
        )
        + "\n"
    )


def test_square_brackets_are_text_and_no_markup() -> None:
    found = Diagnostic("BS100", Severity.ERROR, "[red]x[/red] [/]", Span("f", 1, 1, 1, 2))
    page = io.StringIO()
    Console(file=page, width=200).print(as_text((found,), (Source("f", "a: [b] :smile:"),)))
    assert "error[BS100]: [red]x[/red] [/]" in page.getvalue()
    assert "1 | a: [b] :smile:" in page.getvalue()
    assert "\x1b" not in page.getvalue()


def test_a_terminal_gets_colours() -> None:
    page = io.StringIO()
    Console(file=page, force_terminal=True, color_system="standard", width=200).print(
        as_text((TWICE,), (Source("inventory.yaml", TEXT),))
    )
    assert "\x1b[1;31merror[BS021]" in page.getvalue()


@given(st.text(max_size=300), st.integers(1, 320), st.integers(0, 40))
def test_any_line_has_its_caret_inside_what_is_shown(line: str, column: int, width: int) -> None:
    source = Source("f", line)
    found = Diagnostic("BS100", Severity.ERROR, line, Span("f", 1, column, 1, column + width))
    for row in as_text((found,), (source,)).plain.split("\n"):
        assert row.strip("^ |") == "" or row.isprintable() or cell_len(row) < 4 * 300
        assert not any(ord(character) < 0x20 or 0x7F <= ord(character) <= 0x9F for character in row)
        if row.startswith("  | "):
            assert "^" in row or not row.strip(" |")


@pytest.mark.parametrize(
    ("severities", "counted"),
    [
        ([], "no findings"),
        ([Severity.ERROR], "1 error"),
        ([Severity.WARNING, Severity.ERROR, Severity.ERROR, Severity.NOTE], "2 errors, 1 warning, 1 note"),
    ],
)
def test_the_summary_counts_by_severity(severities: list[Severity], counted: str) -> None:
    found = tuple(Diagnostic("BS100", severity, "x", Span("f", 1, 1, 1, 2)) for severity in severities)
    assert summary(found) == counted


@pytest.mark.parametrize("found", [(), (TWICE,), (TWICE, NOTE)], ids=["none", "one", "two"])
def test_json_has_the_published_schema(found: Diagnostics) -> None:
    schema = json.loads((data_folder("schema") / "diagnostics.schema.json").read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(schema)
    Draft202012Validator(schema).validate(json.loads(as_json(found)))


def test_the_examples_of_the_published_schema_fit_it() -> None:
    schema = json.loads((data_folder("schema") / "diagnostics.schema.json").read_text(encoding="utf-8"))
    for name, node in (("", schema), *schema["$defs"].items()):
        validator = Draft202012Validator({"$ref": f"#/$defs/{name}" if name else "#", "$defs": schema["$defs"]})
        for example in node["examples"]:
            if name:
                validator.validate(example)
            else:
                Draft202012Validator(schema).validate(example)


def test_json_says_all_that_text_says() -> None:
    assert json.loads(as_json((TWICE,), "fleet"))["diagnostics"] == [
        {
            "code": "BS021",
            "severity": "error",
            "title": "key defined twice",
            "message": "the key `web01` is defined twice",
            "hint": "keep one of them, or merge both",
            "where": "hosts.web01",
            "place": {"file": "fleet/inventory.yaml", "line": 3, "column": 3, "end_line": 3, "end_column": 8},
            "related": [
                {
                    "message": "first defined here",
                    "place": {"file": "fleet/inventory.yaml", "line": 2, "column": 3, "end_line": 2, "end_column": 8},
                }
            ],
        }
    ]


def test_a_github_annotation_is_one_line_with_everything_escaped() -> None:
    assert as_github((TWICE, NOTE), "fleet") == (
        "::error file=fleet/inventory.yaml,line=3,endLine=3,col=3,endColumn=8,title=BS021%3A key defined twice"
        "::the key `web01` is defined twice%0AHint: keep one of them, or merge both\n"
        "::notice file=fleet/a b/ü%2C1%3A2.yaml,line=1,endLine=2,title=BS100%3A does not fit the schema"
        "::a: b, 100%25%0Anext\n"
    )


def test_a_github_annotation_cannot_be_ended_by_a_value() -> None:
    found = Diagnostic("BS100", Severity.ERROR, "x\r\n::add-mask::y", Span("f", 1, 1, 1, 2))
    assert as_github((found,)).count("\n") == 1
    assert "\r" not in as_github((found,))


def sarif_place(location: dict[str, Any]) -> None:
    region = location["physicalLocation"]["region"]
    assert set(region) == {"startLine", "startColumn", "endLine", "endColumn"}
    assert all(isinstance(value, int) and value >= 1 for value in region.values())
    uri = location["physicalLocation"]["artifactLocation"]["uri"]
    assert uri.isascii()
    assert " " not in uri


def test_sarif_has_the_shape_of_version_2_1_0() -> None:
    log = json.loads(as_sarif((TWICE, NOTE, TWICE), "fleet", "1.2.3"))
    assert set(log) == {"$schema", "version", "runs"}
    assert log["version"] == "2.1.0"
    (run,) = log["runs"]
    assert set(run) == {"tool", "columnKind", "results"}
    assert run["columnKind"] == "unicodeCodePoints"
    driver = run["tool"]["driver"]
    assert driver["name"] == "backupspec"
    assert driver["semanticVersion"] == "1.2.3"
    assert [rule["id"] for rule in driver["rules"]] == ["BS021", "BS100"]
    for rule in driver["rules"]:
        assert rule["shortDescription"]["text"]
        assert rule["fullDescription"]["text"]
        assert rule["defaultConfiguration"]["level"] in {"error", "warning", "note"}
    for result in run["results"]:
        assert driver["rules"][result["ruleIndex"]]["id"] == result["ruleId"]
        assert result["level"] in {"error", "warning", "note"}
        assert result["message"]["text"]
        for location in (*result["locations"], *result.get("relatedLocations", ())):
            sarif_place(location)
    assert run["results"][0]["locations"][0]["logicalLocations"] == [{"fullyQualifiedName": "hosts.web01"}]
    assert run["results"][0]["relatedLocations"][0]["message"] == {"text": "first defined here"}


def test_sarif_without_findings_is_a_run_without_results() -> None:
    (run,) = json.loads(as_sarif(()))["runs"]
    assert run["results"] == []
    assert run["tool"]["driver"] == {"name": "backupspec", "rules": []}


@pytest.mark.parametrize(
    ("folder", "path"),
    [
        ("", "inventory.yaml"),
        (".", "inventory.yaml"),
        ("a/b/", "a/b/inventory.yaml"),
        ("/srv/a", "/srv/a/inventory.yaml"),
        ("/", "/inventory.yaml"),
    ],
)
def test_the_folder_stands_before_the_names_of_files(folder: str, path: str) -> None:
    assert json.loads(as_json((TWICE,), folder))["diagnostics"][0]["place"]["file"] == path


def test_what_has_no_text_has_no_line_and_is_not_named_twice() -> None:
    def shown(file: str) -> str:
        found = Diagnostic("BS001", Severity.ERROR, "`nowhere` is not there", Span(file, 1, 1, 1, 1))
        return as_text((found,), ()).plain

    assert "-->" not in shown("nowhere")
    assert "-->" not in shown("--repository")
    assert " --> folder\n" in shown("folder")
