"""Rehearses a migration: makes a backup server in a folder and migrates it with the commands of the day itself."""

from __future__ import annotations

import difflib
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.text import Text

from backupspec.catalogue import diagnose
from backupspec.diagnostic import Diagnostics, Span
from backupspec_migrate.identity import archive_name
from backupspec_migrate.sample import SampleError
from backupspec_migrate.sample_site import SampleSite, SampleTree, make_sample_site

_FIT = re.compile(r"/[A-Za-z0-9._/+-]+")
"""Paths that rsnapshot, rsync, the shell and YAML all read as they stand."""


@dataclass(frozen=True, slots=True)
class Command:
    """A command as it would be typed in the folder, and the exit codes that are right here."""

    sentence: str
    argv: tuple[str, ...]
    fine: tuple[int, ...] = (0,)


@dataclass(frozen=True, slots=True)
class Decision:
    """An edit of a plan; `edit` gives the new text, or the old one if there is nothing to decide."""

    sentence: str
    file: Path
    edit: Callable[[str], str]


Step = Command | Decision


@dataclass(frozen=True, slots=True)
class Act:
    """Some steps under one heading."""

    heading: str
    steps: tuple[Step, ...]


def rehearse(folder: Path, out: Console) -> Diagnostics:
    """Make a site in an empty folder, migrate it and show each command with what it says; nothing else is touched.

    The first step that ends otherwise than it should is a finding, and what was made stays to be looked at.
    """
    folder = Path(os.path.abspath(folder))  # noqa: PTH100 - links stay as they were written
    found = _unfit(folder)
    if found:
        return found
    _say(out, "Making three hosts and two rsnapshot trees with eight weeks of history; it takes some seconds.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        site = make_sample_site(folder)
    except (OSError, SampleError) as error:
        hint = f"what was made is still there: cd {folder}"
        return (diagnose("BS682", str(error), Span(str(folder), 1, 1, 1, 1), hint=hint),)
    _say(out, f"All of it lies in {folder}, and the commands are typed there.")
    if os.geteuid() != 0:
        _say(
            out,
            "You are not root, so all files here are yours. The day itself needs root: nobody else may read every file "
            "of every host.",
        )
    for number, act in enumerate(acts(site), start=1):
        out.print(Text(f"\n{number}. {act.heading}", style="bold"))
        for step in act.steps:
            found = _perform(step, folder, out)
            if found:
                return found
    _say_farewell(site, out)
    return ()


def acts(site: SampleSite) -> tuple[Act, ...]:
    """Give all that is done, in its order."""
    copied, linked = site.copied, site.linked
    skip = partial(skipping, snapshot="daily.0", because="db01 is of the night before: rsnapshot was killed")
    return (
        Act(
            "Scan: what is there",
            (
                Command(
                    "This tree was made with `cp -al`. In its last night the power failed.", _listing(site, copied)
                ),
                Command("What a migration sees in it. Nothing is written.", _migrate("scan", _conf(site, copied))),
            ),
        ),
        Act(
            "Plan: what will become of it",
            (
                Command(
                    "The inventory knows each host's job, repository and retention. What is doubtful waits for you: "
                    "the plan is written, and the command ends with 1.",
                    _plan(site, copied),
                    (0, 1),
                ),
                Command(
                    "What happened to daily.0? The log ends in the middle of db01.",
                    ("tail", "-n", "3", f"{_name(site, copied)}/rsnapshot.log"),
                ),
                Decision(
                    "So web01 is of that night and db01 of the night before. The plan is a file to edit: leave this "
                    "snapshot out, and say why.",
                    _plan_file(copied),
                    skip,
                ),
                Command(
                    "And to the other one?",
                    ("grep", "-m", "2", "ERROR", f"{_name(site, copied)}/rsnapshot.log"),
                ),
                Decision(
                    "db01 was off that night, and has its copy of the night before; web01 is whole. That is good "
                    "enough: say why, and it is imported as it is.",
                    _plan_file(copied),
                    partial(accepting, because="db01 was off that night, web01 is whole"),
                ),
            ),
        ),
        Act("Run, verify, report", _through(site, copied)),
        Act(
            "Run again",
            (
                Command(
                    "It can be stopped at any moment, and started as often as you like: what is there is left alone.",
                    _on_plan("run", site, copied),
                ),
            ),
        ),
        Act(
            "The other tree",
            (
                Command(
                    "This one was made with `link_dest`. A removal was interrupted, and rsnapshot left its lockfile "
                    "behind.",
                    _listing(site, linked),
                ),
                Command("The same again.", _plan(site, linked), (0, 1)),
                Command(
                    "Nothing to decide: in one night /usr/local was not mounted on mail01. The log says so, too.",
                    ("grep", "WARNING: Some", f"{_name(site, linked)}/rsnapshot.log"),
                ),
                *_through(site, linked),
            ),
        ),
        Act("Try a restore", _restore(site)),
    )


def _through(site: SampleSite, tree: SampleTree) -> tuple[Step, ...]:
    return (
        Command("Each snapshot of each host becomes an archive. The source is only read.", _on_plan("run", site, tree)),
        Command(
            "The proof: every item of every archive and the bytes of every file are compared with the tree.",
            _on_plan("verify", site, tree),
        ),
        Command("May the old tree go? This is the page to sign.", _on_plan("report", site, tree)),
    )


def _restore(site: SampleSite) -> tuple[Step, ...]:
    """Give the steps that read with Borg itself, with a passphrase that is never an argument."""
    tree = site.linked
    host = tree.hosts[0].name
    borg = ("env", f"BORG_PASSCOMMAND=cat {site.passphrases.replace('{host}', host)}", "borg")
    last = archive_name(host, site.job, int((tree.snapshots / "daily.0").stat().st_mtime))
    return (
        Command(
            "These are ordinary archives, which Borg reads by itself.",
            (*borg, "list", "--short", f"repositories/{host}"),
        ),
        Command("Take a folder back from the newest,", ("mkdir", "restored")),
        Command(
            "as you would on the day when it matters,",
            ("env", "--chdir=restored", *borg[1:], "extract", f"{site.folder}/repositories/{host}::{last}", "etc"),
        ),
        Command("and compare it with the host.", ("diff", "--recursive", "restored/etc", f"hosts/{host}/etc")),
    )


def _migrate(*words: str) -> tuple[str, ...]:
    return ("backupspec", "migrate", *words)


def _on_plan(word: str, site: SampleSite, tree: SampleTree) -> tuple[str, ...]:
    return _migrate(word, str(_plan_file(tree).relative_to(site.folder)))


def _plan(site: SampleSite, tree: SampleTree) -> tuple[str, ...]:
    goals = ("--inventory", "site", "--repository", site.repositories, "--encryption", "repokey-blake2")
    secrets = ("--passphrase-file", site.passphrases)
    output = ("--output", str(_plan_file(tree).relative_to(site.folder)))
    return _migrate("plan", _conf(site, tree), *goals, *secrets, *output)


def _plan_file(tree: SampleTree) -> Path:
    return tree.folder / "plan.yaml"


def _name(site: SampleSite, tree: SampleTree) -> str:
    return str(tree.folder.relative_to(site.folder))


def _conf(site: SampleSite, tree: SampleTree) -> str:
    return str(tree.configuration.relative_to(site.folder))


def _listing(site: SampleSite, tree: SampleTree) -> tuple[str, ...]:
    return ("ls", "-lA", "--time-style=long-iso", str(tree.snapshots.relative_to(site.folder)))


def skipping(text: str, *, snapshot: str, because: str) -> str:
    """Give a plan's text with a snapshot moved from each series' archives to what it skips."""
    lines: list[str] = []
    owed = ""
    for line in text.splitlines(keepends=True):
        item = re.fullmatch(r"( *)- (.*)\n", line)
        if item is not None and item[2] == snapshot:
            owed = item[1]
            continue
        if owed and not line.startswith(f"{owed}- "):
            lines.append(_skip(owed, snapshot, because))
            owed = ""
        lines.append(line)
    return "".join((*lines, _skip(owed, snapshot, because) if owed else ""))


def _skip(indent: str, snapshot: str, because: str) -> str:
    return f"{indent[:-2]}skip:\n{indent}- {{snapshot: {snapshot}, because: '{because}'}}\n"


def accepting(text: str, *, because: str) -> str:
    """Give a plan's text with a reason to import each doubtful snapshot that is not skipped all the same."""
    skipped = set(re.findall(r"(?m)^ *- \{snapshot: ([^,]+),", text))
    return re.sub(
        r"(?m)^( *- \{folder: ([^,]+),.* doubt: .*)\}$",
        lambda line: line[0] if line[2] in skipped or " accept: " in line[1] else f"{line[1]}, accept: '{because}'}}",
        text,
    )


def _unfit(folder: Path) -> Diagnostics:
    place = Span(str(folder), 1, 1, 1, 1)
    missing = [name for name in ("rsnapshot", "rsync") if shutil.which(name) is None]
    if missing:
        hint = f"apt-get install {' '.join(missing)}"
        return (diagnose("BS680", f"{' and '.join(missing)} not found here", place, hint=hint),)
    if not _FIT.fullmatch(str(folder)):
        hint = "choose a path of letters, digits, dots, dashes and `_`, such as /root/rehearsal"
        return (diagnose("BS681", f"rsnapshot cannot be told of {str(folder)!r}", place, hint=hint),)
    try:
        if not folder.exists() or not any(folder.iterdir()):
            return ()
    except OSError as error:
        hint = "name a folder that is not there yet, in one that you may write to"
        return (diagnose("BS681", f"{folder} cannot be used: {error.strerror}", place, hint=hint),)
    return (diagnose("BS681", f"{folder} is not empty", place, hint="name a folder that is not there yet"),)


def _perform(step: Step, folder: Path, out: Console) -> Diagnostics:
    if isinstance(step, Decision):
        return _decide(step, folder, out)
    _say(out, step.sentence)
    out.print(Text(f"    $ {shlex.join(step.argv)}", style="cyan"))
    code = _run(step.argv, folder, out)
    if code in step.fine:
        return ()
    hint = f"what was made is still there: cd {folder}"
    place = Span(str(folder), 1, 1, 1, 1)
    return (diagnose("BS682", f"`{shlex.join(step.argv)}` ended with {code}", place, hint=hint),)


def _decide(step: Decision, folder: Path, out: Console) -> Diagnostics:
    try:
        before = step.file.read_text(encoding="utf-8")
    except OSError as error:
        return (diagnose("BS682", f"there is no plan: {error.strerror}", Span(str(step.file), 1, 1, 1, 1)),)
    after = step.edit(before)
    name = str(step.file.relative_to(folder))
    _say(out, step.sentence)
    if after == before:
        place = Span(str(step.file), 1, 1, 1, 1)
        return (diagnose("BS682", f"{name} has nothing to decide, but should have", place),)
    step.file.write_text(after, encoding="utf-8")
    out.print(Text(f"    $ edit {name}", style="cyan"))
    for line in difflib.unified_diff(before.splitlines(), after.splitlines(), n=0, lineterm=""):
        if not line.startswith(("---", "+++", "@@")):
            out.print(Text(f"    {line}", style="green" if line.startswith("+") else "red"))
    return ()


def _run(argv: tuple[str, ...], folder: Path, out: Console) -> int:
    """Run a command in the folder and show what it says as it comes; Borg's caches lie in the folder, too."""
    environment = {
        **os.environ,
        "BORG_BASE_DIR": str(folder / "borg"),
        "LC_ALL": "C.UTF-8",
        "PYTHONUNBUFFERED": "1",
        "COLUMNS": str(max(out.width - 6, 80)),
    }
    ours = {name: (sys.executable, "-m", name) for name in ("backupspec", "borg")}
    words = tuple(piece for word in argv for piece in ours.get(word, (word,)))
    with subprocess.Popen(
        words, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as process:
        for line in process.stdout or ():
            out.print(Text(f"    {line.decode('utf-8', 'backslashreplace').rstrip()}", style="dim"))
    return process.returncode


def _say(out: Console, sentence: str) -> None:
    out.print(Text(f"\n{sentence}"))


def _say_farewell(site: SampleSite, out: Console) -> None:
    _say(
        out,
        f"That was all. Look around in {site.folder}: plan.yaml and plan.report.html beside each rsnapshot.conf, the "
        "archives in repositories/, their passphrases in passphrases/. Nothing else on this machine was changed. "
        "To remove all of it:",
    )
    out.print(Text(f"    $ rm -rf {shlex.quote(str(site.folder))}", style="cyan"))
