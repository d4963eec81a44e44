"""Passphrases: where they may come from, and that they are seen nowhere."""

from __future__ import annotations

import os
import secrets
import shlex
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.migrate.site import Site
from tests.migrate.test_faults import far_shell, history, planned
from tests.migrate.test_import import name_of

pytestmark = [pytest.mark.root, pytest.mark.borg]


def environment(site: Site, **more: str) -> dict[str, str]:
    """Give the environment without a passphrase."""
    return {**{name: value for name, value in site.environment().items() if name != "BORG_PASSPHRASE"}, **more}


def run(site: Site, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        site.command(*words),
        env=environment(site, **more),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="backslashreplace",
        check=False,
        timeout=120,
    )


def with_repository(site: Site, borg: Path, secret: str, host: str = "web01") -> None:
    made = ["init", "-e", "repokey-blake2", str(site.repo(host))]
    subprocess.run([borg, *made], env=environment(site, BORG_PASSPHRASE=secret), capture_output=True, check=True)


@contextmanager
def watching(secret: bytes) -> Iterator[list[str]]:
    """Look at the arguments and the environment of every process meanwhile, and give those that show the secret."""
    seen: list[str] = []
    through = threading.Event()

    def watch() -> None:
        while not through.is_set():
            for process in Path("/proc").glob("[0-9]*"):
                for name in ("cmdline", "environ"):
                    try:
                        if secret in (process / name).read_bytes():
                            seen.append(f"{name} of {(process / 'cmdline').read_bytes()!r}")
                    except OSError:
                        pass
            through.wait(0.01)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield seen
    finally:
        through.set()
        thread.join()


def files_with(folder: Path, secret: bytes) -> set[str]:
    return {path.name for path in folder.rglob("*") if path.is_file() and secret in path.read_bytes()}


@pytest.mark.parametrize("where", ["here", "behind borg serve"])
def test_a_passphrase_from_a_file_is_seen_nowhere_else(
    make_site: Callable[..., Site], borg14: Path, where: str
) -> None:
    site = make_site()
    history(site, nights=2)
    secret = secrets.token_hex(16)
    with_repository(site, borg14, secret)
    (site.folder / "secret-web01").write_text(secret + "\n")
    (site.folder / "secret-web01").chmod(0o600)
    file = ("--passphrase-file", f"{site.folder}/secret-{{host}}")
    far = str(far_shell(site, borg14)) if where != "here" else "false"
    repository = str(site.repo()) if where == "here" else f"ssh://backup.example{site.repo()}"
    said = ""
    with watching(secret.encode()) as seen:
        plan = site.run("plan", *file, repository=repository)
        for words in (("run", "--log-json"), ("verify",), ("report",)):
            done = run(site, *words, BORG_RSH=far, BACKUPSPEC_TRACEBACK="1")
            assert done.returncode == 0, done.stderr
            said += done.stdout + done.stderr
    assert not seen
    assert secret not in said + plan.stdout + plan.stderr
    assert files_with(site.folder, secret.encode()) == {"secret-web01"}


def test_a_wrong_passphrase_is_a_finding_that_does_not_repeat_it(make_site: Callable[..., Site], borg14: Path) -> None:
    site = make_site()
    history(site, nights=1)
    with_repository(site, borg14, secrets.token_hex(16))
    planned(site)
    wrong = secrets.token_hex(16)
    for words in (("run",), ("verify",), ("report",), ("run", "--log-json")):
        done = run(site, *words, BORG_PASSPHRASE=wrong, BACKUPSPEC_TRACEBACK="1")
        assert done.returncode == 1
        said = " ".join((done.stdout + done.stderr).split())
        assert "assphrase supplied in" in said, said
        assert wrong not in said
        assert "Traceback" not in said
    assert not files_with(site.plan.parent, wrong.encode())


def test_the_environment_of_other_programs_has_no_passphrase(make_site: Callable[..., Site], borg14: Path) -> None:
    """BORG_PASSPHRASE is in the environment of whoever set it; what the migration starts does not get it."""
    site = make_site()
    history(site, nights=1)
    secret = secrets.token_hex(16)
    with_repository(site, borg14, secret)
    far = far_shell(site, borg14)
    far.write_text(
        far.read_text().replace(
            "#!/bin/sh\n", f'#!/bin/sh\nenv > {site.folder}/seen\necho "$@" >> {site.folder}/seen\n'
        )
    )
    assert site.run("plan", repository=f"ssh://backup.example{site.repo()}").returncode == 0
    done = run(site, "run", BORG_PASSPHRASE=secret, BORG_RSH=str(far))
    assert done.returncode == 0, done.stderr
    assert "serve" in (site.folder / "seen").read_text()
    assert not files_with(site.folder, secret.encode())


def agent(site: Site, secret: str) -> Path:
    """Make a program that gives the passphrase until web01's repository is filled, and again once it is renewed."""
    program = site.folder / "agent"
    there = f"find {site.repo()}/data/0 -type f -newer {site.folder}/agent | grep -q ."
    program.write_text(f"#!/bin/sh\n[ ! -e {site.folder}/renewed ] && {there} && exit 1\necho {secret}\n")
    program.chmod(0o700)
    return program


