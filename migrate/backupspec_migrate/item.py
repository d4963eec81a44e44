"""Makes Borg's items of what stands in the source, packed as Borg packs them."""

from __future__ import annotations

import errno
import os

from borg.helpers import StableDict, int_to_bigint, msgpack, safe_ns
from borg.platform import acl_get, gid2group, uid2user

from backupspec_migrate.repository import BorgObject

_ACL = ("system.posix_acl_access", "system.posix_acl_default")
_packer = msgpack.Packer()
_pack = _packer.pack
_CHUNKS: bytes = _pack("chunks")


def make_item(path: bytes, state: os.stat_result, place: int | str, *, numeric: bool) -> dict[str, BorgObject]:
    """Make an item with the attributes that `borg create --noctime --nobirthtime` gives it, as Borg packs them.

    `place` is a descriptor or a path. What names a symbolic link names the link itself.
    """
    item = {"path": path, "mode": state.st_mode, "uid": state.st_uid, "gid": state.st_gid}
    item["mtime"] = int_to_bigint(safe_ns(state.st_mtime_ns))
    item["user"] = None if numeric else _bytes(uid2user(state.st_uid))
    item["group"] = None if numeric else _bytes(gid2group(state.st_gid))
    follow = isinstance(place, int)
    names = _attribute_names(place, follow=follow)
    if not names:
        return item
    attributes = {}
    for name in names:
        if name in _ACL:
            continue
        try:
            attributes[os.fsencode(name)] = os.getxattr(place, name, follow_symlinks=follow) or None
        except OSError as error:
            # btrfs lists `trusted.*` for everybody, and gives it to root only.
            if error.errno != errno.ENODATA:
                raise
    if len(names) != len(attributes):
        acl_get(f"/proc/self/fd/{place}" if follow else place, item, state, numeric, fd=place if follow else None)
    if attributes:
        item["xattrs"] = StableDict(attributes)
    return item


def pack(item: dict[str, BorgObject]) -> bytes:
    """Pack an item as Borg does."""
    packed: bytes = _pack(item)
    return packed


def pack_around_chunks(item: dict[str, BorgObject]) -> tuple[bytes, bytes]:
    """Pack an item that has no chunks yet in two pieces: the value of `chunks` belongs between them."""
    # Fewer than 16 fields: the header is one byte, and one field more is one more in it.
    packed: bytes = _pack(item)
    return bytes((packed[0] + 1,)) + _CHUNKS, packed[1:]


def pack_chunks(chunks: list[BorgObject]) -> bytes:
    """Pack the value of `chunks`."""
    packed: bytes = _pack(chunks)
    return packed


def _bytes(name: str | None) -> bytes | None:
    return None if name is None else os.fsencode(name)


def _attribute_names(place: int | str, *, follow: bool) -> list[str]:
    try:
        return os.listxattr(place, follow_symlinks=follow)
    except OSError as error:
        if error.errno == errno.ENOTSUP:
            return []
        raise
