"""An inventory in which every place of the language that takes a hostile text has one, and what it compiles to."""

from __future__ import annotations

import functools
import json
import re
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import yaml
from jsonschema import Draft202012Validator

from backupspec.document import plain
from backupspec.language import INVENTORY
from backupspec.pipeline import Compiled, compile_inventory
from tests.golden.trees import INVENTORIES
from tests.oracles.strings import KEY, Place, Steps, places, texts
from tests.templates.hostile import NASTY

MORE = Path(__file__).with_name("hostile.yaml")
MARK = "zqz"
"""A harmless text that nothing else holds: what stands where it stood must be the hostile text and nothing else."""
LATER = (
    ("schedule.calendar", r"", ("two words",)),
    ("*.description", r"\s$|\\$", ("trailing ", "ends with\\")),
    ("hook.run?0?", r"['\"\\$]", ("it's", "$(id)")),
    ("*.scratch", r'["\\*?\[\]{}^@,]', ("[a-z]", "{a,b}")),
    ("storage.path", r"[{}:]", ("{hostname}", "a:b")),
)
"""What the languages behind cannot hold and the schema lets pass: the places, the texts, examples.

Each is refused before anything is written: a unit's description and the calendar by systemd, a hook's program by
systemd, a folder of QEMU by AppArmor, a server's folder by borg (braces) and passwd(5) (colons).
"""


@dataclass(frozen=True)
class Spot:
    """A text of the inventory: its place in the language, and what stands there when nothing is filled in."""

    place: Place
    value: str

    def filled(self, text: str, *, bare: bool | None = None) -> str:
        """Give the value with a text in it, so that names still name and a path below another still is.

        A path has it in front, and at its end too if nothing lies below it; not there (`bare`) if it has more than
        one part or ends with white space, which no pattern of borg can. What is no path gives way wholly.
        """
        value = self.value
        bare = ("/" in text or text != text.rstrip()) if bare is None else bare
        end = "" if bare else f"/{text}"
        if value.startswith("/"):
            parent = any(other.startswith(f"{value.rstrip('/')}/") for other in _values())
            return f"/{text}{value}".rstrip("/") + ("" if parent else end)
        if value.startswith("**/"):
            return f"**/{text}/{value[3:]}{end}"
        if value.endswith((".xml", ".pub")):
            return value.replace("/", f"/{text}/", 1)
        kept = re.match(r"ssh://.*|ssh-.*|vm:|", value)
        assert kept is not None
        between = {"ssh:/": "/", "ssh-e": " ", "vm:": "not "}.get(kept[0][:5], "")
        return f"{kept[0]}{between}{text}"

    def fits(self, text: str) -> bool:
        """Tell whether the schema lets the text stand here."""
        return _validator(self.place.name).is_valid(self.filled(text))

    def takes(self, text: str) -> bool:
        """Tell whether the text may stand here."""
        later = any(fnmatchcase(self.place.name, names) and re.search(bad, text) for names, bad, _ in LATER)
        return self.open and self.fits(text) and not later

    @functools.cached_property
    def open(self) -> bool:
        """Tell whether the schema lets any hostile text stand here; else it has letters, digits and the like."""
        return any(self.fits(text) for text in NASTY if text != "plain")


@functools.cache
def _validator(name: str) -> Draft202012Validator:
    return Draft202012Validator({**places()[name].node, "$defs": INVENTORY.schema["$defs"]})


def forms(name: str) -> Callable[[str], bool]:
    """Give whether the schema lets a text stand in a place, in whatever form texts of some place have."""
    shapes = ("{}", "/x/{}", "**/{}", "ssh://me@there/{}", "vm:{}", "x/{}.xml", "x/{}.yaml", "x/{}.pub")
    return lambda text: any(_validator(name).is_valid(shape.replace("{}", text)) for shape in shapes)


@functools.cache
def document() -> dict[str, Any]:
    """Give the inventory called everything, in one file, with what it lacks of the places that take any text."""
    read = compile_inventory(INVENTORIES["everything"]).document
    assert read is not None
    found = plain(read.root)
    assert isinstance(found, dict)
    found.pop("include", None)
    _merge(found, yaml.safe_load(MORE.read_text(encoding="utf-8")))
    return found


