"""Findings about the output come from folders, not from inventories: each is provoked here, its whole text pinned."""

from __future__ import annotations

import fcntl
from collections.abc import Callable
from pathlib import Path

import pytest

from backupspec import diff, show
from backupspec.accept import accepted, unused
from backupspec.codes.output import OUTPUT
from backupspec.diagnostic import Diagnostic, Diagnostics, Severity, Span
from backupspec.inventory import Accept, Written
from backupspec.tree import File, Tree
from backupspec.write import write

PLACE = Span("inventory.yaml", 7, 1, 7, 6)


def tree(*hosts: str) -> Tree:
    files = tuple(File(f"hosts/{host}/apply", 0o755, "root:root", host, f"hosts.{host}", PLACE) for host in hosts)
    return Tree((File("README.md", 0o644, "root:root", "read me", "", PLACE), *files), hosts)


def onto(folder: Path, *, sources: tuple[Path, ...] = (), hosts: frozenset[str] = frozenset()) -> Diagnostics:
    return write(tree("db01", "web01"), folder / "out", "1", sources=sources, hosts=hosts)[1]


def holding(folder: Path, **files: str) -> Diagnostics:
    (folder / "out").mkdir()
    for name, text in files.items():
        (folder / "out" / name.replace("_", ".")).write_text(text)
    return onto(folder)


def not_ours(folder: Path) -> Diagnostics:
    return holding(folder, thesis_tex="years of work")


def of_another_program(folder: Path) -> Diagnostics:
    return holding(folder, manifest_json='{"name": "a web app"}')


def damaged(folder: Path) -> Diagnostics:
    return holding(folder, manifest_json='{"format": 1,\n "comp')


def with_foreign_files(folder: Path) -> Diagnostics:
    onto(folder)
    for number in range(7):
        (folder / "out" / f"note{number}").touch()
    return onto(folder)


def a_link(folder: Path) -> Diagnostics:
    (folder / "real").mkdir()
    (folder / "out").symlink_to("real")
    return onto(folder)


def around_the_inventory(folder: Path) -> Diagnostics:
    return onto(folder, sources=(folder / "out/inventory.yaml",))


