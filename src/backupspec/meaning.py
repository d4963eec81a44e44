"""What a change means for the backups: one sentence for each fact that differs between two compilations.

The facts are those of `plan.facts`; what has no line in the table below is left to the comparison of the files.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from backupspec.nodes import duration
from backupspec.tree import Tree

_BUCKETS = ("forever", "within", "last", "secondly", "minutely", "hourly", "daily", "weekly", "monthly", "yearly")
_HOURS = {"H": 1, "d": 24, "w": 24 * 7, "m": 24 * 31, "y": 24 * 365}

Facts = dict[str, object]


@dataclass(frozen=True, slots=True)
class Meaning:
    """One sentence on what a change does to a host's backups; `loss` marks what takes protection away."""

    host: str
    text: str
    loss: bool = False


@dataclass(frozen=True, slots=True)
class _Sentence:
    """How a change is said; a bad one takes protection away."""

    text: str
    bad: bool = False


@dataclass(frozen=True, slots=True)
class _Parts:
    """A list, or something that is on or off: what is said of each value that comes, and of each that goes."""

    comes: _Sentence
    goes: _Sentence


@dataclass(frozen=True, slots=True)
class _Value:
    """A single value: what is said when it is another one. Of a number of something, less is bad and none is most."""

    changes: _Sentence
    unit: Literal["", "bytes", "seconds"] = ""


