"""The page without a cluster: a small server in a thread, over a node that says whatever the test wants."""

import asyncio
import copy
import threading
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from concurrent.futures import Future
from types import TracebackType
from typing import Any, Self

from aiohttp import web

from les_hooks import Event
from les_plugins import dashboard
from tests.cluster import free_ports
from tests.fake_context import FakeContext
from tests.plugins.dashboard.samples import a_status, history, records

__all__ = ["FakeNode", "Stage"]

_LIMIT_SECONDS = 10.0


class FakeNode:
    """Implements `les_hooks.NodeReport`; counts how often it is asked."""

    def __init__(self, status: dict[str, Any] | None = None) -> None:
        self.said = a_status() if status is None else status
        self.rows: Sequence[Mapping[str, Any]] = history()
        self.trail: Sequence[Mapping[str, Any]] = records()
        self.asked = 0
        self.began: float | None = None
        """Since when its clock runs, None while it stands still."""

    async def status(self) -> Mapping[str, Any]:
        """As it was set, at a later time."""
        self.asked += 1
        said = copy.deepcopy(self.said)
        if self.began is not None:
            said["time"] += time.monotonic() - self.began
        return said

    def history(self, since: float = 0.0) -> Sequence[Mapping[str, Any]]:
        """As it was set, from then on."""
        return [row for row in self.rows if row["until"] is None or row["until"] >= since]

    def records(self) -> Sequence[Mapping[str, Any]]:
        """As they were set."""
        return self.trail

    async def events(self, after: int | None = None) -> AsyncGenerator[Event, None]:
        """None: not the page asks for them, but who reads it."""
        nothing: tuple[Event, ...] = ()
        for event in nothing:
            yield event


class Stage:
    """Serves the page of a node; what happens to it is up to the test.

    `refusing` is the status that all but the open files answer with, 0 for none. `streams` is how many listen.
    """

    def __init__(self, node: FakeNode | None = None) -> None:
        self.node = FakeNode() if node is None else node
        self.port = free_ports(1)[0]
        self.url = f"http://127.0.0.1:{self.port}/"
        self.refusing = 0
        self.hanging = False
        self.streams = 0
        self.looks = 0
        self._news = asyncio.Event()
        self._context = FakeContext(config=None, name="dashboard")
        self._runner: web.AppRunner | None = None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="stage")

    def __enter__(self) -> Self:
        self._thread.start()
        self.node.began = time.monotonic()
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_LIMIT_SECONDS)
        self._loop.close()

    def start(self) -> None:
        """Serve."""
        self._wait(asyncio.run_coroutine_threadsafe(self._start(), self._loop))

    def stop(self) -> None:
        """Serve no more, as if the daemon had died."""
        if self._runner is not None:
            self._wait(asyncio.run_coroutine_threadsafe(self._runner.cleanup(), self._loop))
            self._runner = None

    def tell(self) -> None:
        """Send an event to all who listen."""
        self._loop.call_soon_threadsafe(self._news.set)

    def _wait(self, done: Future[None]) -> None:
        done.result(_LIMIT_SECONDS)

    async def _start(self) -> None:
        app = web.Application(middlewares=[self._gate])
        for route in dashboard.http_routes(node=self.node, ctx=self._context):
            app.router.add_route(route.method, route.path, route.handler)
        app.router.add_get("/api/v1/events", self._stream)
        app.router.add_get("/login", self._login)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1, handler_cancellation=True)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port).start()

    @web.middleware
    async def _gate(self, request: web.Request, handler: Any) -> web.StreamResponse:
        if request.path == "/":
            self.looks += 1
            if self.hanging:
                await asyncio.sleep(_LIMIT_SECONDS)
        if self.refusing and not request.path.startswith(("/dashboard.", "/login")):
            return web.Response(status=self.refusing)
        answer: web.StreamResponse = await handler(request)
        return answer

    async def _login(self, _request: web.Request) -> web.StreamResponse:
        return web.Response(text="the token, please")

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        self.streams += 1
        try:
            await response.write(b"retry: 500\n\n")
            while True:
                await self._news.wait()
                self._news.clear()
                await response.write(b"event: leader-changed\ndata: {}\n\n")
        except ConnectionError:
            return response
        finally:
            self.streams -= 1
