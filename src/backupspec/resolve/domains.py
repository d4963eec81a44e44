"""What an entry of `virtual_machines` says, whatever its method: its keys, and the definition that it names."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import cast

from backupspec.diagnostic import Span
from backupspec.domain import Domain, read_domain
from backupspec.fleet import Origin
from backupspec.inventory import Written, WrittenVirtualMachine
from backupspec.resolve.tables import Tables

Own = list[tuple[str, WrittenVirtualMachine, Span]]
"""What the layers say of one entry: layer, entry, place."""
Said = Mapping[str, tuple[Written[object], str]]
"""What counts of that, by key, with the layer that says it."""


def domain_of(tables: Tables, said: Said, name: str, where: str) -> Domain | None:
    """Give what the XML file says, if there is one and it is fit; what is wrong with it is reported."""
    if "xml" not in said:
        return None
    written = said["xml"][0]
    file = str(written.value)
    text = tables.files.get(file)
    if text is None:
        words = shlex.join(("virsh", "dumpxml", "--inactive", "--domain", said_text(said, "domain", name)))
        hint = f"on the hypervisor: {words} >{file}"
        tables.report("BS224", f"there is no file `{file}`", written.span, f"{where}.xml", hint)
        return None
    found = read_domain(text)
    if isinstance(found, str):
        hint = "put there what `virsh dumpxml --inactive DOMAIN` writes"
        tables.report("BS224", f"`{file}` cannot be used: {found}", written.span, f"{where}.xml", hint)
        return None
    if found.name != said_text(said, "domain", name):
        hint = f"write `domain: {found.name}` if that is the one, or name its own file"
        message = f"`{file}` defines `{found.name}`, not `{said_text(said, 'domain', name)}`"
        tables.report("BS224", message, written.span, f"{where}.xml", hint)
        return None
    return found


def said_text(said: Said, key: str, default: str) -> str:
    """Give a text that an entry says, or the default."""
    return str(said[key][0].value) if key in said else default


def said_number(said: Said, key: str, default: int) -> int:
    """Give a number that an entry says, or the default."""
    return cast(int, said[key][0].value) if key in said else default


def said_origins(
    said: Said, defaults: Mapping[str, object], meant: Mapping[str, str] = MappingProxyType({})
) -> Iterator[tuple[str, str, Origin]]:
    """Give (key, value as text, origin) of what an entry says, and of what stands in for what it does not.

    `meant` has the text of those values that are told better than as they are written.
    """
    for key, (option, layer) in said.items():
        yield key, meant.get(key, _shown(option.value)), Origin(layer, option.span)
    for key in defaults.keys() - said.keys():
        yield key, meant.get(key, _shown(defaults[key])), Origin("built-in default", None)


def _shown(option: object) -> str:
    if isinstance(option, int):
        return f"{option} bytes"
    if not isinstance(option, tuple):
        return str(option)
    return ", ".join(each.value if isinstance(each, Written) else f"{each[0].value} ({each[1]})" for each in option)
