"""Reads patterns such as `{host}/%Y-%m-%d`, and what the names of folders mean by them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, tzinfo

from backupspec_migrate.local_time import fixed_offset

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_CODES = {
    "Y": r"[0-9]{4}",
    "m": r"0[1-9]|1[0-2]",
    "d": r"0[1-9]|[12][0-9]|3[01]",
    "H": r"[01][0-9]|2[0-3]",
    "M": r"[0-5][0-9]",
    "S": r"[0-5][0-9]",
    "y": r"[0-9]{2}",
    "j": r"[0-3][0-9]{2}",
    "b": "(?i:" + "|".join(_MONTHS) + ")",
    "z": r"[+-][0-9]{2}:?[0-9]{2}|Z",
    "s": r"[0-9]{1,11}",
}
_LONG = {"%F": "%Y-%m-%d", "%T": "%H:%M:%S", "%R": "%H:%M", "%D": "%m/%d/%y"}
_HOST = r"[^/.][^/]*?"


@dataclass(frozen=True, slots=True)
class Pattern:
    """A path below the root, component by component, as regular expressions with a group for each code."""

    text: str
    steps: tuple[re.Pattern[str], ...]
    codes: frozenset[str]

    @property
    def has_host(self) -> bool:
        """Tell whether the host is part of the path."""
        return "host" in self.codes

    @property
    def has_zone(self) -> bool:
        """Tell whether the path itself says which moment it means."""
        return bool({"z", "s"} & self.codes)


def read_pattern(text: str) -> Pattern | str:
    """Read a pattern; give the reason when it is none."""
    for short, long in _LONG.items():
        text = text.replace(short, long)
    steps: list[re.Pattern[str]] = []
    codes: set[str] = set()
    for component in text.strip("/").split("/"):
        if component in {"", ".", ".."}:
            return "an empty component, or one of dots"
        step = _step(component, codes)
        if isinstance(step, str):
            return step
        steps.append(step)
    day = "s" in codes or ({"Y", "y"} & codes and ("j" in codes or ({"m", "b"} & codes and "d" in codes)))
    if not day:
        return "it does not say the day: %Y, %m and %d, or %j, or %s"
    if "H" not in codes and {"M", "S"} & codes:
        return "minutes without the hour"
    return Pattern(text.strip("/"), tuple(steps), frozenset(codes))


def _step(component: str, codes: set[str]) -> re.Pattern[str] | str:
    parts, here = [], set()
    for piece in re.findall(r"\{host\}|%.|[^%{}]+|[%{}]", component, re.DOTALL):
        code = "host" if piece == "{host}" else piece[1:] if piece.startswith("%") else ""
        if piece == "%%":
            parts.append("%")
        elif code == "host" or code in _CODES:
            if code == "host" and code in codes:
                return "{host} twice"
            rule = _HOST if code == "host" else _CODES[code]
            parts.append(f"(?P={code})" if code in here else f"(?P<{code}>{rule})")
            here.add(code)
            codes.add(code)
        elif piece.startswith("%") or piece in {"{", "}"}:
            return f"{piece!r} is not known; there are {{host}}, %{' %'.join(_CODES)} and %%"
        else:
            parts.append(re.escape(piece))
    return re.compile("".join(parts), re.DOTALL)


def local_time(fields: dict[str, str]) -> tuple[datetime, tzinfo | None] | int | None:
    """Give the time that the fields of a path mean.

    As a clock shows it and, if it says that too, where; as seconds since 1970 (%s); None for a day that is in no
    calendar.
    """
    if "s" in fields:
        return int(fields["s"])
    year = int(fields["Y"]) if "Y" in fields else 2000 + int(fields["y"])
    hour, minute, second = (int(fields.get(code, "0")) for code in "HMS")
    try:
        if "j" in fields:
            shown = datetime.strptime(f"{year:04} {fields['j']}", "%Y %j").replace(hour=hour, minute=minute)  # noqa: DTZ007 - a clock's reading
            shown = shown.replace(second=second)
        else:
            month = int(fields["m"]) if "m" in fields else _MONTHS.index(fields["b"].lower()) + 1
            shown = datetime(year, month, int(fields["d"]), hour, minute, second)  # noqa: DTZ001 - a clock's reading
    except ValueError:
        return None
    return shown, fixed_offset(fields["z"]) if "z" in fields else None
