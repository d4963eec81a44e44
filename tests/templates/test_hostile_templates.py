"""Every template, filled with hostile words, still is what the real tool takes for a whole and harmless file."""

from __future__ import annotations

import io
import re
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest
from borg.patterns import load_pattern_file
from markdown_it import MarkdownIt

from backupspec.render import fill
from tests.templates.hostile import NASTY
from tests.templates.samples import of_language, spoiled
from tests.templates.test_words_systemd import parsed

TURNS = range(0, len(NASTY), 5)


def _texts(suffix: str) -> list[str]:
    return [fill(file.template, spoiled(file.view, turn)) for file in of_language(suffix) for turn in TURNS]


@pytest.mark.parametrize("shell", ["dash", "bash"])
def test_a_script_is_still_a_script(shell: str) -> None:
    for text in _texts(".sh.j2"):
        ran = subprocess.run([shell, "-n"], input=text.encode(), capture_output=True, check=False)
        assert (ran.returncode, ran.stderr) == (0, b""), text


@pytest.mark.systemd
def test_a_unit_is_still_taken_without_a_warning() -> None:
    texts = [text for text in _texts(".unit.j2") if "\n[Service]\n" in text]
    assert parsed([text.replace("[Unit]\n", "[Unit]\nDefaultDependencies=no\n") for text in texts])


@pytest.mark.sshd
def test_an_authorized_keys_file_still_holds_the_same_keys(tmp_path: Path) -> None:
    for file in of_language(".authorized_keys.j2"):
        found = []
        for view in (file.view, *(spoiled(file.view, turn) for turn in TURNS)):
            (tmp_path / "keys").write_text(fill(file.template, view))
            ran = subprocess.run(
                ["ssh-keygen", "-l", "-f", tmp_path / "keys"], capture_output=True, check=False, text=True
            )
            found.append([line.split()[1] for line in ran.stdout.splitlines()])
        assert all(keys == found[0] for keys in found)


def test_patterns_are_still_as_many_and_no_roots() -> None:
    for file in of_language(".patterns.j2"):
        sizes = set()
        for view in (file.view, *(spoiled(file.view, turn) for turn in TURNS)):
            roots: list[str] = []
            commands: list[object] = []
            load_pattern_file(io.StringIO(fill(file.template, view), newline=None), roots, commands)
            sizes.add((len(commands), len(roots)))
        assert len(sizes) == 1


@pytest.mark.root
@pytest.mark.systemd
def test_folders_are_still_all_below_the_root(tmp_path: Path) -> None:
    for number, text in enumerate(_texts(".tmpfiles.j2")):
        root = tmp_path / str(number)
        (root / "etc").mkdir(parents=True)
        for name in ("passwd", "group"):
            (root / "etc" / name).write_text(Path("/etc", name).read_text())
        (root / "x.conf").write_text(
            re.sub(r"(?m)^(\S+ (?:\"(?:\\.|[^\"\\])*\"|\S+) \S+) \S+ \S+", r"\1 root root", text)
        )
        ran = subprocess.run(
            ["systemd-tmpfiles", f"--root={root}", "--create", root / "x.conf"], capture_output=True, check=False
        )
        assert ran.stderr == b"", text


@pytest.mark.systemd
def test_accounts_are_still_the_same_and_no_more(tmp_path: Path) -> None:
    for number, file in enumerate(of_language(".sysusers.j2")):
        found = []
        for turn, view in enumerate((file.view, *(spoiled(file.view, turn) for turn in TURNS))):
            root = tmp_path / f"{number}-{turn}"
            (root / "etc").mkdir(parents=True)
            (root / "x.conf").write_text(fill(file.template, view))
            command = ["systemd-sysusers", f"--root={root}", str(root / "x.conf")]
            ran = subprocess.run(command, capture_output=True, check=True, text=True)
            assert "x.conf:" not in ran.stderr
            found.append([line.split(":")[0] for line in (root / "etc/passwd").read_text().splitlines()])
        assert all(names == found[0] for names in found)


def test_a_page_still_has_the_same_blocks() -> None:
    parser = MarkdownIt("commonmark").enable("table")
    for file in of_language(".md.j2"):
        shapes = {
            tuple(token.type for token in parser.parse(fill(file.template, view)))
            for view in (file.view, *(spoiled(file.view, turn) for turn in TURNS))
        }
        assert len(shapes) == 1


def test_a_document_is_still_the_same_tree() -> None:
    for file in of_language(".xml.j2"):
        shapes = set()
        for view in (file.view, *(spoiled(file.view, turn) for turn in TURNS)):
            tree = ElementTree.fromstring(fill(file.template, view))  # noqa: S314 - what we have just written
            shapes.add(tuple((each.tag, *sorted(each.attrib)) for each in tree.iter()))
        assert len(shapes) == 1


def test_a_web_page_still_has_the_same_elements() -> None:
    for file in of_language(".html.j2"):
        shapes = set()
        for view in (file.view, *(spoiled(file.view, turn) for turn in TURNS)):
            text = fill(file.template, view)
            ran = subprocess.run(["tidy", "-qe", "-utf8"], input=text.encode(), capture_output=True, check=False)
            assert (ran.returncode, ran.stdout, ran.stderr) == (0, b"", b"")
            elements = _Elements()
            elements.feed(text)
            shapes.add(tuple(elements.seen))
        assert len(shapes) == 1


class _Elements(HTMLParser):
    """Keeps the names of all elements and their attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[str, ...]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, *(name for name, _ in attrs)))
