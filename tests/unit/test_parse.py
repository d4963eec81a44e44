"""What strict YAML is: each mistake with the message that it gets, and what values mean."""

from __future__ import annotations

import pytest

from backupspec import parse as parse_module
from backupspec.diagnostic import Span
from backupspec.document import Mapping, Scalar, Sequence, plain
from backupspec.parse import DEEPEST, MOST_EXPANDED, parse
from backupspec.source import Source
from tests.unit.findings import expected, parsed


def read_as(text: str, name: str = "inventory.yaml") -> Mapping:
    root, found = parse(Source(name, text))
    assert found == ()
    assert root is not None
    return root


def codes(text: str, name: str = "inventory.yaml") -> list[str]:
    return [each.code for each in parse(Source(name, text))[1]]


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("true", True),
        ("false", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("7", 7),
        ("-7", -7),
        ("0", 0),
        ("on", "on"),
        ("off", "off"),
        ("yes", "yes"),
        ("True", "True"),
        ("NULL", "NULL"),
        ("22:30", "22:30"),
        ("1.5", "1.5"),
        ("1e3", "1e3"),
        (".inf", ".inf"),
        ("2027-04-01", "2027-04-01"),
        ("192.0.2.1", "192.0.2.1"),
        ("'7'", "7"),
        ('"true"', "true"),
        ("=", "="),
    ],
)
def test_only_true_false_null_and_plain_decimal_numbers_are_not_text(written: str, meant: object) -> None:
    value = plain(read_as(f"a: {written}\n"))
    assert value == {"a": meant}
    assert isinstance(value, dict)
    assert type(value["a"]) is type(meant)


def test_a_whole_number_as_a_key_is_text() -> None:
    assert plain(read_as("2024: {}\n")) == {"2024": {}}


def test_every_node_knows_its_place() -> None:
    root = read_as("hosts:\n  wéb: {paths: [/etc, '/x y']}\n")
    host = root.entries[0].value
    assert isinstance(host, Mapping)
    assert host.entries[0].key_span == Span("inventory.yaml", 2, 3, 2, 6)
    files = host.entries[0].value
    assert files.span == Span("inventory.yaml", 2, 8, 2, 31)
    assert isinstance(files, Mapping)
    paths = files.get("paths")
    assert isinstance(paths, Sequence)
    assert paths.items[1].span == Span("inventory.yaml", 2, 23, 2, 29)
    assert root.span == Span("inventory.yaml", 1, 1, 2, 31)


def test_what_an_alias_stands_for_is_placed_at_the_alias() -> None:
    root = read_as("a: &a {x: [1]}\nb: *a\n")
    copy = root.get("b")
    assert isinstance(copy, Mapping)
    assert plain(copy) == {"x": [1]}
    place = Span("inventory.yaml", 2, 4, 2, 6)
    assert copy.entries[0].key_span == copy.entries[0].value.span == copy.span == place


def test_json_is_read_like_yaml() -> None:
    text = '{\n\t"hosts": {"a\\/b": [1, -2, true, null, "x\\u00e9"]}\n}\n'
    assert plain(read_as(text, "hosts.json")) == {"hosts": {"a/b": [1, -2, True, None, "xé"]}}


@pytest.mark.parametrize("text", ["{a: 1}", '{"a": 1,}', '{"a": 1} # x', "{'a': 1}", '{"a": .5}', "a: 1"])
def test_a_json_file_must_be_valid_json(text: str) -> None:
    assert codes(text, "hosts.json") == ["BS026"]


def test_what_is_no_json_is_shown_at_its_place() -> None:
    assert parsed('{"a": 1, # one\n "b": 2}\n', "hosts.json") == expected(
        """
        error[BS026]: not valid JSON: expecting property name enclosed in double quotes
         --> hosts.json:1:10
          |
        1 | {"a": 1, # one
          |          ^
          = hint: correct it, or name the file `.yaml`
        """
    )


def test_nesting_is_bounded() -> None:
    deepest = DEEPEST - 1
    assert codes(f"a: {'[' * (deepest - 1)}1{']' * (deepest - 1)}\n") == []
    assert codes(f"a: {'[' * deepest}1{']' * deepest}\n") == ["BS012"]


