"""Redis and Valkey: all data of a server as one RDB file, which it makes for a client that asks as a replica would."""

from __future__ import annotations

from dataclasses import dataclass

from backupspec.database import Redis
from backupspec.fleet import DatabaseJob
from backupspec.plan.kinds.recipe import Client, Recipe, Script, client, note, rights, title
from backupspec.words import Comment, ShellWord

PORT = 6379
HERE = "127.0.0.1"
"""Where a server listens that has no socket: Debian's packages come so."""


@dataclass(frozen=True, slots=True)
class View:
    """The view of the templates of Redis. `file` is what the server reads when it starts."""

    title: Comment
    notice: Comment
    product: ShellWord
    cli: ShellWord
    server: ShellWord
    checker: ShellWord
    client: Client
    container: ShellWord | None
    socket: ShellWord | None
    file: ShellWord


def recipe(job: DatabaseJob, kind: Redis) -> Recipe:
    """Give the recipe. A server elsewhere, or in a container, has no file here that a restore could write."""
    endpoint, product = kind.endpoint, kind.product
    local = endpoint.address is None and endpoint.container is None
    data = job.data[0] if job.data else f"/var/lib/{product}"

    def view(text: str) -> View:
        return View(
            title=title(job, text),
            notice=note(job),
            product=ShellWord(product),
            cli=ShellWord(f"{product}-cli"),
            server=ShellWord(f"{product}-server"),
            checker=ShellWord(f"{product}-check-rdb"),
            client=client(endpoint, HERE, PORT, inside=product),
            container=None if endpoint.container is None else ShellWord(endpoint.container.name),
            socket=None if endpoint.socket is None else ShellWord(endpoint.socket),
            file=ShellWord(f"{data}/dump.rdb"),
        )

    name = product.capitalize()
    scripts = [
        Script("names", "databases/redis/names", view(f"Name what is dumped of a {name} server")),
        Script("dump", "databases/redis/dump", view(f"Dump a {name} server")),
    ]
    if local:
        scripts.append(Script("load", "databases/redis/load", view(f"Put a dump where a {name} server reads it")))
    if job.drill is not None:
        scripts.append(Script("scratch", "databases/redis/scratch", view(f"Load a dump into a scratch {name} server")))
    # Without a socket it is TCP, be it on this host; in a container it is the engine that is talked to.
    address = (endpoint.address or HERE,) if endpoint.socket is None and endpoint.container is None else ()
    groups, writer = rights(endpoint.container)
    return Recipe(
        scripts=tuple(scripts),
        special=(".all",),
        aside="the folder backupspec-aside beside the file",
        sockets=() if endpoint.socket is None else (endpoint.socket,),
        addresses=address,
        groups=groups,
        credentials=() if endpoint.credential is None else (endpoint.credential,),
        tools=() if endpoint.container is not None else ((f"{product}-cli", f"{product}-tools"),),
        writer=writer,
        restores=(data,),
        named_by_path=True,
    )
