"""Sources: paths, patterns, mount points and how the jobs of one host share them."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator

from backupspec.analyse.patterns import below, covers, reaches
from backupspec.analyse.places import job_place
from backupspec.catalogue import diagnose
from backupspec.diagnostic import Diagnostic, Related, Span
from backupspec.fleet import FilesJob, Fleet
from backupspec.own_folders import OWN_SECRETS

_QUOTED = re.compile(r"'[^']*'|\"(?:[^\"\\]|\\.)*\"|\\.")
_PIPE = re.compile(r"(?<![|>])\|(?!\|)")
_PIPEFAIL = re.compile(r"\bset\s+(?:-[a-z]+\s+)*-[a-z]*o\s+pipefail\b")
_SWALLOWED = {
    "/bin/sh -ec": re.compile(r"(\|\||(?<!&)&)\s*(true|:|/bin/true|exit 0)\s*;?\s*$"),
    "/bin/sh -c": re.compile(r"(\|\||;|&)\s*(true|:|/bin/true|exit 0)\s*;?\s*$"),
}
"""What hides a failure at the end of a line, by how the shell is called."""


def hosts_have_jobs(fleet: Fleet) -> Iterator[Diagnostic]:
    """Something of each host is backed up."""
    for host in fleet.hosts:
        if not host.jobs:
            yield diagnose(
                "BS430",
                f"nothing of {host.name} is backed up: it has no job",
                host.span,
                where=host.where,
                hint="give it a profile or a job under `files`, or move its name to `retired`",
            )


def jobs_have_paths(fleet: Fleet) -> Iterator[Diagnostic]:
    """Each job names a path."""
    for job in _jobs(fleet):
        if not _paths(job):
            yield diagnose(
                "BS410",
                f"the job `{job.name}` of {job.host} has no path",
                job.span,
                where=job.where,
                hint="add `paths: [/PATH]`",
            )


def exceptions_have_a_rule(fleet: Fleet) -> Iterator[Diagnostic]:
    """Where there is an exception there is an exclude."""
    for job in _jobs(fleet):
        if job.except_ and not job.exclude:
            span, where = job_place(job, "except", job.except_[0])
            yield diagnose(
                "BS411",
                f"`{job.except_[0]}` is an exception, and nothing is excluded",
                span,
                where=where,
                hint="write the pattern under `exclude` if it is to be left out, or delete it",
            )


def patterns_match(fleet: Fleet) -> Iterator[Diagnostic]:
    """Each pattern can match something in at least one of the jobs that it applies to."""
    useful: set[tuple[Span, str]] = set()
    useless: dict[tuple[Span, str], tuple[str, str]] = {}
    for job in _jobs(fleet):
        paths = _paths(job)
        for setting, patterns in (("exclude", job.exclude), ("except", job.except_)):
            for pattern in patterns:
                span, where = job_place(job, setting, pattern)
                if not paths or any(reaches(pattern, path) for path in paths):
                    useful.add((span, pattern))
                else:
                    useless.setdefault((span, pattern), (where, ", ".join(f"`{path}`" for path in paths)))
    for (span, pattern), (where, said) in useless.items():
        if (span, pattern) not in useful:
            yield diagnose(
                "BS412",
                f"`{pattern}` can match nothing below {said}",
                span,
                where=where,
                hint=f"patterns are whole paths on the host; at any depth: `**{pattern[pattern.rfind('/') :]}`",
            )


def paths_are_not_excluded(fleet: Fleet) -> Iterator[Diagnostic]:
    """No path of a job is left out by the job's own excludes."""
    for job in _jobs(fleet):
        for path in _paths(job):
            pattern = _excluded(job, path)
            if pattern is not None:
                span, _ = _path_place(job, path)
                exclude, _ = job_place(job, "exclude", pattern)
                yield diagnose(
                    "BS413",
                    f"the path `{path}` is left out by the job's own exclude `{pattern}`",
                    span,
                    where=job.where,
                    hint="take one of them away (`remove` does so for what a profile gives)",
                    related=(Related("excluded here", exclude),),
                )


def repositories_are_outside(fleet: Fleet) -> Iterator[Diagnostic]:
    """No job reads a repository that lies on its own host."""
    for host in fleet.hosts:
        local = [repository for repository in host.repositories if repository.local]
        for repository, job in itertools.product(local, host.files):
            path = _reader(job, repository.path, repository.mounted)
            if path is not None:
                span, where = _path_place(job, path)
                yield diagnose(
                    "BS414",
                    f"`{path}` holds the repository `{repository.name}` ({repository.path})",
                    span,
                    where=where,
                    hint=_way_out(path, repository.path),
                    related=(Related("the repository is here", repository.span),),
                )


