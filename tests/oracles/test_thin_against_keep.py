"""That the script which thins out snapshots decides as `keep`, which decides as borg does."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given, settings

from backupspec.diagnostic import Span
from backupspec.fleet import Retention
from backupspec.plan.machine_snapshots import thin
from backupspec.plan.types import PlannedFile
from backupspec.render import text_of
from backupspec.retention import keep
from demo.lab.command import CLEAN
from tests.oracles.test_retention_against_borg import Case, cases
from tests.unit.retentions import CASES, NOW

SPAN = Span("inventory.yaml", 1, 1, 1, 1)
FORM = "%Y-%m-%dT%H:%M:%SZ"


def gone(policy: Retention, zone: str, times: Sequence[datetime], now: datetime) -> set[datetime]:
    """Give the times that the compiled script lets go."""
    view = thin(policy, zone, "Say which snapshots go.", "hosts.kvm")
    script = text_of(PlannedFile("thin", 0o755, "root:root", "virtual-machines/thin.sh.j2", view, "", SPAN))
    ran = subprocess.run(
        ["dash", "-c", script, "thin", now.strftime(FORM)],
        input="".join(f"{time.strftime(FORM)}\n" for time in times),
        capture_output=True,
        text=True,
        check=True,
        env=CLEAN,
    )
    assert ran.stderr == ""
    return {datetime.strptime(line, FORM).replace(tzinfo=UTC) for line in ran.stdout.splitlines()}


@settings(max_examples=100)
@given(case=cases())
def test_what_goes_is_what_borg_would_prune(case: Case) -> None:
    """Whole seconds, each time once, as the names of snapshots have them."""
    times = sorted({time.replace(microsecond=0) for time in case.times})
    now = case.now.replace(microsecond=0)
    try:
        decisions = keep(case.policy, times, now, ZoneInfo(case.zone))
    except ValueError:
        assume(False)  # noqa: FBT003 - hypothesis's own
        return
    expected = {time for time, decision in zip(times, decisions, strict=True) if not decision.kept}
    assert gone(case.policy, case.zone, times, now) == expected


@pytest.mark.parametrize(
    "name", [name for name, (policy, _, said) in CASES.items() if not policy.forever and "." not in "".join(said)]
)
def test_what_was_checked_by_hand(name: str) -> None:
    policy, zone, said = CASES[name]
    times = [datetime.fromisoformat(time).replace(tzinfo=UTC) for time in said]
    expected = {time for time, why in zip(times, said.values(), strict=True) if why == "pruned"}
    assert gone(policy, zone, times, NOW) == expected
