"""One open connection to another of our nodes: frames in and out, each bounded. For this package only."""

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import ClientWebSocketResponse, WSMsgType
from aiohttp.web import WebSocketResponse

from les_hooks import wire
from les_hooks.backends.peers.greeting import Greeting, decoded
from les_hooks.backends.peers.roundtrips import RoundTrips
from les_hooks.election.frames import Frame, Hello
from les_hooks.errors import PeerError
from les_hooks.members import Address
from les_hooks.serving import Rate

__all__ = ["CLOSE_SECONDS", "Link", "Socket", "check_peer", "close_socket"]

Socket = ClientWebSocketResponse[Any] | WebSocketResponse[Any]

CLOSE_SECONDS = 0.5
"""The most that saying goodbye on a link may take."""

# Frames that wait for a member that does not read. Two beats a second and a few tells never fill it in time of peace.
_MOST_QUEUED = 128
_MOST_QUEUED_BYTES = 4 * wire.FRAME_LIMIT

# What one member may have this node read, pings and their answers too. It sends a handful a second at rest, and a few
# for each member that comes or goes: some hundreds at the very most while a cluster of eighty forms.
_FRAMES = Rate(burst=1000, per_second=500)

# A close frame holds 125 bytes, two of them the code.
_CLOSE_REASON_LENGTH = 120

_Write = Callable[[bytes], Awaitable[None]]


class Link:
    """A connection whose hello has come; `dialed` is the address that this node dialed for it, if it did.

    `proved` is the secret that it rests on, `authorities` are those of the other end's certificate. `since` is when it
    came up, on the clock `now` (boottime seconds); `reason` why it ends, once somebody knows.
    """

    def __init__(
        self,
        ws: Socket,
        greeting: Greeting,
        *,
        dialed: Address | None,
        now: Callable[[], float],
    ) -> None:
        hello = greeting.hello
        self.hello = hello
        self.proved = greeting.proved
        self.authorities = greeting.authorities
        self.address = Address(hello.address)
        self.dialed = dialed
        self.since = now()
        self.reason = ""
        self._ws = ws
        self._seal = greeting.seal
        # Kept, because aiohttp forgets it when it believes that the connection is closed.
        self._socket: socket.socket | None = ws.get_extra_info("socket")
        self._queue: asyncio.Queue[tuple[_Write, bytes]] = asyncio.Queue(_MOST_QUEUED)
        self._queued_bytes = 0
        self._trips = RoundTrips(now)
        self._frames = _FRAMES.bucket(now)

    @property
    def rtt(self) -> float | None:
        """Seconds that the other end took to answer last; None while that is not known."""
        return self._trips.last

    def send(self, data: bytes) -> bool:
        """Queue the bytes of a frame; False where too much waits already."""
        # Sealed as they are queued: messages are numbered, and this queue keeps their order.
        return self._put(self._ws.send_bytes, self._seal.seal(data))

    def _put(self, write: _Write, data: bytes) -> bool:
        if self._queue.full() or self._queued_bytes + len(data) > _MOST_QUEUED_BYTES:
            return False
        self._queue.put_nowait((write, data))
        self._queued_bytes += len(data)
        return True

    async def run(self, on_frame: Callable[[Frame], None]) -> None:
        """Write what is queued and hand over what comes until the link ends; `reason` says why it did."""
        writer = asyncio.create_task(self._write())
        try:
            while True:
                message = await self._ws.receive()
                if not self._frames.take():
                    # The library reads no more than a few hundred frames ahead, and so the other end has to wait.
                    await asyncio.sleep(self._frames.wait_seconds())
                    self._frames.take()
                frame = decoded(message, self.address, self._seal)
                if frame is not None:
                    on_frame(frame)
                elif message.type is WSMsgType.PONG:
                    self._trips.pong(message.data)
                elif message.type is WSMsgType.PING:
                    self._put(self._ws.pong, message.data)  # who does not read gets no answer, either
        except PeerError as error:
            self.reason = self.reason or error.why
        finally:
            writer.cancel()

    async def drain(self) -> None:
        """Wait until all that was queued is on its way; the caller limits the time."""
        await self._queue.join()

    def cut(self) -> None:
        """Break the connection now, whatever waits: closing it would wait for a peer that does not read."""
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)

    async def close(self) -> None:
        """End the connection and tell the other end why, in bounded time."""
        await close_socket(self._ws, self.reason)
        self.cut()

    async def _write(self) -> None:
        with contextlib.suppress(ConnectionError):  # the reader hears of it too, and says so
            while True:
                write, data = await self._queue.get()
                await write(data)
                self._queued_bytes -= len(data)
                self._queue.task_done()
                # Behind a frame, so that no timer and no wake-up is for this alone; and not queued before, as the
                # time in the queue is not the network's.
                if (ping := self._trips.ping()) is not None:
                    await self._ws.ping(ping)


def check_peer(hello: Hello, own: Hello) -> None:
    """Raise PeerError where the other end cannot be a member beside this node."""
    wire.check_hello(hello, own.cluster)
    if hello.address == own.address:
        raise PeerError(hello.address, "goes by the address of this node; each needs an advertise address of its own")


async def close_socket(ws: Socket, reason: str) -> None:
    """Close with the reason, in bounded time."""
    with contextlib.suppress(TimeoutError, ConnectionError):
        async with asyncio.timeout(CLOSE_SECONDS):
            await ws.close(message=reason.encode()[:_CLOSE_REASON_LENGTH])