def _merge(into: dict[str, Any], more: Mapping[str, Any]) -> None:
    for key, value in more.items():
        if isinstance(value, dict) and isinstance(into.get(key), dict):
            _merge(into[key], value)
        elif isinstance(value, list) and key in into:
            into[key] = [*into[key], *value]
        elif value is None:
            del into[key]
        else:
            into[key] = value


@functools.cache
def _values() -> tuple[str, ...]:
    return tuple(spot.value for spot in spots().values())


@functools.cache
def spots() -> dict[Steps, Spot]:
    """Give what is filled in: all paths and patterns, since one may lie below another; else one of each place."""
    found: dict[Steps, Spot] = {}
    known = places()
    seen = set()
    for path, name in texts(document()):
        value: Any = document()
        for step in path[:-1]:
            value = value[step]
        value = path[-2] if path[-1] == KEY else value[path[-1]]
        if name in known and (name not in seen or value.startswith(("/", "**/"))):
            found[path] = Spot(known[name], value)
            seen.add(name)
    return found


@dataclass(frozen=True, slots=True)
class Filling:
    """What a compile gave, and in which line each text stood."""

    run: Compiled
    lines: Mapping[Steps, int]

    @property
    def files(self) -> dict[str, str]:
        """Give the text of each compiled file."""
        assert self.run.tree is not None, self.run.diagnostics
        return {file.path: file.text for file in self.run.tree.files}


def taken(text: str) -> tuple[Steps, ...]:
    """Give the spots that take a text."""
    return tuple(path for path, spot in spots().items() if spot.takes(text))


def refused(text: str) -> tuple[Steps, ...]:
    """Give the spots in which the schema refuses a text."""
    return tuple(path for path, spot in spots().items() if not spot.fits(text))


def fill(text: str, paths: tuple[Steps, ...], *, bare: bool | None = None) -> Filling:
    """Compile the inventory with the text in these spots."""
    chosen = {path: spots()[path].filled(text, bare=bare) for path in paths}
    names = {path: f"@@{number}@@" for number, path in enumerate(chosen)}
    written = json.dumps(_with(document(), (), names), ensure_ascii=False, indent=1)
    lines = {
        paths[int(number)]: row for row, line in enumerate(written.split("\n"), 1) for number in line.split("@@")[1::2]
    }
    for path, name in names.items():
        # The line separators of Unicode are refused as they are; written like this they come to `check`.
        value = json.dumps(chosen[path], ensure_ascii=False).replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
        written = written.replace(f'"{name}"', value.replace("\x7f", "\\u007f").replace("\x85", "\\u0085"), 1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _lay_out(folder, chosen)
        (folder / "inventory.yaml").write_text(written, encoding="utf-8")
        return Filling(compile_inventory(folder), lines)


def _with(value: Any, path: Steps, names: Mapping[Steps, str]) -> Any:  # noqa: ANN401 - a node of a document
    if isinstance(value, dict):
        return {names.get((*path, key, KEY), key): _with(inner, (*path, key), names) for key, inner in value.items()}
    if isinstance(value, list):
        return [_with(inner, (*path, number), names) for number, inner in enumerate(value)]
    return names.get(path, value)


def _lay_out(folder: Path, chosen: Mapping[Steps, str]) -> None:
    """Put the files that the inventory names where it names them; a domain is called there as it is called here."""
    source = INVENTORIES["everything"]
    for each in ("keys", "domains"):
        (folder / each).mkdir()
        for file in (source / each).iterdir():
            (folder / each / file.name).write_bytes(file.read_bytes())
    for path, spot in spots().items():
        value = chosen.get(path, spot.value)
        if spot.value.endswith((".pub", ".xml")) and _harmless(value):
            (folder / value).parent.mkdir(parents=True, exist_ok=True)
            (folder / value).write_bytes((source / spot.value).read_bytes())
        if spot.value.endswith(".xml") and (domain := chosen.get((*path[:-1], "domain"))) and _harmless(domain):
            where = folder / (value if _harmless(value) else spot.value)
            tree = ElementTree.parse(where)  # noqa: S314 - one of our own
            found = tree.find("name")
            assert found is not None
            found.text = domain
            tree.write(where)


def _harmless(name: str) -> bool:
    return not re.search(r"[\x00-\x1f]", name)
