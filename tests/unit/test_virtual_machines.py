"""What a virtual machine compiles to beside its scripts, and when the rules about it keep quiet."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from backupspec.pipeline import load_fleet
from backupspec.plan import plan
from backupspec.render import text_of
from tests.diagnostics.fleets import USB, codes_in, fleet_of

HOST = """
repositories:
  usb: USB
hosts:
  kvm:
    to: [usb]
    scratch: /srv/scratch
    virtual_machines:
      web: {{disks: [vda], {job}}}
{more}
"""
NIGHTLY = 'window: "01:00-05:00", timezone: UTC'
GUEST = """
  web:
    to: [usb]
    schedule: {{{schedule}}}
    files: {{www: {{paths: [/srv]}}}}
"""


def compiled(folder: Path, job: str = "quiesce: off") -> dict[str, str]:
    planned, found = plan(fleet_of(folder, HOST.format(job=job, more="")))
    assert found == ()
    prefix = "hosts/kvm/root"
    return {file.path.removeprefix(prefix): text_of(file) for file in planned.files if file.path.startswith(prefix)}


def test_what_talks_to_libvirt_has_three_rights_and_the_rest_none(tmp_path: Path) -> None:
    service = compiled(tmp_path)["/etc/systemd/system/backupspec-web_usb.service"]
    assert "\nCapabilityBoundingSet=CAP_DAC_READ_SEARCH CAP_SETGID CAP_SETUID\n" in service
    assert "AmbientCapabilities" not in service
    starts = [line for line in service.splitlines() if line.startswith("ExecStart=")]
    assert [line.startswith("ExecStart=!") for line in starts] == [True, False, False]
    assert "\nPrivateNetwork=true\n" in service
    assert "\nUser=backupspec\n" in service


@pytest.mark.parametrize("letters", [56, 57, 64])
def test_a_path_of_a_socket_is_never_too_long(tmp_path: Path, letters: int) -> None:
    text = HOST.format(job="quiesce: off", more="").replace("web:", f"{'w' * letters}:")
    planned, _ = plan(fleet_of(tmp_path, text))
    (xml,) = [
        text_of(file) for file in planned.files if "virtual-machines/" in file.path and file.path.endswith(".xml")
    ]
    path = xml.partition('socket="')[2].partition('"')[0]
    assert path.startswith("/run/backupspec-vm/")
    assert path.endswith("/nbd/sock")
    # The longest: of the longest disk of a machine that is off.
    assert len(path.removesuffix("nbd/sock") + "still/xvdabcd.sock") < 108


@pytest.mark.parametrize(
    ("outside", "inside", "meet"),
    [
        ("", NIGHTLY, True),
        ("", 'window: "04:59-06:00", timezone: UTC', True),
        ("", 'window: "05:00-06:00", timezone: UTC', False),
        ("", 'window: "22:00-01:00", timezone: UTC', False),
        # Two zones differ by what they do in winter or by what they do in summer; here 01:00 to 05:00 is meant in UTC.
        ("", 'window: "01:00-05:00", timezone: Europe/Berlin', True),
        ("", 'window: "05:00-06:00", timezone: Europe/Berlin', True),
        ("", 'window: "06:00-07:00", timezone: Europe/Berlin', True),
        ("", 'window: "07:00-08:00", timezone: Europe/Berlin', False),
        ("", 'window: "01:00-05:00", timezone: America/Toronto', False),
        ("", "every: 6h, timezone: UTC", True),
        ("", 'every: 1h, window: "06:00-22:00", timezone: UTC', False),
        ("every: 12h, timezone: UTC", NIGHTLY, True),
        ("", 'calendar: "Sat *-*-* 04:59", timezone: UTC', True),
        ("", 'calendar: "*-*-* 00,05:00", timezone: UTC', False),
        # A night that begins on Monday is Tuesday's too, and Sunday's is Monday's.
        ('days: [mon], window: "22:00-03:00", timezone: UTC', 'calendar: "Tue 02:30", timezone: UTC', True),
        ('days: [sun], window: "22:00-03:00", timezone: UTC', 'calendar: "Mon 02:30", timezone: UTC', True),
        ('days: [mon], window: "22:00-03:00", timezone: UTC', 'calendar: "Mon 02:30", timezone: UTC', False),
        (
            'days: [mon], window: "01:00-23:00", timezone: UTC',
            'days: [tue], window: "00:00-23:00", timezone: UTC',
            False,
        ),
        (
            'days: [mon], window: "01:00-02:00", timezone: Asia/Tokyo',
            'days: [sun], window: "16:00-17:00", timezone: UTC',
            True,
        ),
    ],
)
def test_a_guest_may_do_its_own_jobs_in_other_hours(outside: str, inside: str, *, meet: bool, tmp_path: Path) -> None:
    job = "guest: web" + (f", schedule: {{{outside}}}" if outside else "")
    text = HOST.format(job=job, more=GUEST.format(schedule=inside))
    codes = sorted(code for code in codes_in(tmp_path, text) if code.startswith("BS45"))
    assert codes == ["BS455"] * meet + ["BS456"]


def test_a_host_with_the_name_of_a_virtual_machine_is_asked_about(tmp_path: Path) -> None:
    more = GUEST.format(schedule=NIGHTLY)
    assert "BS465" in codes_in(tmp_path, HOST.format(job="quiesce: off", more=more))
    assert "BS465" in codes_in(
        tmp_path, HOST.format(job="domain: web", more=more).replace("web: {disks", "shop: {disks")
    )
    for job, there in (("guest: web", more), ("domain: shop", more), ("domain: kvm", more), ("quiesce: off", "")):
        assert "BS465" not in codes_in(tmp_path, HOST.format(job=job, more=there)), job
    named = HOST.replace("{more}", "      shop: {{disks: [vda], guest: web}}\n{more}").format(
        job="quiesce: off", more=more
    )
    assert "BS465" not in codes_in(tmp_path, named)


def test_a_guest_that_backs_itself_up_is_left_alone(tmp_path: Path) -> None:
    text = HOST.format(job="method: guest, guest: web", more=GUEST.format(schedule=NIGHTLY))
    text = text.replace("disks: [vda], ", "")
    assert [code for code in codes_in(tmp_path, text) if code.startswith("BS45")] == []
    planned, _ = plan(fleet_of(tmp_path, text))
    assert [file.path for file in planned.files if "libvirt" in file.path or "/jobs/web_" in file.path] == []


@pytest.mark.parametrize(
    "said",
    [
        "quiesce: off",
        "without: {vdb: swap}",
        "drill: {agent: true}",
        "keep_free: 1GB",
        "scratch: /srv/other",
        "to: [usb]",
        "schedule: {every: 6h, timezone: UTC}",
        "priority: idle",
        "hooks: {before: [{run: [/bin/true]}]}",
    ],
)
def test_what_a_guest_does_itself_is_not_said_outside(said: str, tmp_path: Path) -> None:
    text = HOST.format(job=f"method: guest, guest: web, {said}", more=GUEST.format(schedule=NIGHTLY))
    text = text.replace("disks: [vda], ", "").replace("USB", USB)
    (tmp_path / "inventory.yaml").write_text(f"version: 1\nfleet: tried\n{text}", encoding="utf-8")
    _, found = load_fleet(tmp_path)
    assert [each.where for each in found if each.code == "BS226"] == [
        f"hosts.kvm.virtual_machines.web.{said.partition(':')[0]}" + ".before" * said.startswith("hooks")
    ]


def test_a_machine_that_moves_may_stand_on_two_hypervisors(tmp_path: Path) -> None:
    """Its guest is one host, under one name to libvirt on both."""
    more = GUEST.format(schedule=NIGHTLY)
    more += "  kvm2: {to: [usb], virtual_machines: {web-there: {domain: web, method: guest, guest: web}}}\n"
    text = HOST.format(job="method: guest, guest: web", more=more).replace("disks: [vda], ", "")
    assert "BS462" not in codes_in(tmp_path, text)
    assert "BS462" in codes_in(tmp_path, text.replace("domain: web", "domain: shop"))


CHANGES = """
repositories:
  usb: USB