# Filled in: {host}, {subject}, {value} of a list, {old} and {new} of a single value.
_TABLE: dict[tuple[str, str], _Parts | _Value] = {
    ("job", "paths"): _Parts(
        _Sentence("{subject} of {host} now backs up {value}"),
        _Sentence("{subject} of {host} no longer backs up {value}", bad=True),
    ),
    ("job", "exclude"): _Parts(
        _Sentence("{subject} of {host} now leaves out {value}", bad=True),
        _Sentence("{subject} of {host} no longer leaves out {value}"),
    ),
    ("job", "except"): _Parts(
        _Sentence("{subject} of {host} now backs up {value}, whatever it leaves out"),
        _Sentence("{subject} of {host} no longer makes an exception of {value}", bad=True),
    ),
    ("job", "inner"): _Parts(
        _Sentence("{subject} of {host} leaves {value} to another job"),
        _Sentence("{subject} of {host} takes {value} itself again"),
    ),
    ("job", "live"): _Parts(
        _Sentence("{subject} of {host} leaves {value} to the dumps of a databases job"),
        _Sentence("{subject} of {host} takes {value} itself, as files that a database writes", bad=True),
    ),
    ("databases", "what"): _Value(_Sentence("{subject} of {host} dumps {new}, no longer {old}", bad=True)),
    ("databases", "data"): _Parts(
        _Sentence("{subject} of {host} takes {value} for live data: files jobs leave it out"),
        _Sentence("{subject} of {host} no longer takes {value} for live data: files jobs copy it"),
    ),
    ("databases", "stage"): _Value(_Sentence("dumps of {subject} on {host} go through {new}, no longer {old}")),
    ("databases", "drill"): _Value(_Sentence("drill of {subject} on {host}: {old} → {new}")),
    ("databases", "keep_vanished"): _Value(
        _Sentence("archives of databases of {subject} that are gone live {new}, no longer {old}"), unit="seconds"
    ),
    ("databases", "server"): _Value(_Sentence("server of {subject} on {host}: {old} → {new}")),
    ("databases", "login"): _Value(_Sentence("{subject} of {host} comes to its server as {new}, no longer as {old}")),
    ("databases", "account"): _Value(_Sentence("account that dumps {subject} of {host}: {old} → {new}")),
    ("databases", "configuration"): _Value(_Sentence("configuration of slapd for {subject} on {host}: {old} → {new}")),
    ("databases", "load"): _Value(_Sentence("command that restores {subject} of {host}: {old} → {new}")),
    ("databases", "oplog"): _Parts(
        _Sentence("{subject} of {host} now dumps all databases together, at one moment"),
        _Sentence("{subject} of {host} now dumps each database by itself, and none as of one moment", bad=True),
    ),
    ("databases", "time_limit"): _Value(
        _Sentence("a dump of {subject} on {host} may take {new}, no longer {old}"), unit="seconds"
    ),
    ("databases", "lock_wait"): _Value(
        _Sentence("a dump of {subject} on {host} waits {new} for a lock, no longer {old}"), unit="seconds"
    ),
    ("databases", "most_series"): _Value(
        _Sentence("{subject} of {host} puts all dumps of a run into one archive above {new} databases, no longer {old}")
    ),
    ("databases", "drill_oldest"): _Parts(
        _Sentence("drills of {subject} on {host} fail with a newest dump older than {value}"),
        _Sentence("drills of {subject} on {host} no longer fail with one older than {value}", bad=True),
    ),
    ("databases", "drill_asks"): _Parts(
        _Sentence("drills of {subject} on {host} ask {value}"),
        _Sentence("drills of {subject} on {host} no longer ask {value}", bad=True),
    ),
    ("databases", "accounts"): _Parts(
        _Sentence("{subject} of {host} now dumps {value} too"),
        _Sentence("{subject} of {host} no longer dumps {value}", bad=True),
    ),
    ("machine", "domain"): _Value(
        _Sentence(
            "{subject} of {host} reads the virtual machine {new}, no longer {old}: all that is not in the repository "
            "is stored anew",
            bad=True,
        )
    ),
    ("machine", "disks"): _Parts(
        _Sentence("{subject} of {host} now backs up the disk {value}"),
        _Sentence("{subject} of {host} no longer backs up the disk {value}", bad=True),
    ),
    ("machine", "method"): _Value(_Sentence("{subject} of {host} is backed up by {new}, no longer by {old}", bad=True)),
    ("machine", "full_every"): _Value(_Sentence("{subject} of {host} reads all of its disks {new}, no longer {old}")),
    ("machine", "quiesce"): _Value(_Sentence("quiesce of {subject} on {host}: {old} → {new}")),
    ("machine", "chunk_size"): _Value(
        _Sentence(
            "chunk size of {subject} on {host}: {old} → {new} bytes; the next backup stores every disk once more",
            bad=True,
        )
    ),
    ("machine", "scratch"): _Value(_Sentence("scratch space of {subject} on {host}: {old} → {new}")),
    ("job", "mounted"): _Parts(
        _Sentence("{subject} of {host} now runs only while {value} is mounted"),
        _Sentence("{subject} of {host} now runs even while {value} is not mounted", bad=True),
    ),
    ("job", "one_file_system"): _Parts(
        _Sentence("{subject} of {host} now leaves out every file system mounted below its paths", bad=True),
        _Sentence("{subject} of {host} now goes into file systems mounted below its paths"),
    ),
    ("job", "snapshot"): _Parts(
        _Sentence("{subject} of {host} now reads from a snapshot ({value})"),
        _Sentence("{subject} of {host} no longer reads from a snapshot ({value})", bad=True),
    ),
    ("job", "snapshot_space"): _Value(
        _Sentence("snapshots for {subject} on {host} may take {new} bytes, no longer {old}")
    ),
    ("job", "honour_markers"): _Parts(
        _Sentence("{subject} of {host} now leaves out folders that are marked as not worth it", bad=True),
        _Sentence("{subject} of {host} now backs up folders that are marked as not worth it"),
    ),
    ("job", "compression"): _Value(
        _Sentence("compression of {subject} on {host}: {old} → {new}; what is stored stays as it is")
    ),
    ("job", "before"): _Parts(
        _Sentence("{subject} of {host} has a new hook before it: {value}"),
        _Sentence("{subject} of {host} has no hook before it any more: {value}", bad=True),
    ),
    ("job", "after"): _Parts(
        _Sentence("{subject} of {host} has a new hook after it: {value}"),
        _Sentence("{subject} of {host} has no hook after it any more: {value}", bad=True),
    ),
    ("target", "schedule"): _Value(_Sentence("schedule of {subject}: {old} → {new}")),
    ("target", "upload_limit"): _Value(_Sentence("upload limit of {subject}: {old} → {new} bytes per second")),
    ("repository", "encryption"): _Value(
        _Sentence("encryption of {subject} changes from {old} to {new}: repositories that exist keep theirs", bad=True)
    ),
    ("repository", "append_only"): _Parts(
        _Sentence("{subject} is append-only now: {host} cannot delete what is in it"),
        _Sentence("{subject} is not append-only any more: {host} may delete what is in it", bad=True),
    ),
    ("repository", "quota"): _Value(_Sentence("quota of {subject} for {host}: {old} → {new}"), unit="bytes"),
    ("repository", "place"): _Value(
        _Sentence("{subject} of {host} moves from {old} to {new}: its archives stay where they are", bad=True)
    ),
    ("repository", "account"): _Value(
        _Sentence("account of {host} for {subject}: {old} → {new}; what is there belongs to the old one", bad=True)
    ),
    ("repository", "host_key"): _Value(_Sentence("host key of {subject} changes: {host} trusts the new one only")),
    ("repository", "passphrase"): _Value(
        _Sentence("passphrase of {subject} on {host}: {old} → {new}; repositories that exist keep theirs", bad=True)
    ),
    ("repository", "present_sometimes"): _Parts(
        _Sentence("{subject} of {host} may be away now: while it is, jobs are skipped in silence", bad=True),
        _Sentence("{subject} of {host} must always be there now: while it is not, jobs fail"),
    ),
    ("repository", "mounted"): _Parts(
        _Sentence("{subject} of {host} is written to only while {value} is mounted"),
        _Sentence("{subject} of {host} is written to even while {value} is not mounted", bad=True),
    ),
    ("repository", "check"): _Value(_Sentence("check of {subject} on {host}: {old} → {new}")),
    ("host", "quiet"): _Value(_Sentence("quiet hours of {host}: {old} → {new}")),
    ("host", "roaming"): _Parts(
        _Sentence("{host} roams now: its jobs are tried every half hour until they are done"),
        _Sentence("{host} does not roam any more: its jobs run at fixed times"),
    ),
    ("host", "on_ac_only"): _Parts(
        _Sentence("{host} backs up on mains power only", bad=True),
        _Sentence("{host} backs up on battery, too"),
    ),
    ("host", "ssh_key"): _Value(_Sentence("ssh key of {host} changes: servers let in the new one only")),
    ("host", "jump"): _Value(_Sentence("{host} reaches its servers through {new}, not {old}")),
    ("host", "formerly"): _Parts(
        _Sentence("{host} takes over the archives of {value}"),
        _Sentence("{host} no longer takes over the archives of {value}: nothing prunes them", bad=True),
    ),
    ("host", "alerts"): _Parts(
        _Sentence("failures on {host} are now reported to {value}"),
        _Sentence("failures on {host} are no longer reported to {value}", bad=True),
    ),
    ("server", "host_key"): _Value(_Sentence("host key of {subject} changes: hosts trust the new one only")),
    ("server", "address"): _Value(_Sentence("address of {subject}: {old} → {new}")),
    ("server", "storage"): _Value(
        _Sentence("storage of {subject} moves from {old} to {new}: archives stay where they are", bad=True)
    ),
    ("server", "storage_mounted"): _Parts(
        _Sentence("{subject} takes archives only while {value} is mounted"),
        _Sentence("{subject} takes archives even while {value} is not mounted", bad=True),
    ),
}
_TABLE["snapshots", "domain"] = _Value(
    _Sentence("{subject} of {host} takes snapshots of the virtual machine {new}, no longer of {old}", bad=True)
)
_TABLE["snapshots", "schedule"] = _TABLE["target", "schedule"]
for _fact in ("before", "after"):
    _TABLE["snapshots", _fact] = _TABLE["job", _fact]
