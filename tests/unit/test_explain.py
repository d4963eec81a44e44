from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest

from backupspec.diagnostic import Span
from backupspec.explain import explain, text
from backupspec.fleet import FilesJob, Fleet, Host, Origin, Repository, Retention, Target


def made(kind: type[Any], **known: object) -> Any:  # noqa: ANN401 - whatever kind is
    """Make one with only those fields filled that explain reads."""
    return kind(**({field.name: None for field in fields(kind)} | known))


def origin(layer: str, line: int | None = None) -> Origin:
    return Origin(layer, None if line is None else Span("inventory.yaml", line, 3, line, 9))


def target(repository: str, retention: Retention, *origins: tuple[str, str, Origin]) -> Target:
    found: Target = made(
        Target, repository=made(Repository, name=repository), retention=retention, schedule="", origins=origins
    )
    return found


WWW = made(
    FilesJob,
    name="www",
    origins=(
        ("paths", "/srv/www", origin("host", 20)),
        ("compression", "auto,zstd,6", origin("built-in default")),
        ("retention", "standard", origin("host", 2)),
    ),
    targets=(
        target("central", Retention(daily=7), ("retention", "standard", origin("profile linux", 9))),
        target("local", Retention(daily=2), ("retention", "daily 2", origin("host", 24))),
    ),
)
FLEET: Fleet = made(
    Fleet,
    hosts=(
        made(Host, name="web01", origins=(("roaming", "false", origin("built-in default")),), jobs=(WWW,)),
        made(Host, name="web01.example.org", origins=(("roaming", "true", origin("host", 40)),), jobs=()),
    ),
)


@pytest.mark.parametrize(
    ("asked", "paths"),
    [
        ("web01.files.www.paths", ["web01.files.www.paths"]),
        ("web01.files.www.retention", ["web01.files.www.to.central.retention", "web01.files.www.to.local.retention"]),
        ("hosts.web01.files.www.to.local", ["web01.files.www.to.local.retention"]),
        ("web01.example.org", ["web01.example.org.roaming"]),
        ("web01.files.ww", []),
        ("web02", []),
    ],
)
def test_a_path_finds_the_settings_at_and_below_it(asked: str, paths: list[str]) -> None:
    assert [setting.path for setting in explain(FLEET, asked)] == paths


def test_each_value_is_shown_with_its_layer_and_line() -> None:
    shown = [text(setting, "fleet/") for setting in explain(FLEET, "web01.files.www")]
    assert shown == [
        "web01.files.www.paths = /srv/www\n    host, fleet/inventory.yaml:20",
        "web01.files.www.compression = auto,zstd,6\n    built-in default",
        "web01.files.www.to.central.retention = standard (daily 7)\n    profile linux, fleet/inventory.yaml:9",
        "web01.files.www.to.local.retention = daily 2\n    host, fleet/inventory.yaml:24",
    ]
