"""`manifest.json`: what a compile wrote, so that the next one knows its own files from all others.

The schema is schema/manifest.schema.json. No line numbers stand in it: a comment in the inventory changes nothing.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from typing import TypeGuard

from backupspec.catalogue import diagnose
from backupspec.diagnostic import Diagnostic, Diagnostics, Span
from backupspec.tree import File, Tree

NAME = "manifest.json"
FORMAT = 1

Json = dict[str, object]

_COMPILER = "backupspec "
_OURS = re.compile(rf'\s*\{{\s*"compiler"\s*:\s*"{_COMPILER}')  # keys are sorted
_SHA256 = re.compile(r"[0-9a-f]{64}")
_MODE = re.compile(r"0[0-7]{3}")


@dataclass(frozen=True, slots=True, order=True)
class Entry:
    """One file of the output; `mode` and `owner` are those on the target machine, `sha256` is of the UTF-8 text."""

    path: str
    sha256: str
    mode: int
    owner: str
    origin: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """What stands in `manifest.json`: files sorted by path; hosts by name, each with its facts as canonical JSON."""

    compiler: str
    hosts: tuple[tuple[str, str], ...]
    files: tuple[Entry, ...]

    def entry(self, path: str) -> Entry | None:
        """Give the entry of a path, or None."""
        return next((entry for entry in self.files if entry.path == path), None)


def host_of(path: str) -> str | None:
    """Name the host whose tree a path belongs to, or None for a common file."""
    first, _, rest = path.partition("/")
    return rest.split("/", 1)[0] if first == "hosts" and rest else None


def manifest(tree: Tree, version: str) -> File:
    """Give `manifest.json` of a tree: the same text for the same tree and version."""
    return written(described(tree, version))


def described(tree: Tree, version: str) -> Manifest:
    """Describe a tree; a `manifest.json` in it is left out, as it cannot hold its own hash."""
    facts = dict(tree.facts)
    return Manifest(
        compiler=_COMPILER + version,
        hosts=tuple((host, _canonical(facts.get(host, "{}"))) for host in sorted({*tree.hosts, *facts})),
        files=tuple(
            sorted(
                Entry(file.path, digest(file.text.encode()), file.mode, file.owner, file.origin)
                for file in tree.files
                if file.path != NAME
            )
        ),
    )


def merged(new: Manifest, old: Manifest, taken: frozenset[str | None]) -> Manifest:
    """Take the named hosts from `new`, and the common files if None is among the names; all else as it is in `old`."""
    files = [entry for entry in old.files if host_of(entry.path) not in taken]
    files += [entry for entry in new.files if host_of(entry.path) in taken]
    known = {name: facts for name, facts in old.hosts if name not in taken}
    known |= {name: facts for name, facts in new.hosts if name in taken}
    return Manifest(new.compiler, tuple(sorted(known.items())), tuple(sorted(files)))


def written(described: Manifest) -> File:
    """Give the file that holds a manifest."""
    content = {
        "format": FORMAT,
        "compiler": described.compiler,
        "hosts": {name: json.loads(facts) for name, facts in described.hosts},
        "files": {
            entry.path: {
                "sha256": entry.sha256,
                "mode": f"{entry.mode:04o}",
                "owner": entry.owner,
                "origin": entry.origin,
            }
            for entry in described.files
        },
    }
    text = json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    return File(NAME, 0o644, "root:root", text, "", Span(NAME, 1, 1, 1, 1))


def parsed(text: str, name: str) -> tuple[Manifest | None, Diagnostics]:
    """Read a manifest that an earlier compile left; `name` is the file's name in findings.

    A file that some other program wrote is BS502, one of ours that was damaged or comes from a newer compiler is BS503.
    """
    try:
        content: object = json.loads(text)
    except (ValueError, RecursionError) as error:
        line, column = (error.lineno, error.colno) if isinstance(error, json.JSONDecodeError) else (1, 1)
        return None, (_corrupt("it is not JSON", Span(name, line, column, line, column + 1)),)
    start = Span(name, 1, 1, 1, 1)
    if not _is_object(content) or not str(content.get("compiler", "")).startswith(_COMPILER):
        return None, (_foreign(start),)
    compiler = str(content["compiler"])
    if content.get("format") != FORMAT:
        return None, (_newer(compiler, start),)
    hosts, files = content.get("hosts"), content.get("files")
    if not (_is_object(hosts) and all(map(_is_object, hosts.values())) and _is_object(files)):
        return None, (_corrupt("`hosts` and `files` must be mappings", start),)
    entries = {path: _entry(path, value) for path, value in files.items()}
    bad = [path for path, entry in entries.items() if entry is None]
    if bad:
        return None, (_corrupt(f"its entry of {bad[0]!r} does not fit", start),)
    known = tuple(sorted((host, json.dumps(facts, sort_keys=True)) for host, facts in hosts.items()))
    return Manifest(compiler, known, tuple(sorted(entry for entry in entries.values() if entry))), ()


def begins(text: str) -> bool:
    """Tell from the first few lines of a text whether it is a manifest that any compile of ours wrote."""
    return _OURS.match(text) is not None


def digest(data: bytes) -> str:
    """Give the SHA-256 of a file's bytes in hex."""
    return hashlib.sha256(data).hexdigest()


def safe(path: str) -> bool:
    """Tell whether a path stays inside the folder that it is relative to, and is written in its one plain form."""
    parts = path.split("/")
    return not any(part in {"", ".", ".."} or "\0" in part for part in parts)


def _entry(path: str, value: object) -> Entry | None:
    if not _is_object(value) or not safe(path):
        return None
    sha256, mode, owner, origin = (value.get(key) for key in ("sha256", "mode", "owner", "origin"))
    if not (isinstance(sha256, str) and isinstance(mode, str) and isinstance(owner, str) and isinstance(origin, str)):
        return None
    if not _SHA256.fullmatch(sha256) or not _MODE.fullmatch(mode):
        return None
    return Entry(path, sha256, int(mode, 8), owner, origin)


def _canonical(text: str) -> str:
    return json.dumps(json.loads(text), sort_keys=True)


def _is_object(value: object) -> TypeGuard[Json]:
    return isinstance(value, dict)


def _foreign(span: Span) -> Diagnostic:
    return diagnose(
        "BS502",
        f"{span.file} was not written by backupspec",
        span,
        hint="choose another folder for --output; backupspec only replaces what it wrote itself",
    )


def _corrupt(why: str, span: Span) -> Diagnostic:
    return diagnose(
        "BS503",
        f"{span.file} is damaged: {why}",
        span,
        hint="get it back from version control, or compile into a new folder and compare",
    )


def _newer(compiler: str, span: Span) -> Diagnostic:
    return diagnose(
        "BS503",
        f"{span.file} has a format that this version does not know (it was written by {compiler})",
        span,
        hint="compile with that version of backupspec or a newer one",
    )
