from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backupspec_migrate.configuration import Configuration
from backupspec_migrate.layout import layout_of
from backupspec_migrate.rsnapshot_conf import read_configuration
from tests.diagnostics.pinned import Pinned
from tests.migrate.site import DAY, FIRST, Site


def write(folder: Path, *lines: str, head: bool = True) -> Path:
    path = folder / "rsnapshot.conf"
    (folder / "snapshots").mkdir(exist_ok=True)
    first = [
        "config_version\t1.2",
        f"snapshot_root\t{folder}/snapshots/",
        "cmd_rsync\t/usr/bin/rsync",
        "retain\tdaily\t7",
    ]
    path.write_text("\n".join([*(first if head else ()), *lines]) + "\n")
    return path


def read(folder: Path, *lines: str) -> Configuration:
    configuration, found = read_configuration(write(folder, *lines))
    assert configuration is not None, found
    return configuration


def codes(folder: Path, *lines: str) -> list[str]:
    _, found = read_configuration(write(folder, *lines))
    return [one.code for one in found]


def as_rsnapshot_runs_it(conf: Path) -> list[list[str]]:
    """Give the rsync commands that real rsnapshot would run."""
    done = subprocess.run(["rsnapshot", "-c", conf, "-t", "daily"], capture_output=True, text=True, check=False)
    assert done.returncode in {0, 2}, done.stdout + done.stderr  # 2: with warnings, such as of a verbosity said twice
    text = re.sub(r" \\\n\s*", " ", done.stdout)
    words = [line.split() for line in text.split("\n") if line.startswith("/usr/bin/rsync")]
    return [[word for word in line if not word.startswith("--rsh=")] for line in words]


CASES = {
    "defaults": ["backup\t/etc/\tlocalhost/"],
    "global excludes after the line": ["backup\t/etc/\tlocalhost/", "exclude\t*.bak", "include\tkeep.bak"],
    "own exclude throws the global ones away": ["exclude\t*.bak", "backup\t/etc/\tlocalhost/\texclude=core"],
    "own exclude keeps the arguments set above": [
        "rsync_long_args\t--delete",
        "backup\t/etc/\tlocalhost/\texclude=core",
    ],
    "own exclude ignores the arguments set below": [
        "backup\t/etc/\tlocalhost/\texclude=core",
        "rsync_long_args\t--delete",
    ],
    "own arguments replace": ["exclude\t*.bak", "backup\t/etc/\tlocalhost/\trsync_long_args=--relative --acls"],
    "plus adds": ["exclude\t*.bak", "backup\t/etc/\tlocalhost/\t+rsync_long_args=--acls,+rsync_short_args=-HX"],
    "own short arguments": ["rsync_short_args\t-aH", "backup\t/etc/\tlocalhost/\trsync_short_args=-rt"],
    "one_fs": ["one_fs\t1", "backup\t/etc/\tlocalhost/", "backup\t/usr/share/doc/\tlocalhost/\tone_fs=0"],
    "quotes": ["rsync_long_args\t--delete '--exclude=a b' \"--exclude=c\"", "backup\t/etc/\tlocalhost/"],
    "continued lines": ["backup\t/etc/\tlocalhost/\t", "\texclude=core"],
    "interval is retain": ["interval\tweekly\t4", "backup\t/etc/\tlocalhost/"],
    "several tabs are one": ["backup\t\t/etc/\t\t\tlocalhost/\t\texclude=core"],
    "a fifth word belongs to the fourth": ["backup\t/etc/\tlocalhost/\texclude=core\tdump"],
    "continued twice, over spaces and tabs": ["backup", "  /etc/", "\t localhost/  ", "    exclude=core"],
    "a comment ends what goes on": ["exclude\t*.bak", "# comment", "backup\t/etc/\tlocalhost/"],
    "options are split at commas": ["backup\t/etc/\tlocalhost/\texclude=a, include=b ,exclude=c=d"],
    "own patterns join own arguments": ["backup\t/etc/\tlocalhost/\texclude=a,rsync_long_args=--relative,include=b"],
    "the last of two additions counts": [
        "backup\t/etc/\tlocalhost/\t+rsync_long_args=--acls,+rsync_long_args=--xattrs"
    ],
    "plus loses a pattern": ["exclude\t*.bak", "backup\t/etc/\tlocalhost/\t+exclude=core,include=x"],
    "global patterns keep their order": ["include\ta", "exclude\tb", "include\tc", "backup\t/etc/\tlocalhost/"],
    "no relative": ["rsync_long_args\t--delete --no-relative", "backup\t/etc/\tlocalhost/etc/"],
    "the last of two global values counts": ["one_fs\t1", "one_fs\t0", "backup\t/etc/\tlocalhost/"],
    "other machines": [
        "cmd_ssh\t/usr/bin/ssh",
        "backup\tweb01:/etc/\tweb01/",
        "backup\troot@web01:/var/./lib/\tweb01/",
        "backup\troot@web02:~/.config/\tweb02/",
        "backup\trsync://mirror.example.org/pub/etc/\tmirror/",
        "backup\tmirror.example.org::pub/etc/\tmirror2/",
        "backup\tguest@mirror.example.org::pub\tmirror3/",
    ],
}


