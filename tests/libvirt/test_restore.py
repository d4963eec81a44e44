"""What a restore and a drill of a virtual machine refuse, and what they leave alone, with a real libvirt and QEMU."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator

import pytest

from demo.lab import unit
from demo.lab.command import Outcome
from demo.lab.site import SCRIPTS
from tests.libvirt.hypervisor import HOST, IMAGES, MIB, REPOSITORY, SCRATCH, Hypervisor, hypervisor, image

pytestmark = [pytest.mark.root, pytest.mark.borg, pytest.mark.libvirt]

NAME = "web"
SAYS = "I am up"
# Interfaces are no part of a copy, so no definition of the tests is without one.
CARD = "<interface type='user'><model type='virtio'/></interface>"
VIRSH = "/usr/local/bin/virsh"
GROUP = "/tmp/group"
COPY = "/tmp/copy.xml"
OWNERS = "/tmp/owners"
WATCHED = f"""\
#!/bin/sh
case " $* " in
    *' create '*)
        for word; do last=$word; done
        cp "$last" {COPY}
        stat -c '%U %a' {SCRATCH}/backupspec-drill-* >{OWNERS}
        ;;
esac
exec /usr/bin/virsh "$@"
"""


def _boot_sector() -> bytes:
    """Give the first sector of a disk that says something on the serial line, and stands still."""
    code = bytes.fromhex("31c0 8ed8 be407c baf803 ac ee 3c00 75fa ebfe")
    return code.ljust(0x40, b"\x90") + SAYS.encode().ljust(510 - 0x40, b"\0") + b"\x55\xaa"


@pytest.fixture(scope="module")
def kvm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hypervisor]:
    """One hypervisor for all tests of this file, and one virtual machine on it that is off and backed up."""
    with hypervisor(tmp_path_factory.mktemp("kvm")) as found:
        text = found.define(NAME, {"vda": "raw", "vdb": "qcow2"}, size=MIB, extra=CARD)
        path = image(NAME, "vda")
        found.machine.write("/root/boot", _boot_sector())
        found.machine.sh(f"dd if=/root/boot of='{path}' conv=notrunc status=none")
        job = {"xml": "domains/web.xml", "scratch_free": "1kB", "retention": {"forever": True}}
        job["drill"] = {"console": SAYS, "time_limit": "60s"}
        schedule = {"window": "01:00-05:00", "timezone": "Europe/Berlin"}
        found.written({NAME: job}, {NAME: text}, schedule=schedule)
        found.job(NAME)
        found.borg(f"mkdir {GROUP}; cd {GROUP}; borg extract ::{found.newest(NAME)}")
        yield found


def refused(kvm: Hypervisor, why: str, *words: str) -> None:
    """Hold that a restore fails, says why, and leaves images and definitions as they are."""
    look = f"ls -li --time-style=full-iso {IMAGES}; /usr/bin/virsh -q list --all --uuid --name"
    before = kvm.machine.sh(look).stdout
    ran = kvm.restore(NAME, *(words or ("--latest", "--replace")), check=False)
    assert (ran.code != 0, why in ran.output) == (True, True), ran.output
    assert kvm.machine.sh(look).stdout == before


@contextlib.contextmanager
def program(kvm: Hypervisor, name: str, text: str) -> Iterator[None]:
    """Put a program in front of the real one."""
    kvm.machine.write(f"/usr/local/bin/{name}", text, mode=0o755)
    try:
        yield
    finally:
        kvm.machine.run(["rm", f"/usr/local/bin/{name}"])


@contextlib.contextmanager
def archived(kvm: Hypervisor, edit: str) -> Iterator[None]:
    """Change the definition in the newest archive by a line of sed, as who can write into the repository could."""
    newest = kvm.newest(NAME)
    give = f"cd {GROUP}; borg delete ::{newest}; borg create ::{newest} domain.xml manifest.json"
    kvm.machine.write("/tmp/edit.sed", edit)
    kvm.borg(f"cd {GROUP}; sed -i.was -f /tmp/edit.sed domain.xml; {give}")
    try:
        yield
    finally:
        kvm.borg(f"cd {GROUP}; mv domain.xml.was domain.xml; {give}")


@contextlib.contextmanager
def planted(kvm: Hypervisor, *edits: str) -> Iterator[tuple[str, ...]]:
    """Add archives of times to come with such changes, and without disks; give their times."""
    times = tuple(f"2099-01-01T00:00:{number:02}Z" for number in range(len(edits)))
    for edit, time in zip(edits, times, strict=True):
        kvm.machine.write("/tmp/edit.sed", edit)
        kvm.borg(
            f"cd {GROUP}; rm -rf edited; mkdir edited; cd edited; cp ../manifest.json .;"
            "sed -f /tmp/edit.sed ../domain.xml >domain.xml;"
            f"borg create ::{HOST}_{NAME}_{time} domain.xml manifest.json"
        )
    try:
        yield times
    finally:
        kvm.borg(f"borg delete --glob-archives '{HOST}_{NAME}_2099-*'")


def test_a_libvirt_that_does_not_answer_is_no_missing_machine(kvm: Hypervisor) -> None:
    text = '#!/bin/sh\ncase "$*" in *"list --all"*) exit 1 ;; esac\nexec /usr/bin/virsh "$@"\n'
    with program(kvm, "virsh", text):
        refused(kvm, "libvirt does not say which virtual machines there are")


def test_an_image_that_is_open_is_not_replaced(kvm: Hypervisor) -> None:
    """Whatever has it open, and whatever libvirt knows of that: also a raw one, of a virtual machine that runs."""
    path = image(NAME, "vda")
    words = ["-S", "-display", "none", "-daemonize", "-pidfile", "/run/open.pid", "-m", "32"]
    drive = ["-drive", f"if=none,id=x,format=raw,file={path}", "-device", "virtio-blk-pci,drive=x"]
    kvm.machine.run(["qemu-system-x86_64", *words, *drive])
    refused(kvm, f"{path} is in use")
    kvm.machine.sh("kill $(cat /run/open.pid); while [ -e /run/open.pid ]; do sleep 0.05; done")
    path = image(NAME, "vdb")
    kvm.machine.run(["qemu-nbd", "--fork", "--pid-file=/run/open.pid", "--socket=/run/open", "-f", "qcow2", path])
    refused(kvm, f"{path} is in use")
    kvm.machine.sh("kill $(cat /run/open.pid); while [ -e /run/open ]; do sleep 0.05; done")


def test_an_image_that_is_opened_meanwhile_is_not_replaced(kvm: Hypervisor) -> None:
    """It is asked again when the disks are whole."""
    path = image(NAME, "vdb")
    opens = f"qemu-nbd --fork --persistent --pid-file=/run/open.pid --socket=/run/open -f qcow2 '{path}'"
    with program(kvm, "nbdcopy", f'#!/bin/sh\n[ -e /run/open ] || {opens}\nexec /usr/bin/nbdcopy "$@"\n'):
        refused(kvm, f"{path} is in use")
    kvm.machine.sh("kill $(cat /run/open.pid); while [ -e /run/open ]; do sleep 0.05; done")


def test_who_has_another_name_now_is_not_replaced(kvm: Hypervisor) -> None:
    """By its identity, and by the images that are its own, also when there is a new one of the old name."""
    kvm.virsh("domrename", NAME, "old")
    refused(kvm, "is called old now")
    other = kvm.define("other", {"vda": "raw"}, size=MIB)
    kvm.machine.write("/root/new.xml", other.replace("<name>other", f"<name>{NAME}"))
    kvm.virsh("undefine", "other")
    kvm.virsh("define", "/root/new.xml")
    refused(kvm, "is called old now")
    kvm.virsh("undefine", NAME)
    identity = kvm.virsh("domuuid", "old").stdout.strip()
    with planted(kvm, f"s/{identity}/00000000-0000-4000-8000-000000000001/"):
        refused(kvm, "is an image of another virtual machine")
    kvm.virsh("domrename", "old", NAME)


def test_a_copy_that_is_replaced_keeps_its_identity(kvm: Hypervisor) -> None:
    kvm.restore(NAME, "--latest", "--as", "copy")
    text = kvm.virsh("dumpxml", "copy").stdout
    assert "<interface" not in text
    identity = kvm.virsh("domuuid", "copy").stdout
    path = f"{IMAGES}/copy-vda.img"
    kvm.machine.run(["qemu-io", "-f", "raw", "-c", "write -P 0x33 0 1M", path])
    kvm.restore(NAME, "--latest", "--as", "copy", "--replace")
    assert kvm.virsh("domuuid", "copy").stdout == identity
    assert SAYS.encode() in kvm.outside(path).read_bytes()
    kvm.virsh("undefine", "copy")
    kvm.machine.sh(f"rm {IMAGES}/copy-*")


def test_one_that_was_put_to_sleep_is_not_replaced(kvm: Hypervisor) -> None:
    kvm.start(NAME)
    kvm.virsh("managedsave", NAME)
    refused(kvm, "was put to sleep")
    kvm.virsh("managedsave-remove", NAME)


def test_a_backup_leads_to_no_other_file_of_the_host(kvm: Hypervisor) -> None:
    """Nor is anything read for it: a definition with entities is none of libvirt's."""
    path = image(NAME, "vdb")
    somebody = f"{IMAGES}/of somebody"
    kvm.machine.run(["truncate", "-s", "1M", somebody])
    places = ("/etc/profile.d/vm.sh", f"{IMAGES}/../profile.d/vm.sh", somebody)
    whys = ("say --into /etc/profile.d", "there is no folder", "is no image of web", "none of libvirt's", "be read")
    edits = (*(f"s|{path}|{place}|" for place in places), '1i <!DOCTYPE domain [<!ENTITY x "x">]>', "s|</domain>||")
    with planted(kvm, *edits) as times:
        for time, why in zip(times, whys, strict=True):
            refused(kvm, why, "--at", time, "--replace")
        refused(kvm, whys[0], "--at", times[0], "--as", "copy")
    kvm.machine.run(["rm", somebody])


