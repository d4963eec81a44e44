"""The rules keep quiet where nothing is wrong, and say a thing once."""

from __future__ import annotations

import fnmatch
import textwrap
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backupspec.accounts import LONGEST, account
from backupspec.analyse.systemd import ask_systemd, calendars, refused_calendars
from tests.diagnostics.fleets import codes_in, fleet_of, found_in

_NAMES = st.from_regex(r"[a-z0-9]([a-z0-9-]|\.(?!\.)){0,8}[a-z0-9]", fullmatch=True).filter(
    lambda name: ".." not in name
)
_TIME = "2026-11-22T03:04:05Z"


@given(_NAMES, _NAMES, _NAMES, _NAMES)
def test_no_series_glob_matches_the_archives_of_another_job(host: str, job: str, host2: str, job2: str) -> None:
    glob = f"{host}_{job}_????-??-??T??:??:??Z"
    assert fnmatch.fnmatchcase(f"{host2}_{job2}_{_TIME}", glob) == ((host, job) == (host2, job2))
    assert not fnmatch.fnmatchcase(f"{host}_{job}_{_TIME}.partial", glob)


@given(_NAMES, _NAMES, _NAMES, _NAMES)
def test_no_two_units_of_a_host_have_one_name(job: str, to: str, job2: str, to2: str) -> None:
    units = {f"backupspec-{job}_{to}", f"backupspec-check-{to}", f"backupspec-{job2}_{to2}", f"backupspec-check-{to2}"}
    assert len(units) == len({(job, to), (job2, to2)}) + len({to, to2})


@given(st.from_regex(r"[a-z0-9][a-z0-9.-]{0,62}[a-z0-9]", fullmatch=True))
def test_an_account_is_fit_for_useradd(name: str) -> None:
    assert len(account(name)) <= LONGEST
    assert account(name).replace("-", "").isalnum()


LAPTOP = """
repositories:
  usb: USB
hosts:
  laptop:
    to: [usb]
    files:
"""


@pytest.mark.parametrize(
    "jobs",
    [
        "{all: {paths: [/], one_file_system: true}}",  # the disk of the repository is another file system
        "{all: {paths: [/media], exclude: [/media/backup]}}",
        "{all: {paths: [/media], exclude: ['**/borg']}}",
        "{home: {paths: [/home], exclude: [/home/*/tmp], except: [/home/ada/tmp]}}",
        "{home: {paths: [/home/ada/tmp], exclude: ['**/tmp'], except: [/home/ada/tmp]}}",
        "{home: {paths: [/home, /home/ada], one_file_system: true}}",  # may be a file system of its own
        "{data: {paths: [/srv/a, /srv/b], mounted: [/srv]}}",
        "{data: {paths: [/srv], mounted: [/srv/disk]}}",
        "{home: {optional_paths: [/home]}}",
        "{home: {paths: [/home], hooks: {before: [{run: 'true && /usr/local/bin/dump'}]}}}",
        "{home: {paths: [/home], hooks: {before: [{run: '/usr/local/bin/dump; exit 0'}]}}}",  # under `sh -e`
        "{home: {paths: [/home], hooks: {before: [{run: 'dump || dump --again'}]}}}",
        "{home: {paths: [/home], hooks: {before: [{run: \"grep -E 'a|b' /srv/x >|/srv/y\"}]}}}",
        "{home: {paths: [/home], hooks: {before: [{run: 'set -eo pipefail; dump | gzip >/srv/y.gz'}]}}}",
        "{home: {paths: [/var/lib/backupspec-other, /etc/backupspec]}}",
        "{home: {paths: [/home], retention: {hourly: 24}, schedule: {every: 2h, timezone: UTC}}}",
        "{home: {paths: [/home], retention: {weekly: 8}, schedule: {calendar: Sat 04:00, timezone: UTC}}}",
        "{home: {paths: [/home], retention: {hourly: 1, daily: 7}}}",
        "{home: {paths: [/home]}, photos: {paths: [/home/ada/Photos]}}",
    ],
)
def test_what_is_right_is_not_blamed(tmp_path: Path, jobs: str) -> None:
    assert codes_in(tmp_path, LAPTOP + f"      {jobs}\n") == []


