"""Codes of the migration from rsnapshot (BS6xx)."""

from __future__ import annotations

from backupspec.codes import Entry
from backupspec.diagnostic import Severity

MIGRATION: tuple[Entry, ...] = (
    # --- BS60x: rsnapshot.conf -------------------------------------------------------------------------------------
    Entry(
        "BS601",
        "line of rsnapshot.conf not understood",
        "rsnapshot itself would refuse this line, or it is a key that no version of rsnapshot 1.4 has. What lies in "
        "the tree depends on these lines, so nothing is guessed. `rsnapshot configtest` says the same in its own "
        "words.",
    ),
    Entry(
        "BS602",
        "rsnapshot.conf is incomplete",
        "Without a snapshot root, a ladder (`retain`) and something to back up there is no tree to speak of. If the "
        "lines stand in another file, name that one, or `include_conf` it.",
    ),
    Entry(
        "BS603",
        "include_conf would run a command",
        "rsnapshot runs what stands in backticks and reads its output as configuration. A migration runs nothing of "
        "what it reads. Run the command yourself, look at the output, and include it as a file.",
    ),
    Entry(
        "BS604",
        "configuration file cannot be read",
        "rsnapshot.conf, or a file that it includes, is not there, cannot be read, or includes itself.",
    ),
    Entry(
        "BS605",
        "rsync option that makes the tree doubtful",
        "`--inplace` overwrites files that older snapshots share, so the history may have been changed after the "
        "fact; `--fake-super` hides owners and modes in extended attributes. The tree is imported as it is; nothing "
        "can bring back what the option changed.",
        Severity.WARNING,
    ),
    Entry(
        "BS606",
        "rsync left attributes out",
        "Hard links, ACLs and extended attributes are copied only with -H, -A and -X. What was never in the tree "
        "cannot be in the archives. The first regular backup of the host will have them.",
        Severity.NOTE,
    ),
    Entry(
        "BS607",
        "original path unknown",
        "An rsync module and a logical volume do not tell where their files were on the machine, and neither do dated "
        "folders, which hold the content of some folder. The archives carry the path as the source names it, or what "
        "`--path` says, or else none: that may not be the path of the regular backups to come.",
        Severity.WARNING,
    ),
    Entry(
        "BS608",
        "script or command of rsnapshot",
        "`backup_script` and `backup_exec` run programs. The migration never runs them, and makes no job of them. "
        "The output of a script that is in the tree becomes a series of its own, HOST_script-NAME.",
        Severity.NOTE,
    ),
    # --- BS61x: the tree and the plan ------------------------------------------------------------------------------
    Entry(
        "BS610",
        "snapshot root cannot be read",
        "The folder that rsnapshot fills is not there, or this account may not read it. Mount the disk, or run as "
        "root.",
    ),
    Entry(
        "BS611",
        "not a snapshot",
        "In rsnapshot's tree only folders called NAME.NUMBER, with a name from the ladder, are snapshots; of dated "
        "ones those that fit the pattern. Staging areas, half-removed snapshots, symbolic links and everything else is "
        "left out, and said here.",
        Severity.NOTE,
    ),
    Entry(
        "BS612",
        "doubtful snapshot",
        "An interrupted rsnapshot leaves snapshots that are incomplete or carry another one's time. Importing one "
        "would give the history a backup that never was. Look at it, then say `--skip` or `--accept`.",
    ),
    Entry(
        "BS613",
        "folder is no host name",
        "Archives are named HOST_JOB_TIME, and a host's name has small letters, digits, dots and dashes, so that no "
        "pattern can ever match a series too many. Give the folder a name with `--rename FOLDER=NAME`.",
    ),
    Entry(
        "BS614",
        "two folders claim the same place",
        "Two parts of the tree would become the same path of one host, or the same archive. They are two machines "
        "under one name, or one folder was filled by two `backup` lines. Nothing is merged by guessing.",
    ),
    Entry(
        "BS615",
        "host without a backup line",
        "A snapshot holds a folder that no `backup` line fills any more: a host that was given up, or a line that "
        "was removed. It is imported as rsnapshot's default would have filled it, as a host of its own.",
        Severity.WARNING,
    ),
    Entry(
        "BS616",
        "belongs to no host",
        "A file or link that lies beside the hosts in a snapshot. It cannot be said whose it is, so it is imported "
        "nowhere. Once you know that it is not needed, `--skip` it.",
    ),
    Entry(
        "BS617",
        "no such host",
        "The host that `--host` names is in no snapshot. Hosts are called after the last folder of their "
        "destination, or as `--rename` says.",
    ),
    Entry(
        "BS618",
        "repository template",
        "`--repository` is a full path or an ssh:// URL; `{host}` in it is replaced by the host's name, and nothing "
        "else is. Borg's own placeholders ({now}, {hostname}) would mean another repository on another day. Without "
        "`{host}` it is the repository of one host: several are not put into one by leaving a word out.",
    ),
    Entry(
        "BS619",
        "host not in the inventory",
        "With `--inventory` each host's job comes from there, and its repository unless `--repository` says it. A "
        "host that is not in it, or has no files job that its history could continue, has no target; of several files "
        "jobs one has `history: true`, or `--job` names it.",
    ),
    # --- BS62x: while it runs --------------------------------------------------------------------------------------
    Entry(
        "BS620",
        "rsnapshot is running",
        "rsnapshot's own lockfile is held: the tree may be rotated at any moment. Wait, or stop rsnapshot. While a "
        "migration runs it holds that lock itself.",
    ),
    Entry(
        "BS621",
        "stale lockfile",
        "The process that wrote rsnapshot's lockfile is dead. If it was rsnapshot, its last snapshot may be "
        "incomplete; that one is then doubtful (BS612).",
        Severity.WARNING,
    ),
    Entry(
        "BS622",
        "no lockfile",
        "Nothing keeps rsnapshot from starting while the tree is read. Each archive is given its name only if the "
        "snapshots still stand as they did, but the run may stop in the middle.",
        Severity.WARNING,
    ),
    Entry(
        "BS623",
        "source changed meanwhile",
        "Snapshots were rotated, added or removed while one was read, so it may be a mixture of two. It was not "
        "imported. Stop rsnapshot and start again.",
    ),
    Entry(
        "BS624",
        "run was interrupted",
        "The process that writes into a repository ended before its work was done. Every archive with its final "
        "name is complete; the next run adds the rest.",
    ),
    # --- BS63x: repositories ---------------------------------------------------------------------------------------
    Entry(
        "BS630",
        "no repository",
        "A migration does not make repositories unless told to with `--encryption`: an unmounted disk must not "
        "become a fresh, empty repository.",
    ),
    Entry(
        "BS631",
        "repository cannot be used",
        "Borg refuses: the passphrase is wrong, the repository is locked or full, or the server does not answer. "
        "The message is Borg's own.",
    ),
    Entry(
        "BS632",
        "unencrypted repository seen for the first time",
        "Borg asks before it writes into an unencrypted repository that it never saw, since somebody may have put "
        "it in the place of an encrypted one. BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK=yes says that "
        "it is meant to be unencrypted, and so do `--encryption none` and the inventory.",
    ),
    Entry(
        "BS633",
        "archive name is taken",
        "The repository has an archive with this name that does not come from this snapshot. It is left alone. If "
        "the tree was moved since it was imported, it is known under its former path.",
    ),
    Entry(
        "BS634",
        "key of a new repository",
        "The repository was made with its key inside it, protected by the passphrase. A damaged or lost repository "
        "takes the key with it. Export the key, and keep that file and the passphrase where the backup server's loss "
        "does not reach.",
        Severity.NOTE,
    ),
    # --- BS64x: what could not be imported as it is ----------------------------------------------------------------
    Entry(
        "BS640",
        "source cannot be read",
        "A file or folder could not be read, or changed while it was. No archive was made of the snapshot: one with "
        "files missing would look like a complete one for ever. Repair the disk or the permissions and start again.",
    ),
    Entry(
        "BS641",
        "Borg cannot hold it",
        "Borg stores no sockets, and no times before 1970 or after January 2038 (they are set to the nearest it can "
        "hold). All else of the snapshot is in the archive.",
        Severity.NOTE,
    ),
    # --- BS65x: verification ---------------------------------------------------------------------------------------
    Entry(
        "BS650",
        "archive is missing",
        "A snapshot that is in the plan has no archive. Run the import again; it adds what is missing.",
    ),
    Entry(
        "BS651",
        "archive differs from the source",
        "An entry is missing in the archive or in the source, or its type, mode, owner, time, size, links, "
        "attributes or ACLs differ. Keep the old tree, delete this archive, import again, and find out what touched "
        "either.",
    ),
    Entry(
        "BS652",
        "content differs from the source",
        "The bytes that the repository gives back for a file are not those in the source. One of the two disks is "
        "lying, or somebody changed the archive. Keep the old tree and run `borg check --verify-data`.",
    ),
    # --- BS66x: the machine that runs the migration ----------------------------------------------------------------
    Entry(
        "BS660",
        "Borg's Python package is missing",
        "The migration writes through Borg's own package. Install it with the extra: `pipx install "
        "'backupspec[migrate]'`, or add `borgbackup>=1.4,<1.5` to the environment that backupspec runs in.",
    ),
    Entry(
        "BS661",
        "file names need UTF-8",
        "Python was started in a locale whose file names are not UTF-8, and Borg would store other bytes than the "
        "source has. Set LC_ALL=C.UTF-8.",
    ),
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
        "allowed to read, or that vanished meanwhile. rsnapshot takes such a run for good, and so is it imported.",
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
        "snapshot means that rsync was killed there, and that more may be missing: leave the snapshot out, or import "
        "it knowing that the file of that name is a piece of one.",
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
        "because rsnapshot removed it after the plan was made. If it had been imported before, its archive is there "
        "and stays. If not, it is lost: shorten the time between plan and run, or stop rsnapshot meanwhile.",
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
)
