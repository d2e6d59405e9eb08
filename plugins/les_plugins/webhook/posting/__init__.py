"""One attempt to deliver, from the event to the verdict: implements `Poster`. Private to `webhook`.

Its parts: `provisions`, what is read from files; `signing`; `redaction`, what is shown of all that; `transport`, the
exchange over HTTP; `guardrails`, where that never goes.
"""

import asyncio
import codecs
import dataclasses
import time
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import aiohttp

from les_hooks import Context
from les_hooks.errors import LesHooksError
from les_hooks.text import error_words
from les_plugins.web import USER_AGENT, retry_after, web_words
from les_plugins.webhook.contract import Answer, Delivery, Outgoing, Verdict
from les_plugins.webhook.formats import BUNDLED, find_format
from les_plugins.webhook.posting.provisions import Provisions, Unready, provide, stamp
from les_plugins.webhook.posting.redaction import HIDDEN, Redactor, shown_url
from les_plugins.webhook.posting.signing import sign
from les_plugins.webhook.posting.transport import CONNECT_SECONDS, MOST_REPLY_BYTES, Reply, Transport
from les_plugins.webhook.settings import Endpoint

__all__ = ["HttpPoster", "make_poster"]

T = TypeVar("T")

_MOST_WORDS = 200
_MOST_SHOWN = 8 * 1024
_MOST_BODY_BYTES = 256 * 1024

# The files of an endpoint are not looked at for each of many events.
_LOOK_SECONDS = 1.0

_MAY_WORK_LATER = frozenset({408, 425, 429})
_GONE = 410


class _Unsendable(LesHooksError):  # noqa: N818  (it is the delivery that is at fault)
    """No attempt will ever deliver this, and why."""


def _boottime() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def make_poster(
    endpoint: Endpoint, ctx: Context, *, wall: Callable[[], float] = time.time, clock: Callable[[], float] = _boottime
) -> "HttpPoster":
    """Make the way to an endpoint; nothing is read or opened before the first post. `wall` is in Unix seconds."""
    return HttpPoster(endpoint, ctx, wall, clock)


class HttpPoster:
    """Posts to one endpoint; to be closed. Several posts may run at a time."""

    def __init__(self, endpoint: Endpoint, ctx: Context, wall: Callable[[], float], clock: Callable[[], float]) -> None:
        self._endpoint = endpoint
        self._ctx = ctx
        self._wall = wall
        self._clock = clock
        # A thread of its own for files and for formats of strangers: either may hang for ever, and again at each
        # attempt. Those of the loop, which look names up and read the configuration, must not all end like that.
        self._threads = ThreadPoolExecutor(1, "webhook-files")
        self._preparing = asyncio.Lock()
        self._closed = False
        self._looked_at = 0.0
        self._ready: tuple[Provisions, Transport] | None = None

    async def post(self, delivery: Delivery) -> Answer:
        """Try once, within the endpoint's `timeout`. Raises nothing but CancelledError."""
        began, request = self._clock(), ""
        try:
            async with asyncio.timeout(self._endpoint.timeout):
                provisions, transport = await self._prepare()
                outgoing = await self._render(delivery)
                headers = self._headers(delivery, outgoing, provisions.keys)
                request = self._shown(provisions, headers, outgoing.body)
                reply = await transport.exchange(outgoing.body, headers)
            answer = _judge(reply, provisions.redactor, self._wall())
        except Exception as error:  # whatever it is, the worker goes on
            answer = self._failure(error)
        return dataclasses.replace(answer, seconds=self._clock() - began, request=request)

    async def close(self) -> None:
        """Hang up for good; a post that runs ends without an answer."""
        self._closed = True
        self._threads.shutdown(wait=False, cancel_futures=True)
        await self._hang_up()

    def _in_thread(self, work: Callable[[], T]) -> Awaitable[T]:
        if self._closed:
            raise Unready("the node ends, or posts with another configuration")
        return asyncio.get_running_loop().run_in_executor(self._threads, work)

    async def _hang_up(self) -> None:
        ready, self._ready = self._ready, None
        if ready is not None:
            await ready[1].close()

    async def _prepare(self) -> tuple[Provisions, Transport]:
        """Read what is in files, again when they have changed. Raises Unready."""
        async with self._preparing:
            known = self._ready
            if known is not None and self._clock() - self._looked_at >= _LOOK_SECONDS:
                if await self._in_thread(lambda: stamp(self._endpoint)) != known[0].stamp:
                    await self._hang_up()
                self._looked_at = self._clock()
            if self._ready is None:
                provisions = await self._in_thread(lambda: provide(self._endpoint))
                if self._closed:
                    raise Unready("the node ends, or posts with another configuration")
                self._ready, self._looked_at = (provisions, Transport(provisions)), self._clock()
            return self._ready

    async def _render(self, delivery: Delivery) -> Outgoing:
        """Have the format make a body. Raises Unready where there is no such format, and _Unsendable where it fails."""
        name = self._endpoint.format
        try:
            write = find_format(name, self._ctx)
        except ValueError as error:
            # The plugin that offers it may come with the next reload.
            raise Unready(str(error)) from None
        waiting = None if name in BUNDLED else self._in_thread(lambda: write(delivery))
        try:
            outgoing = write(delivery) if waiting is None else await waiting
        except (Exception, SystemExit) as error:
            raise _Unsendable(f"the format {name!r} failed: {error_words(error, _MOST_WORDS)}") from error
        return _checked(outgoing, name)

    def _headers(self, delivery: Delivery, outgoing: Outgoing, keys: tuple[bytes, ...]) -> dict[str, str]:
        configured = {name.lower() for name in self._endpoint.headers}
        usual = {"User-Agent": USER_AGENT, "Accept": "*/*", "Accept-Encoding": "identity"}
        timestamp = int(self._wall())
        headers = {name: value for name, value in usual.items() if name.lower() not in configured}
        headers |= {"Content-Type": outgoing.content_type, **self._endpoint.headers}
        headers |= {"webhook-id": delivery.id, "webhook-timestamp": str(timestamp)}
        if keys:
            headers["webhook-signature"] = sign(keys, delivery.id, timestamp, outgoing.body)
        return headers

    def _shown(self, provisions: Provisions, headers: Mapping[str, str], body: bytes) -> str:
        """The request as it may be shown; a value that was configured may be what lets in."""
        lines = [f"POST {shown_url(str(provisions.url))}"]
        lines += [f"{name}: {HIDDEN if name in self._endpoint.headers else value}" for name, value in headers.items()]
        return _page("\n".join(lines), body, provisions.redactor)

    def _failure(self, error: Exception) -> Answer:
        verdict = Verdict.RETRY
        match error:
            case Unready():
                why = error.why
            case _Unsendable():
                verdict, why = Verdict.REFUSED, str(error)
            case aiohttp.ConnectionTimeoutError():
                why = f"no connection within {CONNECT_SECONDS:g} s"
            case TimeoutError():
                why = f"no answer within {self._endpoint.timeout:g} s"
            case aiohttp.ClientError() | OSError():
                why = web_words(error)
            case ValueError():
                verdict, why = Verdict.REFUSED, "cannot be written as a request; are its headers right?"
            case _:
                # Not its text, which may show anything.
                why = f"no attempt was possible ({type(error).__name__})"
        return Answer(verdict=verdict, seconds=0.0, why=why)


