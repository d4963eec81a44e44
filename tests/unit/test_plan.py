"""What is decided before any template is filled in."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backupspec.diagnostic import has_errors
from backupspec.fleet import Fleet
from backupspec.plan import plan
from backupspec.plan.hardening import directives
from backupspec.plan.units import touched
from backupspec.render import text_of

from .fleets import resolved

HIDDEN = {
    "PrivateTmp": ("/tmp", "/var/tmp"),
    "PrivateDevices": ("/dev",),
    "ProtectKernelModules": ("/usr/lib/modules", "/lib/modules"),
    "ProtectKernelTunables": ("/proc", "/sys"),
    "ProtectProc": ("/proc",),
    "ProcSubset": ("/proc",),
}


def texts(fleet: Fleet) -> dict[str, str]:
    """Give each planned file's text by its path on the machine `web`."""
    planned, found = plan(fleet)
    assert not found
    prefix = "hosts/web/root"
    return {file.path.removeprefix(prefix): text_of(file) for file in planned.files if file.path.startswith(prefix)}


def compiled(job: str, **more: str) -> dict[str, str]:
    fleet, _ = resolved(f"hosts: {{web: {{to: [one], files: {{www: {job}}}}}}}", **more)
    return texts(fleet)


paths = st.sampled_from(
    [
        "/",
        "/tmp",
        "/tmp/x",
        "/var",
        "/var/tmp/y",
        "/dev",
        "/dev/shm",
        "/usr",
        "/usr/lib/modules/6",
        "/lib",
        "/proc/1",
        "/sys",
        "/etc",
        "/srv",
        "/home",
        "/tmpx",
        "/devel",
        "/usr/lib/modules-extra",
    ]
)


@given(st.lists(paths, min_size=1, max_size=3, unique=True), st.booleans())
def test_no_directive_hides_what_a_job_reads(sources: list[str], one_file_system: bool) -> None:  # noqa: FBT001 - a parameter of pytest's
    flag = str(one_file_system).lower()
    fleet, _ = resolved(f"hosts: {{web: {{to: [one], files: {{www: {{paths: {sources}, one_file_system: {flag}}}}}}}}}")
    (host,) = fleet.hosts
    (job,) = host.files
    repository = job.targets[0].repository
    given = directives(host, touched(job, repository), repository)
    in_force = {str(item.name) for item in given if item.value is not None}
    for name, hidden in HIDDEN.items():
        for path in hidden:
            inside = any(source == path or source.startswith(f"{path}/") for source in sources)
            above = any(source == "/" or path.startswith(f"{source}/") for source in sources)
            crossed = above and not (one_file_system and path in {"/dev", "/proc", "/sys"})
            if inside or crossed:
                assert name not in in_force, (name, path)


def test_an_ordinary_job_has_every_directive() -> None:
    unit = compiled("{paths: [/srv]}")["/etc/systemd/system/backupspec-www_one.service"]
    assert "is left out" not in unit
    for name in HIDDEN:
        assert f"\n{name}=" in unit


def test_a_directive_that_is_left_out_says_why() -> None:
    unit = compiled("{paths: [/var]}")["/etc/systemd/system/backupspec-www_one.service"]
    assert "\n# PrivateTmp= is left out: it would show /var/tmp, which this job reads, as something else.\n" in unit


def test_what_is_kept_for_ever_is_never_pruned_nor_compacted() -> None:
    files = compiled("{paths: [/srv], retention: {forever: true}}")
    assert not [path for path in files if path.endswith(("/prune", "/compact"))]
    assert "prune" not in files["/etc/systemd/system/backupspec-www_one.service"]


def test_the_job_s_own_secrets_and_deeper_jobs_come_before_every_exception() -> None:
    fleet, _ = resolved("""
        hosts:
          web:
            to: [one]
            files:
              www: {paths: [/srv], exclude: ["**/x"], except: ["**/x/y"]}
              sub: {paths: [/srv/sub]}
        """)
    lines = texts(fleet)["/etc/backupspec/jobs/www_one.patterns"].splitlines()[1:]
    first_exception = lines.index("+ sh:**/x/y")
    assert lines.index("! pp:/etc/backupspec/credentials") < first_exception
    assert lines.index("! pp:/srv/sub") < first_exception
    assert lines.index("- sh:**/x") > first_exception


def test_an_exclude_without_exceptions_is_not_descended_into() -> None:
    patterns = compiled("{paths: [/srv], exclude: ['**/x']}")["/etc/backupspec/jobs/www_one.patterns"]
    assert "\n! sh:**/x\n" in patterns


@pytest.mark.parametrize(
    ("key", "words"),
    [
        (
            "run: [/bin/dump, '--all', 'a b', '$HOME', '%h'], user: root",
            'ExecStartPre=+/bin/dump --all "a b" "$$HOME" "%%h"',
        ),
        ("run: [/bin/dump], timeout: 90m", "ExecStartPre=/usr/bin/timeout 5400 /bin/dump"),
        ("run: 'dump | gzip'", 'ExecStartPre=/bin/sh -ec "dump | gzip"'),
    ],
)
def test_hooks_become_lines_of_the_unit(key: str, words: str) -> None:
    files = compiled(f"{{paths: [/srv], hooks: {{before: [{{{key}}}]}}}}")
    assert words in files["/etc/systemd/system/backupspec-www_one.service"].splitlines()


def test_a_value_that_a_target_cannot_hold_is_reported_at_its_place() -> None:
    fleet, found = resolved("""
        hosts: {web: {to: [one], files: {www: {paths: ["/srv/a"], exclude: ["/srv/[z-a]"]}}}}
        """)
    assert not has_errors(found)
    _, found = plan(fleet)
    (problem, *_) = found
    assert problem.code == "BS219"
    assert (problem.span.line, problem.span.column) == (8, 69)
    assert problem.hint
