"""What is read: the root file, its includes and the key files; and what is refused, with the message that it gets."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from backupspec import read as read_module
from backupspec.diagnostic import Diagnostics, Span
from backupspec.document import plain
from backupspec.read import read, read_document
from tests.diagnostics.pinned import Pinned
from tests.unit.findings import expected, read_from, written

ROOT = "version: 1\nfleet: x\n"


def write(folder: Path, files: dict[str, str]) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(written(content), encoding="utf-8")
    return folder


def codes(found: Diagnostics) -> list[str]:
    return [each.code for each in found]


def test_fragments_join_section_by_section_in_the_order_of_patterns_and_names(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "inventory.yaml": ROOT + "include: [hosts/*.yaml, generated/*.json]\nhosts: {a: {}}\nretired: [x]\n",
            "hosts/b.yaml": "hosts: {b: {}}\nretired: [y]\n",
            "hosts/a.yaml": "version: 1\nhosts: {c: {}}\nsites: {s: {}}\n",
            "generated/h.json": '{"hosts": {"d": {}}}',
            "hosts/.hidden.yaml": "hosts: {e: {}}\n",
            "hosts/deeper/f.yaml": "hosts: {f: {}}\n",
        },
    )
    document, found = read_document(tmp_path)
    assert found == ()
    assert document is not None
    assert plain(document.root) == {
        "version": 1,
        "fleet": "x",
        "include": ["hosts/*.yaml", "generated/*.json"],
        "hosts": {"a": {}, "c": {}, "b": {}, "d": {}},
        "retired": ["x", "y"],
        "sites": {"s": {}},
    }
    assert [entry.key_span.file for entry in document.root] == ["inventory.yaml"] * 5 + ["hosts/a.yaml"]


def test_two_stars_cross_folders(tmp_path: Path) -> None:
    files = {
        "inventory.yaml": ROOT + 'include: ["h/**/*.yaml"]\n',
        "h/a.yaml": "hosts: {a: {}}",
        "h/b/c.yaml": "hosts: {c: {}}",
    }
    reading, found = read(write(tmp_path, files))
    assert found == ()
    assert [source.name for source in reading.sources] == ["inventory.yaml", "h/a.yaml", "h/b/c.yaml"]


@pytest.mark.parametrize("name", ["inventory.yaml", "fleet.yml", "fleet.json"])
def test_the_path_may_be_the_file_itself(tmp_path: Path, name: str) -> None:
    write(tmp_path, {name: '{"version": 1}'})
    document, found = read_document(tmp_path / name)
    assert found == ()
    assert document is not None
    assert document.root.span.file == name


def test_carriage_return_and_line_feed_end_a_line(tmp_path: Path) -> None:
    (tmp_path / "inventory.yaml").write_bytes(b"version: 1\r\nfleet: x\r\n")
    document, found = read_document(tmp_path)
    assert found == ()
    assert document is not None
    assert plain(document.root) == {"version": 1, "fleet": "x"}


def test_key_files_are_read_where_they_are_named_and_by_default(tmp_path: Path) -> None:
    inline = "ssh-ed25519 AAAA a@b"
    write(
        tmp_path,
        {
            "inventory.yaml": ROOT
            + f"""
servers: {{bkp: {{host_key: keys/bkp.pub}}}}
hosts:
  a: {{}}
  b: {{ssh_key: other/b.pub}}
  c: {{ssh_key: {inline}}}
  ../../d: {{}}
