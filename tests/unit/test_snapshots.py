"""What a snapshot changes in the files of a host; what it does on a real file system is in tests/snapshots."""

from __future__ import annotations

from backupspec.explain import explain
from backupspec.fleet import FilesJob, Snapshot

from .fleets import resolved
from .test_plan import HIDDEN, compiled, texts

SCRIPT = "/usr/local/lib/backupspec/jobs/www_one/snapshot"
UNIT = "/etc/systemd/system/backupspec-www_one.service"


def job_of(text: str) -> FilesJob:
    fleet, _ = resolved(text)
    return fleet.hosts[0].files[0]


def test_the_last_layer_that_says_a_kind_counts() -> None:
    text = """
        defaults: {{snapshot: lvm, snapshot_space: 20GB}}
        hosts: {{web: {{to: [one], files: {{www: {{paths: [/srv]{}}}}}}}}}
        """
    assert job_of(text.format("")).snapshot == Snapshot("lvm", 20 * 10**9)
    assert job_of(text.format(", snapshot: zfs")).snapshot == Snapshot("zfs", 20 * 10**9)
    assert job_of(text.format(", snapshot: none")).snapshot is None
    assert job_of("hosts: {web: {to: [one], files: {www: {paths: [/srv]}}}}").snapshot is None


def test_explain_tells_who_said_so() -> None:
    fleet, _ = resolved("defaults: {snapshot: zfs}\nhosts: {web: {to: [one], files: {www: {paths: [/srv]}}}}")
    (setting,) = explain(fleet, "web.files.www.snapshot")
    assert setting.origin is not None
    assert (setting.value, setting.origin.layer) == ("zfs", "defaults")


def test_nothing_of_the_unit_s_sandbox_is_left_out_because_files_are_read_elsewhere() -> None:
    unit = compiled("{paths: [/tmp, /var, /usr], snapshot: btrfs}")[UNIT]
    assert "is left out" not in unit
    for name in HIDDEN:
        assert f"\n{name}=" in unit


def test_a_job_without_a_snapshot_has_nothing_of_it() -> None:
    files = compiled("{paths: [/srv]}")
    assert SCRIPT not in files
    assert not any("snapshot" in text for text in (files[UNIT], files["/etc/backupspec/jobs/www_one.patterns"]))


def test_every_files_job_of_the_host_leaves_snapshots_out_while_they_are_there() -> None:
    fleet, _ = resolved("""
        hosts:
          web:
            to: [one]
            files: {www: {paths: [/srv], snapshot: btrfs}, all: {paths: [/], one_file_system: true}}
        """)
    lines = texts(fleet)["/etc/backupspec/jobs/all_one.patterns"].splitlines()
    assert "! pp:/run/backupspec/snapshots" in lines
    assert "! sh:**/.backupspec-snapshots" in lines


def test_only_what_is_surely_left_out_needs_no_snapshot() -> None:
    """A plain path; no pattern, and nothing at all where an exception may bring some of it back."""
    said = "{paths: [/srv], snapshot: btrfs, exclude: [/srv/plain, '/srv/*/by-pattern', '**/anywhere']"
    script = compiled(f"{said}}}")[SCRIPT]
    assert 'below "$1" /srv/plain;' in script
    assert "by-pattern" not in script
    assert "anywhere" not in script
    assert 'below "$1" /srv/plain;' not in compiled(f"{said}, except: [/srv/plain/x]}}")[SCRIPT]


def test_an_lvm_snapshot_has_the_space_that_is_said_or_a_tenth() -> None:
    assert "space=20000000000b\n" in compiled("{paths: [/srv], snapshot: lvm, snapshot_space: 20GB}")[SCRIPT]
    assert "--extents 10%ORIGIN" in compiled("{paths: [/srv], snapshot: lvm}")[SCRIPT]
