"""The daemon's end of the control socket. Imported by the daemon, which gives it the actions."""

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec
from structlog.typing import FilteringBoundLogger

from les_hooks.control.endpoint import Endpoint
from les_hooks.control.protocol import MOST_REQUEST_BYTES, Reply, Request
from les_hooks.errors import ControlError, LesHooksError
from les_hooks.text import encodable

__all__ = ["Caller", "ControlServer", "Handler", "Streamer"]

_MOST_CONNECTIONS: Final = 64
_MOST_STREAMS: Final = 16
"""Fewer than connections, so that watchers cannot keep a `les step-down` out."""
_LEAVE_SECONDS: Final = 1.0
_CREDENTIALS: Final = struct.Struct("iII")


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """The process at the other end, by the kernel's word."""

    uid: int
    pid: int


Handler = Callable[[Mapping[str, Any], Caller], Awaitable[object]]
"""Answers one action with a JSON value; a LesHooksError that it raises is what the operator reads."""
Streamer = Callable[[Mapping[str, Any], Caller], AsyncGenerator[object, None]]
"""Yields JSON values until it ends or the client goes; what it waits in must be bounded, as a Feed is."""


class ControlServer:
    """Serves the actions given, each to as many clients as there are.

    A client has `request_seconds` to send its line, and is dropped when it takes nothing for `stall_seconds`. How long
    an answer takes is the handler's affair; it runs to its end even if the client goes.
    """

    def __init__(
        self,
        handlers: Mapping[str, Handler],
        streams: Mapping[str, Streamer],
        *,
        log: FilteringBoundLogger,
        request_seconds: float = 5.0,
        stall_seconds: float = 10.0,
    ) -> None:
        self._handlers = handlers
        self._streams = streams
        self._log = log
        self._request_seconds = request_seconds
        self._stall_seconds = stall_seconds
        self._connections: set[asyncio.Task[None]] = set()
        self._streaming: set[asyncio.Task[None]] = set()
        self._endpoint: Endpoint | None = None
        self._server: asyncio.Server | None = None

    async def start(self, path: Path) -> None:
        """Listen at the path. Raises StartError."""
        self._endpoint = Endpoint(path)
        self._server = await asyncio.start_unix_server(
            self._accept, sock=self._endpoint.listener, limit=MOST_REQUEST_BYTES
        )

    async def close(self) -> None:
        """Stop listening, end the streams, and give answers on their way a second."""
        if self._server is None or self._endpoint is None:
            return
        self._server.close()
        self._endpoint.remove()
        for stream in self._streaming:
            stream.cancel()
        if self._connections:
            _, late = await asyncio.wait(self._connections, timeout=_LEAVE_SECONDS)
            for connection in late:
                connection.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        self._server = None

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer, crowded=len(self._connections) >= _MOST_CONNECTIONS))
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, crowded: bool) -> None:
        try:
            if crowded:
                await self._send(writer, _refusal(f"{_MOST_CONNECTIONS} clients are connected already; try again"))
            else:
                await self._converse(reader, writer)
            writer.close()
            await asyncio.wait_for(writer.wait_closed(), self._stall_seconds)
        except (_ClientGone, OSError) as error:  # a TimeoutError is an OSError
            self._log.debug("control-client-gone", reason=str(error) or type(error).__name__)
        finally:
            # Harmless after a close that went well; otherwise what the client did not take is thrown away.
            writer.transport.abort()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        caller = _caller(writer)
        try:
            request = await self._read_request(reader)
            if request.action in self._streams:
                await self._stream(self._streams[request.action](request.arguments, caller), reader, writer)
                return
            if request.action not in self._handlers:
                raise ControlError(f"this daemon knows no action {request.action!r}; is it of another version?")
            result = await self._handlers[request.action](request.arguments, caller)
            reply = msgspec.json.encode(Reply(ok=True, result=result))
        except LesHooksError as error:
            reply = _refusal(str(error), error.exit_code if isinstance(error, ControlError) else 1)
        except _ClientGone:
            raise
        except Exception as error:
            self._log.exception("control-request-failed")
            reply = _refusal(f"the daemon failed to answer ({type(error).__name__}); its log says more")
        await self._send(writer, reply)

    async def _read_request(self, reader: asyncio.StreamReader) -> Request:
        try:
            line = await asyncio.wait_for(reader.readuntil(b"\n"), self._request_seconds)
            return msgspec.json.decode(line, type=Request)
        except asyncio.LimitOverrunError:
            raise ControlError(f"the request is longer than {MOST_REQUEST_BYTES} bytes") from None
        except asyncio.IncompleteReadError as error:
            if not error.partial:
                raise _ClientGone("said nothing") from None
            raise ControlError("the request ends in the middle of its line") from None
        except TimeoutError:
            raise ControlError(f"no request came within {self._request_seconds:g} s") from None
        except OSError as error:
            raise _ClientGone(str(error)) from error
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise ControlError(f"the request is malformed: {error}") from None

    async def _stream(
        self, items: AsyncGenerator[object, None], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Send the items until they end or the client goes."""
        if len(self._streaming) >= _MOST_STREAMS:
            raise ControlError(f"{_MOST_STREAMS} clients are watching already; end one of them")
        pump = asyncio.create_task(self._pump(items, writer))
        # A client that has sent its request has no more to say: whatever can be read now is its end.
        gone = asyncio.create_task(reader.read(1))
        self._streaming.add(pump)
        try:
            await asyncio.wait({pump, gone}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._streaming.discard(pump)
            gone.cancel()
            pump.cancel()
            await asyncio.gather(pump, gone, return_exceptions=True)
        if not pump.cancelled():
            pump.result()

    async def _pump(self, items: AsyncGenerator[object, None], writer: asyncio.StreamWriter) -> None:
        async with contextlib.aclosing(items):
            async for item in items:
                await self._send(writer, msgspec.json.encode(Reply(ok=True, result=item)))

    async def _send(self, writer: asyncio.StreamWriter, reply: bytes) -> None:
        writer.write(reply + b"\n")
        try:
            await asyncio.wait_for(writer.drain(), self._stall_seconds)
        except TimeoutError:
            raise _ClientGone(f"took nothing for {self._stall_seconds:g} s") from None
        except OSError as error:
            raise _ClientGone(str(error)) from error


class _ClientGone(Exception):  # noqa: N818  (no error: clients may go whenever they like)
    """The client is not there any more, or as good as."""


def _refusal(why: str, exit_code: int = 1) -> bytes:
    return msgspec.json.encode(Reply(ok=False, error=encodable(why), exit=exit_code))


def _caller(writer: asyncio.StreamWriter) -> Caller:
    peer = writer.get_extra_info("socket")
    pid, uid, _ = _CREDENTIALS.unpack(peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size))
    return Caller(uid=uid, pid=pid)