""",
            "keys/bkp.pub": "ssh-ed25519 BKP\n",
            "keys/a.pub": "ssh-ed25519 A\n",
            "other/b.pub": "ssh-ed25519 B\n",
        },
    )
    reading, found = read(tmp_path)
    assert found == ()
    assert reading.document is not None
    assert dict(reading.document.files) == {
        "keys/a.pub": "ssh-ed25519 A\n",
        "keys/b.pub": None,
        "keys/bkp.pub": "ssh-ed25519 BKP\n",
        "keys/c.pub": None,
        "other/b.pub": "ssh-ed25519 B\n",
    }
    assert {source.name for source in reading.sources} == {
        "inventory.yaml",
        "keys/a.pub",
        "keys/bkp.pub",
        "other/b.pub",
    }


def test_a_private_key_is_no_source_so_that_no_line_of_it_is_ever_shown(tmp_path: Path) -> None:
    key = "-----BEGIN OPENSSH PRIVATE KEY-----\nsecret\n"
    reading, found = read(write(tmp_path, {"inventory.yaml": ROOT + "hosts: {a: {}}\n", "keys/a.pub": key}))
    assert found == ()
    assert reading.document is not None
    assert reading.document.file("keys/a.pub") == key
    assert [source.name for source in reading.sources] == ["inventory.yaml"]


def test_a_link_that_leads_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("hosts: {}\n", encoding="utf-8")
    folder = write(tmp_path / "fleet", {"inventory.yaml": ROOT + "include: [h.yaml]\nhosts: {a: {}}\n"})
    (folder / "keys").mkdir()
    (folder / "h.yaml").symlink_to("../secret")
    (folder / "keys/a.pub").symlink_to("/etc/passwd")
    reading, found = read(folder)
    assert codes(found) == ["BS033", "BS033"]
    assert reading.document is None
    assert [source.name for source in reading.sources] == ["inventory.yaml"]


def test_a_link_inside_the_folder_is_followed(tmp_path: Path) -> None:
    folder = write(tmp_path, {"inventory.yaml": ROOT + "hosts: {a: {}}\n", "real.pub": "ssh-ed25519 A\n"})
    (folder / "keys").mkdir()
    (folder / "keys/a.pub").symlink_to("../real.pub")
    document, found = read_document(folder)
    assert found == ()
    assert document is not None
    assert document.file("keys/a.pub") == "ssh-ed25519 A\n"


def test_a_loop_of_links_is_an_error(tmp_path: Path) -> None:
    folder = write(tmp_path, {"inventory.yaml": ROOT + "hosts: {a: {ssh_key: loop}}\n"})
    (folder / "loop").symlink_to("loop")
    assert codes(read(folder)[1]) == ["BS001"]


def test_a_pipe_and_a_folder_are_no_files(tmp_path: Path) -> None:
    folder = write(tmp_path, {"inventory.yaml": ROOT + "hosts: {a: {ssh_key: pipe}, b: {ssh_key: keys}}\n"})
    (folder / "keys").mkdir()
    os.mkfifo(folder / "pipe")
    assert codes(read(folder)[1]) == ["BS002", "BS002"]
    assert codes(read(folder / "pipe")[1]) == ["BS002"]


def test_a_file_that_is_too_large_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pinned: Pinned) -> None:
    monkeypatch.setattr(read_module, "LARGEST_FILE", 20)
    assert codes(read(write(tmp_path, {"inventory.yaml": ROOT}))[1]) == []
    (found,) = read(write(tmp_path, {"inventory.yaml": ROOT + "#"}))[1]
    pinned(found)


@pytest.fixture
def nobody() -> Iterator[None]:
    """Take root's rights away from a test, for root may read everything."""
    before = os.geteuid()
    if before == 0:
        os.seteuid(65534)
    yield
    os.seteuid(before)


def test_a_file_that_may_not_be_read_is_an_error(nobody: None) -> None:  # noqa: ARG001 - it is wanted for what it does
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder), {"inventory.yaml": ROOT})
        (Path(folder) / "inventory.yaml").chmod(0)
        (found,) = read(Path(folder))[1]
    assert found.code == "BS001"
    assert found.message == "`inventory.yaml` cannot be read: Permission denied"
    assert (found.hint, found.span) == ("check its name and its permissions", Span("inventory.yaml", 1, 1, 1, 1))


def test_a_path_that_is_not_there_is_an_error_with_the_way_out(tmp_path: Path, pinned: Pinned) -> None:
    reading, (found,) = read(tmp_path / "nothing")
    assert reading.document is None
    pinned(found)


