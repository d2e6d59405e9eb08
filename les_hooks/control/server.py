"""The daemon's end of the control socket. Imported by the daemon, which gives it the actions."""

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec
from structlog.typing import FilteringBoundLogger

from les_hooks.control.caller import Caller, Places
from les_hooks.control.client import NO_PERMISSION
from les_hooks.control.endpoint import CONTROL, Endpoint, Purpose
from les_hooks.control.entrance import Entrance
from les_hooks.control.protocol import MOST_REQUEST_BYTES, Reply, Request
from les_hooks.errors import ControlError, LesHooksError
from les_hooks.serving import Bucket
from les_hooks.text import encodable, printable

__all__ = ["Caller", "ControlServer", "Handler", "Streamer"]

_MOST_CONNECTIONS: Final = 64
_MOST_STREAMS: Final = 16
"""Fewer than connections, so that watchers cannot keep a `les step-down` out."""
_LEAVE_SECONDS: Final = 1.0
_GUEST_REQUESTS: Final = 50
_GUEST_SECONDS: Final = 0.05
"""So many requests of guests at once, and then one each so many seconds: no question costs more than a millisecond."""

Handler = Callable[[Mapping[str, Any], Caller], Awaitable[object]]
"""Answers one action with a JSON value; a LesHooksError that it raises is what the operator reads."""
Streamer = Callable[[Mapping[str, Any], Caller], AsyncGenerator[object, None]]
"""Yields JSON values until it ends or the client goes; what it waits in must be bounded, as a Feed is."""


