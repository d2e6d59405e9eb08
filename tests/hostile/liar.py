"""Somebody who has the secret and lies: links to real nodes, over which a test says what it likes."""

import asyncio
import contextlib
import itertools
import os
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import msgspec

from les_hooks import wire
from les_hooks.election.frames import Beat, Frame, Relayed, State, Tell
from les_hooks.members import Address, Boot
from les_hooks.security import PROTOCOL, Dialed, Open, Seal, Secret
from tests.backends.peers.fakes import hello
from tests.election.lone import state_of
from tests.hostile.stage import SECRET

__all__ = ["LIAR", "LIARS_BOOT", "Lie", "lying"]

LIAR = Address("127.0.0.7:4000")
"""Where nobody listens."""
LIARS_BOOT = Boot(3, "liar")

_LIVE_SECONDS = 0.05


class Lie:
    """One link of his; `said` are the frames that the node has said over it, and `over` is set when it has ended it.

    While `alive`, he answers what he hears and gives signs of life, as a member does.
    """

    def __init__(self, ws: aiohttp.ClientWebSocketResponse[Any], seal: Seal, address: str, boot: Boot) -> None:
        self.address, self.boot = address, boot
        self.alive = True
        self.said: list[Frame] = []
        self.over = asyncio.Event()
        self._ws, self._seal = ws, seal
        self._seq, self._serial = itertools.count(1), itertools.count(1)
        self._ack = 0

    async def say(self, *frames: Frame) -> None:
        """Say these, one after the other."""
        for frame in frames:
            await self.say_bytes(wire.encode(frame))

    async def say_bytes(self, data: bytes) -> None:
        """Say something that may be no frame."""
        with contextlib.suppress(ConnectionError):
            await self._ws.send_bytes(self._seal.seal(data))

    async def tell(self, *relayed: State, **changes: Any) -> None:
        """Say this of himself, and that of others."""
        await self.say(self.told(*relayed, **changes))

    def told(self, *relayed: State, **changes: Any) -> Tell:
        """What `tell` says."""
        values = {"boot": self.boot, "serial": next(self._serial), "start_time": 2e9} | changes
        others = tuple(Relayed(state=state, age=0.0) for state in relayed)
        return Tell(seq=next(self._seq), ack=self._ack, state=state_of(self.address, **values), relayed=others)

    async def ping(self) -> None:
        """Say nothing at all, in a WebSocket ping."""
        with contextlib.suppress(ConnectionError):
            await self._ws.ping(b"?")

    async def hear(self) -> None:
        """Take in what the node says, until the end."""
        while (message := await self._ws.receive()).type in (aiohttp.WSMsgType.BINARY, aiohttp.WSMsgType.PONG):
            if message.type is aiohttp.WSMsgType.BINARY:
                frame = wire.decode(self._seal.open(message.data))
                assert frame is not None
                self._ack = getattr(frame, "seq", self._ack)
                self.said.append(frame)
        self.over.set()

    async def live(self) -> None:
        """Give signs of life."""
        while not self.over.is_set():
            if self.alive:
                await self.say(Beat(seq=next(self._seq), ack=self._ack))
            await asyncio.sleep(_LIVE_SECONDS)


@asynccontextmanager
async def lying(
    to: str,
    address: str = LIAR,
    boot: Boot = LIARS_BOOT,
    *,
    first: Frame | None = None,
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[Lie]:
    """A link to this node, whose hello names that address and that process; or something else comes `first`.

    With `tls` he shows that certificate, and there is no secret.
    """
    url, protocols = f"{'ws' if tls is None else 'wss'}://{to}/les/link", () if tls else (PROTOCOL,)
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(url, protocols=protocols, ssl=True if tls is None else tls) as ws,
    ):
        message = wire.encode(first or hello(address, boot=boot))
        seal: Seal = Open()
        if tls is None:
            message, seal = Dialed(Secret(SECRET), os.urandom(32)).answer((await ws.receive()).data, message)
        await ws.send_bytes(message)
        lie = Lie(ws, seal, address, boot)
        tasks = [asyncio.create_task(lie.hear()), asyncio.create_task(lie.live())]
        try:
            yield lie
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


def with_serial(state: State, **changes: Any) -> State:
    """What another node might say of itself, under the last number that there is."""
    return msgspec.structs.replace(state, serial=2**53, **changes)
