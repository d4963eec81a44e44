"""Whatever stands in an inventory, it is refused in its place or arrives as it was written: in sh, systemd and borg."""

from __future__ import annotations

import io
import json
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from borg.patterns import load_pattern_file
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backupspec.pipeline import Compiled, compile_inventory
from backupspec.show import as_text
from demo.lab.machine import Machine
from demo.lab.room import Room
from tests.oracles.machines import SCRIPTS, UNITS, record, recorded
from tests.templates.hostile import NASTY, texts
from tests.templates.test_words_systemd import parsed

pytestmark = [pytest.mark.root, pytest.mark.systemd]

_PROGRAM = "/usr/bin/logger"
_GUARD = '[ "$SERVICE_RESULT" = exec-condition ] || exec "$@"'
_CREATE = f"{SCRIPTS}/jobs/job_local/create"
_PATTERNS = "etc/backupspec/jobs/job_local.patterns"


@pytest.fixture(scope="module")
def machine() -> Iterator[Machine]:
    """Start a machine with room for all that the job reads."""
    with Room() as room:
        machine = room.machine("web01", [], fresh=["/srv", "/usr/local"])
        record(machine, "/usr/bin/borg")
        yield machine


def _compiled(path: str, exclude: str, words: list[str], line: str) -> Compiled:
    """Compile one job of one host with these values."""
    hooks = {"before": [{"run": [_PROGRAM, *words], "user": "root"}], "after": [{"run": line}]}
    job = {"paths": [path], "exclude": [exclude], "hooks": hooks}
    inventory = {
        "version": 1,
        "fleet": "hostile",
        "repositories": {"local": {"path": "/mnt/borg", "encryption": "none"}},
        "hosts": {"web01": {"to": ["local"], "files": {"job": job}}},
    }
    with tempfile.TemporaryDirectory() as folder:
        text = json.dumps(inventory, ensure_ascii=False, indent=1)
        (Path(folder) / "inventory.yaml").write_text(text, encoding="utf-8")
        return compile_inventory(Path(folder))


def _arrives(machine: Machine, path: str, exclude: str, words: list[str], line: str) -> bool:
    """Tell whether the values were taken, and then arrive; if not, each finding has a place and a way out."""
    run = _compiled(path, exclude, words, line)
    if run.tree is None:
        errors = [found for found in run.diagnostics if found.severity.label == "error"]
        assert errors
        for found in errors:
            assert found.span.file == "inventory.yaml"
            assert found.span.line > 1
            assert found.hint
        assert as_text(run.diagnostics, run.sources, "").plain
        return False
    files = {file.path.removeprefix("hosts/web01/root/"): file.text for file in run.tree.files}
    _in_the_shell(machine, files[_CREATE], path)
    _in_systemd(files[f"{UNITS}/backupspec-job_local.service"], words, line)
    _in_borg(files[_PATTERNS], exclude)
    return True


def _in_the_shell(machine: Machine, script: str, path: str) -> None:
    machine.run(["mkdir", "-p", "--", path])
    ran = machine.run(["sh", "-s"], data=script.encode(), check=False)
    assert ran.code == 0, ran.output
    (create,) = [call for call in recorded(machine) if "create" in call]
    archive = create.index("::web01_job_{utcnow:%Y-%m-%dT%H:%M:%SZ}")
    assert create[archive + 1 :] == [path]


def _in_systemd(unit: str, words: list[str], line: str) -> None:
    (dump,) = parsed([unit.replace("[Unit]\n", "[Unit]\nDefaultDependencies=no\n")])
    commands = []
    for shown in (each.removeprefix("Command Line: ") for each in dump if each.startswith("Command Line: ")):
        found = re.findall(r'"((?:\\.|[^"\\])*)"|([^ ]+)', shown)
        commands.append([re.sub(r"\\(.)", r"\1", quoted) or plain for quoted, plain in found])
    before, *_, after = commands
    # The dump is older than variables: `$$` becomes `$` when the program starts (systemd.service(5)).
    assert before == [_PROGRAM, *(word.replace("$", "$$") for word in words)]
    expected = ["/bin/sh", "-c", _GUARD, "hook", "/bin/sh", "-ec", line]
    assert after == [word.replace("$", "$$") for word in expected]


def _in_borg(patterns: str, exclude: str) -> None:
    commands: list[tuple[object, object]] = []
    load_pattern_file(io.StringIO(patterns, newline=None), [], commands)
    assert commands[-1][0].pattern_orig == exclude  # type: ignore[attr-defined]


@pytest.mark.parametrize("nasty", NASTY)
def test_a_nasty_value_is_refused_in_its_place_or_arrives(nasty: str, machine: Machine) -> None:
    """One kind of value after the other, the rest is harmless."""
    word = [_arrives(machine, "/srv/a", "**/b", ["--tag", nasty, "last"], "true")]
    word.append(_arrives(machine, "/srv/a", "**/b", ["last"], f"echo {nasty}"))
    word.append(_arrives(machine, f"/srv/{nasty}", "**/b", ["last"], "true"))
    word.append(_arrives(machine, "/srv/a", f"/srv/a/{nasty}", ["last"], "true"))
    assert any(word) == nasty.isprintable() or nasty == "no\u00a0break\u00a0"


@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@given(path=texts, exclude=texts, words=st.lists(texts.filter(bool), max_size=3), line=texts)
def test_a_drawn_value_is_refused_in_its_place_or_arrives(
    path: str, exclude: str, words: list[str], line: str, machine: Machine
) -> None:
    _arrives(machine, f"/srv/a{path}", "**/b", ["last"], "true")
    _arrives(machine, "/srv/a", f"/srv/a/{exclude}", ["last"], "true")
    _arrives(machine, "/srv/a", "**/b", words, "true")
    _arrives(machine, "/srv/a", "**/b", ["last"], line)
    _arrives(machine, f"/srv/a{path}", f"**/{exclude}", words, line)
