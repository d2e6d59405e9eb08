"""Whoever sits between two nodes: passes on the messages of their links, notes them, and changes what a test wants.

He speaks WebSocket with both ends and has no secret. Connections that end at one side end at the other.
"""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from enum import StrEnum
from typing import Any

import aiohttp
from aiohttp import WSMsgType, web

from les_hooks.members import Address
from tests.backends.peers.fakes import free_port

__all__ = ["Middle", "Tamper", "Way", "a_source", "between", "cut_after", "playing", "serving"]

Socket = aiohttp.ClientWebSocketResponse[Any] | web.WebSocketResponse[Any]


class Way(StrEnum):
    """Who said it."""

    DIALER = "dialer"
    LISTENER = "listener"


_sources = itertools.count()


def a_source() -> tuple[str, int]:
    """Another address of this host each time: what is limited for each source must be got over by who has many."""
    number = next(_sources) % 50_000
    return f"127.77.{number // 250}.{number % 250 + 1}", 0


Tamper = Callable[[Way, int, bytes], Iterable[bytes]]
"""What is passed on for this message, which is the sender's so many'th (from 0)."""


def faithful(_way: Way, _number: int, data: bytes) -> Iterable[bytes]:
    """Pass on what was said."""
    return [data]


class Middle:
    """`links` are the messages of each connection, in the order in which they came; `ends` what each was ended with.

    `tamper` is for the first connection; those after it are passed on as they are.
    """

    def __init__(self, target: Address, tamper: Tamper = faithful) -> None:
        self.target = target
        self.tamper = tamper
        self.address = Address(f"127.0.0.1:{free_port()}")
        self.links: list[list[tuple[Way, bytes]]] = []
        self.ends: list[tuple[Way, str]] = []

    def said(self, way: Way, link: int = 0) -> list[bytes]:
        """What one end said over one connection."""
        return [data for who, data in self.links[link] if who is way]

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """Pass on a connection."""
        offered = request.headers.get("Sec-WebSocket-Protocol")
        protocols = () if offered is None else (offered,)
        near: web.WebSocketResponse[Any] = web.WebSocketResponse(protocols=protocols, autoping=False)
        url = f"ws://{self.target}/les/link"
        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect(url, protocols=protocols, autoping=False) as far,
        ):
            await near.prepare(request)
            tamper = self.tamper if not self.links else faithful
            noted: list[tuple[Way, bytes]] = []
            self.links.append(noted)
            pumps = [
                asyncio.create_task(self._pump(Way.DIALER, near, far, tamper, noted)),
                asyncio.create_task(self._pump(Way.LISTENER, far, near, tamper, noted)),
            ]
            try:
                await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for pump in pumps:
                    pump.cancel()
                await asyncio.gather(*pumps, return_exceptions=True)
                with suppress(ConnectionError):
                    await near.close()
        return near

    async def _pump(
        self, way: Way, source: Socket, sink: Socket, tamper: Tamper, noted: list[tuple[Way, bytes]]
    ) -> None:
        number = itertools.count()
        with suppress(ConnectionError):
            while (message := await source.receive()).type in (WSMsgType.BINARY, WSMsgType.PING, WSMsgType.PONG):
                if message.type is not WSMsgType.BINARY:
                    continue
                noted.append((way, message.data))
                for data in tamper(way, next(number), message.data):
                    await sink.send_bytes(data)
            self.ends.append((way, str(message.extra or "")))


@asynccontextmanager
async def serving(address: Address, answer: Callable[[web.BaseRequest], Any]) -> AsyncIterator[None]:
    """Answer at this address."""
    host, _, port = address.rpartition(":")
    runner = web.ServerRunner(web.Server(answer), shutdown_timeout=1.0)
    await runner.setup()
    await web.TCPSite(runner, host, int(port)).start()
    try:
        yield
    finally:
        await runner.cleanup()


@asynccontextmanager
async def between(target: Address, tamper: Tamper = faithful) -> AsyncIterator[Middle]:
    """Somebody whom another node takes for the `target`."""
    middle = Middle(target, tamper)
    async with serving(middle.address, middle.answer):
        yield middle


@asynccontextmanager
async def playing(*messages: bytes, protocols: Iterable[str]) -> AsyncIterator[Address]:
    """Somebody who listens, says this, each after a message of the other end but the first, and hears the rest."""
    address = Address(f"127.0.0.1:{free_port()}")

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        ws: web.WebSocketResponse[Any] = web.WebSocketResponse(protocols=tuple(protocols))
        await ws.prepare(request)
        for data in messages:
            await ws.send_bytes(data)
        async for _ in ws:
            pass
        return ws

    async with serving(address, answer):
        yield address


@asynccontextmanager
async def cut_after(target: Address, way: Way, limit: int) -> AsyncIterator[Address]:
    """Somebody who passes the bytes of the first connection on until the one end has said so many, and then cuts it.

    Later connections are refused.
    """
    address = Address(f"127.0.0.1:{free_port()}")
    host, _, port = address.rpartition(":")
    done = asyncio.Event()

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, most: int | None) -> None:
        passed = 0
        while data := await reader.read(65536 if most is None else max(1, most - passed)):
            writer.write(data)
            passed += len(data)
            if passed == most:
                return

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server.close()
        there, far = await asyncio.open_connection(*_split(target), local_addr=a_source())
        pumps = [
            asyncio.create_task(pump(reader, far, limit if way is Way.DIALER else None)),
            asyncio.create_task(pump(there, writer, limit if way is Way.LISTENER else None)),
        ]
        await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        for task in pumps:
            task.cancel()
        await asyncio.gather(*pumps, return_exceptions=True)
        far.close()
        writer.close()
        done.set()

    server = await asyncio.start_server(connected, host, int(port))
    try:
        yield address
        async with asyncio.timeout(5):
            await done.wait()
    finally:
        server.close()


def _split(address: Address) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    return host, int(port)
