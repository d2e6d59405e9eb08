"""Receivers on loopback: one that speaks HTTP and remembers what came, and one that sends any bytes."""

import asyncio
import ssl
import subprocess
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp import web

from les_plugins.webhook.contract import Delivery
from les_plugins.webhook.posting import HttpPoster, make_poster
from les_plugins.webhook.settings import Endpoint
from tests.fake_context import FakeContext, an_event
from tests.needs import need_program

__all__ = ["DELIVERY", "Posted", "Receiver", "a_poster", "certificate", "serving_bytes"]

DELIVERY = Delivery(id="msg-a-1-7", event=an_event())

Speak = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Posted:
    """One request that arrived whole; the names of `headers` are in lower case."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    peer: tuple[str, int]


@dataclass(slots=True)
class Receiver:
    """Says 204, or what `instead` holds from the left: a status with body and headers."""

    instead: deque[web.Response] = field(default_factory=deque)
    posted: list[Posted] = field(default_factory=list)
    tls: ssl.SSLContext | None = None

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[str]:
        """Serve until the end of the block, which gets the URL, without a path."""
        runner = web.ServerRunner(web.Server(self._handle), shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=self.tls).start()
        try:
            yield f"{'https' if self.tls else 'http'}://127.0.0.1:{runner.addresses[0][1]}"
        finally:
            await runner.cleanup()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        assert request.transport is not None
        headers = {name.lower(): value for name, value in request.headers.items()}
        peer = request.transport.get_extra_info("peername")
        self.posted.append(Posted(request.method, request.path_qs, headers, await request.read(), peer))
        return self.instead.popleft() if self.instead else web.Response(status=204)


@asynccontextmanager
async def serving_bytes(speak: Speak) -> AsyncIterator[str]:
    """Whoever connects is spoken to; the block gets the URL."""
    spoken: set[asyncio.Task[None]] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        spoken.add(task)
        try:
            await speak(reader, writer)
        except OSError:
            pass  # it hung up
        finally:
            writer.transport.abort()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for task in spoken:
            task.cancel()
        await asyncio.gather(*spoken, return_exceptions=True)


@asynccontextmanager
async def a_poster(url: str | None, ctx: FakeContext | None = None, **fields: object) -> AsyncIterator[HttpPoster]:
    """A poster of an endpoint with this URL and these fields, closed at the end of the block."""
    plain: dict[str, object] = {"name": "chat", "url": url, "allow_http": True, "timeout": 5.0}
    poster = make_poster(Endpoint(**(plain | fields)), ctx or FakeContext(config=None))  # type: ignore[arg-type]  # fields of any type
    try:
        yield poster
    finally:
        await poster.close()


def certificate(folder: Path, *, names: str = "IP:127.0.0.1", expired: bool = False) -> ssl.SSLContext:
    """What a server with a certificate of its own making uses, which is in `folder/cert`."""
    openssl = need_program("openssl")
    made = ["-keyout", "key", "-out", "cert", "-subj", "/CN=les", "-addext", f"subjectAltName={names}"]
    commands = [[openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", *made]]
    if expired:
        commands.append([openssl, "x509", "-in", "cert", "-signkey", "key", "-days", "-1", "-out", "cert"])
    for argv in commands:
        subprocess.run(argv, cwd=folder, check=True, capture_output=True, timeout=30)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert", folder / "key")
    return context
