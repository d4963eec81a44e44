"""Bind: Document -> Inventory. Text becomes durations, sizes, windows; names stay names.

The schema has judged shapes before, so what is missing or of a wrong type here was reported there; this stage reports
what a schema cannot know (time zones, windows of no length, numbers that do not divide a day).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, TypeVar, cast

from backupspec.bind_database import options
from backupspec.bind_parts import accept, alert, hook, jump, virtual_machine_options
from backupspec.calendar_grammar import lost_starts, read_calendar
from backupspec.catalogue import diagnose
from backupspec.diagnostic import Diagnostic, Diagnostics, Span
from backupspec.document import Document, Entry, Mapping, Node, Scalar
from backupspec.fleet import Retention
from backupspec.inventory import (
    Inventory,
    Layer,
    Machine,
    Settings,
    Written,
    WrittenBorg,
    WrittenDatabase,
    WrittenHost,
    WrittenRepository,
    WrittenServer,
    WrittenTarget,
    WrittenVirtualMachine,
)
from backupspec.nodes import (
    entries,
    flag,
    items,
    mapping,
    name_of,
    number,
    optional,
    scalar_text,
    seconds,
    sequence,
    sized,
    text,
    texts,
    word,
)
from backupspec.schedule import DAY, Quiet, Schedule, Window, clock, skipped, spoken, zone, zone_names
from backupspec.suggest import did_you_mean

T = TypeVar("T")


def bind(document: Document) -> tuple[Inventory, Diagnostics]:
    """Give the inventory as written, and what is wrong with its values."""
    binder = _Binder()
    inventory = binder.inventory(document)
    return inventory, tuple(binder.found)


class _Binder:
    """Walks the document; collects findings. One instance serves one call of `bind`."""

    def __init__(self) -> None:
        self.found: list[Diagnostic] = []

    # Whole sections -------------------------------------------------------------------------------------------

    def inventory(self, document: Document) -> Inventory:
        root = document.root
        defaults = root.entry("defaults")
        return Inventory(
            fleet=text(root, "fleet"),
            sites=tuple(Written(entry.key, entry.key_span) for entry in entries(root, "sites")),
            retentions=tuple((name_of(entry), self.retention(entry.value)) for entry in entries(root, "retention")),
            schedules=tuple(
                (name_of(entry), self.schedule(entry.value, f"schedules.{entry.key}"))
                for entry in entries(root, "schedules")
            ),
            servers=tuple(self.server(entry) for entry in entries(root, "servers")),
            repositories=tuple(self.repository(entry) for entry in entries(root, "repositories")),
            defaults=None
            if defaults is None
            else self.layer("defaults", "defaults", defaults.key_span, mapping(defaults.value)),
            profiles=tuple(
                self.layer(f"profile {entry.key}", f"profiles.{entry.key}", entry.key_span, mapping(entry.value))
                for entry in entries(root, "profiles")
            ),
            hosts=tuple(self.host(entry) for entry in entries(root, "hosts")),
            retired=texts(root, "retired"),
            alerts=tuple(alert(entry) for entry in entries(root, "alerts")),
            accepts=tuple(accept(mapping(item)) for item in items(root, "accept")),
            files=document.files,
        )

    def server(self, entry: Entry) -> WrittenServer:
        node = mapping(entry.value)
        storage = mapping(node.get("storage"))
        return WrittenServer(
            machine=_machine(entry),
            port=number(node, "port", 22),
            host_key=text(node, "host_key"),
            storage=text(storage, "path"),
            storage_mounted=texts(storage, "mounted"),
            capacity=optional(storage, "capacity", sized),
            accounts="shared" if word(node, "accounts", "per-host") == "shared" else "per-host",
            account=optional(node, "account", scalar_text),
        )

    def repository(self, entry: Entry) -> WrittenRepository:
        node = mapping(entry.value)
        passphrase = node.get("passphrase")
        check = word(node, "check", "monthly")
        if passphrase is not None and not isinstance(passphrase, Mapping) and word(node, "per", "host") == "fleet":
            self.report(
                "BS218",
                f"all hosts share `{entry.key}`, and each would have a passphrase of its own",
                passphrase.span,
                f"repositories.{entry.key}.passphrase",
                "write `passphrase: {credential: NAME}`",
            )
        return WrittenRepository(
            name=name_of(entry),
            server=optional(node, "server", scalar_text),
            path=optional(node, "path", scalar_text),
            url=optional(node, "url", scalar_text),
            per_fleet=word(node, "per", "host") == "fleet",
            encryption=optional(node, "encryption", scalar_text) or Written("repokey-blake2", entry.key_span),
            credential=text(passphrase, "credential") if isinstance(passphrase, Mapping) else None,
            append_only=optional(node, "append_only", flag) or Written(value=False, span=entry.key_span),
            quota=optional(node, "quota", sized),
            host_key=optional(node, "host_key", scalar_text),
            remote_borg=optional(node, "remote_borg", scalar_text),
            present_sometimes=word(node, "present", "always") == "sometimes",
            mounted=texts(node, "mounted"),
            check=cast(Literal["weekly", "monthly", "off"], check),
        )

    def host(self, entry: Entry) -> WrittenHost:
        node = mapping(entry.value)
        quotas = []
        for override in entries(node, "repositories"):
            quota = optional(mapping(override.value), "quota", sized)
            if quota is not None:
                quotas.append((name_of(override), quota))
        return WrittenHost(
            machine=_machine(entry),
            profiles=texts(node, "profiles"),
            ssh_key=optional(node, "ssh_key", scalar_text),
            formerly=texts(node, "formerly"),
            quotas=tuple(quotas),
            not_backed_up=tuple(
                (text(item, "what"), text(item, "because").value) for item in items(node, "not_backed_up")
            ),
            layer=self.layer("host", f"hosts.{entry.key}", entry.key_span, node),
        )

    # Settings -------------------------------------------------------------------------------------------------

    def layer(self, name: str, where: str, span: Span, node: Mapping) -> Layer:
        files = tuple(
            (
                name_of(entry),
                self.settings(entry.value, f"{where}.files.{entry.key}") if isinstance(entry.value, Mapping) else None,
            )
            for entry in entries(node, "files")
        )
        databases = tuple(
            (
                name_of(entry),
                self.database(entry.value, f"{where}.databases.{entry.key}")
                if isinstance(entry.value, Mapping)
                else None,
            )
            for entry in entries(node, "databases")
        )
        machines = tuple(
            (
                name_of(entry),
                self.virtual_machine(entry.value, f"{where}.virtual_machines.{entry.key}")
                if isinstance(entry.value, Mapping)
                else None,
            )
            for entry in entries(node, "virtual_machines")
        )
        return Layer(name, span, self.settings(node, where), files, databases, machines)

    def database(self, node: Mapping, where: str) -> WrittenDatabase:
        return WrittenDatabase(
            text(node, "kind"), self.settings(node, where), options(node, lambda value: self.when(value, where))
        )

    def virtual_machine(self, node: Mapping, where: str) -> WrittenVirtualMachine:
        options = virtual_machine_options(node, lambda value: self.when(value, where))
        return WrittenVirtualMachine(self.settings(node, where), options)

    def when(self, node: Node, where: str) -> Written[str | Schedule]:
        return self.named(node, lambda inner: self.schedule(inner, f"{where}.schedule"))

    def settings(self, node: Mapping, where: str) -> Settings:
        hooks = mapping(node.get("hooks"))
        remove = mapping(node.get("remove"))
        return Settings(
            to=optional(node, "to", lambda value: self.targets(value, where)),
            schedule=optional(node, "schedule", lambda value: self.when(value, where)),
            retention=optional(node, "retention", lambda value: self.named(value, self.retention)),
            compression=optional(node, "compression", scalar_text),
            one_file_system=optional(node, "one_file_system", flag),
            snapshot=optional(node, "snapshot", scalar_text),
            snapshot_space=optional(node, "snapshot_space", sized),
            honour_markers=optional(node, "honour_markers", flag),
            numeric_ids=optional(node, "numeric_ids", flag),
            upload_limit=optional(node, "upload_limit", sized),
            priority=optional(node, "priority", scalar_text),
            quiet=optional(
                node, "quiet", lambda value: Written(self.quiet(mapping(value), f"{where}.quiet"), value.span)
            ),
            roaming=optional(node, "roaming", flag),
            on_ac_only=optional(node, "on_ac_only", flag),
            stay_awake=optional(node, "stay_awake", flag),
            jump=optional(node, "jump", jump),
            scratch=optional(node, "scratch", scalar_text),
            history=optional(node, "history", flag),
            description=optional(node, "description", scalar_text),
            paths=texts(node, "paths"),
            optional_paths=texts(node, "optional_paths"),
            mounted=texts(node, "mounted"),
            exclude=texts(node, "exclude"),
            except_=texts(node, "except"),
            before=tuple(hook(mapping(item)) for item in items(hooks, "before")),
            after=tuple(hook(mapping(item)) for item in items(hooks, "after")),
            remove=tuple((entry.key.replace("except", "except_"), texts(remove, entry.key)) for entry in remove),
        )

    def targets(self, node: Node, where: str) -> Written[tuple[WrittenTarget, ...]]:
        if isinstance(node, Mapping):
            found = tuple(
                WrittenTarget(name_of(entry), self.settings(mapping(entry.value), f"{where}.to.{entry.key}"))
                for entry in node
            )
        else:
            found = tuple(WrittenTarget(scalar_text(item), Settings()) for item in sequence(node))
        return Written(found, node.span)

    def named(self, node: Node, inline: Callable[[Node], T]) -> Written[str | T]:
        if isinstance(node, Mapping):
            return Written(inline(node), node.span)
        return Written(str(scalar_text(node).value), node.span)

    def retention(self, node: Node) -> Retention:
        values = {entry.key: entry.value.value for entry in mapping(node) if isinstance(entry.value, Scalar)}
        numbers = {
            key: value for key, value in values.items() if isinstance(value, int) and not isinstance(value, bool)
        }
        within = values.get("within")
        return Retention(
            **numbers, within=None if within is None else str(within), forever=values.get("forever") is True
        )

    def schedule(self, node: Node, where: str) -> Schedule:
        written = mapping(node)
        window = written.get("window")
        every = written.get("every")
        timezone = self.timezone(written, where)
        schedule = Schedule(
            timezone=timezone,
            window=None if window is None else self.window(window, where),
            days=tuple(
                sorted({str(scalar_text(day).value).capitalize() for day in items(written, "days")}, key=_weekday)
            ),
            every=None if every is None else self.every(every, where),
            calendar=None if written.get("calendar") is None else text(written, "calendar").value,
        )
        if schedule.kind == "window" and schedule.window is not None and window is not None:
            lost = skipped(timezone)
            if lost and lost.issuperset(schedule.window.minutes()):
                self.report(
                    "BS304",
                    f"the window {schedule.window} lies in the hour that daylight saving skips in {timezone}",
                    window.span,
                    where,
                    "let the window begin earlier or end later",
                )
        if schedule.calendar is not None:
            self.calendar(schedule, text(written, "calendar").span, where)
        return schedule

    def calendar(self, schedule: Schedule, span: Span, where: str) -> None:
        read = read_calendar(schedule.calendar or "")
        if isinstance(read, str):
            hint = 'such as "Sat 04:00" or "*-*-01 06:15"; `systemd-analyze calendar TEXT` explains a text'
            self.report("BS307", f"`{schedule.calendar}` is no calendar time: {read}", span, where, hint)
            return
        for start in lost_starts(read, schedule.timezone)[:1]:
            self.report(
                "BS304",
                f"{clock(start)} does not exist on the day that daylight saving begins in {schedule.timezone}",
                span,
                where,
                "choose a time outside of that hour, or a `window`, which keeps out of it by itself",
            )

    def timezone(self, mapping: Mapping, where: str) -> str:
        written = text(mapping, "timezone")
        if zone(written.value) is None:
            self.report(
                "BS301",
                f"there is no time zone `{written.value}`",
                written.span,
                where,
                did_you_mean(written.value, _full_names()) or "write `REGION/CITY`, such as `Europe/Berlin`, or `UTC`",
            )
            return "UTC"
        return written.value

    def window(self, node: Node, where: str) -> Window:
        start, end = (int(part[:2]) * 60 + int(part[3:]) for part in str(scalar_text(node).value).split("-"))
        if start == end:
            self.report(
                "BS302",
                "the window begins and ends at the same minute",
                node.span,
                where,
                "write `00:00-24:00` for the whole day",
            )
        return Window(start % DAY, end % DAY)

    def every(self, node: Node, where: str) -> int:
        written = scalar_text(node).value
        length = seconds(written)
        count, rest = divmod(length, 60)
        if rest or count == 0 or DAY % count:
            near = _divisors(length / 60)
            self.report(
                "BS303",
                f"`every: {written}` does not divide a day into equal parts",
                node.span,
                where,
                f"write {' or '.join(f'`{spoken(divisor)}`' for divisor in near)}, or use `calendar`",
            )
            return near[0]
        return count

    def quiet(self, node: Mapping, where: str) -> Quiet:
        window = node.get("window")
        return Quiet(Window(0, 1) if window is None else self.window(window, where), self.timezone(node, where))

    def report(self, code: str, message: str, span: Span, where: str, hint: str) -> None:
        self.found.append(diagnose(code, message, span, where=where, hint=hint))


def _full_names() -> list[str]:
    """Give the zones to suggest: an abbreviation that looks alike may be hours away."""
    return [name for name in zone_names() if "/" in name or name == "UTC"]


def _divisors(length: float) -> tuple[int, ...]:
    """Give the nearest parts of a day below and above, in minutes; in whole hours where `length` is longer than one."""
    unit = 60 if length > 60 else 1  # noqa: PLR2004 - minutes of an hour
    whole = [part for part in range(unit, DAY + 1, unit) if DAY % part == 0]
    below = [part for part in whole if part < length][-1:]
    above = [part for part in whole if part > length][:1]
    return (*below, *above)


def _weekday(day: str) -> int:
    return ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun").index(day)


def _machine(entry: Entry) -> Machine:
    node = mapping(entry.value)
    borg = node.get("borg")
    return Machine(
        name=name_of(entry),
        site=optional(node, "site", scalar_text),
        address=optional(node, "address", scalar_text),
        os=optional(node, "os", scalar_text),
        borg=WrittenBorg(word(borg, "version", "") or None, word(borg, "path", "") or None, borg.span)
        if isinstance(borg, Mapping)
        else None,
    )
