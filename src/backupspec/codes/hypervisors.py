"""BS7xx: what an inventory says of a hypervisor, compared with what is there (`backupspec libvirt check`)."""

from __future__ import annotations

from backupspec.codes import Entry
from backupspec.diagnostic import Severity

HYPERVISORS = (
    Entry(
        "BS701",
        "virtual machine that nobody backs up",
        "A virtual machine runs on the hypervisor and is neither under `virtual_machines` nor under `not_backed_up`. "
        "What is new is forgotten that way. `backupspec libvirt discover` writes the lines for it; one that needs no "
        "backup gets an entry under `not_backed_up` with the reason.",
    ),
    Entry(
        "BS702",
        "machine that is off and not backed up",
        "A virtual machine is defined on the hypervisor, does not run, and is neither under `virtual_machines` nor "
        "under `not_backed_up`. It may be a template, or one that is started once a year: back it up, or say why not.",
        Severity.WARNING,
    ),
    Entry(
        "BS703",
        "virtual machine that is not there",
        "A job backs up a virtual machine that the hypervisor does not have, under this name at least. The job fails "
        "each time. Name the right one in `domain`, move the job to the hypervisor that has it now, or delete the "
        "job. A transient machine is not there while it is off.",
    ),
    Entry(
        "BS704",
        "disk that is not there",
        "A job names a disk that the virtual machine does not have, so the job fails and makes no archive. Attach the "
        "disk again, or take it out of `disks` and of the kept definition.",
    ),
    Entry(
        "BS705",
        "disk with another target",
        "What lay behind one disk lies behind another one now: it was attached under another target, as happens when "
        "a bus is changed. The job fails until the inventory names the new one; the series of archives goes by the "
        "target.",
    ),
    Entry(
        "BS706",
        "disk that nobody backs up",
        "A virtual machine has a disk that its job neither backs up nor leaves out. Each run says so and goes on "
        "without it. Name it under `disks`, or under `without` with the reason; where a definition is kept (`xml`), "
        "keep it anew.",
    ),
    Entry(
        "BS707",
        "kept definition out of date",
        "The definition that the inventory keeps of a virtual machine says something else about its disks than the "
        "hypervisor does, though their backup does not change for it. Sandboxes and rules for what a job may read are "
        "compiled from it: keep it anew with `virsh dumpxml --inactive`, or with `backupspec libvirt discover "
        "--xml-folder`.",
        Severity.WARNING,
    ),
    Entry(
        "BS708",
        "no guest agent where one is required",
        "A job makes an archive only if the guest's file systems were held still, and the virtual machine has no "
        "guest agent that could do it: no channel for one, or nobody who opened it. The job fails. Install "
        "qemu-guest-agent in the guest, wait if it is just starting, or let `quiesce` be `preferred`.",
    ),
    Entry(
        "BS709",
        "nothing left to leave out",
        "An entry of `not_backed_up` names a virtual machine that the hypervisor does not have. If it has another "
        "name now, write that; else delete the entry, so that the next one of this name is not left out silently.",
        Severity.NOTE,
    ),
    Entry(
        "BS710",
        "definition that is not understood",
        "libvirt gave a definition of a virtual machine in which disks could not be told. It cannot be compared, and "
        "a job for it cannot be trusted to be right.",
        Severity.WARNING,
    ),
    Entry(
        "BS711",
        "drill that waits for no agent",
        "A drill boots a copy until its guest agent answers, and the virtual machine has no channel for an agent, so "
        "the drill always fails. Give the machine the channel org.qemu.guest_agent.0, or let the drill wait for a "
        "text on the console.",
    ),
)
