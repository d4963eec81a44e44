"""Accounts and keys: who may log in where, and that each key opens one thing."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from backupspec.accounts import CLIENT, GROUP
from backupspec.catalogue import diagnose
from backupspec.diagnostic import Diagnostic, Related, Span
from backupspec.fleet import Fleet, Host
from backupspec.source import holds_private_key
from backupspec.words import PublicKey, Unrepresentable


def accounts_differ(fleet: Fleet) -> Iterator[Diagnostic]:
    """Each account of a server belongs to one host, or to one repository of the whole fleet."""
    owners: dict[tuple[str, str], dict[str, tuple[str, Span]]] = {}
    for host in fleet.hosts:
        for repository in host.repositories:
            server = repository.server
            if server is None or server.shared_account is not None or repository.account is None:
                continue
            owner = (
                (f"the repository `{repository.name}`", repository.span)
                if repository.per_fleet
                else (f"the host `{host.name}`", host.span)
            )
            name = repository.where if repository.per_fleet else host.where
            owners.setdefault((server.name, repository.account), {})[name] = owner
    for (server_name, account), found in owners.items():
        (first, first_span), *others = (owner for _, owner in sorted(found.items()))
        for (said, span), name in zip(others, sorted(found)[1:], strict=True):
            yield diagnose(
                "BS214",
                f"{said} gets the account `{account}` on {server_name}, which {first} has",
                span,
                where=name,
                hint="rename one of them; `formerly: [OLD-NAME]` keeps a host's repositories where they are",
                related=(Related(f"{first} is here", first_span),),
            )


def accounts_are_free(fleet: Fleet) -> Iterator[Diagnostic]:
    """Demand that a shared account has no other task on its machine."""
    for server in fleet.servers:
        if server.shared_account in {"root", CLIENT, GROUP}:
            yield diagnose(
                "BS215",
                f"the account `{server.shared_account}` cannot hold repositories",
                server.span,
                where=server.where,
                hint="leave `account` out (it is `borg` then), or choose a name that nothing else on the machine has",
            )


def keys_are_public(fleet: Fleet) -> Iterator[Diagnostic]:
    """Demand that what stands for a host's key is one public key."""
    for host in fleet.hosts:
        key = _key(host)
        if not isinstance(key, Unrepresentable):
            continue
        said, where = f"`{host.key_file}`" if host.key_file else "this", f"{host.where}.ssh_key"
        if holds_private_key(host.key or ""):
            hint = "remove it from the inventory and its history, and make a new key pair: others have seen this one"
            yield diagnose("BS206", f"{said} is a private key", host.key_span, where=where, hint=hint)
        else:
            hint = "one line such as `ssh-ed25519 AAAA…`: copy the whole `.pub` file"
            yield diagnose(
                "BS207", f"{said} is no public ssh key: it {key.reason}", host.key_span, where=where, hint=hint
            )


def keys_are_there(fleet: Fleet) -> Iterator[Diagnostic]:
    """Each host that logs in on a server has its key in the inventory."""
    for host in fleet.hosts:
        servers = sorted({repository.server.name for repository in host.repositories if repository.server is not None})
        if host.key is None and servers:
            yield diagnose(
                "BS217",
                f"there is no file `{host.key_file}`: {host.name} cannot log in on {' and '.join(servers)} yet",
                host.key_span,
                where=f"{host.where}.ssh_key",
                hint=f"run `apply` on {host.name} and put the line that it prints into {host.key_file}",
            )


def keys_differ(fleet: Fleet) -> Iterator[Diagnostic]:
    """No public key stands for two machines, nor for a host and a server's sshd."""
    seen = {
        server.host_key.blob: (f"the host key of the server {server.name}", server.span)
        for server in fleet.servers
        if server.host_key.blob
    }
    for host in fleet.hosts:
        key = _key(host)
        if not isinstance(key, PublicKey):
            continue
        said = seen.get(key.base64)
        if said is not None:
            yield diagnose(
                "BS216",
                f"the key of {host.name} is also {said[0]}",
                host.key_span,
                where=f"{host.where}.ssh_key",
                hint=f"run `apply` on {host.name}: it makes a key of its own and prints the line for the inventory",
                related=(Related("the same key is here", said[1]),),
            )
        seen.setdefault(key.base64, (f"the key of {host.name}", host.key_span))


def credentials_differ(fleet: Fleet) -> Iterator[Diagnostic]:
    """No credential that is put on a host by hand has the name of one that `apply` makes there."""
    for host in fleet.hosts:
        made = {
            repository.credential: repository for repository in host.repositories if repository.credential_generated
        }
        for repository in host.repositories:
            other = None if repository.credential_generated else made.get(repository.credential)
            if other is not None:
                yield diagnose(
                    "BS221",
                    f"the credential `{repository.credential}` of `{repository.name}` is also the passphrase that "
                    f"`apply` makes on {host.name} for `{other.name}`",
                    repository.span,
                    where=repository.where,
                    hint="choose another name for the credential",
                    related=(Related(f"`{other.name}` is here", other.span),),
                )


def addresses_limit_keys(fleet: Fleet) -> Iterator[Diagnostic]:
    """Demand an address for `from=` of each host that logs in on a server, unless it roams."""
    for host in fleet.hosts:
        if host.roaming or not any(repository.server for repository in host.repositories):
            continue
        if host.jump is not None:
            why = f"goes through {host.jump.address}, and from where that connects is not known"
            hint = "accept it, or let the host reach its servers without a jump host"
        elif host.address is None:
            why, hint = "has no address", "write the IP address, or `roaming: true` for a machine that has no fixed one"
        elif not _literal(host.address):
            why = f"comes from `{host.address}`, a name, which sshd does not look up"
            hint = "write the IP address, or `roaming: true` for a machine that has no fixed one"
        else:
            continue
        yield diagnose(
            "BS433", f"{host.name} {why}: its key can be used from anywhere", host.span, where=host.where, hint=hint
        )


def addresses_limit_units(fleet: Fleet) -> Iterator[Diagnostic]:
    """Ask for the address of each server, so that units can be limited to it."""
    for server in fleet.servers:
        if not _literal(server.address):
            yield diagnose(
                "BS434",
                f"`{server.address}` is a name: the units' limit to the server's address is left out",
                server.span,
                where=server.where,
                hint="write the IP address if it is fixed",
            )


def _key(host: Host) -> PublicKey | Unrepresentable | None:
    if host.key is None:
        return None
    try:
        return PublicKey.parse(host.key)
    except Unrepresentable as unfit:
        return unfit


def _literal(address: str) -> bool:
    try:
        ipaddress.ip_address(address)
    except ValueError:
        return False
    return True


def somebody_hears_of_failures(fleet: Fleet) -> Iterator[Diagnostic]:
    """Ask a fleet of several machines where failures are reported."""
    if len(fleet.hosts) > 1 and not fleet.alerts:
        yield diagnose(
            "BS435",
            "no `alerts`: a failure is written to its machine's journal and nowhere else",
            fleet.span,
            where="alerts",
            hint="add `alerts: {admins: {mail: admins@example.org}}`",
        )
