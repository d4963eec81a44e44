"""What was pasted into an inventory and must not be known is not repeated: neither in a message nor in an excerpt."""

from __future__ import annotations

import itertools
import subprocess
from pathlib import Path

import pytest

from backupspec.pipeline import compile_inventory
from backupspec.show import as_github, as_json, as_sarif, as_text
from backupspec.source import holds_private_key, is_secret, names_key_file, shown_lines

INVENTORIES = Path(__file__).parents[2] / "inventories"
GOOD = (INVENTORIES / "broken" / "BS221" / "inventory.yaml").read_text(encoding="utf-8")
KEYS = {
    "openssh": ("ssh-keygen", "-q", "-N", "", "-t", "ed25519", "-f"),
    "rsa": ("ssh-keygen", "-q", "-N", "", "-t", "rsa", "-b", "2048", "-m", "PEM", "-f"),
    "ecdsa": ("ssh-keygen", "-q", "-N", "", "-t", "ecdsa", "-m", "PEM", "-f"),
    "pkcs8": ("ssh-keygen", "-q", "-N", "", "-t", "rsa", "-b", "2048", "-m", "PKCS8", "-f"),
    "sealed": ("ssh-keygen", "-q", "-N", "secret", "-t", "ecdsa", "-m", "PKCS8", "-f"),
}


@pytest.fixture(scope="module", params=sorted(KEYS))
def private(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Give the lines of a private key without those of its frame."""
    target = tmp_path_factory.mktemp("key") / "key"
    subprocess.run([*KEYS[request.param], str(target)], check=True)
    assert not is_secret(target.with_suffix(".pub").read_text())
    return [line for line in target.read_text().splitlines() if line and "-----" not in line]


def said(folder: Path, text: str) -> str:
    """Give everything that is said of an inventory, in all forms."""
    (folder / "inventory.yaml").write_text(text, encoding="utf-8")
    run = compile_inventory(folder)
    found = run.diagnostics
    assert found
    return "\n".join((as_text(found, run.sources).plain, as_json(found), as_github(found), as_sarif(found)))


def test_a_private_key_is_known_without_its_frame(private: list[str]) -> None:
    assert holds_private_key("\n".join(private))
    assert holds_private_key("".join(private))
    assert not names_key_file("".join(private))
    assert not any(shown_lines("\n".join(private)))


# Everywhere a value of this inventory stands, keys too.
PLACES = ("broken", "vault:", "192.0.2.10", "/backup", "archive:", "passphrase-central", "[central", "data:", "/srv")


@pytest.mark.parametrize("place", PLACES)
def test_a_private_key_without_its_frame_is_not_repeated(private: list[str], place: str, tmp_path: Path) -> None:
    assert place in GOOD
    whole = "[" * place.startswith("[") + "".join(private)
    shown = said(tmp_path, GOOD.replace(place, whole + place[-1] * (place[-1] == ":"), 1))
    assert not [part for part in private if part[:24] in shown]


@pytest.mark.parametrize("indent", ["", "      "])
def test_no_line_of_a_private_key_is_repeated(private: list[str], indent: str, tmp_path: Path) -> None:
    broken = GOOD + "    ssh_key: |\n" + "".join(f"{indent}{line}\n" for line in private)
    shown = said(tmp_path, broken)
    assert not [part for part in private if part[:12] in shown]


@pytest.mark.parametrize(
    "written",
    [
        "passphrase: hunter2",
        "passphrase: 'hunter2'",
        '"passphrase": "hunter2"',
        "passphrase: [hunter2]",
        "passphrase: {credential: Hunter2 hunter2}",
        "passphrase: {credental: hunter2}",
        "password: hunter2",
        "passhrase: hunter2",
    ],
)
@pytest.mark.parametrize("place", ["{server: vault, WRITTEN}", "\n    server: vault\n    WRITTEN"])
def test_a_passphrase_is_not_repeated(written: str, place: str, tmp_path: Path) -> None:
    text = GOOD.replace(
        "{server: vault, passphrase: {credential: passphrase-central}}", place.replace("WRITTEN", written)
    )
    assert "unter2" not in said(tmp_path, text)


@pytest.mark.parametrize("key", ["password", "credential", "passwd", "secret", "pw"])
def test_the_password_of_a_database_is_not_repeated(key: str, tmp_path: Path) -> None:
    job = f'{{kind: mariadb, address: 192.0.2.30, {key}: "hunter2 Secret!"}}'
    head = "version: 1\nfleet: f\nrepositories: {l: {path: /b}}\n"
    assert "unter2" not in said(tmp_path, f"{head}hosts: {{w: {{to: [l], databases: {{d: {job}}}}}}}\n")


@pytest.mark.parametrize(
    "value", ["7315926", "true", "|\n      hunter2\n      7315926", "\n      hunter2", ">-\n      hunter2"]
)
@pytest.mark.parametrize("key", ["passphrase", "password"])
def test_a_passphrase_of_another_kind_is_not_repeated(key: str, value: str, tmp_path: Path) -> None:
    place = f"\n    server: vault\n    {key}: {value}\n"
    text = GOOD.replace(" {server: vault, passphrase: {credential: passphrase-central}}\n", place)
    shown = said(tmp_path, text)
    assert "hunter2" not in shown
    assert "7315926" not in shown


def test_what_is_no_secret_is_shown() -> None:
    lines = [
        *GOOD.splitlines(),
        "passphrase: per-host",
        'r: {path: /r, passphrase: "per-host", quota: 1TB}',
        "    passphrase:",
        "      credential: archive",
        "    quota: 5GB",
        "passwords: {paths: [/srv/passwords]}",
        "secret: {paths: [/srv/secret]}",
        "paths: [/srv/Data2/and/a/very/long/way/down/into/the/Folders/of/2026/without/a/dot]",
        "host_key: ssh-rsa " + "AAAAB3NzaC1yc2EAAAADAQAB" * 9,
        "run: 'echo 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef'",
    ]
    assert shown_lines("\n".join(lines)) == lines


def test_the_keys_of_the_good_inventories_are_public() -> None:
    for path in itertools.chain(INVENTORIES.glob("*/keys/*.pub"), INVENTORIES.glob("*/inventory.yaml")):
        assert not holds_private_key(path.read_text(encoding="utf-8")), path
