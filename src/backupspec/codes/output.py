"""Codes of acceptances (BS49x), of the output folder and its manifest (BS50x, BS51x) and of rendering (BS59x)."""

from __future__ import annotations

from backupspec.codes import Entry
from backupspec.diagnostic import Severity

OUTPUT: tuple[Entry, ...] = (
    # --- BS49x: acceptances ------------------------------------------------------------------------------------------
    Entry(
        "BS490",
        "acceptance without a finding",
        "An entry of `accept:` names a finding that there is not: it was solved, or the code or `where` is "
        "misspelt. Such an entry would one day silence something that nobody has seen. Delete it, or copy code "
        "and `where` from `backupspec validate`.",
        Severity.WARNING,
    ),
    Entry(
        "BS491",
        "acceptance of an error",
        "`accept:` is for warnings that are known and allowed. An error says that a backup cannot work as "
        "written, so it cannot be accepted away.",
        Severity.WARNING,
    ),
    Entry(
        "BS492",
        "acceptance that ended",
        "The `until` of an entry of `accept:` lies before the day given by `validate --today`, so what it "
        "accepted is shown again. Without `--today` no date is judged: the same inventory gives the same output "
        "every day.",
        Severity.WARNING,
    ),
    # --- BS5xx: output, manifest, writing ----------------------------------------------------------------------------
    Entry(
        "BS501",
        "output folder is not ours",
        "The folder named by `--output` is not empty and holds no `manifest.json` of backupspec. Compiling "
        "replaces the whole folder, so it only ever does that with a folder that it wrote itself. Choose a new or "
        "an empty folder.",
    ),
    Entry(
        "BS502",
        "manifest of another program",
        "The output folder holds a `manifest.json` that backupspec did not write, so the folder belongs to "
        "something else. Choose another one.",
    ),
    Entry(
        "BS503",
        "manifest cannot be read",
        "The `manifest.json` in the output folder is damaged, or comes from a newer version of backupspec. It is "
        "the list of files that may be replaced; without it nothing is touched. Get it back from version control, "
        "use the newer version, or compile into a new folder and compare.",
    ),
    Entry(
        "BS504",
        "foreign files in the output folder",
        "The output folder holds files that no compile wrote (a `.git` folder, notes, an editor's backup files). "
        "The folder is replaced as a whole and what is not ours is never removed, so nothing is written until "
        "they are elsewhere. To keep compiled trees in git, compile into a folder inside the working tree.",
    ),
    Entry(
        "BS505",
        "output is not a folder",
        "What `--output` or `--against` names is a symbolic link or a file, or is not there. A link is refused "
        "because replacing it would leave the folder that it leads to as it was.",
    ),
    Entry(
        "BS506",
        "output folder holds what must stay",
        "The inventory lies inside the output folder, or the output folder is the current one. It would be "
        "replaced together with them. Choose a folder of its own, such as `compiled` beside the inventory.",
    ),
    Entry(
        "BS507",
        "another compile is running",
        "A second compile is writing to the same output folder at this moment. Wait until it is done. The lock "
        "ends with the process that holds it; there is nothing to clean up after a crash.",
    ),
    Entry(
        "BS508",
        "output cannot be written",
        "The file system refused to take the compiled files: no space, no permission, read-only, a mount point. "
        "The old output is untouched, because the new one is built beside it first.",
    ),
    Entry(
        "BS509",
        "output cannot be read",
        "An earlier output is there and its files may not be read, so it cannot be told what would change. Check "
        "the permissions of the folder, or choose another one.",
    ),
    Entry(
        "BS510",
        "host just vanishes",
        "The host was compiled before, and the inventory does not name it any more. Its timers go on running on "
        "the machine, and sooner or later fail where its account is gone. If the machine has another name now, say "
        "`formerly: [OLD]` in its entry: the new name then takes over the archives of the old one. If it was given "
        "up, name it under `retired`: it then gets a last tree whose `apply` stops its timers and removes its files. "
        "Its repository stays in any case.",
        Severity.WARNING,
    ),
    Entry(
        "BS511",
        "compiled file edited by hand",
        "A file in the output folder differs from what was compiled, or is missing. Compiling puts it back as the "
        "inventory says. If the edit was meant, say it in the inventory.",
        Severity.WARNING,
    ),
    Entry(
        "BS512",
        "hosts left out",
        "With `--host`, only the named hosts are compiled, and the output folder holds no tree of others that the "
        "inventory names, and perhaps its README and Ansible files. Compile once without `--host` before rolling this "
        "out.",
        Severity.WARNING,
    ),
    Entry(
        "BS513",
        "old output not removed",
        "The new output is in place, but the old one beside it (`.NAME.backupspec-staging`) could not be removed. "
        "Remove that folder by hand, or solve what the message says; the next compile removes it too.",
        Severity.WARNING,
    ),
    # --- BS59x: rendering --------------------------------------------------------------------------------------------
    Entry(
        "BS590",
        "two files at one path",
        "Two settings lead to the same file on the same host, so one would silently replace the other. The "
        "message names both; give one of the jobs or repositories another name. If their names differ, please "
        "report it: names that collide should have been found earlier.",
    ),
)
