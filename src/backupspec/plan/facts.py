"""What two compilations are compared by: a summary of each machine, as JSON."""

from __future__ import annotations

import json
import shlex

from backupspec.database import Command, Endpoint, Kind, MongoDB, MySQL, OpenLDAP, PostgreSQL, SQLite
from backupspec.fleet import (
    DatabaseJob,
    FilesJob,
    Fleet,
    Host,
    MachineSnapshots,
    Repository,
    Retention,
    Server,
    Target,
    VirtualMachineJob,
)
from backupspec.nodes import duration
from backupspec.plan.kinds import describe
from backupspec.plan.ssh import key_of
from backupspec.ssh_peers import HostKey

Facts = dict[str, object]


def facts(fleet: Fleet) -> tuple[tuple[str, str], ...]:
    """Give (machine, facts) by name; facts are a JSON object of kind, subject and fact, as `meaning` tells them.

    Only what changes a backup, or who reaches it, is a fact; None, false and an empty list are left out.
    """
    known: dict[str, dict[str, dict[str, Facts]]] = {server.name: {} for server in fleet.servers}
    for host in fleet.hosts:
        alerts = [alert.mail or shlex.join(alert.command) for alert in fleet.alerts]
        known[host.name] = {
            "host": {host.name: {**_host(host), "alerts": alerts}},
            "repository": {repository.name: _repository(repository) for repository in host.repositories},
            "job": {job.name: _job(job) for job in host.files},
            "databases": {job.name: _databases(job) for job in host.databases},
            "machine": {job.name: _machine(job) for job in host.virtual_machines},
            "snapshots": {job.name: _snapshots(job) for job in host.machine_snapshots},
            "target": {
                f"{job.name}_{target.repository.name}": _target(target) for job in host.jobs for target in job.targets
            },
        }
    for server in fleet.servers:
        known[server.name]["server"] = {server.name: _server(server)}
    return tuple((name, json.dumps(_said(known[name]), sort_keys=True)) for name in sorted(known))


def _host(host: Host) -> Facts:
    key = key_of(host)
    return {
        "quiet": None if host.quiet is None else str(host.quiet),
        "roaming": host.roaming,
        "on_ac_only": host.on_ac_only,
        "ssh_key": None if key is None else key.base64,
        "jump": None if host.jump is None else f"{host.jump.user}@{host.jump.address}:{host.jump.port}",
        "formerly": list(host.formerly),
    }


def _server(server: Server) -> Facts:
    return {
        "host_key": _key(server.host_key),
        "address": f"{server.address}:{server.port}",
        "storage": server.storage,
        "storage_mounted": list(server.storage_mounted),
    }


def _repository(repository: Repository) -> Facts:
    foreign, server = repository.foreign, repository.server
    return {
        "encryption": repository.encryption,
        "append_only": repository.append_only,
        "quota": repository.quota,
        "place": (f"{foreign.address}:{foreign.port}:" if foreign else f"{server.name}:" if server else "")
        + repository.path,
        "account": foreign.user if foreign else repository.account,
        "host_key": _key(foreign.host_key) if foreign else None,
        "passphrase": repository.credential,
        "present_sometimes": repository.present_sometimes,
        "mounted": list(repository.mounted),
        "check": repository.check,
    }


def _job(job: FilesJob) -> Facts:
    return {
        "paths": [*job.paths, *job.optional_paths],
        "exclude": list(job.exclude),
        "except": list(job.except_),
        "inner": list(job.inner),
        "live": list(job.live),
        "mounted": list(job.mounted),
        "one_file_system": job.one_file_system,
        "snapshot": None if job.snapshot is None else job.snapshot.kind,
        "snapshot_space": None if job.snapshot is None else job.snapshot.space,
        "honour_markers": job.honour_markers,
        "compression": job.compression,
        "before": [str(hook) for hook in job.before],
        "after": [str(hook) for hook in job.after],
    }


