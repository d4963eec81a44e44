from __future__ import annotations

import io
import json
import os
import subprocess
from pathlib import Path

import pytest
from borg.helpers.parseformat import Location, archivename_validator, replace_placeholders
from borg.patterns import IECommand, load_pattern_file
from hypothesis import given
from hypothesis import strategies as st

from backupspec.words import ArchiveGlob, ArchiveName, BorgPattern, BorgUrl, Unrepresentable
from tests.templates.hostile import NASTY, accepted, paths, texts

SIGNS = {IECommand.Include: "+", IECommand.Exclude: "-", IECommand.ExcludeNoRecurse: "!"}


def _loaded(words: list[BorgPattern]) -> list[tuple[str, str, str]]:
    """Give what borg reads out of a pattern file."""
    roots: list[str] = []
    commands: list[tuple[object, object]] = []
    load_pattern_file(io.StringIO("".join(f"{word}\n" for word in words), newline=None), roots, commands)
    assert roots == []
    return [(SIGNS[command], pattern.PREFIX, pattern.pattern_orig) for pattern, command in commands]  # type: ignore[attr-defined]


@given(
    values=st.lists(paths, min_size=1, max_size=20), style=st.sampled_from(["pp", "pf"]), sign=st.sampled_from("+-!")
)
def test_a_path_in_a_pattern_file_means_itself_to_borg(values: list[str], style: str, sign: str) -> None:
    made = accepted(lambda value: BorgPattern(sign, style, value), values)  # type: ignore[arg-type]
    assert _loaded([word for _, word in made]) == [(sign, style, value) for value, _ in made]


@given(values=st.lists(texts, min_size=1, max_size=20))
def test_a_shell_pattern_reaches_borg_as_written(values: list[str]) -> None:
    made = accepted(lambda value: BorgPattern("-", "sh", value), values)
    assert _loaded([word for _, word in made]) == [("-", "sh", value) for value, _ in made]


@pytest.mark.parametrize(
    "bad", ["", "a//b", "a/../b", "./a", "..", "//a", "a ", "a\u00a0", "a\nb", "[z-a]", "[[:alpha:]", "[a/b]", "x/."]
)
def test_a_pattern_that_borg_would_rewrite_or_choke_on_is_refused(bad: str) -> None:
    with pytest.raises(Unrepresentable):
        BorgPattern("-", "sh", bad)


@pytest.mark.parametrize(
    "good", ["**/.cache", "/home/*/Downloads", "*.o", "[ab]*", "[!a]x", "[", "a/", " a", "#a", "[]]"]
)
def test_ordinary_patterns_are_taken(good: str) -> None:
    assert str(BorgPattern("-", "sh", good)) == f"- sh:{good}"


@pytest.mark.borg
@pytest.mark.parametrize("generation", ["borg12", "borg14"])
def test_borg_excludes_exactly_the_named_paths(generation: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    borg: Path = request.getfixturevalue(generation)
    env = {"BORG_BASE_DIR": str(tmp_path / "base"), "LC_ALL": "C.UTF-8", "PATH": os.environ["PATH"]}
    repository = tmp_path / "a 'quoted' 100% $repo"
    location = subprocess.run(
        ["sh", "-c", f"printf %s {BorgUrl(str(repository))}"], capture_output=True, check=True, text=True
    ).stdout
    env |= {"BORG_REPO": location, "BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK": "yes"}
    subprocess.run([borg, "init", "--encryption=none"], env=env, check=True, capture_output=True)
    assert (repository / "config").is_file()
    source = tmp_path / "source"
    names = [name for name in NASTY if "/" not in name]
    for name in names:
        (source / name / "inside").mkdir(parents=True)
    made = accepted(lambda name: BorgPattern("!", "pp", f"{source}/{name}"), names)
    (tmp_path / "patterns").write_text("".join(f"{word}\n" for _, word in made))
    create = [str(borg), "create", "--patterns-from", str(tmp_path / "patterns"), "::{now}", str(source)]
    ran = subprocess.run(create, env=env, check=True, capture_output=True)
    assert ran.stderr == b""
    (archive,) = subprocess.run(
        [borg, "list", "--short"], env=env, check=True, capture_output=True, text=True
    ).stdout.split()
    listed = subprocess.run(
        [borg, "list", "--json-lines", f"::{archive}"], env=env, check=True, capture_output=True, text=True
    ).stdout
    stored = {"/" + json.loads(line)["path"] for line in listed.splitlines()}
    kept = [name for name in names if name not in dict(made)]
    assert stored == {str(source), *(f"{source}/{name}{end}" for name in kept for end in ("", "/inside"))}


@given(values=st.lists(paths, min_size=1, max_size=20))
def test_a_local_repository_is_where_the_inventory_says(values: list[str]) -> None:
    for value, word in accepted(BorgUrl, values):
        location = Location(_argument(word))
        assert (location.proto, location.path, location.archive) == ("file", value, None)


@given(values=st.lists(paths, min_size=1, max_size=20))
def test_a_remote_repository_is_where_the_inventory_says(values: list[str]) -> None:
    for start, path in (("ssh://u-1@box.example.net:23", ""), ("ssh://u-1@box.example.net:23/.", "/.")):
        for value, word in accepted(BorgUrl, [start + value for value in values]):
            location = Location(_argument(word))
            assert (location.proto, location.archive) == ("ssh", None)
            assert (location.user, location.host, location.port) == ("u-1", "box.example.net", 23)
            assert location.path == path + value.removeprefix(start)


def _argument(word: BorgUrl) -> str:
    """Undo the shell's quoting, which has tests of its own."""
    text = str(word)
    return text[1:-1].replace("'\\''", "'") if text.startswith("'") else text


@pytest.mark.parametrize(
    "bad",
    [
        "",
        "relative",
        "a:b",
        "/",
        "/a::b",
        "/a/",
        "//a",
        "/a/../b",
        "/{hostname}",
        "/a}",
        "ssh://-oProxyCommand=id/x",
        "ssh://-l@h/x",
        "ssh://h",
        "ssh://h/",
        "ssh://h:0/x",
        "ssh://h:99999/x",
        "ssh://a b/x",
        "ssh://[zz]/x",
        "file:///x",
        "ssh://h/x::y",
        "ssh://h/./../x",
        "ssh://u:p@h/x",
        "user@host:path",
    ],
)
def test_a_location_that_borg_would_read_as_something_else_is_refused(bad: str) -> None:
    with pytest.raises(Unrepresentable):
        BorgUrl(bad)


def test_an_archive_gets_its_time_from_borg_and_its_glob_finds_it() -> None:
    name, glob = ArchiveName("web01.example", "www"), ArchiveGlob("web01.example", "www")
    filled = archivename_validator()(name.text.removeprefix("::"))
    assert filled.startswith("web01.example_www_2")
    assert len(filled) == len(glob.text)
    assert replace_placeholders(glob.text) == glob.text
