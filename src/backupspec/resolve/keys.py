"""Public ssh host keys, named by file or written out."""

from __future__ import annotations

from backupspec.inventory import Written
from backupspec.resolve.tables import Tables
from backupspec.source import holds_private_key, names_key_file
from backupspec.ssh_peers import HostKey
from backupspec.words import PublicKey, Unrepresentable


def host_key(tables: Tables, written: Written[str], where: str) -> HostKey:
    """Give the key, or an empty one and a finding."""
    text: str | None = written.value
    if names_key_file(written.value):
        text = tables.files.get(written.value)
    if text is None:
        tables.report(
            "BS205",
            f"there is no readable file `{written.value}`",
            written.span,
            where,
            "copy the machine's /etc/ssh/ssh_host_ed25519_key.pub there",
        )
        return HostKey("ssh-ed25519", "")
    if holds_private_key(text):
        tables.report(
            "BS206",
            "this is a private key; the inventory holds public keys only",
            written.span,
            where,
            "remove it from git and make a new one",
        )
        return HostKey("ssh-ed25519", "")
    try:
        key = PublicKey.parse(text)
    except Unrepresentable as error:
        tables.report(
            "BS207",
            f"this is no public ssh key: it {error.reason}",
            written.span,
            where,
            "one line such as `ssh-ed25519 AAAA…`",
        )
        return HostKey("ssh-ed25519", "")
    return HostKey(key.kind, key.base64)