@pytest.mark.parametrize("case", CASES)
def test_rsync_is_told_what_rsnapshot_tells_it(tmp_path: Path, case: str) -> None:
    configuration = read(tmp_path, *CASES[case])
    mine = [
        [
            "/usr/bin/rsync",
            point.transfer.short_args,
            *" ".join(point.transfer.long_args).split(),
            point.source,
            f"{configuration.root}/daily.0/{point.dest}",
        ]
        for point in configuration.points
    ]
    assert mine == as_rsnapshot_runs_it(tmp_path / "rsnapshot.conf")


@pytest.mark.parametrize("dest", ["./x", "a/./b/", "a//b", "x.", "./"])
def test_destinations_are_normalised_as_rsnapshot_does(tmp_path: Path, dest: str) -> None:
    configuration = read(tmp_path, f"backup\t/etc/\t{dest}")
    expected = as_rsnapshot_runs_it(tmp_path / "rsnapshot.conf")[0][-1]
    assert f"{configuration.root}/daily.0/{configuration.points[0].dest}" == expected


WRONG = {
    "spaces instead of tabs": "backup /etc/ localhost/",
    "unknown key": "retian\tdaily\t7",
    "no number": "retain\tweekly",
    "number zero": "retain\tweekly\t0",
    "reserved word": "retain\tsync\t3",
    "period in a name": "retain\tnew.daily\t3",
    "relative root": "snapshot_root\tsnapshots",
    "absolute destination": "backup\t/etc/\t/localhost/",
    "destination above": "backup\t/etc/\t../x",
    "source that is none": "backup\tetc\tlocalhost/",
    "option that is none": "backup\t/etc/\tlocalhost/\tverbose=3",
    "option without value": "backup\t/etc/\tlocalhost/\tone_fs",
    "boolean that is none": "link_dest\tyes",
    "short arguments that are two words": "rsync_short_args\t-a -H",
    "windows line end": "retain\tweekly\t4\r",
    "indented comment": "\t# no comment, a continuation of nothing",
    "nested quotes": "rsync_long_args\t--a='b\"c'",
    "key without a value": "lockfile",
    "key without a value but spaces": "link_dest 1",
    "relative lockfile": "lockfile\trsnapshot.pid",
    "relative include file": "include_conf\tmore.conf",
    "importance that is none": "backup_exec\t/bin/true\tmaybe",
    "source with dots": "backup\t/etc/../usr/\tlocalhost/",
    "remote source without a full path": "backup\tweb01:etc/\tweb01/",
    "one_fs that is added": "backup\t/etc/\tlocalhost/\t+one_fs=1",
    "one_fs that is neither": "one_fs\t2",
    "version that is none": "config_version\t1.3",
    "verbosity that is none": "verbose\t9",
    "lazy deletes that are none": "use_lazy_deletes\tmaybe",
    "numbers that are none": "rsync_numtries\tmany",
}


@pytest.mark.parametrize("case", WRONG)
def test_what_rsnapshot_refuses_is_refused(tmp_path: Path, case: str, pinned: Pinned) -> None:
    lines = (
        (WRONG[case], "backup\t/etc/\tlocalhost/")
        if "indented" not in case
        else ("# comment", WRONG[case], "backup\t/etc/\tlocalhost/")
    )
    _, found = read_configuration(write(tmp_path, *lines))
    pinned(*found)
    test = ["rsnapshot", "-c", str(tmp_path / "rsnapshot.conf"), "-t", "daily"]
    assert subprocess.run(test, capture_output=True, check=False).returncode != 0


