"""Plan: Fleet -> Plan. Every decision is taken here; templates only have shape.

One module for each concern: `units`, `hardening`, `scripts`, `ssh` (both sides), `rollout` (apply, Ansible, the page). A value that a target language cannot hold is
found here, when its word is made, and reported at the setting that it comes from.
"""

from __future__ import annotations

from collections.abc import Callable

from backupspec.catalogue import diagnose
from backupspec.diagnostic import Diagnostic, Diagnostics, Span
from backupspec.fleet import Fleet, Host
from backupspec.plan import rollout, scripts, ssh, units
from backupspec.plan.types import Plan, PlannedFile
from backupspec.words import Unrepresentable

__all__ = ["Plan", "PlannedFile", "plan"]


def plan(fleet: Fleet) -> tuple[Plan, Diagnostics]:
    """Give all files of all machines, and what cannot be said in a target language."""
    found: list[Diagnostic] = []
    files: list[PlannedFile] = []

    def collect(where: str, span: Span, make: Callable[[], tuple[PlannedFile, ...]], host: Host | None = None) -> tuple[PlannedFile, ...]:
        try:
            return make()
        except Unrepresentable as error:
            place = _place(host, error.value)
            found.append(diagnose("BS219", str(error), place or span, where=where))
            return ()

    for name in rollout.machines(fleet):
        host, store = fleet.host(name), fleet.server(name)
        own: list[PlannedFile] = []
        if host is not None:
            for make in (lambda h=host: units.units(h), lambda h=host: scripts.scripts(h, fleet.alerts), lambda h=host: ssh.client(h)):
                own += collect(host.where, host.span, make, host)
        if store is not None:
            own += collect(store.where, store.span, lambda s=store: ssh.server(fleet, s))
        if host is not None or store is not None:
            where, span = (host.where, host.span) if host is not None else (f"servers.{name}", fleet.span)
            own += collect(where, span, lambda n=name: ssh.machine(fleet, n), host)
        made = tuple(own)
        files += [*made, *collect(name, fleet.span, lambda n=name, m=made: (rollout.apply(fleet, n, m),), host)]
    files += collect("fleet", fleet.span, lambda: (rollout.page(fleet), *rollout.ansible(fleet)))
    return Plan(tuple(files), rollout.machines(fleet), rollout.facts(fleet)), tuple(found)


def _place(host: Host | None, value: str) -> Span | None:
    """Give the place of a path or pattern of one of the host's jobs."""
    if host is None:
        return None
    return next((span for job in host.jobs for text, span in job.path_spans if text == value), None)