class ControlServer:
    """Serves the actions given, each to as many clients as there are.

    Who is neither root nor the user of this process gets those named as `questions` only; `on_refused` hears of the
    rest, which is not told what it does.

    A client has `request_seconds` to send its line, and is dropped when it takes nothing for `stall_seconds`. How long
    an answer takes is the handler's affair; it runs to its end even if the client goes.
    """

    def __init__(
        self,
        handlers: Mapping[str, Handler],
        streams: Mapping[str, Streamer],
        *,
        questions: Collection[str],
        log: FilteringBoundLogger,
        on_refused: Callable[[str, Caller], None] = lambda _action, _caller: None,
        request_seconds: float = 5.0,
        stall_seconds: float = 10.0,
    ) -> None:
        self._handlers = handlers
        self._streams = streams
        self._questions = questions
        self._on_refused = on_refused
        self._log = log
        self._request_seconds = request_seconds
        self._stall_seconds = stall_seconds
        self._connections: set[asyncio.Task[None]] = set()
        self._connected = Places(_MOST_CONNECTIONS, "connected")
        self._streaming: set[asyncio.Task[None]] = set()
        self._watching = Places(_MOST_STREAMS, "watching")
        self._guest_requests = Bucket(_GUEST_REQUESTS, _GUEST_SECONDS)
        self._endpoint: Endpoint | None = None
        self._entrance: Entrance | None = None

    async def start(self, path: Path, purpose: Purpose = CONTROL) -> None:
        """Listen at the path. Raises StartError."""
        self._endpoint = Endpoint(path, purpose)
        self._entrance = Entrance(
            self._endpoint.listener, self._connected, admit=self._admit, refusal=_refusal, log=self._log
        )

    async def close(self) -> None:
        """Stop listening, end the streams, and give answers on their way a second."""
        if self._entrance is None or self._endpoint is None:
            return
        self._entrance.close()
        self._endpoint.remove()
        for stream in self._streaming:
            stream.cancel()
        if self._connections:
            _, late = await asyncio.wait(self._connections, timeout=_LEAVE_SECONDS)
            for connection in late:
                connection.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        self._entrance = None

    def _admit(self, connection: socket.socket, caller: Caller) -> None:
        self._connected.take(caller)
        task = asyncio.create_task(self._serve(connection, caller))

        def end(_done: asyncio.Task[None]) -> None:
            self._connections.discard(task)
            self._connected.leave(caller)

        self._connections.add(task)
        task.add_done_callback(end)

    async def _serve(self, connection: socket.socket, caller: Caller) -> None:
        reader, writer = await _open(connection)
        try:
            await self._converse(reader, writer, caller)
            writer.close()
            await asyncio.wait_for(writer.wait_closed(), self._stall_seconds)
        except (_ClientGone, OSError) as error:  # a TimeoutError is an OSError
            self._log.debug("control-client-gone", reason=str(error) or type(error).__name__)
        finally:
            # Harmless after a close that went well; otherwise what the client did not take is thrown away.
            writer.transport.abort()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, caller: Caller) -> None:
        try:
            request = await self._read_request(reader)
            self._check(request.action, caller)
            if request.action in self._streams:
                await self._stream(self._streams[request.action](request.arguments, caller), reader, writer, caller)
                return
            result = await self._handlers[request.action](request.arguments, caller)
            reply = _line(Reply(ok=True, result=result))
        except LesHooksError as error:
            reply = _refusal(str(error), error.exit_code if isinstance(error, ControlError) else 1)
        except _ClientGone:
            raise
        except Exception as error:
            self._log.exception("control-request-failed")
            reply = _refusal(f"the daemon failed to answer ({type(error).__name__}); its log says more")
        await self._send(writer, reply)

    def _check(self, action: str, caller: Caller) -> None:
        """Raise ControlError where there is no such action, or it is not for this caller, or too many ask."""
        if action not in self._handlers and action not in self._streams:
            raise ControlError(f"this daemon knows no action {action!r}; is it of another version?")
        if not caller.guest:
            return
        if not self._guest_requests.take():
            raise ControlError("the group of this socket asks too often; try again")
        if action not in self._questions:
            self._on_refused(action, caller)
            raise ControlError(_not_for_guests(action, caller), NO_PERMISSION)

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
        self,
        items: AsyncGenerator[object, None],
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        caller: Caller,
    ) -> None:
        """Send the items until they end or the client goes."""
        if why_not := self._watching.why_full(caller):
            raise ControlError(f"{why_not}; end one of them")
        self._watching.take(caller)
        pump = asyncio.create_task(self._pump(items, writer))
        # A client that has sent its request has no more to say: whatever can be read now is its end.
        gone = asyncio.create_task(reader.read(1))
        self._streaming.add(pump)
        try:
            await asyncio.wait({pump, gone}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._streaming.discard(pump)
            self._watching.leave(caller)
            gone.cancel()
            pump.cancel()
            await asyncio.gather(pump, gone, return_exceptions=True)
        if not pump.cancelled():
            pump.result()

    async def _pump(self, items: AsyncGenerator[object, None], writer: asyncio.StreamWriter) -> None:
        async with contextlib.aclosing(items):
            async for item in items:
                await self._send(writer, _line(Reply(ok=True, result=item)))

    async def _send(self, writer: asyncio.StreamWriter, reply: bytes) -> None:
        writer.write(reply)
        try:
            await asyncio.wait_for(writer.drain(), self._stall_seconds)
        except TimeoutError:
            raise _ClientGone(f"took nothing for {self._stall_seconds:g} s") from None
        except OSError as error:
            raise _ClientGone(str(error)) from error


class _ClientGone(Exception):  # noqa: N818  (no error: clients may go whenever they like)
    """The client is not there any more, or as good as."""


def _refusal(why: str, exit_code: int = 1) -> bytes:
    return _line(Reply(ok=False, error=encodable(why), exit=exit_code))


def _line(reply: Reply) -> bytes:
    return msgspec.json.encode(reply) + b"\n"


async def _open(connection: socket.socket) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """What asyncio's own server would make of a connection."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=MOST_REQUEST_BYTES)
    transport, protocol = await loop.connect_accepted_socket(lambda: asyncio.StreamReaderProtocol(reader), connection)
    return reader, asyncio.StreamWriter(transport, protocol, reader, loop)


def _not_for_guests(action: str, caller: Caller) -> str:
    return (
        f"{printable(action)} is not for uid {caller.uid}, which may only ask: what may change something is for root "
        f"and uid {os.geteuid()}, the daemon's own; run it with `sudo`"
    )
