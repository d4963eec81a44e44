"""How long a compile takes, beside what no compiler can save: reading the same YAML and writing the same bytes.

Both are measured in one run, in turn, as whole processes; the ratio of medians is what counts. `make bench`, or
`python bench/compile_fleet.py HOSTS ROUNDS`.
"""

from __future__ import annotations

import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

INFRA = Path(__file__).parents[1] / "inventories" / "infra4"
LIMIT = """
import pathlib, sys, yaml
inventory, tree, target = map(pathlib.Path, sys.argv[1:])
for path in inventory.rglob("*.yaml"):
    yaml.load(path.read_bytes(), yaml.CSafeLoader)
for path in tree.rglob("*"):
    if path.is_file():
        copy = target / path.relative_to(tree)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(path.read_bytes())
"""


def fleet(folder: Path, hosts: int) -> Path:
    """Write an inventory like infra4 with so many more hosts, each with a key of its own and two repositories."""
    inventory = folder / "inventory"
    shutil.copytree(INFRA, inventory)
    settings = "{site: toronto, os: debian-12, profiles: [linux, two-places]}"
    lines = ["hosts:", *(f"  node{number:04}: {settings}" for number in range(hosts))]
    (inventory / "hosts" / "many.yaml").write_text("\n".join(lines) + "\n", encoding="utf-8")
    text = (inventory / "inventory.yaml").read_text(encoding="utf-8")
    (inventory / "inventory.yaml").write_text(text.replace("capacity: 6TB", "capacity: 900TB"), encoding="utf-8")
    return inventory


def seconds(*argv: object) -> float:
    """Run a command and give its time on the wall."""
    start = time.perf_counter()
    subprocess.run([str(word) for word in argv], check=True, capture_output=True)
    return time.perf_counter() - start


def main(hosts: int, rounds: int) -> None:
    """Measure, and print one table."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        inventory = fleet(folder, hosts)
        out = folder / "out"
        program = (sys.executable, "-m", "backupspec", "compile", inventory, "--output", out)
        figures: dict[str, list[float]] = {"limit": [], "compile": [], "compile --check": []}
        for turn in range(rounds + 1):
            shutil.rmtree(out, ignore_errors=True)
            figures["compile"].append(seconds(*program))
            figures["compile --check"].append(seconds(*program, "--check"))
            figures["limit"].append(seconds(sys.executable, "-c", LIMIT, inventory, out, folder / f"copy{turn}"))
            shutil.rmtree(folder / f"copy{turn}")
        files = sum(path.is_file() for path in out.rglob("*"))
    limit = statistics.median(figures["limit"][1:])
    table = Table(title=f"{hosts + 13} machines, {files} files, {rounds} rounds after a warm-up")
    for column in ("what", "median", "fastest", "slowest", "times the limit"):
        table.add_column(column, justify="left" if column == "what" else "right")
    for what, times in figures.items():
        counted = times[1:]
        median = statistics.median(counted)
        table.add_row(
            what, f"{median:.2f} s", f"{min(counted):.2f} s", f"{max(counted):.2f} s", f"{median / limit:.1f}"
        )
    Console().print(table)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 300, int(sys.argv[2]) if len(sys.argv) > 2 else 5)
