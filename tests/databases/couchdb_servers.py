"""Servers that speak CouchDB's HTTP interface inside a machine, and what a test asks of them."""

from __future__ import annotations

import abc
import base64
import contextlib
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import quote

from tests.databases import couchdb_server
from tests.databases.house import House

PASSWORD = 'it\'s "s3cret" $HOME \\ é'
PORT = 15984
SLOW_CURL = """#!/bin/sh
case $* in *wiki/_bulk_get*) sleep 2 ;; esac
exec /usr/bin/curl "$@"
"""


class Server(abc.ABC):
    """A server inside the machine."""

    odd: ClassVar[str]
    """A database whose name has all letters that the server takes."""
    own: ClassVar[tuple[str, ...]] = ("_users",)
    """The databases of its own that are dumped."""

    def __init__(self, house: House, checkout: Path) -> None:
        self.house, self.machine, self.checkout = house, house.machine, checkout
        user = 'user = "backupspec:{}"\n'.format(PASSWORD.replace("\\", "\\\\").replace('"', '\\"'))
        self.machine.write("/root/curl", user, mode=0o600)
        self.pid = ""
        self.start()

    @abc.abstractmethod
    def words(self) -> str:
        """Prepare its files, and give the command that runs it."""

    @abc.abstractmethod
    def state(self, database: str) -> Any:  # noqa: ANN401 - whatever JSON there is
        """Give everything that a database has; its `documents` are the leaves of each name."""

    @abc.abstractmethod
    def slow(self) -> contextlib.AbstractContextManager[None]:
        """Let each answer of a dump of the large database take a while."""

    def start(self) -> None:
        """Start it."""
        self.pid = self.machine.sh(f"{self.words()} >/root/server.log 2>&1 </dev/null & echo $!").stdout.strip()
        end = time.monotonic() + 60
        while self.machine.run(["curl", "-s", f"http://127.0.0.1:{PORT}/"], check=False).code:
            assert time.monotonic() < end, self.machine.read("/root/server.log")
            time.sleep(0.1)

    def stop(self) -> None:
        """End it."""
        self.machine.sh(f"kill {self.pid}; while [ -e /proc/{self.pid} ]; do sleep 0.1; done")

    def ask(self, path: str, method: str = "GET", body: object = None) -> Any:  # noqa: ANN401 - whatever JSON there is
        """Send a request as the administrator."""
        words = ["curl", "-sS", "-K", "/root/curl", "-X", method, "-H", "Content-Type: application/json"]
        data = (body if isinstance(body, str) else json.dumps(body)).encode()
        words += [] if body is None else ["--data-binary", "@-"]
        return json.loads(self.machine.run([*words, f"http://127.0.0.1:{PORT}/{path}"], data=data).stdout)

    def edit(self, database: str, *documents: dict[str, Any]) -> None:
        """Write documents, each as what follows the revision that is there."""
        answers = self.ask(f"{quote(database, safe='')}/_bulk_docs", "POST", {"docs": documents})
        assert [each for each in answers if "error" in each] == []

    def fill(self) -> None:
        """Make databases with all that is hard."""
        for name in ("wiki", self.odd, "_users", "_global_changes", "tmp-1"):
            self.ask(quote(name, safe=""), "PUT")
        self.ask("parts?partitioned=true", "PUT")
        odd = 'q"uo\\te\\\\ é☃ {"ok":{ \u2028 }] \\"'
        documents: list[dict[str, Any]] = [
            {
                "_id": f"page{n}",
                "n": 12345678901234567890 + n,
                "text": odd,
                "in": {"ok": {"_id": "x", "list": [[n], {}]}},
            }
            for n in range(450)
        ]
        picture = {"content_type": "image/png", "data": base64.b64encode(bytes(range(256)) * 4000).decode()}
        documents.append({"_id": 'att "x"/é', "_attachments": {"a b.png": picture}, "old": True})
        self.edit("wiki", *documents)
        refuse = 'function (doc) { if (doc.old) throw({forbidden: "too old"}); }'
        self.edit("wiki", {"_id": "_design/pages", "validate_doc_update": refuse, "n": 1.10})
        leaves = [
            {"_id": "torn", "_rev": "2-a", "v": 1, "_revisions": {"start": 2, "ids": ["a", "x"]}},
            {"_id": "torn", "_rev": "2-b", "v": 2, "_revisions": {"start": 2, "ids": ["b", "x"]}},
            {"_id": "gone", "_rev": "3-c", "_deleted": True, "_revisions": {"start": 3, "ids": ["c", "b", "a"]}},
        ]
        self.ask("wiki/_bulk_docs", "POST", {"new_edits": False, "docs": leaves})
        self.ask("wiki/_security", "PUT", {"admins": {"names": ["joe"]}, "members": {"roles": ["staff"]}})
        self.edit(self.odd, {"_id": "one"})
        self.edit("parts", {"_id": "a:one"})


