"""Writes the definitions of virtual machines beside an inventory: the only module here that writes."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

from backupspec.domain import read_domain
from backupspec.hypervisor.fragment import can_be_written
from backupspec.hypervisor.machine import Hypervisor
from backupspec.read import LARGEST_KEY_FILE, ROOT_FILE
from backupspec.source import Source, check_characters, holds_private_key


class OtherDefinitionError(Exception):
    """A file is there that is no definition of the machine; the message names both."""


def fit_definitions(found: Hypervisor, jobs: Mapping[str, str]) -> tuple[dict[str, str], tuple[str, ...]]:
    """Give the definition of each machine by its file's name, and the names of machines whose cannot be kept.

    An inventory refuses a file that holds what a reviewer cannot see, or a private key.
    """
    texts = {machine.name: machine.definition for machine in found.machines if not machine.trouble}
    kept = {name: text for name, text in texts.items() if can_be_written(name) and _is_fit(text)}
    unfit = tuple(name for name in texts if name not in kept)
    return {f"{jobs[name]}.xml": text for name, text in kept.items()}, unfit


def write_definitions(folder: Path, texts: Mapping[str, str]) -> tuple[Path, ...]:
    """Write the files that are not there or differ, and give them; OSError as the file system says.

    A file is replaced only by a newer definition of the same machine: OtherDefinitionError before anything is written.
    """
    changed: dict[Path, str] = {}
    for name, text in texts.items():
        path = folder / name
        there = _there(path)
        if there == text:
            continue
        if there is not None and _named(there) != _named(text):
            raise OtherDefinitionError(f"{path} is there and is no definition of {_named(text)!r}: nothing was written")
        changed[path] = text
    folder.mkdir(parents=True, exist_ok=True)
    for path, text in changed.items():
        _replace(path, text)
    return tuple(changed)


def file_in_the_inventory(folder: Path, name: str) -> str:
    """Give a file of `folder` as an inventory names it: below the nearest folder that has one, or else below this one.

    Where the folder lies in neither, it goes by its own name.
    """
    here = folder.resolve()
    tops = (*(each for each in (here, *here.parents) if (each / ROOT_FILE).is_file()), Path.cwd())
    top = next((each for each in tops if here.is_relative_to(each)), here.parent)
    return (here / name).relative_to(top).as_posix()


def _is_fit(text: str) -> bool:
    small = len(text.encode()) <= LARGEST_KEY_FILE
    return small and not holds_private_key(text) and not check_characters(Source("definition", text))


def _there(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return None


def _named(text: str) -> str | None:
    found = read_domain(text)
    return None if isinstance(found, str) else found.name


def _replace(path: Path, text: str) -> None:
    """Put a whole file into place; one that cannot be written leaves the old one."""
    descriptor, made = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        Path(made).chmod(0o644)
        Path(made).replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            Path(made).unlink()
        raise
