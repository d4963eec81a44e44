from __future__ import annotations

import os
import re
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backupspec.words import (
    ExecProgram,
    ExecWord,
    SysusersField,
    TmpfilesField,
    UnitCalendar,
    UnitCredential,
    UnitListPath,
    UnitPath,
    UnitText,
    UnitWord,
    Unrepresentable,
)
from tests.templates.hostile import NASTY, accepted, paths, texts

pytestmark = pytest.mark.systemd

Value = TypeVar("Value")

HEAD = "[Unit]\nDefaultDependencies=no\n"


@contextmanager
def _folder() -> Iterator[Path]:
    """Give a folder that other accounts can read: systemd refuses to run its test mode as root."""
    with tempfile.TemporaryDirectory(prefix="backupspec-units-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


def parsed(units: list[str]) -> list[list[str]]:
    """Give what systemd has understood of each unit, as the lines of its dump; a warning fails the test."""
    with _folder() as folder:
        names = [f"v{number}.service" for number in range(len(units))]
        for name, text in zip(names, units, strict=True):
            (folder / name).write_text(text)
        (folder / "all.target").write_text(f"{HEAD}Wants={' '.join(names)}\n")
        ran = subprocess.run(
            ["/lib/systemd/systemd", "--system", "--test", "--unit=all.target"],
            env={"SYSTEMD_UNIT_PATH": str(folder), "SYSTEMD_LOG_TARGET": "console", "HOME": "/", "LC_ALL": "C.UTF-8"},
            user="nobody" if os.geteuid() == 0 else None,
            capture_output=True,
            check=True,
        )
    out, warnings = ran.stdout.decode(), ran.stderr.decode()
    assert not re.findall(r".*v\d+\.service:\d+:.*", out + warnings)
    dumps = dict(dump.split(":\n", 1) for dump in re.split(r"^\t?(?:->|→) Unit ", out, flags=re.MULTILINE)[1:])
    return [[line.strip("\t") for line in dumps[name].split("\n")] for name in names]


def _agree(made: list[tuple[str, Value]], shown: Callable[[str], str], *, unit: str = "", service: str = "") -> None:
    """Put each word in the place of `@` and look for the line that `shown` gives for its text."""
    units = [
        f"{HEAD}{unit.replace('@', str(word), 1)}\n"
        f"[Service]\nType=oneshot\nExecStart=/bin/true\n{service.replace('@', str(word), 1)}\n"
        for _, word in made
    ]
    for (value, _), lines, text in zip(made, parsed(units) if units else [], units, strict=True):
        assert shown(value) in lines, (value, text, lines)


lists = st.lists(texts, min_size=1, max_size=30)
path_lists = st.lists(paths, min_size=1, max_size=30)
few = settings(max_examples=8)


@few
@given(values=lists)
def test_a_description_arrives_as_written(values: list[str]) -> None:
    _agree(accepted(UnitText, values), "Description: {}".format, unit="Description=@")


@few
@given(values=lists)
def test_an_environment_variable_arrives_as_written(values: list[str]) -> None:
    made = accepted(lambda value: UnitWord(f"X={value}"), values)
    _agree(made, "Environment: X={}".format, service="Environment=@ Y=1")


@few
@given(values=path_lists)
def test_a_path_in_a_list_that_keeps_escapes_arrives_as_written(values: list[str]) -> None:
    _agree(
        accepted(UnitListPath, values), "RequiresMountsFor: {} (origin-file)".format, unit="RequiresMountsFor=/first @"
    )


@few
@given(values=path_lists)
def test_a_path_in_a_list_that_undoes_escapes_arrives_as_written(values: list[str]) -> None:
    made = accepted(lambda value: UnitListPath(value, optional=True), values)
    _agree(made, "ReadWritePaths: -{} /last".format, service="ReadWritePaths=@ /last")


@few
@given(values=path_lists)
def test_a_path_that_is_the_whole_value_arrives_as_written(values: list[str]) -> None:
    _agree(accepted(UnitPath, values), "WorkingDirectory: {}".format, service="WorkingDirectory=@")


def _command(lines: list[str]) -> list[str]:
    """Give the words of a dump's command line: those with special signs are quoted, with backslashes."""
    (line,) = [line.removeprefix("Command Line: ") for line in lines if line.startswith("Command Line: ")]
    words = re.findall(r'"((?:\\.|[^"\\])*)"|([^ ]+)', line)
    return [re.sub(r"\\(.)", r"\1", quoted) or plain for quoted, plain in words]


@few
@given(values=lists)
def test_an_argument_arrives_as_written(values: list[str]) -> None:
    """The dump is older than variables: `$$` becomes `$` when the program starts (systemd.service(5))."""
    made = accepted(ExecWord, values)
    unit = f"{HEAD}[Service]\nType=oneshot\nExecStart=/bin/echo {' '.join(str(word) for _, word in made)} end\n"
    assert _command(parsed([unit])[0]) == ["/bin/echo", *(value.replace("$", "$$") for value, _ in made), "end"]


@few
@given(values=path_lists)
def test_a_program_arrives_as_written(values: list[str]) -> None:
    made = accepted(ExecProgram, values)
    units = [f"{HEAD}[Service]\nType=oneshot\nExecStart={word} end\n" for _, word in made]
    for (value, _), lines in zip(made, parsed(units) if made else [], strict=True):
        assert _command(lines) == [value, "end"]


@few
@given(values=lists)
def test_a_field_of_sysusers_arrives_as_written(values: list[str]) -> None:
    made = accepted(SysusersField, values)
    with _folder() as root:
        (root / "etc").mkdir()
        users = "".join(f"u user{number} - {field} /nonexistent /bin/sh\n" for number, (_, field) in enumerate(made))
        (root / "users.conf").write_text(users)
        ran = subprocess.run(
            ["systemd-sysusers", f"--root={root}", root / "users.conf"], capture_output=True, check=True
        )
        assert b"users.conf:" not in ran.stderr
        passwd = root / "etc/passwd"
        fields = [line.split(":") for line in passwd.read_text().splitlines()] if made else []
    assert {line[0]: line[4] for line in fields} == {f"user{number}": value for number, (value, _) in enumerate(made)}


@pytest.mark.root
@few
@given(values=path_lists)
def test_a_path_of_tmpfiles_arrives_as_written(values: list[str]) -> None:
    made = [(value, field) for value, field in accepted(TmpfilesField, values) if value != "/"]
    with _folder() as root:
        conf = root / "x.conf"
        top = root / "top"
        top.mkdir()
        conf.write_text("".join(f"d {field} 0755 root root - -\n" for _, field in made))
        ran = subprocess.run(["systemd-tmpfiles", f"--root={top}", "--create", conf], capture_output=True, check=True)
        assert ran.stderr == b""
        expected = {
            parent for value, _ in made for parent in [top / value[1:], *(top / value[1:]).parents] if parent > top
        }
        assert set(top.rglob("*")) == expected


def test_most_of_the_nasty_values_can_be_said() -> None:
    lines = {"new\nline", "car\rriage", "tab\there", "line\u2028separator"}
    for make in (UnitText, UnitWord, ExecWord, TmpfilesField):
        refused = set(NASTY) - {value for value, _ in accepted(make, list(NASTY))}
        assert lines <= refused
        assert refused <= lines | {" leading", "trailing ", "ends with\\", "no\u00a0break\u00a0"}


@pytest.mark.parametrize("bad", ["", "Mon\n", "*-*-* 02:00:00 ; rm", "%h", 'Mon "x"', "a  b", " Mon"])
def test_a_calendar_is_only_what_its_grammar_can_hold(bad: str) -> None:
    assert str(UnitCalendar("Mon..Fri *-*-* 02,03/4:17:00 America/Port-au-Prince"))
    with pytest.raises(Unrepresentable):
        UnitCalendar(bad)


@pytest.mark.parametrize(
    ("name", "path"),
    [("a:b", "/x"), ("", "/x"), ("..", "/x"), ("a", "x"), ("a", "/x\\"), ("a", "/x/../y"), ("%h", "/x")],
)
def test_a_credential_has_a_plain_name_and_a_normal_path(name: str, path: str) -> None:
    assert str(UnitCredential("passphrase-central", "/etc/a 100%")) == "passphrase-central:/etc/a 100%%"
    with pytest.raises(Unrepresentable):
        UnitCredential(name, path)
