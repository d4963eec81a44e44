"""Codes of names and references (BS2xx) and of schedules and retention (BS3xx)."""

from __future__ import annotations

from backupspec.codes import Entry
from backupspec.diagnostic import Severity

NAMES: tuple[Entry, ...] = (
    # --- BS2xx: names and references -------------------------------------------------------------------------------
    Entry(
        "BS201",
        "name of nothing",
        "A name refers to a repository, server, profile, policy, schedule, site or operating system that is not "
        "declared. The job behind it would go nowhere or run at no time. Correct the spelling (the hint names the "
        "nearest one), or declare it.",
    ),
    Entry(
        "BS202",
        "one name for two machines",
        "A former or retired name is also the name of a machine that is declared. Repositories, accounts and archives "
        "carry these names, so two machines would write into each other's backups. Take the name away from one of "
        "them.",
    ),
    Entry(
        "BS203",
        "`remove` takes away nothing",
        "`remove` names an entry that no earlier layer (defaults, profiles, host) gives, so it has no effect: it is "
        "misspelt, or what it was meant for has gone. Correct it or delete it.",
    ),
    Entry(
        "BS204",
        "`off` without a job",
        "A job is turned `off` that no profile and no earlier layer brings. It is misspelt, and the job that was "
        "meant still runs; or the job has gone from the profile, and the line can go as well.",
    ),
    Entry(
        "BS205",
        "no host key",
        "The file that holds a machine's public ssh host key is not in the inventory's folder. Hosts connect only to "
        "machines whose key they know, since who answers in a server's place gets the backups. Copy "
        "`/etc/ssh/ssh_host_ed25519_key.pub` of that machine to the place that the message names.",
    ),
    Entry(
        "BS206",
        "private key",
        "The file or text is a private ssh key; the inventory holds public keys only. Whoever can read the repository "
        "can now use the key. Make a new key pair on the machine, put its public half here, and remove the private "
        "one from the history of the repository too.",
    ),
    Entry(
        "BS207",
        "not a public key",
        "The text is not exactly one public ssh key as OpenSSH writes it (algorithm, base64, perhaps a comment). A "
        "line that was cut while it was copied, options before the key or a second line make sshd ignore the line or "
        "read another one than was meant. Copy the `.pub` file as it is.",
    ),
    Entry(
        "BS208",
        "`account` without `shared`",
        "`account` names the one account of a server with `accounts: shared`. With an account for each host, which is "
        "the default, there is nothing to name. Delete `account`, or add `accounts: shared`.",
    ),
    Entry(
        "BS209",
        "two systems for one machine",
        "A machine stands under `hosts` and under `servers` with different operating systems. Its units and scripts "
        "depend on it and would be wrong for one of the two. Say `os` in one place only; the other takes it over.",
    ),
    Entry(
        "BS210",
        "job without a repository",
        "Neither the job nor its host, profiles or `defaults` say where its archives go, so nothing would be backed "
        "up. Write `to: [REPOSITORY]` in one of them.",
    ),
    Entry(
        "BS211",
        "not a repository location",
        "A foreign repository is named as `ssh://USER@HOST[:PORT]/PATH`; a path relative to the account's home is "
        "written `/./PATH`. Other forms (`user@host:path`, file names) are read differently by different versions of "
        "borg.",
    ),
    Entry(
        "BS212",
        "declared and not used",
        "Nothing refers to this name. Often it is left over; sometimes a host was meant to use it and the reference "
        "is missing or spelt like another name. Delete it, or use it.",
        Severity.NOTE,
    ),
    Entry(
        "BS213",
        "nothing is written there",
        "A repository is declared, and no job of any host goes to it; or a server, and no repository lies on it. "
        "Whoever reads the inventory takes it for a copy that exists. Add it to a job's `to`, or delete it.",
        Severity.WARNING,
    ),
    Entry(
        "BS214",
        "one account for two owners",
        "The Unix account on a server is `bs-` and the host's name, with dashes for dots; of a repository with `per: "
        "fleet` it is `bs-fleet-` and the repository's name. Two of them come out alike here, and each would be able "
        "to read and delete the other's archives. Rename one.",
    ),
    Entry(
        "BS215",
        "account that is taken",
        "`account` names an account that has another task on the server: `root` would give every backup key the "
        "machine, and `backupspec` runs the server's own jobs with the right to read all files. Choose another name, "
        "such as `borg`.",
    ),
    Entry(
        "BS216",
        "one key twice",
        "The same public ssh key stands for two machines. sshd takes the first line that fits a key, so one of the "
        "hosts would land in the other's repositories and never reach its own; and one stolen key opens both. It "
        "happens when machines are cloned or lines are copied. Make a key pair of its own on each machine (`apply` "
        "does so on its first run).",
    ),
    Entry(
        "BS217",
        "no public key yet",
        "The host writes to a server, and the file with its public ssh key is not there. Everything is compiled but "
        "the host's line in the server's key file, so its jobs cannot log in yet. Run the host's `apply`: it makes "
        "the key and prints the line; put that into the file and compile again.",
        Severity.WARNING,
    ),
    Entry(
        "BS218",
        "shared repository, separate passphrases",
        "A repository with `per: fleet` has one passphrase, which all its hosts need; with `passphrase: per-host` the "
        "first host to initialise it would lock out all others. Write `passphrase: {credential: NAME}` and put the "
        "same credential on each host.",
    ),
    Entry(
        "BS219",
        "value that a target cannot hold",
        "A value of the inventory has no way to be written in one of the languages that it must be compiled to (a "
        "unit file, a line of sshd, a pattern of borg), so that the real tool would read something else. The "
        "message names the value and the reason. Rename the file or write the pattern differently.",
    ),
    Entry(
        "BS220",
        "one for the fleet, at many places",
        "With `per: fleet` all hosts share one repository, its key and its passphrase. `{host}` in its `path` or `url` "
        "stands for the host's name, so that each host would get a repository of its own after all, under one "
        "passphrase for all of them. Take `{host}` away, or leave `per: fleet` out.",
    ),
    Entry(
        "BS221",
        "credential with another's name",
        "Each passphrase lies on the host as a file named after its credential. The name given here is also that of "
        "the passphrase which `apply` makes for another repository (`passphrase-REPOSITORY`), so both would be one "
        "file, and whoever was given the one could open the other. Choose another name.",
    ),
    # --- BS3xx: schedules and retention ----------------------------------------------------------------------------
    Entry(
        "BS222",
        "one name for two jobs",
        "A host has two jobs of the same name, in different sections. Units, scripts and archives are named after "
        "jobs, so both would claim the same ones. Give one of them another name.",
    ),
    Entry(
        "BS223",
        "another kind in a later layer",
        "A later layer says that a databases job is of another kind than an earlier one. Settings of the two kinds do "
        "not fit together. Say the same kind, or turn the earlier job `off` and give the new one another name.",
    ),
    Entry(
        "BS224",
        "definition that cannot be used",
        "`xml` names a file with the definition of a virtual machine, as `virsh dumpxml --inactive` writes it. It is "
        "missing, it is none, or it is that of another machine.",
    ),
    Entry(
        "BS225",
        "disks not known",
        "Nothing says which disks a virtual machine has. They are found when the inventory is compiled: in the file "
        "that `xml` names, or in a list under `disks`.",
    ),
    Entry(
        "BS226",
        "setting of another method",
        "An entry of `virtual_machines` says something that its `method` does nothing with. `snapshot` takes all "
        "writable disks and leaves the snapshot in their images: nothing goes to a repository, nothing is left out, "
        "and no agent is asked. With `guest` nothing is read at all: what, where to and how often is said in the host "
        "that runs in it. `keep_free` is for snapshots alone, `full_every` for `incremental`.",
    ),
    Entry(
        "BS227",
        "snapshots without a retention of their own",
        "Snapshots of a virtual machine grow inside its images, so how many of them stay is never taken over from the "
        "host, its profiles or `defaults`, whose retention is meant for backups. Say it in the entry: `retention: "
        "{hourly: 6, daily: 3}`.",
    ),
    Entry(
        "BS301",
        "unknown time zone",
        "Time zones are names of the IANA database, such as `America/Toronto` or `UTC`. Abbreviations such as `CET` "
        "ignore summer time or mean several places. A timer with an unknown zone never starts.",
    ),
    Entry(
        "BS302",
        "window of no length",
        "The window begins and ends at the same minute. It could mean no time at all or the whole day, so it is "
        "refused. Write `00:00-24:00` for the whole day.",
    ),
    Entry(
        "BS303",
        "interval does not divide the day",
        "`every` starts a job at equal distances, the same times each day, so it must divide 24 hours: 15m, 1h, 90m, "
        "2h, 3h, 4h, 6h, 8h, 12h. With another interval the gap at midnight would differ from the others. Take the "
        "nearest one, or list the times in `calendar`.",
    ),
    Entry(
        "BS304",
        "time that does not exist",
        "When summer time begins, an hour is skipped; a job at a time in it does not run on that night, or runs at "
        "another time. Choose a time outside of that hour, a `window` that is wider (its jobs never start in the "
        "skipped hour), or the zone `UTC`.",
    ),
    Entry(
        "BS305",
        "no time left",
        "After the host's quiet hours and the hour that summer time skips are taken away, nothing is left of the "
        "schedule: the job would never run, and since a start that is held back is no failure, no alert would tell. "
        "Move the window or the times of the `calendar`, or make the quiet hours shorter; `quiet` and `schedule` may "
        "be set for each host.",
    ),
    Entry(
        "BS306",
        "calendar time in quiet hours",
        "A `calendar` schedule names its times itself, so they cannot be moved out of the host's quiet hours as with "
        "`window` and `every`. Such a start is held back by a condition of the job's unit: the job does not run at "
        "that time, and no alert tells. Change the time, or use a `window`.",
        Severity.WARNING,
    ),
    Entry(
        "BS307",
        "not a calendar time",
        "`calendar` takes systemd's calendar times, such as `Mon..Fri 22:30` or `*-*-01 04:00` (see systemd.time(7)), "
        "without a time zone, which `timezone` gives. systemd refuses to load a timer with anything else, and the job "
        "would never run. `systemd-analyze calendar TEXT` explains a text.",
    ),
    Entry(
        "BS308",
        "keeps longer than it seems",
        "borg keeps the last archive of each of the last N hours (days) *that have one*, not of the last N hours by "
        "the clock. With `hourly: 24` and one archive a day it keeps 24 days. Nothing is lost, but more is stored "
        "than the policy says. Leave the finer rule out, or run the job more often.",
        Severity.WARNING,
    ),
    Entry(
        "BS309",
        "kept for ever in limited space",
        "All archives are kept, and the repository has a quota. The day on which it is full is only a matter of time; "
        "from then on each backup fails. Watch the free space, or choose a retention that ends.",
        Severity.NOTE,
    ),
)
