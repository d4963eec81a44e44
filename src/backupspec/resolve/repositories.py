"""A repository as one host sees it: where it lies, how ssh gets there, who owns it, what opens it."""

from __future__ import annotations

import re
from typing import cast

from backupspec import accounts
from backupspec.fleet import Repository
from backupspec.inventory import Written, WrittenHost, WrittenRepository
from backupspec.resolve.keys import host_key
from backupspec.resolve.tables import Tables
from backupspec.ssh_peers import HostKey, Remote


def repository_of(tables: Tables, written: WrittenRepository, host: WrittenHost) -> Repository:
    """Give the repository for this host; a host that was renamed keeps its first name's folder and account."""
    name, machine = written.name.value, host.machine.name.value
    folder = host.formerly[0].value if host.formerly else machine
    server = None if written.server is None else tables.servers.get(written.server.value)
    remote, path, account = None, "", None
    if server is not None:
        path = f"{server.storage}/_fleet/{name}" if written.per_fleet else f"{server.storage}/{folder}/{name}"
        account = server.shared_account or accounts.account(f"fleet-{name}" if written.per_fleet else folder)
        # The key's line names the borg there; what the client asks for is only parsed, and borg splits it like a shell.
        remote = Remote(account, server.address, server.port, server.host_key, None)
    elif written.path is not None:
        path = written.path.value.replace("{host}", folder)
    elif written.url is not None:
        remote, path = _foreign(tables, written, folder)
    for location in (written.path, written.url):
        if written.per_fleet and location is not None and "{host}" in location.value:
            tables.report(
                "BS220",
                f"`{name}` is one for the fleet, and `{{host}}` gives each host a place of its own",
                location.span,
                f"repositories.{name}",
                "take `{host}` away to share one repository, or `per: fleet` to have one for each host",
            )
    quota = next(
        (value.value for item, value in host.quotas if item.value == name),
        None if written.quota is None else written.quota.value,
    )
    credential, generated = None, False
    if written.encryption.value != "none":
        generated = written.credential is None and not written.per_fleet
        credential = f"passphrase-{name}" if written.credential is None else written.credential.value
    return Repository(
        name=name,
        server=server,
        remote=remote,
        path=path,
        account=account,
        per_fleet=written.per_fleet,
        encryption=written.encryption.value,
        credential=credential,
        credential_generated=generated,
        append_only=written.append_only.value,
        quota=quota,
        present_sometimes=written.present_sometimes,
        mounted=tuple(sorted(item.value for item in written.mounted)),
        check=written.check,
        span=written.name.span,
    )


def _foreign(tables: Tables, written: WrittenRepository, folder: str) -> tuple[Remote, str]:
    url = cast(Written[str], written.url)
    match = re.fullmatch(r"ssh://(?:([^@/]+)@)?([^:/@\[\]]+|\[[0-9a-fA-F:]+\])(?::(\d+))?(/.*)", url.value)
    key = HostKey("ssh-ed25519", "")
    if written.host_key is not None:
        key = host_key(tables, written.host_key, f"repositories.{written.name.value}.host_key")
    if match is None:
        tables.report(
            "BS211",
            f"`{url.value}` is no repository location",
            url.span,
            f"repositories.{written.name.value}.url",
            "ssh://USER@HOST[:PORT]/PATH",
        )
        return Remote(None, "", 22, key, None), ""
    user, address, port, path = match.groups()
    return (
        Remote(
            user,
            address.strip("[]"),
            int(port or 22),
            key,
            None if written.remote_borg is None else written.remote_borg.value,
        ),
        path.replace("{host}", folder),
    )
