"""Read: a path -> the Document. The only module of the compiler that reads files of the inventory.

It loops with `parse` until every include is read, and also reads the key files and the definitions of virtual machines
that the inventory names, so that no later stage needs I/O.
"""

from __future__ import annotations

import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from backupspec import manifest
from backupspec.catalogue import diagnose
from backupspec.combine import combine
from backupspec.diagnostic import Diagnostic, Diagnostics, Related, Span, has_errors
from backupspec.document import Document, Mapping, Node, Scalar, Sequence
from backupspec.parse import parse
from backupspec.source import Source, Sources, check_characters, holds_private_key, names_key_file, shortened

ROOT_FILE = "inventory.yaml"
LARGEST_FILE = 16 * 2**20
LARGEST_KEY_FILE = 64 * 2**10
_BEGINNING = 200
_SUFFIXES = (".yaml", ".yml", ".json")
_FILE_SETTINGS = ("host_key", "ssh_key", "xml")
_FIT_NAME = re.compile(r"[a-z0-9]+(?:[.-][a-z0-9]+)*")


@dataclass(frozen=True, slots=True)
class Reading:
    """What was read: the inventory's folder, the text of every file to show places in, and the document if any."""

    folder: Path
    sources: Sources
    document: Document | None


def read_document(path: Path) -> tuple[Document | None, Diagnostics]:
    """Give the inventory at `path` as one document, or None with at least one error that says why."""
    reading, found = read(path)
    return reading.document, found


def read(path: Path) -> tuple[Reading, Diagnostics]:
    """Read the inventory at `path`, a YAML file or a folder with `inventory.yaml` in it; never raises for bad input.

    Names of sources are relative to the folder of the root file, with `/`. There is a document unless there are errors.
    """
    root_path, found = _find_root(path)
    if root_path is None:
        return Reading(path.parent, (), None), found
    reader = _Reader(root_path)
    document = reader.run()
    found = tuple(sorted(reader.found, key=lambda each: _order(each, root_path.name)))
    return Reading(root_path.parent, tuple(reader.sources), None if has_errors(found) else document), found


