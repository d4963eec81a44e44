"""What an admin reads of a scan, and what a program reads of it."""

from __future__ import annotations

import io
import json
import os
import shutil
import socket
import subprocess
import sys
import urllib.parse
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from rich.cells import cell_len
from rich.console import Console, RenderableType
from syrupy.assertion import SnapshotAssertion
from syrupy.extensions.single_file import SingleFileSnapshotExtension, WriteMode

from backupspec.catalogue import diagnose
from backupspec.data import data_folder
from backupspec.diagnostic import Span
from backupspec_migrate.estimate import Estimate, Range, Sampled
from backupspec_migrate.layout import layout_of_root
from backupspec_migrate.scan import Doubt, Gap, Scan, Snapshot, scan
from backupspec_migrate.scan_document import as_json, quoted
from backupspec_migrate.scan_page import ScanAbout, as_tables, duration, print_page
from backupspec_migrate.survey import Counts, Example, ImageSurvey, SeriesSurvey, Survey, survey
from backupspec_migrate.view import open_view
from backupspec_migrate.walk_progress import show_walk
from tests.migrate.site import DAY, FIRST, OLD, Site

SCHEMA = json.loads((data_folder("schema") / "migration-scan.schema.json").read_text(encoding="utf-8"))
ABOUT = ScanAbout(
    "/etc/rsnapshot.conf",
    "rsnapshot",
    "/run/rsnapshot.pid was left behind by an rsnapshot that was interrupted",
    "/var/log/rsnapshot.log was read",
    "Europe/Berlin",
    ("/etc/rsnapshot.conf",),
)
HOSTILE = "caf\udce9\u202e\x1b[31m[bold]%"


class TextFile(SingleFileSnapshotExtension):
    """One file for each page: what a reviewer reads is what a user sees."""

    _write_mode = WriteMode.TEXT
    file_extension = "txt"


def history() -> tuple[Scan, Survey, Estimate]:
    """Give what a scan of three rungs, two hosts and a script could find."""
    ladder = (*(("weekly", n, 8 + 7 * n) for n in (2, 1, 0)), *(("daily", n, n) for n in (6, 5, 4, 1, 0)))
    snapshots = tuple(
        Snapshot(f"{name}.{n}", FIRST - days * DAY, (1, n, 1), (name, n), "logfile" if n == 4 else "folder")
        for name, n, days in ladder
    )
    odd = (Example("socket", "run/app.sock"), Example("not_utf8", f"srv/{HOSTILE}"))
    first = Counts(1_023_456, 10_234, 1_000_000, 52_345_678_901, 12, 1, 0, 1)
    later = Counts(1_025_801, 10_250, 2_345, 12_345_678, 12, 1, 0, 1)
    web = tuple(ImageSurvey(one.slot, first if one.slot == "weekly.2" else later, odd) for one in snapshots)
    database = tuple(ImageSurvey(one.slot, Counts(10, 2, 8, 800), ()) for one in snapshots if one.slot != "daily.5")
    broken = ImageSurvey(
        "weekly.2", Counts(1, unreadable=1), (Example("unreadable", "dump.sql", "Input/output error"),)
    )
    series = (
        SeriesSurvey("web01", None, "web01", web),
        SeriesSurvey("db01", None, "hosts/db01", database),
        SeriesSurvey("db01", "script-mysql", "hosts/db01/mysql", (broken,)),
    )
    total = sum((one.counts for one in series), Counts())
    scanned = Scan(
        "/backup/snapshots",
        snapshots,
        (),
        (
            Doubt("daily.0", "lockfile", "rsnapshot left its lockfile behind"),
            Doubt("daily.1", "rolled-back", "hosts/db01 is that of daily.4: rsync failed", ("hosts/db01",)),
        ),
        ((".sync", "rsnapshot's staging area (sync_first), not yet a snapshot"), (HOSTILE, "a symbolic link")),
        (Gap("daily", FIRST - 4 * DAY, FIRST - DAY, 2),),
        frozenset({"daily.1"}),
    )
    sampled = Sampled(200, 40_000_000, Range(0.4, 0.62), 2.0, "zstd,3")
    run = Range(400, 1000)
    guess = Estimate(run, run, Range(2.15e10, 5.2e10), Range(2.04e10, 5e10), Range(1.1e9, 2e9), sampled)
    return scanned, Survey(series, replace(total, files=total.files - 7), (), 1.0), guess


def lines(page: RenderableType, width: int) -> list[str]:
    """Give the page as a terminal of that width gets it, without colours."""
    file = io.StringIO()
    console = Console(file=file, width=width, highlight=False, markup=False, emoji=False, color_system=None)
    console.print(page)
    return [line.rstrip() for line in file.getvalue().split("\n")]


