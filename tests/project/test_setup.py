"""A machine that was set up stays as it is, and what is pinned fits each Python that we say we support."""

from __future__ import annotations

import itertools
import os
import re
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

PYTHONS = ("3.11", "3.12", "3.13")
LOCKS = ("requirements.lock", "requirements-borg12.lock")


def _state(checkout: Path) -> Iterator[tuple[str, object]]:
    """Give what a set-up could change: the tops of its folders, its marks, and where each borg leads."""
    for name in (".venv", ".venv-borg12", ".borg"):
        for path in sorted((checkout / name).glob("*")):
            yield str(path), path.lstat().st_mtime_ns
    for mark in (*checkout.glob(".venv*/.complete"), checkout / ".venv/.project"):
        yield str(mark), (mark.stat().st_mtime_ns, mark.read_bytes())
    for link in sorted(checkout.glob(".borg/*/borg")):
        yield str(link), link.readlink()


@pytest.mark.borg
def test_a_second_set_up_takes_seconds_and_changes_nothing(checkout: Path, tmp_path: Path) -> None:
    """With an apt-get and a sudo that would fail: it does not ask for them."""
    if Path(sys.prefix) != checkout / ".venv":
        pytest.skip("these tests do not run in the .venv that `make setup` makes")
    for name in ("apt-get", "sudo"):
        (tmp_path / name).write_text("#!/bin/sh\necho asked >&2\nexit 9\n", encoding="utf-8")
        (tmp_path / name).chmod(0o755)
    before = dict(_state(checkout))
    packages = Path("/var/lib/dpkg/status").stat().st_mtime_ns
    started = time.monotonic()
    env = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    ran = subprocess.run([checkout / "setup/install"], capture_output=True, text=True, check=False, env=env)
    took = time.monotonic() - started
    assert (ran.returncode, ran.stderr) == (0, "")
    assert [re.sub(r"borg 1\.(\d).*", r"borg 1.\1", line) for line in ran.stdout.splitlines()] == [
        "setup: borg 1.2",
        "setup: borg 1.4",
        "setup: everything is in place",
    ]
    assert dict(_state(checkout)) == before
    assert Path("/var/lib/dpkg/status").stat().st_mtime_ns == packages
    assert took < 20  # about two on a machine with nothing else to do


def _pinned(checkout: Path, lock: str, environment: dict[str, str]) -> dict[str, str]:
    """Give the version of each distribution that a lock file pins for an environment."""
    text = (checkout / "setup" / lock).read_text(encoding="utf-8")
    found: dict[str, str] = {}
    for line in re.findall(r"(?m)^([a-z0-9][^\\\n]*?) *\\?$", text):
        requirement = Requirement(line)
        if requirement.marker is None or requirement.marker.evaluate(environment):
            (pin,) = requirement.specifier
            assert pin.operator == "=="
            found[canonicalize_name(requirement.name)] = pin.version
    return found


def _on(python: str) -> dict[str, str]:
    here = {name: str(value) for name, value in default_environment().items()}
    return here | {"python_version": python, "python_full_version": f"{python}.0", "extra": ""}


@pytest.mark.parametrize("python", PYTHONS)
def test_what_is_pinned_is_all_that_is_needed_on_each_python(checkout: Path, python: str) -> None:
    """By the metadata of what is installed here: all that it asks for there is pinned, in a version that fits."""
    environment = _on(python)
    pinned = _pinned(checkout, "requirements.lock", environment)
    project = tomllib.loads((checkout / "pyproject.toml").read_text(encoding="utf-8"))
    groups = project["dependency-groups"]
    wanted = [*project["project"]["dependencies"], *project["project"]["optional-dependencies"]["migrate"]]
    wanted += [*groups["dev"], *groups["build"]]
    for name, version in pinned.items():
        installed = metadata.distribution(name)
        assert installed.version == version
        # A key that is missing is deprecated from Python 3.12 on.
        asked = [text for key, text in installed.metadata.json.items() if key == "requires_python"]
        assert python in SpecifierSet(str((*asked, "")[0])), name
        wanted += installed.requires or []
    for requirement in map(Requirement, wanted):
        marker = requirement.marker
        if marker is None or marker.evaluate(environment):
            assert pinned.get(canonicalize_name(requirement.name), "none") in requirement.specifier, requirement


def test_the_pythons_are_those_that_the_project_names(checkout: Path) -> None:
    project = tomllib.loads((checkout / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    named = [text.rpartition(" ")[2] for text in project["classifiers"] if ":: 3." in text]
    assert tuple(named) == PYTHONS
    assert SpecifierSet(project["requires-python"]) == SpecifierSet(f">={PYTHONS[0]}")


@pytest.mark.parametrize(("lock", "python"), list(itertools.product(LOCKS, PYTHONS)))
def test_every_pin_has_its_hashes(checkout: Path, lock: str, python: str) -> None:
    text = (checkout / "setup" / lock).read_text(encoding="utf-8")
    assert _pinned(checkout, lock, _on(python))
    for block in re.split(r"(?m)^(?=[a-z0-9])", text)[1:]:
        assert "--hash=sha256:" in block, block
