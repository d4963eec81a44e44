"""Compare: an inventory's host, Hypervisor -> Diagnostics. What is said of a hypervisor and what is there."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping

from backupspec.analyse.places import job_place
from backupspec.catalogue import diagnose
from backupspec.diagnostic import Diagnostic, Diagnostics
from backupspec.domain import Disk, Domain
from backupspec.fleet import Host, VirtualMachineJob
from backupspec.hypervisor.machine import Hypervisor, Machine
from backupspec.suggest import did_you_mean

_PREFIX = "vm:"


def compare(host: Host, found: Hypervisor, kept: Mapping[str, tuple[str, Domain]]) -> Diagnostics:
    """Give what differs. `kept` has, by job, the file that the inventory keeps of a machine, and what it says."""
    findings = [*_left_alone(host, found), *_given_up(host, found)]
    for job in host.virtual_machines:
        machine = found.machine(job.domain)
        if machine is None:
            findings.append(_missing(job, found, kept.get(job.name)))
        elif machine.trouble:
            findings.append(_not_understood(job, machine))
        elif job.method != "guest":
            findings += _disks(job, machine, found, kept.get(job.name))
            findings += _agents(job, machine)
    return tuple(findings)


def _left_alone(host: Host, found: Hypervisor) -> Iterator[Diagnostic]:
    """Every machine has a job or a reason."""
    known = {job.domain for job in host.virtual_machines}
    known |= {each.what.removeprefix(_PREFIX) for each in host.not_backed_up if each.what.startswith(_PREFIX)}
    for machine in found.machines:
        if machine.name in known:
            continue
        runs = machine.running is not None
        yield diagnose(
            "BS701" if runs else "BS702",
            f"`{machine.name}` {'runs' if runs else 'is defined'} on {host.name}, and nothing says how it is backed up",
            host.span,
            where=host.where,
            hint="add it to `virtual_machines` (`backupspec libvirt discover` writes the lines), or to `not_backed_up` "
            "with a reason",
        )


def _given_up(host: Host, found: Hypervisor) -> Iterator[Diagnostic]:
    """Whatever is left out is there."""
    for each in host.not_backed_up:
        name = each.what.removeprefix(_PREFIX)
        if each.what.startswith(_PREFIX) and found.machine(name) is None:
            hint = did_you_mean(name, (machine.name for machine in found.machines)) or "delete the entry"
            message = f"{host.name} has no virtual machine `{name}` that could be left out"
            yield diagnose("BS709", message, each.span, where=f"{host.where}.not_backed_up", hint=hint)


def _missing(job: VirtualMachineJob, found: Hypervisor, kept: tuple[str, Domain] | None) -> Diagnostic:
    span, where = job_place(job, "domain")
    renamed = next((one for one in found.machines if kept and kept[1].uuid and one.defined.uuid == kept[1].uuid), None)
    taken = did_you_mean(job.domain, (machine.name for machine in found.machines))
    hint = "name the right one in `domain`, or delete the job: its archives stay"
    if renamed is not None:
        hint = f"by its UUID it is `{renamed.name}` now: write that name in `domain`, and keep its new definition"
    elif taken:
        hint = f"{taken} If it is gone, delete the job: its archives stay"
    return diagnose(
        "BS703",
        f"{job.host} has no virtual machine `{job.domain}`, which `{job.name}` backs up",
        span,
        where=where,
        hint=hint,
    )


def _not_understood(job: VirtualMachineJob, machine: Machine) -> Diagnostic:
    message = f"the definition of `{job.domain}` cannot be compared: {machine.trouble}"
    return diagnose("BS710", message, job.span, where=job.where, hint="look at it with `virsh dumpxml`")


def _disks(
    job: VirtualMachineJob, machine: Machine, found: Hypervisor, kept: tuple[str, Domain] | None
) -> Iterator[Diagnostic]:
    """Each disk of the job is there, each disk is the job's or left out, and the kept file is current."""
    span, where = job_place(job, "disks")
    now = {disk.target: disk for disk in machine.now.disks}
    there = {disk.target: disk for disk in machine.defined.disks} | now
    known = {*job.disks, *(target for target, _ in job.without)}
    sources = {disk.target: disk.source for disk in job.known}
    strangers = {target: disk for target, disk in there.items() if target not in known}
    update = _update(machine, found, kept)
    said = False
    for target in job.disks:
        if target in now:
            continue
        said = True
        moved = next((one for one in strangers.values() if one.source and one.source == sources.get(target)), None)
        if moved is None:
            hint = update or "delete it from `disks`, or attach it again: until then the job fails"
            yield diagnose("BS704", f"`{job.domain}` has no disk `{target}`", span, where=where, hint=hint)
        else:
            del strangers[moved.target]
            message = f"the disk `{target}` of `{job.domain}` is called `{moved.target}` now"
            hint = update or f"write `{moved.target}` in `disks`; its archives get that name from then on"
            yield diagnose("BS705", message, span, where=where, hint=hint)
    for disk in strangers.values():
        said = True
        hint = f"add it to `disks`, or write `without: {{{disk.target}: WHY}}`"
        hint = f"{update}; leave it out with `without: {{{disk.target}: WHY}}`" if update else hint
        when = "" if disk.target in now else ", from its next start on"
        message = f"`{job.domain}` has a disk `{disk.target}` ({disk.place}) that nothing backs up{when}"
        yield diagnose("BS706", message, span, where=where, hint=hint)
    if kept is not None and not said:
        yield from _out_of_date(job, machine, kept, update)


