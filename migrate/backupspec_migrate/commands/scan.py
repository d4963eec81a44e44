"""`migrate scan`: what there is to migrate."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from backupspec.diagnostic import has_errors
from backupspec.options import one_of
from backupspec_migrate.commands.options import Source
from backupspec_migrate.commands.said import FINDINGS, Said, stopping
from backupspec_migrate.commands.tree_options import TreeOptions
from backupspec_migrate.estimate import estimate
from backupspec_migrate.local_time import machine_zone
from backupspec_migrate.prepare import Tree, opened
from backupspec_migrate.scan_document import as_json
from backupspec_migrate.scan_page import ScanAbout, as_tables, print_page
from backupspec_migrate.source import layout_at
from backupspec_migrate.survey import found_by, survey
from backupspec_migrate.walk_progress import show_walk


def scan(
    source: Source,
    tree: TreeOptions,
    *,
    form: Annotated[str, typer.Option("--format", help="How to show it.", **one_of("text", "json"))] = "text",
) -> None:
    """Show what there is to migrate: snapshots, times, doubts, sizes and an estimate. Nothing is written."""
    say = Said()
    with stopping(say):
        layout, said = layout_at(source, tree.wish)
        with opened(layout, said, lock=False) as opened_tree:
            with show_walk() as report:
                surveyed = survey(opened_tree.scanned, opened_tree.view, report)
            guess = estimate(surveyed, opened_tree.view)
            found = (*opened_tree.found, *found_by(opened_tree.scanned, surveyed))
            about = _about(source, tree, opened_tree)
            if form == "json":
                sys.stdout.write(as_json(opened_tree.scanned, surveyed, guess, about, found))
            else:
                print_page(as_tables(opened_tree.scanned, surveyed, guess, about, found), sys.stdout)
    if has_errors(found):
        raise typer.Exit(FINDINGS)


def _about(source: Path, tree: TreeOptions, opened_tree: Tree) -> ScanAbout:
    layout, lock = opened_tree.layout, opened_tree.lock
    held = None
    if layout.lockfile is not None:
        held = f"{layout.lockfile}: free"
        if lock is not None:
            held = f"{layout.lockfile}: " + (f"held by process {lock.pid}" if lock.alive else "left behind")
    log = None
    if layout.logfile is not None:
        log = f"{layout.logfile}: " + (f"knows of {len(layout.runs)} runs" if layout.runs else "not there, or empty")
    words = tuple(tree.words)
    return ScanAbout(str(source), layout.naming.kind, held, log, tree.timezone or machine_zone(), (str(source), *words))
