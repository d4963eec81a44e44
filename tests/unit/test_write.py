from __future__ import annotations

import errno
import fcntl
import os
import random
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from backupspec import manifest
from backupspec.diagnostic import Diagnostics, Span
from backupspec.tree import File, Tree
from backupspec.write import Exchange, Outcome, compare, exchange, write
from tests.diagnostics.pinned import Pinned

VERSION = "0.1.0"
PLACE = Span("inventory.yaml", 1, 1, 1, 1)
KILLS = 60


def file(path: str, text: str = "", mode: int = 0o644) -> File:
    return File(path, mode, "root:root", text, "hosts", PLACE)


def tree(text: str, hosts: tuple[str, ...] = ("db01", "web01"), number: int = 3) -> Tree:
    files = [file("README.md", text)]
    for host in hosts:
        files.append(file(f"hosts/{host}/apply", f"#!/bin/sh\n# {text}\n", 0o755))
        files += [file(f"hosts/{host}/root/etc/{count}", f"{host} {text}\n") for count in range(number)]
    facts = tuple((host, f'{{"www_central": {{"retention": {{"daily": {len(text)}}}}}}}') for host in hosts)
    return Tree(tuple(sorted(files, key=lambda each: each.path)), hosts, facts)


def on_disk(folder: Path) -> dict[str, tuple[bytes, int]]:
    """Read every file with its mode; folders that hold nothing count, too."""
    return {
        str(path.relative_to(folder)): (
            path.read_bytes() if path.is_file() else b"",
            stat.S_IMODE(path.lstat().st_mode),
        )
        for path in folder.rglob("*")
    }


def written(output: Path, compiled: Tree, **more: object) -> Outcome:
    outcome, found = write(compiled, output, VERSION, **more)  # type: ignore[arg-type]
    assert outcome is not None, found
    return outcome


def refused(output: Path, code: str, **more: object) -> str:
    outcome, found = write(tree("new"), output, VERSION, **more)  # type: ignore[arg-type]
    assert outcome is None
    assert [each.code for each in found] == [code]
    assert found[0].hint
    assert found[0].span.file
    return found[0].message


def siblings(output: Path) -> list[str]:
    return sorted(path.name for path in output.parent.iterdir() if path.name != output.name)


def cannot(_one: Path, _other: Path) -> bool:
    """Stand for a file system that cannot exchange two folders."""
    return False


@pytest.mark.parametrize("way", [exchange, cannot])
def test_a_tree_replaces_what_was_there_and_leaves_nothing_beside_it(tmp_path: Path, way: Exchange) -> None:
    output = tmp_path / "out"
    written(output, tree("old", number=5), exchange=way)
    written(output, tree("new", number=2), exchange=way)
    expected = {each.path: each.text.encode() for each in tree("new", number=2).files}
    found = {path: content for path, (content, _) in on_disk(output).items() if (output / path).is_file()}
    del found[manifest.NAME]
    assert found == expected
    assert siblings(output) == []


def test_this_file_system_exchanges_two_folders_in_one_step(tmp_path: Path) -> None:
    (tmp_path / "a/one").mkdir(parents=True)
    (tmp_path / "b/two").mkdir(parents=True)
    assert exchange(tmp_path / "a", tmp_path / "b")
    assert (tmp_path / "a/two").is_dir()
    assert (tmp_path / "b/one").is_dir()


def test_what_the_kernel_refuses_for_another_reason_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OSError) as raised:  # noqa: PT011 - its number is checked below
        exchange(tmp_path / "absent", tmp_path / "absent too")
    assert raised.value.errno == errno.ENOENT


def states(folder: Path) -> dict[Path, tuple[int, ...]]:
    """Give which inodes there are and when they changed; that they were read since is no matter."""
    found = {path: path.stat() for path in folder.rglob("*")}
    return {path: (state.st_ino, state.st_mode, state.st_mtime_ns, state.st_ctime_ns) for path, state in found.items()}


