"""The main job, step by step, on a server and a host of inventories/infra4 whose compiled files are used unedited."""

import datetime
import re
import shutil
import time
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from demo.guest import guest
from demo.history import CREATE, HERE, OLD, migrate, old_history, page
from demo.lab import borgs
from demo.lab.machine import Machine
from demo.lab.room import Room
from demo.lab.site import SCRIPTS, Site, borg_in_environment_of, bytes_below, job_script, repository_script
from demo.telling import Telling

_SERVER, _HOST = "bkp01", "web01"
_JOB, _REPOSITORY = "www", "central"
_FRESH = ["/home", "/media", "/mnt", "/opt", "/root", "/srv", "/usr/local", "/var/www"]


class NotTrueError(Exception):
    """Something that the demo promised did not come true."""


@dataclass(frozen=True, slots=True)
class _Stage:
    site: Site
    server: Machine
    host: Machine
    telling: Telling
    repository: str


def tell(telling: Telling, folder: Path) -> None:
    """Run every step; raise NotTrueError or CommandFailedError at the first that fails."""
    site = Site(folder / "inventory", folder / "compiled")
    _compile(telling, site)
    with Room() as room:
        telling.step("Machines", "two in a private network, on a copy-on-write view of this one's files")
        server = room.machine(_SERVER, ["192.0.2.10"], fresh=["/backup", "/srv"], see=[borgs.PROJECT])
        host = room.machine(_HOST, ["192.0.2.21"], fresh=_FRESH)
        server.run(["mount", "-t", "tmpfs", "tmpfs", "/backup"])  # the inventory says that it must be a mount point
        versions = borgs.give(server, "1.2"), borgs.give(host, "1.2")
        telling.came_true(f"{_SERVER} 192.0.2.10 with {versions[0]}, {_HOST} 192.0.2.21 with {versions[1]}")
        _enrol(telling, site, server, host)
        stage = _Stage(site, server, host, telling, _location(host))
        _init(stage)
        _migrate(stage)
        _back_up(stage)
        _thin_out(stage)
        _forbid(stage)
        _restore(stage)
        expect(guest(telling, folder, room), "the disk of the copy is not what the guest saw")


def expect(true: object, otherwise: str) -> None:
    """Go on only if `true` is."""
    if not true:
        raise NotTrueError(otherwise)


def _compile(telling: Telling, site: Site) -> None:
    telling.step("Compile", "the inventory of a dozen machines in two towns")
    shutil.copytree(borgs.PROJECT / "inventories" / "infra4", site.inventory)
    telling.command("admin", "backupspec compile inventories/infra4 --output compiled")
    said = site.compile().stdout
    files = re.search(r"Wrote (\d+) files", said)
    expect(files, f"the compiler did not say how many files it wrote:\n{said}")
    hosts = len(list((site.output / "hosts").iterdir()))
    telling.came_true(f"{files[1] if files else 0} files for {hosts} machines from one inventory")


def _enrol(telling: Telling, site: Site, server: Machine, host: Machine) -> None:
    telling.step("Roll out", "the compiled `apply` of the host and of the server")
    site.learn_host_key(server)
    site.compile()
    telling.command(_HOST, "./apply")
    telling.quote(site.apply(host).stdout, lines=4)
    site.learn_key(host)
    telling.command("admin", f"backupspec compile …      # with {_HOST}'s new key in keys/{_HOST}.pub")
    site.compile()
    telling.command(_SERVER, "./apply")
    telling.quote(site.apply(server).stdout, lines=2)
    site.apply(host)
    server.start_sshd()
    accounts = server.run(["getent", "passwd"]).stdout.count("\nbs-")
    telling.came_true(f"{accounts} accounts on {_SERVER}, one per host; sshd runs with the compiled rules")


def _init(stage: _Stage) -> None:
    stage.telling.step("Initialise", "once and by hand; no job ever makes a repository")
    stage.telling.command(_HOST, f"backupspec-run init {_REPOSITORY}")
    stage.telling.quote(repository_script(stage.host, _REPOSITORY, "init").stdout, lines=3)
    owner = stage.server.run(["stat", "-c", "%U", stage.repository]).stdout.strip()
    stage.telling.came_true(f"{stage.repository} belongs to {owner}; its key is exported for the safe")


