"""Whatever happens to a good inventory, there is an answer: never a traceback, never a finding without a place."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from backupspec.data import data_folder
from backupspec.diagnostic import Diagnostics, has_errors
from backupspec.pipeline import compile_inventory
from backupspec.show import as_github, as_json, as_sarif, as_text
from backupspec.source import Sources

MUTATIONS = 2400 if os.environ.get("CI") else 600
PER_TEST = 100

INLINE = """\
version: 1
fleet: mutant
include: [hosts/*.yaml]
sites: {a: {}}
retention: {r: &keep {daily: 7, weekly: 4}, s: *keep, f: {forever: true}}
schedules:
  n: {window: "01:00-05:00", timezone: Europe/Berlin}
  c: {calendar: "Sat 04:00", timezone: UTC}
servers:
  s: {address: 192.0.2.1, host_key: keys/s.pub, os: debian-12, storage: {path: /backup, capacity: 1TB}}
repositories:
  r: {server: s, quota: 10GB, passphrase: {credential: x}}
  u: {path: /media/usb, present: sometimes}
profiles:
  p:
    to: {r: {schedule: c}, u: {}}
    files:
      x: {paths: [/etc, "/ä b"], exclude: ["**/.cache"], compression: "auto,zstd,6"}
hosts:
  h: {profiles: [p], files: {x: off, y: {paths: [/y]}}}
"""
PIECES = (
    *"\0\t\r\x1b\x85\u2028\u2029\u202e\ufeff\ud7ff😀é",
    *":-?[]{},#&*!|>'\"%@`~<=\\ \n0",
    ": ",
    "- ",
    "&a ",
    "*a",
    "<<: ",
    "!!python/object:os.system ",
    "---\n",
    "...\n",
    "%YAML 1.1\n",
    "null",
    "true",
    "off",
    "010",
    "0x1F",
    "-1",
    "9" * 5000,
    "0" * 5000,
    "1e999",
    ".nan",
    "2024-01-01",
    "[" * 200,
    "{" * 200,
    "a: " * 200,
    '"\\ud800"',
    '"\\x00"',
    "../../etc/passwd",
    "/dev/zero",
    "-----BEGIN OPENSSH PRIVATE KEY-----",
    "x" * 2000,
)


def compiled(path: Path) -> tuple[Diagnostics, Sources]:
    """Run the whole compiler over an inventory, from reading to rendering."""
    run = compile_inventory(path)
    assert has_errors(run.diagnostics) == (run.tree is None)
    return run.diagnostics, run.sources


def originals() -> list[dict[str, bytes]]:
    """Give the good inventories, each as its files."""
    folders = [path.parent for path in sorted(data_folder("inventories").glob("*/inventory.yaml"))]
    found = [
        {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}
        for folder in folders
    ]
    key = b"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBmwHhapcbUlEyleStm/6VNlCPTAqA1+/zV3Z6fa7goO s\n"
    return [
        *found,
        {"inventory.yaml": INLINE.encode(), "hosts/i.yaml": b"hosts: {i: {profiles: [p]}}\n", "keys/s.pub": key},
    ]


def mutated(text: str, chance: random.Random) -> str:
    """Change a text in one of the ways in which people and editors do."""
    at = chance.randrange(len(text) + 1)
    end = min(at + chance.choice((1, 1, 1, 2, 5, 20, 200)), len(text))
    lines = text.split("\n")
    row = chance.randrange(len(lines))
    match chance.randrange(9):
        case 0:
            text = text[:at] + text[end:]
        case 1:
            text = text[:at] + chance.choice(PIECES) + text[at:]
        case 2:
            text = text[:at] + chance.choice(PIECES) + text[end:]
        case 3:
            text = "\n".join([*lines[:row], *lines[row + 1 :]])
        case 4:
            text = "\n".join([*lines[: row + 1], *lines[row:]])
        case 5:
            other = chance.randrange(len(lines))
            lines[row], lines[other] = lines[other], lines[row]
            text = "\n".join(lines)
        case 6:
            lines[row] = chance.choice((" ", "  ", "\t", "- ", "# ", "x")) + lines[row]
            text = "\n".join(lines)
        case 7:
            words = text.split(" ")
            words[chance.randrange(len(words))] = chance.choice((*PIECES, *words))
            text = " ".join(words)
        case _:
            text = text[:at]
    return text


def judge(folder: Path) -> None:
    """Hold what every input must hold, and show the findings in every form."""
    found, sources = compiled(folder)
    lines = {source.name: source.text.count("\n") + 1 for source in sources}
    for each in found:
        for span in (each.span, *(related.span for related in each.related)):
            assert span.file, each
            assert span.line >= 1, each
            assert span.column >= 1, each
            assert (span.end_line, span.end_column) >= (span.line, span.column), each
            assert span.line <= lines.get(span.file, span.line), each
        assert each.message, each
        assert each.hint or each.related, each
        assert not any(word in each.message for word in ("Traceback", "object at 0x", "Error(")), each
    assert as_text(found, sources).plain
    assert as_json(found)
    assert as_sarif(found)
    assert as_github(found) or not found


def write(folder: Path, files: dict[str, bytes]) -> None:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


@pytest.mark.parametrize("seed", range(MUTATIONS // PER_TEST))
def test_a_mutation_of_a_good_inventory_gets_an_answer(seed: int, tmp_path: Path) -> None:
    chance = random.Random(seed)  # noqa: S311 - the same mutations on every run
    good = originals()
    for number in range(PER_TEST):
        files = dict(chance.choice(good))
        name = chance.choice([name for name in files if name.endswith((".yaml", ".json")) or chance.random() < 0.05])
        text = files[name].decode()
        for _ in range(chance.choice((1, 1, 1, 2, 4))):
            text = mutated(text, chance)
        files[name] = text.encode("utf-8", "surrogatepass")
        folder = tmp_path / str(number)
        write(folder, files)
        judge(folder)


@pytest.mark.parametrize("seed", range(5))
def test_random_bytes_get_an_answer(seed: int, tmp_path: Path) -> None:
    chance = random.Random(seed)  # noqa: S311 - the same bytes on every run
    for _ in range(40):
        good = bytearray(INLINE.encode())
        for _ in range(chance.choice((1, 3, 30))):
            good[chance.randrange(len(good))] = chance.randrange(256)
        write(tmp_path, {"inventory.yaml": bytes(good)})
        judge(tmp_path)


def test_the_inventories_that_are_mutated_are_good(tmp_path: Path) -> None:
    for number, files in enumerate(originals()):
        write(tmp_path / str(number), files)
        found, _ = compiled(tmp_path / str(number))
        assert not has_errors(found)


@pytest.mark.parametrize(
    "text",
    [
        "[" * 60_000,
        "{" * 60_000,
        "- " * 30_000,
        "? " * 30_000,
        "a: " + "[" * 60_000 + "]" * 60_000,
        "a: &a [*a, *a]\n",
        "a: &a [x]\n" + "".join(f"a{n}: &a{n} [*a, *a, *a, *a, *a, *a, *a, *a, *a]\n" for n in range(5_000)),
        "version: 1\nfleet: x # \u2028hosts: {}\n",
        "version: 1\nfleet: x # \u2029hosts: {}\n",
        "version: 1\nfleet: x # \x85hosts: {}\n",
        "!" * 60_000,
        "&a " * 20_000,
        "'" + "x" * 1_000_000,
        "x" * 1_000_000 + ": 1",
        "hosts: {" + "a: {}, " * 10_000 + "}",
        "hosts:\n" + "".join(f"  h{n}: {{x: 1}}\n" for n in range(1_000)),
    ],
    ids=lambda text: text[:8],
)
def test_what_is_made_to_overload_gets_an_answer(text: str, tmp_path: Path) -> None:
    write(tmp_path, {"inventory.yaml": text.encode()})
    found, _ = compiled(tmp_path)
    assert has_errors(found)
    judge(tmp_path)
