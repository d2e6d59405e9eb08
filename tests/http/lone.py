"""A real node that leads alone, with its listener, for the tests of this folder."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import aiohttp
import msgspec
import structlog
from aiohttp import web
from structlog.testing import capture_logs

from les_hooks import Node, NodeReport, Route, hookimpl, serve_http
from les_hooks.config import Config
from les_hooks.daemon import load_config
from les_hooks.events import Event, EventKind, Reason
from les_hooks.plugins import Registry
from les_hooks.testing.offer import registry_of
from tests.backends.peers.fakes import free_port

__all__ = ["TOKEN", "Lone", "Pages", "config_of", "event", "lone", "token_file"]

TOKEN = "correct-horse-battery-staple-4711-0815"


class Pages:
    """A plugin with these pages."""

    def __init__(self, *routes: Any) -> None:
        self.routes = routes

    @hookimpl
    def http_routes(self, node: NodeReport) -> Sequence[Route]:
        """Its pages; a path alone is one that tells the term."""

        async def term(_request: web.Request) -> web.StreamResponse:
            return web.Response(text=f"{(await node.status())['term']}")

        return [Route(path=route, handler=term) if isinstance(route, str) else route for route in self.routes]


@dataclass(frozen=True)
class Lone:
    """The node, where its listener is, and what it logs."""

    node: Node
    listen: str
    logs: list[Any] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://{self.listen}"

    async def get(self, path: str, *, method: str = "GET", **options: Any) -> tuple[int, str]:
        """Status and text of a page."""
        async with self.browser() as browser, browser.request(method, path, **options) as response:
            return response.status, (await response.text()).strip()

    async def head(self, path: str, *, method: str = "GET", **options: Any) -> tuple[int, Mapping[str, str]]:
        """Status and headers of a page, without following it elsewhere."""
        options.setdefault("allow_redirects", False)
        async with self.browser() as browser, browser.request(method, path, **options) as response:
            return response.status, response.headers

    def browser(self, **options: Any) -> aiohttp.ClientSession:
        """A client of this listener, which keeps cookies."""
        jar = aiohttp.CookieJar(unsafe=True)  # of addresses too
        return aiohttp.ClientSession(self.url, cookie_jar=jar, **options)

    async def raw(self, data: bytes, seconds: float = 5.0) -> bytes:
        """All that is answered to these bytes, until the listener hangs up; nothing to who is turned away."""
        host, _, port = self.listen.rpartition(":")
        found = b""
        try:
            reader, writer = await asyncio.open_connection(host, int(port))
        except ConnectionResetError:
            return found
        try:
            writer.write(data)
            async with asyncio.timeout(seconds):
                with contextlib.suppress(ConnectionError):
                    while chunk := await reader.read(65536):
                        found += chunk
        finally:
            writer.transport.abort()
        return found

    def said(self, name: str) -> list[Any]:
        """The log lines of this name."""
        return [line for line in self.logs if line["event"] == name]


def token_file(folder: Path, token: str = TOKEN, mode: int = 0o600) -> Path:
    """The file of a token."""
    path = folder / "token"
    path.write_text(f"{token}\n")
    path.chmod(mode)
    return path


def config_of(folder: Path, registry: Registry | None = None, *, bundled: bool = False, **http: object) -> Config:
    """The configuration of a node that is its own seed; `http` are the keys of that table.

    Without the page and the metrics, unless they come `bundled`: these are plugins, with tests of their own.
    """
    port = free_port()
    flags: dict[str, tuple[Any, str]] = {
        "node.bind": (f"127.0.0.1:{port}", "test"),
        "node.state_dir": (str(folder), "test"),
        "cluster.seeds": ([f"127.0.0.1:{port}"], "test"),
        "hooks.dir": (str(folder / "hooks.d"), "test"),
        **{f"http.{key}": (value, "test") for key, value in http.items()},
    }
    config = load_config(None, flags=flags, registry=registry)
    if bundled:
        return config
    return msgspec.structs.replace(config, plugins=MappingProxyType({"scripts": config.plugins["scripts"]}))


@contextlib.asynccontextmanager
async def lone(folder: Path, *plugins: object, bundled: bool = False, **http: object) -> AsyncIterator[Lone]:
    """A node that leads, with its listener at a free port, and these plugins, called p0, p1 ..."""
    listen = str(http.pop("listen", f"127.0.0.1:{free_port()}"))
    registry = registry_of(plugins[0], "p0")[0] if plugins else Registry()
    config = config_of(folder, registry, bundled=bundled, listen=listen, **http)
    if plugins:
        table: dict[str, Any] = dict.fromkeys(("p0", "scripts"), config.plugins["scripts"])
        config = msgspec.structs.replace(config, plugins=table)
    with capture_logs() as logs:
        async with Node(config, registry=registry, log=structlog.get_logger()) as node, serve_http(node):
            await node.wait_elected()
            yield Lone(node, listen, logs)


def event(seq: int, kind: EventKind = EventKind.MEMBER_JOINED) -> Event:
    """An event of this number."""
    return Event(
        id=f"x-{seq}",
        seq=seq,
        kind=kind,
        time=1.0,
        node="127.0.0.1:4000",
        name="a",
        cluster="web",
        role="leader",
        term=1,
        leader="127.0.0.1:4000",
        previous_leader=None,
        members=("127.0.0.1:4000", "127.0.0.1:4001"),
        member=f"10.0.0.{seq % 250}:4000",
        reason=Reason.JOINED,
        replay=False,
    )