hosts:
  kvm:
    to: [usb]
    scratch: "/srv/it's"
    virtual_machines:
      web: {disks: [vda], without: {vdb: swap}, method: incremental}
      {more}
"""


def test_where_changed_blocks_go_is_no_file_of_others(tmp_path: Path) -> None:
    """Every disk is named, in a folder of the job's own, by which its backups are known in what libvirt writes."""
    planned, found = plan(fleet_of(tmp_path, CHANGES.replace("{more}", "")))
    assert found == ()
    files = {file.path.removeprefix("hosts/kvm/root"): text_of(file) for file in planned.files}
    changes = files["/etc/backupspec/virtual-machines/web_usb.changes.xml"]
    assert '<target file="/srv/it\'s/backupspec-web_usb/vda.qcow2"/>' in changes
    assert 'incremental="backupspec_web_usb_TIME"' in changes
    assert '<disk name="vdb" backup="no"/>' in changes
    jobs = "/usr/local/lib/backupspec/jobs/web_usb"
    for script in ("create", "end"):
        assert "\nfiles='/srv/it&apos;s/backupspec-web_'\n" in files[f"{jobs}/{script}"]
    assert "Of `web` most backups hold only what changed" in files["README.md"]


def test_snapshots_of_a_machine_need_one_without_checkpoints(tmp_path: Path) -> None:
    more = "{name}: {{domain: {domain}, method: snapshot, retention: {{daily: 3}}}}"
    beside = CHANGES.replace("{more}", more.format(name="web-back", domain="web"))
    assert "BS464" in codes_in(tmp_path, beside)
    assert "BS464" not in codes_in(tmp_path, beside.replace("method: incremental", "method: pull"))
    assert "BS464" not in codes_in(tmp_path, CHANGES.replace("{more}", more.format(name="shop", domain="shop")))