def test_a_machine_that_is_gone_comes_back_beside_its_images_or_where_it_is_told(kvm: Hypervisor) -> None:
    """A pool is a place for images; any other folder is named."""
    text = kvm.virsh("dumpxml", NAME, "--inactive").stdout
    kvm.virsh("undefine", NAME)
    kvm.machine.sh(f"mkdir /srv/kept; mv {IMAGES}/* /srv/kept")
    refused(kvm, f"say --into {IMAGES}", "--latest")
    kvm.virsh("pool-define-as", "images", "dir", "--target", IMAGES)
    kvm.restore(NAME, "--latest")
    assert SAYS.encode() in kvm.outside(image(NAME, "vda")).read_bytes()
    kvm.virsh("pool-undefine", "images")
    kvm.virsh("undefine", NAME)
    kvm.machine.sh(f"rm {IMAGES}/*; mkdir /srv/told")
    kvm.restore(NAME, "--latest", "--into", "/srv/told")
    assert f"/srv/told/{NAME}-vda.img" in kvm.virsh("dumpxml", NAME).stdout
    kvm.machine.sh(f"mv /srv/kept/* {IMAGES}; rm -r /srv/told /srv/kept")
    kvm.machine.write("/root/domain.xml", text)
    kvm.virsh("define", "/root/domain.xml")


