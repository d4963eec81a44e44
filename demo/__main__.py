"""`python -m demo`: tell the main job, run it on real parts, and end with 0 only if all of it came true."""

import sys
import tempfile
import time
from pathlib import Path

from demo.lab.command import CommandFailedError
from demo.lab.room import LabError
from demo.lab.traces import Traces
from demo.story import NotTrueError, expect, tell
from demo.telling import Telling

_FAILED, _INTERRUPTED = 1, 130


def main() -> int:
    """Run the story in a folder that goes away, and compare the machine before and after."""
    started = time.monotonic()
    before = Traces.now()
    telling = Telling()
    try:
        with tempfile.TemporaryDirectory(prefix="backupspec-demo-") as folder:
            tell(telling, Path(folder))
        expect(not before.left(), "this was left on the machine:\n" + "\n".join(before.left()))
    except (CommandFailedError, LabError, NotTrueError) as error:
        telling.failed(str(error))
        return _FAILED
    except KeyboardInterrupt:
        telling.failed("interrupted; everything was taken down")
        return _INTERRUPTED
    telling.summary(time.monotonic() - started)
    return 0


if __name__ == "__main__":
    sys.exit(main())