def test_snapshot_root_stands_above_the_backup_lines(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "config_version\t1.2",
        "backup\t/etc/\tlocalhost/",
        f"snapshot_root\t{tmp_path}/snapshots",
        "retain\tdaily\t7",
        head=False,
    )
    _, found = read_configuration(path)
    assert [(one.code, one.span.line) for one in found] == [("BS601", 2)]
    test = subprocess.run(["rsnapshot", "-c", path, "configtest"], capture_output=True, text=True, check=False)
    assert test.returncode == 1
    assert "line 2" in test.stderr


def test_a_windows_file_is_refused_line_by_line(tmp_path: Path) -> None:
    """The carriage return stays in the last word: a number with one is none, and a folder would have it in its name."""
    path = write(tmp_path, "retain\tweekly\t4", "backup\t/etc/\tlocalhost/")
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    _, found = read_configuration(path)
    assert {one.code for one in found} == {"BS601"}
    assert {one.hint for one in found} == {"the file was written on Windows: convert it with dos2unix"}
    test = subprocess.run(["rsnapshot", "-c", path, "configtest"], capture_output=True, check=False)
    assert test.returncode == 1


def test_the_ladder_is_in_the_order_of_the_lines(tmp_path: Path) -> None:
    """The first rung is the one that is filled, whatever it is called."""
    lines = ("backup\t/etc/\tlocalhost/", "retain\tyearly\t2", "interval\thourly\t6")
    configuration = read(tmp_path, *lines)
    assert [(one.name, one.count) for one in configuration.retains] == [("daily", 7), ("yearly", 2), ("hourly", 6)]
    for level, fills in (("daily", True), ("hourly", False)):
        test = ["rsnapshot", "-c", str(tmp_path / "rsnapshot.conf"), "-t", level]
        assert ("rsync" in subprocess.run(test, capture_output=True, text=True, check=False).stdout) is fills


def test_an_included_file_stands_where_its_line_stands(tmp_path: Path) -> None:
    """Also one that another one includes; what comes later counts."""
    (tmp_path / "inner.conf").write_text("one_fs\t1\nexclude\tinner\nbackup\t/etc/\tinner/\texclude=own\n")
    (tmp_path / "outer.conf").write_text(f"exclude\touter\ninclude_conf\t{tmp_path}/inner.conf\nexclude\tlast\n")
    lines = ("exclude\tfirst", f"include_conf\t{tmp_path}/outer.conf", "one_fs\t0", "backup\t/etc/\tmain/")
    configuration = read(tmp_path, *lines)
    mine = [(point.transfer.short_args, point.transfer.long_args, point.dest) for point in configuration.points]
    real = as_rsnapshot_runs_it(tmp_path / "rsnapshot.conf")
    root = f"{configuration.root}/daily.0/"
    assert mine == [(words[1], tuple(words[2:-2]), words[-1].removeprefix(root)) for words in real]
    assert [words[2:-2][-4:] for words in real][1] == [
        f"--exclude={name}" for name in ("first", "outer", "inner", "last")
    ]


def test_a_logical_volume_is_read_from_its_mount(tmp_path: Path, pinned: Pinned) -> None:
    commands = [f"linux_lvm_cmd_{name}\t/bin/true" for name in ("lvcreate", "lvremove", "mount", "umount")]
    rest = [
        "linux_lvm_snapshotsize\t100M",
        "linux_lvm_snapshotname\trsnapshot",
        "linux_lvm_vgpath\t/dev",
        "linux_lvm_mountpath\t/mnt",
    ]
    conf = write(tmp_path, *commands, *rest, "backup\tlvm://vg0/home/users/\tlocalhost/")
    configuration, _ = read_configuration(conf)
    assert configuration is not None
    (words,) = as_rsnapshot_runs_it(conf)
    assert words[-2:] == ["./users/", f"{configuration.root}/daily.0/localhost/"], "below the mount, with --relative"
    layout, found = layout_of(configuration, {})
    assert [(part.location, part.original) for part in layout.series[0].parts] == [("localhost/users", "users")]
    pinned(*found)


UNKNOWN = {
    "rsync://mirror.example.org/pub/etc/": ("pub/etc", "mirror.example.org"),
    "mirror.example.org::pub/etc/": ("pub/etc", "mirror.example.org"),
    "web01:~/etc/": ("etc", "web01"),
}


