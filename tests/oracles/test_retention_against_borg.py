"""That `keep` decides as `borg prune` does, of both generations, with the same reasons."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backupspec.fleet import Retention
from backupspec.plan.units import prunes
from backupspec.retention import keep
from demo.lab.command import CLEAN
from tests.golden.trees import INVENTORIES, Compiled
from tests.oracles.machines import SCRIPTS, fleet, runs
from tests.unit.retentions import CASES, NOW

pytestmark = pytest.mark.borg

DRIVER = Path(__file__).with_name("borg_prune.py")
LINE = re.compile(r"(?:Keeping archive \(rule: (?P<reason>[^)]+)\)|Would prune): +(?P<name>\S+) ")
SECOND = timedelta(seconds=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Borg:
    """One generation's program, its Python, and a process of it that answers questions."""

    program: Path
    python: tuple[str, ...]
    env: Mapping[str, str]
    process: subprocess.Popen[str]

    def ask(
        self, options: Sequence[str], archives: Sequence[tuple[str, datetime]], now: datetime, zone: str
    ) -> dict[str, str]:
        """Give borg's word on each archive that `options` have it look at."""
        case = {"options": options, "archives": _entries(archives), "now": _iso(now), "zone": zone}
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(case) + "\n")
        self.process.stdin.flush()
        return _said(json.loads(self.process.stdout.readline()))


@dataclass(frozen=True, slots=True)
class Case:
    """A policy, a zone, a present, and the times of archives in the order of their names."""

    policy: Retention
    zone: str
    now: datetime
    times: tuple[datetime, ...]


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")


def _entries(archives: Sequence[tuple[str, datetime]]) -> list[tuple[str, str]]:
    return [(name, _iso(moment)) for name, moment in archives]


def _said(lines: Sequence[str]) -> dict[str, str]:
    """Read what borg lists."""
    found = {}
    for line in lines:
        match = LINE.match(line)
        assert match, line
        found[match["name"]] = match["reason"] or "pruned"
    assert len(found) == len(lines)
    return found


def _options(policy: Retention) -> list[str]:
    within = [] if policy.within is None else ["--keep-within", policy.within]
    return within + [word for name, number in policy.buckets() for word in (f"--keep-{name}", str(number))]


def _reckoned(case: Case) -> list[str] | None:
    """Give our words on each archive, with borg's name for `last`; None if borg refuses the policy."""
    try:
        decisions = keep(case.policy, case.times, case.now, ZoneInfo(case.zone))
    except ValueError:
        return None
    return [re.sub("^last", "secondly", str(decision)) for decision in decisions]


def _named(case: Case, prefix: str = "") -> list[tuple[str, datetime]]:
    return [(f"{prefix}{place:04}", moment) for place, moment in enumerate(case.times)]


@pytest.fixture(scope="module", params=["1.2", "1.4"])
def borg(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Borg]:
    """Give each generation, with a process of its own."""
    program: Path = request.getfixturevalue(f"borg{request.param.replace('.', '')}")
    first = program.read_text(encoding="utf-8").splitlines()[0]
    python = (*first.removeprefix("#!").split(), "-I", str(DRIVER))
    folder = tmp_path_factory.mktemp("base")
    env = {
        **CLEAN,
        "BORG_BASE_DIR": str(folder),
        "BORG_REPO": str(folder / "repository"),
        "BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK": "yes",
    }
    with subprocess.Popen(python, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env) as process:
        yield Borg(program, python, env, process)


# What clocks did: an hour twice or not at all; half an hour; at midnight; a minute after it, so that a day comes twice;
# two hours; a day left out.
NIGHTS = (
    ("Europe/Berlin", "2024-03-31T01:00"),
    ("Europe/Berlin", "2024-10-27T01:00"),
    ("America/New_York", "2024-03-10T07:00"),
    ("America/New_York", "2024-11-03T06:00"),
    ("Australia/Lord_Howe", "2024-04-06T15:00"),
    ("Australia/Lord_Howe", "2024-10-05T15:30"),
    ("America/Havana", "2023-03-12T05:00"),
    ("America/Havana", "2023-11-05T05:00"),
    ("America/St_Johns", "2010-03-14T03:31"),
    ("America/St_Johns", "2010-11-07T02:31"),
    ("Antarctica/Troll", "2024-03-31T01:00"),
    ("Antarctica/Troll", "2024-10-27T01:00"),
    ("Pacific/Chatham", "2024-04-06T14:00"),
    ("Pacific/Apia", "2011-12-30T10:00"),
    ("Pacific/Kiritimati", "1994-12-31T10:40"),
    ("Africa/Casablanca", "2024-03-10T02:00"),
)
# Ends of years, of weeks that belong to another year, of February; an ordinary day.
ENDS = ("2020-12-31T23:30", "2021-01-03T23:30", "2024-12-29T20:00", "2024-02-29T12:00", "2026-06-15T03:00")
ZONES = ("UTC", "Asia/Kolkata", "Asia/Kathmandu", "America/St_Johns", "Pacific/Kiritimati", "Etc/GMT+12", "Asia/Tehran")
UNITS = (SECOND, 20 * SECOND, timedelta(minutes=1), timedelta(minutes=15), HOUR, DAY, 7 * DAY, 30 * DAY, 365 * DAY)

