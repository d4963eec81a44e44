"""`make demo` tells the truth and leaves nothing."""

import re
import subprocess
from pathlib import Path

import pytest

import demo.__main__
from demo.lab.command import CommandFailedError, Outcome
from demo.lab.traces import Traces
from demo.story import NotTrueError
from demo.telling import NEXT, Telling

_STEPS = [
    "Compile",
    "Machines",
    "Roll out",
    "Initialise",
    "Migrate",
    "Back up",
    "Thin out",
    "Forbidden",
    "Restore",
    "Guest",
]


@pytest.mark.root
@pytest.mark.borg
@pytest.mark.sshd
@pytest.mark.systemd
@pytest.mark.slow
def test_the_demo_comes_true_and_leaves_nothing(checkout: Path) -> None:
    before = Traces.now()
    done = subprocess.run(
        [checkout / "demo/run"], capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.findall(r"^\d+\. ([A-Z][a-z ]+): ", done.stdout, re.MULTILINE) == _STEPS
    assert len(re.findall(r"^  ✓ ", done.stdout, re.MULTILINE)) == len(_STEPS)
    assert done.stderr == ""
    assert before.left() == ()
    ending = re.search(r"\nAll of it came true, in \d+ seconds; nothing is left on this machine\.\n\n", done.stdout)
    assert ending is not None
    figures, _, next_steps = done.stdout[ending.end() :].partition("\n\n")
    assert [line.split("  ")[1].removeprefix("✓ ").strip() for line in figures.splitlines()] == _STEPS
    assert next_steps == NEXT


def test_what_the_demo_says_to_look_at_next_is_there(checkout: Path) -> None:
    for line in NEXT.splitlines():
        named = re.match(r"  ([a-z]+/[a-zA-Z0-9./]*)", line)
        assert named is None or (checkout / named[1]).exists()
    assert NEXT.count("/") > 5


@pytest.mark.parametrize(
    ("failure", "said", "code"),
    [
        (NotTrueError("the tree differs"), "✗ Compile: the tree differs\n", 1),
        (
            CommandFailedError("web01", ["ls", "/x y"], Outcome(2, "", "no such file\n")),
            "✗ Compile: web01: `ls '/x y'` ended with 2\nno such file\n",
            1,
        ),
        (KeyboardInterrupt(), "✗ Compile: interrupted; everything was taken down\n", 130),
    ],
)
def test_a_step_that_fails_says_what_and_ends_the_demo_with_a_code(
    failure: BaseException, said: str, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def tell(telling: Telling, folder: Path) -> None:
        assert folder.is_dir()
        telling.step("Compile", "an inventory")
        raise failure

    monkeypatch.setattr(demo.__main__, "tell", tell)
    assert demo.__main__.main() == code
    assert capsys.readouterr().out.endswith(said)
