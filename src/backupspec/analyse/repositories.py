"""Repositories: who shares them, who prunes them, whether they fit, whether a copy is a copy."""

from __future__ import annotations

from collections.abc import Iterator

from backupspec.analyse.patterns import below
from backupspec.catalogue import diagnose
from backupspec.diagnostic import Diagnostic, Related
from backupspec.fleet import Fleet, Host, Job, Repository, Target

LEAST_QUOTA = 10_000_000
"""In bytes; with less `borg serve` ends at once."""
Location = tuple[str, int, str]


def locations_are_separate(fleet: Fleet) -> Iterator[Diagnostic]:
    """No two hosts write to one foreign location, unless the repository is one for the fleet."""
    hosts: dict[Location, list[tuple[Host, Repository]]] = {}
    for host in fleet.hosts:
        for repository in host.repositories:
            if repository.foreign is not None and not repository.per_fleet:
                hosts.setdefault(_location(repository), []).append((host, repository))
    for (first, _), *others in hosts.values():
        for host, repository in others:
            if host is not first:
                more = f" and {len(others) - 1} more" if len(others) > 1 else ""
                yield diagnose(
                    "BS401",
                    f"{first.name} and {host.name}{more} write to the same place in `{repository.name}`",
                    repository.span,
                    where=repository.where,
                    hint="put `{host}` into the url, or write `per: fleet` if they are to share one repository",
                    related=(Related(f"{first.name} is here", first.span), Related(f"{host.name} is here", host.span)),
                )
                break


def repositories_lie_apart(fleet: Fleet) -> Iterator[Diagnostic]:
    """Demand that the repositories of one host lie at different places, none inside another."""
    for host in fleet.hosts:
        repositories = host.repositories
        for number, repository in enumerate(repositories):
            for other in repositories[:number]:
                if _location(repository)[:2] != _location(other)[:2]:
                    continue
                inner, outer = sorted((repository, other), key=lambda item: (-len(_location(item)[2]), item.name))
                if below(_location(inner)[2], _location(outer)[2]):
                    how = "at the same place as" if _location(inner) == _location(outer) else "inside"
                    yield diagnose(
                        "BS403",
                        f"`{inner.name}` lies {how} `{outer.name}` on {host.name}",
                        inner.span,
                        where=inner.where,
                        hint="give each repository a folder of its own",
                        related=(Related(f"`{outer.name}` is here", outer.span),),
                    )


def key_lines_agree(fleet: Fleet) -> Iterator[Diagnostic]:
    """All repositories of a host behind one account have the same rights, since one key line serves them."""
    for host in fleet.hosts:
        first: dict[tuple[str, str], Repository] = {}
        for repository in host.repositories:
            if repository.server is None or repository.account is None:
                continue
            other = first.setdefault((repository.server.name, repository.account), repository)
            differing = [
                f"`{name}`" for name in ("append_only", "quota") if getattr(other, name) != getattr(repository, name)
            ]
            if differing:
                yield diagnose(
                    "BS404",
                    f"`{repository.name}` and `{other.name}` differ in {' and '.join(differing)}, "
                    f"and one line of {host.name}'s key serves both on {repository.server.name}",
                    repository.span,
                    where=repository.where,
                    hint="give both the same settings, or put one of them on another server",
                    related=(
                        Related(f"`{other.name}` is here", other.span),
                        Related(f"{host.name} uses both", host.span),
                    ),
                )


def shared_repositories_open(fleet: Fleet) -> Iterator[Diagnostic]:
    """Every host can open a repository of the whole fleet."""
    for repository, _ in _used(fleet):
        if repository.per_fleet and repository.encryption.startswith("keyfile"):
            yield diagnose(
                "BS405",
                f"`{repository.name}` is one for the fleet, and its key would lie on one host only",
                repository.span,
                where=repository.where,
                hint=f"write `encryption: {repository.encryption.replace('keyfile', 'repokey')}`",
            )


def somebody_prunes(fleet: Fleet) -> Iterator[Diagnostic]:
    """Ask who prunes an append-only repository."""
    for repository, hosts in _used(fleet):
        if repository.append_only:
            yield diagnose(
                "BS402",
                f"nobody prunes `{repository.name}`: its {_count(hosts)} may only add to it",
                repository.span,
                where=repository.where,
                hint="prune it by hand from a trusted machine and accept this finding, or leave `append_only` out",
            )


def quotas_are_taken(fleet: Fleet) -> Iterator[Diagnostic]:
    """Borg serves no repository with a quota that it takes for a mistake."""
    for host in fleet.hosts:
        for repository in host.repositories:
            if repository.quota is not None and repository.quota < LEAST_QUOTA:
                yield diagnose(
                    "BS409",
                    f"`{repository.name}` has a quota of {_size(repository.quota)} for {host.name}, "
                    f"and borg takes none below {_size(LEAST_QUOTA)}",
                    repository.span,
                    where=repository.where,
                    hint="give more, or leave the quota out",
                    related=(Related(f"{host.name} is here", host.span),),
                )


