"""Codes of the migration itself (BS60x to BS661); those of trees and plans are in `trees`."""

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
        "`--path-of` says, or else none: that may not be the path of the regular backups to come.",
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
        "else is. It is written in one way only: without `..`, doubled slashes and a slash at the end, and without an "
        "archive's name after `::`. Borg's own placeholders ({now}, {hostname}) would mean another repository on "
        "another day. Without `{host}` it is the repository of one host: several are not put into one by leaving a "
        "word out.",
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
    Entry(
        "BS635",
        "repository and tree lie in each other",
        "Nothing is ever written into the tree, and whoever retires the tree would remove the repository with it. "
        "Links and mounts that lead back into the tree are followed. The same holds for the folders in which Borg "
        "keeps its caches and keys.",
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
        "hold). Attributes called trusted.* are seen by root only: what is written as the account that a repository "
        "belongs to lacks them, and so does what a compiled job writes. All else of the snapshot is in the archive.",
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
)
