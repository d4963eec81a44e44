"""What a compile tells whoever started it: a line for each host that changes, and what to do next."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from backupspec.diff import Kind, Style, counted
from backupspec.manifest import host_of
from backupspec.write import Outcome


def summary(outcome: Outcome, output: Path, *, check: bool) -> Iterator[tuple[Style, str]]:
    """Give the lines; `check` tells that nothing was written, only compared."""
    tree, changes = outcome.tree, outcome.changes
    if not outcome.written:
        yield Style.CONTEXT, f"{output} is up to date: {len(tree.hosts)} hosts, {len(tree.files)} files"
        return
    changed, withheld = changes.by_host(), outcome.withheld.by_host()
    numbers = Counter(host_of(file.path) for file in tree.files)
    for host in tree.hosts:
        if host not in changed:
            continue
        files = changed[host]
        new = len(files) == numbers[host] and all(change.kind is Kind.ADDED for change in files)
        yield Style.CONTEXT, f"{host}: {numbers[host]} files, {'new' if new else counted(files)}"
        for meaning in changes.meanings:
            if meaning.host == host and not new:
                yield meaning.style, f"  {meaning.text}"
    same = sum(host not in changed and host not in withheld for host in tree.hosts)
    if same:
        yield Style.CONTEXT, f"{same} other host{'s' if same > 1 else ''}: nothing changed"
    for host in sorted(set(outcome.vanished) - set(tree.hosts)):
        yield Style.LOSS, f"{host}: its tree goes"
    for left, files in withheld.items():
        yield Style.CONTEXT, f"{left}: left as it is, though {counted(files)} (not named by --host)"
    if check:
        yield Style.CONTEXT, f"{output} is not what the inventory says; nothing was written"
    else:
        yield Style.CONTEXT, f"\nWrote {len(tree.files)} files to {output}. Next: read {output / 'README.md'}"