class StandIn(Server):
    """The tests' own (see couchdb_server), which forgets everything when it ends, and has faults on demand."""

    odd = "a/b+c$(d)-e"

    def words(self) -> str:
        """Prepare its files, and give the command that runs it."""
        self.machine.write("/root/server.py", Path(couchdb_server.__file__).read_bytes())
        self.machine.write("/root/account", f"backupspec:{PASSWORD}\n", mode=0o600)
        return f"/usr/bin/python3 -I /root/server.py {PORT} /root/account"

    def state(self, database: str) -> Any:  # noqa: ANN401 - whatever JSON there is
        """Give everything that a database has."""
        return self.ask(f"{quote(database, safe='')}/_state")

    @contextlib.contextmanager
    def fault(self, name: str) -> Iterator[None]:
        """Let it have a fault."""
        self.ask("_fault", "PUT", name)
        try:
            yield
        finally:
            self.ask("_fault", "PUT", "")

    def slow(self) -> contextlib.AbstractContextManager[None]:
        """Let each answer of a dump take a while."""
        return self.fault("slow")


class PouchDB(Server):
    """pouchdb-server, as setup/couchdb brings it, with its databases on disk. It refuses wrong passwords only."""

    # It takes slashes out of names without a word.
    odd = "ab+c$(d)-e"
    own = ("_replicator", "_users")

    def words(self) -> str:
        """Prepare its files, and give the command that runs it."""
        self.machine.write("/root/pouch/config.json", json.dumps({"admins": {"backupspec": PASSWORD}}))
        program = self.checkout / ".couchdb/node_modules/.bin/pouchdb-server"
        self.machine.sh("mkdir -p /root/pouch/data")
        return f"cd /root/pouch; {program} --dir data --no-stdout-logs --host 127.0.0.1 --port {PORT}"

    def state(self, database: str) -> Any:  # noqa: ANN401 - whatever JSON there is
        """Give everything that a database has, by other ways than the dump's: each document, each change, each leaf."""
        url = quote(database, safe="")
        documents = self.ask(f"{url}/_all_docs?include_docs=true&attachments=true")["rows"]
        changes = self.ask(f"{url}/_changes?style=all_docs&include_docs=true")["results"]
        for change in changes:
            del change["seq"]
            change["changes"].sort(key=lambda each: each["rev"])
        changes.sort(key=lambda each: each["id"])
        # What was written once has no history that a row would not tell.
        once = {row["id"]: [row["doc"]] for row in documents if row["value"]["rev"].startswith("1-")}
        return {
            "documents": once | self.leaves(url, [each["id"] for each in changes if each["id"] not in once]),
            "all": documents,
            "changes": changes,
            "security": self.ask(f"{url}/_security"),
        }

    def leaves(self, url: str, names: list[str]) -> dict[str, list[dict[str, Any]]]:
        """Give the leaves of documents, with their history and attachments; curl asks for all in one go."""
        options = "open_revs=all&revs=true&attachments=true"
        if not names:
            return {}
        lines = [f'url = "http://127.0.0.1:{PORT}/{url}/{quote(name, safe="")}?{options}"' for name in names]
        words = ["curl", "-sS", "-K", "/root/curl", "-K", "-", "-H", "Accept: application/json", "-w", "\\n"]
        answers = self.machine.run(words, data="\n".join(lines).encode()).stdout.split("\n")
        found = [json.loads(each) for each in answers if each]
        assert len(found) == len(names)
        return {
            name: sorted((leaf["ok"] for leaf in leaves), key=lambda leaf: str(leaf["_rev"]))
            for name, leaves in zip(names, found, strict=True)
        }

    def edit(self, database: str, *documents: dict[str, Any]) -> None:
        """Write documents, each as what follows the revision that is there."""
        there = self.ask(f"{quote(database, safe='')}/_all_docs", "POST", {"keys": [each["_id"] for each in documents]})
        revisions = {row["id"]: row["value"]["rev"] for row in there["rows"] if "error" not in row}
        told = [each | ({"_rev": revisions[each["_id"]]} if each["_id"] in revisions else {}) for each in documents]
        super().edit(database, *told)

    @contextlib.contextmanager
    def slow(self) -> Iterator[None]:
        """Let each answer of a dump of the large database take a while, between its changes and its documents."""
        self.machine.write("/usr/local/bin/curl", SLOW_CURL, mode=0o755)
        try:
            yield
        finally:
            self.machine.run(["rm", "/usr/local/bin/curl"])
