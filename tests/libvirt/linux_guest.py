"""A real guest: Debian's cloud kernel, a busybox, and QEMU's guest agent in an initramfs; it mounts a disk of its own.

Its packages are downloaded and unpacked once, never installed. It boots to its agent in a few seconds without /dev/kvm.
"""

from __future__ import annotations

import fcntl
import gzip
import hashlib
import lzma
import re
import shutil
import struct
import subprocess
from pathlib import Path

from demo.lab.base import CACHE
from demo.lab.command import run

MODULES = ("virtio_pci", "virtio_blk", "virtio_console", "ext4")
FIRST = 2048
"""The first sector of its only partition."""

_INIT = """\
#!/bin/busybox sh
/bin/busybox --install -s /bin
mkdir -p /proc /sys /dev /mnt /run /var/run /tmp
mount -t proc none /proc
mount -t sysfs none /sys
mount -t devtmpfs none /dev
for module in $(cat /modules); do insmod /lib/$module; done
mount -t ext4 /dev/vda1 /mnt
for port in /sys/class/virtio-ports/*; do
    if grep -q guest_agent $port/name; then agent=/dev/${port##*/}; fi
done
[ -z "$agent" ] || qemu-ga --daemonize --method=virtio-serial --path=$agent --fsfreeze-hook=/hook
echo "$(cat /mnt/marker) login:" >/dev/console
exec sleep 100000
"""
# It hangs before the next freeze for as many seconds as /hang says.
_HOOK = """\
#!/bin/busybox sh
if [ "$1" = freeze ] && [ -e /hang ]; then
    seconds=$(cat /hang)
    rm /hang
    sleep "$seconds"
fi
exit 0
"""


def guest() -> Path:
    """Give the folder with `vmlinuz` and `initrd`; the first call makes it."""
    kernel = _kernel()
    made = CACHE / f"guest-{kernel}-{hashlib.sha256((_INIT + _HOOK).encode()).hexdigest()[:8]}"
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "guest.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            making = CACHE / "guest.making"
            shutil.rmtree(making, ignore_errors=True)
            (making / "unpacked").mkdir(parents=True)
            _make(making, kernel)
            shutil.rmtree(making / "unpacked")
            making.rename(made)
    return made


def _kernel() -> str:
    """Give the name of the newest cloud kernel that this machine's apt knows."""
    known = run(["apt-cache", "depends", "--important", "linux-image-cloud-amd64"]).stdout
    found = re.search(r"Depends: (linux-image-\S+)", known)
    assert found is not None, known
    return found[1]


def _make(making: Path, kernel: str) -> None:
    packages = [kernel, "qemu-guest-agent", "busybox-static"]
    subprocess.run(["apt-get", "download", "-qq", *packages], cwd=making, check=True, capture_output=True)
    unpacked = making / "unpacked"
    for package in making.glob("*.deb"):
        run(["dpkg-deb", "--extract", str(package), str(unpacked)])
        package.unlink()
    shutil.copy(next(unpacked.glob("boot/vmlinuz-*")), making / "vmlinuz")
    tree = {"init": (0o755, _INIT.encode()), "hook": (0o755, _HOOK.encode())}
    busybox = next(path for path in (unpacked / "bin/busybox", unpacked / "usr/bin/busybox") if path.exists())
    tree["bin/busybox"] = (0o755, busybox.read_bytes())
    agent = unpacked / "usr/sbin/qemu-ga"
    tree["bin/qemu-ga"] = (0o755, agent.read_bytes())
    for library in re.findall(r"(/\S+) \(0x", run(["ldd", str(agent)]).stdout):
        tree[library.lstrip("/")] = (0o755, Path(library).read_bytes())
    needed = _modules(unpacked)
    for path in needed:
        tree[f"lib/{path.name.removesuffix('.xz')}"] = (0o644, _plain(path))
    tree["modules"] = (0o644, "\n".join(path.name.removesuffix(".xz") for path in needed).encode())
    (making / "initrd").write_bytes(gzip.compress(_cpio(tree), 1))


def _plain(path: Path) -> bytes:
    if path.suffix == ".xz":
        return lzma.decompress(path.read_bytes())
    return path.read_bytes()


def _modules(unpacked: Path) -> list[Path]:
    """Give the files of the modules that are wanted, each after those that it needs."""
    root = next(path.parent for path in unpacked.rglob("modules.builtin"))
    builtin = {Path(line).stem.replace("-", "_") for line in (root / "modules.builtin").read_text().split()}
    files = {path.name.partition(".")[0].replace("-", "_"): path for path in root.rglob("*.ko*")}
    found: list[Path] = []

    def want(name: str) -> None:
        if name in builtin or files[name] in found:
            return
        said = _plain(files[name])
        depends = re.search(rb"\0depends=([^\0]*)\0", said)
        for other in filter(None, (depends[1] if depends else b"").decode().replace("-", "_").split(",")):
            want(other)
        if name == "ext4":
            for other in ("crc32c_generic", "crc32c"):
                if other in files:
                    want(other)
        found.append(files[name])

    for name in MODULES:
        want(name)
    return found


def _cpio(tree: dict[str, tuple[int, bytes]]) -> bytes:
    """Pack files into an archive that the kernel unpacks (its documentation, "initramfs buffer format")."""
    folders = {parent for name in tree for parent in Path(name).parents if str(parent) != "."} | {Path("dev")}
    entries = [(str(folder), 0o40755, b"") for folder in sorted(folders)]
    entries += [(name, 0o100000 | mode, data) for name, (mode, data) in tree.items()]
    packed = b""
    for number, (name, mode, data) in enumerate([*entries, ("TRAILER!!!", 0, b"")], 1):
        fields = (number, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name) + 1, 0)
        head = b"070701" + b"".join(b"%08X" % field for field in fields) + name.encode() + b"\0"
        packed += head + bytes(-len(head) % 4) + data + bytes(-len(data) % 4)
    return packed


def disk(size: int, marker: str, folder: Path) -> Path:
    """Make a disk with one partition, and in it an ext4 file system with a file `marker`."""
    content = folder / "content"
    content.mkdir()
    (content / "marker").write_text(f"{marker}\n", encoding="utf-8")
    path = folder / "disk.img"
    sectors = size // 512 - FIRST
    entry = struct.pack("<B3sB3sII", 0, b"\0\0\0", 0x83, b"\0\0\0", FIRST, sectors)
    with path.open("wb") as file:
        file.truncate(size)
        file.seek(446)
        file.write(entry + bytes(48) + b"\x55\xaa")
    words = ["mkfs.ext4", "-q", "-F", "-d", str(content), "-E", f"offset={FIRST * 512}", str(path), f"{sectors // 2}k"]
    run(words)
    return path


DEVICES = (
    "<channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>"
    "<serial type='null'><target port='0'/></serial>"
)


def boots(text: str, made: Path) -> str:
    """Give a definition that boots this guest."""
    loader = f"<kernel>{made}/vmlinuz</kernel><initrd>{made}/initrd</initrd><cmdline>console=ttyS0 panic=1</cmdline>"
    found = text.replace("<type arch='x86_64'>hvm</type>", f"<type arch='x86_64'>hvm</type>{loader}")
    return found.replace("<memory unit='MiB'>32<", "<memory unit='MiB'>256<")
