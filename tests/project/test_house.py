"""The rules of the house that no other tool holds."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

# Written so that this line does not find itself.
MARKERS = re.compile(r"\b(?:T[O]DO|F[I]XME|X[X]X|H[A]CK)\b")


def _tracked(checkout: Path) -> list[Path]:
    """Give the files of the checkout that git would keep; a source distribution has no git, and no leftovers either."""
    if not (checkout / ".git").exists():
        return [path for path in checkout.rglob("*") if path.is_file() and ".venv" not in str(path)]
    command = ["git", "-C", str(checkout), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split("\0")
    return [checkout / name for name in names if name and (checkout / name).is_file()]


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace")


def _modules(checkout: Path) -> list[Path]:
    return sorted([*(checkout / "src").rglob("*.py"), *(checkout / "migrate").rglob("*.py")])


def _imports(module: Path) -> set[str]:
    """Give the top-level packages that a module imports, wherever in it."""
    found = set()
    for node in ast.walk(ast.parse(_text(module))):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            found.add(node.module.split(".")[0])
    return found


# What tells a module of the machine it runs on, or of the day: by an import, or by a call.
OUTSIDE = {
    "os",
    "subprocess",
    "socket",
    "random",
    "secrets",
    "tempfile",
    "time",
    "shutil",
    "locale",
    "platform",
    "uuid",
}
ASKS = {
    "open",
    "read_text",
    "read_bytes",
    "write_text",
    "write_bytes",
    "exists",
    "is_file",
    "is_dir",
    "iterdir",
    "glob",
}
ASKS |= {"rglob", "stat", "mkdir", "unlink", "cwd", "home", "now", "today", "utcnow"}
# The two ends and what stands around the stages.
ENDS = {
    "analyse/systemd.py",  # the driver asks systemd, where there is one
    "cli.py",
    "commands.py",
    "data.py",  # where the package's own files are
    "earlier.py",  # the tree of an earlier compile
    "findings.py",  # the folder that findings are told from
    "init.py",
    "language.py",  # the schema, which comes with the package
    "lint_templates.py",
    "read.py",
    "reference.py",
    "reference_forms.py",
    "render.py",  # the templates, which come with the package
    "schedule.py",  # the time zones, which come with a package
    "streams.py",
    "write.py",
}


def _called(node: ast.AST) -> str:
    match node:
        case ast.Call(func=ast.Attribute(attr=name)) | ast.Call(func=ast.Name(id=name)):
            return name
        case _:
            return ""


def test_only_the_ends_of_the_pipeline_look_at_the_machine_and_the_clock(checkout: Path) -> None:
    """Parse, check, bind, resolve, plan, diff and each rule of analyse know what they are given, and nothing else."""
    source = checkout / "src/backupspec"
    looking = {
        path.relative_to(source).as_posix()
        for path in source.rglob("*.py")
        if _imports(path) & OUTSIDE or {_called(node) for node in ast.walk(ast.parse(_text(path)))} & ASKS
    }
    assert {name for name in looking if not name.startswith("hypervisor/")} == ENDS


@pytest.mark.parametrize("name", ["README.md", "CHANGELOG.md", "CONTRIBUTING.md", "LICENSE"])
def test_the_papers_are_there(checkout: Path, name: str) -> None:
    assert (checkout / name).stat().st_size > 0


def test_ci_runs_the_test_command_of_the_readme(checkout: Path) -> None:
    assert "make test" in _text(checkout / "README.md")
    assert re.search(r"^make test\b", _text(checkout / ".ci/run"), re.MULTILINE)


def test_no_file_names_the_folder_that_it_was_written_in(checkout: Path) -> None:
    needle = f"{checkout}/"
    assert [path for path in _tracked(checkout) if needle in _text(path)] == []


def test_nothing_is_left_for_later(checkout: Path) -> None:
    places = [path for path in _tracked(checkout) if path.suffix != ".lock"]
    assert [path for path in places if MARKERS.search(_text(path))] == []


def test_no_file_says_where_packages_come_from(checkout: Path) -> None:
    address = re.compile(r"(?:--(?:extra-)?index-url|--find-links|--trusted-host|index-url *=)|https?://[^ ]*/simple\b")
    places = [path for path in _tracked(checkout) if path != Path(__file__)]
    assert [path for path in places if address.search(_text(path))] == []


def test_the_compiler_never_needs_borg_or_libvirt(checkout: Path) -> None:
    """One module asks for libvirt, when a hypervisor is to be read; the stages of a compile know nothing of it."""
    source = checkout / "src/backupspec"
    users = [module for module in source.rglob("*.py") if _imports(module) & {"borg", "libvirt"}]
    assert users == [source / "hypervisor/read.py"]
    assert not re.search(r"^(?:import|from) libvirt", _text(users[0]), re.MULTILINE)
    inside = {module for module in source.rglob("*.py") if "backupspec.hypervisor" in _text(module)}
    assert {module.relative_to(source).parts[0] for module in inside} == {"commands.py", "hypervisor"}


def test_the_migration_is_entered_from_the_command_line_only(checkout: Path) -> None:
    compiler = sorted((checkout / "src").rglob("*.py"))
    users = {module.name for module in compiler if "backupspec_migrate" in _imports(module)}
    assert users <= {"cli.py"}


def test_a_module_fits_on_a_few_screens(checkout: Path) -> None:
    assert {path.name: n for path in _modules(checkout) if (n := len(_text(path).splitlines())) >= 400} == {}


def test_a_module_is_named_for_what_it_does(checkout: Path) -> None:
    vague = re.compile(r"util|helper|manager|common|misc")
    assert [path for path in _modules(checkout) if vague.search(path.stem)] == []


def test_every_lint_rule_that_is_off_has_a_reason(checkout: Path) -> None:
    text = _text(checkout / "pyproject.toml")
    ignores = text[text.index("[tool.ruff.lint]") : text.index("[tool.ruff.lint.isort]")]
    codes = re.findall(r'^    "[A-Z]+[0-9]*",.*$', ignores, re.MULTILINE)
    assert codes
    assert [line for line in codes if not re.search(r"# \S+", line)] == []


def test_every_line_that_is_exempt_from_a_rule_says_why(checkout: Path) -> None:
    modules = [path for path in _tracked(checkout) if path.suffix == ".py"]
    lines = {path: re.findall(r"# no[q]a.*", _text(path)) for path in modules}
    assert sum(map(len, lines.values())) > 20
    bare = re.compile(r"# noqa(?:: [A-Z0-9, ]+)?$")
    assert {
        path.name: found for path, all_ in lines.items() if (found := [line for line in all_ if bare.match(line)])
    } == {}


def test_every_dependency_is_pinned_with_its_hashes(checkout: Path) -> None:
    project = tomllib.loads(_text(checkout / "pyproject.toml"))
    wanted = [
        *project["project"]["dependencies"],
        *project["project"]["optional-dependencies"]["migrate"],
        *project["dependency-groups"]["dev"],
        *project["dependency-groups"]["build"],
    ]
    names = {re.split(r"[^A-Za-z0-9._-]", requirement, maxsplit=1)[0].lower() for requirement in wanted}
    lock = _text(checkout / "setup/requirements.lock")
    pinned = re.findall(r"^([a-z0-9._-]+)==[^ ]+(?: ; .*?)? \\\n    --hash=", lock, re.MULTILINE)
    assert names <= set(pinned)
    assert len(pinned) == lock.count("==") - lock.count("== '")


def test_debian_packages_are_listed_once(checkout: Path) -> None:
    lines = [line.split("#")[0].strip() for line in _text(checkout / "setup/debian-packages").splitlines()]
    names = [line for line in lines if line]
    assert sorted(set(names)) == sorted(names)


def test_shell_scripts_can_be_run(checkout: Path) -> None:
    scripts = [path for path in _tracked(checkout) if not path.suffix and _text(path).startswith("#!")]
    scripts = [path for path in scripts if not {"templates", "__snapshots__"} & set(path.parts)]
    assert checkout / "setup/install" in scripts
    assert [path for path in scripts if not path.stat().st_mode & 0o100] == []


def test_a_migration_begins_without_the_compiler(checkout: Path) -> None:
    """What an import does not need, it need not load: a fifth of a second, for each repository."""
    program = "import sys; import backupspec.cli, backupspec_migrate.commands.run; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", program], cwd=checkout, capture_output=True, text=True, check=True)
    modules = set(loaded.stdout.split())
    assert "backupspec_migrate.prepare" in modules
    assert {"backupspec.pipeline", "backupspec.plan", "backupspec.commands", "jinja2"} & modules == set()
