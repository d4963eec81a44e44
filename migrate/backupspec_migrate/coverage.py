"""Finds what a tree holds of hosts that no archive of a plan will have: a narrow plan must not pass for a whole one."""

from __future__ import annotations

from collections.abc import Iterator

from backupspec_migrate.images import inside
from backupspec_migrate.plan_document import PlanDocument
from backupspec_migrate.scan import Image, Root, Scan
from backupspec_migrate.settle import Unplanned
from backupspec_migrate.split import outside
from backupspec_migrate.view import View


def uncovered(document: PlanDocument, scanned: Scan, now_at: dict[str, str], view: View) -> tuple[Unplanned, ...]:
    """Give what lies in a planned snapshot of a host and in none of its archives, by its topmost paths.

    `now_at` gives the folder in which a planned snapshot lies now. Only folders above the planned content are listed.
    """
    planned: dict[tuple[str, str], list[Root]] = {}
    for series in document.series:
        for archive in series.archives:
            slot = now_at.get(archive.snapshot, "")
            planned.setdefault((slot, series.folder), []).extend(archive.content)
    times = {one.slot: one.time for one in scanned.snapshots}
    left_out = {one.name for one in document.left_out if one.because}
    found = []
    for image in scanned.images:
        content = planned.get((image.slot, image.folder))
        if content is not None:
            found += [
                Unplanned(image.host, f"{image.slot}/{location}", times[image.slot])
                for path in dict.fromkeys(_missing(image, content, view))
                for location in [_location(image, path) or path]
                if not any(inside(location, name) for name in left_out)
            ]
    return tuple(found)


def _missing(image: Image, content: list[Root], view: View) -> Iterator[str]:
    # What lies elsewhere than its path says is somebody else's content.
    honest = [root for root in content if _location(image, root.original) == root.location]
    yield from outside(image, tuple(root.original for root in honest), view)
    for root in honest:
        for path in root.without:
            elsewhere = any(
                inside(path, other.original) and not any(inside(path, each) for each in other.without)
                for other in honest
            )
            if not elsewhere and view.stat(f"{image.slot}/{_location(image, path)}") is not None:
                yield path


def _location(image: Image, path: str) -> str | None:
    """Say where a path on the host lies in its snapshot; None when the image does not reach so far."""
    fitting = [root for root in image.roots if inside(path, root.original)]
    if not fitting:
        return None
    root = max(fitting, key=lambda one: len(one.original))
    return "/".join(filter(None, (root.location, path[len(root.original) :].strip("/"))))
