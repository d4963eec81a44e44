"""Whether the old tree may go."""

from __future__ import annotations

from dataclasses import replace

import pytest

from backupspec.source import unfit_character
from backupspec_migrate.standing import LOSSES, ArchiveLine, Loss, SeriesLine, SkippedLine, Standing, condition
from backupspec_migrate.verdict import verdict
from tests.migrate.standings import hostile, nothing, series, well


def _standing(*lines: ArchiveLine) -> Standing:
    return replace(well(), series=(replace(series("web01"), archives=lines),), left_out=())


GOOD = replace(series("web01").archives[-1], losses=())


def test_yes_needs_every_archive_there_and_verified_whole() -> None:
    judged = verdict(_standing(GOOD))
    assert judged.safe
    assert judged.because == (
        "the one archive of 1 host is in the repositories, and every item and every byte was compared",
        "no difference was found; since then it was only asked whether the repositories still list these archives",
        "every snapshot in the tree is in the plan",
    )
    assert judged.remarks == ("after the first prune the one archive remains",)
    assert verdict(well()).safe


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"id": None}, "is not in the repository"),
        ({"verified": "no", "verified_at": None}, "was not verified"),
        ({"verified": "sample"}, "was verified by a sample only"),
        ({"verified": "differs"}, "differs from its snapshot"),
        ({"differences": ("etc/passwd: mode",)}, "differs from its snapshot"),
        ({"changed_since": True}, "is not the archive that was verified"),
        ({"changed_since": True, "verified": "sample"}, "is not the archive that was verified"),
        ({"id": None, "changed_since": True, "verified": "differs"}, "is not in the repository"),
    ],
)
def test_one_archive_that_is_not_as_it_should_be_is_enough_for_a_no(change: dict[str, object], reason: str) -> None:
    bad = replace(GOOD, **change)  # type: ignore[arg-type]
    judged = verdict(_standing(GOOD, bad))
    assert not judged.safe
    assert len(judged.because) == 1
    assert judged.because[0].startswith(f"web01, files: 1 of 2 archives {reason}: {bad.archive}")
    assert condition(bad) != "whole"


def test_a_difference_is_named_in_the_reason() -> None:
    judged = verdict(_standing(replace(GOOD, verified="differs", differences=("etc/passwd: mode", "b"))))
    assert judged.because[0].endswith("_2024-02-01T02:00:00Z (etc/passwd: mode and 1 more)")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"problems": ("no such repository",)}, "no such repository"),
        (
            {"unplanned": (SkippedLine("daily.0", 1, "web01", "newer"),)},
            "the tree has 1 snapshot that the plan neither imports nor skips: daily.0 (newer)",
        ),
        (
            {"undecided": (SkippedLine("daily.3", 1, None, "interrupted"),)},
            "nobody has decided about 1 snapshot that may be incomplete: daily.3 (interrupted)",
        ),
        ({"series": ()}, "the plan has no archive: nothing of the old tree would be left"),
        (
            {"series": (SeriesLine("web01", "files", "/r", "", ()),)},
            "the plan has no archive: nothing of the old tree would be left",
        ),
    ],
)
def test_what_the_plan_does_not_cover_is_a_no(change: dict[str, object], reason: str) -> None:
    judged = verdict(replace(_standing(GOOD), **change))  # type: ignore[arg-type]
    assert (judged.safe, judged.because) == (False, (reason,))


def test_what_was_decided_and_what_borg_cannot_hold_are_remarks_only() -> None:
    lines = (
        replace(GOOD, losses=(Loss("socket", 120, ("run/x",)), Loss("clamped time", 2, ("a", "b"))), kept=()),
        replace(GOOD, kept=("daily #1",)),
    )
    planned = replace(
        series("web01"), archives=lines, skipped=(SkippedLine("daily.9", 1, "web01", "interrupted; daily.8 has it"),)
    )
    out = (SkippedLine(".sync", None, None, "rsnapshot's staging area"),)
    judged = verdict(replace(well(), series=(planned,), left_out=out))
    assert judged.safe
    assert judged.remarks == (
        "1 snapshot skipped as the plan says: daily.9 of web01 (interrupted; daily.8 has it)",
        "1 name in the tree is left out and will be lost with it: .sync (rsnapshot's staging area)",
        "Borg stores no sockets: 120 in all archives together, on web01",
        f"{LOSSES['clamped time']}: 2 in all archives together, on web01",
        "after the first prune 1 of 2 archives remains",
    )


def test_a_prune_that_leaves_nothing_and_a_retention_that_nobody_knows_are_said() -> None:
    gone = replace(series("web01"), archives=(replace(GOOD, kept=()),))
    unknown = replace(series("db01"), archives=(replace(GOOD, kept=None),))
    assert verdict(replace(well(), series=(gone, unknown), left_out=())).remarks == (
        "after the first prune 0 of 1 archive remain",
        "web01, files: the first prune leaves no archive of the old tree",
        "no retention is known for 1 of 2 series: what a prune leaves is not said",
    )


def test_sentences_are_bounded_and_hide_nothing() -> None:
    judged = verdict(hostile())
    assert not judged.safe
    assert [text for text in (*judged.because, *judged.remarks) if unfit_character(text) is not None] == []
    many = verdict(_standing(*(replace(GOOD, archive=f"archive-{number}", id=None) for number in range(5000))))
    assert many.because[0].endswith("archive-0, archive-1, archive-2 and 4,997 more")
    assert not verdict(nothing()).safe