@pytest.mark.parametrize(
    ("jobs", "codes"),
    [
        ("{all: {paths: [/]}}", ["BS414", "BS417"]),
        ("{all: {paths: [/media/backup/borg/laptop]}}", ["BS414"]),  # a part of the repository
        ("{home: {paths: [/home/ada], exclude: [/home/**]}}", ["BS413"]),
        ("{home: {paths: [/home], exclude: ['/home/**'], except: [/home/ada]}}", []),
        ("{data: {paths: [/srv], retention: {daily: 7}, schedule: {calendar: Sat 04:00, timezone: UTC}}}", ["BS308"]),
        ("{data: {paths: [/srv], hooks: {before: [{run: [/bin/sh, -c, 'dump; true']}]}}}", ["BS422"]),
        ("{data: {paths: [/srv], hooks: {before: [{run: \"dump '|' | gzip\"}]}}}", ["BS424"]),
        ("{data: {paths: [/srv], hooks: {before: [{run: 'dump |& gzip'}]}}}", ["BS424"]),
        ("{data: {paths: [/srv, /var/lib/backupspec/x]}}", ["BS423"]),
        ("{data: {paths: [/srv], hooks: {after: [{run: '/usr/bin/sync || exit 0'}]}}}", ["BS422"]),
    ],
)
def test_what_is_wrong_is_found(tmp_path: Path, jobs: str, codes: list[str]) -> None:
    assert codes_in(tmp_path, LAPTOP + f"      {jobs}\n") == codes


@pytest.mark.parametrize(
    ("path", "codes"),
    [
        *(
            (path, ["BS408"])
            for path in ("/etc", "/etc/x", "/lib", "/lib64/x", "/usr/local/borg", "/var/lib", "/run/x")
        ),
        *((path, ["BS408"]) for path in ("/media", "/var/lib/backupspec-restore", "/run/media/ada", "/srv")),
        *((path, []) for path in ("/srv/borg", "/var/lib/borg", "/library", "/run/media/ada/disk", "/home/borg")),
    ],
)
def test_a_repository_has_a_folder_of_its_own(tmp_path: Path, path: str, codes: list[str]) -> None:
    text = f"""
    repositories: {{disk: {{path: {path}, present: sometimes}}}}
    hosts: {{laptop: {{to: [disk], files: {{x: {{paths: [/opt/x]}}}}}}}}
    """
    assert codes_in(tmp_path, text) == codes


@pytest.mark.parametrize(
    ("zone", "codes"),
    [("UTC", ["BS305"]), ("Europe/Berlin", ["BS306"])],  # 04:15 UTC is quiet in Berlin in winter only
)
def test_a_start_that_is_quiet_for_a_part_of_the_year_is_no_error(tmp_path: Path, zone: str, codes: list[str]) -> None:
    text = f"""
    repositories: {{usb: USB}}
    hosts:
      laptop:
        to: [usb]
        quiet: {{window: "{"04:00-05:00" if zone == "UTC" else "05:00-06:00"}", timezone: {zone}}}
        files: {{x: {{paths: [/home], schedule: {{calendar: "04:15", timezone: UTC}}}}}}
    """
    assert codes_in(tmp_path, text) == codes


def test_two_jobs_may_share_a_path_in_different_repositories(tmp_path: Path) -> None:
    text = """
    repositories:
      usb: USB
      box: {path: /media/box/borg, mounted: [/media/box], present: sometimes}
    hosts:
      laptop:
        files:
          home: {paths: [/home], to: [usb]}
          lean: {paths: [/home], exclude: ["**/Videos"], to: [box]}
    """
    assert codes_in(tmp_path, text) == []


def test_a_mistake_of_a_profile_is_said_once_and_at_the_profile(tmp_path: Path) -> None:
    text = """
    repositories: {usb: USB}
    profiles:
      linux:
        to: [usb]
        files: {home: {paths: [/home], exclude: [/hme/*/tmp]}}
    hosts: {a: {profiles: [linux]}, b: {profiles: [linux]}, c: {profiles: [linux]}}
    """
    (found,) = found_in(tmp_path, text)
    assert (found.code, found.where) == ("BS412", "profiles.linux.files.home")


