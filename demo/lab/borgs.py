"""Give a machine of the lab a certain generation of borg, whatever the distribution has."""

from pathlib import Path

from demo.lab.command import run
from demo.lab.machine import Machine

PROJECT = Path(__file__).parents[2]
GENERATIONS = ("1.2", "1.4")
_ASK = "import borg, msgpack, packaging; print(*(m.__path__[0] for m in (borg, msgpack, packaging)), sep='\\n')"


def installed(generation: str) -> Path:
    """Return where `make setup` put this generation."""
    return PROJECT / ".borg" / generation / "borg"


def give(machine: Machine, generation: str) -> str:
    """Make `generation` the machine's /usr/bin/borg, readable for every account; return what it says its version is.

    A borg from a virtual environment is copied: accounts of the machine could not read a folder in somebody's home.
    """
    script = installed(generation).resolve()
    if script != Path("/usr/bin/borg"):
        python = script.parent / "python"
        for folder in run([str(python), "-I", "-c", _ASK]).stdout.splitlines():
            machine.copy_in(Path(folder), f"/opt/borg-{generation}/{Path(folder).name}")
        start = f"import sys; sys.path.insert(0, '/opt/borg-{generation}'); from borg.archiver import main; main()"
        machine.write("/usr/bin/borg", f"#!{python.resolve()} -I\n{start}\n", mode=0o755)
    return machine.run(["borg", "--version"]).stdout.strip()
