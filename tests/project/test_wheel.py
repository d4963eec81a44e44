"""What users install: the wheel, built from the source distribution, in an environment that holds nothing else."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from importlib import metadata
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("wheel")]


@pytest.fixture(scope="module")
def built(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the source distribution, and the wheel from it alone."""
    out = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(out), str(checkout)]
    build = subprocess.run(command, capture_output=True, text=True, check=False)
    assert build.returncode == 0, build.stdout + build.stderr
    return out


@pytest.fixture(scope="module")
def wheel(built: Path) -> Path:
    (path,) = built.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def sdist(built: Path) -> Path:
    (path,) = built.glob("*.tar.gz")
    return path


def _declared(requirements: list[str], extra: str | None) -> set[str]:
    """Give the distributions that these requirements need, and what those need in turn; of extras, that one of ours."""
    wanted: set[str] = set()
    queue = [re.sub(rf"\s*;\s*extra == ['\"]{extra}['\"]$", "", requirement) for requirement in requirements]
    while queue:
        requirement = queue.pop()
        name = re.split(r"[^A-Za-z0-9._-]", requirement, maxsplit=1)[0].lower()
        if "extra ==" in requirement or name in wanted:
            continue
        try:
            distribution = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            # Only what another platform or an older Python needs may be absent here.
            assert ";" in requirement, requirement
            continue
        wanted.add(name)
        queue.extend(distribution.requires or [])
    return wanted


def _lend(distribution: metadata.Distribution, site_packages: Path) -> None:
    """Make an installed distribution visible in another environment."""
    home = Path(sysconfig.get_path("purelib"))
    for top in {file.parts[0] for file in distribution.files or []} - {"..", "__pycache__"}:
        (site_packages / top).symlink_to(home / top)


def _installed(wheel: Path, environment: Path, extra: str | None = None) -> Path:
    """Install the wheel beside the dependencies that it declares, and nothing else; give the program."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(environment)], check=True)
    python = environment / "bin/python"
    pip = [
        sys.executable,
        "-m",
        "pip",
        "--python",
        str(python),
        "install",
        "-qq",
        "--no-deps",
        "--no-index",
        str(wheel),
    ]
    subprocess.run(pip, check=True)
    (site_packages,) = environment.glob("lib/python*/site-packages")
    (own,) = metadata.distributions(name="backupspec", path=[str(site_packages)])
    for name in sorted(_declared(own.requires or [], extra)):
        _lend(metadata.distribution(name), site_packages)
    return environment / "bin/backupspec"


@pytest.fixture(scope="module")
def program(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install what `pipx install backupspec` does."""
    return _installed(wheel, tmp_path_factory.mktemp("environment"))