def _migrate(stage: _Stage) -> None:
    stage.telling.step("Migrate", "the rsnapshot history of that host, with a proof")
    old_history(stage.server, _HOST)
    stage.server.sh(f"find {OLD}/snapshots >/dev/null")  # the first look at a folder sets its access time
    source = f"find {OLD}/snapshots -printf '%p %i %n %m %U %G %s %T@ %A@ %C@ %l\\n' | sort"
    before = stage.server.sh(source).stdout
    stage.server.copy_in(stage.site.inventory, f"{HERE}/inventory")
    _type(stage, f"scan {OLD}/rsnapshot.conf", r"  Folder|  daily")
    _type(stage, f"plan {OLD}/rsnapshot.conf --inventory inventory --job {_JOB}", r"plan.yaml|  ")
    _type(stage, "run plan.yaml", "imported")
    _type(stage, "verify plan.yaml", "equal")
    said = _type(stage, "report plan.yaml", "Safe|  - (no|every) ")
    expect("Safe to retire the old tree: yes" in said, f"the report does not say that the old tree may go:\n{said}")
    after = stage.server.sh(source).stdout
    expect(
        after == before,
        f"the migration changed its source: {sorted(set(after.splitlines()) - set(before.splitlines()))}",
    )
    expect(len(_archives(stage)) == len(_snapshots(stage.server)), "the archives are not as many as the snapshots")
    stage.telling.came_true(
        f"{len(_archives(stage))} snapshots became archives, every item and byte compared; the source is as it was"
    )


def _type(stage: _Stage, words: str, shown: str) -> str:
    """Run a command of the migration and quote the lines whose beginning matches `shown`."""
    stage.telling.command(_SERVER, f"backupspec migrate {words}")
    said = migrate(stage.server, stage.host, words)
    stage.telling.quote("\n".join(line for line in said.splitlines() if re.match(shown, line)), lines=9)
    return said


def _snapshots(server: Machine) -> list[str]:
    return server.sh(f"ls -d {OLD}/snapshots/*").stdout.split()


def _back_up(stage: _Stage) -> None:
    stage.telling.step("Back up", "the compiled job goes on where the old history ended")
    page(stage.host, days=5)
    _wait_for_room_in_the_hour()
    migrated = _archives(stage)[-1]
    _create(stage)
    regular = _archives(stage)[-1]
    stage.telling.command(_HOST, f"borg diff ::{migrated} {regular}")
    difference = borg_in_environment_of(stage.host, CREATE, f"borg diff ::{migrated} {regular}").stdout
    expect(not difference, f"the last migrated archive and the first regular one differ:\n{difference}")
    stage.telling.command(_HOST, f"{_script('system', 'create')}      # /etc, /root, /usr/local")
    job_script(stage.host, "system", _REPOSITORY, "create")
    stage.telling.came_true("last migrated and first regular archive do not differ: one history")


def _create(stage: _Stage) -> None:
    stage.telling.command(_HOST, f"{_script(_JOB, 'create')}      # as its unit does: own user, one capability")
    job_script(stage.host, _JOB, _REPOSITORY, "create")
    time.sleep(1)  # an archive's name has whole seconds


def _archives(stage: _Stage) -> list[str]:
    lines = repository_script(stage.host, _REPOSITORY, "list").stdout.splitlines()
    return [line.split()[0] for line in lines]


def _wait_for_room_in_the_hour() -> None:
    """Two backups of one hour are needed for one to be pruned."""
    now = datetime.datetime.now(tz=datetime.UTC)
    if now.minute >= 59:
        time.sleep(61 - now.second)


