"""The listener: its socket, and from a request to the route that answers it. For this package only."""

import asyncio
from collections.abc import Mapping

from aiohttp import web
from structlog.typing import FilteringBoundLogger

from les_hooks.config.addresses import UNIX, listen_address
from les_hooks.errors import StartError
from les_hooks.hookspecs import Route
from les_hooks.members import Address

__all__ = ["Listener", "Table"]

_CLOSE_SECONDS = 1.0

Table = Mapping[tuple[str, str], Route]
"""The routes, by method and path."""


class Listener:
    """Answers at `listen` by the `table`, which may be replaced at any time."""

    def __init__(self, listen: str, log: FilteringBoundLogger) -> None:
        self.table: Table = {}
        self._listen = listen
        self._log = log
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        """Listen from now on; raises StartError where that is not possible."""
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._answer)
        runner = self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=_CLOSE_SECONDS)
        await runner.setup()
        try:
            await self._site(runner).start()
        except OSError as error:
            await runner.cleanup()
            raise StartError(f"[http] listen {self._listen}", str(error), "choose another address") from error

    async def close(self) -> None:
        """End all connections, in bounded time."""
        if self._runner is not None:
            await asyncio.wait_for(self._runner.cleanup(), 2 * _CLOSE_SECONDS)

    def _site(self, runner: web.AppRunner) -> web.BaseSite:
        if self._listen.startswith(UNIX):
            return web.UnixSite(runner, self._listen.removeprefix(UNIX))
        host, port = listen_address(Address(self._listen))
        return web.TCPSite(runner, host, port)

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        route = self.table.get(("GET" if request.method == "HEAD" else request.method, request.path))
        if route is None:
            return web.Response(status=404, text="nothing here\n")
        return await route.handler(request)
