"""Makes Borg's items of what stands in the source, and packs them as Borg does."""

from __future__ import annotations

import errno
import os

from borg.helpers import StableDict, safe_ns
from borg.item import Item
from borg.platform import acl_get, gid2group, uid2user

from backupspec_migrate.repository import BorgObject

_ACL = ("system.posix_acl_access", "system.posix_acl_default")


def make_item(path: str, state: os.stat_result, place: int | str, *, numeric: bool) -> BorgObject:
    """Make an item with the attributes that `borg create --noctime --nobirthtime` gives it.

    `place` is a descriptor or a path.
    """
    item = Item(path=path, mode=state.st_mode, uid=state.st_uid, gid=state.st_gid, mtime=safe_ns(state.st_mtime_ns))
    item.user = None if numeric else uid2user(state.st_uid)
    item.group = None if numeric else gid2group(state.st_gid)
    attributes = {}
    acls: dict[str, bytes] = {}
    # What names a symbolic link names the link itself.
    follow = isinstance(place, int)
    names = _attribute_names(place, follow=follow)
    for name in names:
        if name not in _ACL:
            attributes[os.fsencode(name)] = os.getxattr(place, name, follow_symlinks=follow) or None
    if len(names) != len(attributes):
        acl_get(f"/proc/self/fd/{place}" if follow else place, acls, state, numeric, fd=place if follow else None)
        item.update(acls)
    if attributes:
        item.xattrs = StableDict(attributes)
    return item


def pack_around_path(packer: BorgObject, fields: dict[str, BorgObject]) -> tuple[bytes, bytes, bytes]:
    """Pack an item in three pieces: up to the value of `path`, that value, the rest."""
    pieces = [packer.pack_map_header(len(fields)), b"", b""]
    at = 0
    for name, value in fields.items():
        if name == "path":
            pieces[0] += packer.pack(name)
            pieces[1] = packer.pack(value)
            at = 2
        else:
            pieces[at] += packer.pack(name) + packer.pack(value)
    return pieces[0], pieces[1], pieces[2]


def _attribute_names(place: int | str, *, follow: bool) -> list[str]:
    try:
        return os.listxattr(place, follow_symlinks=follow)
    except OSError as error:
        if error.errno == errno.ENOTSUP:
            return []
        raise
