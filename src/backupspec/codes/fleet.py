"""Codes of the rules of the whole fleet (BS4xx)."""

from __future__ import annotations

from backupspec.codes import Entry
from backupspec.diagnostic import Severity

FLEET: tuple[Entry, ...] = (
    # --- BS4xx: rules of the whole fleet ---------------------------------------------------------------------------
    Entry(
        "BS401",
        "several hosts in one repository",
        "Several hosts write to the same location, and the repository is declared as one for each host. They would "
        "wait for each other's lock and share one key, and each could read and delete the others' archives. Put "
        "`{host}` into the location, or, if it is meant, write `per: fleet`.",
    ),
    Entry(
        "BS402",
        "nobody prunes it",
        "The hosts can only add to an append-only repository: that protects it from a host that was broken into, and "
        "it means that no host can prune or compact it. Nothing in this inventory does so, and it grows until the "
        "disk or the quota is full; then every backup fails. Prune it by hand from a trusted machine and accept this "
        "finding, or leave `append_only` out.",
        Severity.WARNING,
    ),
    Entry(
        "BS403",
        "two repositories at one place",
        "Two repositories that a host uses lie at the same place, or one inside the other. borg's checks, prunes and "
        "compacts of one would change the other. Give each a folder of its own.",
    ),
    Entry(
        "BS404",
        "one key, two sets of rights",
        "A host's key has one line in an account's key file, and what stands in it (`append_only`, `quota`) holds for "
        "all repositories of the host there. These repositories ask for different ones, and sshd would never reach a "
        "second line with the same key. Give both the same settings, or put one of them on another server.",
    ),
    Entry(
        "BS405",
        "key file of a shared repository",
        "With `keyfile` encryption the key lies only on the host that initialised the repository; with `per: fleet` "
        "all other hosts could not open it. Use `repokey` or `repokey-blake2`.",
    ),
    Entry(
        "BS406",
        "quotas exceed the capacity",
        "The quotas of all repositories on a server add up to more than its declared capacity. Quotas then protect no "
        "longer: one host can fill the disk, and backups of all hosts fail. Lower the quotas, raise the capacity, or "
        "accept it if the sum is meant to be over-booked and the free space is watched.",
        Severity.WARNING,
    ),
    Entry(
        "BS407",
        "readable by others",
        "A repository on a machine that is not ours is written without encryption, so that whoever runs the machine "
        "can read every file. Choose `repokey-blake2`; an existing repository cannot be converted, a new one is "
        "needed.",
        Severity.WARNING,
    ),
    Entry(
        "BS408",
        "repository in a folder of the system",
        "The storage of a server and a local repository are folders that `apply` or `init` makes with owner and mode "
        "of their own, and that hold nothing else. A folder which the system has already (`/var`, `/home`, `/etc`) "
        "would lose its own owner and mode, and nobody could log in any more; what lies in `/run` or `/dev` is gone "
        "after a restart; and backupspec's own folders hold its keys. Name a folder of its own, such as "
        "`/backup/borg`.",
    ),
    Entry(
        "BS409",
        "quota that borg refuses",
        "`borg serve` takes no quota below 10 MB: it ends at once, so that the host would reach none of its "
        "repositories on that server. Give more, or leave the quota out.",
    ),
    Entry(
        "BS410",
        "job without paths",
        "The job names no path, in none of its layers: it would run every night and save nothing. Add `paths`, or "
        "turn the job `off`.",
    ),
    Entry(
        "BS411",
        "exception without a rule",
        "`except` brings back what `exclude` leaves out, and this job excludes nothing. A pattern stands in the wrong "
        "list, or the exclude that it belongs to has gone.",
    ),
    Entry(
        "BS412",
        "pattern that matches nothing",
        "The pattern begins with `/`, and nothing below the paths of any job that it applies to can match it. What it "
        "was meant to leave out is in the backup, or it is left over. Patterns are whole paths as they are on the "
        "host; `**/NAME` matches at any depth.",
        Severity.WARNING,
    ),
    Entry(
        "BS413",
        "path shadowed by an exclude",
        "A path of the job is itself left out by one of the job's excludes. borg would make an archive without it and "
        "report success. Take the exclude away (`remove: {exclude: [PATTERN]}` if it comes from a profile), or the "
        "path.",
    ),
    Entry(
        "BS414",
        "repository inside its source",
        "A local repository lies below a path that the same host backs up. Each backup would copy the repository into "
        "a repository, and with its own it grows by itself each night. Exclude its folder, or move it.",
    ),
    Entry(
        "BS415",
        "server backs up its storage",
        "A machine that holds repositories backs up the folder in which they lie. The backup would hold all other "
        "backups, copied while they change, and cannot be relied on. Exclude the storage, or back up narrower paths; "
        "for a second copy let the hosts write to a second repository.",
    ),
    Entry(
        "BS416",
        "mount point beside the matter",
        "A path under `mounted` must be a mount point before anything runs. This one has nothing to do with the "
        "paths: neither does it hold one of them nor lies it below one. It is misspelt, or left over; what was meant "
        "to be checked is not.",
        Severity.WARNING,
    ),
    Entry(
        "BS417",
        "the whole machine, all file systems",
        "The path `/` without `one_file_system: true` also reads `/proc`, `/sys`, `/dev`, `/run` and whatever is "
        "mounted at that time: network shares, a USB disk, the backup disk itself. Set `one_file_system: true` and "
        "name the other file systems that belong to the backup as paths of their own.",
        Severity.WARNING,
    ),
    Entry(
        "BS418",
        "two jobs, one path",
        "Two jobs of a host back up the same path into the same repository. It is read twice and kept under two "
        "retentions, of which the longer one wins. Take it away from one of them; for other times or places give one "
        "job several entries under `to`.",
    ),
    Entry(
        "BS419",
        "deeper job goes to fewer places",
        "The path of one job lies below a path of another, so the outer job leaves it to the inner one. The inner job "
        "does not write to all repositories of the outer one: there, these files are missing. Add the repository to "
        "the inner job's `to`, or accept it if it is meant.",
        Severity.WARNING,
    ),
    Entry(
        "BS420",
        "path below another path",
        "A path lies below another path of the same job. borg puts what is below it into each archive twice, and a "
        "restore meets it twice. Delete the deeper one. (With `one_file_system: true` both may be right: the deeper "
        "one can be another file system.)",
        Severity.WARNING,
    ),
    Entry(
        "BS421",
        "two jobs continue the history",
        "`history: true` marks the one job of a host whose series a migration continues. With two of them it is open "
        "where the old archives belong. Leave it at one of them.",
    ),
    Entry(
        "BS422",
        "hook that cannot fail",
        "The line of shell, which runs under `sh -e`, ends in a way that hides every failure (`|| true`). A dump that "
        "fails would then be backed up half written, or as it was last week, and all signs stay green. Let the hook "
        "fail: the job then fails too, and the alert tells.",
        Severity.WARNING,
    ),
    Entry(
        "BS423",
        "path that no job backs up",
        "The path lies where passphrases, keys and borg's caches are kept (`/etc/backupspec/credentials`, "
        "`/var/lib/backupspec` and systemd's places for credentials). No job backs these up: a copy of a key inside "
        "the repository that it opens helps nobody. The path would add nothing to the archive. Take it away, and keep "
        "the passphrases on paper or in a password store.",
    ),
    Entry(
        "BS424",
        "pipe that hides a failure",
        "A line of shell with a pipe ends as its last command does. When the dump on its left fails half-way, what "
        "there is of it is compressed and backed up, and all signs stay green. Write the dump to a file and compress "
        "it in a second command (`dump >FILE && gzip -f FILE`), or put the line into a script whose shell has `set -o "
        "pipefail`; the `/bin/sh` of Debian 12 has not.",
        Severity.WARNING,
    ),
    Entry(
        "BS425",
        "path required and optional",
        "A job names the same path under `paths` and under `optional_paths`. The job fails where it is missing, so "
        "calling it optional has no effect. Delete it in one of the two places (`remove` does so for what a profile "
        "gives).",
        Severity.WARNING,
    ),
    Entry(
        "BS426",
        "space for no snapshot",
        "`snapshot_space` is how much an LVM snapshot of a volume can hold, and no job that it applies to has "
        "`snapshot: lvm`. Snapshots of btrfs and ZFS take what they need from the file system. Delete the line, or say "
        "`snapshot: lvm`.",
        Severity.WARNING,
    ),
    Entry(
        "BS430",
        "host without a job",
        "The host is declared and nothing of it is backed up: it has no job, or all jobs of its profiles are `off`. "
        "Give it a profile or a job, or move its name to `retired`.",
        Severity.WARNING,
    ),
    Entry(
        "BS431",
        "all copies at one site",
        "The inventory declares sites, and all repositories of a job are at the site of the host itself. What happens "
        "to the site (fire, theft, a flooded cellar) happens to the data and to all of its copies. Add a repository "
        "at another site to the job's `to`.",
        Severity.NOTE,
    ),
    Entry(
        "BS432",
        "only copy on the machine itself",
        "The job's archives lie on the same machine as its data, and nowhere else. They help against a deleted file, "
        "not against a broken or stolen machine, nor against whoever breaks into it. Add a repository on another "
        "machine to `to`.",
        Severity.WARNING,
    ),
    Entry(
        "BS433",
        "key without `from=`",
        "The host has no `address`, or one that does not tell from where the server sees it (a name, or a jump host on "
        "the way), so its key in the server's key file can be used from anywhere. With an IP address the line says "
        "`from=`, and a stolen key is of use only on that machine. Add `address`, or `roaming: true` for a machine "
        "that has none; behind a jump host there is nothing to write.",
        Severity.NOTE,
    ),
    Entry(
        "BS434",
        "server known by name only",
        "The server's address is a DNS name. systemd can limit a job's network to addresses only, so that limit is "
        "left out of the units of all hosts that use it, and backups depend on the DNS. Write the IP address if it is "
        "fixed.",
        Severity.NOTE,
    ),
    Entry(
        "BS435",
        "nobody hears of failures",
        "The fleet has several machines and no `alerts`: a job that fails is written to its machine's journal and "
        "nowhere else, and a backup that has failed for weeks is found out on the day of the loss. Say where failures "
        "are reported: `alerts: {admins: {mail: admins@example.org}}`, or a command of your own.",
        Severity.NOTE,
    ),
    Entry(
        "BS440",
        "files of a database server",
        "A files job reads the folder of a database server. The server writes there while borg reads, so that the copy "
        "most often cannot be restored, and nothing says so until it is needed. Give the host a databases job, which "
        "dumps the databases and makes files jobs leave the folder out.",
        Severity.WARNING,
    ),
    Entry(
        "BS441",
        "left to a dump",
        "A files job comes by the folder of a database server that a databases job of the same host dumps, and leaves "
        "it out by itself. What else lies there, such as a configuration, is left out too: name it under `data` of the "
        "databases job if only a part of the folder is the server's.",
        Severity.NOTE,
    ),
    Entry(
        "BS442",
        "nothing left to back up",
        "A path of a files job lies in the folder of a database server that a databases job of the same host dumps. "
        "Files jobs leave that folder out, so nothing would be left of the path.",
    ),
    Entry(
        "BS443",
        "a drill asks for what is not dumped",
        "An assertion of a drill names a database that its job does not dump, so every drill would fail.",
    ),
    Entry(
        "BS444",
        "two ways at once",
        "Two settings of a databases job contradict each other: a server is reached over its socket, over the network "
        "or in its container, and a dump of everything at one point in time leaves no choice of databases.",
    ),
    Entry(
        "BS445",
        "dumps in a wrong place",
        "`stage` names a folder in which dumps cannot be kept: one where everybody may write, one in a repository, or "
        "one of the system or of backupspec itself. Give them a folder of their own, on a disk with room for two "
        "copies of all databases.",
    ),
    Entry(
        "BS446",
        "taken as it stands",
        "A value of a databases job is valid and most likely not meant so, since nothing in it is special: a list "
        "that names a database `all`, a path of a file with `*`, a socket where its folder belongs or the other way "
        "round, slapd.conf in place of the folder slapd.d, `exclude` beside a list of names. The first run would fail, "
        "or dump something else. Write what the hint says, or accept the finding.",
        Severity.WARNING,
    ),
    Entry(
        "BS447",
        "user without a password",
        "Over its local socket a server lets in who has the name of the Unix account that comes, and jobs run as "
        "`backupspec`. A user of another name needs a `credential`, or a mapping of names on the server "
        "(pg_ident.conf); with such a mapping, accept this finding.",
        Severity.WARNING,
    ),
    Entry(
        "BS448",
        "one database, two jobs",
        "Two databases jobs of a host dump the same databases of the same server. That costs twice the time and room; "
        "for other times or places give one job several entries under `to`. Otherwise let each name or exclude what "
        "the other one dumps.",
        Severity.WARNING,
    ),
)
