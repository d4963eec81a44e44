"""Bind: Document -> Inventory. Text becomes durations, sizes, windows; names stay names.

The schema has judged shapes before, so what is missing or of a wrong type here was reported there; this stage reports
what a schema cannot know (time zones, windows of no length, numbers that do not divide a day).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Literal, TypeVar, cast

from backupspec.calendar_grammar import lost_starts, read_calendar
from backupspec.catalogue import diagnose
from backupspec.diagnostic import Diagnostic, Diagnostics, Span
from backupspec.document import Document, Entry, Mapping, Node, Scalar, Sequence
from backupspec.fleet import Hook, Retention
from backupspec.inventory import (
    Accept,
    Inventory,
    Layer,
    Machine,
    Settings,
    Written,
    WrittenAlert,
    WrittenBorg,
    WrittenHost,
    WrittenJump,
    WrittenRepository,
    WrittenServer,
    WrittenTarget,
)
from backupspec.schedule import DAY, Quiet, Schedule, Window, clock, skipped, zone, zone_names
from backupspec.suggest import did_you_mean

T = TypeVar("T")

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_BYTES = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12, "P": 10**15}
_BYTES_BINARY = {"k": 2**10, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40, "P": 2**50}


def seconds(text: str) -> int:
    """Give a duration such as `1h30m` in seconds; the schema guarantees its form."""
    return sum(int(number) * _SECONDS[unit] for number, unit in re.findall(r"(\d+)([smhdw])", text))


def size(text: str) -> int:
    """Give a size such as `200GB` or `1.5TiB` in bytes; the schema guarantees its form."""
    match = re.fullmatch(r"(\d+)(?:\.(\d+))?([kKMGTP]?)(i?)B?(?:/s)?", text)
    if match is None:  # pragma: no cover - the schema's pattern is narrower
        raise ValueError(text)
    whole, part, unit, binary = match.groups()
    factor = _BYTES_BINARY[unit] if binary else _BYTES[unit.replace("K", "k")]
    part = part or ""
    return int(int(whole + part) * factor // 10 ** len(part))


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
            fleet=_text(root, "fleet"),
            sites=tuple(Written(entry.key, entry.key_span) for entry in _entries(root, "sites")),
            retentions=tuple((_name(entry), self.retention(entry.value)) for entry in _entries(root, "retention")),
            schedules=tuple(
                (_name(entry), self.schedule(entry.value, f"schedules.{entry.key}"))
                for entry in _entries(root, "schedules")
            ),
            servers=tuple(self.server(entry) for entry in _entries(root, "servers")),
            repositories=tuple(self.repository(entry) for entry in _entries(root, "repositories")),
            defaults=None
            if defaults is None
            else self.layer("defaults", "defaults", defaults.key_span, _mapping(defaults.value)),
            profiles=tuple(
                self.layer(f"profile {entry.key}", f"profiles.{entry.key}", entry.key_span, _mapping(entry.value))
                for entry in _entries(root, "profiles")
            ),
            hosts=tuple(self.host(entry) for entry in _entries(root, "hosts")),
            retired=_texts(root, "retired"),
            alerts=tuple(_alert(entry) for entry in _entries(root, "alerts")),
            accepts=tuple(_accept(_mapping(item)) for item in _items(root, "accept")),
            files=document.files,
        )

    def server(self, entry: Entry) -> WrittenServer:
        node = _mapping(entry.value)
        storage = _mapping(node.get("storage"))
        return WrittenServer(
            machine=_machine(entry),
            port=_number(node, "port", 22),
            host_key=_text(node, "host_key"),
            storage=_text(storage, "path"),
            storage_mounted=_texts(storage, "mounted"),
            capacity=_optional(storage, "capacity", _size),
            accounts="shared" if _word(node, "accounts", "per-host") == "shared" else "per-host",
            account=_optional(node, "account", _scalar_text),
        )

    def repository(self, entry: Entry) -> WrittenRepository:
        node = _mapping(entry.value)
        passphrase = node.get("passphrase")
        check = _word(node, "check", "monthly")
        if passphrase is not None and not isinstance(passphrase, Mapping) and _word(node, "per", "host") == "fleet":
            self.report(
                "BS218",
                f"all hosts share `{entry.key}`, and each would have a passphrase of its own",
                passphrase.span,
                f"repositories.{entry.key}.passphrase",
                "write `passphrase: {credential: NAME}`",
            )
        return WrittenRepository(
            name=_name(entry),
            server=_optional(node, "server", _scalar_text),
            path=_optional(node, "path", _scalar_text),
            url=_optional(node, "url", _scalar_text),
            per_fleet=_word(node, "per", "host") == "fleet",
            encryption=_optional(node, "encryption", _scalar_text) or Written("repokey-blake2", entry.key_span),
            credential=_text(passphrase, "credential") if isinstance(passphrase, Mapping) else None,
            append_only=_optional(node, "append_only", _flag) or Written(value=False, span=entry.key_span),
            quota=_optional(node, "quota", _size),
            host_key=_optional(node, "host_key", _scalar_text),
            remote_borg=_optional(node, "remote_borg", _scalar_text),
            present_sometimes=_word(node, "present", "always") == "sometimes",
            mounted=_texts(node, "mounted"),
            check=cast(Literal["weekly", "monthly", "off"], check),
        )

    def host(self, entry: Entry) -> WrittenHost:
        node = _mapping(entry.value)
        quotas = []
        for override in _entries(node, "repositories"):
            quota = _optional(_mapping(override.value), "quota", _size)
            if quota is not None:
                quotas.append((_name(override), quota))
        return WrittenHost(
            machine=_machine(entry),
            profiles=_texts(node, "profiles"),
            ssh_key=_optional(node, "ssh_key", _scalar_text),
            formerly=_texts(node, "formerly"),
            quotas=tuple(quotas),
            layer=self.layer("host", f"hosts.{entry.key}", entry.key_span, node),
        )

    # Settings -------------------------------------------------------------------------------------------------

    def layer(self, name: str, where: str, span: Span, node: Mapping) -> Layer:
        jobs = tuple(
            (
                _name(entry),
                self.settings(entry.value, f"{where}.files.{entry.key}") if isinstance(entry.value, Mapping) else None,
            )
            for entry in _entries(node, "files")
        )
        return Layer(name, span, self.settings(node, where), jobs)

    def settings(self, node: Mapping, where: str) -> Settings:
        hooks = _mapping(node.get("hooks"))
        remove = _mapping(node.get("remove"))
        return Settings(
            to=_optional(node, "to", lambda value: self.targets(value, where)),
            schedule=_optional(
                node,
                "schedule",
                lambda value: self.named(value, lambda inner: self.schedule(inner, f"{where}.schedule")),
            ),
            retention=_optional(node, "retention", lambda value: self.named(value, self.retention)),
            compression=_optional(node, "compression", _scalar_text),
            one_file_system=_optional(node, "one_file_system", _flag),
            honour_markers=_optional(node, "honour_markers", _flag),
            upload_limit=_optional(node, "upload_limit", _size),
            priority=_optional(node, "priority", _scalar_text),
            quiet=_optional(
                node, "quiet", lambda value: Written(self.quiet(_mapping(value), f"{where}.quiet"), value.span)
            ),
            roaming=_optional(node, "roaming", _flag),
            on_ac_only=_optional(node, "on_ac_only", _flag),
            stay_awake=_optional(node, "stay_awake", _flag),
            jump=_optional(node, "jump", _jump),
            history=_optional(node, "history", _flag),
            description=_optional(node, "description", _scalar_text),
            paths=_texts(node, "paths"),
            optional_paths=_texts(node, "optional_paths"),
            mounted=_texts(node, "mounted"),
            exclude=_texts(node, "exclude"),
            except_=_texts(node, "except"),
            before=tuple(_hook(_mapping(item)) for item in _items(hooks, "before")),
            after=tuple(_hook(_mapping(item)) for item in _items(hooks, "after")),
            remove=tuple((entry.key.replace("except", "except_"), _texts(remove, entry.key)) for entry in remove),
        )

    def targets(self, node: Node, where: str) -> Written[tuple[WrittenTarget, ...]]:
        if isinstance(node, Mapping):
            found = tuple(
                WrittenTarget(_name(entry), self.settings(_mapping(entry.value), f"{where}.to.{entry.key}"))
                for entry in node
            )
        else:
            found = tuple(WrittenTarget(_scalar_text(item), Settings()) for item in _sequence(node))
        return Written(found, node.span)

    def named(self, node: Node, inline: Callable[[Node], T]) -> Written[str | T]:
        if isinstance(node, Mapping):
            return Written(inline(node), node.span)
        return Written(str(_scalar_text(node).value), node.span)

    def retention(self, node: Node) -> Retention:
        values = {entry.key: entry.value.value for entry in _mapping(node) if isinstance(entry.value, Scalar)}
        numbers = {
            key: value for key, value in values.items() if isinstance(value, int) and not isinstance(value, bool)
        }
        within = values.get("within")
        return Retention(
            **numbers, within=None if within is None else str(within), forever=values.get("forever") is True
        )

    def schedule(self, node: Node, where: str) -> Schedule:
        mapping = _mapping(node)
        window = mapping.get("window")
        every = mapping.get("every")
        timezone = self.timezone(mapping, where)
        schedule = Schedule(
            timezone=timezone,
            window=None if window is None else self.window(window, where),
            days=tuple(
                sorted({str(_scalar_text(day).value).capitalize() for day in _items(mapping, "days")}, key=_weekday)
            ),
            every=None if every is None else self.every(every, where),
            calendar=None if mapping.get("calendar") is None else _text(mapping, "calendar").value,
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
            self.calendar(schedule, _text(mapping, "calendar").span, where)
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
        written = _text(mapping, "timezone")
        if zone(written.value) is None:
            self.report(
                "BS301",
                f"there is no time zone `{written.value}`",
                written.span,
                where,
                did_you_mean(written.value, zone_names()) or "write a name such as `Europe/Berlin` or `UTC`",
            )
            return "UTC"
        return written.value

    def window(self, node: Node, where: str) -> Window:
        start, end = (int(part[:2]) * 60 + int(part[3:]) for part in str(_scalar_text(node).value).split("-"))
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
        text = str(_scalar_text(node).value)
        length = seconds(text)
        count, rest = divmod(length, 60)
        if rest or count == 0 or DAY % count:
            near = min(
                (divisor for divisor in range(1, DAY + 1) if DAY % divisor == 0),
                key=lambda divisor: abs(divisor * 60 - length),
            )
            hours, left = divmod(near, 60)
            said = (f"{hours}h" if hours else "") + (f"{left}m" if left else "")
            self.report(
                "BS303",
                f"`every: {text}` does not divide a day into equal parts",
                node.span,
                where,
                f"write `{said}`, or use `calendar`",
            )
            return near
        return count

    def quiet(self, node: Mapping, where: str) -> Quiet:
        window = node.get("window")
        return Quiet(Window(0, 1) if window is None else self.window(window, where), self.timezone(node, where))

    def report(self, code: str, message: str, span: Span, where: str, hint: str) -> None:
        self.found.append(diagnose(code, message, span, where=where, hint=hint))


# Reading nodes whose shape the schema has judged --------------------------------------------------------------


def _mapping(node: Node | None) -> Mapping:
    return node if isinstance(node, Mapping) else Mapping((), node.span if node is not None else Span("", 1, 1, 1, 1))


def _sequence(node: Node | None) -> Iterator[Node]:
    return iter(node) if isinstance(node, Sequence) else iter(())


def _entries(node: Mapping, key: str) -> Iterator[Entry]:
    return iter(_mapping(node.get(key)))


def _items(node: Mapping, key: str) -> Iterator[Node]:
    return _sequence(node.get(key))


def _name(entry: Entry) -> Written[str]:
    return Written(entry.key, entry.key_span)


def _scalar_text(node: Node) -> Written[str]:
    value = node.value if isinstance(node, Scalar) else ""
    return Written("" if value is None else str(value), node.span)


def _text(node: Node, key: str) -> Written[str]:
    value = _mapping(node).get(key)
    return Written("", node.span) if value is None else _scalar_text(value)


def _texts(node: Mapping, key: str) -> tuple[Written[str], ...]:
    return tuple(_scalar_text(item) for item in _items(node, key))


def _word(node: Mapping, key: str, default: str) -> str:
    return _text(node, key).value or default


def _number(node: Mapping, key: str, default: int) -> int:
    value = node.get(key)
    return value.value if isinstance(value, Scalar) and isinstance(value.value, int) else default


def _flag(node: Node) -> Written[bool]:
    return Written(isinstance(node, Scalar) and node.value is True, node.span)


def _size(node: Node) -> Written[int]:
    return Written(size(_scalar_text(node).value), node.span)


def _optional(node: Mapping, key: str, read: Callable[[Node], T]) -> T | None:
    value = node.get(key)
    return None if value is None else read(value)


def _weekday(day: str) -> int:
    return ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun").index(day)


def _machine(entry: Entry) -> Machine:
    node = _mapping(entry.value)
    borg = node.get("borg")
    return Machine(
        name=_name(entry),
        site=_optional(node, "site", _scalar_text),
        address=_optional(node, "address", _scalar_text),
        os=_optional(node, "os", _scalar_text),
        borg=WrittenBorg(_word(borg, "version", "") or None, _word(borg, "path", "") or None, borg.span)
        if isinstance(borg, Mapping)
        else None,
    )


def _jump(node: Node) -> Written[WrittenJump]:
    mapping = _mapping(node)
    return Written(
        WrittenJump(
            _text(mapping, "address"), _number(mapping, "port", 22), _text(mapping, "user"), _text(mapping, "host_key")
        ),
        node.span,
    )


def _hook(node: Mapping) -> Written[Hook]:
    run = node.get("run")
    argv = (
        tuple(_scalar_text(item).value for item in run)
        if isinstance(run, Sequence)
        else ("/bin/sh", "-c", _text(node, "run").value)
    )
    timeout = _optional(node, "timeout", lambda value: seconds(_scalar_text(value).value))
    return Written(
        Hook(argv, "root" if _word(node, "user", "backupspec") == "root" else "backupspec", timeout), node.span
    )


def _alert(entry: Entry) -> WrittenAlert:
    node = _mapping(entry.value)
    command = tuple(_scalar_text(item).value for item in _items(node, "command"))
    return WrittenAlert(_name(entry), _word(node, "mail", "") or None, command)


def _accept(node: Mapping) -> Accept:
    return Accept(
        _text(node, "code"),
        _text(node, "where"),
        _text(node, "because").value,
        _optional(node, "until", _scalar_text),
        node.span,
    )