def test_a_folder_without_an_inventory_is_an_error_with_the_way_out(tmp_path: Path) -> None:
    (found,) = read(tmp_path)[1]
    assert found.code == "BS002"
    assert found.hint == "`backupspec init` writes a first inventory"
    (tmp_path / "inventory.yml").touch()
    (found,) = read(tmp_path)[1]
    assert found.hint == f"name the file: `{tmp_path}/inventory.yml`"


@pytest.mark.parametrize("path", ["", ".", "/", "\0", "a" * 5000, "/dev/null", "/proc/self/mem"])
def test_no_path_raises(path: str) -> None:
    reading, found = read(Path(path))
    assert reading.document is None
    assert len(found) == 1
    assert found[0].span.file


def test_a_pattern_without_a_match_is_refused(tmp_path: Path) -> None:
    assert read_from(
        tmp_path / "fleet",
        {
            "inventory.yaml": """
            version: 1
            fleet: x
            include: [hosts/*.yaml]
            """,
        },
    ) == expected(
        """
        error[BS030]: `hosts/*.yaml` matches no file
         --> inventory.yaml:3:11
          |
        3 | include: [hosts/*.yaml]
          |           ^^^^^^^^^^^^
          = hint: patterns are relative to the folder `fleet`; delete it if it is not needed
        """
    )


def test_what_an_earlier_compile_wrote_is_never_read(tmp_path: Path) -> None:
    """The output may lie in the inventory's folder: what `compile` reads is the same the first and the second time."""
    manifest = '{"compiler": "backupspec 0.1.0"}'
    write(
        tmp_path,
        {
            "inventory.yaml": ROOT + 'include: ["**/*.json"]\n',
            "generated/h.json": '{"hosts": {"d": {}}}',
            "generated/manifest.json": '{"sites": {"s": {}}}',  # somebody else's
            "compiled/manifest.json": manifest,
            "compiled/hosts/web/root/any.json": "{}",
        },
    )
    reading, found = read(tmp_path)
    assert (codes(found), [source.name for source in reading.sources]) == (
        [],
        ["inventory.yaml", "generated/h.json", "generated/manifest.json"],
    )


def test_a_pattern_that_only_matches_what_was_compiled_says_so(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "inventory.yaml": ROOT + "include: [compiled/*.json]\n",
            "compiled/manifest.json": '{"compiler": "backupspec 0.1.0"}',
        },
    )
    (found,) = read_document(tmp_path)[1]
    assert found.code == "BS030"
    assert "`compiled/manifest.json` and the like were compiled, and what was compiled is never read" in found.hint


def test_a_pattern_that_leaves_the_folder_is_refused(tmp_path: Path) -> None:
    assert read_from(
        tmp_path / "fleet",
        {
            "inventory.yaml": """
            version: 1
            fleet: x
            include: [../other/*.yaml, /etc/*.yaml, ~/x.yaml]
            """,
        },
    ) == expected(
        """
        error[BS033]: `../other/*.yaml` is outside the inventory's folder
         --> inventory.yaml:3:11
          |
        3 | include: [../other/*.yaml, /etc/*.yaml, ~/x.yaml]
          |           ^^^^^^^^^^^^^^^
          = hint: copy the file into the inventory's folder and name it relative to that

        error[BS033]: `/etc/*.yaml` is outside the inventory's folder
         --> inventory.yaml:3:28
          |
        3 | include: [../other/*.yaml, /etc/*.yaml, ~/x.yaml]
          |                            ^^^^^^^^^^^
          = hint: copy the file into the inventory's folder and name it relative to that

        error[BS033]: `~/x.yaml` is outside the inventory's folder
         --> inventory.yaml:3:41
          |
        3 | include: [../other/*.yaml, /etc/*.yaml, ~/x.yaml]
          |                                         ^^^^^^^^
          = hint: copy the file into the inventory's folder and name it relative to that
        """
    )


