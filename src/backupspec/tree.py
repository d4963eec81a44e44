"""The compiled output, still in memory."""

from __future__ import annotations

from dataclasses import dataclass

from backupspec.diagnostic import Span


@dataclass(frozen=True, slots=True)
class File:
    """One output file. `path` is relative to the output folder, with `/`.

    `owner` is `user:group` on the target machine (applied there by `apply`, never by `write`). `origin` is the
    logical path of the inventory setting behind the file (`hosts.web01.files.www`), `span` its place: a complaint
    about a generated line leads there.
    """

    path: str
    mode: int
    owner: str
    text: str
    origin: str
    span: Span


@dataclass(frozen=True, slots=True)
class Tree:
    """All output files, sorted by path, paths unique.

    `hosts` are all machines of the fleet (retired ones too); a file of host H lives under `hosts/H/`, everything
    else is common. `facts` is a summary of each machine as JSON text, of kind, subject and fact
    (`{"target": {"www_central": {"retention": {...}}}}`), from which `diff` says what a change means ("retention gets
    shorter").
    """

    files: tuple[File, ...]
    hosts: tuple[str, ...]
    facts: tuple[tuple[str, str], ...] = ()
