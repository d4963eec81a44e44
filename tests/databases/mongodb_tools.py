"""Stand-ins for MongoDB's own programs, for the tests: one file that acts by the name under which it is called.

Neither the server nor its tools can be had from the package sources of the tests. What these take and do follows the
reference (mongodb.com/docs/database-tools: mongodump, mongorestore; docs/mongodb-shell; docs/manual: mongod); an option
that is not there is refused. A database is a file in /srv/mongo, of JSON; /srv/fault names a fault, /srv/account has
`user:password`, /srv/oplog a line of JSON for each write: database, then collections. A server that `mongod` starts
has its databases in its own folder, and lets in whoever has its socket.
"""

from __future__ import annotations

import argparse
import fnmatch
import json
import os
import re
import signal
import socket
import sys
import time
import urllib.parse
from pathlib import Path

DATA, OPLOG = Path("/srv/mongo"), Path("/srv/oplog")
MAGIC, END = b"\x6d\xe2\x99\x81", b"\xff\xff\xff\xff"


def path(name: str, data: Path = DATA) -> Path:
    """Give where a database lies."""
    return data / urllib.parse.quote(name, safe="")


def everything(data: Path = DATA) -> list[str]:
    """Give the names of all databases."""
    return sorted(urllib.parse.unquote(each.name) for each in data.iterdir())


def put(name: str, collections: dict[str, object], data: Path) -> None:
    """Write collections into a database."""
    there = json.loads(path(name, data).read_text(encoding="utf-8")) if path(name, data).exists() else {}
    path(name, data).write_text(json.dumps({**there, **collections}), encoding="utf-8")
    path(name, data).chmod(0o644)  # who the tool runs as has nothing to do with who may see what a server has


def writes() -> list[str]:
    """Give what the server's oplog has."""
    return OPLOG.read_text(encoding="utf-8").splitlines()


def fault() -> str:
    """Give the fault of the moment."""
    return Path("/srv/fault").read_text(encoding="utf-8").strip()


def enter(user: str, password: str) -> None:
    """End like the tools where a server cannot be reached, or lets nobody in."""
    if fault() == "down":
        sys.exit("Failed: can't create session: could not connect to server: connection refused")
    if f"{user}:{password}" != Path("/srv/account").read_text(encoding="utf-8").rstrip("\n"):
        sys.exit("Failed: can't create session: authentication failed")


def behind(uri: str) -> Path:
    """Give the folder of the server whose socket a URI names; end like the tools where none listens."""
    found = re.fullmatch(r"mongodb://([^/]+)/\?directConnection=true", uri)
    assert found is not None
    with socket.socket(socket.AF_UNIX) as client:
        try:
            client.connect(urllib.parse.unquote(found[1]))
        except OSError as error:
            sys.exit(f"MongoServerSelectionError: connect: {error}")
        return Path(client.recv(4096).decode())


def arguments(*own: str) -> tuple[argparse.Namespace, Path]:
    """Read the arguments of a tool, with those that all have; give also where the server that is meant has its data."""
    parser = argparse.ArgumentParser(allow_abbrev=False)
    for name in ("--uri", "--host", "--port", "--username", "--authenticationDatabase", "--config", *own):
        parser.add_argument(name)
    parser.add_argument("--archive", nargs="?", const="-", required=True)
    for name in ("--oplog", "--oplogReplay", "--stopOnError"):
        parser.add_argument(name, action="store_true")
    given = parser.parse_args()
    if given.uri:
        return given, behind(given.uri)
    text = Path(given.config).read_text(encoding="utf-8")
    assert given.authenticationDatabase == "admin"
    enter(given.username, json.loads(text.removeprefix("password: ")))
    return given, DATA


def mongodump() -> None:
    """Write an archive: one database, or all, with what was written meanwhile if that is wanted."""
    given, data = arguments("--db")
    assert given.archive == "-"
    if given.oplog and given.db:
        sys.exit("Failed: bad option: --oplog mode only supported on full dumps")
    before = len(writes())
    names = [each for each in everything(data) if given.db in {None, each}]
    content = json.dumps({name: json.loads(path(name, data).read_text(encoding="utf-8")) for name in names}).encode()
    half = len(content) // 2
    sys.stdout.buffer.write(MAGIC + content[:half])
    sys.stdout.buffer.flush()
    if fault() == f"cut {given.db}":
        sys.exit("Failed: error writing data for collection: connection was unexpectedly closed")
    if fault() == "slow":
        time.sleep(1)
    if fault() == "held":
        Path("/tmp/half").touch()
        while not Path("/srv/go").exists():
            time.sleep(0.05)
    log = "\n".join(writes()[before:] if given.oplog else ())
    sys.stdout.buffer.write(content[half:] + b"\n" + log.encode() + END)


def mongorestore() -> None:
    """Read an archive into the server."""
    given, data = arguments("--nsInclude", "--nsFrom", "--nsTo")
    archive = sys.stdin.buffer.read() if given.archive == "-" else Path(given.archive).read_bytes()
    if not archive.startswith(MAGIC) or not archive.endswith(END):
        sys.exit("Failed: corruption found in archive; EOF before the end")
    content, *log = archive[len(MAGIC) : -len(END)].decode().splitlines()
    for name, collections in json.loads(content).items():
        if given.nsInclude and not re.fullmatch(pattern(given.nsInclude), f"{name}.x"):
            continue
        target = name
        if given.nsFrom:
            assert re.fullmatch(pattern(given.nsFrom), f"{name}.x")
            target = given.nsTo.removesuffix(".*").replace("\\*", "*")
        put(target, collections, data)
        if fault() == "refuse":
            sys.exit("Failed: restore error: (DuplicateKey) E11000 duplicate key error")
    for line in log if given.oplogReplay else ():
        for name, collections in json.loads(line).items():
            put(name, collections, data)


def pattern(text: str) -> str:
    """Give a pattern of the tools as a regular expression: `*` is any letters, behind a backslash itself."""
    return "".join(re.escape(each[-1]) if each != "*" else ".*" for each in re.findall(r"\\.|.", text))


def mongosh() -> None:
    """Do what one of our scripts says; a shell of JavaScript this is not."""
    script = sys.argv[-1]
    if sys.argv[1].startswith("mongodb://"):
        data = behind(sys.argv[1])
        if "listDatabases" in script:
            print("".join(f"{each} {len(json.loads(path(each, data).read_text()))}\n" for each in everything(data)))
        return
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


def mongod() -> None:
    """Be a server: who comes to the socket learns where the data are."""
    parser = argparse.ArgumentParser(allow_abbrev=False)
    for name in ("--dbpath", "--bind_ip", "--logpath", "--wiredTigerCacheSizeGB"):
        parser.add_argument(name, required=True)
    given = parser.parse_args()
    Path(given.logpath).write_text("Waiting for connections\n", encoding="utf-8")
    assert Path(given.dbpath).is_dir()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())  # to a server an order, not a mishap
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(given.bind_ip)
        listening.listen()
        while True:
            there, _ = listening.accept()
            with there:
                there.sendall(given.dbpath.encode())


if __name__ == "__main__":
    tools = (mongod, mongodump, mongorestore, mongosh)
    {tool.__name__: tool for tool in tools}[Path(sys.argv[0]).name]()
