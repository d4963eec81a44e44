"""What the plan of a databases job needs to know of its kind: its scripts, and what they touch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from backupspec.database import Choice, Container, Endpoint
from backupspec.fleet import DatabaseJob
from backupspec.plan.places import notice
from backupspec.words import Comment, ShellPattern, ShellWord

Word = Literal["names", "dump", "load", "scratch"]
"""The scripts of a kind, each with one contract:

* `names`: writes the name of everything that is dumped, each ended by NUL: `=NAME` a database, or a word of the kind's
  for what is none (`special`); `.all` is all databases of a server together, and may exist. It need not be believed:
  whatever else it writes is refused where it comes in (databases/enter.sh.j2).
* `dump ENTRY`: writes the dump of one such entry to standard output; ends with 0 only if it is whole.
* `load exists NAME`: 0 if there is such a database, 1 if not. `load make NAME ENTRY`: makes it from the dump of ENTRY
  on standard input. `load drop NAME ENTRY`: takes away what a `make` that failed has left. `load set-aside NAME`, `load
  put-back NAME`, `load forget NAME`: moves one out of the way before a new one is made, back if that fails, and for
  ever if it does not; a put-back is owed from the moment that set-aside makes $RUNTIME_DIRECTORY/moved, also where
  nothing was moved yet. Each may be killed, and `drop` and `put-back` then run in another process. `load peek NAME
  ENTRY`: reads the beginning of the dump before `make`, where the kind says so.
  `load place NAME ENTRY`: after a `make` that read a whole dump, puts what it made where it belongs, where the kind
  says so; all or nothing, with what `put-back` would do.
* `scratch DUMPS WORK`: a drill, as an account that has nothing else. Restores the dumps that lie in the folder DUMPS
  (ENCODED.dump), which it can only read, with the help of the empty folder WORK; asks the assertions, says what it
  found in the last line; ends with 0 only if all is well.
"""


@dataclass(frozen=True, slots=True)
class Script:
    """One script of a kind: its word, its template (without suffix) and the template's view."""

    word: Word
    template: str
    view: object


@dataclass(frozen=True, slots=True)
class Encoding:
    """How long a name in an archive's may get, in characters, and what of one that is longer stays.

    `kept` of its encoding and `hashed` digits of its SHA-256. Other numbers would begin new series.
    """

    longest: int = 120
    kept: int = 80
    hashed: int = 32


ENCODING = Encoding()


@dataclass(frozen=True, slots=True)
class Room:
    """What a scratch server takes on the disk beside the dumps: `factor` times their size, and `least` bytes.

    An estimate from above for common tables and their indexes; tables of very narrow rows take more.
    """

    factor: int = 0
    least: int = 0


MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Recipe:
    """How one kind is dumped and restored, and what that touches.

    `sockets`: where the server's local sockets lie; `addresses`: hosts reached over TCP; `groups`: that the job joins.
    `tools`: programs that must be there, each with Debian's package. `writer`: who runs a dump, where that is not the
    jobs' account: an account's name, `root` with all its rights, or `owner` for the owner of the file that the entry
    names (whose dump script gets an empty FOLDER of its own on a disk); such a dump goes through a file. `offline`: it
    needs no network; `anything`: what it needs is not known; `jit`: its programs make code while they run. `peeks`:
    `load` wants to see the beginning of a dump first. `renames`: a dump can be restored under another name. `special`:
    all words that name what is no database. `aside`: in words, where a restore that was interrupted may have left what
    was there, or what it was to be replaced by. `places`: it makes a database elsewhere than where it belongs. `room`:
    what a drill takes. `restores`: the folders that `load` writes to, beside memory and the server; None where that is
    not known, or where it talks to a container's engine. `named_by_path`: its databases are files, and so is what
    `--as` names.
    """

    scripts: tuple[Script, ...]
    special: tuple[str, ...] = ()
    aside: str = ""
    sockets: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    credentials: tuple[str, ...] = ()
    tools: tuple[tuple[str, str], ...] = ()
    writer: str | None = None
    offline: bool = False
    anything: bool = False
    jit: bool = False
    peeks: bool = False
    renames: bool = True
    places: bool = False
    room: Room = Room()
    restores: tuple[str, ...] | None = None
    named_by_path: bool = False


@dataclass(frozen=True, slots=True)
class Names:
    """Which databases are dumped, for a script: `given` (none: all), but for those that a pattern matches."""

    all: bool
    given: tuple[ShellWord, ...]
    exclude: tuple[ShellPattern, ...]


@dataclass(frozen=True, slots=True)
class Client:
    """How the tools of a server reach it; in a container, by which `engine` they are run, and as whom `inside`."""

    host: ShellWord
    port: int | None
    user: ShellWord
    credential: ShellWord | None
    tcp: bool
    engine: ShellWord | None
    inside: ShellWord


@dataclass(frozen=True, slots=True)
class Question:
    """One assertion of a drill."""

    database: ShellWord
    query: ShellWord


def names(choice: Choice, own: tuple[str, ...] = ()) -> Names:
    """Give the choice as a script takes it: entries with their sign. `own` are the server's, which `all` leaves out."""
    given = tuple(ShellWord(f"={name}") for name in choice.names or ())
    left_out = tuple(ShellPattern(f"={pattern}") for pattern in (*own, *choice.exclude))
    return Names(choice.names is None, given, left_out)


def title(job: DatabaseJob, text: str) -> Comment:
    """Give the first comment of a script."""
    return Comment(f"{text} ({job.name} of {job.host}).")


def note(job: DatabaseJob) -> Comment:
    """Give the line that tells where to change it."""
    return notice(job.where)


def client(endpoint: Endpoint, socket: str, port: int, *, user: str = "backupspec", inside: str = "root") -> Client:
    """Give how the tools reach the server.

    `socket` and `port` are the kind's usual ones, `inside` is who they are in a container: there the server knows that
    account without a password, and `user` with one.
    """
    here = endpoint.address is None
    usual = inside if endpoint.container is not None and endpoint.credential is None else user
    return Client(
        host=ShellWord(endpoint.address or endpoint.socket or socket),
        port=endpoint.port or port,
        user=ShellWord(endpoint.user or usual),
        credential=None if endpoint.credential is None else ShellWord(endpoint.credential),
        tcp=not here,
        engine=None if endpoint.container is None else ShellWord(endpoint.container.engine),
        inside=ShellWord(inside),
    )


def rights(container: Container | None) -> tuple[tuple[str, ...], str | None]:
    """Give the groups that a dump from inside the container takes, and its writer.

    Docker obeys its group. Podman's containers of root obey root alone.
    """
    if container is None:
        return (), None
    return (("docker",), None) if container.engine == "docker" else ((), "root")


def questions(job: DatabaseJob) -> tuple[Question, ...]:
    """Give the assertions of a job's drill."""
    found: Sequence[Question] = (
        ()
        if job.drill is None
        else [Question(ShellWord(item.database), ShellWord(item.query)) for item in job.drill.assertions]
    )
    return tuple(found)
