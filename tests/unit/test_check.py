"""What the schema asks for: each kind of mistake, with the message that it gets and where that points."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from backupspec.check import check
from backupspec.data import data_folder
from backupspec.document import Document
from backupspec.parse import parse
from backupspec.read import read_document
from backupspec.source import Source
from tests.unit.findings import checked, expected

INVENTORIES = sorted(path.parent for path in data_folder("inventories").glob("*/inventory.yaml"))


@pytest.mark.parametrize("folder", INVENTORIES, ids=lambda folder: folder.name)
def test_the_inventories_that_we_ship_are_fine(folder: Path) -> None:
    document, found = read_document(folder)
    assert document is not None
    assert found == ()
    assert check(document) == ()


def test_every_example_of_the_schema_fits_in_the_inventory() -> None:
    schema = json.loads((data_folder("schema") / "inventory.schema.json").read_text(encoding="utf-8"))
    for example in schema["examples"]:
        root, found = parse(Source("inventory.yaml", json.dumps(example)))
        assert root is not None
        assert found == ()
        assert check(Document(root)) == ()


def test_a_finding_names_the_logical_path_of_its_setting() -> None:
    text = """
        version: 1
        fleet: x
        hosts: {a: {files: {x: {paths: [/a, b]}, y: {}}, oss: x}}
        """
    root, _ = parse(Source("inventory.yaml", text))
    assert root is not None
    where = [each.where for each in check(Document(root))]
    assert where == ["hosts.a.files.x.paths[1]", "hosts.a.oss"]


def test_an_unknown_key_is_refused_with_the_nearest_one() -> None:
    assert checked(
        """
        version: 1
        fleet: x
        hosts:
          web01:
            retenion: long
        """
    ) == expected(
        """
        error[BS101]: unknown key `retenion` in `hosts.web01`
         --> inventory.yaml:5:5
          |
        5 |     retenion: long
          |     ^^^^^^^^
          = hint: did you mean `retention`?
        """
    )


def test_an_unknown_key_with_none_near_lists_what_is_allowed() -> None:
    assert checked(
        """
        version: 1
        fleet: x
        alerts: {ops: {telegram: x, mail: a@b.de}}
        """
    ) == expected(
        """
        error[BS101]: unknown key `telegram` in `alerts.ops`
         --> inventory.yaml:3:16
          |
        3 | alerts: {ops: {telegram: x, mail: a@b.de}}
          |                ^^^^^^^^
          = hint: allowed here: `command`, `mail`
        """
    )


def test_a_section_of_a_later_version_is_refused_by_name() -> None:
    assert checked(
        """
        version: 1
        fleet: x
        monitoring: {}
        """
    ) == expected(
        """
        error[BS101]: `monitoring` is for a later version
         --> inventory.yaml:3:1
          |
        3 | monitoring: {}
          | ^^^^^^^^^^
          = hint: take it out: what this version cannot compile it does not accept
        """
    )


def test_what_must_be_there_is_asked_for_at_its_mapping() -> None:
    assert checked(
        """
        version: 1
        fleet: x
        schedules:
          nightly: {window: "01:00-05:00"}
        accept:
          - {code: BS412, where: hosts.a}
        """
    ) == expected(
        """
        error[BS103]: `nightly` needs `timezone`
         --> inventory.yaml:4:3
          |
        4 |   nightly: {window: "01:00-05:00"}
          |   ^^^^^^^
          = hint: add `timezone: Europe/Berlin`, for example

        error[BS103]: item 1 of `accept` needs `because`
         --> inventory.yaml:6:6
          |
        6 |   - {code: BS412, where: hosts.a}
          |      ^^^^
          = hint: add `because: second site comes in spring`, for example
        """
    )


def test_the_inventory_names_its_version_and_fleet() -> None:
    assert checked(
        """
        hosts: {}
        """
    ) == expected(
        """
        error[BS103]: the inventory needs `fleet`
         --> inventory.yaml:1:1
          |
        1 | hosts: {}
          | ^^^^^
          = hint: add `fleet: example`, for example

        error[BS103]: the inventory needs `version`
         --> inventory.yaml:1:1
          |
        1 | hosts: {}
          | ^^^^^
          = hint: add `version: 1`, for example
        """
    )


def test_text_where_a_list_belongs_is_refused() -> None:
    assert checked(
        """
        version: 1
        fleet: x
        hosts: {web01: {profiles: linux}}
        """
    ) == expected(
        """
        error[BS102]: `profiles` must be a list, not the text `linux`
         --> inventory.yaml:3:27
          |
        3 | hosts: {web01: {profiles: linux}}
          |                           ^^^^^
          = hint: write `[linux]`
        """
    )


def test_a_list_where_a_mapping_belongs_is_refused() -> None:
    assert checked(
        """
        version: 1
        fleet: x
        hosts: [web01]
        """
    ) == expected(
        """
        error[BS102]: `hosts` must be a mapping, not a list
         --> inventory.yaml:3:1
          |
        3 | hosts: [web01]
          | ^^^^^
          = hint: Write one entry a line, its name before the colon and its settings below it, or {} for none.
        """
    )


def test_a_section_without_anything_is_refused_at_its_key() -> None:
    assert checked(
        """
        version: 1
        fleet: x
        hosts:
          web01:
        """
    ) == expected(
        """
        error[BS102]: `web01` has no value; it must be a mapping
         --> inventory.yaml:4:3
          |
        4 |   web01:
          |   ^^^^^
          = hint: Write its settings below it, such as profiles: [linux] or files: {www: {paths: [/srv/www]}}.
        """
    )


def test_yes_is_no_truth_value() -> None:
    assert checked(
        """
        version: 1
        fleet: x
        hosts: {a: {roaming: yes, files: {x: {paths: [/x], one_file_system: False}}}}
        """
    ) == expected(
        """
        error[BS102]: `roaming` must be true or false, not the text `yes`
         --> inventory.yaml:3:22
          |
        3 | hosts: {a: {roaming: yes, files: {x: {paths: [/x], one_file_system: False}}}}
          |                      ^^^
          = hint: write `true`

        error[BS102]: `one_file_system` must be true or false, not the text `False`
         --> inventory.yaml:3:69
          |
        3 | hosts: {a: {roaming: yes, files: {x: {paths: [/x], one_file_system: False}}}}
          |                                                                     ^^^^^
          = hint: write `false`
        """
    )


def test_a_number_in_quotes_is_text() -> None:
    assert checked(
        """
        version: 1
        fleet: x
        retention: {r: {daily: "7"}}
        """
    ) == expected(
        """
        error[BS102]: `daily` must be a whole number, not the text `7`
         --> inventory.yaml:3:24
          |
        3 | retention: {r: {daily: "7"}}
          |                        ^^^
          = hint: write it without quotes: `7`
        """
    )


def test_a_number_where_text_belongs_needs_quotes() -> None:
    assert checked(
        """
        version: 1
        fleet: x
        hosts: {a: {site: 7}}
        """
    ) == expected(
        """
        error[BS102]: `site` must be text, not the number 7
         --> inventory.yaml:3:19
          |
        3 | hosts: {a: {site: 7}}
          |                   ^
          = hint: put it in quotes: `"7"`
        """
    )


def test_a_value_of_few_is_suggested() -> None:
    assert checked(
        """
        version: 1
        fleet: x
        hosts: {a: {os: debain-12}}
        """
    ) == expected(
        """
        error[BS104]: `debain-12` is not possible for `os`
         --> inventory.yaml:3:17
          |
        3 | hosts: {a: {os: debain-12}}
          |                 ^^^^^^^^^
          = hint: did you mean `debian-12`?
        """
    )


def test_false_does_not_drop_a_job() -> None:
    assert checked(
        """
        version: 1
        fleet: x
        hosts: {a: {files: {x: false}}}
        """
    ) == expected(
        """
        error[BS102]: `x` must be text or a mapping, not `false`
         --> inventory.yaml:3:24
          |
        3 | hosts: {a: {files: {x: false}}}
          |                        ^^^^^
          = hint: Write what the job backs up, such as {paths: [/srv/www]}, or `off` to drop it.
        """
    )


def test_a_passphrase_is_not_repeated() -> None:
    assert checked(
        """
        version: 1
        fleet: x
        repositories: {r: {path: /r, passphrase: hunter2}}
        """
    ) == expected(
        """
        error[BS104]: this is not possible for `passphrase`
         --> inventory.yaml:3:42
          |
        3 | repositories: {r: {path: /r, passphrase: …
          |                                          ^
          = hint: Write per-host or {credential: NAME}; never the passphrase itself.
        """
    )


def test_a_relative_path_is_refused() -> None:
    assert checked(
        """
        version: 1
        fleet: x
        hosts: {a: {files: {x: {paths: [etc, /var/../etc]}}}}
        """
    ) == expected(
        """
        error[BS105]: malformed absolute path `etc`
         --> inventory.yaml:3:33
          |
        3 | hosts: {a: {files: {x: {paths: [etc, /var/../etc]}}}}
          |                                 ^^^
          = hint: Begin with `/` and write the path out: no `~`, no `..`, no `//` and no `/` at the end.

        error[BS105]: malformed absolute path `/var/../etc`
         --> inventory.yaml:3:38
          |
        3 | hosts: {a: {files: {x: {paths: [etc, /var/../etc]}}}}
          |                                      ^^^^^^^^^^^
          = hint: Begin with `/` and write the path out: no `~`, no `..`, no `//` and no `/` at the end.
        """
    )


def test_an_empty_list_of_paths_is_refused() -> None:
    assert checked(
        """
        version: 1
        fleet: x
        hosts: {a: {files: {x: {paths: []}}}}
        """
    ) == expected(
        """
        error[BS107]: `paths` is empty
         --> inventory.yaml:3:25
          |
        3 | hosts: {a: {files: {x: {paths: []}}}}
          |                         ^^^^^
          = hint: An empty list changes nothing here: leave the key out, or take single entries away with `remove:`.
        """
    )


def test_a_path_named_twice_is_shown_twice() -> None:
    assert checked(
        """
        version: 1
        fleet: x
        hosts: {a: {files: {x: {paths: [/a, /b, /a]}}}}
        """
    ) == expected(
        """
        error[BS108]: `/a` stands twice in `paths`
         --> inventory.yaml:3:41
          |
        3 | hosts: {a: {files: {x: {paths: [/a, /b, /a]}}}}
          |                                         ^^
          = first named here:
         ::: inventory.yaml:3:33
          |
        3 | hosts: {a: {files: {x: {paths: [/a, /b, /a]}}}}
          |                                 ^^
          = hint: delete one of them
        """
    )


def test_a_malformed_name_is_shown_at_the_name() -> None:
    assert checked(
        """
        version: 1
        fleet: x
        hosts: {Web_01: {}}
        """
    ) == expected(
        """
        error[BS109]: malformed name `Web_01`
         --> inventory.yaml:3:9
          |
        3 | hosts: {Web_01: {}}
          |         ^^^^^^
          = hint: Use small letters, digits and, inside, single dots or dashes, up to 64 in all; a name made of digits only stands in quotes where it is referred to.
        """  # noqa: E501 - pinned as it is shown
    )


def test_a_number_out_of_range_is_refused() -> None:
    assert checked(
        """
        version: 1
        fleet: x
        retention: {r: {daily: 0}}
        """
    ) == expected(
        """
        error[BS106]: `daily`: 0 is less than 1
         --> inventory.yaml:3:24
          |
        3 | retention: {r: {daily: 0}}
          |                        ^
          = hint: Give a whole number from 1 to 100000; to keep none of them leave the key out.
        """
    )


def test_what_excludes_each_other_is_shown_in_both_places() -> None:
    assert checked(
        """
        version: 1
        fleet: x
        schedules:
          n:
            window: "01:00-05:00"
            calendar: daily
            timezone: UTC
        """
    ) == expected(
        """
        error[BS112]: `calendar` and `window` exclude each other
         --> inventory.yaml:6:5
          |
        6 |     calendar: daily
          |     ^^^^^^^^
          = `window` is here:
         ::: inventory.yaml:5:5
          |
        5 |     window: "01:00-05:00"
          |     ^^^^^^
          = hint: Put the times into `calendar`, or leave `calendar` out.
        """
    )


def test_of_a_choice_the_branch_that_was_meant_is_explained() -> None:
    assert checked(
        """
        version: 1
        fleet: x
        hosts: {a: {retention: {dialy: 7}, schedule: Nightly}}
        """
    ) == expected(
        """
        error[BS101]: unknown key `dialy` in `hosts.a.retention`
         --> inventory.yaml:3:25
          |
        3 | hosts: {a: {retention: {dialy: 7}, schedule: Nightly}}
          |                         ^^^^^
          = hint: did you mean `daily`?

        error[BS109]: malformed name `Nightly`
         --> inventory.yaml:3:46
          |
        3 | hosts: {a: {retention: {dialy: 7}, schedule: Nightly}}
          |                                              ^^^^^^^
          = hint: Use small letters, digits and, inside, single dots or dashes, up to 64 in all; a name made of digits only stands in quotes where it is referred to.
        """  # noqa: E501 - pinned as it is shown
    )


def test_a_choice_of_types_names_them() -> None:
    assert checked(
        """
        version: 1
        fleet: x
        hosts: {a: {to: central}}
        """
    ) == expected(
        """
        error[BS102]: `to` must be a list or a mapping, not the text `central`
         --> inventory.yaml:3:17
          |
        3 | hosts: {a: {to: central}}
          |                 ^^^^^^^
          = hint: Write a list of repositories, such as [central], or a mapping of them to what differs there, such as {central: {}, offsite: {retention: long}}.
        """  # noqa: E501 - pinned as it is shown
    )


def test_a_line_break_in_a_value_is_refused() -> None:
    assert checked(
        """
        version: 1
        fleet: x
        hosts:
          a:
            files: {x: {paths: ["/a\\nb", "/tab\\tbed"]}}
            address: |
              192.0.2.1
        """
    ) == expected(
        """
        error[BS110]: the value holds the character U+000A (line feed)
         --> inventory.yaml:5:25
          |
        5 |     files: {x: {paths: ["/a\\nb", "/tab\\tbed"]}}
          |                         ^^^^^^^
          = hint: write the value on one line, without escapes such as `\\n`

        error[BS110]: the value holds the character U+0009 (tab)
         --> inventory.yaml:5:34
          |
        5 |     files: {x: {paths: ["/a\\nb", "/tab\\tbed"]}}
          |                                  ^^^^^^^^^^^
          = hint: write the value on one line, without escapes such as `\\n`

        error[BS110]: the value holds the character U+000A (line feed)
         --> inventory.yaml:6:14
          |
        6 |     address: |
          |              ^
          = hint: write the value on one line, without escapes such as `\\n`
        """
    )


def test_a_control_character_in_a_name_is_refused() -> None:
    assert checked(
        """
        version: 1
        fleet: x
        hosts: {"a\\x1b": {}}
        """
    ) == expected(
        """
        error[BS110]: the value holds the character U+001B (escape)
         --> inventory.yaml:3:9
          |
        3 | hosts: {"a\\x1b": {}}
          |         ^^^^^^^
          = hint: write the value on one line, without escapes such as `\\n`
        """
    )


def test_a_private_key_is_refused_and_not_shown() -> None:
    assert checked(
        """
        version: 1
        fleet: x
        servers:
          s:
            host_key: "-----BEGIN OPENSSH PRIVATE KEY-----\\nAAAA"
            address: a
            os: debian-12
            storage: {path: /a, capacity: 1TB}
        """
    ) == expected(
        """
        error[BS111]: a private key stands in the inventory
         --> inventory.yaml:5:15
          = hint: make a new key pair, for this one is known to others now; put the public half here (`ssh-ed25519 AAAA…`)
        """  # noqa: E501 - pinned as it is shown
    )


def test_mistakes_in_an_alias_are_shown_at_the_alias() -> None:
    assert checked(
        """
        version: 1
        fleet: x
        profiles: {p: {files: {x: &x {paths: [/x], exlude: []}}}}
        hosts: {a: {files: {x: *x}}}
        """
    ) == expected(
        """
        error[BS101]: unknown key `exlude` in `profiles.p.files.x`
         --> inventory.yaml:3:44
          |
        3 | profiles: {p: {files: {x: &x {paths: [/x], exlude: []}}}}
          |                                            ^^^^^^
          = hint: did you mean `exclude`?

        error[BS101]: unknown key `exlude` in `hosts.a.files.x`
         --> inventory.yaml:4:24
          |
        4 | hosts: {a: {files: {x: *x}}}
          |                        ^^
          = hint: did you mean `exclude`?
        """
    )


def test_a_long_value_is_shortened() -> None:
    assert checked(
        """
        version: 1
        fleet: x
        hosts: {a: {address: a_a_a_a_a_a_a_a_a_a_a_a_a_a_a_a_a_a_a_a_a_a_a_a_a_a_a_a_a_a_a_a_a_a_a_a_a_a_a_a_a_a_a_a_a_a_a_a_a_a_a_a_a_a_a_a_a_a_a_a_}}
        """  # noqa: E501 - what is shown depends on it
    ) == expected(
        """
        error[BS105]: malformed address `a_a_a_a_a_a_a_a_a_a_a_a_a_a_a_a_a_a_a_a_a_a_a_a_a_a_a_a_a_a…`
         --> inventory.yaml:3:22
          |
        3 | hosts: {a: {address: a_a_a_a_a_a_a_a_a_a_a_a_a_a_a_a_a_a_a_a_a_a_a_a_a_a_a_a_a_a_a_a_a_a_a_a_a_a_a_a_a_a_a_a_a…
          |                      ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
          = hint: Give an IP address or a DNS name alone; user and port have keys of their own.
        """  # noqa: E501 - pinned as it is shown
    )


def test_all_mistakes_are_shown_in_the_order_of_their_places() -> None:
    assert checked(
        """
        version: 1
        fleet: x
        hosts:
          B: {x: 1}
        sites: []
        retired: a
        """
    ) == expected(
        """
        error[BS109]: malformed name `B`
         --> inventory.yaml:4:3
          |
        4 |   B: {x: 1}
          |   ^
          = hint: Use small letters, digits and, inside, single dots or dashes, up to 64 in all; a name made of digits only stands in quotes where it is referred to.

        error[BS101]: unknown key `x` in `hosts.B`
         --> inventory.yaml:4:7
          |
        4 |   B: {x: 1}
          |       ^
          = hint: allowed here: `address`, `borg`, `compression`, `databases`, `except`, `exclude`, `files`, `formerly`, `honour_markers`, `hooks`, `jump`, `not_backed_up`, `numeric_ids`, `on_ac_only`, `one_file_system`, `os`, `priority`, `profiles`, `quiet`, `remove`, `repositories`, `retention`, `roaming`, `schedule`, `scratch`, `site`, `snapshot`, `snapshot_space`, `ssh_key`, `stay_awake`, `to`, `upload_limit`, `virtual_machines`

        error[BS102]: `sites` must be a mapping, not a list
         --> inventory.yaml:5:1
          |
        5 | sites: []
          | ^^^^^
          = hint: Write one entry a line, its name before the colon and its settings below it, or {} for none.

        error[BS102]: `retired` must be a list, not the text `a`
         --> inventory.yaml:6:10
          |
        6 | retired: a
          |          ^
          = hint: write `[a]`
        """  # noqa: E501 - pinned as it is shown
    )
