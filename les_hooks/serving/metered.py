"""A connection of which no more is read than what a stranger may say. For `door` and `guest` only.

Counted below TLS and WebSocket: what they swallow (key updates, empty fragments, chains of certificates) reaches no
protocol that could count it, and costs this node more for each byte than what does.
"""

import errno
import os
import socket
from typing import Any

__all__ = ["Metered"]


class Metered(socket.socket):
    """The connection itself, in the place of the socket given; reading past `most` bytes fails until `unbound`."""

    def __init__(self, connection: socket.socket, most: int | None) -> None:
        super().__init__(fileno=connection.detach())
        self.setblocking(False)
        self._left = most

    def unbound(self) -> None:
        """Read on without a limit."""
        self._left = None

    # What the loop reads with: the one without TLS, the other below it.

    def recv(self, bufsize: int, flags: int = 0, /) -> bytes:
        """As of any socket, within the limit."""
        data = super().recv(self._within(bufsize), flags)
        self._read(len(data))
        return data

    def recv_into(self, buffer: Any, nbytes: int = 0, flags: int = 0, /) -> int:
        """As of any socket, within the limit."""
        read = super().recv_into(buffer, self._within(nbytes or len(buffer)), flags)
        self._read(read)
        return read

    def _within(self, most: int) -> int:
        if self._left is None:
            return most
        if self._left == 0:
            raise ConnectionAbortedError(errno.ECONNABORTED, os.strerror(errno.ECONNABORTED))
        return min(most, self._left)

    def _read(self, count: int) -> None:
        if self._left is not None:
            self._left -= count
