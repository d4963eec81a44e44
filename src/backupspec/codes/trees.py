"""Codes of what a migration finds in a tree, of its rehearsal and of its plan files (BS662 to BS699)."""

from __future__ import annotations

from backupspec.codes import Entry
from backupspec.diagnostic import Severity

TREES: tuple[Entry, ...] = (
    # --- BS662 to BS675: what lies in the tree ---------------------------------------------------------------------
    Entry(
        "BS662",
        "hole in the numbering",
        "A rotation that is stopped halfway leaves a number without a folder; so does somebody who removes a snapshot. "
        "rsnapshot moves a folder as a whole, so the snapshots around the hole are complete, and nothing is doubtful "
        "for it. The history simply has one snapshot less there.",
        Severity.NOTE,
    ),
    Entry(
        "BS663",
        "snapshot beyond the ladder",
        "The count of a `retain` line was made smaller, and rsnapshot neither rotates nor removes what stands beyond "
        "it. It is a snapshot as good as any and is imported with its own time.",
        Severity.NOTE,
    ),
    Entry(
        "BS664",
        "logfile cannot be read",
        "rsnapshot's logfile tells which runs came to their end, and can free a snapshot from a doubt. Without it "
        "nothing is lost but that.",
        Severity.WARNING,
    ),
    Entry(
        "BS665",
        "snapshot that is not all of it",
        "The logfile says that rsync left something out in the run that made this snapshot: files that it was not "
        "allowed to read, or that vanished meanwhile; or a host is missing in one snapshot and not in its neighbours. "
        "rsnapshot takes such a run for good, and so is it imported.",
        Severity.WARNING,
    ),
    Entry(
        "BS666",
        "file of times",
        "`--times` names a YAML file with one line for each snapshot, `daily.0: 2024-01-03T02:05:00+01:00`. All "
        "snapshots must be in it, each with a time of its own and that time with its zone; nothing is guessed for one "
        "that is left out.",
    ),
    Entry(
        "BS667",
        "pattern not understood",
        "`--pattern` describes the path of a snapshot below the root: fixed text, `{host}` at most once, and the date "
        "by %Y (or %y), %m or %b, %d, or %j for the day of the year; %H, %M, %S for the time, %z for an offset, %s for "
        "seconds since 1970. A slash goes one folder deeper.",
    ),
    Entry(
        "BS668",
        "time zone",
        "Names of folders carry the local time of the machine that made them, and without its zone each would be wrong "
        "by hours, twice a year by one more. `--timezone` takes a name of the tz database, or UTC.",
    ),
    Entry(
        "BS669",
        "time that was twice on the clock",
        "In the night in which clocks are put back an hour comes twice, and a name from it may mean either. The "
        "folder's own time decides if it lies in one of them, else the first is taken.",
        Severity.WARNING,
    ),
    Entry(
        "BS670",
        "time that was on no clock",
        "In the night in which clocks are put forward an hour is left out, and no clock of that zone can have shown "
        "this time. Most often the zone is wrong. The time is taken as that of a clock which was not put forward.",
        Severity.WARNING,
    ),
    Entry(
        "BS671",
        "backup of another program",
        "The folder was made by a program whose backups are not folders of plain files, or not in a form that can be "
        "read here. The hint says how its history gets into Borg.",
    ),
    Entry(
        "BS672",
        "Attic repository",
        "Borg came from Attic and can make an Attic repository its own: `borg upgrade` of 1.2 and 1.4 does so, on the "
        "machine that has it (Borg 2 no longer does). It keeps a copy made of hard links beside it; the copy made "
        "first is for the case that the machine fails meanwhile. Archives from Attic are not signed, so Borg 1.2.5 and "
        "later want `--archives-tam` once, after a look at the list of archives.",
    ),
    Entry(
        "BS673",
        "layout unknown",
        "The folder has neither rsnapshot's names nor another layout that is known here. If it is one level too high "
        "or too low, name the folder that holds the snapshots themselves; if its folders carry dates, describe them "
        "with `--pattern`.",
    ),
    Entry(
        "BS674",
        "dated folders need a pattern",
        "Folders are called after dates, but which part is the day, whose machine's clock it was and where the hosts "
        "are is for you to say, with `--pattern` and `--timezone`: a guess would stamp the whole history with it.",
    ),
    Entry(
        "BS675",
        "not said, or not for this source",
        "A folder without the hosts' names needs `--name`; `--pattern` is for folders, since an rsnapshot.conf says "
        "everything itself.",
    ),
    Entry(
        "BS676",
        "tree cannot be read as a whole",
        "A folder, or what is known of a file, could not be read while the tree was counted. A run would fail at it, "
        "since an archive with something missing looks complete for ever. Repair the disk or the permissions first.",
    ),
    Entry(
        "BS677",
        "files that rsync was still receiving",
        "rsync writes a file under a name like `.NAME.XXXXXX` and renames it when it is complete. Such a name in a "
        "snapshot means that rsync was killed there, and that more may be missing. A run does not import the snapshot "
        "before the plan says `accept` or `skip` about it. A file that is in the snapshot before, too, is none.",
        Severity.WARNING,
    ),
    # --- BS68x: the rehearsal --------------------------------------------------------------------------------------
    Entry(
        "BS680",
        "program for the rehearsal is missing",
        "A rehearsal makes its trees with the real rsnapshot and rsync, so both must be installed where it runs: "
        "`apt-get install rsnapshot rsync`. The migration itself needs neither.",
    ),
    Entry(
        "BS681",
        "folder is not fit to rehearse in",
        "A rehearsal makes hosts, trees and repositories in a folder of its own, so that removing this folder removes "
        "all of it. It must be empty or not there yet, and rsnapshot.conf must be able to hold its path.",
    ),
    Entry(
        "BS682",
        "step of the rehearsal failed",
        "A command ended otherwise than it does on a machine that is fit for a migration. What it said stands above "
        "this finding, and everything is left in the folder of the rehearsal to be looked at. Find the cause before "
        "the day itself.",
    ),
    # --- BS69x: plan files ------------------------------------------------------------------------------------------
    Entry(
        "BS690",
        "plan file cannot be read",
        "The file is not there, is no text, or is too large to be a plan. `backupspec migrate plan` makes one.",
    ),
    Entry(
        "BS691",
        "plan contradicts itself",
        "The plan fits its schema, but a line of it speaks of something that another line does not have, or says "
        "something else about. Nothing is imported until that is mended: a slip of the pen must not leave a snapshot "
        "out.",
    ),
    Entry(
        "BS692",
        "path lies in no job",
        "A host's history is to be divided among its jobs, and something in the snapshots lies in none of their paths. "
        "The job marked with `history: true` takes the rest; without one the path would be left out silently.",
    ),
    Entry(
        "BS693",
        "planned snapshot is gone",
        "A snapshot is known again by its time, so a rotation does no harm; but this one is not in the tree any more, "
        "because rsnapshot removed it after the plan was made. What was imported and verified before needs it no more; "
        "this one was not. If it was not imported it is lost: shorten the time between plan and run, or stop rsnapshot "
        "meanwhile.",
    ),
    Entry(
        "BS694",
        "plan is about another tree",
        "rsnapshot.conf names another snapshot root than it did when the plan was made. A plan is for one tree: make a "
        "new one.",
    ),
    Entry(
        "BS695",
        "plan file is there already",
        "Plans are edited by hand, so none is replaced without being told to.",
    ),
    Entry(
        "BS696",
        "file beside the plan cannot be written",
        "The plan, its record of what was found, its report and the lists of archive ids lie side by side in one "
        "folder, which must be writable where the command runs.",
    ),
    Entry(
        "BS697",
        "the plan does not speak of everything",
        "Something lies in the tree that the plan neither imports nor leaves out with a reason: a snapshot that is "
        "newer than the plan, or one whose line was taken away. What the plan does say is done all the same, but the "
        "report will not call the old tree safe to retire.",
        Severity.WARNING,
    ),
    Entry(
        "BS698",
        "history and job store owners differently",
        "rsync with `--numeric-ids` keeps the numbers of users and groups, and so do the archives. A job without "
        "`numeric_ids: true` stores names too, so that the first regular backup would list every entry as changed. "
        "Decide once for both.",
        Severity.WARNING,
    ),
    Entry(
        "BS699",
        "folder that may be somebody's",
        "A folder stands among the snapshots and is none by its name: a copy that somebody made by hand, a rung that "
        "was taken out of rsnapshot.conf, a date in another form. It is not imported, and the report does not call the "
        "tree safe to retire until somebody has looked at it and said why it is left out.",
        Severity.WARNING,
    ),
)