def storage_is_outside(fleet: Fleet) -> Iterator[Diagnostic]:
    """No server's own job reads the server's storage."""
    for server in fleet.servers:
        host = fleet.host(server.name)
        for job in () if host is None else host.files:
            path = _reader(job, server.storage, server.storage_mounted)
            if path is not None:
                span, _ = _path_place(job, path)
                yield diagnose(
                    "BS415",
                    f"`{path}` holds the repositories of {server.name} ({server.storage}), "
                    f"and its job `{job.name}` reads it",
                    span,
                    where=job.where,
                    hint=_way_out(path, server.storage),
                    related=(Related("the storage is here", server.span),),
                )


def mount_points_matter(fleet: Fleet) -> Iterator[Diagnostic]:
    """Demand that what must be mounted holds what is read or written, or lies below it."""
    for job in _jobs(fleet):
        for mount in _beside(job.mounted, _paths(job)):
            span, where = job_place(job, "mounted", mount)
            yield _mount_point(mount, f"the paths of the job `{job.name}`", span, where)
    for repository in (repository for host in fleet.hosts for repository in host.repositories):
        for mount in _beside(repository.mounted, (repository.path,)):
            yield _mount_point(mount, f"`{repository.path}`", repository.span, repository.where)
    for server in fleet.servers:
        for mount in _beside(server.storage_mounted, (server.storage,)):
            yield _mount_point(mount, f"`{server.storage}`", server.span, server.where)


def roots_stay_on_one_disk(fleet: Fleet) -> Iterator[Diagnostic]:
    """Demand `one_file_system` with the path `/`."""
    for job in _jobs(fleet):
        if "/" in _paths(job) and not job.one_file_system:
            span, where = _path_place(job, "/")
            yield diagnose(
                "BS417",
                "`/` also reads /proc, /sys, /dev, network shares and whatever else is mounted",
                span,
                where=where,
                hint="add `one_file_system: true`, and further file systems as paths of their own",
            )


def paths_have_one_job(fleet: Fleet) -> Iterator[Diagnostic]:
    """No two jobs of a host back up one path into one repository."""
    for first, second in _pairs(fleet):
        common = _targets(first) & _targets(second)
        for path in sorted(set(_paths(first)) & set(_paths(second))) if common else ():
            # What a profile gives was there first: the host's own line is the one to point at.
            places = [_path_place(job, path) for job in (first, second)]
            (other, _), (span, where) = sorted(places, key=lambda place: place[1].startswith("hosts."))
            yield diagnose(
                "BS418",
                f"the jobs `{first.name}` and `{second.name}` of {first.host} both back up `{path}` to `{min(common)}`",
                span,
                where=where,
                hint="take the path away from one of them (`remove: {paths: [PATH]}` if a profile gives it)",
                related=(Related("it is also here", other),),
            )


def deeper_jobs_go_everywhere(fleet: Fleet) -> Iterator[Diagnostic]:
    """Demand that a job which takes over a part of another's paths writes to all of that job's repositories."""
    for pair in _pairs(fleet):
        for outer, inner in (pair, pair[::-1]):
            missing = sorted(_targets(outer) - _targets(inner))
            taken = sorted(set(outer.inner) & set(_paths(inner)))
            if missing and taken:
                yield diagnose(
                    "BS419",
                    f"`{taken[0]}` will be missing from {' and '.join(f'`{name}`' for name in missing)}: "
                    f"the job `{outer.name}` of {outer.host} leaves it to `{inner.name}`",
                    _path_place(inner, taken[0])[0],
                    where=inner.where,
                    hint=f"add {', '.join(f'`{name}`' for name in missing)} to the `to` of `{inner.name}`",
                    related=(Related(f"`{outer.name}` is here", outer.span),),
                )


def paths_are_read_once(fleet: Fleet) -> Iterator[Diagnostic]:
    """No path of a job lies below another, unless file systems part them."""
    for job in _jobs(fleet):
        for path in () if job.one_file_system else _paths(job):
            outer = next((other for other in _paths(job) if other != path and below(path, other)), None)
            if outer is not None:
                span, where = _path_place(job, path)
                yield diagnose(
                    "BS420",
                    f"`{path}` lies below `{outer}`: each archive would hold it twice",
                    span,
                    where=where,
                    hint=f"delete `{path}`, or set `one_file_system: true` if it is a file system of its own",
                    related=(Related(f"`{outer}` is here", _path_place(job, outer)[0]),),
                )


def paths_are_required_or_optional(fleet: Fleet) -> Iterator[Diagnostic]:
    """No path of a job is both: whether the job may do without it would be open."""
    for job in _jobs(fleet):
        for path in sorted(set(job.paths) & set(job.optional_paths)):
            span, where = job_place(job, "optional_paths", path)
            yield diagnose(
                "BS425",
                f"`{path}` is optional here and required under `paths`: the job `{job.name}` fails without it",
                span,
                where=where,
                hint="delete it in one of the two places (`remove` does so for what a profile gives)",
                related=(Related("it is required here", job_place(job, "paths", path)[0]),),
            )


