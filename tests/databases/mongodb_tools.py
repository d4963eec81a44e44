"""Stand-ins for MongoDB's own programs, for the tests: one file that acts by the name under which it is called.

Neither the server nor its tools can be had from the package sources of the tests. What these take and do follows the
reference (mongodb.com/docs/database-tools: mongodump, mongorestore; docs/mongodb-shell); an option that is not there is
refused. A database is a file in /srv/mongo, of JSON; /srv/fault names a fault, /srv/account has `user:password`.
"""

from __future__ import annotations

import argparse
import fnmatch
import json
import os
import re
import sys
import time
import urllib.parse
from pathlib import Path

DATA = Path("/srv/mongo")
MAGIC, END = b"\x6d\xe2\x99\x81", b"\xff\xff\xff\xff"


def path(name: str) -> Path:
    """Give where a database lies."""
    return DATA / urllib.parse.quote(name, safe="")


def everything() -> list[str]:
    """Give the names of all databases."""
    return sorted(urllib.parse.unquote(each.name) for each in DATA.iterdir())


def fault() -> str:
    """Give the fault of the moment."""
    return Path("/srv/fault").read_text(encoding="utf-8").strip()


def enter(user: str, password: str) -> None:
    """End like the tools where a server cannot be reached, or lets nobody in."""
    if fault() == "down":
        sys.exit("Failed: can't create session: could not connect to server: connection refused")
    if f"{user}:{password}" != Path("/srv/account").read_text(encoding="utf-8").rstrip("\n"):
        sys.exit("Failed: can't create session: authentication failed")


def arguments(*own: str) -> argparse.Namespace:
    """Read the arguments of a tool, with those that all have."""
    parser = argparse.ArgumentParser(allow_abbrev=False)
    for name in ("--host", "--port", "--username", "--authenticationDatabase", "--config", *own):
        parser.add_argument(name)
    for name in ("--archive", "--oplog", "--oplogReplay", "--stopOnError"):
        parser.add_argument(name, action="store_true")
    given = parser.parse_args()
    text = Path(given.config).read_text(encoding="utf-8")
    assert given.authenticationDatabase == "admin"
    enter(given.username, json.loads(text.removeprefix("password: ")))
    return given


def mongodump() -> None:
    """Write an archive: all databases, or one."""
    given = arguments("--db")
    if given.oplog and given.db:
        sys.exit("Failed: bad option: --oplog mode only supported on full dumps")
    names = [each for each in everything() if given.db in {None, each}]
    content = json.dumps({name: json.loads(path(name).read_text(encoding="utf-8")) for name in names}).encode()
    half = len(content) // 2
    sys.stdout.buffer.write(MAGIC + content[:half])
    sys.stdout.buffer.flush()
    if fault() == f"cut {given.db}":
        sys.exit("Failed: error writing data for collection: connection was unexpectedly closed")
    if fault() == "slow":
        time.sleep(1)
    sys.stdout.buffer.write(content[half:] + END)


def mongorestore() -> None:
    """Read an archive into the server."""
    given = arguments("--nsInclude", "--nsFrom", "--nsTo")
    archive = sys.stdin.buffer.read()
    if not archive.startswith(MAGIC) or not archive.endswith(END):
        sys.exit("Failed: corruption found in archive; EOF before the end")
    for name, collections in json.loads(archive[len(MAGIC) : -len(END)]).items():
        if given.nsInclude and not re.fullmatch(pattern(given.nsInclude), f"{name}.x"):
            continue
        target = name
        if given.nsFrom:
            assert re.fullmatch(pattern(given.nsFrom), f"{name}.x")
            target = given.nsTo.removesuffix(".*").replace("\\*", "*")
        there = json.loads(path(target).read_text(encoding="utf-8")) if path(target).exists() else {}
        path(target).write_text(json.dumps({**there, **collections}), encoding="utf-8")
        path(target).chmod(0o644)  # who the tool runs as has nothing to do with who may see what a server has
        if fault() == "refuse":
            sys.exit("Failed: restore error: (DuplicateKey) E11000 duplicate key error")


def pattern(text: str) -> str:
    """Give a pattern of the tools as a regular expression: `*` is any letters, behind a backslash itself."""
    return "".join(re.escape(each[-1]) if each != "*" else ".*" for each in re.findall(r"\\.|.", text))


def mongosh() -> None:
    """Do what one of our three scripts says; a shell of JavaScript this is not."""
    script = sys.argv[-1]
    enter(os.environ["user"], sys.stdin.read().split("\n")[0])  # noqa: SIM112 - as our script calls it
    name = os.environ.get("name", "")  # noqa: SIM112 - as our script calls it
    names = everything()
    if "dropDatabase" in script:
        path(name).unlink()
    elif "there ?" in script:
        own = {"admin", "config", "local"}
        print("yes" if (set(names) - own if name == ".all" else name in names) else "no")
    else:
        sys.stdout.write("".join(f"={each}\0" for each in names if not fnmatch.fnmatch(each, "local")))


if __name__ == "__main__":
    {"mongodump": mongodump, "mongorestore": mongorestore, "mongosh": mongosh}[Path(sys.argv[0]).name]()
