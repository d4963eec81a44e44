from __future__ import annotations

import base64
import os
import pwd
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backupspec.words import KeyOption, KnownHost, PublicKey, ShellWord, SshConfigValue, Unrepresentable
from tests.templates.hostile import NASTY, accepted, paths, texts

pytestmark = pytest.mark.sshd


def _key(folder: Path, *kind: str) -> Path:
    path = folder / ("key-" + "-".join(kind))
    subprocess.run(["ssh-keygen", "-q", "-N", "", "-C", "a comment", "-f", path, "-t", *kind], check=True)
    return path


@dataclass(frozen=True)
class Server:
    """A real sshd on loopback; `authorized` is its file of keys, `key` the client's."""

    port: int
    folder: Path
    key: Path
    public: PublicKey

    def login(self, line: str) -> subprocess.CompletedProcess[bytes]:
        """Log in with one line in the file of keys."""
        (self.folder / "authorized").write_text(line + "\n")
        options = [
            "StrictHostKeyChecking=no",
            "UserKnownHostsFile=/dev/null",
            "LogLevel=ERROR",
            "IdentitiesOnly=yes",
            "BatchMode=yes",
        ]
        command = [
            "ssh",
            "-F",
            "none",
            *(f"-o{option}" for option in options),
            "-i",
            str(self.key),
            "-p",
            str(self.port),
        ]
        user = pwd.getpwuid(os.geteuid()).pw_name
        return subprocess.run([*command, f"{user}@127.0.0.1", "whatever"], capture_output=True, check=False, timeout=30)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Start sshd with a key of its own on a free port."""
    folder = tmp_path_factory.mktemp("sshd")
    host_key, key = _key(folder, "ecdsa"), _key(folder, "ed25519")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    (folder / "config").write_text(
        f"ListenAddress 127.0.0.1:{port}\nHostKey {host_key}\nPidFile none\nAuthorizedKeysFile {folder}/authorized\n"
        "StrictModes no\nUsePAM no\nPermitRootLogin prohibit-password\nPasswordAuthentication no\nMaxStartups 100\n"
    )
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)
    with subprocess.Popen(["/usr/sbin/sshd", "-D", "-e", "-f", folder / "config"], stderr=subprocess.PIPE) as daemon:
        for _ in range(100):
            with socket.socket() as client:
                if client.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        yield Server(port, folder, key, PublicKey.parse(key.with_suffix(".pub").read_text(), "web01"))
        daemon.terminate()


@settings(max_examples=10)
@given(values=st.lists(texts, min_size=1, max_size=40))
def test_the_words_of_a_forced_command_arrive_as_written(server: Server, values: list[str]) -> None:
    made = accepted(lambda value: (KeyOption.command([ShellWord(value)]), ShellWord(value)), values)
    command = KeyOption.command(
        [ShellWord("printf"), ShellWord("%s\\0"), *(word for _, (_, word) in made), ShellWord("end")]
    )
    ran = server.login(f"{KeyOption.flag('restrict')},{KeyOption.sources(['127.0.0.1'])},{command} {server.public}")
    assert ran.returncode == 0, ran
    assert ran.stdout.decode().split("\0") == [*(value for value, _ in made), "end", ""]


def test_a_key_is_only_good_from_its_sources(server: Server) -> None:
    command = KeyOption.command([ShellWord("echo"), ShellWord("in")])
    for source, lets_in in (
        ("127.0.0.0/8", True),
        ("127.0.0.1", True),
        ("2001:db8::1", False),
        ("192.0.2.0/24", False),
    ):
        ran = server.login(f"{KeyOption.sources(['198.51.100.7', source])},{command} {server.public}")
        assert (ran.stdout == b"in\n") is lets_in, (source, ran)


def test_only_what_a_line_cannot_hold_is_refused_in_a_command() -> None:
    refused = set(NASTY) - {
        value for value, _ in accepted(lambda value: KeyOption.command([ShellWord(value)]), list(NASTY))
    }
    assert refused == {"new\nline", "car\rriage", "tab\there", "line\u2028separator"}


@pytest.mark.parametrize("bad", ["restrictt", "command", "", 'restrict,command="id"', "cert-authority"])
def test_an_option_that_is_not_ours_cannot_be_made(bad: str) -> None:
    with pytest.raises(Unrepresentable):
        KeyOption.flag(bad)


@pytest.mark.parametrize(
    "bad",
    ["", "web01", "192.0.2.1/24", "!192.0.2.1", "*", "fe80::1%eth0", '192.0.2.1"', "192.0.2.1,10.0.0.1", "010.0.0.1"],
)
def test_a_source_is_a_literal_address(bad: str) -> None:
    with pytest.raises(Unrepresentable):
        KeyOption.sources([bad])


def test_a_key_option_cannot_hide_its_closing_quote() -> None:
    with pytest.raises(Unrepresentable):
        KeyOption("command", "echo \\")


@pytest.mark.parametrize(
    "kind",
    [("ed25519",), ("rsa", "-b", "1024"), ("ecdsa", "-b", "256"), ("ecdsa", "-b", "384"), ("ecdsa", "-b", "521")],
)
def test_a_public_key_is_read_as_ssh_reads_it(kind: tuple[str, ...], tmp_path: Path) -> None:
    path = _key(tmp_path, *kind)
    text = path.with_suffix(".pub").read_text()
    key = PublicKey.parse(text, "web01")
    shown = subprocess.run(["ssh-keygen", "-l", "-f", path], capture_output=True, check=True, text=True).stdout
    assert key.fingerprint == shown.split()[1]
    assert str(key) == " ".join([*text.split()[:2], "web01"])
    with pytest.raises(Unrepresentable, match="private key"):
        PublicKey.parse(path.read_text())


GOOD = "AAAAC3NzaC1lZDI1NTE5AAAAI" + "A" * 42 + "E"


@pytest.mark.parametrize(
    "bad",
    [
        "",
        "# only a comment\n",
        f"ssh-ed25519 {GOOD}\nssh-ed25519 {GOOD}\n",
        f'command="id" ssh-ed25519 {GOOD}',
        f"restrict ssh-ed25519 {GOOD}",
        f"ssh-dss {GOOD}",
        f"ssh-rsa {GOOD}",
        f"ssh-ed25519-cert-v01@openssh.com {GOOD}",
        "ssh-ed25519",
        "ssh-ed25519 AAAA",
        "ssh-ed25519 not-base64",
        f"ssh-ed25519 {GOOD[:-4]}",
        f"ssh-ed25519 {GOOD}AAAA",
        f"ssh-ed25519 {GOOD}\x00",
        "ssh-ed25519 " + base64.b64encode(b"\0\0\0\x0bssh-ed25519").decode(),
    ],
)
def test_a_file_that_is_not_one_public_key_is_refused(bad: str) -> None:
    with pytest.raises(Unrepresentable):
        PublicKey.parse(bad)


@pytest.mark.parametrize("bad", ["a b", "a\nssh-ed25519", "a\u2028b", "#"])
def test_a_keys_comment_is_one_plain_word(bad: str) -> None:
    assert str(PublicKey("ssh-ed25519", GOOD, "web01")).endswith(" web01")
    with pytest.raises(Unrepresentable):
        PublicKey("ssh-ed25519", GOOD, bad)


@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(values=st.lists(paths, min_size=1, max_size=30))
def test_a_path_in_ssh_config_arrives_as_written(tmp_path: Path, values: list[str]) -> None:
    made = accepted(SshConfigValue, values)
    config = tmp_path / "config"
    config.write_text("Host *\n" + "".join(f"  IdentityFile {value}\n" for _, value in made) + "  HostName real\n")
    ran = subprocess.run(["ssh", "-G", "-F", config, "somewhere"], capture_output=True, check=True)
    lines = [line for line in ran.stdout.decode().split("\n") if line.startswith("identityfile ")]
    assert "hostname real\n" in ran.stdout.decode()
    assert not made or lines == [f"identityfile {value}" for value, _ in made]


@settings(max_examples=5, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(values=st.lists(paths, min_size=1, max_size=8))
def test_a_path_in_sshd_config_arrives_as_written(server: Server, tmp_path: Path, values: list[str]) -> None:
    for value, word in accepted(SshConfigValue, values):
        config = tmp_path / "config"
        config.write_text((server.folder / "config").read_text() + f"Banner {word}\nMaxAuthTries 3\n")
        ran = subprocess.run(["/usr/sbin/sshd", "-T", "-f", config], capture_output=True, check=True)
        lines = ran.stdout.decode().split("\n")
        assert f"banner {value}" in lines
        assert "maxauthtries 3" in lines


@pytest.mark.parametrize("bad", ["%h", "${HOME}", "~/.ssh", "a*", "!a", "a,b", "", " a", "a\nb", "+x", "-x", "^x"])
def test_a_value_that_some_keyword_expands_is_refused(bad: str) -> None:
    with pytest.raises(Unrepresentable):
        SshConfigValue(bad)


@pytest.mark.parametrize(
    ("host", "port"), [("bkp01", 22), ("bkp01.example.org", 2222), ("192.0.2.10", 22), ("2001:db8::1", 23)]
)
def test_a_known_host_is_found_by_ssh(host: str, port: int, tmp_path: Path) -> None:
    path = tmp_path / "known_hosts"
    path.write_text(f"{KnownHost(host, port)} {PublicKey('ssh-ed25519', GOOD)}\n")
    name = host if port == 22 else f"[{host}]:{port}"
    ran = subprocess.run(["ssh-keygen", "-F", name, "-f", path], capture_output=True, check=True, text=True)
    assert f"Host {name} found: line 1" in ran.stdout


@pytest.mark.parametrize(
    "bad",
    ["", "*", "a*", "!a", "|1|x", "@revoked", "#a", "a,b", "a b", "-oProxyCommand=id", "[a]", "a\nb", "fe80::1%x"],
)
def test_a_known_host_is_no_pattern_marker_or_list(bad: str) -> None:
    with pytest.raises(Unrepresentable):
        KnownHost(bad)