def test_include_is_a_list_of_text(tmp_path: Path) -> None:
    assert read_from(
        tmp_path / "fleet",
        {
            "inventory.yaml": """
            version: 1
            fleet: x
            include: hosts/*.yaml
            """,
        },
    ) == expected(
        """
        error[BS034]: `include` is a list of file patterns
         --> inventory.yaml:3:10
          |
        3 | include: hosts/*.yaml
          |          ^^^^^^^^^^^^
          = hint: write `include: [hosts/*.yaml]`
        """
    )


def test_two_stars_stand_alone_between_slashes(tmp_path: Path) -> None:
    assert read_from(
        tmp_path / "fleet",
        {
            "inventory.yaml": """
            version: 1
            fleet: x
            include: [hosts**/a.yaml, 7]
            """,
        },
    ) == expected(
        """
        error[BS034]: `hosts**/a.yaml` is not a file pattern
         --> inventory.yaml:3:11
          |
        3 | include: [hosts**/a.yaml, 7]
          |           ^^^^^^^^^^^^^^
          = hint: `**` must stand alone between slashes: `hosts/**/*.yaml`

        error[BS034]: `include` is a list of file patterns
         --> inventory.yaml:3:27
          |
        3 | include: [hosts**/a.yaml, 7]
          |                           ^
          = hint: write `include: [hosts/*.yaml]`
        """
    )


def test_the_root_file_does_not_include_itself(tmp_path: Path) -> None:
    assert read_from(
        tmp_path / "fleet",
        {
            "inventory.yaml": """
            version: 1
            fleet: x
            include: ["*.yaml"]
            """,
        },
    ) == expected(
        """
        error[BS032]: `*.yaml` includes `inventory.yaml`, the root file itself
         --> inventory.yaml:3:11
          |
        3 | include: ["*.yaml"]
          |           ^^^^^^^^
          = hint: keep the included files in a folder of their own: `include: [hosts/*.yaml]`
        """
    )


def test_a_file_is_included_once(tmp_path: Path) -> None:
    assert read_from(
        tmp_path / "fleet",
        {
            "inventory.yaml": """
            version: 1
            fleet: x
            include: ["hosts/*.yaml", hosts/a.yaml]
            """,
            "hosts/a.yaml": """
            hosts: {}
            """,
        },
    ) == expected(
        """
        error[BS031]: `hosts/a.yaml` is included twice
         --> inventory.yaml:3:27
          |
        3 | include: ["hosts/*.yaml", hosts/a.yaml]
          |                           ^^^^^^^^^^^^
          = first included here:
         ::: inventory.yaml:3:11
          |
        3 | include: ["hosts/*.yaml", hosts/a.yaml]
          |           ^^^^^^^^^^^^^^
          = hint: make one of the patterns narrower
        """
    )


def test_only_yaml_and_json_are_included(tmp_path: Path) -> None:
    assert read_from(
        tmp_path / "fleet",
        {
            "inventory.yaml": """
            version: 1
            fleet: x
            include: ["hosts/*"]
            """,
            "hosts/README.md": """
            x
            """,
        },
    ) == expected(
        """
        error[BS035]: `hosts/README.md` is neither YAML nor JSON
         --> inventory.yaml:3:11
          |
        3 | include: ["hosts/*"]
          |           ^^^^^^^^^
          = hint: make the pattern narrower: `*.yaml`
        """
    )


def test_an_included_file_includes_nothing_and_names_no_fleet(tmp_path: Path) -> None:
    assert read_from(
        tmp_path / "fleet",
        {
            "inventory.yaml": """
            version: 1
            fleet: x
            include: [a.yaml]
            """,
            "a.yaml": """
            version: 1
            fleet: y
            include: [inventory.yaml]
            defaults: {}
            """,
        },
    ) == expected(
        """
        error[BS036]: `fleet` belongs in the root file
         --> a.yaml:2:1
          |
        2 | fleet: y
          | ^^^^^
          = hint: move it there

        error[BS036]: `include` belongs in the root file
         --> a.yaml:3:1
          |
        3 | include: [inventory.yaml]
          | ^^^^^^^
          = hint: move it there

        error[BS036]: `defaults` belongs in the root file
         --> a.yaml:4:1
          |
        4 | defaults: {}
          | ^^^^^^^^
          = hint: move it there
        """
    )


