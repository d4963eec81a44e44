"""What a compile tells whoever started it: a line for each host that changes, and what to do next."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from backupspec.diff import Kind, Style, counted, style
from backupspec.manifest import host_of
from backupspec.write import Outcome


def summary(outcome: Outcome, output: Path, *, check: bool) -> Iterator[tuple[Style, str]]:
    """Give the lines; `check` tells that nothing was written, only compared."""
    tree, changes = outcome.tree, outcome.changes
    if not outcome.written:
        held = [file for file in tree.files if not outcome.hosts or host_of(file.path) in outcome.hosts]
        hosts = len(outcome.hosts or tree.hosts)
        yield Style.CONTEXT, f"{output} is up to date: {hosts} host{'s' * (hosts != 1)}, {len(held)} files"
        yield from _withheld(outcome)
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
                yield style(meaning), f"  {meaning.text}"
    same = sum(host not in changed and host not in withheld for host in tree.hosts)
    if same:
        yield Style.CONTEXT, f"{same} other host{'s' if same > 1 else ''}: nothing changed"
    for host in sorted(set(outcome.vanished) - set(tree.hosts)):
        yield Style.LOSS, f"{host}: its tree goes"
    yield from _withheld(outcome)
    if check and outcome.stale:
        yield Style.CONTEXT, f"{output} is not what the inventory says; nothing was written"
    elif check:
        named = ", ".join(sorted(outcome.hosts))
        yield Style.CONTEXT, f"{named}: nothing changed; {counted(changes.files)} elsewhere; nothing was written"
    else:
        gone = sum(change.kind is Kind.REMOVED for change in changes.files)
        put = len(changes.files) - gone
        removed = f", removed {gone}" if gone else ""
        told = f"Wrote {put} file{'s' * (put != 1)} to {output}{removed}"
        yield Style.CONTEXT, f"\n{told}. Next: read {output / 'README.md'}"


def _withheld(outcome: Outcome) -> Iterator[tuple[Style, str]]:
    for left, files in outcome.withheld.by_host().items():
        name = left or "README.md and ansible/"
        yield (
            Style.CONTEXT,
            f"{name}: left as {'it is' if left else 'they are'}, though {counted(files)} (not named by --host)",
        )