@pytest.mark.parametrize("opening", ["[", "{", "- ", "? ", '{"a":', "a: [", "&a [", "!x [", "[*a,"])
def test_sixty_kilobytes_of_open_brackets_are_refused_and_crash_nothing(opening: str) -> None:
    text = opening * (60 * 1024 // len(opening))
    found = parse(Source("inventory.yaml", text))[1]
    assert found
    assert all(each.span.line == 1 for each in found)


def test_more_values_than_anybody_writes_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parse_module, "MOST_NODES", 5)
    assert codes("a: [1, 2]\n") == []
    assert parsed("a: [1, 2, 3]\n") == expected(
        """
        error[BS013]: more than 5 values in one file
         --> inventory.yaml:1:11
          |
        1 | a: [1, 2, 3]
          |           ^
          = hint: split the file
        """
    )


def test_an_alias_bomb_is_refused() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 9)}]" for level in range(1, 12)]
    assert codes("\n".join(lines)) == ["BS014"]


def test_aliases_cannot_nest_deeper_than_what_is_written() -> None:
    lines = [f"a0: &a0 {'[' * 40}{']' * 40}", *(f"a{n}: &a{n} {'[' * 40}*a{n - 1}{']' * 40}" for n in range(1, 30))]
    assert codes("\n".join(lines)) == ["BS014"]


