"""Words of authorized_keys, known_hosts, ssh_config and sshd_config, as OpenSSH reads them."""

from __future__ import annotations

import base64
import binascii
import hashlib
import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass

from backupspec.words.plain import Unrepresentable, require, require_line, require_trimmed
from backupspec.words.shell import ShellWord

KEY_TYPES = frozenset(
    {
        "ssh-ed25519",
        "ssh-rsa",
        "ecdsa-sha2-nistp256",
        "ecdsa-sha2-nistp384",
        "ecdsa-sha2-nistp521",
        "sk-ssh-ed25519@openssh.com",
        "sk-ecdsa-sha2-nistp256@openssh.com",
    },
)
"""Key types of sshd(8), "AUTHORIZED_KEYS FILE FORMAT"; no certificates, no DSA."""

_FLAGS = frozenset(
    {"restrict", "no-pty", "no-port-forwarding", "no-agent-forwarding", "no-X11-forwarding", "no-user-rc"}
)
_COMMENT = re.compile(r"[A-Za-z0-9_.@+:-]+")
_HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")
_LAST_PORT = 65535
_SSH_PORT = 22


def is_host(text: str) -> bool:
    """Tell whether `text` is a host's name or a literal address: no option, pattern or list for ssh."""
    if _HOST.fullmatch(text):
        return True
    try:
        return str(ipaddress.ip_address(text)) != "" and "%" not in text
    except ValueError:
        return False


@dataclass(frozen=True, slots=True)
class KeyOption:
    r"""One option of an authorized_keys line (sshd(8), "AUTHORIZED_KEYS FILE FORMAT"): a flag, or `name="value"`.

    In a value `\"` stands for a quote and every other backslash for itself, so that a value cannot end with one. Made
    by `flag`, `command` and `sources`; the names are ours, so a misspelt option (which locks everybody out) cannot be
    made.
    """

    name: str
    value: str | None = None

    def __post_init__(self) -> None:
        """Refuse an unknown option and a value that cannot be quoted."""
        if self.value is None:
            require(self.name in _FLAGS, self.name, "is not a flag that is used here")
            return
        require(self.name in {"command", "from"}, self.name, "is not an option that is used here")
        require_line(self.value)
        require(self.value, self.value, "is empty")
        require(not self.value.endswith("\\"), self.value, "ends with a backslash, which would hide the closing quote")

    @classmethod
    def flag(cls, name: str) -> KeyOption:
        """Make an option without a value, such as `restrict`."""
        return cls(name)

    @classmethod
    def command(cls, words: Iterable[ShellWord]) -> KeyOption:
        """Make `command=`: the login shell of the account gets these words."""
        return cls("command", " ".join(map(str, words)))

    @classmethod
    def sources(cls, addresses: Iterable[str]) -> KeyOption:
        """Make `from=` out of literal addresses and networks.

        Names would need UseDNS, and a network with host bits set locks everybody out.
        """
        checked = []
        for address in addresses:
            try:
                checked.append(
                    str(ipaddress.ip_network(address)) if "/" in address else str(ipaddress.ip_address(address))
                )
            except ValueError as error:
                raise Unrepresentable(address, "is neither an address nor a network") from error
            require("%" not in address, address, "has a zone, which sshd does not compare")
        return cls("from", ",".join(checked))

    def __str__(self) -> str:
        """Give the option as it stands between commas."""
        if self.value is None:
            return self.name
        return f'{self.name}="' + self.value.replace('"', '\\"') + '"'


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A public key; `comment` is a name of ours, since a newline in a comment would be a second line."""

    kind: str
    base64: str
    comment: str = ""

    def __post_init__(self) -> None:
        """Refuse an unknown type, bad base64, and a key that is not of the type that stands before it."""
        require(self.kind in KEY_TYPES, self.kind, "is not a type of key that is accepted here")
        kind = self.kind.encode()
        require(
            self.blob[: len(kind) + 4] == len(kind).to_bytes(4, "big") + kind,
            self.base64,
            f"is not a key of type {self.kind}",
        )
        require(_whole(self.blob), self.base64, "is cut short or has something behind it")
        require(not self.comment or _COMMENT.fullmatch(self.comment), self.comment, "is not a plain word")

    @classmethod
    def parse(cls, text: str, comment: str = "") -> PublicKey:
        """Read the text of a `.pub` file: exactly one key, no options; the file's own comment is dropped."""
        require(
            "PRIVATE KEY" not in text, "the file", "is a private key; it belongs to its host alone, name the .pub file"
        )
        lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
        require(lines, "the file", "holds no key")
        require(len(lines) == 1, "the file", "holds more than one key")
        words = lines[0].split(maxsplit=2)
        shown = words[0][:60]
        require(
            words[0] in KEY_TYPES,
            shown,
            "is not a type of key that is accepted here (options before a key are not taken over)",
        )
        require(len(words) > 1, shown, "is followed by no key")
        return cls(words[0], words[1], comment)

    @property
    def blob(self) -> bytes:
        """The key as ssh sends it."""
        try:
            blob = base64.b64decode(self.base64, validate=True)
        except (binascii.Error, ValueError) as error:
            raise Unrepresentable(self.base64[:60], "is not base64") from error
        require(
            base64.b64encode(blob).decode() == self.base64, self.base64[:60], "is not base64 in its one normal form"
        )
        return blob

    @property
    def fingerprint(self) -> str:
        """The fingerprint as `ssh-keygen -l` shows it: `SHA256:…`."""
        return "SHA256:" + base64.b64encode(hashlib.sha256(self.blob).digest()).decode().rstrip("=")

    def __str__(self) -> str:
        """Give type, key and comment as they end a line."""
        return f"{self.kind} {self.base64} {self.comment}".rstrip()


