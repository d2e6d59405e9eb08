"""The listener: its socket, and from a request to the page that answers it. For this package only."""

import asyncio
import logging
from dataclasses import replace
from typing import Final

from aiohttp import web
from structlog.typing import FilteringBoundLogger

from les_hooks.http.answers import refusal, secure
from les_hooks.http.connection import CONNECTION_SECONDS, LIMITS, Connection
from les_hooks.http.gate import Gate
from les_hooks.http.place import Opened, Place
from les_hooks.http.routes import Page, Table
from les_hooks.serving import Door, Limits, Rate, Sparing, forward_to
from les_hooks.text import error_words

__all__ = ["Listener"]

_CLOSE_SECONDS: Final = 1.0
_HANDLER_SECONDS: Final = 10.0
# Each connection is a file of the process, which has a thousand as a rule and needs them for its links. There is room
# for all streams beside the strangers. A browser opens six connections for a page.
_LIMITS: Final = Limits(
    connections=256,
    strangers=192,
    at_once=64,
    source=Rate(burst=128, per_second=64),
    everybody=Rate(burst=256, per_second=128),
)
# Where all come from this host, perhaps through a proxy, one address says nothing.
_LOCAL_LIMITS: Final = replace(_LIMITS, at_once=_LIMITS.strangers, source=_LIMITS.everybody)
# More than a connection lasts by itself, unless it is a stream, or one that takes nothing of its answer.
_STRANGER_SECONDS: Final = 2 * CONNECTION_SECONDS
_MOST_BODY_BYTES: Final = 16 * 1024


class Listener:
    """Answers at the `place` by the `table`, which may be replaced at any time, whom the `gate` lets in."""

    def __init__(self, place: Place, gate: Gate, log: FilteringBoundLogger) -> None:
        self.table: Table = {}
        self._place = place
        self._gate = gate
        self._log = log
        self._library_log = forward_to(log)
        self._failures = Sparing(log)
        limits = _LOCAL_LIMITS if place.is_local else _LIMITS
        self._door = Door(self._connected, limits, stranger_seconds=_STRANGER_SECONDS, log=log, kind="http-")
        app = web.Application(client_max_size=_MOST_BODY_BYTES)
        app.router.add_route("*", r"/{path:[\s\S]*}", self._answer, expect_handler=_expected)
        app.on_response_prepare.append(_secured)
        self._runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=_CLOSE_SECONDS)
        self._opened: Opened | None = None

    @property
    def url(self) -> str:
        """Where it listens, for people; empty before it does."""
        return self._opened.url if self._opened is not None else ""

    async def start(self) -> None:
        """Listen from now on; raises StartError where that is not possible."""
        await self._runner.setup()
        try:
            self._opened = await self._place.open(self._door)
        except BaseException:
            await self._door.close()
            await self._runner.cleanup()
            raise

    async def close(self) -> None:
        """End all connections, in bounded time."""
        if self._opened is not None:
            self._opened.close()
            try:
                await asyncio.wait_for(self._runner.cleanup(), 3 * _CLOSE_SECONDS)
            except TimeoutError:
                self._log.warning("http-close-late")  # the process ends all the same
            await self._door.close()

    def _connected(self) -> asyncio.Protocol:
        server = self._runner.server
        assert server is not None, "start comes first"
        return Connection(server, self._door, logger=self._library_log, **LIMITS)

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        # As it was sent: what is escaped, doubled or relative is another path, and there is nothing.
        methods = self.table.get(request.raw_path.partition("?")[0])
        page = None if methods is None else methods.get("GET" if request.method == "HEAD" else request.method)
        if request.method in ("GET", "HEAD") and request.body_exists:
            return refusal(400, "there is nothing to send to this page")
        if (refused := self._gate.refuse(request, page)) is not None:
            return refused
        if methods is None:
            return refusal(404, "nothing here")
        if page is None:
            allowed = sorted({*methods, "HEAD"} if "GET" in methods else methods)
            return refusal(405, f"this page takes {', '.join(allowed)}", {"Allow": ", ".join(allowed)})
        return await page.handler(request) if page.lasts else await self._limited(page, request)

    async def _limited(self, page: Page, request: web.Request) -> web.StreamResponse:
        """The page's answer, whatever a stranger's code does."""
        try:
            async with asyncio.timeout(_HANDLER_SECONDS) as limit:
                response = await page.handler(request)
            if isinstance(response, web.StreamResponse):
                return response
            raise TypeError(f"the handler returned {type(response).__name__}, which is no response")
        except web.HTTPException:
            raise  # the library's way of answering something else
        except (Exception, SystemExit) as error:
            late = isinstance(error, TimeoutError) and limit.expired()
            event = "http-page-late" if late else "http-page-failed"
            keys = {"path": page.path, "error": error_words(error), "exc_info": None if late else error}
            self._failures.write(logging.ERROR, event, **keys)
        if request.writer.output_size:  # it had begun to answer: another answer would be read as more of that
            raise ConnectionResetError("the page failed half way")
        if late:
            return refusal(503, "this page took too long")
        return refusal(500, "this page failed; the log of the node says more")


async def _expected(_request: web.Request) -> None:
    """Who waits to be told to send the body may do so; the library's own answer fails on what is no text."""


async def _secured(_request: web.Request, response: web.StreamResponse) -> None:
    secure(response)
