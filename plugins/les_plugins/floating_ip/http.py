"""One call to a provider: bounded in time and size, counted, and never sent by who leads no more. Private to
`floating_ip`.
"""

from collections.abc import AsyncIterable, AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import Protocol, TypeVar

import aiohttp
import msgspec

from les_hooks.text import plain
from les_plugins.floating_ip.allowance import Allowance
from les_plugins.floating_ip.trouble import Fault, Trouble
from les_plugins.lookup import Lookup, Resolver
from les_plugins.web import USER_AGENT, retry_after, web_words

__all__ = ["Authorize", "Explain", "Http", "Reply", "no_explanation"]

T = TypeVar("T")

MOST_BYTES = 64 * 1024
"""More of an answer is not read, as a rule."""

_MOST_WORDS = 200

_FAULTS = {
    401: Fault.DENIED,
    403: Fault.DENIED,
    404: Fault.MISSING,
    409: Fault.BUSY,
    423: Fault.BUSY,
    429: Fault.THROTTLED,
}


class Authorize(Protocol):
    """What makes a request that of somebody who may: a token, or a signature."""

    async def headers(self, method: str, url: str, body: bytes) -> Mapping[str, str]:
        """Those to add to this request. Raises Trouble where there are none to be had."""

    def renew(self) -> bool:
        """Take note that the provider did not accept them; returns whether it is worth asking for new ones at once."""

    def hide(self, text: str) -> str:
        """The text without anything secret in it."""


Explain = Callable[[int, bytes], tuple[Fault | None, str]]
"""From the status and the body of an error to what the provider means: None where only the status says."""


def no_explanation(_status: int, _body: bytes) -> tuple[Fault | None, str]:
    """For a provider whose errors have no form."""
    return None, ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An answer with a good status."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    hide: Callable[[str], str] = str

    def read(self, kind: type[T]) -> T:
        """Read JSON as this type. Raises Trouble where it is anything else."""
        try:
            return msgspec.json.decode(self.body, type=kind)
        except (msgspec.DecodeError, ValueError, RecursionError) as error:  # ValueError: no UTF-8
            words = self.hide(str(error)).replace("`", "")  # with values from the answer in it
            why = f"an answer that is not understood ({words[:_MOST_WORDS]})"
            raise Trouble(Fault.MALFORMED, why) from None

    def text(self) -> str:
        """A short plain text on one line. Raises Trouble where it is anything else."""
        try:
            words = self.body.decode("ascii").strip()
        except UnicodeDecodeError:
            words = ""
        if not words or not words.isprintable() or len(words) > _MOST_WORDS:
            raise Trouble(Fault.MALFORMED, "an answer that is not understood (no short text)")
        return words


