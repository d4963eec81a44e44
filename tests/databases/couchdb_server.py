"""A server that keeps to the part of CouchDB's HTTP interface that a dump and a restore use, for the tests.

No CouchDB can be had from the package sources of the tests, and pouchdb-server (couchdb_servers) is brought by hand.
What this one answers follows the reference (docs.couchdb.org: /db/_changes, /db/_bulk_get, /db/_bulk_docs,
/db/_security) and, for the form of a stream that fails half-way, what CouchDB's own source does: the error comes inside
of a body that ends well.

Run as `couchdb_server.py PORT FILE`; FILE has `user:password`. Beside the reference there are two doors for the tests:
`PUT /_fault` takes the name of a fault, `GET /DATABASE/_state` gives everything.
"""

from __future__ import annotations

import base64
import hashlib
import http.server
import json
import sys
import time
import urllib.parse
from pathlib import Path
from typing import Any

Json = dict[str, Any]


class Database:
    """One database: of each document all revisions that were written, and the order of changes."""

    def __init__(self, *, partitioned: bool) -> None:
        self.partitioned = partitioned
        self.security: Json = {"members": {"roles": ["_admin"]}, "admins": {"roles": ["_admin"]}}
        self.documents: dict[str, dict[str, Json]] = {}
        self.changes: dict[str, int] = {}
        self.last = 0

    def write(self, document: Json, *, new_edits: bool) -> Json:
        """Store a revision and give the answer for it; one that a design of the database refuses is not stored."""
        name = document["_id"]
        if document.get("old") and any(each.startswith("_design/") for each in self.documents):
            return {"id": name, "error": "forbidden", "reason": "too old"}
        if new_edits:
            parents = self.leaves(name)
            start = 1 + max((int(rev.partition("-")[0]) for rev in parents), default=0)
            ids = [hashlib.md5(repr((document, start)).encode()).hexdigest()]  # noqa: S324 - as CouchDB does
            ids += self.documents[name][parents[0]]["_revisions"]["ids"] if parents else []
        else:
            start, ids = int(document["_rev"].partition("-")[0]), [document["_rev"].partition("-")[2]]
            history = document.get("_revisions", {"start": start, "ids": ids})
            start, ids = history["start"], history["ids"]
        rev = f"{start}-{ids[0]}"
        kept = {**document, "_rev": rev, "_revisions": {"start": start, "ids": ids}}
        self.documents.setdefault(name, {})[rev] = kept
        self.last += 1
        self.changes.pop(name, None)
        self.changes[name] = self.last
        return {"ok": True, "id": name, "rev": rev}

    def leaves(self, name: str) -> list[str]:
        """Give the revisions that nothing follows."""
        revisions = self.documents.get(name, {})
        older = set()
        for each in revisions.values():
            history = each["_revisions"]
            older |= {f"{history['start'] - age}-{one}" for age, one in enumerate(history["ids"]) if age}
        return sorted(revisions.keys() - older, reverse=True)

    def state(self) -> Json:
        """Give all leaves and settings."""
        documents = {name: [self.documents[name][rev] for rev in self.leaves(name)] for name in sorted(self.documents)}
        return {"documents": documents, "security": self.security, "partitioned": self.partitioned}


