"""The tree that an earlier compile left in the output folder. Reads only."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from backupspec import manifest
from backupspec.catalogue import diagnose
from backupspec.diagnostic import Diagnostic, Diagnostics, Span
from backupspec.tree import File, Tree

_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Earlier:
    """An output folder as found: its manifest, the files that are there, and those that somebody edited or removed.

    A file's mode is the manifest's, unless its executable bit was lost or added on disk: version control keeps no other
    bit, and `apply` sets modes on the machine from its own list.
    """

    manifest: manifest.Manifest
    tree: Tree
    edited: tuple[str, ...] = ()


def earlier(output: Path) -> tuple[Earlier | None, Diagnostics]:
    """Read an output folder; None without findings when it is absent or empty, None with errors when it is not ours.

    BS501 and BS504 keep a compile from ever removing a file that backupspec did not write.
    """
    try:
        return _read(output)
    except OSError as error:
        where = error.filename if isinstance(error.filename, str) else str(output)
        message = f"cannot read {where}: {error.strerror}"
        return None, (_error("BS509", message, output, "check the permissions, or choose another folder"),)


def completed(new: Tree, version: str, old: Earlier | None, hosts: frozenset[str]) -> Tree:
    """Add the manifest to a compiled tree; with `hosts`, all other hosts' files and manifest entries stay as in `old`.

    Common files (README, Ansible) speak of all hosts: they stay, too, until every other host is as the inventory says.
    """
    described = manifest.described(new, version)
    if not hosts:
        return _with_manifest({file.path: file for file in new.files}, described)
    taken: frozenset[str | None] = frozenset(hosts)
    before = old.manifest if old else manifest.Manifest(described.compiler, (), ())
    if old is None or manifest.merged(described, before, taken | {None}) == described:
        taken |= {None}
    kept = (file for file in (old.tree.files if old else ()) if manifest.host_of(file.path) not in taken)
    come = (file for file in new.files if manifest.host_of(file.path) in taken)
    return _with_manifest({file.path: file for file in (*kept, *come)}, manifest.merged(described, before, taken))


def left_out(new: Tree, old: Earlier | None, hosts: frozenset[str], output: Path) -> Diagnostics:
    """Warn when `--host` leaves out hosts that the output does not hold."""
    there = {name for name, _ in old.manifest.hosts} if old else set()
    missing = sorted(set(new.hosts) - there - hosts) if hosts else []
    if not missing:
        return ()
    return (
        diagnose(
            "BS512",
            f"{output} will hold no tree of {', '.join(missing)}, which the inventory names",
            _place(output),
            hint="compile once without --host before rolling this out",
        ),
    )


def edits(old: Earlier | None, output: Path) -> Diagnostics:
    """Warn of each file that was edited or removed by hand since it was compiled: a compile undoes that."""
    return tuple(
        diagnose(
            "BS511",
            f"{path} was changed or removed by hand since it was compiled; compiling undoes that",
            _place(output / path),
            hint="say it in the inventory instead",
        )
        for path in (old.edited if old else ())
    )


def _read(output: Path) -> tuple[Earlier | None, Diagnostics]:
    refused = _not_a_folder(output)
    found = dict(_walk(output, "")) if output.is_dir() and not refused else {}
    if refused or not found:
        return None, refused
    name = output / manifest.NAME
    if manifest.NAME not in found:
        message = f"{output} is not empty and holds no {manifest.NAME} of backupspec"
        return None, (_error("BS501", message, output, "choose a new or an empty folder for --output"),)
    if not found[manifest.NAME]:
        return None, (_error("BS505", f"{name} is not a plain file", output, "choose another folder for --output"),)
    text = name.read_bytes().decode(errors="surrogateescape")
    described, diagnostics = manifest.parsed(text, str(name))
    if described is None:
        return None, diagnostics
    known = {manifest.NAME, *(entry.path for entry in described.files)}
    foreign = sorted(path for path, plain in found.items() if not (plain and path in known))
    if foreign:
        return None, (_foreign(output, foreign),)
    return _loaded(output, text, described, set(found)), ()


def _not_a_folder(output: Path) -> Diagnostics:
    if output.is_symlink():
        hint = f"name the folder that it leads to: {output.resolve()}"
        return (_error("BS505", f"{output} is a symbolic link", output, hint),)
    if output.exists() and not output.is_dir():
        return (_error("BS505", f"{output} is not a folder", output, "choose another name for --output"),)
    return ()


def _loaded(output: Path, text: str, described: manifest.Manifest, found: set[str]) -> Earlier:
    place = _place(output / manifest.NAME)
    files = [File(manifest.NAME, 0o644, "root:root", text, "", place)]
    edited = [entry.path for entry in described.files if entry.path not in found]
    for entry in described.files:
        if entry.path not in found:
            continue
        data = (output / entry.path).read_bytes()
        if manifest.digest(data) != entry.sha256:
            edited.append(entry.path)
        mode = stat.S_IMODE((output / entry.path).stat().st_mode)
        mode = entry.mode if (mode & 0o100) == (entry.mode & 0o100) else mode
        content = data.decode(errors="surrogateescape")
        files.append(File(entry.path, mode, entry.owner, content, entry.origin, place))
    hosts = tuple(host for host, _ in described.hosts)
    tree = Tree(tuple(sorted(files, key=lambda file: file.path)), hosts, described.hosts)
    return Earlier(described, tree, tuple(sorted(edited)))


def _walk(folder: Path, inside: str) -> Iterator[tuple[str, bool]]:
    """Give every path that is no folder, and whether it is a plain file; links are not followed."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield from _walk(folder / entry.name, f"{inside}{entry.name}/")
            else:
                yield inside + entry.name, entry.is_file(follow_symlinks=False)


def _with_manifest(files: dict[str, File], described: manifest.Manifest) -> Tree:
    files[manifest.NAME] = manifest.written(described)
    hosts = tuple(host for host, _ in described.hosts)
    return Tree(tuple(files[path] for path in sorted(files)), hosts, described.hosts)


def _foreign(output: Path, paths: list[str]) -> Diagnostic:
    listed = ", ".join(paths[:_SHOWN]) + (f" and {len(paths) - _SHOWN} more" if len(paths) > _SHOWN else "")
    diagnostic = _error(
        "BS504",
        f"{output} holds what backupspec did not write: {listed}",
        output,
        "move it elsewhere: the folder is replaced as a whole, and what is not ours is never removed",
    )
    return replace(diagnostic, span=_place(output / paths[0]))


def _error(code: str, message: str, output: Path, hint: str) -> Diagnostic:
    return diagnose(code, message, _place(output), hint=hint)


def _place(path: Path) -> Span:
    return Span(str(path), 1, 1, 1, 1)
