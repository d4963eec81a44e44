"""Codes of the rules about virtual machines (BS45x, BS46x)."""

from __future__ import annotations

from backupspec.codes import Entry
from backupspec.diagnostic import Severity

VIRTUAL_MACHINES: tuple[Entry, ...] = (
    Entry(
        "BS450",
        "disk that nothing covers",
        "The definition of a virtual machine has a disk that the job neither backs up nor leaves out with a reason. "
        "A restored machine would come up without it, or not at all. Add it to `disks`, or say under `without` why it "
        "is not needed.",
    ),
    Entry(
        "BS451",
        "disk backed up and left out",
        "A virtual machine names a disk under `disks` and under `without`. Delete it in one of the two places.",
    ),
    Entry(
        "BS452",
        "no scratch space",
        "While the disks of a running virtual machine are read, what it overwrites is put aside into files. Where "
        "these have no room the machine stands still, so the inventory must say where they may lie: `scratch: FOLDER` "
        "in the host, in a profile, or in the virtual machine.",
    ),
    Entry(
        "BS453",
        "scratch space in a wrong place",
        "`scratch` names a folder in which QEMU cannot work safely: one where everybody may write, one in a "
        "repository, or one of the system or of backupspec itself. Give it a folder of its own, on a disk with room.",
    ),
    Entry(
        "BS454",
        "one machine, two jobs",
        "Two jobs of a hypervisor do the same with the same virtual machine. libvirt does one backup of a machine at a "
        "time, and everything would be stored twice: give one job several repositories under `to`. Snapshots beside a "
        "backup are no such case, but two jobs that take snapshots would delete each other's.",
    ),
    Entry(
        "BS455",
        "disks read while the guest backs itself up",
        "The disks of a virtual machine are read in the same hours in which the host that runs in it does its own "
        "jobs. Both are slower for it, and what the guest writes meanwhile (dumps, caches) fills the scratch space. "
        "Each schedule is read by the clock of its own zone, in summer and in winter; `every` without a window takes "
        "all hours, and `calendar` the minutes that it names. Give the virtual machine a `schedule` of its own.",
        Severity.WARNING,
    ),
    Entry(
        "BS456",
        "backed up from outside and inside",
        "The disks of a virtual machine are backed up, and the host that runs in it backs itself up too. That may be "
        "meant: the one brings back the machine, the other a file. It costs twice the space.",
        Severity.NOTE,
    ),
    Entry(
        "BS457",
        "backed up, and said not to be",
        "`not_backed_up` names a virtual machine that has a job. Delete one of the two, so that the next reader knows "
        "what holds.",
    ),
    Entry(
        "BS458",
        "guest that does not back itself up",
        "`method: guest` says that a host of this inventory, which runs in the virtual machine, backs itself up. No "
        "such host is named, or it has no job, so nothing of the virtual machine would be saved.",
    ),
    Entry(
        "BS459",
        "disk that holds no snapshot",
        "`method: snapshot` needs qcow2 for every disk that the virtual machine can write to, and for the variables of "
        "its firmware: a snapshot is of all of them or of none. Convert what is raw (`qemu-img convert -O qcow2`) and "
        "give a new definition, or delete the entry.",
    ),
    Entry(
        "BS460",
        "snapshots, and no backup",
        "All that there is of a virtual machine is snapshots. They lie in the images themselves and are lost with "
        "them: a way back after a bad update, not a backup. Add an entry for the same `domain` with `method: "
        "pull` or `guest`, or say under `not_backed_up` why none is needed.",
        Severity.WARNING,
    ),
    Entry(
        "BS461",
        "no disk to back up",
        "A virtual machine has a job, and none of its disks is in it: `without` names them all, or its definition has "
        "none. A job that stores nothing looks like a backup. Where none is needed, delete the entry and say so under "
        '`not_backed_up`, with the reason: `{what: "vm:NAME", because: WHY}`.',
    ),
    Entry(
        "BS462",
        "host that is not in this machine",
        "`guest` names the host of this inventory that runs in a virtual machine. That is never the hypervisor "
        "itself, and one host runs in one machine only: with the wrong name nothing would tell that the right one "
        "is not backed up.",
    ),
    Entry(
        "BS463",
        "disk whose changes are not noted",
        "`method: incremental` reads the blocks that changed since the last backup. QEMU notes these in qcow2 images "
        "alone, so with any other disk each backup would be a full one. Convert it (`qemu-img convert -O qcow2`) and "
        "give a new definition, leave it to another job, or write `method: pull`.",
    ),
    Entry(
        "BS464",
        "snapshots beside checkpoints",
        "`method: incremental` leaves a checkpoint with libvirt, and libvirt goes back to no snapshot of a virtual "
        "machine that has checkpoints. So snapshots of it would be no way back.",
    ),
    Entry(
        "BS465",
        "host with a virtual machine's name",
        "A virtual machine has the name of a host that backs itself up, and does not say that this host runs in it. "
        "Then nothing tells where the two are backed up in the same hours, or twice. Write `guest: HOST`. Where they "
        "have only the name in common, accept the finding.",
        Severity.NOTE,
    ),
)
