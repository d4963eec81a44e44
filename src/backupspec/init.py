"""A first inventory to start from."""

from __future__ import annotations

import contextlib
from pathlib import Path

from backupspec.data import data_folder

EXAMPLES = ("laptop", "small")
SCHEMA = "inventory.schema.json"
_IN_CHECKOUT = f"$schema=../../schema/{SCHEMA}"


def first_inventory(example: str, folder: Path) -> tuple[Path, ...]:
    """Copy an example inventory and its schema into `folder` and give the files made.

    Nothing is overwritten: if one of the files is there, FileExistsError names it and nothing is made. The line that
    tells an editor where the schema is leads to the copy.
    """
    source = data_folder("inventories") / example
    texts = {
        folder / file.relative_to(source): file.read_text(encoding="utf-8").replace(_IN_CHECKOUT, f"$schema={SCHEMA}")
        for file in sorted(source.rglob("*"))
        if file.is_file()
    }
    texts[folder / SCHEMA] = (data_folder("schema") / SCHEMA).read_text(encoding="utf-8")
    there = next((path for path in texts if path.exists() or path.is_symlink()), None)
    if there is not None:
        raise FileExistsError(str(there))
    made: list[Path] = []
    try:
        for path, text in texts.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("x", encoding="utf-8") as stream:
                made.append(path)
                stream.write(text)
    except OSError:
        for path in made:
            with contextlib.suppress(OSError):
                path.unlink()
        raise
    return tuple(made)
