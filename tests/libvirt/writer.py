"""A guest of 512 bytes: its boot sector writes all over its disk for ever, as a busy guest does."""

from __future__ import annotations

import struct

SECTORS = 64  # that it writes at a time
_CODE = bytes.fromhex(
    "31c0"  # xor ax, ax
    "8ed8"  # mov ds, ax
    "8ed0"  # mov ss, ax
    "bc007c"  # mov sp, 0x7c00
    "be407c"  # again: mov si, packet
    "b80043"  # mov ax, 0x4300 (INT 13h, extended write without verifying)
    "b280"  # mov dl, 0x80 (the disk that it was booted from: libvirt shows the firmware no other)
    "cd13"  # int 0x13
    "66810648 7c40000000"  # add dword [packet + 8], 64
    "66812648 7cff7f0000"  # and dword [packet + 8], 0x7fff: from the start again after 16 MiB
    "ebe2"  # jmp again
)
_PACKET = struct.pack("<BBHHHQ", 16, 0, SECTORS, 0x8000, 0, 0)


def boot_sector() -> bytes:
    """Give the first sector of its disk, which must have 16 MiB."""
    return _CODE.ljust(0x40, b"\x90") + _PACKET.ljust(510 - 0x40, b"\0") + b"\x55\xaa"
