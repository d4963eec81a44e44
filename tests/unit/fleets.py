"""What the tests of the later stages share: a small inventory with a body of the test's own, resolved."""

from __future__ import annotations

from backupspec.bind import bind
from backupspec.check import check
from backupspec.combine import combine
from backupspec.diagnostic import Diagnostics
from backupspec.document import Document
from backupspec.fleet import FilesJob, Fleet
from backupspec.parse import parse
from backupspec.resolve import resolve
from backupspec.source import Source

from .findings import written

HEAD = """
version: 1
fleet: test
retention: {short: {daily: 3}, long: {daily: 30}}
schedules:
  night: {window: "01:00-05:00", timezone: Europe/Berlin}
  day: {window: "09:00-17:00", timezone: Europe/Berlin}
repositories: {one: {path: /backup/one}, two: {path: /backup/two}}
"""


def resolved(body: str, far: str = "") -> tuple[Fleet, Diagnostics]:
    """Resolve the head and a body that are good for the schema."""
    head = HEAD.replace("{one:", f"{{far: {far}, one:") if far else HEAD
    root, found = parse(Source("inventory.yaml", written(head) + written(body)))
    assert root is not None
    assert not found
    whole, found = combine(root, ())
    assert not found
    document = Document(whole)
    assert not check(document)
    inventory, found = bind(document)
    assert not found
    return resolve(inventory)


def job(body: str, host: str = "web", name: str = "www", repository: str = "") -> FilesJob:
    """Give one job of a body without mistakes; `repository` declares one more, called `far`."""
    fleet, found = resolved(body, repository)
    assert not [item for item in found if item.severity.label == "error"]
    machine = fleet.host(host)
    assert machine is not None
    return next(item for item in machine.files if item.name == name)
