"""Where the keys of the language stand, for the hint at a key that stands at a wrong place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from backupspec.language import Language

_PLACES = {
    "": "at the top level",
    "defaults": "in `defaults`",
    "profile": "in a profile",
    "host": "in a host",
    "job": "in a job (`files: {JOB: …}`)",
    "target": "in an entry of `to`",
    "server": "in a server",
    "storage": "in the `storage` of a server",
    "repository": "in a repository",
    "schedule": "in a schedule",
    "retention": "in a retention policy",
    "hooks": "in `hooks`",
    "hook": "in a hook",
    "quiet": "in `quiet`",
    "borg": "in `borg`",
    "jump": "in `jump`",
    "alert": "in an alert",
    "acceptance": "in an entry of `accept`",
    "credential": "in `passphrase`",
}
"""What each definition of the schema describes, the widest first; the empty name is the schema itself."""


def of_kinds(key: str, known: Sequence[str], language: Language) -> str:
    """Say of which kinds of a databases job a key is, where it stands in a job of another kind, or in none at all.

    `known` are the keys of the place. Nothing is said for a key of no kind, or that other places have too.
    """
    having = [kind for kind, node in language.kinds.items() if key in node["properties"]]
    if "kind" in known and having:
        others = ", ".join(f"`{kind}`" for kind in having[:-1])
        return f"`{key}` is for `kind`: {others}{' or ' if others else ''}`{having[-1]}`"
    if "databases" in known and key in language.kinds:
        return f"a server is a databases job: `databases: {{NAME: {{kind: {key}}}}}`"
    return ""


def belongs(key: str, schema: Mapping[str, Any]) -> str:
    """Say in which places a schema knows a key, or nothing where none does."""
    places = [
        said
        for name, said in _PLACES.items()
        if key in (schema["$defs"].get(name, {}) if name else schema).get("properties", {})
    ]
    if not places:
        return ""
    return f"`{key}` belongs " + " or ".join(part for part in (", ".join(places[:-1]), places[-1]) if part)