def test_aliases_are_bounded_in_number_and_free_below() -> None:
    shared = "a: &a [1, 2, 3]\nb:\n"
    assert codes(shared + "  - *a\n" * (MOST_EXPANDED // 4)) == []
    assert codes(shared + "  - *a\n" * (MOST_EXPANDED // 4 + 1)) == ["BS014"]


@pytest.mark.parametrize("number", ["9" * 10_000, "0" * 10_000, "0x" + "f" * 10_000, "1_" * 10_000])
def test_a_number_of_any_length_is_refused(number: str) -> None:
    assert codes(f"a: {number}\n? {number}\n: b\n") == ["BS024", "BS024"]


@pytest.mark.parametrize(
    "text", ["{0}: 1\n{0}: 2\n", "a: !{0} x", "a: *{0}", "a: &{0} x\nb: &{0} y", "a: '@'\nb: @{0}", "a: &{0} [*{0}]"]
)
def test_a_message_is_short_however_long_the_name_is(text: str) -> None:
    (found,) = parse(Source("inventory.yaml", text.format("x" * 1000)))[1]
    assert len(found.message) < 120
    assert len(found.hint) < 150


def test_an_unfit_character_is_shown_twenty_times_at_most() -> None:
    assert codes("a: \u0085\n" * 100) == ["BS006"] * 20


def test_the_tree_of_a_file_with_a_duplicate_key_has_the_first_one() -> None:
    root, found = parse(Source("inventory.yaml", "a: 1\na: 2\n"))
    assert [each.code for each in found] == ["BS021"]
    assert root is not None
    assert root.get("a") == Scalar(1, Span("inventory.yaml", 1, 4, 1, 5))


def test_a_tab_in_the_indentation_is_refused() -> None:
    assert parsed(
        """
        a:
        \tb: 1
        """
    ) == expected(
        """
        error[BS011]: a tab is not allowed in the indentation
         --> inventory.yaml:2:1
          |
        2 |     b: 1
          | ^^^^
          = hint: use spaces
        """
    )


def test_a_second_colon_in_a_value_is_refused() -> None:
    assert parsed(
        """
        title: one: two
        """
    ) == expected(
        """
        error[BS010]: a colon is not expected here
         --> inventory.yaml:1:11
          |
        1 | title: one: two
          |           ^
          = hint: quote the value if the colon belongs to it; else check the indentation
        """
    )


def test_an_open_quote_is_shown_where_it_starts() -> None:
    assert parsed(
        """
        a: 'x
        b: 1
        """
    ) == expected(
        """
        error[BS010]: this quote is not closed
         --> inventory.yaml:1:4
          |
        1 | a: 'x
          |    ^
          = the YAML reader could not go on here:
         ::: inventory.yaml:2:4
          |
        2 | b: 1
          |    ^
          = hint: add the closing quote
        """
    )


def test_an_open_list_is_shown_where_it_starts() -> None:
    assert parsed(
        """
        paths: [/etc, /home
        exclude: []
        """
    ) == expected(
        """
        error[BS010]: this list is not closed
         --> inventory.yaml:1:8
          |
        1 | paths: [/etc, /home
          |        ^
          = the YAML reader could not go on here:
         ::: inventory.yaml:2:8
          |
        2 | exclude: []
          |        ^
          = hint: add `]`, or a comma between its items
        """
    )


def test_an_open_mapping_is_shown_where_it_starts() -> None:
    assert parsed(
        """
        a: {b: c
        """
    ) == expected(
        """
        error[BS010]: this mapping is not closed
         --> inventory.yaml:1:4
          |
        1 | a: {b: c
          |    ^
          = the YAML reader could not go on here:
         ::: inventory.yaml:1:8
          |
        1 | a: {b: c
          |        ^
          = hint: add `}`, or a comma between its entries
        """
    )


def test_a_pattern_that_starts_with_a_star_needs_quotes() -> None:
    assert parsed(
        """
        exclude: [**/.cache, /tmp]
        """
    ) == expected(
        """
        error[BS010]: `*` cannot start a value in YAML
         --> inventory.yaml:1:11
          |
        1 | exclude: [**/.cache, /tmp]
          |           ^
          = hint: a value that starts with `*` must be quoted: "**/.cache"
        """
    )


def test_a_star_before_a_word_is_an_unknown_anchor() -> None:
    assert parsed(
        """
        exclude: [*iso]
        """
    ) == expected(
        """
        error[BS015]: there is no anchor `&iso` before this line
         --> inventory.yaml:1:11
          |
        1 | exclude: [*iso]
          |           ^^^^
          = hint: a pattern that starts with a star must be quoted: `"*iso"`
        """
    )


def test_an_anchor_that_is_nearly_right_is_suggested() -> None:
    assert parsed(
        """
        a: &paths [x]
        b: *path
        """
    ) == expected(
        """
        error[BS015]: there is no anchor `&path` before this line
         --> inventory.yaml:2:4
          |
        2 | b: *path
          |    ^^^^^
          = hint: did you mean `paths`?
        """
    )


def test_a_value_that_starts_with_a_reserved_sign_needs_quotes() -> None:
    assert parsed(
        """
        every: @daily
        """
    ) == expected(
        """
        error[BS010]: `@` cannot start a value in YAML
         --> inventory.yaml:1:8
          |
        1 | every: @daily
          |        ^
          = hint: a value that starts with `@` must be quoted: "@daily"
        """
    )


def test_text_after_a_closing_quote_is_refused() -> None:
    assert parsed(
        """
        because: 'it's
        """
    ) == expected(
        """
        error[BS010]: the text has ended before this
         --> inventory.yaml:1:14
          |
        1 | because: 'it's
          |              ^
          = hint: inside '…' write '' for a quote, or put "…" around the whole text
        """
    )


def test_wrong_indentation_is_refused() -> None:
    assert parsed(
        """
        a:
          b: 1
         c: 2
        """
    ) == expected(
        """
        error[BS010]: expected a key here
         --> inventory.yaml:3:2
          |
        3 |  c: 2
          |  ^
          = hint: check the indentation of this line and of the line before, and that quotes and brackets are closed
        """
    )


def test_a_key_among_list_items_is_refused() -> None:
    assert parsed(
        """
        a:
          - b
          c: d
        """
    ) == expected(
        """
        error[BS010]: expected another list item (`- …`) here
         --> inventory.yaml:3:3
          |
        3 |   c: d
          |   ^
          = hint: check the indentation of this line and of the line before, and that quotes and brackets are closed
        """
    )


def test_an_unknown_escape_is_refused() -> None:
    assert parsed(
        """
        a: "C:\\q"
        """
    ) == expected(
        """
        error[BS010]: unknown escape in a quoted text
         --> inventory.yaml:1:7
          |
        1 | a: "C:\\q"
          |       ^
          = hint: write a backslash as `\\\\`, or use single quotes
        """
    )


def test_a_tag_is_refused() -> None:
    assert parsed(
        """
        a: !vault x
        b: !!str 1
        """
    ) == expected(
        """
        error[BS017]: the tag `!vault` is not allowed
         --> inventory.yaml:1:4
          |
        1 | a: !vault x
          |    ^^^^^^^^
          = hint: delete it; a value that starts with `!` must be quoted

        error[BS017]: the tag `!!str` is not allowed
         --> inventory.yaml:2:4
          |
        2 | b: !!str 1
          |    ^^^^^^^
          = hint: delete it; a value that starts with `!` must be quoted
        """
    )


def test_the_merge_key_is_refused() -> None:
    assert parsed(
        """
        a: &a {x: 1}
        b:
          <<: *a
        """
    ) == expected(
        """
        error[BS018]: the merge key `<<` is not allowed
         --> inventory.yaml:3:3
          |
        3 |   <<: *a
          |   ^^
          = hint: put shared settings into `profiles` and name the profile on each host
        """
    )


def test_a_directive_is_refused() -> None:
    assert parsed(
        """
        %YAML 1.1
        ---
        a: 1
        """
    ) == expected(
        """
        error[BS020]: a YAML directive is not allowed
         --> inventory.yaml:1:1
          |
        1 | %YAML 1.1
          | ^^^^^^^^^
          = hint: delete the line that starts with `%`
        """
    )


def test_a_second_document_is_refused() -> None:
    assert parsed(
        """
        a: 1
        ---
        b: 2
        """
    ) == expected(
        """
        error[BS019]: a second YAML document starts here
         --> inventory.yaml:2:1
          |
        2 | ---
          | ^^^
          = hint: put it into a file of its own and name that under `include`
        """
    )


def test_a_key_that_stands_twice_is_refused_with_both_places() -> None:
    assert parsed(
        """
        hosts:
          web01: {}
          web02: {}
          web01: {}
        """
    ) == expected(
        """
        error[BS021]: the key `web01` is defined twice
         --> inventory.yaml:4:3
          |
        4 |   web01: {}
          |   ^^^^^
          = first defined here:
         ::: inventory.yaml:2:3
          |
        2 |   web01: {}
          |   ^^^^^
          = hint: keep one of them, or merge both
        """
    )


def test_a_key_that_is_no_text_is_refused() -> None:
    assert parsed(
        """
        true: 1
        ~: 2
        {a: b}: 3
        """
    ) == expected(
        """
        error[BS022]: `true` cannot be a key
         --> inventory.yaml:1:1
          |
        1 | true: 1
          | ^^^^
          = hint: put it in quotes if it is a name: `"true"`

        error[BS022]: `~` cannot be a key
         --> inventory.yaml:2:1
          |
        2 | ~: 2
          | ^
          = hint: put it in quotes if it is a name: `"~"`

        error[BS022]: this cannot be a key
         --> inventory.yaml:3:1
          |
        3 | {a: b}: 3
          | ^
          = hint: a key is text; put it in quotes if it starts with a sign such as `{`, `[` or `*`
        """
    )


def test_a_key_that_is_missing_is_refused() -> None:
    assert parsed(
        """
        ?
        : 1
        """
    ) == expected(
        """
        error[BS022]: the key is missing
         --> inventory.yaml:1:2
          |
        1 | ?
          |  ^
          = hint: write a name before the colon
        """
    )


def test_a_bracket_too_many_is_refused() -> None:
    assert parsed(
        """
        a: [1]]
        b: }
        """
    ) == expected(
        """
        error[BS010]: the value has ended before this
         --> inventory.yaml:1:7
          |
        1 | a: [1]]
          |       ^
          = hint: delete what is too much, or put quotes around the whole value
        """
    )


def test_a_stray_bracket_is_refused() -> None:
    assert parsed(
        """
        a: }
        """
    ) == expected(
        """
        error[BS010]: expected a value here
         --> inventory.yaml:1:4
          |
        1 | a: }
          |    ^
          = hint: delete the sign, or quote it if it belongs to the value
        """
    )


def test_a_number_with_two_readings_is_refused() -> None:
    assert parsed(
        """
        a: 010
        b: 0x1F
        c: 1_000
        d: +5
        """
    ) == expected(
        """
        error[BS023]: `010` means different numbers to different readers
         --> inventory.yaml:1:4
          |
        1 | a: 010
          |    ^^^
          = hint: write `8` or `10`, or `"010"` if it is text

        error[BS023]: `0x1F` means different numbers to different readers
         --> inventory.yaml:2:4
          |
        2 | b: 0x1F
          |    ^^^^
          = hint: write `31`, or `"0x1F"` if it is text

        error[BS023]: `1_000` means different numbers to different readers
         --> inventory.yaml:3:4
          |
        3 | c: 1_000
          |    ^^^^^
          = hint: write `1000`, or `"1_000"` if it is text

        error[BS023]: `+5` means different numbers to different readers
         --> inventory.yaml:4:4
          |
        4 | d: +5
          |    ^^
          = hint: write `5`, or `"+5"` if it is text
        """
    )


def test_a_huge_number_is_refused() -> None:
    assert parsed(
        """
        a: 1234567890123456789
        """
    ) == expected(
        """
        error[BS024]: the number is too large
         --> inventory.yaml:1:4
          |
        1 | a: 1234567890123456789
          |    ^^^^^^^^^^^^^^^^^^^
          = hint: put it in quotes if it is text
        """
    )


def test_an_anchor_that_stands_twice_is_refused() -> None:
    assert parsed(
        """
        a: &x 1
        b: &x 2
        """
    ) == expected(
        """
        error[BS016]: the anchor `&x` is defined twice
         --> inventory.yaml:2:4
          |
        2 | b: &x 2
          |    ^^^^
          = first defined here:
         ::: inventory.yaml:1:4
          |
        1 | a: &x 1
          |    ^^^^
          = hint: rename one of them
        """
    )


def test_an_alias_of_what_it_stands_in_is_refused() -> None:
    assert parsed(
        """
        a: &x [1, *x]
        """
    ) == expected(
        """
        error[BS014]: the alias `*x` refers to what it stands in
         --> inventory.yaml:1:11
          |
        1 | a: &x [1, *x]
          |           ^^
          = the anchor is still open here:
         ::: inventory.yaml:1:4
          |
        1 | a: &x [1, *x]
          |    ^^^^
          = hint: write it out, or share settings by a profile
        """
    )


def test_a_list_at_the_top_is_refused() -> None:
    assert parsed(
        """
        - a
        - b
        """
    ) == expected(
        """
        error[BS025]: expected `key: value` lines, found a list
         --> inventory.yaml:1:1
          |
        1 | - a
          | ^^^
          = hint: write `hosts:` and indent below it what you have here, for example
        """
    )


def test_text_at_the_top_is_refused() -> None:
    assert parsed(
        """
        hosts
        """
    ) == expected(
        """
        error[BS025]: expected `key: value` lines, found a single value
         --> inventory.yaml:1:1
          |
        1 | hosts
          | ^^^^^
          = hint: write `hosts:` and indent below it what you have here, for example
        """
    )


def test_a_file_of_comments_is_empty() -> None:
    assert parsed(
        """
        # later
        """
    ) == expected(
        """
        error[BS007]: `inventory.yaml` is empty
         --> inventory.yaml:1:1
          |
        1 | # later
          | ^
          = hint: `backupspec init` writes one to start from; an included file without content can be deleted
        """
    )


def test_a_line_separator_is_refused() -> None:
    assert parsed(
        """
        a: 1 # fine \u2028b: 2
        """
    ) == expected(
        """
        error[BS006]: the character U+2028 (line separator) is not allowed here
         --> inventory.yaml:1:13
          |
        1 | a: 1 # fine \\u2028b: 2
          |             ^^^^^^
          = hint: delete it; an editor that shows invisible characters helps to find it
        """
    )


def test_every_unfit_character_is_shown_with_its_place() -> None:
    assert parsed(
        """
        a: \x07
        b: x\u202ey
        """
    ) == expected(
        """
        error[BS006]: the character U+0007 (bell) is not allowed here
         --> inventory.yaml:1:4
          |
        1 | a: \\x07
          |    ^^^^
          = hint: delete it; an editor that shows invisible characters helps to find it

        error[BS006]: the character U+202E (right-to-left override) is not allowed here
         --> inventory.yaml:2:5
          |
        2 | b: x\\u202ey
          |     ^^^^^^
          = hint: delete it; an editor that shows invisible characters helps to find it
        """
    )


def test_all_mistakes_of_a_file_are_shown_at_once() -> None:
    assert parsed(
        """
        a: 010
        a: !x 1
        <<: {}
        b: [1
        """
    ) == expected(
        """
        error[BS023]: `010` means different numbers to different readers
         --> inventory.yaml:1:4
          |
        1 | a: 010
          |    ^^^
          = hint: write `8` or `10`, or `"010"` if it is text

        error[BS017]: the tag `!x` is not allowed
         --> inventory.yaml:2:4
          |
        2 | a: !x 1
          |    ^^^^
          = hint: delete it; a value that starts with `!` must be quoted

        error[BS021]: the key `a` is defined twice
         --> inventory.yaml:2:1
          |
        2 | a: !x 1
          | ^
          = first defined here:
         ::: inventory.yaml:1:1
          |
        1 | a: 010
          | ^
          = hint: keep one of them, or merge both

        error[BS018]: the merge key `<<` is not allowed
         --> inventory.yaml:3:1
          |
        3 | <<: {}
          | ^^
          = hint: put shared settings into `profiles` and name the profile on each host

        error[BS010]: this list is not closed
         --> inventory.yaml:4:4
          |
        4 | b: [1
          |    ^
          = the YAML reader could not go on here:
         ::: inventory.yaml:4:5
          |
        4 | b: [1
          |     ^
          = hint: add `]`, or a comma between its items
        """
    )
