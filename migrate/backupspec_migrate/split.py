"""Splits a host's history among its jobs by path: a path belongs to the job with the deepest path above it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from backupspec.catalogue import diagnose
from backupspec.diagnostic import Diagnostic, Diagnostics, Span
from backupspec_migrate.figures import shown
from backupspec_migrate.images import inside
from backupspec_migrate.scan import Image, Root, Scan
from backupspec_migrate.view import View


@dataclass(frozen=True, slots=True)
class Share:
    """What one job of a host has: its paths (no first slash), and whether it takes what no job has.

    `others` are the paths of the other jobs.
    """

    job: str
    paths: tuple[str, ...]
    others: tuple[str, ...]
    rest: bool


def split(scanned: Scan, shares: Mapping[str, tuple[Share, ...]], view: View) -> tuple[Scan, Diagnostics]:
    """Replace the images of each host in `shares` by one image for each of its jobs.

    What lies in no job's paths goes to the job that takes the rest; where there is none it is an error, once for each
    path.
    """
    images: list[Image] = []
    found: dict[tuple[str, str], Diagnostic] = {}
    for image in scanned.images:
        given = shares.get(image.host) if image.job is None else None
        if given is None:
            images.append(image)
            continue
        for share in given:
            roots = tuple(root for root in _shared(image.roots, share) if _is_there(image, root, view))
            if roots:
                images.append(replace(image, job=share.job, roots=roots))
        if not any(share.rest for share in given):
            paths = tuple(path for share in given for path in share.paths)
            for path in outside(image, paths, view):
                found.setdefault((image.host, path), _nobodys(image, path, scanned.root))
    return replace(scanned, images=tuple(images)), tuple(found.values())


def _shared(roots: tuple[Root, ...], share: Share) -> Iterator[Root]:
    for root in roots:
        tops = {path for path in share.paths if path != root.original and inside(path, root.original)}
        if _is_owner(root.original, share):
            tops.add(root.original)
        # A path of this job inside another one of its own paths comes with that, unless another job's lies between.
        for top in sorted(tops):
            if not any(top != outer and inside(top, outer) and not _between(outer, top, share) for outer in tops):
                yield _narrowed(root, top, share)


def _between(outer: str, inner: str, share: Share) -> bool:
    return any(inside(path, outer) and inside(inner, path) for path in share.others if path != outer)


def _narrowed(root: Root, top: str, share: Share) -> Root:
    below = top[len(root.original) :].strip("/")
    location = "/".join(filter(None, (root.location, below)))
    without = tuple(path for path in share.others if path != top and inside(path, top))
    return replace(root, location=location, original=top, own=root.own or bool(below), without=without)


def _is_owner(path: str, share: Share) -> bool:
    mine, theirs = (
        max((len(top.split("/")) if top else 0 for top in tops if inside(path, top)), default=-1)
        for tops in (share.paths, share.others)
    )
    return mine > theirs or (mine == theirs == -1 and share.rest)


def _is_there(image: Image, root: Root, view: View) -> bool:
    return view.stat(f"{image.slot}/{root.location}".rstrip("/")) is not None


def outside(image: Image, paths: tuple[str, ...], view: View) -> Iterator[str]:
    """Give the topmost paths of an image (on its host) that neither lie in one of `paths` nor lead to one."""
    pending = [(root.location, root.original) for root in image.roots]
    while pending:
        location, original = pending.pop()
        if any(inside(original, path) for path in paths):
            continue
        place = f"{image.slot}/{location}".rstrip("/")
        if not any(inside(path, original) for path in paths) or not view.is_folder(place):
            yield original
            continue
        pending += [
            (f"{location}/{entry.name}".lstrip("/"), f"{original}/{entry.name}".lstrip("/"))
            for entry in view.names(place)
        ]


def _nobodys(image: Image, path: str, root: str) -> Diagnostic:
    message = f"/{shown(path)} of {image.host} lies in none of its jobs' paths"
    hint = "mark the job that takes the rest with `history: true`"
    return diagnose("BS692", message, Span(f"{root}/{image.slot}", 1, 1, 1, 1), hint=hint, where=image.host)
