"""Events as they happen, for browsers and programs: Server-Sent Events from a node's story. For this package only."""

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from typing import Final

import msgspec
from aiohttp import web
from structlog.typing import FilteringBoundLogger

from les_hooks.errors import ControlError
from les_hooks.events import Event
from les_hooks.http.answers import refusal
from les_hooks.http.connection import Connection
from les_hooks.http.gate import who

__all__ = ["EventStream"]

_MOST_STREAMS: Final = 64
_REMEMBERED: Final = 1000
# One write for many events: a storm of them costs each reader no more than this many writes a second.
_PACE_SECONDS: Final = 0.05
_MOST_AT_ONCE: Final = 100
_BEAT_SECONDS: Final = 15.0
_STALL_SECONDS: Final = 10.0
_HEAD: Final = "retry: 2000\n"
_BEAT: Final = b": alive\n\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Told:
    """An event as it is sent."""

    seq: int
    text: bytes


class EventStream:
    """Sends the events of a node to everybody who listens.

    Each is written down once, and a reader is no more than a place in what is remembered: one that is slow costs no
    memory, and one that falls out of what is remembered is told so. `listen` is `NodeReport.events`.
    """

    def __init__(self, listen: Callable[[int], AsyncGenerator[Event, None]], log: FilteringBoundLogger) -> None:
        self._listen = listen
        self._log = log
        self._told: deque[_Told] = deque(maxlen=_REMEMBERED)
        self._count = 0
        self._news = asyncio.Event()
        self._over = asyncio.Event()
        self._readers: set[asyncio.Task[object]] = set()
        self._hearing = asyncio.create_task(self._hear(), name="http-events")

    async def close(self) -> None:
        """End all streams, at once."""
        self._end()
        self._hearing.cancel()
        await asyncio.gather(self._hearing, return_exceptions=True)
        if self._readers:
            # Each is asked to end its answer in order; one whose reader takes nothing is not waited for.
            _, late = await asyncio.wait(self._readers, timeout=2 * _PACE_SECONDS)
            for task in late:
                task.cancel()

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Send the events that follow `Last-Event-ID`, or `after`, or else those from now on, until the node stops."""
        if len(self._readers) >= _MOST_STREAMS:
            return refusal(503, f"{_MOST_STREAMS} listen already; ask again later", {"Retry-After": "10"})
        try:
            after = _after(request)
        except ValueError as error:
            return refusal(400, str(error))
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "X-Accel-Buffering": "no"})
        response.force_close()
        task = asyncio.current_task()
        connection = request.protocol
        assert task is not None
        assert isinstance(connection, Connection)
        self._readers.add(task)
        try:
            await response.prepare(request)
            if request.method != "HEAD":
                connection.lasts()
                await self._send(response, after)
        except TimeoutError:
            self._log.info("http-stream-stalled", peer=who(request))
            connection.abort()
        except ConnectionError:
            connection.abort()  # it has gone, as it may
        except asyncio.CancelledError:
            connection.abort()
            raise
        finally:
            self._readers.discard(task)
            connection.finish()
        return response

    async def _send(self, response: web.StreamResponse, after: int | None) -> None:
        place, last = self._begin(after)
        await _write(response, f"{_HEAD}id: {last}\n\n".encode() if after is None else f"{_HEAD}\n".encode())
        while True:
            oldest = self._count - len(self._told)
            chunk = []
            if place < oldest:
                chunk.append(_gap(last, self._told[0].seq if self._told else None))
                place = oldest
            ready = [self._told[at - oldest] for at in range(place, min(self._count, place + _MOST_AT_ONCE))]
            if ready:
                place, last = place + len(ready), ready[-1].seq
                chunk += [one.text for one in ready]
            elif self._over.is_set():
                return
            elif not await _within(self._news, _BEAT_SECONDS):
                chunk.append(_BEAT)
            if chunk:
                await _write(response, b"".join(chunk))
                await _within(self._over, _PACE_SECONDS)

    def _begin(self, after: int | None) -> tuple[int, int]:
        """The place at which a reader begins, and the number of the last event that it knows."""
        if after is None:
            return self._count, self._told[-1].seq if self._told else 0
        oldest = self._count - len(self._told)
        for at, one in enumerate(self._told):
            if one.seq == after:
                return oldest + at + 1, after
        # Right before what is remembered: nothing was missed. Otherwise -1 is a place that is no more: there is a gap.
        adjoins = bool(self._told) and self._told[0].seq == after + 1
        return (oldest if adjoins else -1), after

    async def _hear(self) -> None:
        """Write down what happens, until the node has stopped."""
        last, hurried = 0, False
        try:
            while True:
                try:
                    async with contextlib.aclosing(self._listen(last)) as events:
                        async for event in events:
                            missed = hurried and event.seq > last + 1
                            self._tell(event, _gap(last, event.seq) if missed else b"")
                            last, hurried = event.seq, False
                        return
                except ControlError:  # more at once than is kept for who listens; go on with what is remembered
                    self._log.warning("http-events-missed", after=last)
                    hurried = True
        finally:
            self._end()

    def _tell(self, event: Event, before: bytes) -> None:
        text = b"id: %d\nevent: %s\ndata: %s\n\n" % (event.seq, event.kind.encode(), msgspec.json.encode(event))
        self._told.append(_Told(seq=event.seq, text=before + text))
        self._count += 1
        self._ring()

    def _end(self) -> None:
        self._over.set()
        self._ring()

    def _ring(self) -> None:
        self._news.set()
        self._news.clear()


def _after(request: web.Request) -> int | None:
    asked = request.query.get("after")
    if asked is not None and not _is_number(asked):
        raise ValueError("after is the number of an event, its `seq`")
    # The browser's word comes first: on reconnection it asks for the same page with what it heard since.
    known = request.headers.get("Last-Event-ID") or None
    if known is not None:
        return int(known) if _is_number(known) else 0
    return None if asked is None else int(asked)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 16


def _gap(after: int, then: int | None) -> bytes:
    return b"event: gap\ndata: %s\n\n" % msgspec.json.encode({"after": after, "next": then})


async def _write(response: web.StreamResponse, text: bytes) -> None:
    async with asyncio.timeout(_STALL_SECONDS):
        await response.write(text)


async def _within(event: asyncio.Event, seconds: float) -> bool:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return False
    return True