_TABLE["machine", "drill"] = _TABLE["databases", "drill"]
for _fact in ("compression", "before", "after"):
    _TABLE["databases", _fact] = _TABLE["machine", _fact] = _TABLE["job", _fact]


def meanings(old: Tree, new: Tree) -> Iterator[Meaning]:
    """Give what the differences mean, machine by machine."""
    before, after = dict(old.facts), dict(new.facts)
    renamed = former_names(new)
    for host in sorted({*old.hosts, *new.hosts}):
        if host in new.hosts and host in old.hosts:
            yield from _of_host(host, _facts(before, host), _facts(after, host))
        elif host in new.hosts:
            yield Meaning(host, "new in the inventory")
        elif host in renamed:
            yield Meaning(host, f"is called {renamed[host]} now, which takes over its archives")
        else:
            yield Meaning(host, "vanishes from the inventory; its timers keep running on the machine", loss=True)


def former_names(tree: Tree) -> dict[str, str]:
    """Give the present name of each machine by its former ones."""
    found: dict[str, str] = {}
    for host, text in tree.facts:
        former = _below(_below(json.loads(text), "host"), host).get("formerly")
        found |= {str(name): host for name in former} if isinstance(former, list) else {}
    return found


def _of_host(host: str, before: Facts, after: Facts) -> Iterator[Meaning]:
    for kind in sorted({*before, *after}):
        old, new = _below(before, kind), _below(after, kind)
        for subject in sorted({*old, *new}):
            name = " → ".join(subject.split("_"))
            if subject in old and subject in new:
                yield from _of_subject(host, kind, name, _below(old, subject), _below(new, subject))
            elif kind == "target" and subject in old:
                yield Meaning(host, f"job {name} is given up: no new archives are made", loss=True)
            elif kind == "target":
                yield Meaning(host, f"job {name} is new")
            elif kind == "machine":
                yield from _of_machine(host, name, _below(old, subject), _below(new, subject), new)
            elif kind == "snapshots" and subject in old:
                text = f"{name} takes no more snapshots; those that exist stay in the images until they are deleted"
                yield Meaning(host, text, loss=True)
            elif kind == "snapshots":
                yield Meaning(host, f"{name} takes snapshots, which are no backup")