class _Reader:
    """Reads one inventory; collects sources and findings. Serves one call of `read`."""

    def __init__(self, root_path: Path) -> None:
        self.path = root_path
        self.folder = root_path.parent
        self.sources: list[Source] = []
        self.found: list[Diagnostic] = []
        self.outputs: dict[PurePosixPath, bool] = {PurePosixPath(): False}

    def run(self) -> Document | None:
        root = self.mapping(self.path.name, Span(self.path.name, 1, 1, 1, 1))
        if root is None:
            return None
        fragments = [self.mapping(name, place) for name, place in self.included(root)]
        whole, found = combine(root, tuple(fragment for fragment in fragments if fragment is not None))
        self.found.extend(found)
        return Document(whole, tuple(sorted(self.named_files(whole).items())))

    def mapping(self, name: str, place: Span) -> Mapping | None:
        source = self.source(name, place, LARGEST_FILE)
        if source is None:
            return None
        self.sources.append(source)
        mapping, found = parse(source)
        self.found.extend(found)
        return mapping

    # Includes -------------------------------------------------------------------------------------------------------

    def included(self, root: Mapping) -> Iterator[tuple[str, Span]]:
        """Give the name of each included file in order, with the place of the pattern that named it."""
        node = root.get("include")
        if node is None:
            return
        patterns = node.items if isinstance(node, Sequence) else (node,)
        first: dict[str, Span] = {}
        for pattern in patterns:
            if not isinstance(node, Sequence) or not isinstance(pattern, Scalar) or not isinstance(pattern.value, str):
                self.say(
                    "BS034", "`include` is a list of file patterns", pattern.span, "write `include: [hosts/*.yaml]`"
                )
                continue
            for name in self.matches(pattern.value, pattern.span):
                if name in first:
                    related = (Related("first included here", first[name]),)
                    hint = "make one of the patterns narrower"
                    self.found.append(
                        diagnose(
                            "BS031",
                            f"`{name}` is included twice",
                            pattern.span,
                            hint=hint,
                            where="include",
                            related=related,
                        )
                    )
                    continue
                first[name] = pattern.span
                if name == self.path.name:
                    hint = "keep the included files in a folder of their own: `include: [hosts/*.yaml]`"
                    self.say(
                        "BS032",
                        f"`{shortened(pattern.value)}` includes `{name}`, the root file itself",
                        pattern.span,
                        hint,
                    )
                elif not name.endswith(_SUFFIXES):
                    self.say(
                        "BS035",
                        f"`{name}` is neither YAML nor JSON",
                        pattern.span,
                        "make the pattern narrower: `*.yaml`",
                    )
                else:
                    yield name, pattern.span

    def matches(self, pattern: str, place: Span) -> tuple[str, ...]:
        """Give the names that a pattern matches, sorted; hidden files only where the pattern names them so."""
        if not self.inside(pattern, place):
            return ()
        parts = PurePosixPath(pattern).parts
        if not parts or any("**" in part and part != "**" for part in parts):
            self.say(
                "BS034",
                f"`{shortened(pattern)}` is not a file pattern",
                place,
                "`**` must stand alone between slashes: `hosts/**/*.yaml`",
            )
            return ()
        try:
            matched = sorted(
                {each.relative_to(self.folder).as_posix() for each in self.folder.glob(pattern) if each.is_file()}
            )
        except (OSError, ValueError, RecursionError) as error:
            self.say(
                "BS034", f"`{shortened(pattern)}` cannot be searched: {error}", place, "write `include: [hosts/*.yaml]`"
            )
            return ()
        hidden = any(part.startswith(".") for part in parts)
        named = [name for name in matched if hidden or not any(part.startswith(".") for part in name.split("/"))]
        names = tuple(name for name in named if not self.compiled(name))
        if not names:
            where = f"the folder `{self.folder.name}`" if self.folder.name else "the inventory's folder"
            hint = f"patterns are relative to {where}; delete it if it is not needed"
            if named:
                hint = f"`{named[0]}` and the like were compiled, and what was compiled is never read; {hint}"
            self.say("BS030", f"`{shortened(pattern)}` matches no file", place, hint)
        return names

    def compiled(self, name: str) -> bool:
        """Tell whether a file lies in the output of an earlier compile: what that holds is no part of the inventory."""
        for folder in PurePosixPath(name).parents:
            if folder not in self.outputs:
                self.outputs[folder] = _holds_manifest(self.folder / folder)
        return any(self.outputs[folder] for folder in PurePosixPath(name).parents)

    def inside(self, name: str, place: Span) -> bool:
        """Judge whether a name stays in the inventory's folder as it is written."""
        if name.startswith(("/", "~")) or ".." in name.split("/"):
            hint = "copy the file into the inventory's folder and name it relative to that"
            self.say("BS033", f"`{shortened(name)}` is outside the inventory's folder", place, hint)
            return False
        return True

    # Named files ----------------------------------------------------------------------------------------------------

    def named_files(self, root: Mapping) -> dict[str, str | None]:
        """Give the text of each file that a setting names, and of each key file that is there by default; or None."""
        wanted = {f"keys/{name}.pub": None for name in _names(root.get("hosts"))}
        named = {value: place for value, place in _file_names(root) if self.inside(value, place)}
        texts: dict[str, str | None] = {}
        for name in {**wanted, **named}:
            place = named.get(name)
            target = self.folder / name
            if not _exists(target):
                texts[name] = None
                continue
            source = self.source(name, place or Span(name, 1, 1, 1, 1), LARGEST_KEY_FILE)
            texts[name] = None if source is None else source.text
            if source is None:
                continue
            self.found.extend(check_characters(source))
            if not holds_private_key(source.text):  # no excerpt of it may ever be shown
                self.sources.append(source)
        return texts

    # Files ----------------------------------------------------------------------------------------------------------

    def source(self, name: str, place: Span, limit: int) -> Source | None:
        """Give one file as text, or None after saying at `place` (or in the file) what is wrong with it."""
        target = self.folder / name
        try:
            if not target.resolve().is_relative_to(self.folder.resolve()) and name != self.path.name:
                hint = "copy the file into the inventory's folder"
                self.say("BS033", f"`{name}` is a link that leads out of the inventory's folder", place, hint)
                return None
            status = target.stat()
            if not stat.S_ISREG(status.st_mode):
                self.say("BS002", f"`{name}` is not a regular file", place, "name a file with text in it")
                return None
            if status.st_size > limit:
                self.say(
                    "BS003",
                    f"`{name}` has {status.st_size:,} bytes, more than {limit:,}",
                    place,
                    "is it the right file?",
                )
                return None
            content = target.read_bytes()
        except (OSError, RuntimeError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            self.say(
                "BS001", f"`{shortened(name)}` cannot be read: {reason}", place, "check its name and its permissions"
            )
            return None
        return self.decoded(name, content)

    def decoded(self, name: str, content: bytes) -> Source | None:
        if content.startswith((b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")):
            hint = "save the file as UTF-8 without a byte order mark"
            self.say("BS005", f"`{name}` begins with a byte order mark", Span(name, 1, 1, 1, 2), hint)
            return None
        try:
            text = content.decode("utf-8")
        except UnicodeDecodeError as error:
            line = content.count(b"\n", 0, error.start) + 1
            before = content[content.rfind(b"\n", 0, error.start) + 1 : error.start]
            column = len(before.decode("utf-8")) + 1
            hint = f"convert it, for example with `iconv -f latin1 -t utf-8 {PurePosixPath(name).name}`"
            shown = content.decode("utf-8", errors="replace").replace("\r\n", "\n")
            if not holds_private_key(shown):
                self.sources.append(Source(name, shown))
            message = f"the byte 0x{content[error.start]:02X} is not UTF-8 text"
            self.say("BS004", message, Span(name, line, column, line, column + 1), hint)
            return None
        return Source(name, text.replace("\r\n", "\n"))

    def say(self, code: str, message: str, place: Span, hint: str) -> None:
        self.found.append(diagnose(code, message, place, hint=hint))


def _find_root(path: Path) -> tuple[Path | None, Diagnostics]:
    """Give the root file of the inventory at `path`."""
    place = Span(path.name or str(path), 1, 1, 1, 1)
    try:
        if path.is_dir():
            target = path / ROOT_FILE
            if target.exists():
                return target, ()
            other = next((name for name in ("inventory.yml", "inventory.json") if (path / name).exists()), None)
            hint = f"name the file: `{path / other}`" if other else "`backupspec init` writes a first inventory"
            return None, (diagnose("BS002", f"there is no `{ROOT_FILE}` in `{path}`", place, hint=hint),)
        if path.exists():
            return path, ()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        return None, (diagnose("BS001", f"`{path}` cannot be read: {reason}", place, hint="check its permissions"),)
    hint = f"name a YAML file, or a folder with `{ROOT_FILE}` in it; `backupspec init` writes a first one"
    return None, (diagnose("BS001", f"`{path}` does not exist", place, hint=hint),)


def _names(node: Node | None) -> tuple[str, ...]:
    """Give the names of a section that are fit to be file names; `check` refuses the others."""
    return tuple(entry.key for entry in node if _FIT_NAME.fullmatch(entry.key)) if isinstance(node, Mapping) else ()


def _file_names(node: Node) -> Iterator[tuple[str, Span]]:
    """Give every value of a setting that names a file, with its place."""
    match node:
        case Mapping():
            for entry in node:
                if entry.key in _FILE_SETTINGS:
                    values = entry.value.items if isinstance(entry.value, Sequence) else (entry.value,)
                    for value in values:
                        if isinstance(value, Scalar) and isinstance(value.value, str) and names_key_file(value.value):
                            yield value.value, value.span
                yield from _file_names(entry.value)
        case Sequence():
            for item in node:
                yield from _file_names(item)
        case Scalar():
            pass


def _holds_manifest(folder: Path) -> bool:
    try:
        if not (folder / manifest.NAME).is_file():
            return False
        with (folder / manifest.NAME).open(encoding="utf-8", errors="replace") as file:
            return manifest.begins(file.read(_BEGINNING))
    except OSError:
        return False


def _exists(path: Path) -> bool:
    try:
        path.lstat()
    except (OSError, ValueError):
        return False
    return True


def _order(found: Diagnostic, root_name: str) -> tuple[bool, Span, str]:
    """Sort by place, the root file first."""
    return found.span.file != root_name, found.span, found.code
