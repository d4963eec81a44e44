"""What libvirt is told in XML, held against libvirt's own schemas: every compiled file, with every hostile name."""

from __future__ import annotations

from pathlib import Path

import pytest

from demo.lab.command import CLEAN, Outcome, run
from tests.golden.trees import INVENTORIES, Compiled

pytestmark = pytest.mark.libvirt

FOLDER = "etc/backupspec/virtual-machines"
SCHEMAS = {"checkpoint": "domaincheckpoint", "changes": "domainbackup", "": "domainbackup"}
"""By what a file's name ends with, before `.xml`."""


def _validated(file: Path, schema: str) -> Outcome:
    return run(["virt-xml-validate", str(file), schema], env=CLEAN, check=False)


def _files(tree: Path) -> dict[Path, str]:
    """Give each file with its schema."""
    found = {}
    for file in tree.glob(f"hosts/*/root/{FOLDER}/*.xml"):
        end = file.name.removesuffix(".xml").rpartition(".")[2]
        found[file] = SCHEMAS[end if end in SCHEMAS else ""]
    return found


def test_every_compiled_file_keeps_to_its_schema(compiled: Compiled) -> None:
    files = {file: schema for name in INVENTORIES for file, schema in _files(compiled(name)).items()}
    assert set(files.values()) == set(SCHEMAS.values())
    assert [ran.output for ran in (_validated(file, schema) for file, schema in files.items()) if ran.code != 0] == []


def test_the_schemas_refuse_what_libvirt_does_not_know(compiled: Compiled, tmp_path: Path) -> None:
    """Else they would show nothing."""
    known = {schema: file for file, schema in _files(compiled("everything")).items()}
    for schema, file in known.items():
        text = file.read_text(encoding="utf-8")
        wrong = tmp_path / "wrong.xml"
        wrong.write_text(text.replace("<disk ", "<disc ").replace("</disk>", "</disc>"), encoding="utf-8")
        assert "<disk " in text
        assert _validated(wrong, schema).code != 0
