"""What the tests of the rules share: an inventory as text, and the codes of what is found in it."""

from __future__ import annotations

import textwrap
from pathlib import Path

from backupspec.analyse import analyse
from backupspec.diagnostic import Diagnostics
from backupspec.fleet import Fleet
from backupspec.pipeline import load_fleet

SERVER_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKdhj+FDbx3fHEIloZfekV/Tav1dO65soufSmfz2M9gN"
ALERTS = "{admins: {mail: admins@example.org}}"
USB = "{path: /media/backup/borg, mounted: [/media/backup], present: sometimes}"


def fleet_of(folder: Path, text: str) -> Fleet:
    """Give the fleet of an inventory without `version` and `fleet`; `USB` and `KEY` in it stand for longer texts."""
    whole = textwrap.dedent(text).replace("USB", USB).replace("KEY", SERVER_KEY)
    (folder / "inventory.yaml").write_text(f"version: 1\nfleet: tried\nalerts: {ALERTS}\n{whole}", encoding="utf-8")
    fleet, found = load_fleet(folder)
    assert fleet is not None, found
    return fleet


def found_in(folder: Path, text: str) -> Diagnostics:
    """Give what the rules of the whole fleet find in an inventory."""
    return analyse(fleet_of(folder, text))


def codes_in(folder: Path, text: str) -> list[str]:
    """Give the codes of what the rules find."""
    return [each.code for each in found_in(folder, text)]