def _whole(blob: bytes) -> bool:
    """Tell whether `blob` is a sequence of two or more strings with their lengths (RFC 4251, 5) and nothing else."""
    position = count = 0
    while position < len(blob):
        position += 4 + int.from_bytes(blob[position : position + 4], "big")
        count += 1
    return position == len(blob) and count > 1


@dataclass(frozen=True, slots=True)
class KnownHost:
    """The name that begins a line of known_hosts (sshd(8), "SSH_KNOWN_HOSTS FILE FORMAT"); no pattern, no marker."""

    host: str
    port: int = _SSH_PORT

    def __post_init__(self) -> None:
        """Refuse all that ssh would take for a pattern, a list, a marker or a hashed name."""
        require(is_host(self.host), self.host, "is neither a host's name nor an address")
        require(0 < self.port <= _LAST_PORT, str(self.port), "is not a port")

    def __str__(self) -> str:
        """Give the name, with the port where it is not ssh's own."""
        return self.host if self.port == _SSH_PORT else f"[{self.host}]:{self.port}"


@dataclass(frozen=True, slots=True)
class SshConfigValue:
    """One argument of a keyword in ssh_config(5) or sshd_config(5).

    Which keywords expand `%` tokens, `${NAME}` and a leading `~`, and which take patterns, differs from keyword to
    keyword and from version to version, so values with any of these are refused.
    """

    text: str

    def __post_init__(self) -> None:
        """Refuse what some keyword expands."""
        require_line(self.text)
        require_trimmed(self.text)
        require(not set(self.text) & set("%$*?!,"), self.text, "holds one of % $ * ? ! , which some keywords expand")
        require(self.text[0] not in "~-+^", self.text, f"begins with {self.text[0]!r}, which some keywords expand")

    def __str__(self) -> str:
        """Give the argument, quoted unless every character is plain."""
        if re.fullmatch(r"[A-Za-z0-9_./:@+-]+", self.text):
            return self.text
        return '"' + self.text.replace("\\", "\\\\").replace('"', '\\"') + '"'