class Handler(http.server.BaseHTTPRequestHandler):
    """One request."""

    protocol_version = "HTTP/1.1"
    databases: dict[str, Database] = {}  # noqa: RUF012 - there is one server
    expected = ""
    fault = ""

    def handle_any(self) -> None:
        """Answer whatever method."""
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path, _, query = self.path.partition("?")
        parts = [urllib.parse.unquote(part) for part in path.strip("/").split("/") if part]
        options = dict(urllib.parse.parse_qsl(query))
        given = self.headers.get("Authorization", "").removeprefix("Basic ")
        if base64.b64decode(given).decode() != self.expected:
            self.answer(401, {"error": "unauthorized"})
        elif parts == ["_fault"]:
            Handler.fault = body.decode()
            self.answer(200, {})
        elif parts == ["_all_dbs"]:
            self.answer(200, sorted(self.databases))
        elif len(parts) == 1:
            self.whole(parts[0], options)
        elif parts[0] not in self.databases:
            self.answer(404, {"error": "not_found"})
        else:
            self.inside(self.databases[parts[0]], parts[1], options, body)

    do_GET = do_PUT = do_POST = do_DELETE = handle_any  # noqa: N815 - the names that http.server asks for

    def whole(self, name: str, options: Json) -> None:
        """Make, remove or describe a database."""
        there = name in self.databases
        if self.command == "PUT":
            if not there:
                self.databases[name] = Database(partitioned=options.get("partitioned") == "true")
            self.answer(412 if there else 201, {"ok": not there})
        elif not there:
            self.answer(404, {"error": "not_found"})
        elif self.command == "DELETE":
            del self.databases[name]
            self.answer(200, {"ok": True})
        else:
            props = {"partitioned": True} if self.databases[name].partitioned else {}
            self.answer(200, {"db_name": name, "props": props})

    def inside(self, database: Database, word: str, options: Json, body: bytes) -> None:
        """Answer a request for what is in a database."""
        match self.command, word:
            case "GET", "_state":
                self.answer(200, database.state())
            case "GET", "_security":
                self.answer(200, database.security)
            case "PUT", "_security":
                database.security = json.loads(body)
                self.answer(200, {"ok": True})
            case "GET", "_changes":
                since, limit = int(options["since"].partition("-")[0]), int(options["limit"])
                rows = [
                    {"seq": f"{seq}-x", "id": name, "changes": [{"rev": rev} for rev in database.leaves(name)]}
                    for name, seq in database.changes.items()
                    if seq > since
                ][:limit]
                last = rows[-1]["seq"] if rows else options["since"]
                self.answer(200, {"results": rows, "last_seq": last, "pending": 0})
            case "POST", "_bulk_docs":
                asked = json.loads(body)
                edits = asked.get("new_edits", True)
                answers = [database.write(document, new_edits=edits) for document in asked["docs"]]
                if self.fault == "refuse":
                    answers[-1] = {"id": "x", "error": "forbidden", "reason": "a fault of the tests"}
                self.answer(201, [each for each in answers if edits or "error" in each])
            case "POST", "_bulk_get":
                self.bulk_get(database, json.loads(body)["docs"])
            case _:
                self.answer(405, {"error": "method_not_allowed"})

    def bulk_get(self, database: Database, asked: list[Json]) -> None:
        """Send the revisions that are asked for, or what follows them, in the form of CouchDB's source."""
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.chunk('{"results": [')
        for number, each in enumerate(asked):
            if self.fault == "slow":
                time.sleep(0.006)
            if self.fault == "cut" and number == len(asked) // 2:
                self.chunk('\n\n{"error":"unknown_error","reason":"a fault of the tests"}\n')
                self.chunk("")
                return
            if self.fault == "close" and number == len(asked) // 2:
                self.close_connection = True
                return
            leaves = database.leaves(each["id"])
            rev = each["rev"] if each["rev"] in leaves else leaves[0]
            document = json.dumps({"ok": database.documents[each["id"]][rev]}, ensure_ascii=number % 2 == 0)
            name = json.dumps(each["id"])
            self.chunk(f'{"," if number else ""}{{"id": {name}, "docs": [{document}]}}')
        self.chunk("]}")
        self.chunk("\n")
        self.chunk("")

    def chunk(self, text: str) -> None:
        """Send one chunk of a body; an empty one ends it."""
        data = text.encode()
        self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")

    def answer(self, code: int, content: object) -> None:
        """Send a whole answer."""
        data = json.dumps(content).encode() + b"\n"
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name that http.server gives it
        """Say nothing."""


if __name__ == "__main__":
    Handler.expected = Path(sys.argv[2]).read_text(encoding="utf-8").rstrip("\n")
    http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