@pytest.fixture(scope="module")
def migrating(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install what `pipx install 'backupspec[migrate]'` does."""
    return _installed(wheel, tmp_path_factory.mktemp("migrating"), "migrate")


def _run(program: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.defpath, "HOME": "/nonexistent", "LANG": "C.UTF-8"}
    command = [str(program), *arguments]
    return subprocess.run(command, cwd="/", env=environment, capture_output=True, text=True, check=False)


def test_the_wheel_holds_both_packages_whole(checkout: Path, wheel: Path) -> None:
    there = {name for name in zipfile.ZipFile(wheel).namelist() if name.endswith(".py")}
    packages = (checkout / "src/backupspec", checkout / "migrate/backupspec_migrate")
    here = {file.relative_to(package.parent).as_posix() for package in packages for file in package.rglob("*.py")}
    assert there == here
    assert "backupspec_migrate/__init__.py" in there


@pytest.mark.parametrize("folder", ["schema", "templates", "inventories/laptop", "inventories/small"])
def test_the_wheel_holds_each_data_folder_whole(checkout: Path, wheel: Path, folder: str) -> None:
    there = {name for name in zipfile.ZipFile(wheel).namelist() if name.startswith(f"backupspec/{folder}/")}
    here = {f"backupspec/{file.relative_to(checkout)}" for file in (checkout / folder).rglob("*") if file.is_file()}
    assert there == here
    assert there


def test_the_wheel_holds_nothing_else(wheel: Path) -> None:
    tops = {name.split("/", 1)[0] for name in zipfile.ZipFile(wheel).namelist()}
    assert {re.sub(r"-.*\.dist-info$", ".dist-info", top) for top in tops} == {
        "backupspec",
        "backupspec.dist-info",
        "backupspec_migrate",
    }


def test_the_source_distribution_holds_what_is_listed_and_no_leftovers(checkout: Path, sdist: Path) -> None:
    with tarfile.open(sdist) as archive:
        files = [Path(*Path(member.name).parts[1:]) for member in archive.getmembers() if member.isfile()]
    tops = {file.parts[0] for file in files}
    assert tops >= {"LICENSE", "Makefile", "README.md", "migrate", "pyproject.toml", "schema", "setup", "src", "tests"}
    # The build adds PKG-INFO.
    assert tops <= {path.name for path in checkout.iterdir()} | {"PKG-INFO"}
    assert not [file for file in files if "__pycache__" in file.parts or file.parts[0].startswith(".venv")]


def test_the_installed_program_says_its_version(program: Path) -> None:
    run = _run(program, "--version")
    assert (run.returncode, run.stderr) == (0, "")
    assert metadata.version("backupspec") in run.stdout


def test_the_installed_program_compiles_from_anywhere(checkout: Path, program: Path, tmp_path: Path) -> None:
    shutil.copytree(checkout / "inventories/small", tmp_path / "small")
    run = _run(program, "compile", str(tmp_path / "small/inventory.yaml"), "--output", str(tmp_path / "out"))
    assert run.returncode == 0, run.stdout + run.stderr
    assert (tmp_path / "out/manifest.json").is_file()


def test_the_installed_program_starts_an_inventory_that_is_valid(program: Path, tmp_path: Path) -> None:
    init = _run(program, "init", str(tmp_path / "new"))
    assert init.returncode == 0, init.stdout + init.stderr
    (inventory,) = (tmp_path / "new").glob("*.yaml")
    validate = _run(program, "validate", str(inventory))
    assert validate.returncode == 0, validate.stdout + validate.stderr


def test_without_the_extra_migrate_says_what_to_install(program: Path, tmp_path: Path) -> None:
    run = _run(program, "migrate", "rsnapshot", str(tmp_path), "--repository", "/nonexistent/{host}")
    assert run.returncode == 3
    assert "backupspec[migrate]" in run.stdout + run.stderr
    assert "Traceback" not in run.stderr


def test_without_the_extra_libvirt_says_what_to_install(program: Path) -> None:
    run = _run(program, "libvirt", "discover", "test:///default")
    assert (run.returncode, run.stdout) == (3, "")
    assert "backupspec[libvirt]" in run.stderr
    assert "python3-libvirt" in run.stderr
    assert "Traceback" not in run.stderr


@pytest.mark.root
@pytest.mark.borg
def test_with_the_extra_a_rehearsal_runs_away_from_the_checkout(migrating: Path, tmp_path: Path) -> None:
    """Its templates, schemas and borg's package come from the environment alone."""
    where = "import backupspec, backupspec_migrate, borg; print(backupspec.__file__, backupspec_migrate.__file__)"
    python = migrating.with_name("python")
    said = subprocess.run([python, "-I", "-c", where], cwd="/", capture_output=True, text=True, check=True).stdout
    assert all(Path(file).is_relative_to(migrating.parents[1]) for file in said.split())
    run = _run(migrating, "migrate", "rehearse", str(tmp_path / "practice"))
    assert run.returncode == 0, run.stdout + run.stderr
    assert run.stdout.count("Safe to retire the old tree: yes") == 2
    assert "Traceback" not in run.stderr
