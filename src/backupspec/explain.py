"""Which line of the inventory gave each value."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from backupspec.fleet import Fleet, Host, Origin


@dataclass(frozen=True, slots=True)
class Setting:
    """One value that a host ends up with: its path (`web01.files.www.to.central.retention`), and where it comes from.

    `short` is the path without `to.REPOSITORY`: under it the same setting is found for all repositories of a job.
    """

    path: str
    short: str
    value: str
    origin: Origin


def explain(fleet: Fleet, asked: str) -> tuple[Setting, ...]:
    """Give the settings at or below a path that starts with a host's name, in the order of the inventory language.

    Nothing is found for an unknown host or setting. A path as findings name it (`hosts.web01.…`) is understood as well.
    """
    wanted = asked.removeprefix("hosts.")
    return tuple(
        setting
        for host in fleet.hosts
        for setting in settings(host)
        if any(path == wanted or path.startswith(f"{wanted}.") for path in (setting.path, setting.short))
    )


def settings(host: Host) -> Iterator[Setting]:
    """Give every setting of a host, of its jobs and of their ways into repositories.

    What a job says for all its repositories is given once for each of them, with what a named policy stands for.
    """
    yield from _settings(host.name, host.name, host.origins)
    for job in host.jobs:
        path = f"{host.name}.files.{job.name}"
        below = {name for target in job.targets for name, _, _ in target.origins}
        yield from _settings(path, path, tuple(each for each in job.origins if each[0] not in below))
        for target in job.targets:
            meant = {"retention": str(target.retention), "schedule": str(target.schedule)}
            named = tuple(
                (name, _with(value, meant.get(name, value)), origin) for name, value, origin in target.origins
            )
            yield from _settings(f"{path}.to.{target.repository.name}", path, named)


def text(setting: Setting, folder: str) -> str:
    """Give `PATH = VALUE` and, indented below, the layer with file and line; `folder` is put before the file's name."""
    place = setting.origin.span
    where = "" if place is None else f", {folder}{place.file}:{place.line}"
    return f"{setting.path} = {setting.value}\n    {setting.origin.layer}{where}"


def _settings(path: str, short: str, origins: tuple[tuple[str, str, Origin], ...]) -> Iterator[Setting]:
    for name, value, origin in origins:
        yield Setting(f"{path}.{name}", f"{short}.{name}", value, origin)


def _with(name: str, meant: str) -> str:
    return name if name == meant else f"{name} ({meant})"
