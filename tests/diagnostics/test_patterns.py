"""What a pattern can match is decided as borg itself decides it."""

from __future__ import annotations

import pytest
from borg.patterns import ShellPattern
from hypothesis import example, given
from hypothesis import strategies as st

from backupspec.analyse.patterns import below, covers, reaches

_PARTS = st.sampled_from(["a", "b", "ab", "*", "a*", "?", "**", "a**", "[ab]", "[!a]", "[", ".c", "é"])
_PATTERNS = st.tuples(st.sampled_from(["/", "**/"]), st.lists(_PARTS, min_size=1, max_size=4)).map(
    lambda drawn: drawn[0] + "/".join(drawn[1])
)
_PATHS = st.lists(st.sampled_from(["a", "b", "ab", "c", ".c", "é", "["]), min_size=1, max_size=4).map(
    lambda parts: "/" + "/".join(parts)
)


def matched_by_borg(pattern: str, path: str) -> bool:
    """Ask borg, which stores and matches paths without the first slash."""
    return bool(ShellPattern(pattern.lstrip("/")).match(path.lstrip("/")))


@given(_PATTERNS, _PATHS)
@example("/home/**", "/home")
@example("/a**/b", "/ab")
def test_a_pattern_covers_what_borg_matches(pattern: str, path: str) -> None:
    assert covers(pattern, path) == matched_by_borg(pattern, path)


@given(_PATTERNS, _PATHS)
def test_a_pattern_reaches_every_folder_above_what_it_matches(pattern: str, path: str) -> None:
    if covers(pattern, path):
        parts = path.split("/")
        assert all(reaches(pattern, "/".join(parts[:count]) or "/") for count in range(1, len(parts) + 1))


@pytest.mark.parametrize(
    ("pattern", "folder", "can"),
    [
        ("/home/*/Downloads", "/home", True),
        ("/home/*/Downloads", "/home/ada", True),
        ("/home/*/Downloads", "/home/ada/Downloads/old", True),
        ("/home/*/Downloads", "/home/ada/work", False),
        ("/home/*/Downloads", "/srv", False),
        ("**/.cache", "/srv", True),
        ("/srv", "/", True),
    ],
)
def test_a_pattern_reaches_only_where_it_can_match(pattern: str, folder: str, can: bool) -> None:  # noqa: FBT001 - a parameter of pytest's
    assert reaches(pattern, folder) is can


def test_a_folder_with_a_longer_name_is_not_below() -> None:
    assert not below("/srv/www2", "/srv/www")
    assert below("/srv/www", "/srv/www")
    assert below("/srv", "/")
