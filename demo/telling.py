"""What the demo prints: numbered steps, each command as one would type it, and a figure for what came out."""

import sys

_GREEN, _RED, _BOLD, _DIM, _PLAIN = "\033[32m", "\033[31m", "\033[1m", "\033[2m", "\033[0m"

NEXT = """\
Where to look next
  inventories/infra4/      the inventory that was compiled
  docs/reference/          every key of the language, every finding
  migrate/README.md        a migration, step by step; `backupspec migrate rehearse FOLDER` plays one through
  backupspec init office --example small && backupspec compile office --output compiled
                           your own; then read compiled/README.md and a script below compiled/hosts/*/root
"""


class Telling:
    """Colours only on a terminal; the figures of all steps are kept for the summary."""

    def __init__(self) -> None:
        self._colour = sys.stdout.isatty()
        self._figures: list[tuple[str, str]] = []
        self._step = "before the first step"

    def step(self, name: str, sentence: str) -> None:
        """Begin a step; `name` stands for it in the summary."""
        self._step = name
        print(f"\n{self._in(_BOLD, f'{len(self._figures) + 1}. {name}')}: {sentence}", flush=True)

    def command(self, where: str, words: str) -> None:
        """Show a command, as one would type it, and the machine that it runs on."""
        print(f"    {self._in(_DIM, f'{where}$')} {words}", flush=True)

    def quote(self, text: str, *, lines: int = 3) -> None:
        """Show the last `lines` lines of what a command said."""
        for line in text.strip("\n").splitlines()[-lines:]:
            print(f"      {self._in(_DIM, line)}", flush=True)

    def came_true(self, figure: str) -> None:
        """Say what came out; it ends the step."""
        self._figures.append((self._step, figure))
        print(f"    {self._in(_GREEN, '✓')} {figure}", flush=True)

    def failed(self, why: str) -> None:
        """Say what failed, and where."""
        print(f"    {self._in(_RED, '✗')} {self._step}: {why}", flush=True)

    def summary(self, seconds: float) -> None:
        """End with all figures on one screen."""
        print(
            f"\n{self._in(_BOLD, 'All of it came true')}, in {seconds:.0f} seconds; nothing is left on this machine.\n"
        )
        for name, figure in self._figures:
            print(f"  {self._in(_GREEN, '✓')} {name:<12} {figure}")
        print(f"\n{NEXT}", end="", flush=True)

    def _in(self, colour: str, text: str) -> str:
        return f"{colour}{text}{_PLAIN}" if self._colour else text