SNAPSHOTS = """
repositories:
  usb: USB
hosts:
  kvm:
    to: [usb]
    scratch: /srv/scratch
    virtual_machines:
      web: {{disks: [vda]}}
      web-back: {{domain: web, method: snapshot, {job}}}
    {more}
"""


def test_snapshots_beside_a_backup_are_no_second_one(tmp_path: Path) -> None:
    text = SNAPSHOTS.format(job="retention: {hourly: 6, daily: 3}, schedule: {every: 4h, timezone: UTC}", more="")
    assert [code for code in codes_in(tmp_path, text) if code.startswith("BS4")] == []
    text = text.replace("web: {disks: [vda]}", "other: {disks: [vda]}")
    assert "BS460" in codes_in(tmp_path, text)
    said = SNAPSHOTS.format(job="retention: {daily: 3}", more="not_backed_up: [{what: 'vm:web', because: 'no need'}]")
    assert "BS460" not in codes_in(tmp_path, said.replace("web: {disks: [vda]}", "other: {disks: [vda]}"))


PLACES = """
sites: {north: {}, south: {}}
servers:
  vault: {address: 192.0.2.10, host_key: KEY, storage: {path: /backup}, site: SITE}
repositories:
  central: {server: vault}
  local: {path: /backup/borg}
hosts:
  kvm:
    site: north
    to: [WHERE]
    scratch: /srv/scratch
    virtual_machines:
      web: {disks: [vda]}
      web-back: {domain: web, method: snapshot, retention: {daily: 3}}
"""


@pytest.mark.parametrize(
    ("where", "site", "codes"),
    [("central", "north", {"BS431"}), ("local", "south", {"BS432"}), ("central", "south", set())],
)
def test_snapshots_are_no_copy_at_another_place(where: str, site: str, codes: set[str], tmp_path: Path) -> None:
    """With them and without, the rules about copies find the same."""
    text = PLACES.replace("WHERE", where).replace("SITE", site)
    beside = "      web-back: {domain: web, method: snapshot, retention: {daily: 3}}\n"
    assert beside in text
    for each in (text, text.replace(beside, "")):
        assert codes == {"BS430", "BS431", "BS432"}.intersection(codes_in(tmp_path, each))


def test_a_host_that_has_snapshots_alone_has_no_job(tmp_path: Path) -> None:
    text = PLACES.replace("WHERE", "central").replace("SITE", "south").replace("      web: {disks: [vda]}\n", "")
    assert {"BS430", "BS460"} <= set(codes_in(tmp_path, text))


def test_a_schedule_and_a_retention_of_snapshots_are_judged_like_others(tmp_path: Path) -> None:
    text = SNAPSHOTS.format(job="retention: {hourly: 6}", more="")
    assert "BS308" in codes_in(tmp_path, text)
    quiet = 'quiet: {window: "00:00-06:00", timezone: UTC}'
    assert "BS305" in codes_in(tmp_path, SNAPSHOTS.format(job="retention: {daily: 3}", more=quiet))


