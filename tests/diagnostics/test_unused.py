"""What is declared and used nowhere is told, of whatever kind; what is written anywhere counts as used."""

from __future__ import annotations

import textwrap
from pathlib import Path

from backupspec.pipeline import load_fleet
from tests.diagnostics.fleets import SERVER_KEY, USB


def told(folder: Path, text: str) -> list[tuple[str, str]]:
    whole = textwrap.dedent(text).replace("USB", USB).replace("KEY", SERVER_KEY)
    (folder / "inventory.yaml").write_text(f"version: 1\nfleet: tried\n{whole}", encoding="utf-8")
    return sorted((found.code, found.where) for found in load_fleet(folder)[1])


def test_every_kind_of_name_is_told(tmp_path: Path) -> None:
    text = """
    sites: {north: {}}
    retention: {long: {daily: 30}}
    schedules: {nightly: {window: "01:00-05:00", timezone: UTC}}
    servers: {vault: {address: 192.0.2.10, host_key: KEY, storage: {path: /backup}}}
    repositories: {usb: USB, box: USB}
    profiles: {linux: {priority: idle}}
    hosts: {laptop: {to: [usb], files: {home: {paths: [/home]}}}}
    """
    assert told(tmp_path, text) == [
        ("BS212", "profiles.linux"),
        ("BS212", "retention.long"),
        ("BS212", "schedules.nightly"),
        ("BS212", "sites.north"),
        ("BS213", "repositories.box"),
        ("BS213", "servers.vault"),
    ]


def test_a_name_in_a_setting_that_a_later_layer_replaces_is_used(tmp_path: Path) -> None:
    text = """
    retention: {long: {daily: 30}, short: {daily: 3}}
    schedules: {nightly: {window: "01:00-05:00", timezone: UTC}, late: {window: "04:00-05:00", timezone: UTC}}
    repositories: {usb: USB, box: {path: /media/box/borg, present: sometimes}}
    defaults: {to: {box: {schedule: late}}, retention: long, schedule: nightly}
    hosts:
      laptop: {to: {usb: {retention: short}}, schedule: late, files: {home: {paths: [/home]}}}
    """
    assert told(tmp_path, text) == []


def test_among_errors_nothing_is_called_unused(tmp_path: Path) -> None:
    text = """
    repositories: {usb: USB}
    hosts: {laptop: {to: [ubs], files: {home: {paths: [/home]}}}}
    """
    assert told(tmp_path, text) == [("BS201", "hosts.laptop.files.home.to")]