def while_another_writes(folder: Path) -> Diagnostics:
    staging = folder / ".out.backupspec-staging"
    staging.mkdir()
    with (staging / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return onto(folder)


def where_nothing_can_be_made(_: Path) -> Diagnostics:
    return write(tree(), Path("/proc/out"), "1")[1]


def a_host_vanishes(_: Path) -> Diagnostics:
    return diff.findings(("web01",), ("www1",), PLACE)


def edited_by_hand(folder: Path) -> Diagnostics:
    onto(folder)
    (folder / "out/README.md").write_text("mine")
    return onto(folder)


def hosts_left_out(folder: Path) -> Diagnostics:
    return onto(folder, hosts=frozenset({"web01"}))


def acceptance(code: str, where: str, until: str | None = None) -> Accept:
    ends = Written(until, PLACE) if until else None
    return Accept(Written(code, PLACE), Written(where, PLACE), "known", ends, PLACE)


def accepts_nothing(_: Path) -> Diagnostics:
    return unused((), (acceptance("BS101", "hosts.web01"),))


def accepts_an_error(_: Path) -> Diagnostics:
    error = Diagnostic("BS101", Severity.ERROR, "message", PLACE, where="hosts.web01.os")
    return unused((error,), (acceptance("BS101", "hosts.web01"),))


def acceptance_ended(_: Path) -> Diagnostics:
    return accepted((), (acceptance("BS101", "hosts.web01", "2027-04-01"),), "2027-04-02")


VANISHED = (
    "renamed? say `formerly: [web01]` in www1, which keeps its history; given up? add it to `retired: [web01]`, "
    "compile and apply once: its timers stop, its files go"
)
PINNED: dict[str, tuple[Callable[[Path], Diagnostics], str]] = {
    "BS490": (
        accepts_nothing,
        """
warning[BS490]: nothing is left to accept: there is no BS101 at hosts.web01
 --> inventory.yaml:7:1
  = hint: delete this entry

1 warning
""",
    ),
    "BS491": (
        accepts_an_error,
        """
warning[BS491]: BS101 at hosts.web01 is an error, which cannot be accepted
 --> inventory.yaml:7:1
  = hint: solve it, and delete this entry

1 warning
""",
    ),
    "BS492": (
        acceptance_ended,
        """
warning[BS492]: this acceptance of BS101 ended on 2027-04-01
 --> inventory.yaml:7:1
  = hint: solve what it accepted, or give it a later `until`

1 warning
""",
    ),
    "BS501": (
        not_ours,
        """
error[BS501]: /srv/out is not empty and holds no manifest.json of backupspec
  = hint: choose a new or an empty folder for --output

1 error
""",
    ),
    "BS502": (
        of_another_program,
        """
error[BS502]: /srv/out/manifest.json was not written by backupspec
  = hint: choose another folder for --output; backupspec only replaces what it wrote itself

1 error
""",
    ),
    "BS503": (
        damaged,
        """
error[BS503]: /srv/out/manifest.json is damaged: it is not JSON
 --> /srv/out/manifest.json:2:2
  = hint: get it back from version control, or compile into a new folder and compare

1 error
""",
    ),
    "BS504": (
        with_foreign_files,
        """
error[BS504]: /srv/out holds what backupspec did not write: note0, note1, note2, note3, note4 and 2 more
 --> /srv/out/note0
  = hint: move it elsewhere: the folder is replaced as a whole, and what is not ours is never removed

1 error
""",
    ),
    "BS505": (
        a_link,
        """
error[BS505]: /srv/out is a symbolic link
  = hint: name the folder that it leads to: /srv/real

1 error
""",
    ),
    "BS506": (
        around_the_inventory,
        """
error[BS506]: /srv/out/inventory.yaml lies in the output folder /srv/out
  = hint: choose a folder that holds nothing else, such as one beside the inventory

1 error
""",
    ),
    "BS507": (
        while_another_writes,
        """
error[BS507]: another compile is writing to /srv/out
  = hint: wait until it is done and compile again

1 error
""",
    ),
    "BS508": (
        where_nothing_can_be_made,
        """
error[BS508]: cannot write /proc/out: No such file or directory; nothing was changed
  = hint: check the permissions, or choose another place for --output

1 error
""",
    ),
    "BS510": (
        a_host_vanishes,
        f"""
warning[BS510]: web01 vanishes: it was compiled before and the inventory does not name it any more
 --> inventory.yaml:7:1
  = hint: {VANISHED}

1 warning
""",
    ),
    "BS511": (
        edited_by_hand,
        """
warning[BS511]: README.md was changed or removed by hand since it was compiled; compiling undoes that
 --> /srv/out/README.md
  = hint: say it in the inventory instead

1 warning
""",
    ),
    "BS512": (
        hosts_left_out,
        """
warning[BS512]: /srv/out will hold no tree of db01, which the inventory names
  = hint: compile once without --host before rolling this out

1 warning
""",
    ),
}
NOT_HERE = {
    "BS509": "root may read everything: test_write has it, with another user",
    "BS513": "the same",
    "BS590": "a matter of render, whose tests have it",
}


@pytest.mark.parametrize("code", PINNED)
def test_the_whole_message_is_pinned(tmp_path: Path, code: str) -> None:
    provoke, expected = PINNED[code]
    shown = show.as_text(provoke(tmp_path), ()).plain.replace(str(tmp_path), "/srv")
    assert shown.strip() == expected.strip()


def test_every_code_of_the_output_is_pinned() -> None:
    assert {entry.code for entry in OUTPUT} == PINNED.keys() | NOT_HERE.keys()
