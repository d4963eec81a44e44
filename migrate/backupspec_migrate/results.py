"""What the process that reads tells the one that writes: tuples of numbers, bytes and text that begin with their kind.

For each snapshot, in this order:

* LOST and LEFT for each path that cannot be listed, and that a killed rsync left behind;
* SNAPSHOT with the number of its entries. After a LOST or LEFT nothing follows it;
* for each folder a FOLDER, and then for each of its entries that is looked at: CHUNKs, if it has any, and one of FILE,
  ITEM, SOCKET or PROBLEM. Where a folder cannot be opened, a PROBLEM stands for all of it;
* END.
"""

from __future__ import annotations

Result = tuple[int | bytes | str | None, ...]
"""What `marshal` carries."""

LOST = 0  # path, why
LEFT = 1  # path
SNAPSHOT = 2  # entries
FOLDER = 3  # path, packed item or None, itself if its time is clamped or None, array("i") of the choice or None
CHUNK = 4  # id, size, compressed bytes
FILE = 5  # packed item up to the value of chunks, the rest of it, size, path if its time is clamped or None
ITEM = 6  # packed item, path if its time is clamped or None
SOCKET = 7  # path
PROBLEM = 8  # path, why
END = 9
