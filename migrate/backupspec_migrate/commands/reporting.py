"""The work behind `migrate report`, which the one-shot ends with, too."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from backupspec_migrate.commands.said import Said, need_borg, output
from backupspec_migrate.commands.work import write_or_stop
from backupspec_migrate.messages import Message
from backupspec_migrate.plan_file import Beside
from backupspec_migrate.prepare import Prepared
from backupspec_migrate.record import Record
from backupspec_migrate.report_html import as_html
from backupspec_migrate.report_json import as_json
from backupspec_migrate.report_text import as_text
from backupspec_migrate.standing_now import standing_of
from backupspec_migrate.verdict import verdict


def report_on(prepared: Prepared, say: Said, form: str = "text") -> str:
    """Write the report beside the plan, show it as `form`, and give a last sentence; not safe is a failure."""
    need_borg()
    from backupspec_migrate.run import look_at_archives  # noqa: PLC0415 - needs Borg's package

    beside = Beside(Path(prepared.document.file))
    record, there = Record(beside.record), {}

    def note(message: Message) -> None:
        there[message.repository, message.archive] = message.id

    found = look_at_archives(prepared.outside_of_the_tree, lambda _: None, note)
    problems = tuple(one.message for one in found)
    standing = standing_of(prepared, record, there, problems, int(time.time()))
    pages = {"json": as_json(standing), "html": as_html(standing)}
    for suffix, text in pages.items():
        write_or_stop(beside.report(suffix), text)
    if form == "text":
        console = output()
        console.print(as_text(standing, console.width), end="")
    else:
        sys.stdout.write(pages[form])
    result = verdict(standing)
    say.json({"type": "report", "safe": result.safe, "because": list(result.because)})
    say.failed = say.failed or not result.safe
    return f"the page to sign: {beside.report('html')}"