def _out_of_date(
    job: VirtualMachineJob, machine: Machine, kept: tuple[str, Domain], update: str
) -> Iterator[Diagnostic]:
    file, before = kept
    old, new = _places(before.disks), _places(machine.defined.disks)
    what = [
        f"`{target}` is {new[target]} there, not {old[target]}"
        for target in old
        if new.get(target, old[target]) != old[target]
    ]
    what += [f"it has no `{target}`" for target in old if target not in new]
    what += [f"it has `{target}`, too" for target in new if target not in old]
    if before.uuid and machine.defined.uuid and before.uuid != machine.defined.uuid:
        what.append("it is another machine of that name, with another UUID")
    if what:
        span, where = job_place(job, "xml")
        message = f"`{file}` is out of date for `{job.domain}`: {'; '.join(what)}"
        yield diagnose("BS707", message, span, where=where, hint=update)


def _places(disks: tuple[Disk, ...]) -> dict[str, str]:
    return {disk.target: disk.place for disk in disks}


def _update(machine: Machine, found: Hypervisor, kept: tuple[str, Domain] | None) -> str:
    """Say how the kept file becomes current, or nothing where none is kept."""
    if kept is None:
        return ""
    # virsh takes a name such as 1 for the number of one that runs.
    machine_id = machine.defined.uuid or machine.name
    words = ("virsh", "--connect", found.uri, "dumpxml", "--inactive", "--domain", machine_id)
    return f"keep its definition anew: {shlex.join(words)} >{shlex.quote(kept[0])}"


def _agents(job: VirtualMachineJob, machine: Machine) -> Iterator[Diagnostic]:
    """Where a guest agent is relied on, there is one."""
    runs = machine.running is not None
    lacking = {"none": "has no channel for a guest agent", "silent": "runs, and no guest agent is connected"}
    hint = "install qemu-guest-agent in the guest, and give the machine the channel org.qemu.guest_agent.0"
    if job.quiesce == "required" and (machine.agent == "none" or (runs and machine.agent == "silent")):
        span, where = job_place(job, "quiesce")
        message = f"`{job.name}` makes no archive without a guest agent, and `{job.domain}` {lacking[machine.agent]}"
        yield diagnose("BS708", message, span, where=where, hint=f"{hint}, or let `quiesce` be `preferred`")
    if job.drill is not None and job.drill.agent and machine.agent == "none":
        span, where = job_place(job, "drill")
        message = f"the drill of `{job.name}` waits for a guest agent, and `{job.domain}` {lacking['none']}"
        yield diagnose("BS711", message, span, where=where, hint=f"{hint}, or write `console: TEXT` instead")
