from __future__ import annotations

import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backupspec.words import ArchiveGlob, ArchiveName, ShellWord, Unrepresentable
from tests.templates.hostile import NASTY, accepted, texts


def _argv(shell: str, script: str) -> list[str]:
    ran = subprocess.run([shell, "-s"], input=script.encode(), capture_output=True, check=True)
    assert ran.stderr == b""
    return ran.stdout.decode().split("\0")[:-1]


@pytest.mark.parametrize("shell", ["sh", "bash"])
@settings(max_examples=60)
@given(values=st.lists(texts, min_size=1, max_size=20))
def test_every_word_arrives_in_a_commands_arguments_as_written(shell: str, values: list[str]) -> None:
    made = accepted(ShellWord, values)
    script = "set -eu\nprintf '%s\\0' " + " ".join(str(word) for _, word in made) + "\n"
    assert not made or _argv(shell, script) == [value for value, _ in made]


@pytest.mark.parametrize("shell", ["sh", "bash"])
@settings(max_examples=60)
@given(values=st.lists(texts, min_size=1, max_size=20))
def test_every_word_arrives_in_a_variable_as_written(shell: str, values: list[str]) -> None:
    made = accepted(ShellWord, values)
    script = "set -eu\n" + "".join(f"x={word}\nprintf '%s\\0' \"$x\"\n" for _, word in made)
    assert _argv(shell, script) == [value for value, _ in made]


def test_only_what_no_argument_can_hold_is_refused() -> None:
    assert [value for value, _ in accepted(ShellWord, list(NASTY))] == list(NASTY)
    for value in ("a\0b", "\ud800"):
        with pytest.raises(Unrepresentable):
            ShellWord(value)


def test_plain_words_stay_as_a_person_would_write_them() -> None:
    assert str(ShellWord("/srv/www-2")) == "/srv/www-2"
    assert str(ShellWord("--exclude-caches")) == "--exclude-caches"
    assert str(ShellWord("it's")) == "'it'\\''s'"


@pytest.mark.parametrize("make", [ArchiveName, ArchiveGlob])
@pytest.mark.parametrize("bad", ["", "a_b", "a*", "{now}", "A", "a..b", "-a", "a-", "a\n"])
def test_a_series_is_made_of_two_clean_names(make: type[ArchiveName | ArchiveGlob], bad: str) -> None:
    for host, job in (("web01", bad), (bad, "www")):
        with pytest.raises(Unrepresentable):
            make(host, job)