@pytest.mark.parametrize("source", UNKNOWN)
def test_where_a_module_or_a_home_was_is_said_to_be_unknown(tmp_path: Path, source: str) -> None:
    lines = ("cmd_ssh\t/usr/bin/ssh", FLAT, f"backup\t{source}\tmirror/")
    layout, found = layout_of(read(tmp_path, *lines), {})
    assert [part.original for part in layout.series[0].parts] == [UNKNOWN[source][0]]
    assert [one.code for one in found if one.code == "BS607"] == ["BS607"]


DOUBTFUL = {"--inplace": "inplace", "--fake-super": "fake-super"}


@pytest.mark.parametrize("argument", DOUBTFUL)
def test_an_option_that_spoils_the_tree_is_warned_about(tmp_path: Path, argument: str, pinned: Pinned) -> None:
    lines = (f"rsync_long_args\t--delete --relative {argument}", "backup\t/etc/\tlocalhost/")
    _, found = layout_of(read(tmp_path, *lines), {})
    assert [DOUBTFUL[argument] in one.message for one in found if one.code == "BS605"] == [True]
    pinned(*found)


@pytest.mark.parametrize(
    ("arguments", "numeric"),
    [("--relative", False), ("--relative --numeric-ids", True), ("--numeric-ids --no-numeric-ids", False)],
)
def test_owners_are_kept_by_number_only_where_rsync_kept_them_so(
    tmp_path: Path, arguments: str, *, numeric: bool
) -> None:
    layout, _ = layout_of(read(tmp_path, f"rsync_long_args\t{arguments}", "backup\t/etc/\tlocalhost/"), {})
    assert [part.numeric_ids for part in layout.series[0].parts] == [numeric]


LINES = [
    *(line for lines in CASES.values() for line in lines if line[:1].strip()),
    # Of quotes it makes something only when it runs.
    *(line for name, line in WRONG.items() if "\r" not in line and name != "nested quotes"),
    "retain\tdaily\t3",
    "retain\t7days\t04",
    "retain\ta-b\t3",
    "sync_first\t0",
    "verbose\t5",
    "rsync_long_args\t--delete\t--relative",
    "backup_script\t/bin/true x\tscript/a",
    "backup_exec\t/bin/true x\trequired",
    "exclude",
    "",
    "  more",
    "#comment",
]


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(chosen=st.lists(st.sampled_from(LINES), max_size=5))
def test_any_lines_mean_what_they_mean_to_rsnapshot(tmp_path: Path, chosen: list[str]) -> None:
    """Or are refused by both."""
    path = write(tmp_path, "cmd_ssh\t/usr/bin/ssh", *chosen, "backup\t/usr/share/doc/\tlast/")
    configuration, _ = read_configuration(path)
    test = subprocess.run(["rsnapshot", "-c", path, "configtest"], capture_output=True, check=False)
    assert (configuration is not None) == (test.returncode == 0)
    if configuration is not None:
        mine = [(point.transfer.short_args, " ".join(point.transfer.long_args)) for point in configuration.points]
        real = [words for words in as_rsnapshot_runs_it(path) if not words[-2].startswith(str(tmp_path))]
        assert mine == [(words[1], " ".join(words[2:-2])) for words in real]


def test_a_comment_starts_in_the_first_column_only(tmp_path: Path) -> None:
    configuration = read(tmp_path, "exclude\t#recycle", "#exclude\tno", "backup\t/etc/\tlocalhost/")
    assert "--exclude=#recycle" in configuration.points[0].transfer.long_args
    assert "--exclude=no" not in configuration.points[0].transfer.long_args


def test_included_files_are_read_and_places_are_theirs(tmp_path: Path) -> None:
    (tmp_path / "more.conf").write_text("backup\t/etc/\tlocalhost/\nbackup\t/usr/\n")
    _, found = read_configuration(write(tmp_path, f"include_conf\t{tmp_path}/more.conf"))
    assert [(one.span.file, one.span.line) for one in found] == [(f"{tmp_path}/more.conf", 2)]


def test_a_command_in_backticks_is_not_run(tmp_path: Path, pinned: Pinned) -> None:
    mark = tmp_path / "ran"
    script = tmp_path / "script"
    script.write_text(f"#!/bin/sh\ntouch {mark}\n")
    script.chmod(0o755)
    assert codes(tmp_path, f"include_conf\t`{script}`", "backup\t/etc/\tlocalhost/") == ["BS603"]
    _, (found,) = read_configuration(write(tmp_path, f"include_conf\t`{script}`"))
    assert "it is never run, and no option changes that" in found.hint
    assert f"`{script} > FILE`" in found.hint
    pinned(found)
    assert not mark.exists()


