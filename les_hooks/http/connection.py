"""A connection and its limits: one request, its answer, and all of that within a time. For this package only.

One request each, so that no byte that follows a request can be taken for another one, here or in a proxy in front.
"""

import asyncio
from typing import Any, Final

from aiohttp import web

from les_hooks.http.answers import secure
from les_hooks.serving import Door

__all__ = ["CONNECTION_SECONDS", "LIMITS", "Connection"]

CONNECTION_SECONDS: Final = 20.0
"""From the first byte to the last, unless it is a stream: more than a handler may take, and a slow reader besides."""
_FINISH_SECONDS: Final = 5.0
# Who has more to send than this is no browser of ours; cookies of other listeners on this host come along.
LIMITS: Final[dict[str, Any]] = {
    "max_line_size": 2048,
    "max_field_size": 8190,
    "max_headers": 64,
    "keepalive_timeout": 5.0,  # until there is a whole head; there is no second one
    "lingering_time": 0.0,
    "auto_decompress": False,
    "access_log": None,
}


class Connection(web.RequestHandler):
    """What the library makes of a connection that came through the `door`, cut off after CONNECTION_SECONDS."""

    __slots__ = ("_abort", "_cut", "_door")

    def __init__(self, server: web.Server, door: Door, **options: Any) -> None:
        super().__init__(server, loop=asyncio.get_running_loop(), **options)
        self._door = door

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It begins."""
        assert isinstance(transport, asyncio.Transport)
        self._abort = transport.abort
        self._cut = asyncio.get_running_loop().call_later(CONNECTION_SECONDS, transport.abort)
        super().connection_made(transport)

    def connection_lost(self, exc: BaseException | None) -> None:
        """It is over."""
        self._cut.cancel()
        super().connection_lost(exc)

    def lasts(self) -> None:
        """Let it last from now on: who asks was let in by the gate, and what it carries is bounded otherwise."""
        self._cut.cancel()
        self._door.prove(self)

    def finish(self) -> None:
        """Give what was written, and not taken yet, a last moment."""
        self._cut.cancel()
        self._cut = asyncio.get_running_loop().call_later(_FINISH_SECONDS, self._abort)

    def abort(self) -> None:
        """End it at once, whatever has not been taken yet."""
        self._abort()

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Send the answer, whoever made it, as the last one."""
        resp.force_close()
        return await super().finish_response(request, resp, start_time)

    def handle_error(
        self, request: web.BaseRequest, status: int = 500, exc: BaseException | None = None, message: str | None = None
    ) -> web.StreamResponse:
        """Log the error, and answer without its details."""
        super().handle_error(request, status, exc, message)
        response = web.Response(status=status, text="bad request\n" if status < 500 else "this page failed\n")
        secure(response)
        return response
