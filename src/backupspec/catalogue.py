"""All diagnostic codes: each has one entry, with a title and a paragraph for `backupspec explain CODE`.

Ranges: BS0xx reading and parsing, BS1xx shape, BS2xx names and references, BS3xx schedules and retention, BS4xx rules
of the whole fleet, BS5xx output, BS6xx migration, BS9xx environment. A code is never reused and never changes its
meaning.
"""

from __future__ import annotations

from backupspec.codes import Entry
from backupspec.codes.input import INPUT
from backupspec.codes.migration import MIGRATION
from backupspec.codes.output import OUTPUT
from backupspec.diagnostic import Diagnostic, Related, Severity, Span

__all__ = ["CATALOGUE", "Entry", "diagnose", "explain"]


def explain(code: str) -> Entry | None:
    """Give the entry of a code (in either case of letters), or None when there is no such code."""
    return _BY_CODE.get(code.upper())


def diagnose(  # noqa: PLR0913 - one argument for each field of a diagnostic, all but three by name
    code: str,
    message: str,
    span: Span,
    *,
    hint: str = "",
    where: str = "",
    related: tuple[Related, ...] = (),
) -> Diagnostic:
    """Make a diagnostic whose severity is the catalogue's; a code that is not in the catalogue is a KeyError."""
    return Diagnostic(code, _BY_CODE[code].severity, message, span, hint=hint, where=where, related=related)


CATALOGUE: tuple[Entry, ...] = (
    *INPUT,
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
        "A value of the inventory has no way to be written in one of the languages that it must be compiled to (a unit file, a "
        "line of sshd, a pattern of borg), so that the real tool would read something else. The message names the value and "
        "the reason. Rename the file or write the pattern differently.",
    ),
    # --- BS3xx: schedules and retention ----------------------------------------------------------------------------
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
        "schedule: the job would never run. Move the window, or make the quiet hours shorter; `quiet` and `schedule` "
        "may be set for each host.",
    ),
    Entry(
        "BS306",
        "calendar time in quiet hours",
        "A `calendar` schedule names its times itself, so they cannot be moved out of the host's quiet hours as with "
        "`window` and `every`. The job will run when nothing was meant to run. Change the time, or use a `window`.",
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
        "The line of shell ends in a way that hides every failure (`|| true`). A dump that fails would then be backed "
        "up half written, or as it was last week, and all signs stay green. Let the hook fail: the job then fails "
        "too, and the alert tells.",
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
        "The host has no `address`, so its key in the server's key file can be used from anywhere. With an address "
        "the line says `from=`, and a stolen key is of use only on that machine. Add `address`, or `roaming: true` "
        "for a machine that has none.",
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
    *OUTPUT,
    *MIGRATION,
)

_BY_CODE = {entry.code: entry for entry in CATALOGUE}