def one_job_has_the_history(fleet: Fleet) -> Iterator[Diagnostic]:
    """At most one job of a host continues the migrated series."""
    for host in fleet.hosts:
        marked = [job for job in host.files if job.history]
        for job in marked[1:]:
            yield diagnose(
                "BS421",
                f"the jobs `{marked[0].name}` and `{job.name}` of {host.name} both have `history: true`",
                job_place(job, "history")[0],
                where=job.where,
                hint="leave it at one of them",
                related=(Related("the other is here", job_place(marked[0], "history")[0]),),
            )


def something_is_saved(fleet: Fleet) -> Iterator[Diagnostic]:
    """No path of a job lies inside what is left out of every backup."""
    for job in _jobs(fleet):
        for path in _paths(job):
            if any(below(path, folder) for folder in OWN_SECRETS):
                span, where = _path_place(job, path)
                yield diagnose(
                    "BS423",
                    f"nothing of `{path}` would be backed up: the keys to the backups are left out of every backup",
                    span,
                    where=where,
                    hint="take the path away, and keep the passphrases on paper or in a password store",
                )


def space_has_a_snapshot(fleet: Fleet) -> Iterator[Diagnostic]:
    """Each `snapshot_space` applies to at least one job that has LVM snapshots."""
    useless: dict[Span, str] = {}
    useful: set[Span] = set()
    for job in _jobs(fleet):
        span, where = job_place(job, "snapshot_space")
        if job.snapshot is not None and job.snapshot.kind == "lvm":
            useful.add(span)
        elif any(name == "snapshot_space" for name, _, _ in job.origins):
            useless.setdefault(span, where)
    for span, where in useless.items():
        if span not in useful:
            yield diagnose(
                "BS426",
                "no job that this applies to has `snapshot: lvm`",
                span,
                where=where,
                hint="delete it: other snapshots take the space that they need",
            )


def hooks_can_fail(fleet: Fleet) -> Iterator[Diagnostic]:
    """No hook's line of shell hides a failure, at its end or on the left side of a pipe."""
    for job in _jobs(fleet):
        for setting, hooks in (("hooks.before", job.before), ("hooks.after", job.after)):
            for hook in hooks:
                swallows = _SWALLOWED.get(" ".join(hook.argv[:-1]))
                if swallows is None:
                    continue
                span, where = job_place(job, setting, str(hook))
                line = hook.argv[-1]
                swallowed = swallows.search(line)
                if swallowed is not None:
                    yield diagnose(
                        "BS422",
                        f"`{swallowed[0].strip()}` hides every failure of this hook",
                        span,
                        where=where,
                        hint="let the hook fail: the job then fails too, and the alert tells",
                    )
                elif _PIPE.search(_QUOTED.sub("", line)) and not _PIPEFAIL.search(line):
                    yield diagnose(
                        "BS424",
                        "the pipe hides a failure of what stands on its left",
                        span,
                        where=where,
                        hint="write a file first and read it in a second command, or put it into a script whose shell "
                        "has `set -o pipefail`",
                    )


def _beside(mounts: Iterable[str], paths: tuple[str, ...]) -> tuple[str, ...]:
    """Give the mount points that neither hold one of the paths nor lie below one."""
    return tuple(mount for mount in mounts if not any(below(path, mount) or below(mount, path) for path in paths))


def _mount_point(mount: str, what: str, span: Span, where: str) -> Diagnostic:
    return diagnose(
        "BS416",
        f"the mount point `{mount}` has nothing to do with {what}",
        span,
        where=where,
        hint="name the mount point that holds what is backed up",
    )


def _jobs(fleet: Fleet) -> Iterator[FilesJob]:
    return (job for host in fleet.hosts for job in host.files)


def _pairs(fleet: Fleet) -> Iterator[tuple[FilesJob, FilesJob]]:
    return (pair for host in fleet.hosts for pair in itertools.combinations(host.files, 2))


def _paths(job: FilesJob) -> tuple[str, ...]:
    return tuple(sorted({*job.paths, *job.optional_paths}))


def _path_place(job: FilesJob, path: str) -> tuple[Span, str]:
    return job_place(job, "paths" if path in job.paths else "optional_paths", path)


def _targets(job: FilesJob) -> set[str]:
    return {target.repository.name for target in job.targets}


def _excluded(job: FilesJob, path: str) -> str | None:
    """Give the exclude that leaves the path out, if no exception brings it or something in it back."""
    if any(reaches(pattern, path) for pattern in job.except_):
        return None
    return next((pattern for pattern in job.exclude if covers(pattern, path)), None)


def _way_out(path: str, folder: str) -> str:
    return f"take `{path}` away from the job" if below(path, folder) else f"add `exclude: [{folder}]` to the job"


def _reader(job: FilesJob, folder: str, mounted: Iterable[str]) -> str | None:
    """Give the path by which the job reads the folder, or None when it does not."""
    if _excluded(job, folder) is not None or any(below(folder, inner) for inner in job.inner):
        return None
    for path in _paths(job):
        elsewhere = job.one_file_system and any(
            mount != path and below(mount, path) and below(folder, mount) for mount in mounted
        )
        if below(path, folder) or (below(folder, path) and not elsewhere):
            return path
    return None