def test_a_configuration_that_is_gone_is_one_finding(tmp_path: Path) -> None:
    _, found = read_configuration(tmp_path / "rsnapshot.conf")
    assert [one.code for one in found] == ["BS604"]


def test_an_include_loop_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "rsnapshot.conf"
    assert "BS604" in codes(tmp_path, f"include_conf\t{path}", "backup\t/etc/\tlocalhost/")


def test_scripts_and_commands_are_said_and_never_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pinned: Pinned
) -> None:
    monkeypatch.chdir(tmp_path)
    lines = (
        "backup\t/etc/\tlocalhost/",
        "backup_script\t/usr/bin/touch ran\tlocalhost/db/",
        "backup_exec\t/usr/bin/touch ran\trequired",
    )
    _, found = read_configuration(write(tmp_path, *lines))
    assert [one.code for one in found] == ["BS608", "BS608"]
    pinned(*found)
    assert not (tmp_path / "ran").exists()


def hosts(folder: Path, *lines: str) -> dict[str, list[tuple[str, str]]]:
    layout, _ = layout_of(read(folder, "cmd_ssh\t/usr/bin/ssh", *lines), {})
    return {
        f"{one.host}/{one.job or ''}": [(part.location, part.original) for part in one.parts] for one in layout.series
    }


RELATIVE = "rsync_long_args\t--delete --relative"
FLAT = "rsync_long_args\t--delete"


def test_hosts_are_found_in_the_backup_lines(tmp_path: Path) -> None:
    assert hosts(
        tmp_path,
        RELATIVE,
        "backup\t/etc/\tlocalhost/",
        "backup\troot@web01:/etc/\thosts/web01/",
        "backup\troot@web02:/etc\t./hosts/web02",
    ) == {
        "localhost/": [("localhost/etc", "etc")],
        "web01/": [("hosts/web01/etc", "etc")],
        "web02/": [("hosts/web02/etc", "etc")],
    }


def test_without_relative_the_path_is_the_source_and_what_lies_below_the_destination(tmp_path: Path) -> None:
    lines = (FLAT, "backup\t/etc/\tweb01/etc/", "backup\t/srv/www/\tweb01/www/", "backup\troot@db:/var/lib/\tdb/data/")
    assert hosts(tmp_path, *lines) == {
        "web01/": [("web01/etc", "etc"), ("web01/www", "srv/www")],
        "db/": [("db/data", "var/lib")],
    }


def test_two_machines_are_never_one_host(tmp_path: Path) -> None:
    lines = (FLAT, "backup\t192.0.2.1:/srv/\thosts/one/", "backup\t192.0.2.2:/data/\thosts/two/")
    assert set(hosts(tmp_path, *lines)) == {"one/", "two/"}
    lines = (RELATIVE, "backup\ta:/srv/\tprod/web/", "backup\tb:/srv/\ttest/web/")
    assert set(hosts(tmp_path, *lines)) == {"prod-web/", "test-web/"}


def test_a_relative_source_is_cut_at_the_dot(tmp_path: Path) -> None:
    assert hosts(tmp_path, RELATIVE, "backup\t/mnt/./srv/www/\tweb01/") == {
        "web01/": [("web01/srv/www", "mnt/srv/www")]
    }


@pytest.mark.root
def test_what_rsync_cut_is_imported_under_the_path_that_the_host_itself_would_store(
    make_site: Callable[..., Site],
) -> None:
    """A job of the host backs up /mnt/etc: the part before the /./ belongs to the path, though not to the tree."""
    site = make_site(lines=[("mnt/./etc/", "web01/", "")])
    site.put("mnt/etc/motd", "x")
    site.night()
    assert (site.snapshots / "daily.0/web01/etc/motd").exists(), "rsync cuts at /./"
    done = site.run("rsnapshot", "--dry-run")
    assert done.returncode == 0, done.stderr
    assert f"      /{site.original('mnt')}/etc\n" in done.stdout