def test_the_same_tree_twice_is_the_same_bytes_and_touches_nothing(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    written(first, tree("x"))
    before = states(first)
    assert not written(first, tree("x")).written
    assert states(first) == before
    written(second, tree("x"))
    assert on_disk(first) == on_disk(second)


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_modes_do_not_depend_on_the_umask(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        written(tmp_path / "out", tree("x"))
    finally:
        os.umask(before)
    modes = {path: mode for path, (_, mode) in on_disk(tmp_path / "out").items()}
    assert modes["hosts/web01/apply"] == 0o755
    assert modes["README.md"] == modes[manifest.NAME] == modes["hosts/web01/root/etc/0"] == 0o644
    assert modes["hosts"] == modes["hosts/web01/root/etc"] == 0o755
    assert stat.S_IMODE((tmp_path / "out").stat().st_mode) == 0o755


def test_the_mode_that_somebody_gave_the_output_folder_stays(tmp_path: Path) -> None:
    output = tmp_path / "out"
    output.mkdir(mode=0o750)
    output.chmod(0o750)
    written(output, tree("x"))
    written(output, tree("y"))
    assert stat.S_IMODE(output.stat().st_mode) == 0o750


def test_parents_are_made_and_go_again_when_the_write_fails(tmp_path: Path) -> None:
    written(tmp_path / "a/b/out", tree("x"))
    assert (tmp_path / "a/b/out/README.md").is_file()
    refused(tmp_path / "c/d/out", "BS506", sources=(tmp_path / "c/d/out/inventory.yaml",))
    too_long = tmp_path / "e" / "f" / ("x" * 300)
    assert "nothing was changed" in refused(too_long, "BS508")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a"]


# Refusals -------------------------------------------------------------------------------------------------------------


def test_a_folder_without_our_manifest_is_refused(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out/thesis.tex").write_text("years of work")
    assert "not empty" in refused(tmp_path / "out", "BS501")
    assert (tmp_path / "out/thesis.tex").read_text() == "years of work"


def test_an_empty_folder_is_taken(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    assert written(tmp_path / "out", tree("x")).written


def test_a_file_that_no_compile_wrote_is_never_removed(tmp_path: Path) -> None:
    output = tmp_path / "out"
    written(output, tree("old"))
    (output / ".git").mkdir()
    (output / ".git/HEAD").write_text("ref: refs/heads/main\n")
    (output / "hosts/notes").write_text("mine")
    message = refused(output, "BS504")
    assert ".git/HEAD, hosts/notes" in message
    assert (output / "README.md").read_text() == "old"
    assert (output / "hosts/notes").read_text() == "mine"


def test_a_link_in_the_place_of_a_file_is_not_ours(tmp_path: Path) -> None:
    output = tmp_path / "out"
    written(output, tree("old"))
    (output / "README.md").unlink()
    (output / "README.md").symlink_to("/etc/passwd")
    refused(output, "BS504")
    (output / manifest.NAME).rename(tmp_path / "manifest")
    (output / manifest.NAME).symlink_to(tmp_path / "manifest")
    refused(output, "BS505")


def test_a_link_as_output_is_refused(tmp_path: Path) -> None:
    written(tmp_path / "real", tree("old"))
    (tmp_path / "out").symlink_to("real")
    refused(tmp_path / "out", "BS505")
    refused(tmp_path / "out/", "BS505")
    assert compare(tree("new"), tmp_path / "out", VERSION)[0] is None
    assert (tmp_path / "real/README.md").read_text() == "old"


def test_a_link_above_the_output_is_followed(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    written(tmp_path / "link/out", tree("x"))
    assert (tmp_path / "real/out/README.md").is_file()


def test_a_file_as_output_is_refused(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("mine")
    refused(tmp_path / "out", "BS505")
    assert (tmp_path / "out").read_text() == "mine"


def test_an_output_that_holds_the_inventory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "inventory.yaml").write_text("version: 1\n")
    refused(tmp_path, "BS506", sources=(tmp_path / "inventory.yaml",))
    assert (tmp_path / "inventory.yaml").is_file()
    written(tmp_path / "compiled", tree("x"), sources=(tmp_path / "inventory.yaml",))


def test_the_folder_one_stands_in_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "out/inside").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "out/inside")
    refused(Path(), "BS506")
    refused(Path(".."), "BS506")
    refused(Path("/"), "BS506")


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ('{"name": "a web app", "icons": []}', "BS502"),
        ("[]", "BS502"),
        ('{"format": 1,', "BS503"),
        ("", "BS503"),
        ("[" * 100_000, "BS503"),
        ('{"format": 2, "compiler": "backupspec 9", "hosts": {}, "files": {}}', "BS503"),
        ('{"format": 1, "compiler": "backupspec 1", "hosts": {}, "files": []}', "BS503"),
        ('{"format": 1, "compiler": "backupspec 1", "hosts": {}, "files": {"../x": {}}}', "BS503"),
    ],
)
def test_a_manifest_that_is_not_ours_or_damaged_stops_the_write(tmp_path: Path, text: str, code: str) -> None:
    output = tmp_path / "out"
    output.mkdir()
    (output / manifest.NAME).write_text(text)
    refused(output, code)
    assert (output / manifest.NAME).read_text() == text


def test_a_second_writer_is_refused_while_the_first_holds_the_lock(tmp_path: Path) -> None:
    output = tmp_path / "out"
    written(output, tree("old"))
    staging = tmp_path / ".out.backupspec-staging"
    staging.mkdir()
    with (staging / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert "another compile" in refused(output, "BS507")
    assert (output / "README.md").read_text() == "old"
    assert written(output, tree("new")).written
    assert siblings(output) == []


def test_a_staging_folder_without_our_mark_is_left_alone(tmp_path: Path) -> None:
    staging = tmp_path / ".out.backupspec-staging"
    (staging / "tree").mkdir(parents=True)
    (staging / "tree/mine").write_text("mine")
    refused(tmp_path / "out", "BS508")
    assert (staging / "tree/mine").read_text() == "mine"


def test_what_a_killed_run_left_is_cleared(tmp_path: Path) -> None:
    output = tmp_path / "out"
    written(output, tree("old"))
    staging = tmp_path / ".out.backupspec-staging"
    (staging / "tree/hosts").mkdir(parents=True)
    (staging / "lock").touch()
    written(output, tree("new"))
    assert siblings(output) == []


def test_a_run_that_was_killed_between_two_renames_is_undone_first(tmp_path: Path) -> None:
    output = tmp_path / "out"
    written(output, tree("old"))
    staging = tmp_path / ".out.backupspec-staging"
    staging.mkdir()
    (staging / "lock").touch()
    output.rename(staging / "old")
    assert not written(output, tree("old")).written
    assert (output / "README.md").read_text() == "old"
    assert siblings(output) == []


def test_a_compiled_path_that_leaves_the_output_is_a_bug_and_writes_nothing(tmp_path: Path) -> None:
    for path in ("../x", "/etc/x", "a//b", "a/./b", ""):
        with pytest.raises(ValueError, match="leaves the output"):
            write(Tree((file(path),), ()), tmp_path / "out", VERSION)
        assert not list(tmp_path.iterdir())


@pytest.mark.root
def test_a_full_disk_changes_nothing(tmp_path: Path) -> None:
    with mounted(tmp_path / "disk", "size=400k"):
        output = tmp_path / "disk/out"
        written(output, tree("old"))
        before = on_disk(tmp_path / "disk")
        outcome, found = write(Tree((file("big", "x" * 500_000),), ()), output, VERSION)
        assert outcome is None
        assert [each.code for each in found] == ["BS508"]
        assert "No space left" in found[0].message
        assert "make room" in found[0].hint
        assert on_disk(tmp_path / "disk") == before


@pytest.mark.root
def test_a_read_only_file_system_changes_nothing(tmp_path: Path) -> None:
    with mounted(tmp_path / "disk", "ro"):
        assert "Read-only" in refused(tmp_path / "disk/out", "BS508")


@pytest.mark.root
def test_a_mount_point_as_output_is_refused_with_a_way_out(tmp_path: Path) -> None:
    with mounted(tmp_path / "disk", "size=400k"):
        outcome, found = write(tree("x"), tmp_path / "disk", VERSION)
        assert outcome is None
        assert "mount point" in found[0].hint
    assert siblings(tmp_path / "disk") == []


@pytest.fixture
def public() -> Iterator[Path]:
    """Give a folder that every user can reach; those of pytest are its user's own."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o777)
        yield Path(folder)


@pytest.mark.root
def test_a_folder_that_may_not_be_written_changes_nothing(public: Path) -> None:
    (public / "theirs").mkdir(mode=0o755)
    (shown,) = by_nobody(public / "theirs/out")
    assert shown.startswith("error[BS508]: ")
    assert "Permission denied" in shown
    assert "nothing was changed" in shown
    assert not list((public / "theirs").iterdir())


@pytest.mark.root
def test_a_folder_that_may_not_be_read_is_left_as_it_is(public: Path, pinned: Pinned) -> None:
    written(public / "out", tree("old"))
    (public / "out/hosts").chmod(0o700)
    (shown,) = by_nobody(public / "out")
    pinned(shown)
    assert (public / "out/README.md").read_text() == "old"


@pytest.mark.root
def test_an_old_tree_that_cannot_be_removed_is_told(public: Path, pinned: Pinned) -> None:
    written(public / "out", tree("old"))
    os.chown(public / "out", 65534, 65534)
    (shown,) = by_nobody(public / "out")
    pinned(shown)
    assert (public / "out/README.md").read_text() == "new"
    (shown,) = by_nobody(public / "out")
    assert shown.startswith(f"error[BS508]: cannot write {public}/out: Permission denied at ")
    written(public / "out", tree("newest"))
    assert siblings(public / "out") == []


def by_nobody(output: Path) -> list[str]:
    """Write as a user without rights, in a process of its own, and give what is said, finding by finding."""
    program = (
        "import os, sys; from pathlib import Path; from backupspec.show import as_text;"
        "from tests.unit.test_write import VERSION, tree, write;"
        "os.setgroups([]); os.setgid(65534); os.setuid(65534);"
        "[print(as_text((each,), ()).plain, end=chr(0)) for each in write(tree('new'), Path(sys.argv[1]), VERSION)[1]]"
    )
    words = [sys.executable, "-c", program, str(output)]
    ran = subprocess.run(words, check=True, capture_output=True, text=True, cwd=Path(__file__).parents[2])
    return ran.stdout.split("\0")[:-1]


class mounted:  # noqa: N801 - read as a word in a with statement
    """A small file system of its own, unmounted at the end."""

    def __init__(self, folder: Path, options: str) -> None:
        self.folder, self.options = folder, options

    def __enter__(self) -> None:
        self.folder.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", self.options, "tmpfs", str(self.folder)], check=True)

    def __exit__(self, *_: object) -> None:
        subprocess.run(["umount", str(self.folder)], check=True)


# Some hosts only ------------------------------------------------------------------------------------------------------


def test_only_the_named_hosts_change_and_the_others_stay_with_their_entries(tmp_path: Path) -> None:
    output = tmp_path / "out"
    written(output, tree("old"))
    (output / "hosts/db01/root/etc/0").write_text("edited by hand")
    before, entries = on_disk(output), manifest.parsed((output / manifest.NAME).read_text(), "")[0]
    outcome = written(output, tree("newer"), hosts=frozenset({"web01"}))
    after, described = on_disk(output), manifest.parsed((output / manifest.NAME).read_text(), "")[0]
    assert entries is not None
    assert described is not None
    assert {path for path in after if after[path] != before.get(path)} == {
        manifest.NAME,
        "hosts/web01/apply",
        *(f"hosts/web01/root/etc/{number}" for number in range(3)),
    }
    for old, new in zip(entries.files, described.files, strict=True):
        assert (old == new) == ("web01" not in old.path)
    assert dict(described.hosts)["db01"] == dict(entries.hosts)["db01"]
    assert dict(described.hosts)["web01"] != dict(entries.hosts)["web01"]
    assert {change.host for change in outcome.withheld.files} == {"db01", None}
    last = written(output, tree("newer"), hosts=frozenset({"db01"}))
    assert (output / "README.md").read_text() == "newer"
    assert not last.withheld.files
    assert not written(output, tree("newer")).written


def test_compiling_all_hosts_one_by_one_gives_what_compiling_them_at_once_gives(tmp_path: Path) -> None:
    for host in ("web01", "db01"):
        write(tree("x"), tmp_path / "single", VERSION, hosts=frozenset({host}))
    written(tmp_path / "whole", tree("x"))
    assert on_disk(tmp_path / "single") == on_disk(tmp_path / "whole")


def test_hosts_that_the_output_lacks_are_told(tmp_path: Path) -> None:
    outcome, found = write(tree("x"), tmp_path / "out", VERSION, hosts=frozenset({"web01"}))
    assert outcome is not None
    assert [(each.code, "db01" in each.message) for each in found] == [("BS512", True)]


def test_a_host_that_vanishes_keeps_its_tree_while_others_are_named(tmp_path: Path) -> None:
    output = tmp_path / "out"
    written(output, tree("x"))
    outcome = written(output, tree("x", hosts=("web01",)), hosts=frozenset({"web01"}))
    assert outcome.vanished == ("db01",)
    assert (output / "hosts/db01/apply").is_file()
    outcome = written(output, tree("x", hosts=("web01",)))
    assert outcome.vanished == ("db01",)
    assert not (output / "hosts/db01").exists()


# Looking only ---------------------------------------------------------------------------------------------------------


def test_comparing_writes_nothing(tmp_path: Path) -> None:
    outcome, found = compare(tree("x"), tmp_path / "out", VERSION)
    assert outcome is not None
    assert outcome.written
    assert not found
    assert not list(tmp_path.iterdir())


def test_edits_by_hand_are_told_and_undone(tmp_path: Path) -> None:
    output = tmp_path / "out"
    written(output, tree("x"))
    (output / "README.md").write_bytes(b"mine \xff")
    (output / "hosts/web01/apply").unlink()
    (output / "hosts/db01/apply").chmod(0o644)
    outcome, found = write(tree("x"), output, VERSION)
    assert outcome is not None
    assert codes(found) == ["BS511", "BS511"]
    assert {change.path for change in outcome.changes.files} == {"README.md", "hosts/web01/apply", "hosts/db01/apply"}
    assert not written(output, tree("x")).written


def test_a_checkout_with_another_umask_is_no_change(tmp_path: Path) -> None:
    output = tmp_path / "out"
    written(output, tree("x"))
    for path in output.rglob("*"):
        path.chmod(path.stat().st_mode | 0o020)
        os.utime(path, (0, 0))
    outcome, found = compare(tree("x"), output, VERSION)
    assert outcome is not None
    assert not outcome.written
    assert not found


def codes(found: Diagnostics) -> list[str]:
    return [each.code for each in found]


# Killed ---------------------------------------------------------------------------------------------------------------

# Forks a writer for each line, kills it after that many seconds, and says so: an interpreter is started only once.
_KILLER = """
import itertools, os, signal, sys, time
from pathlib import Path
from tests.unit.test_write import VERSION, cannot, exchange, tree, write
way = {"exchange": exchange, "renames": cannot}[sys.argv[2]]
for line in sys.stdin:
    child = os.fork()
    if not child:
        for text in itertools.cycle(["new", "old"]):
            outcome, found = write(tree(text, number=20), Path(sys.argv[1]), VERSION, exchange=way)
            if outcome is None:
                print(found, file=sys.stderr, flush=True)
                os._exit(1)
    time.sleep(float(line))
    os.kill(child, signal.SIGKILL)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


@pytest.mark.parametrize("way", ["exchange", "renames"])
def test_killed_at_any_moment_there_is_the_old_tree_or_the_new_one(tmp_path: Path, way: str) -> None:
    output, chance = tmp_path / "work/out", random.Random(7)  # noqa: S311 - the moments to kill at are no secret
    allowed = []
    for text in ("old", "new"):
        written(tmp_path / text, tree(text, number=20))
        allowed.append(on_disk(tmp_path / text))
    written(output, tree("old", number=20))
    left = 0
    words = [sys.executable, "-c", _KILLER, str(output), way]
    root = Path(__file__).parents[2]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=root) as killer:
        assert killer.stdin is not None
        assert killer.stdout is not None
        for _ in range(KILLS):
            killer.stdin.write(f"{chance.random() * 0.1}\n")
            killer.stdin.flush()
            assert killer.stdout.readline() == f"{-signal.SIGKILL}\n"
            left += bool(siblings(output))
            if way == "renames" and not output.exists():
                assert on_disk(output.parent / ".out.backupspec-staging/old") in allowed
            else:
                assert on_disk(output) in allowed
        killer.stdin.close()
    assert left > KILLS // 4, "the kills must hit writers at work"
    written(output, tree("last"))
    assert siblings(output) == []


def test_a_new_name_is_no_vanished_host(tmp_path: Path) -> None:
    written(tmp_path / "out", tree("x", ("db01", "web01")))
    facts = (("www", '{"host": {"www": {"formerly": ["web01"]}}}'),)
    renamed = Tree(tree("x", ("db01", "www")).files, ("db01", "www"), facts)
    outcome, _ = compare(renamed, tmp_path / "out", VERSION)
    assert outcome is not None
    assert (outcome.vanished, outcome.appeared) == ((), ("www",))