def piped(page: RenderableType) -> str:
    file = io.StringIO()
    print_page(page, file)
    return file.getvalue()


@pytest.mark.parametrize("width", [80, 120])
def test_the_page_reads_like_this(width: int, snapshot: SnapshotAssertion) -> None:
    scanned, surveyed, guess = history()
    finding = diagnose("BS622", "no lockfile is configured", Span("x", 1, 1, 1, 1), hint="set `lockfile`")
    shown = lines(as_tables(scanned, surveyed, guess, ABOUT, (finding,)), width)
    assert max(map(cell_len, shown)) <= width
    assert "\n".join(shown) == snapshot(extension_class=TextFile)


def test_every_row_of_a_table_is_one_line_at_80_columns() -> None:
    scanned, surveyed, guess = history()
    shown = lines(as_tables(scanned, surveyed, guess, ABOUT), 80)
    rows = [line for line in shown if line[2:].startswith(("weekly.", "daily.")) and "Z " in line]
    assert len(rows) == 8 + 7 + 1
    assert all(line.endswith(("B", "kB", "MB", "GB")) for line in rows)


def test_a_pipe_gets_whole_names_no_colours_and_no_spaces_at_the_end() -> None:
    scanned, surveyed, guess = history()
    name = "x" * 200
    scanned = replace(scanned, skipped=((name, "not a folder"),))
    text = piped(as_tables(scanned, surveyed, guess, ABOUT))
    assert f"  {name}  not a folder\n" in text
    assert "\x1b" not in text
    assert [line for line in text.split("\n") if line != line.rstrip()] == []
    assert text.endswith("\nNext  backupspec migrate plan /etc/rsnapshot.conf -o plan.yaml\n")


def test_a_doubt_about_one_host_marks_that_host_only() -> None:
    scanned, surveyed, guess = history()
    shown = lines(as_tables(scanned, surveyed, guess, ABOUT), 100)
    marked = [line.split()[1] for line in shown if line.startswith("! ") and "Z " in line]
    assert marked == ["daily.0", "daily.1", "daily.0"]


def test_names_move_no_cursor_hide_nothing_and_are_no_markup() -> None:
    scanned, surveyed, guess = history()
    about = replace(ABOUT, source=f"/{HOSTILE}", plan_words=(f"/{HOSTILE}",))
    series = replace(surveyed.series[0], host=HOSTILE, folder=HOSTILE)
    moved = replace(scanned, root=f"/{HOSTILE}", doubts=(Doubt(HOSTILE, "lockfile", HOSTILE),))
    text = piped(as_tables(moved, replace(surveyed, series=(series,)), guess, about))
    assert r"caf\xe9\u202e\x1b[31m[bold]%" in text
    assert all(character.isprintable() or character == "\n" for character in text)
    document = as_json(moved, replace(surveyed, series=(series,)), guess, about)
    assert document.isascii()
    Draft202012Validator(SCHEMA).validate(json.loads(document))


def test_a_time_beyond_the_calendar_is_shown_in_seconds() -> None:
    scanned, surveyed, guess = history()
    far = replace(scanned, snapshots=(replace(scanned.snapshots[0], time=10**14), *scanned.snapshots[1:]))
    assert f"@{10**14}" in piped(as_tables(far, surveyed, guess, ABOUT))
    Draft202012Validator(SCHEMA).validate(json.loads(as_json(far, surveyed, guess, ABOUT)))


def test_an_empty_tree_has_a_page() -> None:
    empty = Scan("/backup", (), (), (), ())
    nothing = Survey((), Counts(), (), 0.0)
    assert "Nothing was found that could be imported." in piped(as_tables(empty, nothing, None, ABOUT))
    Draft202012Validator(SCHEMA).validate(json.loads(as_json(empty, nothing, None, ABOUT)))


@given(st.binary(max_size=30))
def test_a_name_in_the_document_gives_back_its_bytes(name: bytes) -> None:
    text = json.loads(json.dumps(quoted(os.fsdecode(name))))
    assert urllib.parse.unquote_to_bytes(text) == name


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0.4, "0 s"),
        (59, "59 s"),
        (60, "1 min"),
        (3599, "59 min 59 s"),
        (7800, "2 h 10 min"),
        (86_399, "24 h"),
        (86_400, "1 day"),
        (3 * 86_400 - 21, "3 days"),
        (100_000, "1 day 4 h"),
    ],
)
def test_a_stretch_of_time_is_said_in_two_units(seconds: float, said: str) -> None:
    assert duration(seconds) == said


# The document ---------------------------------------------------------------------------------------------------------