def test_an_agent_that_expires_between_two_repositories_stops_only_those_that_need_it(
    make_site: Callable[..., Site], borg14: Path
) -> None:
    hosts = ("web01", "web02", "web03")
    site = make_site(lines=[(f"{host}/", f"{host}/", "") for host in hosts])
    times = history(site, hosts, nights=2)
    secret = secrets.token_hex(16)
    with_repository(site, borg14, secret, "web01")
    with_repository(site, borg14, secret, "web02")
    subprocess.run([borg14, "init", "-e", "none", site.repo("web03")], env=site.environment(), check=True)
    planned(site)
    program = agent(site, secret)
    done = run(site, "run", BORG_PASSCOMMAND=shlex.quote(str(program)))
    assert done.returncode == 1
    assert done.stderr.count("error[") == 1, done.stderr
    assert f"{site.repo('web02')}: Passcommand supplied in BORG_PASSCOMMAND failed" in done.stderr, done.stderr
    assert "Traceback" not in done.stderr
    assert secret not in done.stderr
    assert "imported: 4 archives in 2 repositories" in done.stderr
    for host, there in (("web01", times), ("web03", times)):
        listed = subprocess.run(
            [borg14, "list", "--short", site.repo(host)],
            env=environment(site, BORG_PASSPHRASE=secret),
            capture_output=True,
            text=True,
            check=True,
        )
        assert listed.stdout.split() == [name_of(when, host) for when in there]
    (site.folder / "renewed").touch()
    done = run(site, "run", BORG_PASSCOMMAND=str(program))
    assert done.returncode == 0, done.stderr
    done = run(site, "verify", BORG_PASSCOMMAND=str(program))
    assert done.returncode == 0, done.stderr


def empty(file: Path) -> None:
    file.write_text("")


def only_a_newline(file: Path) -> None:
    file.write_text("\nsecret\n")


def open_to_all(file: Path) -> None:
    file.chmod(0o644)


def of_somebody_else(file: Path) -> None:
    os.chown(file, 12345, 0)


def not_there(file: Path) -> None:
    file.unlink()


def a_folder(file: Path) -> None:
    file.unlink()
    file.mkdir(0o700)


def a_pipe(file: Path) -> None:
    file.unlink()
    os.mkfifo(file, 0o600)


def not_text(file: Path) -> None:
    file.write_bytes(b"\xff\x00\n")


REFUSED: dict[Callable[[Path], None], str] = {
    empty: "is empty",
    only_a_newline: "is empty",
    open_to_all: "make it root's own, with mode 0600",
    of_somebody_else: "make it root's own, with mode 0600",
    not_there: "cannot be read: No such file or directory",
    a_folder: "is not a file",
    a_pipe: "is not a file",
    not_text: "holds no text in UTF-8",
}


@pytest.mark.parametrize("change", REFUSED, ids=lambda change: change.__name__)
def test_a_file_that_gives_no_passphrase_is_refused_with_its_name(
    make_site: Callable[..., Site], borg14: Path, change: Callable[[Path], None]
) -> None:
    site = make_site()
    history(site, nights=1)
    with_repository(site, borg14, "secret")
    file = site.folder / "secret-web01"
    file.write_text("secret\n")
    file.chmod(0o600)
    planned(site, "--passphrase-file", f"{site.folder}/secret-{{host}}")
    change(file)
    done = run(site, "run", BORG_PASSPHRASE="secret")
    assert done.returncode == 1
    assert done.stderr.count("error[BS631]") == done.stderr.count("error[") == 1, done.stderr
    assert REFUSED[change] in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("text", ["se cret", "se cret\n", "schl\u00fcssel \u2603\n"])
def test_the_first_line_of_the_file_is_the_passphrase_also_through_a_symlink(
    make_site: Callable[..., Site], borg14: Path, text: str
) -> None:
    site = make_site()
    history(site, nights=1)
    with_repository(site, borg14, text.rstrip("\r\n"))
    real = site.folder / "elsewhere"
    real.write_bytes(text.encode())
    real.chmod(0o600)
    (site.folder / "secret-web01").symlink_to(real)
    planned(site, "--passphrase-file", f"{site.folder}/secret-{{host}}")
    done = run(site, "run")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_without_a_passphrase_and_a_terminal_there_is_a_finding_and_no_question(
    make_site: Callable[..., Site], borg14: Path, jobs: str
) -> None:
    site = make_site()
    history(site, nights=1)
    with_repository(site, borg14, "secret")
    planned(site)
    command = ["setsid", "--wait", *site.command("run", "--jobs", jobs)]
    done = subprocess.run(
        command,
        env=environment(site),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 1
    assert done.stderr.count("error[BS631]") == done.stderr.count("error[") == 1, done.stderr
    assert "--passphrase-file" in done.stderr
    assert "Traceback" not in done.stderr


def test_several_at_a_time_never_ask_even_at_a_terminal(make_site: Callable[..., Site], borg14: Path) -> None:
    site = make_site()
    history(site, nights=1)
    with_repository(site, borg14, "secret")
    planned(site)
    command = shlex.join(site.command("run", "--jobs", "2"))
    done = subprocess.run(
        ["script", "--quiet", "--return", "--command", command, "/dev/null"],
        env=environment(site),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 1, done.stdout
    assert "Enter passphrase" not in done.stdout
    assert "--passphrase-file" in done.stdout
