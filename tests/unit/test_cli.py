from __future__ import annotations

import json
import os
import pty
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from backupspec import __version__, cli, commands

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Run:
    code: int
    out: str
    err: str


class Program:
    """The command line, run in this process as its entry point runs it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self.monkeypatch, self.capsys = monkeypatch, capsys

    def __call__(self, *words: object) -> Run:
        self.monkeypatch.setattr(sys, "argv", ["backupspec", *map(str, words)])
        self.monkeypatch.setenv("COLUMNS", "200")
        self.capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            cli.main()
        shown = self.capsys.readouterr()
        assert "Traceback" not in shown.out + shown.err
        code = ended.value.code
        return Run(code if isinstance(code, int) else 0, shown.out, shown.err)


@pytest.fixture
def program(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Program:
    return Program(monkeypatch, capsys)


@pytest.fixture
def inventory(tmp_path: Path) -> Path:
    folder = tmp_path / "inventory"
    shutil.copytree(ROOT / "inventories/small", folder)
    return folder


def edit(inventory: Path, old: str, new: str) -> None:
    file = inventory / "inventory.yaml"
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


def process(*words: object, **environment: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "backupspec", *map(str, words)],
        check=False,
        capture_output=True,
        env=os.environ | environment,
    )


# validate ------------------------------------------------------------------------------------------------------------


def test_a_good_inventory_is_fine(program: Program, inventory: Path) -> None:
    assert program("validate", inventory).code == 0


def test_an_error_is_shown_with_its_place_and_ends_with_one(program: Program, inventory: Path) -> None:
    edit(inventory, "retention: standard", "retention: standart")
    run = program("validate", inventory)
    assert run.code == 1
    assert f"{inventory}/inventory.yaml:" in run.out
    assert "did you mean `standard`?" in run.out


def test_warnings_count_only_when_strict(program: Program, inventory: Path) -> None:
    (inventory / "keys/web.pub").unlink()
    assert "warning[" in program("validate", inventory).out
    assert program("validate", inventory).code == 0
    assert program("validate", inventory, "--strict").code == 1


@pytest.mark.parametrize(("form", "start"), [("json", "{"), ("sarif", "{"), ("github", "::error ")])
def test_machines_get_findings_in_their_own_form(program: Program, inventory: Path, form: str, start: str) -> None:
    edit(inventory, "retention: standard", "retention: standart")
    run = program("validate", inventory, "--format", form)
    assert run.code == 1
    assert run.out.startswith(start)
    if start == "{":
        assert json.loads(run.out)


def test_what_is_accepted_is_not_shown_and_dates_count_only_with_today(program: Program, inventory: Path) -> None:
    (inventory / "keys/web.pub").unlink()
    found = json.loads(program("validate", inventory, "--format", "json").out)["diagnostics"]
    warnings = [each for each in found if each["severity"] == "warning"]
    entries = [
        f"  - {{code: {each['code']}, where: {each['where']}, because: known, until: 2027-04-01}}" for each in warnings
    ]
    with (inventory / "inventory.yaml").open("a") as file:
        file.write("accept:\n" + "\n".join(entries) + "\n")
    assert program("validate", inventory, "--strict").code == 0
    assert program("validate", inventory, "--strict", "--today", "2027-04-01").code == 0
    late = program("validate", inventory, "--strict", "--today", "2027-04-02")
    assert late.code == 1
    assert "BS492" in late.out
    assert program("validate", inventory, "--today", "tomorrow").code == 2


def test_an_acceptance_of_nothing_is_a_warning(program: Program, inventory: Path) -> None:
    with (inventory / "inventory.yaml").open("a") as file:
        file.write("accept:\n  - {code: BS432, where: hosts.web, because: solved long ago}\n")
    assert "BS490" in program("validate", inventory).out


@pytest.mark.parametrize("path", ["absent.yaml", "/dev/null", "/etc"])
def test_a_path_that_is_no_inventory_is_a_finding(program: Program, path: str) -> None:
    assert program("validate", path).code == 1


# compile -------------------------------------------------------------------------------------------------------------


def test_compile_writes_once_and_then_finds_nothing_to_do(program: Program, inventory: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    first = program("compile", inventory, "--output", output)
    assert first.code == 0
    assert re.search(r"^web: \d+ files, new$", first.out, re.MULTILINE)
    assert f"Next: read {output}/README.md" in first.out
    assert (output / "hosts/web/apply").stat().st_mode & 0o777 == 0o755
    assert "up to date" in program("compile", inventory, "--output", output).out


def test_notes_are_counted_and_left_to_validate(program: Program, tmp_path: Path) -> None:
    run = program("compile", ROOT / "inventories/infra4", "--output", tmp_path / "out")
    shown = program("validate", ROOT / "inventories/infra4").out
    number = shown.count("note[")
    assert number > 1
    assert "note[" not in run.err
    assert f"{number} notes: `backupspec validate" in run.err


def test_check_writes_nothing_and_ends_with_one_when_the_output_would_change(
    program: Program, inventory: Path, tmp_path: Path
) -> None:
    output = tmp_path / "out"
    assert program("compile", inventory, "--output", output, "--check").code == 1
    assert not output.exists()
    program("compile", inventory, "--output", output)
    assert program("compile", inventory, "--output", output, "--check").code == 0
    edit(inventory, "daily: 7", "daily: 3")
    before = (output / "manifest.json").read_bytes()
    run = program("compile", inventory, "--output", output, "--check")
    assert run.code == 1
    assert "retention gets shorter on web (www → central): daily 7 → 3" in run.out
    assert (output / "manifest.json").read_bytes() == before


def test_strict_writes_nothing_when_there_are_warnings(program: Program, inventory: Path, tmp_path: Path) -> None:
    (inventory / "keys/web.pub").unlink()
    assert program("compile", inventory, "--output", tmp_path / "out", "--strict").code == 1
    assert not (tmp_path / "out").exists()


def test_an_error_writes_nothing(program: Program, inventory: Path, tmp_path: Path) -> None:
    edit(inventory, "retention: standard", "retention: standart")
    run = program("compile", inventory, "--output", tmp_path / "out")
    assert run.code == 1
    assert "BS" in run.err
    assert not run.out
    assert not (tmp_path / "out").exists()


def test_only_the_named_host_is_compiled_and_the_others_are_told(
    program: Program, inventory: Path, tmp_path: Path
) -> None:
    output = tmp_path / "out"
    program("compile", inventory, "--output", output)
    edit(inventory, "daily: 7", "daily: 3")
    run = program("compile", inventory, "--output", output, "--host", "web")
    assert run.code == 0
    assert "office: left as it is, though 2 changed (not named by --host)" in run.out
    changed = [line for line in run.out.splitlines() if re.match(r"\w+: \d+ files", line)]
    assert len(changed) == 1
    assert changed[0].startswith("web: ")
    assert changed[0].endswith(" files, 2 changed")
    assert "README.md and ansible/: left as they are, though 1 changed" in run.out
    assert f"Wrote 3 files to {output}." in run.out
    assert program("compile", inventory, "--output", output, "--check").code == 1
    only = program("compile", inventory, "--output", output, "--check", "--host", "web")
    assert only.code == 0
    assert "is up to date: 1 host," in only.out
    assert "office: left as it is, though 2 changed" in only.out
    assert program("compile", inventory, "--output", output, "--check", "--host", "office").code == 1


def test_check_of_a_host_judges_only_that_host(program: Program, inventory: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    program("compile", inventory, "--output", output)
    edit(inventory, "/srv/shares]}", "/srv/shares], exclude: [/srv/shares/tmp]}")
    run = program("compile", inventory, "--output", output, "--check", "--host", "web")
    assert run.code == 0
    assert "office: left as it is, though" in run.out
    (output / "README.md").write_text("mine")
    run = program("compile", inventory, "--output", output, "--check", "--host", "web")
    assert run.code == 0


def test_an_unknown_host_is_wrong_usage(program: Program, inventory: Path, tmp_path: Path) -> None:
    run = program("compile", inventory, "--output", tmp_path / "out", "--host", "wed")
    assert run.code == 2
    assert "did you mean `web`?" in run.err
    assert not (tmp_path / "out").exists()


def test_a_host_that_vanishes_is_a_warning_until_it_is_retired(
    program: Program, inventory: Path, tmp_path: Path
) -> None:
    output = tmp_path / "out"
    program("compile", inventory, "--output", output)
    file = inventory / "inventory.yaml"
    text = re.sub(r"(?ms)^  office:\n.*?(?=^  \w|^\w|\Z)", "", file.read_text(), count=1)
    file.write_text(text)
    run = program("compile", inventory, "--output", output, "--check")
    assert "warning[BS510]: office vanishes" in run.err
    assert f"{file}:" in run.err
    assert program("compile", inventory, "--output", output, "--strict").code == 1
    file.write_text(text + "\nretired: [office]\n")
    run = program("compile", inventory, "--output", output)
    assert "BS510" not in run.err
    assert (output / "hosts/office/apply").is_file()


@pytest.mark.parametrize("where", ["inventory", ".", "foreign"])
def test_a_folder_that_is_not_ours_is_refused(
    program: Program, inventory: Path, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(inventory.parent)
    (inventory.parent / "foreign").mkdir()
    (inventory.parent / "foreign/thesis").write_text("mine")
    before = sorted(inventory.parent.rglob("*"))
    run = program("compile", inventory, "--output", where)
    assert run.code == 1
    assert "error[BS50" in run.err
    assert sorted(inventory.parent.rglob("*")) == before


def test_an_output_that_cannot_be_written_is_the_environments_fault(program: Program, inventory: Path) -> None:
    assert program("compile", inventory, "--output", "/proc/backupspec/out").code == 3


# diff, explain, schema, init, migrate --------------------------------------------------------------------------------


def test_diff_shows_meaning_and_text_and_writes_nothing(program: Program, inventory: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    program("compile", inventory, "--output", output)
    assert "nothing would change" in program("diff", inventory, "--against", output).out
    edit(inventory, "daily: 7", "daily: 3")
    run = program("diff", inventory, "--against", output)
    assert run.code == 0
    assert "retention gets shorter on web (www → central): daily 7 → 3" in run.out
    assert re.search(r"^-.*--keep-daily 7", run.out, re.MULTILINE)
    assert re.search(r"^\+.*--keep-daily 3", run.out, re.MULTILINE)
    assert program("compile", inventory, "--output", output, "--check").code == 1
    assert program("diff", inventory, "--against", tmp_path / "absent").code == 2


def test_diff_names_its_own_option_when_the_folder_was_not_compiled(program: Program, inventory: Path) -> None:
    run = program("diff", inventory, "--against", inventory)
    assert run.code == 1
    assert "error[BS501]" in run.err
    assert "for --against, name a folder that `backupspec compile` wrote" in run.err
    assert "--output" not in run.err
    assert "choose a new or an empty folder for --output" in program("compile", inventory, "-o", inventory).err


def test_the_output_may_lie_beside_what_is_included(program: Program, inventory: Path) -> None:
    edit(inventory, "fleet: small\n", 'fleet: small\ninclude: ["**/*.json"]\n')
    (inventory / "sites.json").write_text(
        '{"hosts": {"other": {"to": ["central"], "files": {"a": {"paths": ["/a"]}}}}}'
    )
    assert program("compile", inventory, "--output", inventory / "compiled").code == 0
    again = program("compile", inventory, "--output", inventory / "compiled", "--check")
    assert (again.code, again.err.partition("error")[1]) == (0, "")


def test_diff_can_be_short_for_one_host_and_tell_by_its_exit_code(
    program: Program, inventory: Path, tmp_path: Path
) -> None:
    output = tmp_path / "out"
    program("compile", inventory, "--output", output)
    assert program("diff", inventory, "--against", output, "--exit-code").code == 0
    edit(inventory, "paths: [/srv/www]", "paths: [/srv/web]")
    run = program("diff", inventory, "--against", output, "--exit-code", "--summary", "--host", "web")
    assert run.code == 1
    assert re.fullmatch(
        r"web: \d changed\n  www of web now backs up /srv/web\n  www of web no longer backs up /srv/www\n", run.out
    )
    run = program("diff", inventory, "--against", output, "--exit-code", "--host", "office")
    assert (run.code, run.out) == (0, f"{output} is up to date: nothing would change\n")
    assert program("diff", inventory, "--against", output, "--host", "wed").code == 2


def test_findings_of_a_compile_are_had_by_machines_too(
    program: Program, inventory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = tmp_path / "out"
    monkeypatch.chdir(tmp_path)
    (inventory / "keys/web.pub").unlink()
    run = program("compile", inventory, "--output", output, "--format", "json")
    assert run.code == 0
    assert json.loads(run.out)["summary"]["warnings"] >= 1
    assert "Wrote" in run.err
    run = program("diff", inventory, "--against", output, "--format", "github")
    assert "::warning file=inventory/inventory.yaml,line=" in run.out
    monkeypatch.setenv("GITHUB_WORKSPACE", str(inventory))
    assert "::warning file=inventory.yaml,line=" in program("validate", inventory, "--format", "github").out
    edit(inventory, "retention: standard", "retention: standart")
    run = program("compile", inventory, "--output", output, "--format", "json")
    assert run.code == 1
    assert json.loads(run.out)["summary"]["errors"] == 1


def test_another_format_is_wrong_usage_in_plain_words(program: Program, inventory: Path) -> None:
    run = program("validate", inventory, "--format", "jsn")
    assert run.code == 2
    assert "'jsn' is none of text, json, github, sarif; did you mean `json`?" in run.err


def test_the_inventory_of_the_current_folder_needs_no_name(
    program: Program, inventory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(inventory)
    assert program("validate").code == 0
    assert program("compile", "--output", tmp_path / "out").code == 0
    assert program("diff", "--against", tmp_path / "out").code == 0
    assert "web.files.www.paths = /srv/www" in program("explain", "web").out
    monkeypatch.chdir(tmp_path)
    run = program("validate")
    assert run.code == 2
    assert "there is no inventory.yaml in the current folder" in run.err


def test_findings_of_all_stages_are_shown_in_the_order_of_the_file(program: Program, inventory: Path) -> None:
    edit(inventory, "linux:", "linx:")
    edit(inventory, "mounted: [/srv/shares]}", "mounted: [/srv/shares], retention: weekly}")
    found = json.loads(program("validate", inventory, "--format", "json").out)["diagnostics"]
    places = [(each["place"]["line"], each["place"]["column"]) for each in found]
    assert places == sorted(places)
    assert len(places) > 1


def test_a_place_that_is_no_file_has_no_line(program: Program, tmp_path: Path) -> None:
    run = program("validate", tmp_path / "nowhere")
    assert "BS001" in run.out
    assert ":1:1" not in run.out
    assert "-->" not in run.out


def test_explain_says_which_line_gave_a_value(program: Program, inventory: Path) -> None:
    lines = (inventory / "inventory.yaml").read_text().splitlines()
    line = next(number for number, text in enumerate(lines, 1) if "retention: standard" in text)
    run = program("explain", inventory, "web.files.www.retention")
    assert run.code == 0
    assert run.out.splitlines() == [
        "web.files.www.to.central.retention = standard (daily 7, weekly 4, monthly 6)",
        f"    profile linux, {inventory}/inventory.yaml:{line}",
    ]
    run = program("explain", inventory, "wep")
    assert run.code == 2
    assert "did you mean `web`?" in run.err


def test_explain_lists_names_and_explains_repositories_and_servers(program: Program, inventory: Path) -> None:
    run = program("explain", inventory)
    assert run.code == 0
    assert run.out.splitlines()[:3] == ["hosts: office, web", "servers: backup", "repositories: central"]
    assert "central.quota = 300GB\n    repositories.central, " in program("explain", inventory, "central").out
    assert "backup.os = debian-12" in program("explain", inventory, "servers.backup").out
    assert program("explain", inventory, "web.quiet").out == "web.quiet: not set\n"
    assert re.search(r"central\.times = \*-\*-\* 0[1-4]:\d\d:00 Europe", program("explain", inventory, "web").out)


def test_explain_says_what_a_code_means(program: Program) -> None:
    assert program("explain", "bs101").out.startswith("BS101: unknown key (error)\n\nThere is no such setting")
    unknown = program("explain", "BS999")
    assert unknown.code == 2
    assert "did you mean" not in unknown.err


def test_the_schemas_are_printed_as_they_are(program: Program) -> None:
    assert program("schema").out == (ROOT / "schema/inventory.schema.json").read_text()
    assert program("schema", "--fragment").out == (ROOT / "schema/inventory-fragment.schema.json").read_text()


@pytest.mark.parametrize("example", ["laptop", "small"])
def test_a_first_inventory_is_valid_compiles_and_is_never_overwritten(
    program: Program, tmp_path: Path, example: str
) -> None:
    folder = tmp_path / "new/inventory"
    run = program("init", folder, "--example", example)
    assert run.code == 0
    assert f"backupspec compile {folder} --output {folder}/compiled" in run.out
    schema = re.search(r"\$schema=(\S+)", (folder / "inventory.yaml").read_text())
    assert schema is not None
    assert (folder / schema[1]).is_file()
    assert program("validate", folder).code == 0
    assert program("compile", folder, "--output", folder / "compiled").code == 0
    (folder / "inventory.yaml").write_text("mine")
    again = program("init", folder, "--example", example)
    assert again.code == 1
    assert "nothing was written" in again.err
    assert (folder / "inventory.yaml").read_text() == "mine"


def test_init_leaves_nothing_behind_when_it_would_overwrite(program: Program, tmp_path: Path) -> None:
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys/web.pub").write_text("mine")
    assert program("init", tmp_path, "--example", "small").code == 1
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["keys", "web.pub"]


def test_without_borgs_package_migrate_says_what_to_install(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] in {"borg", "backupspec_migrate"}]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "backupspec_migrate.cli", None)
    run = program("migrate", "rsnapshot", "--whatever")
    assert run.code == 3
    assert "pipx install 'backupspec[migrate]'" in run.err


# What holds for all of it --------------------------------------------------------------------------------------------


def test_the_version_is_the_packages(program: Program) -> None:
    assert program("--version").out == f"backupspec {__version__}\n"
    assert process("--version").stdout.decode() == f"backupspec {__version__}\n"


@pytest.mark.parametrize("words", [["compile"], ["nonsense"], ["validate", "--nonsense"], ["compile", "x"]])
def test_wrong_usage_ends_with_two(program: Program, words: list[str]) -> None:
    assert program(*words).code == 2


@pytest.mark.parametrize("command", ["", "validate", "compile", "diff", "explain"])
def test_the_exit_codes_are_in_the_help(program: Program, command: str) -> None:
    run = program(*command.split(), "--help")
    assert run.code == 0
    assert "Exit codes: 0 fine; 1 findings" in run.out
    assert "130 Ctrl-C" in " ".join(run.out.split())
    assert "<bool>" not in run.out


def test_every_command_has_its_name_in_the_help(program: Program) -> None:
    listed = re.findall(r"^  (\w+)  +[A-Z]", program("--help").out.partition("Commands:")[2], re.MULTILINE)
    assert listed == ["init", "validate", "compile", "diff", "explain", "schema", "migrate", "libvirt"]


def test_what_nobody_expected_is_told_without_a_traceback(
    program: Program, monkeypatch: pytest.MonkeyPatch, inventory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: object) -> None:
        raise ValueError("so much for that")

    monkeypatch.setattr(commands, "compile_inventory", broken)
    run = program("validate", inventory)
    assert run.code == 3
    assert "ValueError: so much for that" in run.err
    assert "report" in run.err
    monkeypatch.setenv("BACKUPSPEC_TRACEBACK", "1")
    with pytest.raises(SystemExit):
        cli.main()
    assert "Traceback" in capsys.readouterr().err


def test_a_reader_that_goes_away_is_no_crash(inventory: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    command = f"{sys.executable} -m backupspec diff {inventory} --against {tmp_path / 'empty'} | head -n 1"
    ran = subprocess.run(["bash", "-c", f"set -o pipefail; {command}"], check=False, capture_output=True)
    assert b"Traceback" not in ran.stderr
    assert b"Exception" not in ran.stderr
    assert ran.stdout.count(b"\n") == 1


def test_control_c_ends_with_130_and_no_traceback(tmp_path: Path) -> None:
    program = (
        "import signal, time; from backupspec import cli, commands;"
        "signal.signal(signal.SIGINT, signal.default_int_handler);"  # a test run in the background may ignore it
        "commands.compile_inventory = lambda *_: (print('ready', flush=True), time.sleep(60)); cli.main()"
    )
    words = [sys.executable, "-c", program, "validate", str(tmp_path)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        running.stdout.readline()
        time.sleep(0.1)
        running.send_signal(signal.SIGINT)
        assert b"Traceback" not in running.stderr.read()
    assert running.returncode == 130


@pytest.mark.parametrize(("environment", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False)])
def test_colours_are_for_terminals_only(inventory: Path, environment: dict[str, str], *, coloured: bool) -> None:
    edit(inventory, "retention: standard", "retention: standart")
    assert b"\x1b[" not in process("validate", inventory).stdout
    ours, theirs = pty.openpty()
    known = {name: value for name, value in os.environ.items() if name not in {"NO_COLOR", "FORCE_COLOR", "CI"}}
    ran = subprocess.run(
        [sys.executable, "-m", "backupspec", "validate", str(inventory)],
        check=False,
        stdout=theirs,
        stderr=theirs,
        env=known | {"TERM": "xterm-256color"} | environment,
    )
    os.close(theirs)
    shown = os.read(ours, 100_000)
    os.close(ours)
    assert ran.returncode == 1
    assert (b"\x1b[1;31m" in shown) == coloured


def test_a_terminal_without_unicode_still_gets_the_message(inventory: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    ran = process(
        "diff", inventory, "--against", tmp_path / "empty", PYTHONIOENCODING="ascii", LC_ALL="C", PYTHONUTF8="0"
    )
    assert (ran.returncode, b"Traceback" in ran.stderr) == (0, False)
    assert process("compile", inventory, "--output", tmp_path / "out", PYTHONIOENCODING="ascii").returncode == 0


def test_the_output_is_the_same_in_another_locale_time_zone_and_hash_order(inventory: Path, tmp_path: Path) -> None:
    process("compile", inventory, "--output", tmp_path / "one")
    process("compile", inventory, "--output", tmp_path / "two", LC_ALL="C", TZ="Asia/Kolkata", PYTHONHASHSEED="7")
    ran = subprocess.run(["diff", "-r", tmp_path / "one", tmp_path / "two"], check=False, capture_output=True)
    assert ran.stdout == b""
    assert ran.returncode == 0


def test_shells_can_complete(tmp_path: Path) -> None:
    ran = process(_BACKUPSPEC_COMPLETE="complete_bash", COMP_WORDS="backupspec val", COMP_CWORD="1", HOME=str(tmp_path))
    assert ran.stdout.split() == [b"validate"]