def nodes(schema: dict[str, Any]) -> list[dict[str, Any]]:
    """Give every node of a schema that describes a value."""
    inner = [
        *schema.get("$defs", {}).values(),
        *schema.get("properties", {}).values(),
        *schema.get("oneOf", ()),
        *([schema["items"]] if "items" in schema else []),
    ]
    return [schema, *(below for one in inner for below in nodes(one))]


def test_every_node_of_the_schema_is_described_and_every_object_is_closed() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    every = nodes(SCHEMA)
    assert [node for node in every if not node.get("description", "").endswith(".")] == []
    assert [node for node in every if "$ref" not in node and "title" not in node] == []
    objects = [node for node in every if node.get("type") == "object"]
    assert len(objects) > 10
    assert all(node["additionalProperties"] is False and node["required"] == [*node["properties"]] for node in objects)


def test_the_document_holds_what_the_page_shows() -> None:
    scanned, surveyed, guess = history()
    finding = diagnose("BS622", "no lockfile is configured", Span("x", 1, 1, 1, 1))
    document = json.loads(as_json(scanned, surveyed, guess, ABOUT, (finding,)))
    Draft202012Validator(SCHEMA).validate(document)
    assert document["snapshots"][-1]["doubt"]["kind"] == "lockfile"
    assert document["snapshots"][-2]["doubt"]["folders"] == ["hosts/db01"]
    assert document["series"][0]["snapshots"][0]["counts"]["files"] == 1_000_000
    assert document["series"][0]["snapshots"][0]["examples"][1]["path"] == "srv/caf%E9\u202e\x1b[31m[bold]%25"
    assert document["gaps"] == [
        {"of": "daily", "after": "2023-12-29T02:05:00Z", "before": "2024-01-01T02:05:00Z", "missing": 2}
    ]
    assert document["findings"][0]["code"] == "BS622"


# With a real tree -----------------------------------------------------------------------------------------------------


@pytest.mark.root
def test_a_tree_that_rsnapshot_made_has_this_page(make_site: Callable[..., Site], snapshot: SnapshotAssertion) -> None:
    hosts = [("web01/", "web01/", ""), ("db01/", "db01/", "")]
    site = make_site(lines=hosts, long_args="--delete --delete-excluded")
    for number in range(30):
        site.put(f"web01/etc/file{number}", "x" * 100)
    site.put(b"web01/caf\xe9")
    site.put("db01/dump", "y" * 5000)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(site.sources / "web01/socket"))
    for night in (0, 1, 2, 6):
        site.put("db01/dump", "y" * (5000 + night))
        site.night(time=FIRST + night * DAY)
    listener.close()
    (site.snapshots / "latest").symlink_to("daily.0")
    (site.snapshots / ".sync").mkdir()
    shutil.rmtree(site.snapshots / "daily.1/db01")
    os.utime(site.snapshots / "daily.1", (FIRST + 2 * DAY,) * 2)
    with open_view(str(site.snapshots)) as view:
        scanned, _ = scan(layout_of_root(str(site.snapshots)), view, interrupted=False)
        surveyed = survey(scanned, view, lambda _: None)
    about = ScanAbout("/backup/snapshots", "rsnapshot", None, None, "UTC", ("/backup/snapshots",))
    text = "\n".join(lines(as_tables(replace(scanned, root="/backup/snapshots"), surveyed, None, about), 100))
    assert text == snapshot(extension_class=TextFile)
    Draft202012Validator(SCHEMA).validate(json.loads(as_json(scanned, surveyed, None, about)))


@pytest.mark.root
def test_the_walk_says_a_line_for_each_host_in_a_pipe_and_is_gone_from_a_terminal(place: Path) -> None:
    for slot in ("daily.0", "daily.1"):
        for host in ("a", "b"):
            (place / slot / host / "etc").mkdir(parents=True)
        os.utime(place / slot, (OLD - DAY * int(slot[-1]),) * 2)
    code = "import sys\nfrom tests.migrate.test_scan_page import walk\nwalk(sys.argv[1])\n"
    command = [sys.executable, "-c", code, str(place)]
    root = Path(__file__).parents[2]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=root)
    assert done.stderr == "a: 2 snapshots, 2 entries\nb: 2 snapshots, 2 entries\n"
    assert done.stdout == ""
    ours, theirs = os.openpty()
    with os.fdopen(ours, "rb", buffering=0) as terminal:
        subprocess.run(command, stderr=theirs, check=True, cwd=root, env={**os.environ, "TERM": "xterm"})
        shown = terminal.read(100_000).decode()
        os.close(theirs)
    assert "snapshot 2 of 2, 4 entries" in shown
    assert "\x1b[2K" in shown


def walk(root: str) -> None:
    """Count a tree and show how far it is."""
    with open_view(root) as view, show_walk() as report:
        scanned, _ = scan(layout_of_root(root), view, interrupted=False)
        survey(scanned, view, report)