def test_a_name_in_two_files_is_shown_in_both(tmp_path: Path) -> None:
    assert read_from(
        tmp_path / "fleet",
        {
            "inventory.yaml": """
            version: 1
            fleet: x
            include: [a.yaml]
            hosts:
              web01: {}
            """,
            "a.yaml": """
            hosts:
              web02: {}
              web01: {}
            """,
        },
    ) == expected(
        """
        error[BS037]: `web01` stands under `hosts` in two files
         --> a.yaml:3:3
          |
        3 |   web01: {}
          |   ^^^^^
          = first defined here:
         ::: inventory.yaml:5:3
          |
        5 |   web01: {}
          |   ^^^^^
          = hint: a host stands in one file: put what both say of it under one of them, and delete the other
        """
    )


def test_a_section_is_of_one_kind_in_all_files(tmp_path: Path) -> None:
    assert read_from(
        tmp_path / "fleet",
        {
            "inventory.yaml": """
            version: 1
            fleet: x
            include: [a.yaml]
            hosts:
            """,
            "a.yaml": """
            hosts: [web01]
            """,
        },
    ) == expected(
        """
        error[BS038]: `hosts` is a list here and empty in another file
         --> a.yaml:1:1
          |
        1 | hosts: [web01]
          | ^^^^^
          = the other one:
         ::: inventory.yaml:4:1
          |
        4 | hosts:
          | ^^^^^
          = hint: write the section in the same form in both files
        """
    )


def test_another_version_of_the_language_is_refused(tmp_path: Path) -> None:
    assert read_from(
        tmp_path / "fleet",
        {
            "inventory.yaml": """
            version: 2
            include: [a.yaml]
            """,
            "a.yaml": """
            version: "1"
            """,
        },
    ) == expected(
        """
        error[BS039]: this program knows version 1 of the inventory language
         --> inventory.yaml:1:10
          |
        1 | version: 2
          |          ^
          = hint: use a newer backupspec

        error[BS039]: this program knows version 1 of the inventory language
         --> a.yaml:1:10
          |
        1 | version: "1"
          |          ^^^
          = hint: write `version: 1`
        """
    )


def test_mistakes_of_all_files_are_shown_the_root_file_first(tmp_path: Path) -> None:
    assert read_from(
        tmp_path / "fleet",
        {
            "inventory.yaml": """
            version: 1
            fleet: x
            include: [a.yaml, b.json]
            x: 010
            """,
            "a.yaml": """
            a: 1
            a: 2
            """,
            "b.json": """
            [1]
            """,
        },
    ) == expected(
        """
        error[BS023]: `010` means different numbers to different readers
         --> inventory.yaml:4:4
          |
        4 | x: 010
          |    ^^^
          = hint: write `8` or `10`, or `"010"` if it is text

        error[BS021]: the key `a` is defined twice
         --> a.yaml:2:1
          |
        2 | a: 2
          | ^
          = first defined here:
         ::: a.yaml:1:1
          |
        1 | a: 1
          | ^
          = hint: keep one of them, or merge both

        error[BS025]: expected `key: value` lines, found a list
         --> b.json:1:1
          |
        1 | [1]
          | ^^^
          = hint: write `hosts:` and indent below it what you have here, for example
        """
    )


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    assert read_from(
        tmp_path / "fleet",
        {
            "inventory.yaml": """
            version: 1
            fleet: x
            include: [a.yaml]
            """,
            "a.yaml": """

            """,
        },
    ) == expected(
        """
        error[BS007]: `a.yaml` is empty
         --> a.yaml:1:1
          = hint: `backupspec init` writes one to start from; an included file without content can be deleted
        """
    )


