"""The encoding that puts a database's name into the alphabet of archive names, as the compiled scripts do it."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backupspec.data import data_folder
from backupspec.plan.kinds import ENCODING

_TEMPLATE = (data_folder("templates") / "databases/encode.sh.j2").read_text(encoding="utf-8")
ENCODE = re.sub(r"\{\{ encoding\.([a-z]+) \}\}", lambda found: str(getattr(ENCODING, found[1])), _TEMPLATE)
DECODE = (data_folder("templates") / "databases/decode.sh.j2").read_text(encoding="utf-8")
LOOP = 'for name in "$@"; do encode "=$name"; echo; done'
LONGEST = 130
NAMES = st.binary(min_size=1, max_size=200).filter(lambda name: b"\0" not in name)
LIKE_PLAIN = st.text("ab-._2e", min_size=1, max_size=60).map(str.encode)


def encoded(names: list[bytes], shell: str = "sh") -> list[str]:
    """Run the compiled function on each name."""
    argv: list[str | bytes] = [shell, "-euc", f"{ENCODE}\n{LOOP}", "sh", *names]
    return subprocess.run(argv, capture_output=True, check=True).stdout.decode("ascii").split("\n")[:-1]


def decoded(text: str, what: str, awk: str = "awk") -> bytes:
    """Run the compiled function that reads encoded names, one a line."""
    script = f'{DECODE}\nawk() {{ command {awk} "$@"; }}\ndecode "$@"'
    argv = ["sh", "-euc", script, "sh", what]
    return subprocess.run(argv, input=text.encode(), capture_output=True, check=True).stdout


@pytest.mark.parametrize("awk", [awk for awk in ("mawk", "gawk") if shutil.which(awk)])
def test_names_are_shown_as_people_write_them(awk: str) -> None:
    names = ["wiki", "Wiki", "/srv/app.db", "dc=a,dc=b", "é", ".users", "=x", "a\nb", f"/srv/{'x' * 200}"]
    given = "\n".join([*encoded([name.encode() for name in names]), ".users", ".all"])
    *shown, _ = decoded(given, "names", awk).decode().split("\n")
    *plain, control, cut, users, everything = shown
    assert plain == ["wiki", "Wiki", "/srv/app.db", "dc=a,dc=b", "é", "=.users", "==x"]
    assert (control, users, everything) == ("a.0ab", ".users", ".all")
    assert re.fullmatch(r"/srv/x+\.\.[0-9a-f]{32}", cut)


@pytest.mark.parametrize("shell", ["dash", "bash"])
@settings(max_examples=40)
@given(names=st.lists(NAMES | LIKE_PLAIN, min_size=1, max_size=20, unique=True))
def test_no_two_names_become_one_and_all_fit_the_alphabet(shell: str, names: list[bytes]) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    found = encoded(names, shell)
    assert len(set(found)) == len(names)
    for text in found:
        assert re.fullmatch(r"[a-z0-9.-]+", text)
        assert not text.startswith("-")
        assert len(text) <= LONGEST


@settings(max_examples=60)
@given(name=NAMES | LIKE_PLAIN)
def test_a_name_that_is_not_cut_can_be_read_back(name: bytes) -> None:
    (text,) = encoded([name])
    if ".." not in text:
        assert decoded(text, "entry") == b"=" + name
        assert re.sub(rb"\.([0-9a-f]{2})", lambda code: bytes.fromhex(code[1].decode()), text.encode()) == name


def test_names_look_like_this() -> None:
    names = ["wiki", "wiki-prod", "wiki_prod", "Wiki", "-x", "a.b", "é", "a" * 200]
    assert encoded([name.encode() for name in names])[:7] == [
        "wiki",
        "wiki-prod",
        "wiki.5fprod",
        ".57iki",
        ".2dx",
        "a.2eb",
        ".c3.a9",
    ]


def test_what_is_no_database_keeps_a_name_that_none_can_have() -> None:
    argv = ["sh", "-euc", f"{ENCODE}\nencode .users"]
    assert subprocess.run(argv, capture_output=True, check=True).stdout == b".users"
    # An encoded name has two hexadecimal digits, or the end, behind each dot.
    assert not re.fullmatch(r"(?:[a-z0-9-]|\.[0-9a-f]{2})*(?:\.\.[0-9a-f]+)?", ".users")
