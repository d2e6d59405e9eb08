"""A gateway that answers as the test says: late, half, or nothing that etcd would ever say."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

__all__ = ["HEADER", "Asked", "FakeGateway", "Handler", "chunked", "error", "good", "hang", "raw", "reply"]

HEADER = {"cluster_id": "14841639068965178418", "member_id": "10276657743932975437", "revision": "7", "raft_term": "2"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A request."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


Handler = Callable[[Asked, asyncio.StreamWriter], Awaitable[None]]


def raw(data: bytes) -> Handler:
    """These bytes, and then it hangs up."""

    async def handle(_asked: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(data)
        writer.close()

    return handle


def reply(status: int, body: bytes, **headers: str) -> Handler:
    """A whole answer; the connection stays open."""
    lines = [f"HTTP/1.1 {status} Whatever", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    data = "\r\n".join(lines).encode() + b"\r\n\r\n" + body

    async def handle(_asked: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(data)

    return handle


def good(**fields: object) -> Handler:
    """What etcd answers to what it has done."""
    return reply(200, json.dumps({"header": HEADER} | fields).encode())


def error(code: int, words: str, status: int = 400) -> Handler:
    """An error in the form of the gateway."""
    return reply(status, json.dumps({"error": words, "message": words, "code": code}).encode())


def chunked(*parts: bytes, ends: bool = False) -> Handler:
    """A stream that says this much, and then nothing, or that it ends."""

    async def handle(_asked: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for part in parts:
            writer.write(f"{len(part):x}\r\n".encode() + part + b"\r\n")
            await writer.drain()
        if ends:
            writer.write(b"0\r\n\r\n")

    return handle


async def hang(_asked: Asked, _writer: asyncio.StreamWriter) -> None:
    """No answer, ever."""


@dataclass
class FakeGateway:
    """Answers each path by its handler, or by `otherwise`; those in `next` come before, once each."""

    handlers: dict[str, Handler] = field(default_factory=dict)
    otherwise: Handler = field(default_factory=good)
    next: list[Handler] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)
    connections: int = 0
    url: str = ""

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[str]:
        """Serve on loopback; yields the URL."""
        writers: set[asyncio.StreamWriter] = set()

        async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self.connections += 1
            writers.add(writer)
            try:
                while not writer.is_closing():
                    await self._answer(reader, writer)
            except (OSError, asyncio.IncompleteReadError):
                pass
            finally:
                writer.close()

        server = await asyncio.start_server(connected, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        try:
            yield self.url
        finally:
            server.close()
            for writer in writers:
                writer.transport.abort()
            await server.wait_closed()
            await asyncio.sleep(0.01)  # for the ends of the connections to be seen

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        method, path, _ = head[0].split(" ")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:])}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        asked = Asked(method=method, path=path, headers=headers, body=body)
        if path == "/version":
            await reply(200, b'{"etcdserver":"3.4.23","etcdcluster":"3.4.0"}')(asked, writer)
            return
        self.asked.append(asked)
        handler = self.next.pop(0) if self.next else self.handlers.get(path, self.otherwise)
        await handler(asked, writer)
        await writer.drain()