def _checked(outgoing: object, name: str) -> Outgoing:
    """What a stranger's format has made, if it can be sent. Raises _Unsendable."""
    if not (isinstance(outgoing, Outgoing) and isinstance(outgoing.body, bytes)):
        raise _Unsendable(f"the format {name!r} made no Outgoing with bytes, but {type(outgoing).__name__}")
    if len(outgoing.body) > _MOST_BODY_BYTES:
        raise _Unsendable(f"the format {name!r} made more than {_MOST_BODY_BYTES // 1024} KiB")
    kind = outgoing.content_type
    if not (isinstance(kind, str) and kind.isascii() and kind.isprintable()):
        raise _Unsendable(f"the format {name!r} has a content type that is not one line of plain ASCII")
    return outgoing


def _judge(reply: Reply, redactor: Redactor, now: float) -> Answer:
    """From what a receiver said to what that means."""
    verdict, why = Verdict.DELIVERED, ""
    if not 200 <= reply.status < 300:
        verdict = _verdict(reply.status)
        why = f"status {reply.status}" + _excerpt(reply, redactor)
    heading = f"HTTP {reply.status} {redactor.line(reply.reason, _MOST_WORDS)}".rstrip()
    return Answer(
        verdict=verdict,
        seconds=0.0,
        status=reply.status,
        why=why,
        retry_after=(retry_after(reply.retry_after, now) or None) if verdict is Verdict.RETRY else None,
        reply=_page(heading, reply.body, redactor),
    )


def _verdict(status: int) -> Verdict:
    if status == _GONE:
        return Verdict.GONE
    return Verdict.RETRY if status in _MAY_WORK_LATER or 500 <= status < 600 else Verdict.REFUSED


def _excerpt(reply: Reply, redactor: Redactor) -> str:
    if 300 <= reply.status < 400:
        # To follow it would hand the event, and its signature, to whoever the receiver names.
        return ", a redirection, which is not followed; is its URL right?"
    text = redactor.line(reply.body.decode("utf-8", "replace"), _MOST_WORDS)
    return f": {text}" if text and not text.startswith("<") else ""


def _page(heading: str, body: bytes, redactor: Redactor) -> str:
    """A request or a reply for an operator to look at."""
    try:
        # What is cut off may end in the middle of a character.
        text = redactor.lines(codecs.getincrementaldecoder("utf-8")().decode(body), _MOST_SHOWN)
    except UnicodeDecodeError:
        text = f"({len(body)} bytes that are no text)"
    more = "\n(more is not shown)" if len(body) > MOST_REPLY_BYTES else ""
    return f"{heading}\n\n{text}{more}" if text else heading