def test_a_pattern_that_one_job_needs_is_not_blamed_for_the_others(tmp_path: Path) -> None:
    text = """
    repositories: {usb: USB}
    defaults: {to: [usb], exclude: [/home/*/tmp]}
    hosts:
      a: {files: {home: {paths: [/home]}}}
      b: {files: {etc: {paths: [/etc]}}}
    """
    assert codes_in(tmp_path, text) == []


def test_a_roaming_host_needs_no_address_and_a_local_one_no_key(tmp_path: Path) -> None:
    text = """
    servers: {vault: {address: 192.0.2.10, host_key: KEY, storage: {path: /backup}}}
    repositories: {central: {server: vault}, usb: USB}
    hosts:
      laptop: {roaming: true, to: [central], files: {home: {paths: [/home]}}}
      desktop: {to: [usb], files: {home: {paths: [/home]}}}
    """
    assert codes_in(tmp_path, text) == ["BS217"]


def test_a_client_may_not_log_in_with_the_servers_host_key(tmp_path: Path) -> None:
    text = """
    servers: {vault: {address: 192.0.2.10, host_key: KEY, storage: {path: /backup}}}
    repositories: {central: {server: vault}}
    hosts:
      web: {address: 192.0.2.21, ssh_key: KEY, to: [central], files: {home: {paths: [/home]}}}
    """
    assert codes_in(tmp_path, text) == ["BS216"]


def test_an_account_of_the_fleet_and_of_a_host_may_collide(tmp_path: Path) -> None:
    text = """
    servers: {vault: {address: 192.0.2.10, host_key: KEY, storage: {path: /backup}}}
    repositories:
      all: {server: vault, per: fleet, passphrase: {credential: all}}
      own: {server: vault}
    hosts:
      fleet-all: {roaming: true, to: [own], files: {home: {paths: [/home]}}}
      web: {roaming: true, to: [all], files: {home: {paths: [/home]}}}
    """
    assert "BS214" in codes_in(tmp_path, text)


def test_quotas_of_a_repository_of_the_fleet_count_once(tmp_path: Path) -> None:
    text = """
    servers: {vault: {address: 192.0.2.10, host_key: KEY, storage: {path: /backup, capacity: 1TB}}}
    repositories: {all: {server: vault, per: fleet, passphrase: {credential: all}, quota: 900GB}}
    hosts:
      a: {roaming: true, to: [all], files: {home: {paths: [/home]}}}
      b: {roaming: true, to: [all], files: {home: {paths: [/home]}}}
    """
    assert set(codes_in(tmp_path, text)) == {"BS217"}


@pytest.mark.systemd
def test_what_systemd_refuses_is_reported_where_it_was_chosen(tmp_path: Path) -> None:
    text = """
    repositories: {usb: USB}
    schedules: {weekly: {calendar: "Sat 04:00", timezone: UTC}}
    hosts:
      laptop: {to: [usb], schedule: weekly, files: {home: {paths: [/home], retention: {weekly: 4}}}}
    """
    fleet = fleet_of(tmp_path, text)
    assert calendars(fleet) == ("Sat 04:00",)
    assert refused_calendars(fleet, ask_systemd(calendars(fleet))) == ()
    (found,) = refused_calendars(fleet, {"Sat 04:00": "no"})
    assert (found.code, found.where, found.span.line) == ("BS307", "hosts.laptop", 8)


def test_three_hundred_hosts_are_judged_in_seconds(tmp_path: Path) -> None:
    host = textwrap.dedent(
        """
          h{number}:
            roaming: true
            profiles: [linux]
            files:
              www: {{paths: [/srv/www], exclude: ["/srv/www/*/cache", "**/tmp"]}}
        """
    )
    profile = """
    servers: {vault: {address: 192.0.2.10, host_key: KEY, storage: {path: /backup}}}
    repositories: {central: {server: vault}}
    profiles:
      linux:
        to: [central]
        files: {system: {paths: [/etc, /home, /root], exclude: ["**/.cache", "/home/*/Downloads"]}}
    hosts:
    """
    hosts = "".join(textwrap.indent(host.format(number=number), "  ") for number in range(300))
    begun = time.process_time()
    found = found_in(tmp_path, textwrap.dedent(profile) + hosts)
    assert {each.code for each in found} == {"BS217"}
    assert time.process_time() - begun < 10