def quotas_fit(fleet: Fleet) -> Iterator[Diagnostic]:
    """Compare the quotas on a server with what it holds."""
    on: dict[str, dict[tuple[str, str], int]] = {server.name: {} for server in fleet.servers}
    for repository in (repository for host in fleet.hosts for repository in host.repositories):
        if repository.server is not None and repository.quota is not None:
            on[repository.server.name][repository.name, repository.path] = repository.quota
    for server in fleet.servers:
        quotas = on[server.name]
        total = sum(quotas.values())
        if server.capacity is not None and total > server.capacity:
            yield diagnose(
                "BS406",
                f"the quotas of {len(quotas)} repositories on {server.name} add up to {_size(total)}, "
                f"its capacity is {_size(server.capacity)}",
                server.span,
                where=server.where,
                hint="lower the quotas or raise the capacity; accept it if over-booking is meant and somebody watches",
            )


def strangers_read_nothing(fleet: Fleet) -> Iterator[Diagnostic]:
    """Demand encryption of what lies on a machine that is not ours."""
    for repository, _ in _used(fleet):
        if repository.foreign is not None and (
            repository.encryption == "none" or repository.encryption.startswith("authenticated")
        ):
            yield diagnose(
                "BS407",
                f"`{repository.name}` is not encrypted: whoever runs {repository.foreign.address} can read it",
                repository.span,
                where=repository.where,
                hint="write `encryption: repokey-blake2` (for a new repository; an existing one cannot be converted)",
            )


def copies_leave_the_machine(fleet: Fleet) -> Iterator[Diagnostic]:
    """Each job has an archive on another machine, or on a disk that can be taken away."""
    for host in fleet.hosts:
        jobs = [job for job in host.jobs if job.targets and all(_same_machine(host, target) for target in job.targets)]
        if jobs:
            yield diagnose(
                "BS432",
                f"the only copy of {_jobs(host, jobs)} is on {host.name} itself",
                host.span,
                where=host.where,
                hint="add a repository on another machine to `to`",
            )


def copies_leave_the_site(fleet: Fleet) -> Iterator[Diagnostic]:
    """Where sites are declared, each job has an archive at another one than its own."""
    if len(fleet.sites) < 2:  # noqa: PLR2004 - with one site there is no other
        return
    for host in fleet.hosts:
        if host.site is None:
            continue
        jobs = [
            job
            for job in host.jobs
            if job.targets
            and all(_site(host, target) == host.site for target in job.targets)
            and not all(_same_machine(host, target) for target in job.targets)
        ]
        if jobs:
            yield diagnose(
                "BS431",
                f"all copies of {_jobs(host, jobs)} are in {host.site}, where {host.name} is",
                host.span,
                where=host.where,
                hint="add a repository at another site to `to`",
            )


def _same_machine(host: Host, target: Target) -> bool:
    repository = target.repository
    if repository.server is not None:
        return repository.server.name == host.name or (
            host.address is not None and repository.server.address == host.address
        )
    return repository.local and not repository.mounted and not repository.present_sometimes


def _site(host: Host, target: Target) -> str | None:
    """Give the site of a repository; a foreign machine is at none of ours, a disk that travels at none known."""
    repository = target.repository
    if repository.server is not None:
        return repository.server.site
    return host.site if repository.local and not repository.present_sometimes else None


def _jobs(host: Host, jobs: list[Job]) -> str:
    if len(jobs) == len(host.jobs):
        return "all jobs" if len(jobs) > 1 else f"the job `{jobs[0].name}`"
    return f"the job{'s' if len(jobs) > 1 else ''} " + ", ".join(f"`{job.name}`" for job in jobs)


def _used(fleet: Fleet) -> Iterator[tuple[Repository, int]]:
    """Give each repository that is written to once (as its first host sees it), and the number of its hosts."""
    first: dict[str, Repository] = {}
    hosts: dict[str, int] = {}
    for host in fleet.hosts:
        for repository in host.repositories:
            first.setdefault(repository.name, repository)
            hosts[repository.name] = hosts.get(repository.name, 0) + 1
    yield from ((first[name], hosts[name]) for name in sorted(first))


def _location(repository: Repository) -> Location:
    """Give machine, port and path; the machine is empty for the host itself."""
    if repository.server is not None:
        return repository.server.address, repository.server.port, repository.path
    if repository.foreign is not None:
        return repository.foreign.address, repository.foreign.port, repository.path.rstrip("/")
    return "", 0, repository.path


def _count(hosts: int) -> str:
    return "one host" if hosts == 1 else f"{hosts} hosts"


def _size(number: int) -> str:
    for unit, factor in (("TB", 10**12), ("GB", 10**9), ("MB", 10**6)):
        if number >= factor:
            return f"{number / factor:.4g}{unit}"
    return f"{number}B"
