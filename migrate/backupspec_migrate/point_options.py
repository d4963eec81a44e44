"""Reads the options at the end of a `backup` line, and merges them as rsnapshot does (its `parse_backup_opts`)."""

from __future__ import annotations

import re


def point_options(text: str, long_args: str) -> dict[str, str] | None:
    """Give a point's own options, merged as rsnapshot does it.

    `rsync_long_args` in it replaces the global one, patterns included.
    """
    options: dict[str, str] = {}
    patterns: list[str] = []
    files: list[str] = []
    for pair in text.split(",") if text else ():
        name, equals, value = pair.removeprefix("+").partition("=")
        name, value, added = re.sub(r"\s+", "", name), value.strip(), pair.startswith("+")
        if not equals or not _option_fits(name, value, added=added):
            return None
        if name in {"include", "exclude", "include_file", "exclude_file"}:
            # Of `+exclude=PATTERN` rsnapshot loses the pattern, and throws away the global ones all the same.
            kept = "" if added else value
            if name.endswith("_file"):
                files.append(f"--{name.removesuffix('_file')}-from={kept}")
            else:
                patterns.append(f"--{name}={kept}")
        else:
            options[f"extra_{name}" if added else name] = value
    if patterns or files:
        # The global value is taken as it stands at this line, before the global patterns are joined to it at the end
        # of the file.
        base = options.get("rsync_long_args", long_args)
        options["rsync_long_args"] = " ".join([base, *patterns, *files])
    return options


def _option_fits(name: str, value: str, *, added: bool) -> bool:
    if name == "one_fs":
        return not added and value in {"0", "1"}
    if name == "rsync_short_args":
        return re.fullmatch(r"-\w+", value) is not None
    if name in {"include", "exclude", "include_file", "exclude_file"}:
        return not name.endswith("_file") or is_absolute(value)
    return (
        name in {"rsync_long_args", "ssh_args"}
        or re.fullmatch(r"linux_lvm_(vgpath|snapshotname|snapshotsize|mountpath)", name) is not None
    )


def is_absolute(path: str) -> bool:
    """Tell whether rsnapshot takes it for a full local path."""
    return path.startswith("/") and not re.search(r"/\.\.|\.\./", path)