def _thin_out(stage: _Stage) -> None:
    stage.telling.step("Thin out", "two more backups, then prune, compact and check")
    for _ in range(2):
        stage.host.run(["dd", "if=/dev/urandom", "of=/srv/www/shop/film.bin", "bs=1M", "count=8", "status=none"])
        _create(stage)
    many, full = len(_archives(stage)), bytes_below(stage.server, stage.repository)
    stage.telling.command(_HOST, _script(_JOB, "prune"))
    job_script(stage.host, _JOB, _REPOSITORY, "prune")
    few = len(_archives(stage))
    for word in ("compact", "check"):
        stage.telling.command(_HOST, f"{SCRIPTS}/repositories/{_REPOSITORY}/{word}")
        repository_script(stage.host, _REPOSITORY, word)
    small = bytes_below(stage.server, stage.repository)
    expect(few < many, f"prune removed nothing: {many} archives")
    expect(small < full, f"compact freed nothing: {full} bytes before, {small} after")
    freed = f"{full / 1e6:.1f} MB became {small / 1e6:.1f} MB"
    stage.telling.came_true(f"{many} archives became {few}, {freed}; the check found no fault")


def _forbid(stage: _Stage) -> None:
    stage.telling.step("Forbidden", "what the host's own key cannot do")
    foreign = str(PurePosixPath(stage.repository).parents[1] / "db01" / _REPOSITORY)
    stage.telling.command(_HOST, f"borg list {foreign}      # another host's repository")
    other = f'export BORG_REPO=$(printf %s "$BORG_REPO" | sed s,{stage.repository},{foreign},); borg list'
    refused = borg_in_environment_of(stage.host, CREATE, other, check=False)
    expect(refused.code and "not allowed" in refused.output, f"another host's repository opened:\n{refused.output}")
    stage.telling.quote(refused.output, lines=1)
    stage.telling.command(_HOST, f"ssh {_SERVER} id                  # a shell")
    ssh = 'host=${BORG_REPO#ssh://}; ssh -F /etc/backupspec/ssh_config "${host%%/*}" id </dev/null'
    shell = borg_in_environment_of(stage.host, CREATE, ssh, check=False)
    expect("uid=" not in shell.output, f"a command ran on the server:\n{shell.output}")
    stage.telling.came_true("another host's repository and a shell are refused")


def _restore(stage: _Stage) -> None:
    stage.telling.step("Restore", "everything, and compare; then one page as it was long ago")
    compared = 0
    for job, path in ((_JOB, "/srv/www"), ("system", "/etc")):
        target = f"/root/restored-{job}"
        stage.telling.command(_HOST, f"backupspec-run restore {_REPOSITORY} {job} {target} {path}")
        repository_script(stage.host, _REPOSITORY, "restore", job, target, path)
        expected, found = _backed_up(stage.host, path), stage.host.files_below(f"{target}{path}")
        expect(found == expected, f"not restored as it was: {sorted(map(str, expected.items() ^ found.items()))[:5]}")
        compared += len(found)
    oldest = _archives(stage)[0]
    stage.telling.command(_HOST, f"backupspec-run restore {_REPOSITORY} {oldest} /root/old /srv/www/index.html")
    repository_script(stage.host, _REPOSITORY, "restore", oldest, "/root/old", "/srv/www/index.html")
    was = stage.host.read("/root/old/srv/www/index.html").strip()
    stage.telling.quote(was)
    expect(was == "<h1>day 1</h1>", "the page of the oldest archive is not the old one")
    stage.telling.came_true(f"{compared:,} items are the same in content, owner, mode and time; the old page came back")


def _backed_up(host: Machine, path: str) -> dict[PurePosixPath, str]:
    """Return what is below `path` but the secrets that the compiled patterns leave out with all below them."""
    patterns = host.read(f"/etc/backupspec/jobs/system_{_REPOSITORY}.patterns").splitlines()
    secrets = {PurePosixPath(line.removeprefix("! pp:")) for line in patterns if line.startswith("! pp:")}
    below = host.files_below(path)
    return {name: what for name, what in below.items() if secrets.isdisjoint([path / name, *(path / name).parents])}


def _script(job: str, word: str) -> str:
    return f"{SCRIPTS}/jobs/{job}_{_REPOSITORY}/{word}"


def _location(host: Machine) -> str:
    """Return the repository's folder on the server, as the compiled script names it."""
    line = next(line for line in host.read(CREATE).splitlines() if line.startswith("export BORG_REPO="))
    return "/" + line.partition("ssh://")[2].partition("/")[2].strip("'\"")