@dataclass(frozen=True, slots=True, kw_only=True)
class Http:
    """A provider's API below the URL `base`; `timeout` seconds for each call.

    Of an answer `most_bytes` are read. `permit` is asked when the connection stands and right before what changes
    something is sent, and raises Trouble where this node may not; None for an API at which nothing is changed. `hide`
    takes out of a text what is secret in a body.
    """

    base: str
    timeout: float
    most_bytes: int = MOST_BYTES
    wall: Callable[[], float]
    allowance: Allowance | None = None
    permit: Callable[[], None] | None = None
    authorize: Authorize | None = None
    explain: Explain = no_explanation
    hide: Callable[[str], str] = str
    lookup: Lookup

    async def get(self, path: str, **headers: str) -> Reply:
        """Ask for something. Raises Trouble unless the answer is a good one."""
        return await self.call("GET", path, headers=headers)

    async def send(self, method: str, path: str, body: object) -> Reply:
        """Have something changed: `body` is sent as JSON. Raises Trouble unless the answer is a good one."""
        return await self.call(
            method, path, body=msgspec.json.encode(body), headers={"Content-Type": "application/json"}
        )

    async def call(
        self, method: str, path: str, *, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Reply:
        """Call `base + path`; what has a body changes something. Raises Trouble unless the answer is a good one."""
        try:
            return await self._call(method, path, body, headers or {})
        except Trouble as trouble:
            again = trouble.fault is Fault.DENIED and self.authorize is not None and self.authorize.renew()
            if not again:
                raise
        return await self._call(method, path, body, headers or {})

    async def _call(self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]) -> Reply:
        url = self.base + path
        sent = {"User-Agent": USER_AGENT, "Accept-Encoding": "identity", **headers}
        if self.authorize is not None:
            sent |= await self.authorize.headers(method, url, body or b"")
        if body is not None:
            sent["Content-Length"] = str(len(body))
        if self.allowance is not None:
            self.allowance.take()
        guarded = None if body is None else _Guarded(body, self.permit)
        try:
            return await self._exchange(method, url, guarded, sent)
        except TimeoutError:
            raise Trouble(Fault.UNREACHABLE, f"no answer within {self.timeout:g} s") from None
        except (aiohttp.ClientError, OSError) as error:
            if guarded is not None and guarded.withdrawn is not None:
                raise guarded.withdrawn from None
            raise Trouble(Fault.UNREACHABLE, self._hidden(web_words(error))) from None

    async def _exchange(self, method: str, url: str, body: "_Guarded | None", headers: Mapping[str, str]) -> Reply:
        # A connection of its own each time: calls are rare, and nothing stays open that somebody would have to close.
        connector = aiohttp.TCPConnector(resolver=Resolver(self.lookup), use_dns_cache=False, force_close=True, limit=1)
        async with (
            aiohttp.ClientSession(
                connector=connector,
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                timeout=aiohttp.ClientTimeout(total=self.timeout),
            ) as session,
            session.request(method, url, data=body, headers=headers, allow_redirects=False) as response,
        ):
            raw = b""
            most = self.most_bytes
            while len(raw) <= most and (chunk := await response.content.read(most + 1 - len(raw))):
                raw += chunk
            if 200 <= response.status < 300 and len(raw) <= most:
                return Reply(status=response.status, headers=response.headers, body=raw, hide=self._hidden)
            trouble = self._trouble(response.status, response.headers, raw)
            if self.allowance is not None and trouble.retry_after:
                # Beyond this call: a leadership that begins meanwhile, or an operator's look, is a call as well.
                self.allowance.pause(trouble.retry_after)
            raise trouble

    def _trouble(self, status: int, headers: Mapping[str, str], raw: bytes) -> Trouble:
        if len(raw) > self.most_bytes:
            return Trouble(Fault.MALFORMED, f"an answer of more than {self.most_bytes // 1024} KiB")
        if status < 400:
            return Trouble(Fault.MALFORMED, f"status {status}, a redirection; is its URL right?")
        fault, words = self.explain(status, raw)
        words = plain(self._hidden(words))[:_MOST_WORDS]
        fallback = _FAULTS.get(status) or (Fault.BROKEN if status >= 500 else Fault.REFUSED)
        why = f"status {status}" + (f": {words}" if words else "")
        return Trouble(fault or fallback, why, retry_after(headers.get("Retry-After", ""), self.wall()))

    def _hidden(self, text: str) -> str:
        text = self.hide(text)
        return self.authorize.hide(text) if self.authorize is not None else text


class _Guarded(AsyncIterable[bytes]):
    """A body that is handed over only when the connection stands, with a last look at whether this node may.

    Finding the host, connecting and TLS take a while, and a frozen process any while; without its body a call does
    nothing. It can be had again: aiohttp repeats a PUT by itself when the server hangs up without an answer.
    """

    def __init__(self, body: bytes, permit: Callable[[], None] | None) -> None:
        self.withdrawn: Trouble | None = None
        self._body = body
        self._permit = permit

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            if self._permit is not None:
                self._permit()
        except Trouble as trouble:
            self.withdrawn = trouble
            raise
        yield self._body
