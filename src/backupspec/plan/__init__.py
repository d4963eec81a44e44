"""Plan: Fleet -> Plan. Every decision is taken here; templates only have shape.

One module for each concern: `units`, `hardening`, `scripts`, `ssh` (both sides), `rollout` (apply, the page),
`playbooks` (Ansible).
A value that a target language cannot hold is found here, when its word is made, and reported at the setting that it
comes from.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from backupspec.catalogue import diagnose
from backupspec.diagnostic import Diagnostic, Diagnostics, Span
from backupspec.fleet import Fleet, Host
from backupspec.plan import machine_snapshots, rollout, scripts, ssh, units
from backupspec.plan.facts import facts
from backupspec.plan.types import Plan, PlannedFile
from backupspec.words import Unrepresentable

__all__ = ["Plan", "PlannedFile", "plan"]


def plan(fleet: Fleet) -> tuple[Plan, Diagnostics]:
    """Give all files of all machines, and what cannot be said in a target language."""
    found: list[Diagnostic] = []
    files: list[PlannedFile] = []

    def collect(
        where: str, span: Span, host: Host | None, make: Callable[[], tuple[PlannedFile, ...]]
    ) -> tuple[PlannedFile, ...]:
        """Give what `make` plans, or nothing and a finding."""
        try:
            return make()
        except Unrepresentable as error:
            hint = "give it another name, or write the pattern differently"
            place = _place(host, error.value) or span
            found.append(diagnose("BS219", str(error), place, where=where, hint=hint))
            return ()

    for name in rollout.machines(fleet):
        host, store = fleet.host(name), fleet.server(name)
        own: tuple[PlannedFile, ...] = ()
        if host is not None:
            own += collect(host.where, host.span, host, partial(units.units, host))
            own += collect(host.where, host.span, host, partial(scripts.scripts, host, fleet.alerts))
            own += collect(host.where, host.span, host, partial(machine_snapshots.of_host, host))
            own += collect(host.where, host.span, host, partial(ssh.client, host))
        if store is not None:
            own += collect(store.where, store.span, None, partial(ssh.server, fleet, store))
        machine = host or store
        if machine is not None:
            own += collect(machine.where, machine.span, host, partial(ssh.machine, fleet, name))
        files += [*own, *collect(name, fleet.span, host, partial(rollout.apply, fleet, name, own))]
    files += collect("fleet", fleet.span, None, partial(rollout.common, fleet))
    return Plan(tuple(files), rollout.machines(fleet), facts(fleet)), tuple(found)


def _place(host: Host | None, value: str) -> Span | None:
    """Give the place of a path or pattern of one of the host's jobs."""
    if host is None:
        return None
    return next((span for job in host.files for text, span in job.path_spans if text == value), None)