def test_a_copy_that_fails_ends(kvm: Hypervisor) -> None:
    """The server that waits for it goes with it."""
    with program(kvm, "nbdcopy", "#!/bin/sh\nexit 1\n"):
        refused(kvm, "could not be restored as it was stored")
    assert kvm.machine.run(["pgrep", "qemu-nbd"], check=False).stdout == ""


def test_a_repository_that_is_gone_is_not_an_empty_one(kvm: Hypervisor) -> None:
    kvm.machine.run(["mv", REPOSITORY, "/backup/gone"])
    try:
        ran = kvm.restore(NAME, check=False)
        assert (ran.code != 0, "the repository cannot be read" in ran.output) == (True, True)
        drilled = drill(kvm, check=False)
        assert "the repository cannot be read" in drilled.output
    finally:
        kvm.machine.run(["mv", "/backup/gone", REPOSITORY])


def test_a_day_is_meant_to_its_end_in_the_zone_of_the_job(kvm: Hypervisor) -> None:
    # In Berlin: the evening of the 22nd, and the last second of the day after.
    times = ("2026-03-22T22:59:59Z", "2026-03-23T22:59:59Z", "2026-03-23T23:00:00Z")
    kvm.borg("; ".join(f"borg create ::{HOST}_{NAME}_{time} -" for time in times))
    for at, taken in {"2026-03-22": times[0], "2026-03-23": times[1], "2026-03-24 00:00:00": times[2]}.items():
        refused(kvm, f"the manifest of {HOST}_{NAME}_{taken} cannot be read", "--at", at)
    kvm.borg("; ".join(f"borg delete ::{HOST}_{NAME}_{time}" for time in times))


def test_the_other_word_is_named(kvm: Hypervisor) -> None:
    for words in (["/root/folder"], []):
        ran = kvm.machine.run(["backupspec-run", "restore", "local", NAME, *words], check=False)
        assert (ran.code, f"backupspec-run restore-vm {NAME}" in ran.output) == (2, True)