@pytest.mark.parametrize(
    ("short", "missing"),
    [
        ("-a", "hard links (-H), ACLs (-A), extended attributes (-X)"),
        ("-aH", "ACLs (-A), extended attributes (-X)"),
        ("-aHA", "extended attributes (-X)"),
        ("-aHAX", ""),
    ],
)
def test_what_rsync_left_out_is_said_once(tmp_path: Path, short: str, missing: str, pinned: Pinned) -> None:
    lines = [f"backup\t/{name}/\tlocalhost/" for name in ("etc", "home", "srv")]
    configuration = read(tmp_path, f"rsync_short_args\t{short}", RELATIVE, *lines)
    _, found = layout_of(configuration, {})
    left_out = [one for one in found if one.code == "BS606"]
    where = ", ".join(f"{configuration.file}:{number}" for number in (7, 8, 9))
    said = f"rsync was not told to keep {missing}: the tree does not have them (backup lines {where})"
    assert [one.message for one in left_out] == ([said] if missing else [])
    if left_out:
        pinned(*left_out)


@pytest.mark.parametrize("absent", ["snapshot_root", "retain", "backup"])
def test_a_configuration_without_root_ladder_or_sources_is_incomplete(
    tmp_path: Path, absent: str, pinned: Pinned
) -> None:
    lines = ["config_version\t1.2", f"snapshot_root\t{tmp_path}/snapshots/", "cmd_rsync\t/usr/bin/rsync"]
    lines += ["retain\tdaily\t7", "backup\t/etc/\tlocalhost/"]
    path = write(tmp_path, *(line for line in lines if not line.startswith(absent)), head=False)
    _, found = read_configuration(path)
    if absent == "snapshot_root":  # a line for a source is refused where no root stands above it
        path = write(tmp_path, "config_version\t1.2", "cmd_rsync\t/usr/bin/rsync", "retain\tdaily\t7", head=False)
        _, found = read_configuration(path)
        found = tuple(one for one in found if "`backup`" not in one.message)
    assert [(one.code, one.message) for one in found] == [("BS602", f"no line with `{absent}`")]
    pinned(*found)


def test_the_output_of_a_script_is_a_series_of_its_own(tmp_path: Path) -> None:
    lines = (RELATIVE, "backup\t/etc/\tlocalhost/", "backup_script\t/bin/true\tlocalhost/mysql dumps/")
    assert hosts(tmp_path, *lines)["localhost/script-mysql-dumps"] == [("localhost/mysql dumps", "mysql dumps")]


@pytest.mark.root
def test_single_files_and_folders_without_slash_are_found_where_rsync_put_them(
    make_site: Callable[..., Site], pinned: Pinned
) -> None:
    site = make_site(
        lines=[
            ("web01/etc/motd", "web01/file/", ""),
            ("web01/etc/motd", "web01/renamed", ""),
            ("web01/www", "web01/www", ""),
        ],
        long_args="--delete",
    )
    site.put("web01/etc/motd", "hello")
    site.put("web01/www/www", "a file called like its folder")
    site.configure()
    site.night()
    done = site.run("rsnapshot", "--dry-run")
    assert "BS614" in done.stderr, "one file at two places of one host"
    pinned(done.stderr)
    site.lines = site.lines[1:]
    site.configure()
    done = site.run("rsnapshot", "--dry-run", "--skip", "daily.9")
    assert f"      /{site.original()}/www" in done.stdout


@pytest.mark.root
def test_a_host_without_a_line_is_imported_and_a_stray_file_is_said(
    make_site: Callable[..., Site], pinned: Pinned
) -> None:
    site = make_site(lines=[("web01/", "hosts/web01/", ""), ("old/", "hosts/old/", "")])
    site.put("web01/etc/motd", "x")
    site.put("old/etc/motd", "x")
    site.night()
    site.night()
    site.lines = site.lines[:1]
    site.configure()
    (site.snapshots / "daily.0/stray").write_text("x")
    os.utime(site.snapshots / "daily.0", (FIRST + DAY, FIRST + DAY))
    done = site.run("rsnapshot", "--dry-run")
    assert done.returncode == 1
    assert "hosts/old in daily.1 has no `backup` line" in done.stderr
    assert done.stderr.count("BS615") == 1
    assert "(the same in 1 more)" in done.stderr
    assert "stray in daily.0 belongs to no host" in done.stderr
    pinned(done.stderr)
    assert "old_files_" in done.stdout
    assert site.run("rsnapshot", "--dry-run", "--skip", "stray").returncode == 0