places = st.one_of(
    st.sampled_from(NIGHTS),
    st.tuples(st.sampled_from(ZONES), st.sampled_from(ENDS)),
    st.tuples(st.sampled_from([zone for zone, _ in NIGHTS]), st.sampled_from([*ENDS, *(at for _, at in NIGHTS)])),
)
distances = st.builds(
    lambda unit, times, more: times * unit + timedelta(microseconds=more),
    st.sampled_from(UNITS),
    st.integers(-9, 9),
    st.sampled_from((0, 0, 0, 1, -1, 500_000)),
)
numbers = st.one_of(st.none(), st.none(), st.integers(1, 6), st.sampled_from((-1, 0, 1, 30)))
policies = st.builds(
    Retention,
    last=numbers,
    secondly=numbers,
    minutely=numbers,
    hourly=numbers,
    daily=numbers,
    weekly=numbers,
    monthly=numbers,
    yearly=numbers,
    within=st.one_of(
        st.none(), st.builds(lambda number, unit: f"{number}{unit}", st.integers(1, 9), st.sampled_from("Hdwmy"))
    ),
)


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Draw a row of archives at equal distances before a remarkable moment, and some around it."""
    zone, at = draw(places)
    moment = datetime.fromisoformat(at).replace(tzinfo=UTC)
    start = moment + draw(distances)
    step = draw(st.sampled_from((*UNITS, 6 * HOUR, timedelta(minutes=30), 25 * HOUR)))
    row = [start - step * turn for turn in range(draw(st.integers(0, 30)))]
    around = draw(st.lists(distances.map(lambda distance: moment + distance), max_size=12))
    return Case(draw(policies), zone, moment + draw(distances), (*around, *row))


@settings(max_examples=1200)
@given(case=cases())
def test_what_stays_and_why_is_what_borg_lists(borg: Borg, case: Case) -> None:
    said = borg.ask(_options(case.policy), _named(case), case.now, case.zone)
    reckoned = _reckoned(case)
    if reckoned is None:
        assert not said
    else:
        assert [said[name] for name, _ in _named(case)] == reckoned


def test_borg_agrees_with_what_was_checked_by_hand(borg: Borg) -> None:
    for policy, zone, expected in CASES.values():
        archives = [(time, datetime.fromisoformat(time).replace(tzinfo=UTC)) for time in expected]
        said = borg.ask(_options(policy), archives, NOW, zone)
        assert said == {time: re.sub("^last", "secondly", word) for time, word in expected.items()}


def _rows(at: str) -> tuple[datetime, ...]:
    """Give times around a moment: every ten minutes, every day and month before, and some twice."""
    moment = datetime.fromisoformat(at).replace(tzinfo=UTC)
    near = tuple(moment + timedelta(minutes=10) * turn for turn in range(-9, 9))
    return (*near, *(moment - DAY * turn for turn in (*range(2, 12), *range(20, 600, 30))), *near[:3], near[7])


POLICIES = (
    Retention(hourly=4, daily=7, weekly=4, monthly=6, yearly=1),
    Retention(minutely=8, hourly=3, yearly=5),
    Retention(last=3, daily=-1),
    Retention(last=3, secondly=2, weekly=6),
)


def test_the_command_itself_decides_alike(borg: Borg) -> None:
    """One process of the program for each case, on a repository."""
    now = datetime.now(UTC)
    young = tuple(now - HOUR * hours for hours in (-1, 1, 47, 49, 50, 24 * 30))
    cases = [Case(Retention(within="2d", daily=1), "Europe/Berlin", now, young)]
    cases += [
        Case(POLICIES[turn % len(POLICIES)], zone, now, _rows(at)) for turn, (zone, at) in enumerate(NIGHTS[::-1][:11])
    ]
    every = [archive for turn, case in enumerate(cases) for archive in _named(case, f"s{turn:02}_")]
    _command(borg, "init", "--encryption", "none")
    made = json.dumps({"archives": _entries(every)})
    subprocess.run([*borg.python, borg.env["BORG_REPO"]], input=made, text=True, check=True, env=borg.env)
    for turn, case in enumerate(cases):
        options = [*_options(case.policy), "--glob-archives", f"s{turn:02}_????"]
        done = _command(borg, "prune", "--dry-run", "--list", *options, zone=case.zone)
        said = _said(done.stderr.splitlines())
        assert [said[name] for name, _ in _named(case, f"s{turn:02}_")] == _reckoned(case)
        assert said == borg.ask(options, every, case.now, case.zone)


def test_a_prune_that_is_no_trial_leaves_what_was_reckoned(borg: Borg, tmp_path: Path) -> None:
    at = datetime(2010, 11, 7, 12, tzinfo=UTC)
    times = tuple(at - distance for distance in (40 * DAY, 12 * HOUR, 9 * HOUR + 30 * SECOND * 59, 9 * HOUR, 0 * HOUR))
    case = Case(Retention(daily=2, monthly=3), "America/St_Johns", at, times)
    repository = str(tmp_path / "repository")
    _command(borg, "init", "--encryption", "none", repository)
    for name, moment in _named(case):
        _command(borg, "create", "--timestamp", f"{moment:%Y-%m-%dT%H:%M:%S}", f"{repository}::{name}", str(DRIVER))
    reckoned = _reckoned(case)
    assert reckoned is not None
    assert 0 < reckoned.count("pruned") < len(times)
    _command(borg, "prune", *_options(case.policy), repository, zone=case.zone)
    left = _command(borg, "list", "--short", repository).stdout.split()
    assert left == [name for (name, _), word in zip(_named(case), reckoned, strict=True) if word != "pruned"]


def test_a_policy_that_keeps_nothing_is_refused(borg: Borg, tmp_path: Path) -> None:
    repository = str(tmp_path / "repository")
    _command(borg, "init", "--encryption", "none", repository)
    done = _command(borg, "prune", "--dry-run", "--keep-last", "3", "--keep-secondly", "0", repository, code=2)
    assert "At least one of" in done.stderr
    with pytest.raises(ValueError, match="keeps nothing"):
        keep(Retention(last=3, secondly=0), (), datetime.now(UTC), ZoneInfo("UTC"))


def _command(borg: Borg, *arguments: str, zone: str = "UTC", code: int = 0) -> subprocess.CompletedProcess[str]:
    argv = [str(borg.program), *arguments]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, env={**borg.env, "TZ": zone})
    assert done.returncode == code, done.stderr
    return done


@pytest.mark.parametrize("name", INVENTORIES)
def test_the_compiled_script_decides_alike(name: str, compiled: Compiled, borg: Borg) -> None:
    """With the options, the zone and the globs of each prune script, series by series; a job without it keeps all."""
    now = datetime(2026, 3, 29, 12, 30, tzinfo=UTC)
    times = (*(now - HOUR * turn for turn in range(80)), *(now - DAY * turn - SECOND for turn in range(3, 1000, 2)))
    for run in runs(fleet(name)):
        retention, zone = run.target.retention, run.target.schedule.timezone
        script = compiled(name) / "hosts" / run.host.name / "root" / SCRIPTS / "jobs" / run.name / "prune"
        assert script.exists() == prunes(run.target)
        if not script.exists():
            continue
        lines = script.read_text(encoding="utf-8").replace("\\\n", " ").splitlines()
        assert [line for line in lines if line.startswith("export TZ=")] == [f"export TZ={zone}"]
        commands = [shlex.split(line) for line in lines if " prune  " in line]
        assert len(commands) == len(run.job.series)
        named = {
            series: {f"{series}_{run.job.name}_{moment:%Y-%m-%dT%H:%M:%SZ}": moment for moment in times}
            for series in (*run.job.series, "other")
        }
        archives = [archive for each in named.values() for archive in each.items()]
        for words, series in zip(commands, run.job.series, strict=True):
            said = borg.ask(words[2:], archives, now, zone)
            assert [said.pop(archive) for archive in named[series]] == _reckoned(Case(retention, zone, now, times))
            assert not said
