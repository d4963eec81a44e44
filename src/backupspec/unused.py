"""Names that are declared in an inventory and that nothing refers to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from backupspec.catalogue import diagnose
from backupspec.diagnostic import Diagnostics
from backupspec.inventory import (
    Inventory,
    Settings,
    Written,
    WrittenBoot,
    WrittenDatabase,
    WrittenDrill,
    WrittenVirtualMachine,
)


def unused(inventory: Inventory) -> Diagnostics:
    """Report each policy, schedule, profile, site (notes), repository and server (warnings) that nothing uses.

    A name counts as used wherever it is written, even if a later layer replaces that setting.
    """
    settings = tuple(_all_settings(inventory))
    targets = {target.repository.value for each in settings if each.to is not None for target in each.to.value}
    machines = (*(host.machine for host in inventory.hosts), *(server.machine for server in inventory.servers))
    return (
        *_report(
            "BS212",
            "retention",
            (name for name, _ in inventory.retentions),
            {
                each.retention.value
                for each in settings
                if each.retention is not None and isinstance(each.retention.value, str)
            },
        ),
        *_report(
            "BS212",
            "schedule",
            (name for name, _ in inventory.schedules),
            {
                each.schedule.value
                for each in settings
                if each.schedule is not None and isinstance(each.schedule.value, str)
            },
        ),
        *_report(
            "BS212",
            "profile",
            (Written(layer.name.removeprefix("profile "), layer.span) for layer in inventory.profiles),
            {profile.value for host in inventory.hosts for profile in host.profiles},
        ),
        *_report(
            "BS212", "site", inventory.sites, {machine.site.value for machine in machines if machine.site is not None}
        ),
        *_report("BS213", "repository", (item.name for item in inventory.repositories), targets),
        *_report(
            "BS213",
            "server",
            (item.machine.name for item in inventory.servers),
            {item.server.value for item in inventory.repositories if item.server is not None},
        ),
    )


_SAID = {
    "retention": ("no job keeps its archives by the retention `{}`", "retention"),
    "schedule": ("no job runs at the schedule `{}`", "schedules"),
    "profile": ("no host has the profile `{}`", "profiles"),
    "site": ("no machine is at the site `{}`", "sites"),
    "repository": ("no job writes to the repository `{}`", "repositories"),
    "server": ("no repository lies on the server `{}`", "servers"),
}


def _report(code: str, kind: str, declared: Iterable[Written[str]], used: set[str]) -> Diagnostics:
    message, section = _SAID[kind]
    return tuple(
        diagnose(
            code, message.format(name.value), name.span, where=f"{section}.{name.value}", hint="use it or delete it"
        )
        for name in declared
        if name.value not in used
    )


def _all_settings(inventory: Inventory) -> Iterator[Settings]:
    defaults = () if inventory.defaults is None else (inventory.defaults,)
    for layer in (*defaults, *inventory.profiles, *(host.layer for host in inventory.hosts)):
        databases = [job for _, job in layer.databases if job is not None]
        machines = [job for _, job in layer.virtual_machines if job is not None]
        jobs = [job for _, job in layer.files if job is not None]
        kinds = (*databases, *machines)
        for settings in (layer.settings, *jobs, *(job.settings for job in kinds), *_drills(kinds)):
            yield settings
            if settings.to is not None:
                yield from (target.settings for target in settings.to.value)


def _drills(jobs: Iterable[WrittenDatabase | WrittenVirtualMachine]) -> Iterator[Settings]:
    """Give the schedules of drills as settings: a name that only a drill uses is used."""
    for job in jobs:
        for _, option in job.options:
            if isinstance(option.value, WrittenDrill | WrittenBoot):
                yield Settings(schedule=option.value.schedule)