def test_a_host_that_only_takes_snapshots_gets_all_that_they_need(tmp_path: Path) -> None:
    """A unit without network or secrets, the command for people, the slice; nothing of a repository."""
    text = SNAPSHOTS.format(job="retention: {daily: 3}", more="").replace("      web: {disks: [vda]}\n", "")
    planned, found = plan(fleet_of(tmp_path, text))
    assert found == ()
    files = {file.path.removeprefix("hosts/kvm/root"): text_of(file) for file in planned.files}
    service = files["/etc/systemd/system/backupspec-web-back_snapshots.service"]
    assert "\nCapabilityBoundingSet=CAP_DAC_READ_SEARCH CAP_SETGID CAP_SETUID\n" in service
    assert "\nPrivateNetwork=true\n" in service
    assert "LoadCredential" not in service
    assert "/etc/systemd/system/backupspec.slice" in files
    assert "rollback" in files["/usr/local/sbin/backupspec-run"]
    assert [path for path in files if "/repositories/" in path] == []


RUNBOOK = """
repositories:
  usb: USB
hosts:
  kvm:
    to: [usb]
    scratch: /srv/scratch
    virtual_machines:
      web: {disks: [vda], without: {vdb: swap}, drill: {agent: true}}
      shop: {domain: Old shop, disks: [vda]}
      web-back: {domain: web, method: snapshot, retention: {daily: 3}}
      mail: {method: guest, guest: mail}
    not_backed_up: [{what: "vm:build", because: "made anew in minutes"}]
  mail: {to: [usb], files: {etc: {paths: [/etc]}}}
"""


def read_me(folder: Path, text: str) -> str:
    planned, _ = plan(fleet_of(folder, text))
    (found,) = [text_of(file) for file in planned.files if file.path == "README.md"]
    return found


def test_the_page_says_how_each_virtual_machine_comes_back(tmp_path: Path) -> None:
    page = read_me(tmp_path, RUNBOOK)
    lines = page.splitlines()
    for line in (
        "backupspec-run restore-vm web",
        "backupspec-run restore-vm web --latest",
        "backupspec-run drill web",
        "backupspec-run restore-vm shop --at '2 days ago' --as shop-copy",
        "backupspec-run create web-back",
        "backupspec-run rollback web-back --latest",
        "| `kvm` | virtual machine mail | backs itself up, as mail |",
        "| `kvm` | virtual machine build | not backed up: made anew in minutes |",
        "| `kvm` | disk vdb of virtual machine web | not backed up: swap |",
    ):
        assert line in lines
    assert "backupspec-run drill shop" not in page
    assert "backupspec-run restore-vm mail" not in page
    new_host = page.partition("**On a new host**")[2].partition("\n\n")[0]
    for word in ("libnbd-bin", "`/srv/scratch`", "virsh net-define", "virsh pool-define", "`web vdb`"):
        assert word in new_host


def test_the_page_knows_no_option_that_the_scripts_do_not(tmp_path: Path) -> None:
    fleet = fleet_of(tmp_path, RUNBOOK)
    files = {file.path.removeprefix("hosts/kvm/root"): file for file in plan(fleet)[0].files}
    page = read_me(tmp_path, RUNBOOK)
    jobs = "/usr/local/lib/backupspec/jobs"
    scripts = [f"{jobs}/web_usb/restore", f"{jobs}/web-back_snapshots/rollback", "/usr/local/sbin/backupspec-run"]
    known = " ".join(text_of(files[script]) for script in scripts)
    chapters = page.partition("## A virtual machine was lost")[2].partition("## The host was lost")[0]
    options = set(re.findall(r"--[a-z]+", chapters))
    assert len(options) > 5
    assert [option for option in options if not re.search(rf"(?<![a-z-]){option}(?![a-z-])", known)] == []


def test_the_page_is_silent_on_virtual_machines_where_there_are_none(tmp_path: Path) -> None:
    page = read_me(tmp_path, "repositories: {usb: USB}\nhosts: {web: {to: [usb], files: {etc: {paths: [/etc]}}}}\n")
    assert "irtual machine" not in page
    assert "hypervisor" not in page
