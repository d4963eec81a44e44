"""The report on a terminal and in a pipe."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from rich.cells import cell_len

from backupspec.source import unfit_character
from backupspec_migrate.report_text import as_text
from backupspec_migrate.standing import Standing
from tests.migrate.standings import hostile, nothing, poorly, series, well


@pytest.mark.parametrize("width", [80, 100, 120, 200])
@pytest.mark.parametrize("make", [well, poorly, nothing], ids=lambda make: make.__name__)
def test_no_line_is_wider_than_the_terminal(make: Callable[[], Standing], width: int) -> None:
    lines = as_text(make(), width).plain.splitlines()
    assert [line for line in lines if cell_len(line) > width] == []


def test_all_that_colours_say_is_said_without_them() -> None:
    text = as_text(poorly(), 80).plain
    assert text.startswith("Safe to retire the old tree: NO\n")
    assert "\nX 2024-01-29 03:00  daily.3     differs         939,392  541.00 MB  daily #4\n" in text
    assert "\nX 2021-09-29 04:00  yearly.5    missing               -          -  goes\n" in text
    assert "\n! 2024-02-01 03:00  daily.0     changed since" in text
    assert "\n~ 2018-10-03 04:00  yearly.17   sample only" in text
    assert "\n? 2024-02-01 03:00  daily.0     not verified" in text
    assert "\n  X db01_files_2024-01-29T02:00:00Z: etc/shadow: mode 0640, in the archive 0644\n" in text
    assert "Borg stores no sockets: 82 in 41 archives: run/mysqld/mysqld.sock," in text
    assert as_text(well(), 80).plain.startswith("Safe to retire the old tree: yes\n")


def test_a_wide_terminal_shows_the_names_of_archives() -> None:
    assert "\n+ web01_files_2018-10-03T02:00:00Z  yearly.17   verified whole" in as_text(well(), 120).plain


def test_no_name_moves_the_cursor_or_adds_a_line() -> None:
    text = as_text(hostile(), 80).plain
    assert {unfit_character(line) for line in text.split("\n")} == {None}
    assert len(text.split("\n")) < 2000


def test_a_name_that_is_too_long_for_its_column_is_cut_by_cells() -> None:
    line = replace(series("web01").archives[0], folder="漢字" * 40, kept=("daily #1",) * 30)
    standing = replace(well(), series=(replace(series("web01"), archives=(line,)),))
    text = as_text(standing, 80).plain
    row = next(row for row in text.splitlines() if row.startswith("+ "))
    assert cell_len(row) <= 80
    assert "漢字漢字漢字…" in row
