"""One connection that comes through a door, from its first moment to its last. For `door` only."""

import asyncio
import contextlib
import socket
from typing import Protocol

from les_hooks.serving.metered import Metered

__all__ = ["Guest", "House"]


class House(Protocol):
    """What a guest needs of the door that it came through."""

    def receive(self, guest: "Guest") -> asyncio.Protocol:
        """The protocol for a guest whose handshake is done."""

    def forget(self, guest: "Guest", protocol: asyncio.Protocol | None) -> None:
        """It is gone, and so is what `receive` gave it."""


class Guest(asyncio.Protocol):
    """A connection on its way in, and then a shell around its protocol that tells the door of its end."""

    def __init__(self, house: House, connection: Metered, source: str, seconds: float) -> None:
        self.source = source
        self._house = house
        self._connection = connection
        self._transport: asyncio.Transport | None = None
        self._protocol: asyncio.Protocol | None = None
        self._turned_out = False
        self._end = asyncio.get_running_loop().call_later(seconds, self.turn_out)

    @property
    def is_in(self) -> bool:
        """Whether its connection is made, so that its end will be told."""
        return self._transport is not None

    def settle(self) -> None:
        """Neither its time is limited any more, nor what it says."""
        self._end.cancel()
        self._connection.unbound()

    def turn_out(self) -> None:
        """End the connection, at once."""
        self._turned_out = True
        if self._transport is not None:
            self._transport.abort()
        else:
            # It belongs to a handshake, which hears of it and closes it.
            with contextlib.suppress(OSError):
                self._connection.shutdown(socket.SHUT_RDWR)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The handshake is done."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        if self._turned_out:
            transport.abort()
            return
        self._protocol = self._house.receive(self)
        self._protocol.connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """It is over."""
        self._house.forget(self, self._protocol)
        if self._protocol is not None:
            self._protocol.connection_lost(exc)

    # The rest is the protocol's: nothing of it comes before `connection_made`, nor to who was turned out by then.

    def data_received(self, data: bytes) -> None:
        """Pass it on."""
        assert self._protocol is not None
        self._protocol.data_received(data)

    def eof_received(self) -> bool | None:
        """Pass it on."""
        return None if self._protocol is None else self._protocol.eof_received()

    def pause_writing(self) -> None:
        """Pass it on."""
        assert self._protocol is not None
        self._protocol.pause_writing()

    def resume_writing(self) -> None:
        """Pass it on."""
        assert self._protocol is not None
        self._protocol.resume_writing()