def _databases(job: DatabaseJob) -> Facts:
    drill = job.drill
    return {
        **_kind(job.kind),
        "what": f"what {shlex.join(job.kind.dump)} writes" if isinstance(job.kind, Command) else describe(job),
        "accounts": _accounts(job.kind),
        "data": list(job.data),
        "stage": job.stage,
        "time_limit": job.time_limit,
        "keep_vanished": job.keep_vanished,
        "most_series": job.most_series,
        "drill": None if drill is None else str(drill.schedule),
        "drill_oldest": None if drill is None or drill.oldest is None else duration(drill.oldest),
        "drill_asks": [] if drill is None else [f"{each.database}: {each.query}" for each in drill.assertions],
        "compression": job.compression,
        "before": [str(hook) for hook in job.before],
        "after": [str(hook) for hook in job.after],
    }


def _kind(kind: Kind) -> Facts:
    """Give how a server is reached, and what else only some kinds have."""
    found: Facts = {}
    match kind:
        case PostgreSQL() | MySQL() | SQLite():
            found["lock_wait"] = kind.lock_wait
        case OpenLDAP():
            found |= {"account": kind.account, "configuration": kind.configuration}
        case MongoDB():
            found["oplog"] = kind.oplog
        case Command():
            found |= {"account": kind.account, "load": shlex.join(kind.load) or None}
        case _:
            pass
    endpoint = getattr(kind, "endpoint", None)
    return found | _reached(endpoint) if isinstance(endpoint, Endpoint) else found


def _reached(endpoint: Endpoint) -> Facts:
    inside = endpoint.container
    place = f"the {inside.engine} container {inside.name}" if inside else endpoint.address or endpoint.socket
    port = "" if endpoint.port is None else f", port {endpoint.port}"
    secret = "" if endpoint.credential is None else f", with the password {endpoint.credential}"
    return {
        "server": f"{place or 'the usual place'}{port}",
        "login": f"{endpoint.user or 'the usual user'}{secret}",
    }


def _accounts(kind: Kind) -> list[str]:
    """Give what is dumped of those who use a server."""
    match kind:
        case PostgreSQL(accounts="without-passwords"):
            return ["roles"]
        case PostgreSQL(accounts="with-passwords"):
            return ["roles", "hashes of passwords"]
        case MySQL(accounts=True):
            return ["users and rights"]
        case _:
            return []


def _machine(job: VirtualMachineJob) -> Facts:
    return {
        "domain": job.domain,
        "disks": list(job.disks),
        "method": f"{job.method} {job.guest}" if job.method == "guest" else job.method,
        "full_every": f"every {duration(job.full_every)}" if job.method == "incremental" else "each time",
        "quiesce": job.quiesce,
        "chunk_size": job.chunk_size,
        "scratch": job.scratch,
        "drill": None if job.drill is None else str(job.drill.schedule),
        "compression": job.compression,
        "before": [str(hook) for hook in job.before],
        "after": [str(hook) for hook in job.after],
    }


def _snapshots(job: MachineSnapshots) -> Facts:
    return {
        "domain": job.domain,
        "retention": _retention(job.retention),
        "schedule": str(job.schedule),
        "before": [str(hook) for hook in job.before],
        "after": [str(hook) for hook in job.after],
    }


def _retention(retention: Retention) -> Facts:
    found: Facts = dict(retention.buckets())
    if retention.within:
        found["within"] = retention.within
    if retention.forever:
        found["forever"] = True
    return found


def _target(target: Target) -> Facts:
    return {
        "retention": _retention(target.retention),
        "schedule": str(target.schedule),
        "upload_limit": target.upload_limit,
    }


def _key(key: HostKey) -> str:
    return f"{key.algorithm} {key.blob}"


def _said(value: dict[str, dict[str, Facts]]) -> dict[str, dict[str, Facts]]:
    """Leave out what is not in effect, so that a manifest does not grow with every setting there is."""
    return {
        kind: {
            subject: {fact: told for fact, told in found.items() if told not in (None, False, [])}
            for subject, found in subjects.items()
        }
        for kind, subjects in value.items()
    }
