"""Cuts the item stream of an archive into items without unpacking them."""

from __future__ import annotations

from collections.abc import Iterator

from borg.archive import ChunkListEntry
from borg.helpers import msgpack
from borg.item import Item

from backupspec_migrate.repository import BorgObject


class BrokenItemsError(Exception):
    """The stream is no row of packed items."""


def raw_items(archive: BorgObject) -> Iterator[bytes]:
    """Give each item of an archive as it is packed. BrokenItemsError when the stream is none."""
    unpacker = msgpack.Unpacker(use_list=False)
    waiting, start, base = b"", 0, 0  # bytes not given yet; where the next item and they begin in the stream
    for data in archive.pipeline.fetch_many(archive.metadata.items):
        unpacker.feed(data)
        waiting += data
        try:
            while True:
                unpacker.skip()
                end = unpacker.tell()
                yield waiting[start - base : end - base]
                start = end
        except msgpack.OutOfData:
            waiting, base = waiting[start - base :], start
        except (ValueError, TypeError) as error:
            raise BrokenItemsError(str(error)) from error
    if waiting:
        raise BrokenItemsError("it ends within an item")


def unpacked(raw: bytes) -> BorgObject:
    """Unpack one item. BrokenItemsError when it is none."""
    try:
        item = Item(internal_dict=msgpack.unpackb(raw, use_list=False))
        if "chunks" in item:
            item.chunks = [ChunkListEntry(*entry) for entry in item.chunks]
        item.path  # noqa: B018 - an item without a path is none
    except (msgpack.UnpackException, ValueError, TypeError, AttributeError) as error:
        raise BrokenItemsError(str(error)) from error
    return item