def test_a_key_file_outside_the_folder_is_refused(tmp_path: Path) -> None:
    assert read_from(
        tmp_path / "fleet",
        {
            "inventory.yaml": """
            version: 1
            fleet: x
            hosts: {a: {ssh_key: ../a.pub}, b: {ssh_key: /etc/b.pub}}
            """,
        },
    ) == expected(
        """
        error[BS033]: `../a.pub` is outside the inventory's folder
         --> inventory.yaml:3:22
          |
        3 | hosts: {a: {ssh_key: ../a.pub}, b: {ssh_key: /etc/b.pub}}
          |                      ^^^^^^^^
          = hint: copy the file into the inventory's folder and name it relative to that

        error[BS033]: `/etc/b.pub` is outside the inventory's folder
         --> inventory.yaml:3:46
          |
        3 | hosts: {a: {ssh_key: ../a.pub}, b: {ssh_key: /etc/b.pub}}
          |                                              ^^^^^^^^^^
          = hint: copy the file into the inventory's folder and name it relative to that
        """
    )


def test_a_key_file_is_text(tmp_path: Path) -> None:
    assert read_from(
        tmp_path / "fleet",
        {
            "inventory.yaml": """
            version: 1
            fleet: x
            hosts: {a: {ssh_key: keys/x}}
            """,
            "keys/x": b"\xff\n",
            "keys/a.pub": """
            a\x07
            """,
        },
    ) == expected(
        """
        error[BS006]: the character U+0007 (bell) is not allowed here
         --> keys/a.pub:1:2
          |
        1 | a\\x07
          |  ^^^^
          = hint: delete it; an editor that shows invisible characters helps to find it

        error[BS004]: the byte 0xFF is not UTF-8 text
         --> keys/x:1:1
          |
        1 | �
          | ^
          = hint: convert it, for example with `iconv -f latin1 -t utf-8 x`
        """
    )


def test_text_that_is_not_utf8_is_shown_at_the_byte(tmp_path: Path) -> None:
    assert read_from(
        tmp_path / "fleet",
        {
            "inventory.yaml": b"# B\xc3\xbccher\npaths: [/srv/\xdcbergabe]\n",
        },
    ) == expected(
        """
        error[BS004]: the byte 0xDC is not UTF-8 text
         --> inventory.yaml:2:14
          |
        2 | paths: [/srv/�bergabe]
          |              ^
          = hint: convert it, for example with `iconv -f latin1 -t utf-8 inventory.yaml`
        """
    )


def test_a_byte_order_mark_is_refused(tmp_path: Path) -> None:
    assert read_from(
        tmp_path / "fleet",
        {
            "inventory.yaml": b"\xef\xbb\xbfversion: 1\n",
        },
    ) == expected(
        """
        error[BS005]: `inventory.yaml` begins with a byte order mark
         --> inventory.yaml:1:1
          = hint: save the file as UTF-8 without a byte order mark
        """
    )


def test_utf16_is_refused(tmp_path: Path) -> None:
    assert read_from(
        tmp_path / "fleet",
        {
            "inventory.yaml": b"\xff\xfev\x00e\x00r\x00s\x00i\x00o\x00n\x00:\x00 \x001\x00\n\x00",
        },
    ) == expected(
        """
        error[BS005]: `inventory.yaml` begins with a byte order mark
         --> inventory.yaml:1:1
          = hint: save the file as UTF-8 without a byte order mark
        """
    )


def test_a_carriage_return_alone_is_refused(tmp_path: Path) -> None:
    assert read_from(
        tmp_path / "fleet",
        {
            "inventory.yaml": b"version: 1\rfleet: x\n",
        },
    ) == expected(
        """
        error[BS006]: the character U+000D (carriage return) is not allowed here
         --> inventory.yaml:1:11
          |
        1 | version: 1\\x0dfleet: x
          |           ^^^^
          = hint: end lines with a line feed, or with carriage return and line feed; not with a carriage return alone
        """
    )


def test_a_null_byte_is_refused(tmp_path: Path) -> None:
    assert read_from(
        tmp_path / "fleet",
        {
            "inventory.yaml": b"version: 1\n\x00\n",
        },
    ) == expected(
        """
        error[BS006]: the character U+0000 (null) is not allowed here
         --> inventory.yaml:2:1
          |
        2 | \\x00
          | ^^^^
          = hint: delete it; an editor that shows invisible characters helps to find it
        """
    )