def _of_machine(host: str, name: str, old: Facts, new: Facts, now: Facts) -> Iterator[Meaning]:
    """Tell of an entry that comes or goes; what is read has jobs besides, of which more is said."""
    domain, method = (old or new).get("domain"), str((old or new).get("method", ""))
    if method.startswith("guest"):
        text = f"{name} of {host}: the virtual machine {domain} is left to {method.replace('guest', 'its guest', 1)}"
        gone = f"{name} of {host} is given up: nothing says any more that the virtual machine {domain} backs itself up"
        if not old or all(_below(now, other).get("domain") != domain for other in now):
            yield Meaning(host, gone if old else text, loss=bool(old))
        return
    for other in now if old else ():
        if _below(now, other).get("domain") == domain and _below(now, other).get("method") == method:
            text = (
                f"{name} of {host} is called {other} now: all archives of {domain} begin anew, and nothing thins out "
            )
            yield Meaning(host, f"{text}those of {name}", loss=True)


def _of_subject(host: str, kind: str, subject: str, before: Facts, after: Facts) -> Iterator[Meaning]:
    for fact in sorted({*before, *after}):
        old, new = before.get(fact), after.get(fact)
        if old == new:
            continue
        if fact == "retention":
            yield _of_retention(host, subject, _below(before, fact), _below(after, fact))
            continue
        match _TABLE.get((kind, fact)):
            case _Parts(comes, goes):
                changes = [(comes, item) for item in _parts(new) if item not in _parts(old)]
                changes += [(goes, item) for item in _parts(old) if item not in _parts(new)]
                for sentence, item in changes:
                    said = sentence.text.format(host=host, subject=subject, value=_told(item))
                    yield Meaning(host, said, sentence.bad)
            case _Value(sentence, unit):
                shown = [_measured(value, unit) for value in (old, new)]
                said = sentence.text.format(host=host, subject=subject, old=shown[0], new=shown[1])
                yield Meaning(host, said, sentence.bad or (bool(unit) and _less(new, old)))
            case None:
                continue


def _of_retention(host: str, job: str, old: Facts, new: Facts) -> Meaning:
    changed = [bucket for bucket in _BUCKETS if old.get(bucket) != new.get(bucket)]
    shorter = not new.get("forever") and any(_worth(new.get(bucket)) < _worth(old.get(bucket)) for bucket in changed)
    longer = not old.get("forever") and any(_worth(new.get(bucket)) > _worth(old.get(bucket)) for bucket in changed)
    word = "changes" if shorter == longer else "gets shorter" if shorter else "gets longer"
    told = ", ".join(f"{bucket} {_told(old.get(bucket))} → {_told(new.get(bucket))}" for bucket in changed)
    return Meaning(host, f"retention {word} on {host} ({job}): {told}", loss=shorter)


def _facts(facts: dict[str, str], host: str) -> Facts:
    found: object = json.loads(facts.get(host, "{}"))
    return found if isinstance(found, dict) else {}


def _below(facts: object, name: str) -> Facts:
    """Give the facts below a name; none where a manifest of another version has something else there."""
    found = facts.get(name) if isinstance(facts, dict) else None
    return found if isinstance(found, dict) else {}


def _parts(value: object) -> list[object]:
    if isinstance(value, list):
        return value
    return [value] if value else []


def _less(new: object, old: object) -> bool:
    return isinstance(new, int) and (not isinstance(old, int) or new < old)


def _measured(value: object, unit: str) -> str:
    if not unit or not isinstance(value, int):
        return _told(value)
    return f"{value / 10**9:,.10g} GB" if unit == "bytes" else duration(value)


def _worth(value: object) -> int:
    """Give how much a bucket keeps: its number, or the hours of `within`."""
    if isinstance(value, int):
        return int(value)
    match = re.fullmatch(r"(\d+)([a-zA-Z])", value) if isinstance(value, str) else None
    return int(match[1]) * _HOURS.get(match[2], 0) if match else 0


def _told(value: object) -> str:
    if value is None:
        return "none"
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True, ensure_ascii=False)
