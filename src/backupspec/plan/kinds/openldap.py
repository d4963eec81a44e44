"""OpenLDAP: slapcat of each directory and of the configuration, as the account of slapd."""

from __future__ import annotations

from dataclasses import dataclass

from backupspec.database import OpenLDAP
from backupspec.fleet import DatabaseJob
from backupspec.plan.kinds.recipe import ENCODING, MIB, Encoding, Names, Recipe, Room, Script, names, note, title
from backupspec.words import Comment, ShellWord


@dataclass(frozen=True, slots=True)
class View:
    """The view of the templates of OpenLDAP."""

    title: Comment
    notice: Comment
    account: ShellWord
    configuration: ShellWord
    names: Names
    encoding: Encoding = ENCODING


def recipe(job: DatabaseJob, kind: OpenLDAP) -> Recipe:
    """Give the recipe."""

    def view(text: str) -> View:
        return View(
            title=title(job, text),
            notice=note(job),
            account=ShellWord(kind.account),
            configuration=ShellWord(kind.configuration),
            names=names(kind.choice),
        )

    scripts = [
        Script("names", "databases/openldap/names", view("Name the directories of slapd")),
        Script("dump", "databases/openldap/dump", view("Dump one directory of slapd, or its configuration")),
        Script("load", "databases/openldap/load", view("Make a directory of slapd from a dump")),
    ]
    if job.drill is not None:
        scripts.append(
            Script("scratch", "databases/openldap/scratch", view("Make directories from dumps and compare them"))
        )
    return Recipe(
        scripts=tuple(scripts),
        special=(".configuration",),
        aside="the folder backupspec-aside in its own",
        tools=(("setpriv", "util-linux"), ("slapcat", "slapd")),
        writer=kind.account,
        room=Room(3, 16 * MIB),
        restores=tuple(sorted({kind.configuration.rpartition("/")[0] or "/", *(job.data or ("/var/lib/ldap",))})),
        offline=True,
        renames=False,
    )
