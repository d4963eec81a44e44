"""`backupspec libvirt`: what a hypervisor has, as lines for an inventory, and compared with one."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from backupspec import findings
from backupspec.diagnostic import Diagnostics, has_errors
from backupspec.domain import Domain, read_domain
from backupspec.fleet import Fleet, Host
from backupspec.hypervisor.compare import compare
from backupspec.hypervisor.definitions import (
    OtherDefinitionError,
    file_in_the_inventory,
    fit_definitions,
    write_definitions,
)
from backupspec.hypervisor.fragment import fits, fragment
from backupspec.hypervisor.job_names import is_fit, job_names
from backupspec.hypervisor.machine import Hypervisor
from backupspec.hypervisor.read import UnreadableError, read_hypervisor
from backupspec.options import Form, Strict
from backupspec.pipeline import Compiled, compile_inventory
from backupspec.show import visible
from backupspec.suggest import did_you_mean
from backupspec.terminal import ENVIRONMENT, FINDINGS, err, exit_code, fail, out

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)

Uri = Annotated[
    str,
    typer.Argument(
        metavar="URI", help="The hypervisor, as virsh names it: qemu:///system, or qemu+ssh://root@kvm01/system."
    ),
]


@app.callback()
def _libvirt() -> None:
    """Ask a hypervisor what it has. It is only read; libvirt itself refuses anything else."""


@app.command("discover")
def _discover(
    uri: Uri,
    host: Annotated[
        str | None,
        typer.Option(
            "--host", metavar="NAME", help="The hypervisor's name in the inventory. Without it: its host name."
        ),
    ] = None,
    xml_folder: Annotated[
        Path | None,
        typer.Option(
            "--xml-folder",
            metavar="DIR",
            help="Keep each machine's definition there, without secrets, and name it in the lines. It must lie in the "
            "folder of the inventory.",
        ),
    ] = None,
) -> None:
    """Write the lines of an inventory that back up a hypervisor's virtual machines.

    They are written to standard output, with comments: what runs, where each disk lies, whether there is a guest agent.
    CD-ROM and floppy drives are no disks.
    """
    if host is not None and not is_fit(host):
        raise typer.BadParameter("use small letters, digits and, inside, single dots or dashes", param_hint="--host")
    found = _asked(uri)
    jobs = job_names(machine.name for machine in found.machines)
    files: dict[str, str] = {}
    if xml_folder is not None:
        files = _keep(found, jobs, xml_folder)
    name = host or next(iter(job_names([found.hostname.partition(".")[0]]).values()))
    reconfigure = getattr(sys.stdout, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(encoding="utf-8")  # as inventories are, whatever the locale
    sys.stdout.write(fragment(found, name, jobs, files))


@app.command("check")
def _check(
    path: Annotated[
        Path, typer.Argument(metavar="PATH", help="The inventory: a YAML file, or a folder with inventory.yaml.")
    ],
    uri: Uri,
    host: Annotated[
        str | None,
        typer.Option(
            "--host", metavar="NAME", help="Which host this is. Without it: the one that has virtual machines."
        ),
    ] = None,
    strict: Strict = False,  # noqa: FBT002 - typer turns it into an option
    form: Form = "text",
) -> None:
    """Compare an inventory with a hypervisor: machines and disks that nobody backs up, or that are not there any more.

    It also finds kept definitions that are out of date, and guest agents that are relied on and not there. It does not
    look at folders and free space on the hypervisor.
    """
    run = compile_inventory(path)
    if run.fleet is None:
        _end(run, run.diagnostics, form, strict=strict)
        return
    if host is not None:
        _named(run.fleet, host)
    found = _asked(uri)
    one = _host(run.fleet, host, found.hostname)
    if has_errors(run.diagnostics):
        err().print(visible(f"the inventory itself has errors: `backupspec validate {path}` shows them"))
    differences = run.accepted(compare(one, found, _kept(run, one)))
    _end(run, differences, form, strict=strict)


def _asked(uri: str) -> Hypervisor:
    try:
        return read_hypervisor(uri)
    except UnreadableError as error:
        fail(visible(str(error)), ENVIRONMENT)


def _keep(found: Hypervisor, jobs: dict[str, str], folder: Path) -> dict[str, str]:
    """Keep the definitions; give the file of each machine that has one, as the inventory names it."""
    texts, unfit = fit_definitions(found, jobs)
    named = {name: file_in_the_inventory(folder, f"{job}.xml") for name, job in jobs.items() if f"{job}.xml" in texts}
    if not all(fits("domain_xml", file) for file in named.values()):
        raise typer.BadParameter("an inventory cannot name files in it: spaces, say", param_hint="--xml-folder")
    try:
        made = write_definitions(folder, texts)
    except OtherDefinitionError as error:
        fail(visible(str(error)), FINDINGS)
    except OSError as error:
        fail(visible(f"cannot write {error.filename or folder}: {error.strerror}"), ENVIRONMENT)
    for each in made:
        err().print(visible(f"wrote {each}"))
    for name in unfit:
        err().print(visible(f"the definition of {name} is not kept: an inventory may not hold what stands in it"))
    return named


def _kept(run: Compiled, host: Host) -> dict[str, tuple[str, Domain]]:
    """Give the definition that the inventory keeps of each job's machine, with its file."""
    kept: dict[str, tuple[str, Domain]] = {}
    for job in host.virtual_machines:
        file = next((said for key, said, _ in job.origins if key == "xml"), None)
        text = None if file is None or run.document is None else run.document.file(file)
        domain = None if text is None else read_domain(text)
        if file is not None and isinstance(domain, Domain):
            kept[job.name] = (file, domain)
    return kept


def _named(fleet: Fleet, name: str) -> Host:
    found = fleet.host(name)
    if found is None:
        parts = (f"there is no host {name!r} in the inventory", did_you_mean(name, (one.name for one in fleet.hosts)))
        raise typer.BadParameter("; ".join(filter(None, parts)), param_hint="--host")
    return found


def _host(fleet: Fleet, name: str | None, hostname: str) -> Host:
    """Give the host that is meant: the named one, the only one with virtual machines, or the one called so there."""
    if name is not None:
        return _named(fleet, name)
    with_machines = [one for one in fleet.hosts if one.virtual_machines or one.not_backed_up]
    candidates = with_machines or list(fleet.hosts)
    if len(candidates) == 1:
        return candidates[0]
    names = (hostname, hostname.partition(".")[0])
    called = next((one for one in (*candidates, *fleet.hosts) if one.name in names), None)
    if called is None:
        known = ", ".join(one.name for one in candidates)
        raise typer.BadParameter(
            f"say which host {visible(hostname)!r} is in the inventory: {known}", param_hint="--host"
        )
    return called


def _end(run: Compiled, found: Diagnostics, form: str, *, strict: bool) -> None:
    out().print(findings.rendered(run, found, form), end="")
    raise typer.Exit(exit_code(found, strict=strict))
