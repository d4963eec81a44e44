"""The inventories whose compiled trees are held by golden files and by real tools, and how they are compiled."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from demo.lab.command import CLEAN, Outcome, run

ROOT = Path(__file__).parents[2]
INVENTORIES = {
    "laptop": ROOT / "inventories/laptop",
    "small": ROOT / "inventories/small",
    "infra4": ROOT / "inventories/infra4",
    "kvm": ROOT / "inventories/kvm",
    "everything": ROOT / "tests/oracles/everything",
}


def compile_to(output: Path, inventory: Path, *, env: Mapping[str, str] | None = None) -> Outcome:
    """Run `backupspec compile` in a process of its own, into a folder that is made."""
    argv = [sys.executable, "-m", "backupspec", "compile", str(inventory), "--output", str(output)]
    return run(argv, env={**CLEAN, "HOME": "/nonexistent", **(env or {})})


def files_of(folder: Path) -> dict[str, bytes]:
    """Give every file below `folder` by its path from there."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


class Compiled:
    """Each inventory compiled once, when it is asked for by name."""

    def __init__(self, factory: pytest.TempPathFactory) -> None:
        self._factory = factory
        self._trees: dict[str, Path] = {}

    def __call__(self, name: str) -> Path:
        if name not in self._trees:
            folder = self._factory.mktemp(name) / "out"
            compile_to(folder, INVENTORIES[name])
            self._trees[name] = folder
        return self._trees[name]
