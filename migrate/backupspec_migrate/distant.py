"""A repository behind ssh, whose last words are heard."""

from __future__ import annotations

import os
from contextlib import suppress
from types import TracebackType

from borg.remote import ConnectionClosed, RemoteRepository, handle_remote_line

_MOST = 2**16  # bytes, as many as wait in a pipe


class Distant(RemoteRepository):  # type: ignore[misc]  # Borg has no annotations
    """Borg's own, but for the end of a connection.

    Borg stops to listen as soon as one ends, and often before it has read why ssh, or the server, ended it.
    """

    stderr_received: bytes
    _hung_up = False

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the connection.

        After an error that the server has told, it has nothing to say that matters: on a full disk Borg's server dies
        of closing its files, and says how.
        """
        self._hung_up = kind is not None and not issubclass(kind, ConnectionClosed)
        super().__exit__(kind, error, trace)

    def close(self) -> None:
        """End the connection, and pass on what was said to the last."""
        if not self.p:
            return
        with self.p.stderr as said:
            super().close()
            text = self.stderr_received
            self.stderr_received = b""
            if self._hung_up:
                return
            with suppress(BlockingIOError):  # somebody whom ssh left behind has the pipe
                text += os.read(said.fileno(), _MOST)
        for line in text.decode(errors="backslashreplace").splitlines():
            with suppress(ValueError, KeyError):  # half a message of `borg serve`
                handle_remote_line(f"{line}\n")
