"""The work behind the commands: plan, run and verify on an open tree. Each shows what it does as it goes."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from backupspec.catalogue import diagnose
from backupspec.diagnostic import Diagnostics, Span
from backupspec.suggest import did_you_mean
from backupspec_migrate.accepted import ids_of
from backupspec_migrate.commands.said import Said, need_borg, stopping
from backupspec_migrate.outside import lies_in
from backupspec_migrate.plan import Plan
from backupspec_migrate.plan_document import PlanDocument
from backupspec_migrate.plan_file import Beside, write_whole
from backupspec_migrate.plan_reading import read_plan
from backupspec_migrate.prepare import Prepared, StoppedError, opened, resumed
from backupspec_migrate.progress import Event, Sink, show_progress
from backupspec_migrate.record import Record
from backupspec_migrate.source import layout_of_plan


class _Counting:
    """Counts how the archives ended while it shows the progress."""

    def __init__(self, sink: Sink) -> None:
        self.sink = sink
        self.ends: Counter[str] = Counter()
        self.filled: set[str] = set()

    def __call__(self, event: Event) -> None:
        """Show one event."""
        self.ends[event.what] += 1
        if event.what == "done":
            self.filled.add(event.repository)
        self.sink(event)


@contextmanager
def planned(plan: Path, hosts: list[str] | None, say: Said, *, lock: bool = True) -> Iterator[Prepared]:
    """Read a plan and open its tree, with `lock` under rsnapshot's lock; ends the command when that cannot be."""
    with stopping(say):
        document, _, found = read_plan(plan)
        if document is None:
            raise StoppedError(found)
        say.all(found)
        layout, said = layout_of_plan(document)
        outside_of(layout.root, plan, "copy it to a folder elsewhere: its record and report lie beside it")
        # What the configuration says about the tree was shown when the plan was made.
        with opened(layout, tuple(one for one in said if one.severity.label == "error"), lock=lock) as tree:
            prepared, open_ = resumed(tree, document, _known(document, hosts), only_look=not lock)
            say.all((*_news(prepared.tree.found), *open_))
            yield prepared


def import_all(prepared: Prepared, jobs: int, say: Said) -> str:
    """Import what is missing, note it in the record, and give a sentence about it."""
    need_borg()
    from backupspec_migrate.run import run_plan  # noqa: PLC0415 - needs Borg's package

    record = Record(Beside(Path(prepared.document.file)).record)
    with show_progress(log_json=say.log_json) as sink:
        counting = _Counting(sink)
        say.all((*run_plan(prepared, jobs, counting, record.note), *record.problem))
    new, old = counting.ends["done"], counting.ends["present"]
    say.json({"type": "imported", "new": new, "present": old, "failed": counting.ends["failed"]})
    if not new and not old:
        return "nothing was imported"
    if not new:
        there = "1 archive is" if old == 1 else f"{old} archives are"
        return f"nothing new: {there} there already"
    earlier = f"; {old} {'was' if old == 1 else 'were'} there already" if old else ""
    return f"imported: {_counted(new, len(counting.filled))}{earlier}"


def verify_all(prepared: Prepared, jobs: int, say: Said, *, percent: float, resume: bool) -> str:
    """Compare what is there with the source, note it in the record, and give a sentence about it."""
    need_borg()
    from backupspec_migrate.run import verify_plan  # noqa: PLC0415 - needs Borg's package

    beside = Beside(Path(prepared.document.file))
    record = Record(beside.record)
    marks = prepared.settled.plan.marks
    # What rsnapshot has removed since it was verified cannot be compared once more, and need not be.
    gone = {
        (target.repository, one.archive)
        for target in prepared.settled.plan.targets
        for one in target.imports
        if one.gone
    }
    done = frozenset(
        (one.repository, one.archive, one.id)
        for one in record.all()
        if (resume or (one.repository, one.archive) in gone) and one.is_whole(marks.get((one.repository, one.archive)))
    )
    with show_progress(log_json=say.log_json) as sink:
        counting = _Counting(sink)
        said = verify_plan(prepared, jobs, counting, record.note, share=percent / 100, done=done)
        say.all((*said, *record.problem))
    accepted: dict[str, str] = {}
    for series in prepared.document.series:
        name = f"{series.host}_{series.job}.ids"
        accepted[name] = accepted.get(name, "") + ids_of(series, prepared.document, record, marks)
    for name, text in accepted.items():
        write_or_stop(beside.accepted / name, text)
    plan = prepared.settled.plan
    equal, passed = (
        counting.ends["done"],
        sum(len(target.imports) for target in plan.targets)
        - sum(counting.ends[what] for what in ("done", "differs", "failed")),
    )
    say.json({"type": "verified", "equal": equal, "differs": counting.ends["differs"], "percent": percent})
    bytes_ = "byte" if percent >= 100 else f"in the bytes of {percent:g} % of the files"  # noqa: PLR2004 - per cent
    joined = "item and" if percent >= 100 else "item, and"  # noqa: PLR2004 - per cent
    earlier = f"; {passed} compared earlier" if passed else ""
    return f"equal to the source in every {joined} {bytes_}: {in_repositories(equal, plan)}{earlier}"


def outside_of(root: str, file: Path, way_out: str) -> None:
    """Stop where a file, or what lies beside it, would be written into the tree, which is only read."""
    if lies_in(file.absolute().parent, root):
        message = f"{file} lies in {root}, which is only read"
        raise StoppedError((diagnose("BS696", message, Span(str(file), 1, 1, 1, 1), hint=way_out),))


def write_or_stop(file: Path, text: str) -> None:
    """Write a plan or a file beside it as a whole; StoppedError where that cannot be."""
    try:
        write_whole(file, text)
    except OSError as error:
        place = Span(str(file), 1, 1, 1, 1)
        raise StoppedError((diagnose("BS696", f"{file} cannot be written: {error.strerror}", place),)) from error


def in_repositories(archives: int, plan: Plan) -> str:
    """Count archives and repositories in words."""
    return _counted(archives, len({target.repository for target in plan.targets}))


def _counted(archives: int, repositories: int) -> str:
    places = f"{repositories} repositor{'y' if repositories == 1 else 'ies'}"
    return f"{archives} archive{'' if archives == 1 else 's'} in {places}"


def next_command(name: str, plan: Path) -> str:
    """Give the command to type next."""
    return f"next: {shlex.join(['backupspec', 'migrate', name, str(plan)])}"


def _known(document: PlanDocument, hosts: list[str] | None) -> frozenset[str] | None:
    if not hosts:
        return None
    known = sorted({series.host for series in document.series})
    for host in hosts:
        if host not in known:
            hint = did_you_mean(host, known) or f"there are: {', '.join(known) or 'none'}"
            place = Span(document.file, 1, 1, 1, 1)
            raise StoppedError((diagnose("BS617", f"the plan has no host {host!r}", place, hint=hint),))
    return frozenset(hosts)


def _news(found: Diagnostics) -> Diagnostics:
    """Keep of what is found in the tree what no plan can say.

    That somebody holds the lock, or held it, that nobody can, and what would be written into the tree.
    """
    return tuple(one for one in found if one.code in {"BS620", "BS621", "BS622", "BS635"})
