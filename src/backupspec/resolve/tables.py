"""What names mean, and the findings about them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeVar

from backupspec.catalogue import diagnose
from backupspec.diagnostic import Diagnostic, Related, Span
from backupspec.fleet import Server
from backupspec.inventory import Inventory, Written
from backupspec.suggest import did_you_mean

T = TypeVar("T")


class Tables:
    """The tables of names, and the findings so far; one instance serves one call of `resolve`."""

    def __init__(self, inventory: Inventory) -> None:
        self.inventory = inventory
        self.found: list[Diagnostic] = []
        self.told: set[tuple[str, Span, str]] = set()
        self.files = dict(inventory.files)
        self.schedules = {name.value: schedule for name, schedule in inventory.schedules}
        self.retentions = {name.value: retention for name, retention in inventory.retentions}
        self.sites = {site.value for site in inventory.sites}
        self.profiles = {layer.name.removeprefix("profile "): layer for layer in inventory.profiles}
        self.repositories = {repository.name.value: repository for repository in inventory.repositories}
        self.servers: dict[str, Server] = {}

    def lookup(self, name: Written[str] | None, table: Mapping[str, T], kind: str, where: str) -> T | None:
        """Give what a name means, or None and a finding."""
        if name is None:
            return None
        if name.value not in table:
            self.missing(kind, name, table, where)
            return None
        return table[name.value]

    def missing(self, kind: str, name: Written[str], known: Iterable[str], where: str) -> None:
        """Report a name that means nothing."""
        names = sorted(known)
        hint = did_you_mean(name.value, names) or (
            f"known: {', '.join(names)}" if names else f"no {kind} is declared at all"
        )
        self.report("BS201", f"there is no {kind} `{name.value}`", name.span, where, hint)

    def clash(self, message: str, name: Written[str], other: Span, where: str, hint: str) -> None:
        """Report a name that means two machines, once."""
        related = (Related("also here", other),)
        self.tell(diagnose("BS202", message, name.span, where=where, hint=hint, related=related))

    def report(self, code: str, message: str, span: Span, where: str, hint: str) -> None:
        """Add a finding, once."""
        self.tell(diagnose(code, message, span, where=where, hint=hint))

    def tell(self, found: Diagnostic) -> None:
        """Add a finding, once: a profile's mistake is met by each of its hosts."""
        key = (found.code, found.span, found.message)
        if key not in self.told:
            self.told.add(key)
            self.found.append(found)