def drill(kvm: Hypervisor, *, check: bool = True) -> Outcome:
    """Run the drill; nothing is left of it."""
    ran = unit.run(kvm.machine, f"backupspec-drill-{NAME}_local", check=check)
    assert kvm.machine.sh(f"ls {SCRATCH}; virsh -q list --all --name | grep drill || :").stdout.strip() == ""
    return ran


def test_a_drill_boots_what_it_was_given_and_leads_nowhere(kvm: Hypervisor) -> None:
    """The folder of its disks is root's, and a definition that names programs and files of the host loses them."""
    hostile = (
        "s|<emulator>.*|<emulator>/usr/bin/env</emulator>|; s|<acpi/>|&|; s|hvm</type>|&<initrd>/etc/shadow</initrd>|;"
        "s|</devices>|<filesystem type='mount'><source dir='/etc'/><target dir='x'/></filesystem>&|"
    )
    with archived(kvm, hostile), program(kvm, "virsh", WATCHED):
        ran = drill(kvm)
    assert "2 disks as stored, 0 file systems checked, nothing recognized on: vda vdb; a copy booted" in ran.output
    assert kvm.machine.read(OWNERS) == "root 711\n"
    text = kvm.machine.read(COPY)
    assert re.findall("/usr/bin/env|/etc|<interface|<emulator", text) == []
    kvm.machine.run(["virt-xml-validate", COPY, "domain"])


