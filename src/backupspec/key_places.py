"""Where the keys of the language stand, for the hint at a key that stands at a wrong place."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

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
