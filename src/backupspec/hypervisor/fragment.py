"""Fragment: Hypervisor -> the part of an inventory that backs its machines up, as YAML with comments for people.

Names and paths on a hypervisor are other people's words. What is data here is written by PyYAML and is quoted unless it
can only be text; what stands in a comment has no character that could end it.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from backupspec.data import data_folder
from backupspec.domain import Disk
from backupspec.hypervisor.machine import Hypervisor, Machine
from backupspec.show import visible
from backupspec.source import holds_private_key, unfit_character

_WITHOUT_DISKS = "it has no disks"
_VM = "vm:"
_HEAD = """\
# What `backupspec libvirt discover` found at {uri}: {count}.
#
# If the inventory has no host `{host}`, it includes this file as it is (`include: [FILE]`); if it has one, what
# stands below `{host}:` here belongs below it there. Where archives go, how often and for how long is said in
# `defaults`, or by `to`, `schedule` and `retention` here.
"""
_SCRATCH = "    # Room for what the machines overwrite while they are read: make this folder, or name another one.\n"
_AGENT = {
    ("connected", True): "a guest agent is connected",
    ("silent", True): "it has a channel for a guest agent, and none is connected",
    ("none", True): "it has no channel for a guest agent",
    ("silent", False): "it has a channel for a guest agent",
    ("none", False): "it has no channel for a guest agent",
}
_UNMISTAKABLE = re.compile(r"[A-Za-z/][A-Za-z0-9/._-]+(?: [A-Za-z0-9(][A-Za-z0-9/._()-]*)*")
"""Text that no YAML takes for something else, unless PyYAML itself knows a word of it."""


class _FlowList(list[Any]):
    """A list on one line."""


class _Dumper(yaml.SafeDumper):
    """Quotes what another reader of YAML might take for a number."""


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = None if _UNMISTAKABLE.fullmatch(text) else "'"
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _represent_text)
_Dumper.add_representer(
    _FlowList, lambda dumper, data: dumper.represent_sequence("tag:yaml.org,2002:seq", data, flow_style=True)
)


def fragment(found: Hypervisor, host: str, jobs: Mapping[str, str], files: Mapping[str, str]) -> str:
    """Give the text. `jobs` has the job's name of each machine, `files` the kept definition of those that have one."""
    return "".join(_pieces(found, host, jobs, files))


def can_be_written(name: str) -> bool:
    """Tell whether the inventory can name a machine that libvirt knows under `name`."""
    return (
        fits("domain_name", _VM + name)
        and fits("domain_name", name)
        and unfit_character(name) is None
        and not holds_private_key(name)
    )


def fits(kind: str, text: str) -> bool:
    """Tell whether the inventory's schema takes a text for a kind of value, `domain_xml` for one."""
    rule = _kinds()[kind]
    return len(text) <= rule["maxLength"] and re.search(rule["pattern"], text) is not None


def size(number: int) -> str:
    """Give bytes as people say them, with two digits behind the point at most: `20 GiB`, `1.44 MiB`."""
    for unit, factor in (("TiB", 2**40), ("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
        if number >= factor:
            return f"{number / factor:.2f}".rstrip("0").rstrip(".") + f" {unit}"
    return f"{number} bytes"


@functools.cache
def _kinds() -> Any:  # noqa: ANN401 - a part of a JSON schema
    return json.loads((data_folder("schema") / "inventory.schema.json").read_text(encoding="utf-8"))["$defs"]


def _pieces(found: Hypervisor, host: str, jobs: Mapping[str, str], files: Mapping[str, str]) -> Iterator[str]:
    fit = [one for one in found.machines if can_be_written(one.name) and not one.trouble]
    kept = [one for one in fit if _has_disks(one)]
    bare = [one for one in fit if not _has_disks(one)]
    others = [one for one in found.machines if one not in fit]
    running = sum(machine.running is not None for machine in found.machines)
    number = len(found.machines)
    count = f"{number} virtual machine{'' if number == 1 else 's'}, {running} running"
    yield _HEAD.format(uri=visible(found.uri), host=host, count=count)
    yield f"hosts:\n{_dumped({host: None}, 2).rstrip().removesuffix('null').rstrip()}\n"
    if kept:
        yield _SCRATCH + _dumped({"scratch": "/srv/scratch"}, 4)
    yield "    virtual_machines:\n" if kept else "    virtual_machines: {}\n"
    for machine in kept:
        yield from _comments(machine)
        yield _dumped({jobs[machine.name]: _entry(machine, jobs[machine.name], files.get(machine.name))}, 6)
    for machine in others:
        why = machine.trouble or "no inventory can hold its name: rename it (`virsh domrename`)"
        yield f"      # NOT HERE: {visible(machine.name)}: {visible(why)}\n"
    if bare:
        yield "    not_backed_up:\n"
        for machine in bare:
            yield _dumped([{"what": _VM + machine.name, "because": _WITHOUT_DISKS}], 6)


def _has_disks(machine: Machine) -> bool:
    return bool(machine.defined.disks or machine.now.disks)


def _entry(machine: Machine, job: str, file: str | None) -> dict[str, object]:
    domain = {} if job == machine.name else {"domain": machine.name}
    if file is not None and machine.defined.disks:
        return {**domain, "xml": file}
    disks = machine.now.disks or machine.defined.disks
    return {**domain, "disks": _FlowList(disk.target for disk in disks)}


def _comments(machine: Machine) -> Iterator[str]:
    runs = machine.running is not None
    said = ["runs" if runs else "is off", _AGENT[machine.agent, runs]]
    if not machine.persistent:
        said.append("libvirt forgets it when it goes off (it is transient)")
    yield f"      # {visible(machine.name)}: {'; '.join(said)}\n"
    now = {disk.target for disk in machine.now.disks}
    later = {disk.target for disk in machine.defined.disks}
    for disk in dict.fromkeys((*machine.now.disks, *machine.defined.disks)):
        if disk.target in now and disk not in machine.now.disks:
            continue  # how it will lie after the next start
        when = "" if disk.target in later or not machine.persistent else ", until it goes off"
        when = when if disk.target in now else ", from its next start on"
        yield f"      #   {visible(_disk(disk, machine.sizes.get(disk.target)) + when)}\n"


def _disk(disk: Disk, bytes_: int | None) -> str:
    known = "size unknown" if bytes_ is None else size(bytes_)
    words = ("a LUN" if disk.device == "lun" else "", disk.format, known, disk.place)
    return f"{disk.target}: {', '.join(word for word in words if word)}"


def _dumped(value: object, indent: int) -> str:
    text = str(yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=1_000_000))
    return "".join(f"{' ' * indent}{line}" for line in text.splitlines(keepends=True))
