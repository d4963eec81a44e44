"""Reads rsnapshot.conf with its effective meaning, and runs nothing of what it says.

The grammar and the way in which options override each other are those of rsnapshot 1.4 (`parse_config_file`,
`parse_backup_opts` and `rsync_backup_point` in its source); `rsnapshot -t` is the oracle that the tests compare with.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from backupspec.catalogue import diagnose
from backupspec.diagnostic import Diagnostic, Diagnostics, Span
from backupspec_migrate.configuration import BackupPoint, BackupScript, Configuration, Hook, Retain
from backupspec_migrate.plain_file import read_plain
from backupspec_migrate.point_options import is_absolute, point_options
from backupspec_migrate.rsync_args import Transfer, split_long_args, transfer

DEFAULT_SHORT_ARGS = "-a"
DEFAULT_LONG_ARGS = "--delete --numeric-ids --relative --delete-excluded"
RESERVED = frozenset(
    {
        "archive",
        "check-config-version",
        "configtest",
        "diff",
        "delete",
        "du",
        "get-latest-snapshot",
        "help",
        "history",
        "list",
        "print-config",
        "restore",
        "rollback",
        "sync",
        "upgrade-config-file",
        "version",
        "version-only",
    }
)
IGNORED = frozenset(
    {
        "config_version",
        "cmd_rsync",
        "cmd_ssh",
        "cmd_cp",
        "cmd_rm",
        "cmd_logger",
        "cmd_du",
        "cmd_rsnapshot_diff",
        "cmd_preexec",
        "cmd_postexec",
        "linux_lvm_cmd_lvcreate",
        "linux_lvm_cmd_lvremove",
        "linux_lvm_cmd_mount",
        "linux_lvm_cmd_umount",
        "linux_lvm_vgpath",
        "linux_lvm_snapshotname",
        "linux_lvm_snapshotsize",
        "linux_lvm_mountpath",
        "no_create_root",
        "ssh_args",
        "du_args",
        "verbose",
        "loglevel",
        "use_lazy_deletes",
        "rsync_numtries",
    }
)
"""Keys that rsnapshot knows and that say nothing about what lies in the tree."""
_VALUES = {
    "config_version": r"1\.2",
    "no_create_root": "[01]",
    "use_lazy_deletes": "[01]",
    "verbose": "[1-5]",
    "loglevel": "[1-5]",
    "rsync_numtries": "[0-9]+",
}


@dataclass(frozen=True, slots=True)
class _Line:
    """A logical line: key and at most three values, continuation lines joined."""

    fields: tuple[str, ...]
    text: str
    span: Span


@dataclass(slots=True)
class _State:
    """What was read so far; the order of the lines matters, as in rsnapshot."""

    values: dict[str, str] = field(default_factory=dict)
    retains: list[Retain] = field(default_factory=list)
    points: list[tuple[BackupPoint, dict[str, str]]] = field(default_factory=list)
    scripts: list[BackupScript] = field(default_factory=list)
    hooks: list[Hook] = field(default_factory=list)
    patterns: list[str] = field(default_factory=list)
    pattern_files: list[str] = field(default_factory=list)
    found: list[Diagnostic] = field(default_factory=list)
    open_files: list[Path] = field(default_factory=list)

    def refuse(self, line: _Line, why: str, hint: str = "") -> None:
        self.found.append(diagnose("BS601", f"{why}: {line.text!r}", line.span, hint=hint))


def read_configuration(path: Path) -> tuple[Configuration | None, Diagnostics]:
    """Read rsnapshot.conf and what it includes; give None when it is not what rsnapshot would run with.

    Commands in it are never run: `` include_conf `cmd` `` is an error (BS603), scripts and hooks are only noted.
    Whether programs that it names exist is not asked, since the tree may have been moved to another machine.
    """
    state = _State()
    _read_file(path, Span(str(path), 1, 1, 1, 1), state)
    return _finish(path, state), tuple(state.found)


def _read_file(path: Path, mentioned: Span, state: _State) -> None:
    resolved = path.resolve()
    if resolved in state.open_files:
        hint = "rsnapshot would never come to an end: take this line out"
        state.found.append(diagnose("BS604", f"{path} includes itself", mentioned, hint=hint))
        return
    try:
        text = read_plain(resolved).decode("utf-8", "surrogateescape")
    except OSError as error:
        hint = "name the file by its full path, and read it as root"
        state.found.append(diagnose("BS604", f"{path} cannot be read: {error.strerror}", mentioned, hint=hint))
        return
    state.open_files.append(resolved)
    for line in _lines(text, str(path)):
        _take(line, state)
    state.open_files.pop()


def _lines(text: str, file: str) -> Iterator[_Line]:
    physical = text.split("\n")
    number = 0
    while number < len(physical):
        first, line = number, physical[number]
        number += 1
        if line.startswith("#") or not line.strip():
            continue
        while number < len(physical) and re.match(r"[\t ]+\S", physical[number]):
            line = f"{line}\t{physical[number].strip()}"
            number += 1
        fields = re.split(r"\t+", line, maxsplit=3)
        end = number
        yield _Line(tuple(fields), line, Span(file, first + 1, 1, end, len(physical[end - 1]) + 1))


def _take(line: _Line, state: _State) -> None:
    if len(line.fields) == 1:
        spaces = re.search(r"\s", line.text) is not None
        why = "no tab between the words" if spaces else "a key without a value"
        state.refuse(line, why, "rsnapshot separates words by tabs, never by spaces" if spaces else "")
        return
    key, value = line.fields[:2]
    if "\r" in line.fields[-1] and not key.startswith("cmd_"):
        state.refuse(line, "a carriage return at the end", "the file was written on Windows: convert it with dos2unix")
        return
    reader = _READERS.get(key)
    if reader is not None:
        reader(line, state)
    elif key in IGNORED:
        if not re.fullmatch(_VALUES.get(key, ".*"), value, re.DOTALL):
            state.refuse(line, "not a value that rsnapshot takes")
            return
        if key == "ssh_args" and key in state.values:
            state.refuse(line, "ssh_args may be set only once")
            return
        state.values[key] = value
    else:
        state.refuse(line, f"rsnapshot has no key {key!r}")


def _take_include(line: _Line, state: _State) -> None:
    value = line.fields[1]
    if re.fullmatch(r"`.*`", value):
        command = value.strip("`")
        hint = (
            f"it is never run, and no option changes that: run it yourself, `{command} > FILE`, look at FILE, and put "
            "`include_conf FILE` in its place, in a copy of rsnapshot.conf if you like"
        )
        state.found.append(diagnose("BS603", f"include_conf would run a command: {value}", line.span, hint=hint))
        return
    _read_file(Path(value), line.span, state)


def _take_root(line: _Line, state: _State) -> None:
    value = line.fields[1]
    if not is_absolute(value):
        state.refuse(line, "snapshot_root must be a full local path")
        return
    state.values["snapshot_root"] = value if value == "/" else value.rstrip("/")


def _take_retain(line: _Line, state: _State) -> None:
    name = line.fields[1]
    count = (*line.fields[2:], "")[0]
    if name in RESERVED or not re.fullmatch(r"\w+", name):
        state.refuse(line, "not a name for a backup level")
    elif not re.fullmatch(r"[0-9]+", count) or int(count) < 1:
        state.refuse(line, "a backup level needs a number of at least 1")
    else:
        state.retains.append(Retain(name, int(count), line.span))


def _take_backup(line: _Line, state: _State) -> None:
    rest = (*line.fields[1:], "", "")
    source, dest, options_text = rest[0], rest[1], rest[2]
    if not _destination_fits(line, dest, state):
        return
    if re.search(r"/\.\.|\.\./", source):
        state.refuse(line, "a path with ..")
        return
    if not (
        is_absolute(source)
        or re.match(r"rsync://|lvm://", source)
        or _SSH.match(source)
        or re.match(r"[^/]+::", source)
    ):
        state.refuse(line, "not a source that rsnapshot knows")
        return
    options = point_options(options_text, state.values.get("rsync_long_args", DEFAULT_LONG_ARGS))
    if options is None:
        state.refuse(line, f"options of this backup line are not understood: {options_text!r}")
        return
    nothing = transfer(DEFAULT_SHORT_ARGS, (), one_fs=False)
    state.points.append((BackupPoint(source, _normalised(dest), nothing, line.span), options))


def _take_script(line: _Line, state: _State) -> None:
    command, dest = line.fields[1], (*line.fields[2:], "")[0]
    if not _destination_fits(line, dest, state):
        return
    state.scripts.append(BackupScript(command, _normalised(dest), line.span))
    message = f"the script was not run and becomes no job: {command}"
    hint = "its output is imported as a series of its own; write a hook or a database job for it"
    state.found.append(diagnose("BS608", message, line.span, hint=hint))


def _take_exec(line: _Line, state: _State) -> None:
    importance = (*line.fields[2:], "optional")[0]
    if importance not in {"optional", "required"}:
        state.refuse(line, "backup_exec is `optional` or `required`")
        return
    state.hooks.append(Hook(line.fields[1], importance == "required", line.span))
    message = f"the command was not run and becomes no hook: {line.fields[1]}"
    hint = "write it as a hook (before:) of the new job if it is still needed"
    state.found.append(diagnose("BS608", message, line.span, hint=hint))


def _take_switch(line: _Line, state: _State) -> None:
    if line.fields[1] not in {"0", "1"}:
        state.refuse(line, "only 0 or 1")
        return
    state.values[line.fields[0]] = line.fields[1]


def _take_path(line: _Line, state: _State) -> None:
    if not is_absolute(line.fields[1]):
        state.refuse(line, "must be a full path")
        return
    state.values[line.fields[0]] = line.fields[1]


def _take_short_args(line: _Line, state: _State) -> None:
    if not re.fullmatch(r"-\w+", line.fields[1]):
        state.refuse(line, "rsync_short_args is one word such as -a")
        return
    state.values["rsync_short_args"] = line.fields[1]


def _take_long_args(line: _Line, state: _State) -> None:
    state.values["rsync_long_args"] = line.fields[1]


def _take_pattern(line: _Line, state: _State) -> None:
    state.patterns.append(f"--{line.fields[0]}={line.fields[1]}")


def _take_pattern_file(line: _Line, state: _State) -> None:
    if not is_absolute(line.fields[1]):
        state.refuse(line, "must be a full path")
        return
    state.pattern_files.append(f"--{line.fields[0].removesuffix('_file')}-from={line.fields[1]}")


_SSH = re.compile(r"(?!.*://)(.*?@)?.*?:[~.]?/.*$")
_READERS: dict[str, Callable[[_Line, _State], None]] = {
    "include_conf": _take_include,
    "snapshot_root": _take_root,
    "retain": _take_retain,
    "interval": _take_retain,
    "backup": _take_backup,
    "backup_script": _take_script,
    "backup_exec": _take_exec,
    "link_dest": _take_switch,
    "one_fs": _take_switch,
    "sync_first": _take_switch,
    "stop_on_stale_lockfile": _take_switch,
    "lockfile": _take_path,
    "logfile": _take_path,
    "rsync_short_args": _take_short_args,
    "rsync_long_args": _take_long_args,
    "include": _take_pattern,
    "exclude": _take_pattern,
    "include_file": _take_pattern_file,
    "exclude_file": _take_pattern_file,
}


def _destination_fits(line: _Line, dest: str, state: _State) -> bool:
    if "snapshot_root" not in state.values:
        state.refuse(line, "snapshot_root must stand above")
    elif not dest:
        state.refuse(line, "no destination")
    elif dest.startswith("/") or not re.match(r"\S", dest):
        state.refuse(line, "the destination must be a relative path")
    elif re.search(r"/\.\.|\.\./", dest):
        state.refuse(line, "a path with ..")
    else:
        return True
    return False


def _finish(path: Path, state: _State) -> Configuration | None:
    place = Span(str(path), 1, 1, 1, 1)
    # What could not be read may be what is absent.
    if not any(found.code in {"BS601", "BS603", "BS604"} for found in state.found):
        absent = [] if "snapshot_root" in state.values else ["snapshot_root"]
        absent += [] if state.retains else ["retain"]
        absent += [] if state.points or state.scripts or state.hooks else ["backup"]
        hint = "name the file that rsnapshot itself is given, or the folder that holds the snapshots"
        state.found.extend(diagnose("BS602", f"no line with `{key}`", place, hint=hint) for key in absent)
    points = tuple(
        replace(point, transfer=made)
        for point, options in state.points
        if (made := _transfer(point, options, state)) is not None
    )
    if any(found.code in {"BS601", "BS602", "BS603", "BS604"} for found in state.found):
        return None
    switch = {key: state.values.get(key) == "1" for key in ("stop_on_stale_lockfile", "link_dest", "sync_first")}
    return Configuration(
        str(path),
        state.values["snapshot_root"],
        tuple(state.retains),
        points,
        tuple(state.scripts),
        tuple(state.hooks),
        state.values.get("lockfile"),
        switch["stop_on_stale_lockfile"],
        state.values.get("logfile"),
        switch["link_dest"],
        switch["sync_first"],
    )


def _transfer(point: BackupPoint, options: dict[str, str], state: _State) -> Transfer | None:
    short = options.get("rsync_short_args", state.values.get("rsync_short_args", DEFAULT_SHORT_ARGS))
    short += options.get("extra_rsync_short_args", "-")[1:]
    overall = " ".join([state.values.get("rsync_long_args", DEFAULT_LONG_ARGS), *state.patterns, *state.pattern_files])
    long_text = options.get("rsync_long_args", overall)
    long_args: list[str] = []
    for text in (long_text, options.get("extra_rsync_long_args", "")):
        words = split_long_args(text)
        if words is None:
            message = f"unbalanced or nested quotes in rsync_long_args: {text!r}"
            hint = "each argument stands in quotes of one kind, or in none"
            state.found.append(diagnose("BS601", message, point.span, hint=hint))
            return None
        long_args += words
    one_fs = options.get("one_fs", state.values.get("one_fs", "0")) == "1"
    return transfer(short, tuple(long_args), one_fs=one_fs)


def _normalised(dest: str) -> str:
    return re.sub(r"/+", "/", re.sub(r"^\./|/\./|\.$", "/", dest))