def test_a_drill_names_a_file_system_that_it_cannot_check(kvm: Hypervisor) -> None:
    before = set(kvm.archives())
    disk = image(NAME, "vdb")
    kvm.machine.sh(f"cp '{disk}' /root/kept")
    squashfs = b"hsqs" + bytes(24) + b"\4"  # what tells one: its magic number, and the version of its format
    kvm.outside("/root/files").write_bytes(squashfs.ljust(MIB, b"\0"))
    kvm.machine.run(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", "/root/files", disk])
    try:
        kvm.job(NAME)
        said = (
            "2 disks as stored, 0 file systems checked, "
            "not looked at: squashfs, nothing recognized on: vda; a copy booted"
        )
        assert said in drill(kvm).output
    finally:
        kvm.machine.sh(f"mv /root/kept '{disk}'")
        for name in set(kvm.archives()) - before:
            kvm.delete_archive(name)


def test_a_drill_asks_for_room_before(kvm: Hypervisor) -> None:
    kvm.machine.run(["mount", "-t", "tmpfs", "-o", "size=1M", "tmpfs", SCRATCH])
    try:
        assert "the disks need up to 2097152" in drill(kvm, check=False).output
    finally:
        kvm.machine.run(["umount", SCRATCH])


HOSTILE = """\
<domain type='kvm' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>
  <name>web</name><uuid>00000000-0000-4000-8000-000000000001</uuid><genid/><title>Web</title>
  <metadata><x:x xmlns:x='urn:x'>/etc/1</x:x></metadata>
  <maxMemory slots='4' unit='MiB'>256</maxMemory><memory unit='MiB'>64</memory>
  <memoryBacking><source type='file'/></memoryBacking><vcpu cpuset='0'>2</vcpu><iothreads>1</iothreads>
  <sysinfo type='fwcfg'><entry name='opt/x' file='/etc/2'/></sysinfo>
  <os firmware='efi'><type arch='x86_64' machine='q35'>hvm</type><loader readonly='yes' type='pflash'>/etc/3</loader>
    <nvram>/etc/4</nvram><kernel>/etc/5</kernel><initrd>/etc/6</initrd><cmdline>x</cmdline><dtb>/etc/7</dtb>
    <boot dev='hd'/><acpi><table type='slic'>/etc/8</table></acpi></os>
  <features><acpi/></features><cpu mode='host-model'/><clock offset='utc'/><on_crash>coredump-restart</on_crash>
  <devices>
    <emulator>/etc/9</emulator>
    <disk type='file' device='disk'><driver name='qemu' type='qcow2' iothread='1'/><source file='/etc/10'/>
      <backingStore type='file'><format type='raw'/><source file='/etc/11'/></backingStore>
      <target dev='vda' bus='virtio'/></disk>
    <disk type='file' device='disk'><source file='/etc/12'/><target dev='vdb' bus='virtio'/></disk>
    <disk type='file' device='cdrom'><source file='/etc/13'/><target dev='sda' bus='sata'/><readonly/></disk>
    <controller type='scsi' index='0' model='virtio-scsi'><driver iothread='1'/></controller>
    <filesystem type='mount'><source dir='/etc/14'/><target dir='x'/></filesystem>
    <interface type='network'><source network='default'/></interface>
    <interface type='vhostuser'><source type='unix' path='/etc/15' mode='server'/><model type='virtio'/></interface>
    <serial type='file'><source path='/etc/16'/><log file='/etc/17'/><target port='0'/></serial>
    <console type='file'><source path='/etc/18'/><target type='serial' port='0'/></console>
    <channel type='unix'><source mode='bind' path='/etc/19'/>
      <target type='virtio' name='org.qemu.guest_agent.0'/></channel>
    <channel type='file'><source path='/etc/20'/><target type='virtio' name='org.x'/></channel>
    <channel type='unix'><source mode='connect' path='/etc/21'/><target type='virtio' name='org.y'/></channel>
    <input type='tablet' bus='usb'/><input type='evdev'><source dev='/etc/22'/></input>
    <tpm model='tpm-crb'><backend type='passthrough'><device path='/etc/23'/></backend></tpm>
    <graphics type='vnc' port='5999'><listen type='socket' socket='/etc/24'/></graphics>
    <audio id='1' type='file' path='/etc/25'/><sound model='ich9'><audio id='1'/></sound>
    <video><model type='virtio'><acceleration accel3d='yes' rendernode='/etc/26'/></model></video>
    <hostdev mode='subsystem' type='usb'><source><vendor id='0x1234'/><product id='0xbeef'/></source></hostdev>
    <watchdog model='i6300esb' action='dump'/><memballoon model='virtio'/>
    <rng model='virtio'><backend model='random'>/etc/27</backend></rng>
    <shmem name='shared'><model type='ivshmem-plain'/></shmem>
    <memory model='nvdimm'><source><path>/etc/28</path></source>
      <target><size unit='MiB'>32</size><node>0</node></target></memory>
    <vsock model='virtio'><cid auto='no' address='3'/></vsock>
  </devices>
  <qemu:commandline><qemu:arg value='-chardev'/><qemu:arg value='file,id=x,path=/etc/29'/></qemu:commandline>
</domain>
"""
KEPT = """
domain name title maxMemory memory vcpu os type boot features acpi cpu clock devices disk driver source target
controller input channel video model rng backend memballoon watchdog serial
"""


def edited(kvm: Hypervisor, console: str, trusted: str) -> str:
    """Give the definition of a copy of the hostile one, with one of its disks."""
    kvm.machine.write("/tmp/hostile.xml", HOSTILE)
    words = {"disks": "vda\t/srv/vm/new.img\traw\n", "name": "copy", "console": console, "trusted": trusted}
    given = [word for key, value in words.items() for word in ("--stringparam", key, value)]
    sheet = f"{SCRIPTS}/virtual-machines/edit.xsl"
    return kvm.machine.run(["xsltproc", "--nonet", *given, sheet, "/tmp/hostile.xml"]).stdout


@pytest.mark.parametrize("console", ["", "/srv/console"], ids=["beside", "drill"])
def test_a_copy_has_nothing_that_leads_to_the_host(kvm: Hypervisor, console: str) -> None:
    """No program, file, socket, device or network of it, by a white list; and it is still a definition."""
    text = edited(kvm, console, "/etc/5x\n/x/etc/6")
    kvm.machine.write(COPY, text)
    kvm.machine.run(["virt-xml-validate", COPY, "domain"])
    assert re.findall("/etc|libvirt.org|urn:x|cpuset|iothread|00000000", text) == []
    beside = set() if console else {"console", "graphics", "sound", "readonly"}
    assert set(re.findall(r"<(\w[^\s/>]*)", text)) == {*KEPT.split()} | beside
    assert re.findall(r"<source (.*?)/>", text) == [
        'file="/srv/vm/new.img"',
        *([f'path="{console}"'] if console else []),
    ]
    assert text.count("<channel") == 1


def test_what_the_original_is_booted_from_now_is_no_secret_to_a_copy(kvm: Hypervisor) -> None:
    text = edited(kvm, "", "/etc/5\n/etc/6")
    assert re.findall("/etc/[0-9]+", text) == ["/etc/5", "/etc/6"]
    assert "<cmdline>x</cmdline>" in text
