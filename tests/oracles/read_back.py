"""What the reader of each compiled file takes from it, in a form in which two files can be compared."""

from __future__ import annotations

import io
import re
import shlex
import subprocess
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from xml.etree import ElementTree

import yaml
from borg.patterns import load_pattern_file
from markdown_it import MarkdownIt

from tests.templates.test_words_systemd import parsed

_WORD = re.compile(r"""(?:[^\s'"\\;&|<>()]|'[^']*'|"(?:\\.|[^"\\])*"|\\.)+""")
_OWNERS = re.compile(r"(?m)^(\S+ (?:\"(?:\\.|[^\"\\])*\"|\S+) \S+) \S+ \S+")


def commands(pairs: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Give the words in which the lines of two scripts differ, each as dash understands it.

    All else must be equal, sign by sign: nothing that a value holds has become syntax.
    """
    found = [words for one, other in pairs for words in _differing(one, other)]
    comments = [words for words in found if words[0].startswith("#")]
    rest = [words for words in found if not words[0].startswith("#")]
    sides = [_evaluated([words[side] for words in rest]) for side in (0, 1)]
    return [*comments, *zip(*sides, strict=True)]


def _differing(one: str, other: str) -> list[tuple[str, str]]:
    lines = one.split("\n"), other.split("\n")
    assert len(lines[0]) == len(lines[1])
    found = []
    for line, against in zip(*lines, strict=True):
        if line != against and line.lstrip().startswith("#"):
            found.append((line.lstrip(), against.lstrip()))
        elif line != against:
            assert _WORD.sub("W", line) == _WORD.sub("W", against), against
            words = zip(_WORD.findall(line), _WORD.findall(against), strict=True)
            found += [pair for pair in words if pair[0] != pair[1]]
    return found


def _evaluated(words: Iterable[str]) -> list[str]:
    """Let dash expand the words; a command in one of them would find no program and end with an error."""
    script = "set -ef\n" + "".join(f"printf '%s\\0' {word}\n" for word in words)
    ran = subprocess.run(
        ["/bin/dash"], input=script.encode(), env={"PATH": "/nonexistent"}, capture_output=True, check=False
    )
    assert (ran.returncode, ran.stderr) == (0, b""), ran.stderr
    return ran.stdout.decode().split("\0")[:-1]


def units(pairs: Iterable[tuple[str, str]]) -> list[tuple[set[str], set[str]]]:
    """Give what systemd understands of the settings in which two units differ; a warning fails the test.

    All else must be equal: no setting has come, gone or changed its name.
    """
    small = dict.fromkeys(_settings(one, other) for one, other in pairs)
    dumps = [{_undone(line) for line in dump} for dump in parsed([unit for pair in small for unit in pair])]
    return list(zip(dumps[::2], dumps[1::2], strict=True))


def _settings(one: str, other: str) -> tuple[str, str]:
    """Give two services that have nothing but the settings in which two units differ."""
    found: dict[str, list[tuple[str, str]]] = {"[Unit]": [], "[Service]": []}
    section = ""
    for line, against in zip(one.split("\n"), other.split("\n"), strict=True):
        section = line if line.startswith("[") else section
        if line != against:
            assert line.partition("=")[0] == against.partition("=")[0]
            found[section].append((line, against))
    head = ["[Unit]", "DefaultDependencies=no"]
    made = []
    for side in (0, 1):
        lines = [*head, *(pair[side] for pair in found["[Unit]"]), "[Service]", "Type=oneshot", "ExecStart=/bin/true"]
        made.append("\n".join([*lines, *(pair[side] for pair in found["[Service]"]), ""]))
    return made[0], made[1]


def _undone(line: str) -> str:
    """Undo the quotes of a command line, and the `$$` that becomes `$` when the program starts."""
    if not line.startswith("Command Line: "):
        return line
    words = re.findall(r'"((?:\\.|[^"\\])*)"|([^ ]+)', line.removeprefix("Command Line: "))
    return "\0".join((re.sub(r"\\(.)", r"\1", quoted) or plain).replace("$$", "$") for quoted, plain in words)


def patterns(text: str) -> dict[tuple[str, str, str], None]:
    """Give the patterns that borg reads, in any order, each with what is done and its style; there is no root."""
    roots: list[str] = []
    found: list[tuple[object, object]] = []
    load_pattern_file(io.StringIO(text, newline=None), roots, found)
    assert roots == []
    kinds = [(str(each[1]), type(each[0]).__name__, str(getattr(each[0], "pattern_orig", ""))) for each in found]
    return dict.fromkeys(kinds)


def page(text: str) -> list[tuple[str, str]]:
    """Give the texts of a Markdown page, each with what it is; code line by line."""
    tokens = MarkdownIt("commonmark").enable("table").parse(text)
    found = []
    inside = False  # of `<code>`, which is written where a span of code could not hold its text
    for each in (inner for token in tokens for inner in (token, *(token.children or ()))):
        if each.type == "html_inline" and each.content in {"<code>", "</code>"}:
            inside = each.content == "<code>"
        elif each.type != "inline":
            found += [("code_inline" if inside else each.type, line) for line in each.content.split("\n")]
    return found


def code(line: str, against: str, mark: str, text: str) -> bool:
    """Tell whether a line to copy says the same but for the text, in a file of settings, a shell or SQL."""
    single, double = text.replace("'", "''"), text.replace('"', '""')
    forms = (text, single, double, single.replace("\\", "\\\\"))
    if against in [line.replace(mark, form) for form in forms]:
        return True
    return [word.replace(mark, text) for word in shlex.split(line)] == shlex.split(against)


def document(text: str) -> object:
    """Give the elements of an XML document with their attributes and texts."""
    root = ElementTree.fromstring(text)  # noqa: S314 - what has just been compiled
    return [(each.tag, sorted(each.attrib.items()), each.text, each.tail) for each in root.iter()]


def tree(text: str) -> object:
    """Give the data of a YAML file."""
    return yaml.safe_load(text)


def folders(text: str) -> object:
    """Give the folders that systemd-tmpfiles makes below an empty root, without those that only lead to others.

    All of it belongs to root, since no account is there.
    """
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        (root / "etc").mkdir()
        (root / "x.conf").write_text(_OWNERS.sub(r"\1 root root", text), encoding="utf-8")
        make = ["systemd-tmpfiles", f"--root={root}", "--create", str(root / "x.conf")]
        ran = subprocess.run(make, capture_output=True, check=False)
        assert ran.stderr == b"", ran.stderr
        made = [path for path in root.rglob("*") if path.is_dir()]
        ways = {parent for path in made for parent in path.parents}
        return dict.fromkeys(str(path.relative_to(root)) for path in made if path not in ways)


def accounts(text: str) -> object:
    """Give the accounts that systemd-sysusers makes."""
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        (root / "etc").mkdir()
        (root / "x.conf").write_text(text, encoding="utf-8")
        ran = subprocess.run(
            ["systemd-sysusers", f"--root={root}", str(root / "x.conf")], capture_output=True, check=True
        )
        assert b"x.conf:" not in ran.stderr
        return sorted((root / "etc/passwd").read_text(encoding="utf-8").splitlines())


def keys(text: str) -> object:
    """Give the lines of an authorized_keys file, in each the words of its forced command as a shell gets them."""
    command = re.compile(r'command="((?:\\"|[^"])*)"')
    found = [(command.sub("", line), command.findall(line)) for line in text.splitlines() if not line.startswith("#")]
    return [(rest, _evaluated(line.replace('\\"', '"') for line in lines)) for rest, lines in found]


_READERS: tuple[tuple[str, Callable[[str], object]], ...] = (
    (".xml", document),
    (".xsl", document),
    (".yml", tree),
    ("/etc/tmpfiles.d/backupspec.conf", folders),
    ("/etc/sysusers.d/backupspec.conf", accounts),
    ("/etc/apparmor.d/abstractions/libvirt-qemu.d/backupspec", str.splitlines),
)


def reader(path: str) -> Callable[[str], object]:
    """Give what reads a compiled file that is neither a script nor a unit; one that nothing reads fails the test."""
    if "/etc/ssh/backupspec/" in path:
        return keys
    return next(read for end, read in _READERS if path.endswith(end))
